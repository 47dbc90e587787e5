"""Whom somebody may have meant: the nearest name, and where it is, for the operator.

Work is bounded, for there may be tens of thousands of rooms and the server has other things to do.
"""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from itertools import islice

from twisted_signal.registry import Member, Registry

MOST_ROOMS = 20_000
"""How many rooms are looked through for an id, the newest first: 0.1 µs each."""
MOST_COMPARISONS = 300
"""How many names are compared by their spelling: some 10 µs each."""
ALIKE = 0.7
"""From which ratio on (difflib) two names are taken for one that is misspelt."""

_DIGITS = re.compile(r"[0-9]+")


class Nearest:
    """Finds names; made anew for each look, as it may compare so many names only."""

    def __init__(self, registry: Registry, missing: Iterable[str]) -> None:
        """`missing`: all ids that may be asked for."""
        self._registry = registry
        self._comparisons_left = MOST_COMPARISONS
        self._rooms_of: dict[str, list[str]] = {}
        wanted = frozenset(missing)
        if wanted:
            for room in islice(reversed(registry.rooms.values()), MOST_ROOMS):
                if not wanted.isdisjoint(room.members):
                    for client_id in wanted.intersection(room.members):
                        self._rooms_of.setdefault(client_id, []).append(room.room_id)

    def room_of(self, client_id: str, but: str) -> str | None:
        """Return another room in which somebody has that id; `but`: the one that is meant not."""
        rooms = self._rooms_of.get(client_id, [])
        return next((room_id for room_id in rooms if room_id != but), None)

    def misspelt(self, client_id: str, room_id: str, but: str) -> tuple[str, str] | None:
        """Return the id and the room of whom somebody may have meant, first of all in a room.

        Args:
            client_id: what it wrote.
            room_id: its room.
            but: its own id, which it did not mean.
        """
        room = self._registry.rooms.get(room_id)
        if room is not None:
            found = self.alike(client_id, (each for each in room.members if each != but))
            if found is not None:
                return found, room_id
        for other in islice(reversed(self._registry.rooms.values()), MOST_COMPARISONS):
            if not self._comparisons_left:
                break
            if other is not room:
                found = self.alike(client_id, other.members)
                if found is not None:
                    return found, other.room_id
        return None

    def alone_in_room_like(self, room_id: str) -> Member | None:
        """Return who is alone in a room with nearly the same name, if anybody is.

        Names that differ in their numbers do not count: lab1 and lab2 are two rooms.
        """
        rooms = self._registry.rooms
        numbers = _numbers(room_id)
        others = (
            room.room_id
            for room in islice(reversed(rooms.values()), MOST_ROOMS)
            if len(room.members) == 1
            and room.room_id != room_id
            and _numbers(room.room_id) == numbers
        )
        found = self.alike(room_id, others)
        return next(iter(rooms[found].members.values())) if found is not None else None

    def alike(self, name: str, others: Iterable[str]) -> str | None:
        """Return the one of some names that is spelt most like a name, if any is."""
        best, best_ratio = None, ALIKE
        plain = _plain(name)
        matcher = SequenceMatcher(autojunk=False)
        matcher.set_seq2(plain)
        for other in others:
            if not self._comparisons_left:
                break
            self._comparisons_left -= 1
            matcher.set_seq1(_plain(other))
            if matcher.real_quick_ratio() >= best_ratio and matcher.quick_ratio() >= best_ratio:
                ratio = matcher.ratio()
                if ratio > best_ratio or (best is None and ratio == best_ratio):
                    best, best_ratio = other, ratio
        return best


def _plain(name: str) -> str:
    """Return a name without what is written in one way or another; of a long one the beginning."""
    return "".join(filter(str.isalnum, name[:40])).casefold()


def _numbers(name: str) -> list[str]:
    return _DIGITS.findall(name)
