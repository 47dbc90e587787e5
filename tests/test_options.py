"""The options and what is made of them."""

import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from certificates import make_certificate
from processes import ROOT
from tokens import CLAIMS, NOW, SECRET, by_key, by_secret, public_key, public_pem
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.python import usage
from typed import parse

from twisted_signal import __version__, logs, option_table, options
from twisted_signal.inheritance import VARIABLE, Inheritance
from twisted_signal.limits import Limits
from twisted_signal.log_levels import Levels
from twisted_signal.options import Options
from twisted_signal.outbox import Outbox

pytestmark = pytest.mark.usefixtures("started_logs")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def names(options: Options) -> list[str]:
    return [listener.name for listener in options.listeners]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["0.0.0.0:8765"]),
        (["--port", "0"], ["0.0.0.0:0"]),
        (["-p", "9000", "--host", "127.0.0.1"], ["127.0.0.1:9000"]),
        (["--host", "::1"], ["[::1]:8765"]),
        (["--host", "[::]"], ["[::]:8765"]),
        (["--endpoint", "tcp:1"], ["tcp:1"]),
        (["--endpoint", "tcp:1", "--endpoint", "tcp6:2"], ["tcp:1", "tcp6:2"]),
        (["--endpoint", "tcp:1", "--port", "2"], ["0.0.0.0:2", "tcp:1"]),
        (["--endpoint", "tcp:1", "--host", "127.0.0.1"], ["127.0.0.1:8765", "tcp:1"]),
        (["--endpoint", "tcp:1", "--port", "none"], ["tcp:1"]),
    ],
)
def test_endpoints_stand_beside_or_instead_of_host_and_port(
    arguments: list[str], expected: list[str]
) -> None:
    options = parse(*arguments)

    assert names(options) == expected
    assert all(IStreamServerEndpoint.providedBy(one.endpoint) for one in options.listeners)


def test_a_host_may_be_a_name() -> None:
    assert names(parse("--host", "localhost"))[0] in ("127.0.0.1:8765", "[::1]:8765")


@pytest.mark.parametrize("level", ["DEBUG", "info", "Warning", "error"])
def test_a_log_level_may_be_in_any_case(
    level: str, started_logs: list[tuple[Any, Levels, Outbox]]
) -> None:
    options = parse("--log-level", level)

    assert started_logs == [(None, Levels(level.upper()), options.outbox)]


def test_the_log_is_told_who_runs_the_server(
    started_logs: list[tuple[Any, Levels, Outbox]],
) -> None:
    runner = usage.Options()  # as twist's, which writes no pid file
    options = Options()
    options.parent = runner

    options.parseOptions([])

    assert started_logs == [(runner, Levels("INFO"), options.outbox)]


def test_the_limits_have_defaults() -> None:
    assert parse().limits == Limits()


def test_without_keys_all_enter() -> None:
    assert parse().verifier is None
    assert parse().key_files is None


def test_a_secret_file_lets_in_who_has_a_token_by_it(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(SECRET + b"\n")

    verifier = parse("--auth-secret-file", str(path)).verifier

    assert verifier is not None
    assert verifier.verify(by_secret(CLAIMS), NOW)


def test_public_key_files_let_in_who_has_a_token_by_any_of_them(tmp_path: Path) -> None:
    options = []
    for algorithm in ("RS256", "EdDSA"):
        path = tmp_path / algorithm
        path.write_bytes(public_pem(public_key(algorithm)))
        options.append(f"--auth-public-key-file={path}")

    verifier = parse(*options).verifier

    assert verifier is not None
    assert verifier.verify(by_key("RS256"), NOW)
    assert verifier.verify(by_key("EdDSA"), NOW)


def test_the_keys_can_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"x" * 32)
    options = parse("--auth-secret-file", str(path))
    verifier = options.verifier
    assert verifier is not None
    assert options.key_files is not None
    path.write_bytes(SECRET)

    options.key_files.reload()

    assert verifier.verify(by_secret(CLAIMS), NOW)


