"""Numbers and times as people read them."""

_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def duration(seconds: float) -> str:
    """Return a length of time by its two largest units, such as `2 h 13 min`."""
    left = max(0, int(seconds))
    parts = []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        parts.append((count, unit))
    while len(parts) > 1 and not parts[0][0]:
        del parts[0]
    return " ".join(f"{count} {unit}" for count, unit in parts[:2] if count) or "0 s"


def later(at_ms: int, start_ms: int) -> str:
    """Return how much later than another a time is, such as `+0.482 s`, or `−3 min 20 s`."""
    sign = "+" if at_ms >= start_ms else "−"
    seconds = abs(at_ms - start_ms) / 1000
    if seconds < 10:
        return f"{sign}{seconds:.3f} s"
    return f"{sign}{seconds:.1f} s" if seconds < 120 else f"{sign}{duration(seconds)}"


def short(value: float) -> str:
    """Return a number with about three digits that count, such as `0.4`, `38` and `12.3 k`."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if value >= size:
            return f"{value / (1e3 if size == 1e4 else size):.1f}{unit}"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def milliseconds(value: float | None) -> str:
    """Return a round trip's time; a dash where it is not known."""
    if value is None:
        return "–"
    return f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"


def counted(count: int, one: str) -> str:
    """Return a number of things. `one`: what one of them is called."""
    return f"{count:,} {one}" if count == 1 else f"{count:,} {one}s"
