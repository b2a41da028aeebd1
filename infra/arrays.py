"""Columns of values on their way to PostgreSQL: whole arrays in its binary form, packed faster than value by value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from struct import Struct, error
from typing import Any, TypeAlias

from psycopg import adapters
from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEAD = Struct("!iiIii").pack
_HEAD_OF_NONE = Struct("!iiI").pack
_INT = Struct("!i").pack
_BIGINT = Struct("!q").pack
_NULL = _INT(-1)
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Array(bytes):
    """One array, ready to be sent; the statement says of which type."""


class ArrayDumper(Dumper):
    """Sends it as it is."""

    format = Format.BINARY

    def dump(self, obj: Array) -> bytes:
        return obj


Pack: TypeAlias = Callable[[Sequence[Any]], Array]


def _packing(type_: str, write: Callable[[Any], bytes]) -> Pack:
    """How to make an array of this type; `write` makes the binary form of a value, None is null."""
    oid = adapters.types[type_].oid
    none = Array(_HEAD_OF_NONE(0, 0, oid))

    def pack(values: Sequence[Any]) -> Array:
        if not values:
            return none
        try:
            parts = [_NULL if value is None else _INT(len(data := write(value))) + data for value in values]
        except error as problem:
            raise ValueError(f"a number is too large: {problem}") from None
        return Array(_HEAD(1, None in values, oid, len(values), 1) + b"".join(parts))

    return pack


texts = _packing("text", str.encode)
blobs = _packing("bytea", bytes)
uuids = _packing("uuid", attrgetter("bytes"))
ints = _packing("int4", _INT)
bigints = _packing("int8", _BIGINT)
instants = _packing("timestamptz", lambda at: _BIGINT((at - _BEGINNING) // _MICROSECOND))