WRONG = [
    (["--port", "65536"], "--port must be a number from 0 to 65535, not 65536"),
    (["--port", "-1"], "--port must be a number"),
    (["--port", "http"], "--port must be a number"),
    (["--port", ""], "--port must be a number"),
    (["--port", "٣"], "--port must be a number"),
    (["--port", "9" * 5000], "--port must be a number"),
    (["--port", "none"], "--port none leaves nothing to listen at"),
    (["--tls-port", "1"], "--tls-port is of no use without --tls-cert or --self-signed"),
    (["--tls-cert", "x", "--self-signed"], "--tls-cert and --self-signed exclude each other"),
    (["--self-signed", "--tls-key", "x"], "--tls-key is of no use without --tls-cert"),
    (["--self-signed", "--state-dir", "/dev/null"], "--self-signed: cannot write /dev/null"),
    (["--tls-key", "key.pem"], "--tls-key is of no use without --tls-cert"),
    (["--tls-cert", "/nowhere/x.pem"], "--tls-cert: cannot read /nowhere/x.pem: No such file"),
    (["--max-message-size", "64K"], "--max-message-size must be a number"),
    (["--max-buffer", "-1"], "--max-buffer must be a number from 0 to 2147483648, not -1"),
    (["--log-level", "LOUD"], "--log-level must be one of DEBUG, INFO, WARNING, ERROR, not LOUD"),
    (["--log-level", "INFO,relay=DEBG"], "ERROR, not DEBG; did you mean DEBUG?"),
    (["--log-level", "websockets=DEBUG"], "not there, websockets; did you mean websocket?"),
    (["--log-format", "xml"], "--log-format must be one of text, json, not xml"),
    (["--log-format", "json", "--qr"], "--qr prints for people"),
    (
        ["--duplicate-id", "Probe"],
        "--duplicate-id must be one of probe, replace, reject, not Probe",
    ),
    (["--host", "no such host"], '--host must be an address of this machine, and "no such host"'),
    (["--host", "a" * 64 + ".example"], "--host must be an address"),
    (["--host", "."], "--host must be an address"),
    (["--host", ""], '--host must be an address of this machine, and "" is none'),
    (
        ["--endpoint", "nonsense"],
        "--endpoint nonsense: Twisted cannot use it: Unknown endpoint type",
    ),
    (["--endpoint", "tcp:port"], "--endpoint tcp:port: Twisted cannot use it"),
    (["--endpoint", ""], '--endpoint "": Twisted cannot use it'),
    (["--endpoint", "systemd:domain=INET:index=7"], "systemd has handed over no such socket"),
    (
        ["--endpoint", "ssl:0:privateKey=/nowhere/key.pem"],
        "cannot read /nowhere/key.pem: No such file or directory",
    ),
    (["--auth-secret-file", ""], "cannot be read: Is a directory"),
    (
        ["--auth-secret-file", "/nowhere"],
        "--auth-secret-file /nowhere cannot be read: No such file",
    ),
    (["--auth-secret-file", "/dev/null"], "/dev/null holds a secret of 0 bytes, and 32 are the"),
    (["--auth-secret-file=a", "--auth-secret-file=b"], "--auth-secret-file may be given once only"),
    (["--auth-public-key-file", ""], "cannot be read: Is a directory"),
    (["--auth-public-key-file", "/dev/null"], "--auth-public-key-file /dev/null holds no public"),
    (["--auth-public-key-file", "/dev/zero"], "/dev/zero is longer than any file of keys"),
    (
        ["--auth-secret-file", "a", "--auth-public-key-file", "b"],
        "--auth-secret-file and --auth-public-key-file do not go together; use one",
    ),
    (["--workers", "0"], "--workers must be a number from 1 to 256, not 0"),
    (["--workers", "257"], "--workers must be a number from 1 to 256, not 257"),
    (["--workers", "many"], "--workers must be a number from 1 to 256, not many"),
    (["--workers", "2"], "--workers needs --redis-url where there are more than one"),
    (["--nonsense"], "option --nonsense not recognized"),
    (["argument"], "Wrong number of arguments"),
]


@pytest.mark.parametrize(("arguments", "sentence"), WRONG)
def test_what_is_typed_wrong_is_one_sentence(arguments: list[str], sentence: str) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(*arguments)

    told = str(caught.value.code)
    assert told.startswith("vislam-signal: ")
    assert sentence in told
    assert told.isprintable()


def test_a_log_that_cannot_be_written_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise PermissionError(13, "Permission denied", "/var/log/x")

    monkeypatch.setattr(logs, "start", refuse)

    with pytest.raises(SystemExit, match="cannot write the log to /var/log/x: Permission denied"):
        parse()


