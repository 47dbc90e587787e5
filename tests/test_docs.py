"""The documentation: built as `make docs` builds it, where every warning is an error."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from processes import ROOT

from twisted_signal import __version__

pytest.importorskip("sphinx", reason="Sphinx is not installed")

sys.path.append(str(ROOT / "docs"))

from docstrings import restructured
from sequence_diagram import Message, drawn, parsed

ASKS = re.compile(
    r"""(?:<(?:script|img|iframe|source)[^>]* src|<link[^>]* href)="?(https?:[^" >]+)"""
)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built pages."""
    built = tmp_path_factory.mktemp("docs")
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "build_pages.py", built],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return built


def test_the_pages_are_built_without_a_warning(pages: Path) -> None:
    for source in (*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"):
        assert pages.joinpath(source.relative_to(ROOT)).with_suffix(".html").exists()


def test_the_start_page_names_every_page() -> None:
    named = re.findall(r"\]\(([\w./-]+\.md)\)", (ROOT / "docs" / "index.md").read_text())

    assert {path.name for path in (ROOT / "docs").glob("*.md")} - set(named) == {"index.md"}


def test_the_top_leads_to_the_start_page(pages: Path) -> None:
    assert 'url=docs/index.html"' in (pages / "index.html").read_text()


def test_the_pages_name_the_version(pages: Path) -> None:
    assert f"<title>vislam-signal {__version__}" in (pages / "docs" / "index.html").read_text()


def test_every_module_is_described(pages: Path) -> None:
    described = set()
    for page in (pages / "docs" / "api").rglob("*.html"):
        described |= set(re.findall(r'id="module-([\w.]+)"', page.read_text(encoding="utf-8")))
    package = ROOT / "twisted_signal"
    for path in package.rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        assert module in described


def test_a_link_to_code_leads_to_a_copy_of_it(pages: Path) -> None:
    page = (pages / "docs" / "clients.html").read_text(encoding="utf-8")
    (copy,) = re.findall(r'href="([^"]+/recording\.py)"', page)

    assert (pages / "docs" / copy).read_bytes() == (ROOT / "examples/recording.py").read_bytes()


def test_to_look_at_the_pages_no_other_host_is_asked(pages: Path) -> None:
    for page in pages.rglob("*.html"):
        assert not ASKS.findall(page.read_text(encoding="utf-8")), page


def test_it_would_be_seen_if_another_host_was_asked() -> None:
    assert ASKS.findall('<script async src="https://example.com/a.js">')
    assert ASKS.findall('<link rel="stylesheet" href="https://example.com/a.css">')


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("Plain.", "Plain."),
        ("`a_b*` and **kwargs, a_ or |.", r"``a_b*`` and \*\*kwargs, a\_ or \|."),
        ("One.\n\nTwo.", "One.\n\nTwo."),
        (
            "See:\n\n    a = 1\n\n    b = 2\n\nOr not.",
            "See:\n\n.. code-block:: python\n\n        a = 1\n\n        b = 2\n\nOr not.",
        ),
        ("Base\n├── A   a\n└── B   b", "::\n\n    Base\n    ├── A   a\n    └── B   b"),
        ("Args:\n    a, b: two.\n\n    c: more.", "Args:\n    a,b: two.\n\n    c: more."),
    ],
)
def test_docstrings_need_nothing_of_restructured_text(docstring: str, expected: str) -> None:
    assert restructured(docstring) == expected


def test_a_sequence_diagram_is_drawn() -> None:
    source = """
    sequenceDiagram
        participant PC
        participant Phone as The <phone>
        PC->>Phone: offer → phone1
        Phone-->>Server: answer
    """

    diagram = parsed(source)

    assert diagram == (
        {"PC": "PC", "Phone": "The <phone>", "Server": "Server"},
        [
            Message("PC", is_dashed=False, receiver="Phone", text="offer → phone1"),
            Message("Phone", is_dashed=True, receiver="Server", text="answer"),
        ],
    )
    picture = drawn(diagram)
    assert picture.count("marker-end") == 2
    assert "The &lt;phone&gt;" in picture


@pytest.mark.parametrize("source", ["", "graph TD; A-->B", "sequenceDiagram\nloop each second"])
def test_other_diagrams_are_not_taken_for_one(source: str) -> None:
    assert parsed(source) is None
