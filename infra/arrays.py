"""Columns of values on their way to PostgreSQL: arrays in its binary form, of elements that were packed beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from os import urandom
from struct import Struct, error
from typing import Any

from psycopg import adapters

_HEAD = Struct("!iiIii").pack
_HEAD_OF_NONE = Struct("!iiI").pack
_INT = Struct("!i").pack
_BIGINT = Struct("!q").pack
NULL = _INT(-1)
"""The element that is none."""

_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Column:
    """Arrays of one type; `write` makes the binary form of a value."""

    def __init__(self, type_: str, write: Callable[[Any], bytes]) -> None:
        self._oid = adapters.types[type_].oid
        self._none = _HEAD_OF_NONE(0, 0, self._oid)
        self.element = _element(write)
        """One element, packed; None is null. ValueError for a number that is too large."""

    def array(self, count: int, elements: Iterable[bytes]) -> bytes:
        """The array of so many elements that were packed, in pieces of one or several."""
        return _HEAD(1, 1, self._oid, count, 1) + b"".join(elements) if count else self._none

    def of(self, *values: Any) -> bytes:
        """The array of these values."""
        return self.array(len(values), map(self.element, values))


def _element(write: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    def element(value: Any) -> bytes:
        if value is None:
            return NULL
        try:
            data = write(value)
        except error as problem:
            raise ValueError(f"a number is too large: {problem}") from None
        return _INT(len(data)) + data

    return element


texts = Column("text", str.encode)
blobs = Column("bytea", bytes)
uuids = Column("uuid", attrgetter("bytes"))
ints = Column("int4", _INT)
bigints = Column("int8", _BIGINT)
instants = Column("timestamptz", lambda at: _BIGINT((at - _BEGINNING) // _MICROSECOND))

bigint = _BIGINT
"""The binary form of a single number."""

# an element: four bytes that say that sixteen follow; of those six bits say of which kind it is, the others are random
_SAID = bytes.fromhex("00000010 000000000000 4000 8000 000000000000")
_RANDOM = bytes.fromhex("00000000 ffffffffffff 0fff 3fff ffffffffffff")


def new_uuids(count: int) -> bytes:
    """An array of random UUIDs (version 4 of RFC 9562), all made at once: that takes hardly longer than one."""
    said, random = _forms(count)
    made = int.from_bytes(urandom(count * len(_SAID))) & random | said
    return uuids.array(count, (made.to_bytes(count * len(_SAID)),))


@lru_cache(1_000)
def _forms(count: int) -> tuple[int, int]:
    return int.from_bytes(_SAID * count), int.from_bytes(_RANDOM * count)


def read_bigint(data: bytes) -> int:
    """A single number from its binary form."""
    return int.from_bytes(data, signed=True)


def read_instant(data: bytes) -> datetime:
    """A single instant from its binary form."""
    return _BEGINNING + read_bigint(data) * _MICROSECOND