def test_a_pid_file_that_cannot_be_written_is_one_sentence() -> None:
    runner = usage.Options()
    runner["pidfile"] = "/nowhere/twistd.pid"
    options = Options()
    options.parent = runner

    with pytest.raises(SystemExit, match=r"cannot write the pid file /nowhere/twistd\.pid"):
        options.parseOptions([])


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse("--version")

    assert caught.value.code == 0
    assert capsys.readouterr().out == f"vislam-signal {__version__}\n"


def test_the_readme_names_every_option_and_its_default() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    defaults = {
        "--host": option_table.DEFAULT_HOST,
        "--port": option_table.DEFAULT_PORT,
        "--tls-port": option_table.DEFAULT_TLS_PORT,
        "--admin-endpoint": option_table.DEFAULT_ADMIN_ENDPOINT,
        "--log-level": "INFO",
        "--log-format": "text",
        "--duplicate-id": "probe",
        "--turn-ttl": option_table.TURN_TTL,
        "--workers": 1,
    } | {f"--{limit.name.replace('_', '-')}": limit.default for limit in fields(Limits)}

    for option, default in defaults.items():
        assert f"| `{option}` | `{default}` |" in readme
    for option in ("--endpoint", "--auth-secret-file", "--auth-public-key-file"):
        assert f"| `{option}` | – |" in readme
    for option in ("--endpoint", "--tls-cert", "--tls-key", "--self-signed", "--state-dir"):
        assert f"| `{option}` |" in readme
    options = [f"--{option.name}" for option in option_table.OPTIONS]
    assert [option for option in options if f"| `{option}` |" not in readme] == []
    has_default = [
        option for option in option_table.OPTIONS if option.default or option.default_meaning
    ]
    assert {f"--{option.name}" for option in has_default} - set(defaults) == {
        "--tls-key",
        "--state-dir",
    }


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["0.0.0.0:8765", "0.0.0.0:8766"]),
        (["--port", "none", "--host", "::1"], ["[::1]:8766"]),
        (["--tls-port", "443", "--port", "80"], ["0.0.0.0:80", "0.0.0.0:443"]),
        (["--endpoint", "tcp:1"], ["0.0.0.0:8766", "tcp:1"]),
    ],
)
def test_a_certificate_opens_the_tls_port(
    arguments: list[str], expected: list[str], certificate: Path
) -> None:
    options = parse("--tls-cert", str(certificate), *arguments)

    assert names(options) == expected
    assert {one.name.rpartition(":")[2] for one in options.listeners if one.secure} <= {
        "8766",
        "443",
    }


def test_a_certificate_of_its_own_opens_the_tls_port(tmp_path: Path) -> None:
    options = parse("--self-signed", "--state-dir", str(tmp_path / "state"), "--host", "127.0.0.1")

    assert names(options) == ["127.0.0.1:8765", "127.0.0.1:8766"]
    assert [one.secure for one in options.listeners] == [False, True]


def test_the_port_for_tls_must_be_a_number(certificate: Path) -> None:
    with pytest.raises(SystemExit, match="--tls-port must be a number from 0 to 65535, not none"):
        parse("--tls-cert", str(certificate), "--tls-port", "none")


# Workers


def test_there_is_one_process_or_as_many_as_are_asked_for() -> None:
    assert parse().workers == 1
    assert parse("--workers", "1").workers == 1
    assert parse("--workers", "2", "--redis-url", "redis://127.0.0.1").workers == 2


def test_a_worker_has_the_options_of_its_parent_and_listens_where_it_is_told() -> None:
    parent = parse("--port", "1", "--endpoint", "tcp:2")
    systemds = parent.settings["endpoint"]._replace(value=["tcp:2", "systemd:domain=INET:index=0"])
    inheritance = Inheritance(2, parent.settings | {"endpoint": systemds}, [2, 2, 1], "/run/x")

    worker = Options({VARIABLE: inheritance.encode()})
    worker.parseOptions([])

    assert worker.settings == inheritance.settings
    assert names(worker) == ["0.0.0.0:1", "tcp:2", "tcp:0"]
    assert worker.admin is not None
    assert worker.admin.listener.name == "unix:/run/x/2.admin:mode=600"
    assert all(one.is_inherited for one in (*worker.listeners, worker.admin.listener))


