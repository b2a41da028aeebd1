"""One call of yewu.append: what each append brings along, packed beforehand, and what the answer says of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import msgspec

from infra.append import Append, Appended, FactsMoved, FactsTooOld, KeyReused, Taken, VersionConflict
from infra.arrays import (
    NULL,
    Column,
    bigint,
    bigints,
    blobs,
    instants,
    ints,
    new_uuids,
    read_bigint,
    read_instant,
    texts,
    uuids,
)
from infra.guard_memory import GuardMemory, News

SEPARATOR = "\x1f"
"""Joins types and tags on their way to the database; no id and no name contains it."""
_EVENT = (ints, uuids, texts, texts, ints, instants, blobs, blobs, texts)
_PARAMETERS = 26
STATEMENT = f"SELECT * FROM yewu.append({', '.join(f'${n}' for n in range(1, _PARAMETERS + 1))})".encode()


class Packed(NamedTuple):
    """An append on its way: of each column of the function its own elements, in the function's order."""

    append: Append
    streams: Sequence[str]
    events: Sequence[int]
    """How many, stream by stream."""
    news: Sequence[tuple[str, Sequence[str]]]
    """Type and tags, event by event."""
    held: Sequence[tuple[str, str]]
    held_by: Sequence[int]
    """Which of the streams holds it: 0, 1, 2 …"""
    key: tuple[bytes, bytes]
    changes: Sequence[bytes]
    entries: Sequence[bytes]
    guards: Sequence[bytes]
    reservations: Sequence[bytes]


def packed(append: Append) -> Packed:
    """What can be packed before anybody knows what an append will travel with.

    ValueError for what cannot travel, Taken for a value that two of its streams would carry.
    """
    key, actor = _uuid(append.command_id), _word(append.actor_id)
    streams: list[str] = []
    events: list[int] = []
    news: list[tuple[str, Sequence[str]]] = []
    held: list[tuple[str, str]] = []
    held_by: list[int] = []
    changes: list[tuple[bytes, ...]] = []
    entries: list[tuple[bytes, ...]] = []
    for number, change in enumerate(append.changes):
        streams.append(change.stream_id)
        events.append(len(change.entries))
        changes.append((_text(change.stream_id), _bigint(change.expected)))
        for n, (stored, meta, effective_at, actor_id, command_id) in enumerate(change.entries, 1):
            type_, schema, data, tags, unique = stored
            news.append((type_, tags))
            entries.append(
                (
                    _int(n),
                    key if command_id is None else _uuid(command_id),
                    actor if actor_id is None else _word(actor_id),
                    _word(type_),
                    _int(schema),
                    NULL if effective_at is None else instants.element(effective_at),
                    _blob(data),
                    _blob(meta),
                    _text(_joined(tags)),
                )
            )
            if unique:
                held += unique
                held_by += [number] * len(unique)
    if not streams or not all(events) or len(set(streams)) < len(streams):
        raise ValueError("an append has one change for each stream it touches, and each change has events")
    if len(streams) > 1:
        _require_one_holder(held, held_by, streams)
    return Packed(
        append,
        streams,
        events,
        news,
        held,
        held_by,
        (key, NULL if append.body_hash is None else _text(append.body_hash)),
        _together(changes, 2),
        _together(entries, len(_EVENT)),
        _together([(_types(guard.types), _text(_joined(guard.tags))) for guard in append.guards], 2),
        _together([(_text(scope), _text(value)) for scope, value in held], 2),
    )


def parameters(batch: Sequence[Packed], memory: GuardMemory, max_tail: int) -> list[bytes | None]:
    """The arguments of the function for these appends; its guards are checked as far as the memory reaches."""
    change_append: list[int] = []
    event_change: list[int] = []
    guard_append: list[int] = []
    guard_after: list[int] = []
    held_change: list[int] = []
    for number, each in enumerate(batch, 1):
        held_change += [len(change_append) + 1 + stream for stream in each.held_by]
        for events in each.events:
            change_append.append(number)
            event_change += [len(change_append)] * events
        for guard in each.append.guards:
            guard_append.append(number)
            guard_after.append(memory.checked(guard))
    only_at = batch[0].append.only_at
    return [
        *_columns((uuids, texts), len(batch), [each.key for each in batch]),
        _numbers(tuple(change_append)),
        *_columns((texts, bigints), len(change_append), [each.changes for each in batch]),
        _numbers(tuple(event_change)),
        *_columns(_EVENT, len(event_change), [each.entries for each in batch]),
        _numbers(tuple(guard_append)),
        bigints.array(len(guard_after), map(_bigint, guard_after)),
        *_columns((texts, texts), len(guard_append), [each.guards for each in batch]),
        _numbers(tuple(held_change)),
        *_columns((texts, texts), len(held_change), [each.reservations for each in batch]),
        bigint(max_tail),
        bigint(memory.known),
        None if only_at is None else bigint(only_at),
        new_uuids(len(event_change)),
    ]


