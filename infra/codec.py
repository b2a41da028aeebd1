"""How events are stored: canonical JSON under name and schema number, with a tag for every stream they mention."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from types import UnionType
from typing import Annotated, Any, NamedTuple, TypeAlias, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
from msgspec.structs import replace

from aggregates.event import Envelope, Event, Recorded, attribution
from aggregates.ids import KIND_OF_STREAM
from aggregates.sealed import MARK, index_of
from aggregates.text import Code
from infra.texts import Texts, texts_in

Decode: TypeAlias = Callable[[bytes], Event]
Find: TypeAlias = Callable[[Any], Iterable[str]]
encode = msgspec.json.Encoder(order="sorted").encode
"""Canonical JSON: names sorted, no white space, decimals as strings. These bytes are hashed and published."""

SEALED = f'"{MARK}'.encode()
NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""In JSON, where the backslash before it is not itself escaped. PostgreSQL has no such character in any text."""


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

    @property
    def ids(self) -> bytes:
        """Both ids as a record carries them."""
        return self.event_id.bytes + self.command_id.bytes


COLUMNS = ", ".join(Line._fields)


class Published(NamedTuple):
    """A row of the log as others read it: with the streams it mentions."""

    line: Line
    tags: list[str]

    @classmethod
    def of(cls, row: Sequence[Any]) -> Published:
        """What was read as `COLUMNS`, then `tags`."""
        return cls(Line(*row[:-1]), row[-1])


class UnknownEvent(Exception):
    """The log holds an event that this version of the code cannot read; nothing may skip it."""


class _Form(NamedTuple):
    """What the type of an event says about each of its kind."""

    name: str
    schema: int
    times: tuple[str, ...]
    mentions: tuple[tuple[Callable[[Any], Any], Find], ...]
    uniques: tuple[tuple[str, Callable[[Event], str | None]], ...]
    texts: Texts | None

    @classmethod
    def of(cls, event: type[Event]) -> _Form:
        """Of an event type, as its annotations have it."""
        mentions, uniques = tuple(_mentions(event)), tuple(_uniques(event))
        return cls(event.__name__, event.schema, tuple(_times(event)), mentions, uniques, texts_in(event))


