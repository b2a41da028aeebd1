"""What a process remembers of the log's end: where each kind of news about each subject last occurred."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Guard(NamedTuple):
    """ "I decided from what was known at `after`: refuse me if later news of these types is about one of these." """

    after: int
    types: tuple[str, ...]
    tags: tuple[str, ...]


class News(NamedTuple):
    """An event that made a fact stale."""

    position: int
    type: str
    tag: str


class GuardMemory:
    """Last position of each (type, tag); complete for positions in (floor, known].

    Two generations of about `size` events each, the older one dropped whole.
    """

    def __init__(self, size: int = 10_000) -> None:
        self.size = size
        self.reset(0)

    def reset(self, at: int) -> None:
        """Forget everything; the memory begins anew behind this position."""
        self.known = self.floor = self._middle = at
        self._new: dict[tuple[str, str], int] = {}
        self._old: dict[tuple[str, str], int] = {}
        self._last: dict[str, int] = {}  # of each type, whomever it was about: most guards need not look further

    def add(self, position: int, type_: str, tags: Iterable[str]) -> None:
        """The next event of the log; one already known changes nothing."""
        if position <= self.known:
            return
        self.known = position
        if position - self._middle > self.size:
            self._old, self._new, self.floor, self._middle = self._new, {}, self._middle, position - 1
        self._last[type_] = position
        for tag in tags:
            self._new[type_, tag] = position

    def learn(self, after: int, news: Iterable[tuple[str, Iterable[str]]], upto: int) -> None:
        """Types and tags of what others wrote in (after, upto]; without it the memory begins anew behind `upto`."""
        for position, (type_, tags) in enumerate(news, after + 1):
            self.add(position, type_, tags)
        if self.known < upto:
            self.reset(upto)

    def hit(self, guard: Guard) -> News | None:
        """Remembered news that makes this guard's facts stale."""
        after, last = guard.after, self._last
        for type_ in guard.types:
            if last.get(type_, 0) > after:
                for tag in guard.tags:
                    position = self._new.get((type_, tag)) or self._old.get((type_, tag), 0)
                    if position > after:
                        return News(position, type_, tag)
        return None

    def latest(self, types: Iterable[str], tags: Iterable[str]) -> int:
        """Where remembered news of one of these types about one of these last occurred; 0 if none is remembered."""
        keys = [(type_, tag) for type_ in types for tag in tags]
        return max((self._new.get(key) or self._old.get(key, 0) for key in keys), default=0)

    def checked(self, guard: Guard) -> int:
        """Up to which position this guard is known to hold; from there on somebody else has to look."""
        if guard.after < self.floor or self.hit(guard) is not None:
            return guard.after
        return max(guard.after, self.known)
