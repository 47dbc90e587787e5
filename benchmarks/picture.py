"""Bars for each workload, as an SVG of its own background, which suits dark and light."""

from collections.abc import Iterator
from html import escape

from cases import MEMORY, OURS
from figures import Figures, shown, spread

PANELS = {
    "relay": "relay: CPU a message",
    "relay-1": "relay-1: CPU a message",
    "sdp": "sdp: CPU an offer of 4 KB",
    "calls": "calls: CPU a call",
    "connect": "connect: CPU a client",
    MEMORY: "connect: memory a client",
    "room": "room: CPU a message",
    "scale, 5000 pairs": "scale: CPU a message, 5,000 pairs",
}
COLUMNS = 2
WIDTH, MARGIN = 420, 24
"""Of a panel, and round all of them."""
HEAD, ROW, BAR, GAP = 30, 22, 14, 18
LABELS, NUMBERS = 86, 70
"""Room to the left of the bars and to the right of them."""

SAID = 'role="img" aria-label="CPU time and memory of each server; less is better"'
STYLE = """\
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .title { font-weight: 600; }
  .number { font-variant-numeric: tabular-nums; }
  .back { fill: #ffffff; }
  .bar { fill: #9aa4b0; }
  .ours { fill: #0a6bd6; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .back { fill: #12161c; }
    .bar { fill: #5c6773; }
    .ours { fill: #4a9eff; }
  }
"""


def draw(figures: Figures) -> str:
    """Return the picture."""
    panels = {
        title: [
            (server, value.median, shown(name, value.median))
            for server in figures.get("connect" if name == MEMORY else name, {})
            if (value := spread(figures, name, server))
        ]
        for name, title in PANELS.items()
    }
    filled = [(title, bars) for title, bars in panels.items() if bars]
    height = HEAD + ROW * max((len(bars) for _, bars in filled), default=0) + GAP
    rows = -(-len(filled) // COLUMNS)
    whole_width = 2 * MARGIN + COLUMNS * WIDTH + (COLUMNS - 1) * MARGIN
    whole_height = 2 * MARGIN + rows * height - GAP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole_width} {whole_height}"',
        f"{SAID}>",
        f"<style>\n{STYLE}</style>",
        f'<rect class="back" width="{whole_width}" height="{whole_height}" rx="8"/>',
    ]
    for number, (title, bars) in enumerate(filled):
        row, column = divmod(number, COLUMNS)
        x, y = MARGIN + column * (WIDTH + MARGIN), MARGIN + row * height
        lines.append(f'<g transform="translate({x} {y})">')
        lines += _panel(title, bars)
        lines.append("</g>")
    return "\n".join([*lines, "</svg>\n"])


def _panel(title: str, bars: list[tuple[str, float, str]]) -> Iterator[str]:
    yield f'<text class="title" y="14">{escape(title)}</text>'
    scale = (WIDTH - LABELS - NUMBERS) / (max(value for _, value, _ in bars) or 1)
    for number, (server, value, text) in enumerate(bars):
        top = HEAD + number * ROW
        kind = "bar ours" if server == OURS else "bar"
        weight = ' class="title"' if server == OURS else ""
        width = max(1.0, value * scale)
        middle = top + BAR - 2
        yield f'<text{weight} y="{middle}">{escape(server)}</text>'
        yield (
            f'<rect class="{kind}" x="{LABELS}" y="{top}" width="{width:.1f}" height="{BAR}"'
            ' rx="2"/>'
        )
        right = LABELS + width + 6
        yield f'<text class="number" x="{right:.1f}" y="{middle}">{escape(text)}</text>'
