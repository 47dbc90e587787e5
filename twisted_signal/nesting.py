"""How deep a JSON text is nested: a decoder, ours or a peer's, may be recursive."""

import re

MAX_NESTING = 32
"""How deep arrays and objects may be nested in each other."""
EARLY = 4 * MAX_NESTING
"""The place up to which the last object of a text that is not too deep may begin, if it has no
array: each object in another takes four bytes at least."""

# A string without an end reaches to the end of the data: else each quote in it would be tried.
_BRACKET_OR_STRING = re.compile(rb'[\[{]|[\]}]|"(?:[^"\\]|\\.)*+"?', re.DOTALL)


def is_too_deep(data: bytes) -> bool:
    """Tell whether a text is nested more than `MAX_NESTING` deep, in linear time."""
    if data.count(b"{") + data.count(b"[") <= MAX_NESTING:
        return False
    depth = 0
    for token in _BRACKET_OR_STRING.finditer(data):
        first = data[token.start()]
        if first in b"[{":
            depth += 1
            if depth > MAX_NESTING:
                return True
        elif first in b"]}":
            depth -= 1
    return False
