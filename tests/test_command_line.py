"""The command line together with the environment and the file."""

import re
from pathlib import Path

import pytest

from twisted_signal.command_line import CommandLine, opposite
from twisted_signal.option_table import OPTIONS, Kind


def parse(*arguments: str, **environment: str) -> CommandLine:
    options = CommandLine({f"VISLAM_SIGNAL_{name}": text for name, text in environment.items()})
    options.parseOptions(list(arguments))
    return options


def test_every_option_can_be_given_on_the_command_line() -> None:
    for option in OPTIONS:
        value = [] if option.kind == Kind.FLAG else ["/dev/null"]

        options = parse(f"--{option.name}", *value)

        given = True if option.kind == Kind.FLAG else "/dev/null"
        assert options[option.name] == ([given] if option.is_repeatable else given)


def test_an_option_has_a_letter() -> None:
    assert parse("-p", "80")["port"] == "80"


def test_the_last_of_several_counts_unless_it_may_be_given_several_times() -> None:
    options = parse("--port=1", "--port=2", "--qr", "--no-qr", "--stun-uri=a", "--stun-uri=b")

    assert options["port"] == "2"
    assert options["qr"] is False
    assert options["stun-uri"] == ["a", "b"]


def test_a_flag_that_was_switched_on_elsewhere_can_be_switched_off() -> None:
    flags = [option for option in OPTIONS if option.kind == Kind.FLAG]
    on = {option.name.replace("-", "_").upper(): "1" for option in flags}

    options = parse(*(f"--{opposite(option)}" for option in flags), **on)

    assert not any(options[option.name] for option in flags)
    assert parse("--web", NO_WEB="1")["no-web"] is False


def test_a_list_on_the_command_line_stands_in_the_place_of_one_elsewhere() -> None:
    assert parse("--stun-uri=a", STUN_URI="b c")["stun-uri"] == ["a"]


def test_the_help_has_all_options_with_their_defaults() -> None:
    text = str(parse())

    names = re.findall(r"^ +(?:-p, )?--([a-z-]+)=?  ", text, re.MULTILINE)
    assert {option.name for option in OPTIONS} <= set(names)
    assert "[default: 50000]" in " ".join(text.split())
    assert "[default: 0.0.0.0]" in " ".join(text.split())


@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        (["--nonsense"], {}, "option --nonsense not recognized"),
        (["argument"], {}, "Wrong number of arguments"),
        ([], {"NONSENSE": "1"}, "no option has the variable VISLAM_SIGNAL_NONSENSE"),
        (["--config", "/nowhere"], {}, "/nowhere cannot be read"),
        ([], {"CONFIG": "/nowhere"}, "/nowhere cannot be read"),
    ],
)
def test_what_is_wrong_ends_the_process_with_one_line(
    arguments: list[str], environment: dict[str, str], sentence: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(*arguments, **environment)

    told = str(caught.value.code)
    assert told.startswith("vislam-signal: ")
    assert sentence in told
    assert told.isprintable()


def test_a_file_gives_what_the_command_line_does_not(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("max-clients = 5\nport = 80\n")

    options = parse("--config", str(tmp_path / "x.toml"), "--port", "81")

    assert (options["max-clients"], options["port"]) == ("5", "81")


def test_what_was_typed_can_be_typed_again() -> None:
    typed = ["--port=1", "--no-qr", "--no-web", "--stun-uri=a", "--stun-uri=b", "--host="]
    options = parse(*typed, "--advertise", TLS_PORT="7")

    again = parse(*options.typed(), TLS_PORT="7")

    assert again.settings == options.settings
    assert sorted(again.typed()) == sorted([*typed, "--advertise"])