def test_a_file_that_names_more_places_by_now_does_not_disturb_a_worker() -> None:
    parent = parse("--port", "1")
    worker = Options({VARIABLE: Inheritance(1, parent.settings, [1], "/run/x").encode()})
    worker.parseOptions([])
    more = parent.settings["endpoint"]._replace(value=["tcp:2"])

    fresh = worker.renewed(worker.settings | {"endpoint": more})

    assert names(fresh) == ["0.0.0.0:1", "tcp:2"]


# Proxies and origins


def test_proxies_and_origins_may_be_given_several_times() -> None:
    options = parse(
        *("--trust-proxy", "10.0.0.0/8", "--trust-proxy", "unix", "--trust-proxy", "2001:db8::7"),
        *("--allowed-origin", "https://app.example.com", "--allowed-origin", "null"),
    )

    assert all(options.proxies.trusts(host) for host in ("10.1.2.3", None, "2001:db8::7"))
    assert not options.proxies.trusts("192.0.2.1")
    assert options.origins.allows("null")
    assert not options.origins.allows("https://evil.example")


def test_nobody_is_trusted_and_no_page_kept_out_by_default() -> None:
    options = parse()

    assert not options.proxies
    assert not options.origins


@pytest.mark.parametrize("word", ["10.0.0.1/8", "proxy.example", "", "10.0.0.0/8,10.1.0.0/16"])
def test_a_proxy_that_is_no_network_is_one_clear_line(word: str) -> None:
    with pytest.raises(SystemExit, match=r"--trust-proxy must be an address, a network such as"):
        parse("--trust-proxy", word)


@pytest.mark.parametrize("word", ["app.example.com", "https://app.example.com/", "*", ""])
def test_an_origin_that_is_none_is_one_clear_line(word: str) -> None:
    with pytest.raises(SystemExit, match=r"--allowed-origin must be an origin such as"):
        parse("--allowed-origin", word)


def test_to_be_announced_needs_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "find_spec", lambda _name: None)

    with pytest.raises(SystemExit, match=r"^vislam-signal: --advertise needs python-zeroconf: pip"):
        parse("--advertise")


# The cluster


def test_the_way_to_redis_is_that_of_the_url_and_the_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("p@ss\n")

    assert parse().redis is None
    redis = parse(
        *("--redis-url", "redis://lab@h:7/1"),
        *("--redis-password-file", str(tmp_path / "password")),
    ).redis
    assert redis is not None
    assert (str(redis.address), redis.address.database) == ("h:7", 1)
    assert redis.address.credentials == ("lab", "p@ss")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--redis-url", "localhost"], "--redis-url must be a URL such as redis://host:6379/0, "),
        (["--redis-url", "redis://:secret@h/x"], "--redis-url must have nothing but the number"),
        (
            ["--redis-url", "rediss://h?ca-file=nothing/here"],
            "--redis-url names a ca-file that cannot be used: nothing/here cannot be read: No such",
        ),
        (
            ["--redis-url", "rediss://h?ca-file=/dev/null"],
            "--redis-url names a ca-file without a certificate: /dev/null",
        ),
        (
            ["--redis-password-file", "x"],
            "--redis-password-file is of no use without --redis-url",
        ),
        (
            ["--redis-url", "redis://h", "--redis-password-file", "/nothing/here"],
            "--redis-password-file /nothing/here cannot be read: No such file or directory",
        ),
        (
            ["--redis-url", "redis://h", "--redis-password-file", "/dev/null"],
            "--redis-password-file /dev/null holds a password of 0 bytes, and 1 are the least",
        ),
        (
            ["--redis-url", "redis://:secret@h", "--redis-password-file", __file__],
            "--redis-url has a password, and --redis-password-file has one too",
        ),
        (
            ["--redis-url", "redis://h", "--redis-password-file", sys.executable],
            f"--redis-password-file {sys.executable} ",
        ),
    ],
)
def test_a_redis_that_cannot_be_used_is_one_clear_line(
    arguments: list[str], complaint: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(*arguments)

    assert str(caught.value).startswith(f"vislam-signal: {complaint}")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_redis_needs_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "find_spec", lambda _name: None)

    with pytest.raises(
        SystemExit,
        match=r"^vislam-signal: --redis-url needs txredisapi and hiredis:"
        r" pip install 'vislam-signal\[redis\]'$",
    ):
        parse("--redis-url", "redis://h")
