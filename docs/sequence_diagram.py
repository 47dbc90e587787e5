"""Draws the sequence diagrams of the pages, which are written in Mermaid's language.

Where the files are read as they are, Mermaid draws them in the browser. Here they are drawn when
the pages are built, so that the pages need no script of another host. What is drawn is what the
pages have: participants and messages between them. Other diagrams are shown as they are written.
"""

import re
from html import escape
from typing import NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

COLUMN, ROW, MARGIN, BOX = 270, 34, 20, 30
"""Pixels from one participant to the next, from one message to the next, around, and in a box."""

HEAD = """\
<svg viewBox="0 0 {width} {height}" style="max-width: {width}px; width: 100%" role="img"
aria-label="Sequence diagram" fill="none" stroke="currentColor" font-size="14" text-anchor="middle">
<defs><marker id="arrow" viewBox="0 0 10 10" refX="10" refY="5" markerWidth="8" markerHeight="8"
orient="auto"><path d="M0 0L10 5L0 10z" fill="currentColor" stroke="none"/></marker></defs>"""

_PARTICIPANT = re.compile(r"participant (\w+)(?: as (.+))?")
_MESSAGE = re.compile(r"(\w+)(--?)>>(\w+): (.+)")


class Message(NamedTuple):
    """An arrow. `is_dashed`: drawn so."""

    sender: str
    is_dashed: bool
    receiver: str
    text: str


class SequenceDiagram(NamedTuple):
    """The participants' names by their ids, from left to right; and what they say, in order."""

    participants: dict[str, str]
    messages: list[Message]


def parsed(source: str) -> SequenceDiagram | None:
    """Return the diagram, or None if it is of another kind or has more than is drawn here."""
    first, *lines = [line.strip() for line in source.splitlines() if line.strip()] or [""]
    if first != "sequenceDiagram":
        return None
    diagram = SequenceDiagram({}, [])
    for line in lines:
        if participant := _PARTICIPANT.fullmatch(line):
            diagram.participants[participant[1]] = participant[2] or participant[1]
        elif message := _MESSAGE.fullmatch(line):
            for name in (message[1], message[3]):
                diagram.participants.setdefault(name, name)
            diagram.messages.append(Message(message[1], message[2] == "--", message[3], message[4]))
        else:
            return None
    return diagram


def drawn(diagram: SequenceDiagram) -> str:
    """Return the diagram as SVG, in the colours of the page."""
    middle = {
        name: MARGIN + COLUMN // 2 + COLUMN * number
        for number, name in enumerate(diagram.participants)
    }
    width = 2 * MARGIN + COLUMN * len(middle)
    bottom = MARGIN + BOX + ROW * (len(diagram.messages) + 1)
    parts = [HEAD.format(width=width, height=bottom + MARGIN)]
    for name, x in middle.items():
        parts += [
            f'<path d="M{x} {MARGIN + BOX}V{bottom}" stroke-opacity="0.4"/>',
            f'<rect x="{x - 70}" y="{MARGIN}" width="140" height="{BOX}" rx="4"/>',
            _text(x, MARGIN + BOX - 10, diagram.participants[name]),
        ]
    for number, message in enumerate(diagram.messages, start=1):
        y = MARGIN + BOX + ROW * number
        begin, end = middle[message.sender], middle[message.receiver]
        dashes = ' stroke-dasharray="4 3"' if message.is_dashed else ""
        parts += [
            f'<path d="M{begin} {y}H{end}" marker-end="url(#arrow)"{dashes}/>',
            _text((begin + end) // 2, y - 6, message.text),
        ]
    return "\n".join([*parts, "</svg>"])


def _text(x: int, y: int, text: str) -> str:
    return f'<text x="{x}" y="{y}" fill="currentColor" stroke="none">{escape(text)}</text>'


class MermaidDirective(SphinxDirective):
    """What is fenced as `mermaid`."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the diagram, or its source if it cannot be drawn here."""
        source = "\n".join(self.content)
        diagram = parsed(source)
        if diagram is None:
            return [nodes.literal_block(source, source)]
        return [nodes.raw("", drawn(diagram), format="html")]


def setup(app: Sphinx) -> None:
    """Have Sphinx draw what is fenced as `mermaid`."""
    app.add_directive("mermaid", MermaidDirective)
