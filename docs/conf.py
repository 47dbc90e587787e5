"""Sphinx's configuration: `make docs` builds the pages into build/docs.

The source is the whole repository, not this folder alone, so that a page's links to the README, to
measurements and to code lead somewhere on the built pages as they do where the files are read as
they are. Code that a page links to is copied beside the pages.

Nothing is fetched, neither to build the pages nor to look at them.
"""

import sys
from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

FOLDER = Path(__file__).parent
PACKAGE = FOLDER.parent / "twisted_signal"
sys.path.insert(0, str(FOLDER))

import docstrings
import sequence_diagram

from twisted_signal import __version__

project = "vislam-signal"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
root_doc = "docs/index"
include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "benchmarks/results.md",
    "docs/**.md",
]
exclude_patterns = [".*", "build", "dist"]  # not even looked into

html_theme = "furo"
html_title = f"vislam-signal {version}"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_additional_pages = {"index": "redirect.html"}  # the start page is not at the top
html_static_path = ["static"]
html_css_files = ["pages.css"]
templates_path = ["templates"]

myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 6  # links to headings, as GitHub makes them
highlight_language = "text"  # of listings that name none
# The listings leave out what goes without saying, by a "…" that no language knows.
suppress_warnings = ["misc.highlighting_failure"]

autodoc_member_order = "bysource"
autodoc_use_type_comments = False  # there are none, and to look for them takes seconds
autodoc_default_options = {"show-inheritance": True}
napoleon_use_ivar = True  # attributes are described with their class
python_use_unqualified_type_names = True
toc_object_entries = False  # the list of pages would name every function

nitpicky = True  # of names of other packages, docstrings.py knows which there are
nitpick_ignore = [
    ("py:exc", "usage.UsageError"),  # as Twisted's manuals name it
    ("py:class", "Binding"),  # of textual's, in an annotation that a class has from there
]

# Modules that users import are described in api/client.md.
FOR_USERS = ("aiortc", "asyncio", "errors", "events", "signal", "signaling", "trust", "twisted")


def write_module_pages(_app: Sphinx) -> None:
    """Write a page for each package, on which its other modules are described."""
    pages = FOLDER / "api" / "modules"
    pages.mkdir(exist_ok=True)
    stale = set(pages.iterdir())
    for init in PACKAGE.rglob("__init__.py"):
        package = ".".join(init.parent.relative_to(PACKAGE.parent).parts)
        modules = sorted(path.stem for path in init.parent.glob("*.py") if path != init)
        if package == "twisted_signal.client":
            modules = [module for module in modules if module not in FOR_USERS]
        sections = [f"# {package}", _AUTOMODULE.format(package)]
        for module in modules:
            sections += [f"## {module}", _AUTOMODULE.format(f"{package}.{module}")]
        page = pages / f"{package}.md"
        stale.discard(page)
        text = "\n\n".join(sections) + "\n"
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")
    for page in stale:
        page.unlink()


_AUTOMODULE = "```{{eval-rst}}\n.. automodule:: {}\n   :members:\n```"


def setup(app: Sphinx) -> None:
    """Sphinx calls this: what the configuration's values cannot say."""
    app.add_lexer("signal", TextLexer)  # docs/protocol.md: who says what to whom
    app.connect("builder-inited", write_module_pages)
    docstrings.setup(app)
    sequence_diagram.setup(app)