class Codec:
    """Turns events into what is stored and back; older schemas are brought up to date on the way.

    With `seals`, every text has been sealed before it comes here: one that lies open is a mistake and is not stored.
    """

    def __init__(self, events: Iterable[type[Event]], *, seals: bool = False) -> None:
        self.seals = seals
        self.events = {event.__name__: event for event in events}
        self._decoders: dict[tuple[str, int], Decode] = {}
        self._forms = {event: _Form.of(event) for event in self.events.values()}
        self.texts = {event: form.texts for event, form in self._forms.items()}

    def stored(self, stream_id: str, event: Event) -> Stored:
        """What the log will hold of an event on this stream; ValueError if it holds text that cannot be stored."""
        name, schema, times, mentions, uniques, texts = self._forms[type(event)]
        if times:
            event = replace(event, **{field: _in_utc(getattr(event, field)) for field in times})
        tags: tuple[str, ...] = (stream_id,)
        if mentions:
            tags = tuple(dict.fromkeys((stream_id, *(i for read, find in mentions for i in find(read(event))))))
        data = encode(event)
        if b"\\" in data and b"\\u0000" in data and NUL.search(data):  # hardly one has a backslash at all
            raise ValueError(f"a text of {name} has a NUL character in it")
        if self.seals and data.count(SEALED) != (0 if texts is None else texts.count(event)):
            raise ValueError(f"a text of {name} is not sealed, or something else looks as if it were")
        return Stored(name, schema, data, tags, self.held(event) if uniques else ())

    def held(self, event: Event) -> tuple[tuple[str, str], ...]:
        """The values, each with its scope, that no other stream may carry from now on."""
        return tuple((scope, value) for scope, field in self._forms[type(event)].uniques if (value := field(event)))

    @property
    def reserving(self) -> list[str]:
        """The names of the events that may hold such values."""
        return sorted(form.name for form in self._forms.values() if form.uniques)

    def decoder(self, name: str, schema: int) -> Decode:
        """How to read what is stored under this name and schema; UnknownEvent if nobody here can."""
        found = self._decoders.get((name, schema))
        if found is None:
            found = self._decoders[name, schema] = self._make_decoder(name, schema)
        return found

    def recorded(self, line: Line) -> Recorded[Any]:
        """A row of the log as an event in its place in history."""
        event = self.decoder(line.type, line.schema)(line.data)
        return Recorded(
            line.position, line.stream_id, line.version, line.recorded_at, line.effective_at, line.actor_id,
            line.ids, line.meta, event, *attribution(line.actor_id, line.meta),
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


def _mentions(struct: type[msgspec.Struct]) -> Iterator[tuple[Callable[[Any], Any], Find]]:
    """The fields that hold ids of streams, each with how to find the ids in its value."""
    hints = get_type_hints(struct)
    for field in struct.__struct_fields__:
        if (find := _ids_in(hints[field])) is not None:
            yield attrgetter(field), find


def _ids_in(annotation: Any) -> Find | None:
    """How to find the ids in a value of this type, however deep they lie; None where there can be none."""
    if annotation in KIND_OF_STREAM:
        return lambda value: (value,)
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        fields = tuple(_mentions(annotation))
        return (lambda value: [i for read, find in fields for i in find(read(value))]) if fields else None
    origin, parts = get_origin(annotation), get_args(annotation)
    finds = [_ids_in(part) or _nowhere for part in parts]
    if all(find is _nowhere for find in finds):
        return None
    if origin in {Union, UnionType}:
        kinds = [(_class_of(part), find) for part, find in zip(parts, finds, strict=True) if find is not _nowhere]
        return lambda value: next((find(value) for kind, find in kinds if isinstance(value, kind)), ())
    if isinstance(origin, type) and issubclass(origin, Mapping):
        of_key, of_value = finds
        # in the order in which they are stored: reading them again must give the same tags
        return lambda value: [i for key in sorted(value) for i in (*of_key(key), *of_value(value[key]))]
    if origin is tuple and parts[-1] is not Ellipsis:
        return lambda value: [i for each, find in zip(value, finds, strict=True) for i in find(each)]
    return lambda value: [i for each in value for i in finds[0](each)]


def _nowhere(_value: Any) -> tuple[()]:
    return ()


def _times(event: type[Event]) -> Iterator[str]:
    """The fields that hold an instant: stored in UTC, whatever zone it was given in."""
    for field, annotation in get_type_hints(event).items():
        if annotation is datetime or datetime in get_args(annotation):
            yield field


def _in_utc(instant: datetime | None) -> datetime | None:
    return None if instant is None else instant.astimezone(UTC)


def _class_of(annotation: Any) -> type:
    while hasattr(annotation, "__supertype__"):
        annotation = annotation.__supertype__
    found: type = get_origin(annotation) or annotation
    return found


def _uniques(event: type[Event]) -> Iterator[tuple[str, Callable[[Event], str | None]]]:
    for field, annotation in get_type_hints(event, include_extras=True).items():
        for meta in _metas(annotation):
            if scope := (meta.extra or {}).get("unique in"):
                yield scope, attrgetter(field) if _holds(annotation, Code) else _index_in(field)


def _index_in(field: str) -> Callable[[Event], str | None]:
    """Of a sealed text its index is reserved; of one that lies open, itself."""
    read = attrgetter(field)

    def index(event: Event) -> str | None:
        text: Any = read(event)
        return (index_of(text) or text) if isinstance(text, str) else None

    return index


def _holds(annotation: Any, kind: Any) -> bool:
    return annotation is kind or any(_holds(part, kind) for part in get_args(annotation))


def _metas(annotation: Any) -> Iterator[msgspec.Meta]:
    if get_origin(annotation) is Annotated:
        yield from (m for m in get_args(annotation)[1:] if isinstance(m, msgspec.Meta))
    for part in get_args(annotation):
        yield from _metas(part)
