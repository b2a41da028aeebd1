"""Columns of values on their way to PostgreSQL: arrays in its binary form, of elements that were packed beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from operator import attrgetter
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


def read_bigint(data: bytes) -> int:
    """A single number from its binary form."""
    return int.from_bytes(data, signed=True)


def read_instant(data: bytes) -> datetime:
    """A single instant from its binary form."""
    return _BEGINNING + read_bigint(data) * _MICROSECOND
