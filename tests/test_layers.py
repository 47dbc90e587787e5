"""Holds the imports of the package to the table in docs/design.md."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import ROOT

PACKAGE = ROOT / "twisted_signal"
CORE = (
    "text",
    "events",
    "event_log",
    "errors",
    "messages",
    "close_codes",
    "histogram",
    "tally",
    "nesting",
    "auth",
    "backlog",
    "limits",
    "connection",
    "mailbox",
    "refusals",
    "candidates",
    "timeline",
    "calls",
    "registry",
    "relay",
    "nearest",
    "case",
    "rules",
    "diagnosis",
    "call_board",
    "dialects",
    "turn",
    "claim",
    "cluster",
    "entrance",
    "session",
    "frames",
    "handshake",
    "outbox",
    "admission",
    "proxies",
    "origins",
    "keepalive",
    "inquiry",
    "stalls",
    "history",
    "log_bounds",
)

SHELLS = {
    PACKAGE / "cluster" / name
    for name in ("connection.py", "endpoints.py", "redis.py", "sentinels.py")
}
"""What of the packages of the core brings the network to it."""


def table() -> dict[str, set[str]]:
    """Return what each module may import, in the order of the table."""
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| ([^|]*) \|$", page, re.MULTILINE)
    return {module: set(re.findall(r"\w+", may)) for module, may in rows}


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def modules() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if layer(path) != "__init__"]


def imports(path: Path) -> Iterator[str]:
    """Yield the full names that a module imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def inner_imports(path: Path) -> set[str]:
    """Return the layers of the package that a module imports."""
    found = {name.split(".")[1] for name in imports(path) if name.startswith("twisted_signal.")}
    return found - {"__version__", layer(path)}


def test_every_module_is_in_the_table() -> None:
    assert {layer(path) for path in modules()} == set(table())


def test_the_table_knows_floors_above_only() -> None:
    above: set[str] = set()
    for module, may in table().items():
        assert may <= above, module
        above.add(module)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_what_the_table_says(path: Path) -> None:
    assert inner_imports(path) <= table()[layer(path)]


def test_the_table_allows_nothing_that_nobody_needs() -> None:
    for module, may in table().items():
        needed = set().union(*(inner_imports(path) for path in modules() if layer(path) == module))
        assert needed == may, module


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_core_imports_no_twisted_and_no_clock(path: Path) -> None:
    if layer(path) in CORE and path not in SHELLS:
        roots = {name.split(".")[0] for name in imports(path)}
        assert not roots & {"twisted", "autobahn", "txaio", "time", "datetime", "socket", "asyncio"}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("module", ["session", "dialects.conversation"])
def test_importing_the_core_does_not_import_a_network(module: str) -> None:
    code = (
        f"import sys, twisted_signal.{module}\n"
        "print([name for name in sys.modules if name.startswith(('twisted.', 'autobahn'))])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert done.stdout.strip() == "[]"


def test_the_plugin_imports_twisteds_service_maker_only() -> None:
    plugin = ROOT / "twisted" / "plugins" / "vislam_signal.py"

    assert list(imports(plugin)) == ["twisted.application.service.ServiceMaker"]


def test_twisteds_own_packages_are_not_overwritten() -> None:
    assert not list((ROOT / "twisted").rglob("__init__.py"))