class _Refused(msgspec.Struct, frozen=True):
    """Of each reason the appends that are refused for it, by their numbers from 1."""

    stale: tuple[tuple[int, str, int], ...] | None
    far: tuple[int, ...] | None
    moved: tuple[tuple[int, int, str, str], ...] | None
    repeated: tuple[tuple[int, str, int, int], ...] | None
    taken: tuple[tuple[int, str, str], ...] | None


_read_refused = msgspec.json.Decoder(_Refused).decode
_read_seen = msgspec.json.Decoder(list[tuple[str, tuple[str, ...]]]).decode


class Reply(NamedTuple):
    """What the function answers. `refused`: what became of the appends that were not written, by their numbers."""

    base: int
    recorded_at: datetime
    refused: dict[int, Appended | Exception]
    seen: Sequence[tuple[str, tuple[str, ...]]]

    @classmethod
    def read(cls, values: Sequence[bytes | None], batch: Sequence[Append]) -> Reply:
        """From the binary form of its columns."""
        base, recorded, refused, seen = values
        return cls(
            read_bigint(base or b""),
            read_instant(recorded or b""),
            {} if refused is None else dict(_outcomes(_read_refused(refused), batch)),
            () if seen is None else _read_seen(seen),
        )


def _outcomes(refused: _Refused, batch: Sequence[Append]) -> Iterator[tuple[int, Appended | Exception]]:
    """The last one counts. An append repeated is known by its key, whatever else is wrong with it."""
    for number, scope, holder in refused.taken or ():
        yield number, Taken(scope, holder)
    for number, position, type_, tag in refused.moved or ():
        yield number, FactsMoved(News(position, type_, tag))
    for number in refused.far or ():
        yield number, FactsTooOld("the facts are too old to be checked: read them again")
    for number, stream_id, version in refused.stale or ():
        yield number, VersionConflict(stream_id, version)
    for number, body_hash, first, last in refused.repeated or ():
        if body_hash == batch[number - 1].body_hash:
            yield number, Appended(first, last, None, repeated=True)
        else:
            yield number, KeyReused("the key stands for another command")


def _require_one_holder(held: Sequence[tuple[str, str]], by: Sequence[int], streams: Sequence[str]) -> None:
    """The function judges each reservation by what is in the log: two of the same append it would not see."""
    holders: dict[tuple[str, str], int] = {}
    for value, stream in zip(held, by, strict=True):
        if (holder := holders.setdefault(value, stream)) != stream:
            raise Taken(value[0], streams[holder])


_text, _blob, _uuid = texts.element, blobs.element, uuids.element
# the same few words and numbers travel again and again
_word, _int, _bigint = lru_cache(10_000)(_text), lru_cache(10_000)(ints.element), lru_cache(10_000)(bigints.element)


@lru_cache(1_000)
def _types(types: tuple[str, ...]) -> bytes:
    return _text(_joined(types))


@lru_cache(1_000)
def _numbers(numbers: tuple[int, ...]) -> bytes:
    return ints.array(len(numbers), map(_int, numbers))


def _joined(parts: Sequence[str]) -> str:
    joined = SEPARATOR.join(parts)
    if not all(parts) or joined.count(SEPARATOR) != len(parts) - 1:
        raise ValueError(f"{parts!r} cannot be types or tags: none, an empty one, or a separator in one")
    return joined


def _together(rows: Sequence[tuple[bytes, ...]], width: int) -> Sequence[bytes]:
    """Column by column."""
    if len(rows) == 1:
        return rows[0]
    return tuple(map(b"".join, zip(*rows, strict=True))) if rows else (b"",) * width


def _columns(kinds: Sequence[Column], count: int, parts: Iterable[Sequence[bytes]]) -> Iterator[bytes]:
    for kind, pieces in zip(kinds, zip(*parts, strict=True), strict=True):
        yield kind.array(count, pieces)
