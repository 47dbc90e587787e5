"""The page about configuration, and the example file that it speaks of."""

import re
from pathlib import Path

import pytest
from processes import ROOT
from typed import parse

from twisted_signal.command_line import opposite
from twisted_signal.config.toml_file import from_toml
from twisted_signal.option_table import BY_NAME, OPTIONS, Kind

EXAMPLE = ROOT / "deploy" / "vislam-signal.toml"
PAGE = ROOT / "docs" / "configuration.md"


def uncommented() -> str:
    """Return the example with all that may be given, given."""
    return re.sub(r"^#(?=[a-z-]+ = )", "", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_the_example_as_it_is_changes_nothing() -> None:
    assert from_toml(EXAMPLE.read_bytes(), EXAMPLE) == {}


def test_the_example_names_every_option_with_its_default() -> None:
    given = from_toml(uncommented().encode(), Path("/etc/x.toml"))

    assert set(given) == set(BY_NAME) - {"config"}
    for name, setting in given.items():
        option = BY_NAME[name]
        if option.kind == Kind.FLAG:
            assert setting.value is False, name
        elif option.default is not None:
            assert setting.value == option.default, name
        elif option.default_meaning is not None and not option.is_path:
            assert setting.value == option.default_meaning, name


def test_the_example_says_of_every_option_that_it_is_live_or_not() -> None:
    heading, block, told = "", "", {}
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("# ----"):
            heading, block = line.lower(), ""
        elif found := re.match(r"#([a-z-]+) = ", line):
            told[found[1]] = "live" in heading or "live" in block
        elif line.startswith("#"):
            block += line.lower()
        else:
            block = ""

    special = {"state-dir"}  # what is in it is, and it is of no use by itself
    assert {name for name in told if told[name]} == {
        option.name for option in OPTIONS if option.is_live
    } - special


@pytest.mark.usefixtures("started_logs")
def test_the_file_on_the_page_has_options_that_there_are() -> None:
    first = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]

    given = from_toml(first.encode(), Path("/etc/vislam-signal/vislam-signal.toml"))

    assert given["tls-cert"].value == "/etc/vislam-signal/fullchain.pem"
    assert given["port"].value == "none"
    assert parse("--max-clients", str(given["max-clients"].value)).limits.max_clients == 2000


def test_the_page_names_all_that_needs_a_restart_and_all_opposites() -> None:
    page = PAGE.read_text(encoding="utf-8")
    (row,) = re.findall(r"^\| needs a restart \|(.*)\|$", page, re.MULTILINE)

    restart = {option.name for option in OPTIONS if not option.is_live} - {"config"}
    assert set(re.findall(r"`([a-z-]+)`", row)) == restart
    for option in OPTIONS:
        if option.kind == Kind.FLAG:
            assert f"`--{opposite(option)}`" in page
