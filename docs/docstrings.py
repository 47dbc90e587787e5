"""The package's docstrings as Sphinx reads them.

They are written for readers of the code: Google style, with `code` between single backticks and
nothing else of reStructuredText. What that would take for its own is made plain here, before
napoleon sees to the sections.
"""

import re
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from itertools import groupby
from typing import TypeVar

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from zope.interface.interface import InterfaceClass

_SECTION = re.compile(r"\s*(Args|Attributes|Raises|Returns|Yields):$")
_CODE = re.compile(r"(`+)(.+?)\1", re.DOTALL)
_SPECIAL = re.compile(r"[*|]|(?<=\w)_(?!\w)")
_RETURNS = re.compile(r"^( *)(Returns|Yields):\n", re.MULTILINE)
_NAMES = re.compile(r"^ +[a-z]\w*(, \w+)+:", re.MULTILINE)
_INTERFACE = re.compile(r"<InterfaceClass ([\w.]+)>")
PACKAGE = "twisted_signal"
BEFORE_NAPOLEON = 400


def setup(app: Sphinx) -> None:
    """Have Sphinx ask here for each docstring and signature."""
    app.connect("autodoc-process-docstring", _process_docstring, priority=BEFORE_NAPOLEON)
    app.connect("autodoc-process-signature", _process_signature)
    app.connect("missing-reference", _leave_unlinked)


def restructured(docstring: str) -> str:
    """Return a docstring as reStructuredText, its Google sections left as they are."""
    return "\n\n".join(_paragraphs(docstring))


def _paragraphs(docstring: str) -> Iterator[str]:
    in_section = in_listing = False
    for has_text, lines in groupby(docstring.splitlines(), key=lambda line: bool(line.strip())):
        if not has_text:
            continue
        paragraph = list(lines)
        listed = "\n".join(f"    {line}" for line in paragraph)
        in_section = in_section or any(map(_SECTION.match, paragraph))
        was_listing = in_listing
        in_listing = not in_section and all(line.startswith("    ") for line in paragraph)
        if in_listing:
            yield listed if was_listing else f".. code-block:: python\n\n{listed}"
        elif any("── " in line for line in paragraph):  # a tree
            yield f"::\n\n{listed}"
        else:
            text = _plain("\n".join(paragraph))
            if in_section:  # of two names, the first would be the type of the second
                text = _NAMES.sub(lambda names: names[0].replace(", ", ","), text)
            yield text


def _plain(paragraph: str) -> str:
    """Return a paragraph with code as literals, and nothing else that means something."""
    parts: list[str] = []
    end = 0
    for code in _CODE.finditer(paragraph):
        parts += [_escaped(paragraph[end : code.start()]), f"``{code[2]}``"]
        end = code.end()
    return "".join([*parts, _escaped(paragraph[end:])])


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", text.replace("\\", r"\\"))


def _process_docstring(
    _app: Sphinx, what: str, _name: str, _object: object, _options: object, lines: list[str]
) -> None:
    text = restructured("\n".join(lines))
    # Here napoleon would take "Seconds in which: …" for a type and its description, unless
    # something stands before it: an empty comment.
    if what in ("attribute", "data", "property"):
        text = f"..\n\n{text}"
    lines[:] = _RETURNS.sub(r"\g<0>\1    ..\n\n", text).splitlines()


def _process_signature(
    _app: Sphinx,
    _what: str,
    _name: str,
    _object: object,
    _options: object,
    signature: str | None,
    returned: str | None,
) -> tuple[str | None, str | None]:
    return signature and _named(signature), returned and _named(returned)


def _leave_unlinked(
    _app: Sphinx, _env: object, node: pending_xref, _content: nodes.Element
) -> nodes.Node | None:
    """Let a name stand that is none of the package's classes and functions, but one in Python.

    It is of another package, which is documented elsewhere, or a type variable or an interface.
    """
    name = _named(node["reftarget"])
    root, dot, _ = name.partition(".")
    if dot and root != PACKAGE and find_spec(root) is not None:
        return nodes.Text(name)
    found = _found(name if root == PACKAGE else f"{node.get('py:module')}.{name}")
    is_ours = getattr(found, "__module__", "").startswith(PACKAGE)
    if found is None or (is_ours and not isinstance(found, TypeVar | InterfaceClass)):
        return None
    return nodes.Text(name)


def _found(name: str) -> object:
    """Return what has a name, of which all but the last word is a module; or None."""
    module, _, member = name.rpartition(".")
    try:
        return getattr(import_module(module), member, None)
    except ImportError:
        return None


def _named(text: str) -> str:
    """Return a signature or type with what Sphinx can read.

    That is without what stands for zope's interfaces, and for defaults that msgspec copies.
    """
    return _INTERFACE.sub(r"\1", text).replace("= <factory>", "= ...")
