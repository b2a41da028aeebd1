"""Records in batches of format 2, written and read several times as fast as kafka-python does, to the same bytes.

kafka-python writes and reads a byte at a time, and our records have fifteen headers. What it would do stays the
reference: a test holds every byte against it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from kafka.errors import CorruptRecordError
from kafka.record import memory_records
from kafka.record.default_records import (
    DefaultRecord,
    DefaultRecordBatch,
    DefaultRecordBatchBuilder,
    DefaultRecordMetadata,
)
from kafka.record.util import decode_varint, encode_varint

NOTHING = b"\1"
"""The length of what is not there: -1."""


class Damaged(CorruptRecordError, ValueError):  # type: ignore[misc]
    """Headers that are none; for whoever reads them, another wrong value."""


class Headers:
    """The headers of a record as they travel, read as far as somebody asks.

    Not true, whatever there is: of what is true kafka-python adds up the sizes.
    """

    __slots__ = ("wire",)

    def __init__(self, wire: bytes) -> None:
        self.wire = wire

    @classmethod
    def of(cls, headers: Iterable[tuple[str, bytes | None]]) -> Headers:
        """These headers, ready to travel."""
        return cls(_written(list(headers)))

    def __bool__(self) -> bool:
        return False

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        names, leads = _usual
        values = _behind(leads, self.wire, whole=True)
        return iter(_read(self.wire)) if values is None else zip(names, values, strict=True)

    def get(self, name: str) -> bytes | None:
        """The first of this name; what lies behind it is not read."""
        names, leads = _usual
        if name in names:
            values = _behind(leads[: names.index(name) + 1], self.wire, whole=False)
            if values is not None:
                return values[-1]
        return next((value for said, value in _read(self.wire) if said == name), None)


def _behind(leads: Sequence[bytes], wire: bytes, *, whole: bool) -> list[bytes | None] | None:
    """The values behind these names, if the headers begin with them, or are these; otherwise None."""
    try:
        count, at = decode_varint(wire)
        values = list[bytes | None]()
        for lead in leads:
            if not wire.startswith(lead, at):
                return None
            at += len(lead)
            if (size := wire[at]) & 0x81:  # two bytes, or negative
                size, at = decode_varint(wire, at)
            else:
                size, at = size >> 1, at + 1
            values.append(None if size < 0 else wire[at : (at := at + size)])
    except (ValueError, IndexError):
        return None
    if whole:
        return values if at == len(wire) and count == len(leads) else None
    return values if at <= len(wire) and count >= len(leads) else None


def _read(wire: bytes) -> list[tuple[str, bytes | None]]:
    """Headers of whatever names; the next record will hardly have others."""
    global _usual  # noqa: PLW0603
    try:
        count, at = decode_varint(wire)
        found = list[tuple[str, bytes | None]]()
        for _ in range(count):
            size, at = decode_varint(wire, at)
            if size < 0:
                raise ValueError(f"a name of {size} bytes")
            name, at = wire[at : at + size].decode(), at + size
            size, at = decode_varint(wire, at)
            found.append((name, None if size < 0 else wire[at : (at := at + size)]))
    except (ValueError, IndexError) as error:
        raise Damaged(f"Found invalid record structure: {error!r}") from error
    if count < 0 or at != len(wire):
        raise Damaged(f"Invalid record size: {len(wire)} bytes of headers, of which {at} are read")
    names = tuple(name for name, _ in found)
    _usual = names, tuple(map(_lead, names))
    return found


class Builder(DefaultRecordBatchBuilder):  # type: ignore[misc]
    """A batch that is being written."""

    __slots__ = ()

    def append(self: Any, offset: int, timestamp: int, key: bytes | None, value: bytes | None, headers: Any) -> Any:
        """One more record; None if it has no room."""
        first = self._first_timestamp is None
        delta = 0 if first else timestamp - self._first_timestamp
        wire = headers.wire if isinstance(headers, Headers) else _written(headers)
        body = b"".join((b"\0", _number(delta), _number(offset), *_sized(key), *_sized(value), wire))
        length = _number(len(body))
        size = len(length) + len(body)
        if not first and size + len(self._buffer) > self._batch_size:
            return None
        if first:
            self._first_timestamp = self._max_timestamp = timestamp
        elif self._max_timestamp < timestamp:
            self._max_timestamp = timestamp
        self._num_records += 1
        self._last_offset = offset
        self._buffer += length
        self._buffer += body
        return DefaultRecordMetadata(offset, size, timestamp)


class Batch(DefaultRecordBatch):  # type: ignore[misc]
    """A batch that was fetched."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        self._maybe_uncompress()
        return self if self.is_control_batch else self._records()  # markers of transactions are left to kafka-python

    def _records(self) -> Iterator[DefaultRecord]:
        buffer, at, type_ = bytes(self._buffer), self._pos, self.timestamp_type
        first_offset, first_time, appended = self.base_offset, self.first_timestamp, type_ == self.LOG_APPEND_TIME
        try:
            for _ in range(self.records_count):
                length, at = decode_varint(buffer, at)
                end = at + length
                _, at = decode_varint(buffer, at)
                delta, at = decode_varint(buffer, at)
                offset, at = decode_varint(buffer, at)
                size, at = decode_varint(buffer, at)
                key = None if size < 0 else buffer[at : (at := at + size)]
                size, at = decode_varint(buffer, at)
                value = None if size < 0 else buffer[at : (at := at + size)]
                if not at < end <= len(buffer):
                    raise ValueError(f"a record of {length} bytes ends where none can end")
                yield DefaultRecord(
                    length, first_offset + offset, self.max_timestamp if appended else first_time + delta, type_,
                    key, value, Headers(buffer[at:end]),
                )  # fmt: skip
                at = end
        except (ValueError, IndexError) as error:
            raise CorruptRecordError(f"Found invalid record structure: {error!r}") from error
        if at != len(buffer):
            raise CorruptRecordError(f"{len(buffer) - at} unconsumed bytes after all records consumed")


def install() -> None:
    """From now on every client in this process writes and reads so."""
    memory_records.DefaultRecordBatchBuilder = Builder
    memory_records.DefaultRecordBatch = Batch


_usual: tuple[tuple[str, ...], tuple[bytes, ...]] = (), ()
"""The names that headers were read under last, and how they travel: most records have the same."""

_LEADS: dict[str, bytes] = {}
_MOST_NAMES = 1_000


def _lead(name: str) -> bytes:
    """A header's name as it travels."""
    key = name.encode()
    lead = _number(len(key)) + key
    if len(_LEADS) < _MOST_NAMES:
        _LEADS[name] = lead
    return lead


def _written(headers: list[tuple[str, bytes | None]]) -> bytes:
    parts = [_number(len(headers))]
    for name, value in headers:
        lead = _LEADS.get(name) or _lead(name)
        if value is None:
            parts += (lead, NOTHING)
        else:
            size = len(value)
            parts += (lead, _SMALL[size] if size < _FEW else _varint(size), value)
    return b"".join(parts)


def _sized(value: bytes | None) -> tuple[bytes, ...]:
    """What may be missing, behind its length."""
    return (NOTHING,) if value is None else (_number(len(value)), value)


def _varint(number: int) -> bytes:
    written = bytearray()
    encode_varint(number, written.append)
    return bytes(written)


_FEW = 4_096
_SMALL = [_varint(number) for number in range(_FEW)]


def _number(number: int) -> bytes:
    return _SMALL[number] if 0 <= number < _FEW else _varint(number)
