"""How events are stored: canonical JSON under name and schema number, with a tag for every stream they mention."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from operator import attrgetter
from typing import Annotated, Any, NamedTuple, TypeAlias, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec

from aggregates.event import Envelope, Event, Recorded
from aggregates.ids import id_types_in

Decode: TypeAlias = Callable[[bytes], Event]
encode = msgspec.json.Encoder(order="sorted").encode
"""Canonical JSON: names sorted, no white space, decimals as strings. These bytes are hashed and published."""


class Stored(NamedTuple):
    """An event ready for the log. `tags`: its own stream first; `held`: (scope, value) that nobody else may carry."""

    type: str
    schema: int
    data: bytes
    tags: tuple[str, ...]
    held: tuple[tuple[str, str], ...]


class Line(NamedTuple):
    """A row of the log, in the order of `COLUMNS`."""

    position: int
    stream_id: str
    version: int
    type: str
    schema: int
    event_id: UUID
    recorded_at: datetime
    effective_at: datetime
    actor_id: str
    command_id: UUID
    data: bytes
    meta: bytes


COLUMNS = ", ".join(Line._fields)


class UnknownEvent(Exception):
    """The log holds an event that this version of the code cannot read; nothing may skip it."""


class Codec:
    """Turns events into what is stored and back; older schemas are brought up to date on the way."""

    def __init__(self, events: Iterable[type[Event]]) -> None:
        self.events = {event.__name__: event for event in events}
        self._decoders: dict[tuple[str, int], Decode] = {}
        self._mentions = {event: tuple(_mentions(event)) for event in self.events.values()}
        self._uniques = {event: tuple(_uniques(event)) for event in self.events.values()}

    def stored(self, stream_id: str, event: Event) -> Stored:
        """What the log will hold of an event on this stream."""
        kind = type(event)
        tags = {stream_id: None}
        for read in self._mentions[kind]:
            match read(event):
                case None:
                    pass
                case str() as tag:
                    tags[tag] = None
                case several:
                    tags.update(dict.fromkeys(several))
        held = tuple((scope, value) for scope, field in self._uniques[kind] if (value := field(event)))
        return Stored(kind.__name__, kind.schema, encode(event), tuple(tags), held)

    def decoder(self, name: str, schema: int) -> Decode:
        """How to read what is stored under this name and schema; UnknownEvent if nobody here can."""
        found = self._decoders.get((name, schema))
        if found is None:
            found = self._decoders[name, schema] = self._make_decoder(name, schema)
        return found

    def recorded(self, line: Line) -> Recorded[Any]:
        """A row of the log as an event in its place in history."""
        position, stream_id, version, name, schema, event_id, recorded_at, effective_at, actor_id, command_id = line[
            :10
        ]
        event = self.decoder(name, schema)(line.data)
        return Recorded(
            position, stream_id, version, recorded_at, effective_at, actor_id, event_id, command_id, line.meta, event
        )  # fmt: skip

    def _make_decoder(self, name: str, schema: int) -> Decode:
        event = self.events.get(name)
        if event is None or schema > event.schema:
            raise UnknownEvent(f"{name} of schema {schema} is not known to this version of Yewu")
        # what is stored is taken as it is: rules that came later must not make history unreadable
        if schema == event.schema:
            return msgspec.json.Decoder(event).decode
        steps = [getattr(event, f"upcast_v{n}_v{n + 1}") for n in range(schema, event.schema)]

        def upcast(data: bytes) -> Event:
            stored = msgspec.json.decode(data)
            for step in steps:
                stored = step(stored)
            return msgspec.convert(stored, event, strict=False)

        return upcast


def envelope_bytes(envelope: Envelope) -> bytes:
    """The envelope as it is stored in `meta`."""
    return encode(envelope)


def _mentions(event: type[Event]) -> Iterator[Callable[[Event], Any]]:
    """Readers of the fields that hold ids of streams."""
    for field, annotation in get_type_hints(event).items():
        if field in event.__struct_fields__ and next(id_types_in(annotation), None) is not None:
            yield attrgetter(field)


def _uniques(event: type[Event]) -> Iterator[tuple[str, Callable[[Event], str | None]]]:
    for field, annotation in get_type_hints(event, include_extras=True).items():
        for meta in _metas(annotation):
            if scope := (meta.extra or {}).get("unique in"):
                yield scope, attrgetter(field)


def _metas(annotation: Any) -> Iterator[msgspec.Meta]:
    if get_origin(annotation) is Annotated:
        yield from (m for m in get_args(annotation)[1:] if isinstance(m, msgspec.Meta))
    for part in get_args(annotation):
        yield from _metas(part)
