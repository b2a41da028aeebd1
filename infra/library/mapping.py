"""Between our events and the stored events of the library."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import (
    IntegrityError,
    Mapper,
    MapperDeserialisationError,
    Notification,
    ProgrammingError,
    StoredEvent,
)

from aggregates.event import E, Envelope, Event, Recorded, attribution
from aggregates.value import Value
from infra.append import Change, Entry
from infra.codec import Codec, Line, Stored, UnknownEvent, envelope_bytes


class Unrecorded(Value):
    """An event to be put on record: on which stream and as its how-manyth, by whom, and since when it is true."""

    stream_id: str
    version: int
    event: Event
    actor_id: str
    command_id: UUID
    effective_at: datetime | None = None
    envelope: Envelope = Envelope()

    @property
    def originator_id(self) -> str:
        """The library's name for the stream."""
        return self.stream_id

    @property
    def originator_version(self) -> int:
        """The library's name for the version."""
        return self.version


class Logged(Recorded[E]):
    """A record of the log that the library takes for a domain event of its own."""

    @property
    def originator_id(self) -> str:
        """The library's name for the stream."""
        return self.stream_id

    @property
    def originator_version(self) -> int:
        """The library's name for the version."""
        return self.version


@dataclass(frozen=True)
class StoredEntry(StoredEvent):
    """A stored event on its way into the log, with all that the log keeps beside it."""

    entry: Entry


@dataclass(frozen=True)
class LogNotification(Notification):
    """A stored event out of the log, with the row it was read from."""

    line: Line


class LogMapper(Mapper[str]):
    """Between our events and stored ones, by our codec: canonical JSON, older schemas brought up to date."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> StoredEntry:
        """What the log will hold of an `Unrecorded`; nothing else can be written."""
        if not isinstance(domain_event, Unrecorded):
            raise TypeError(f"an Unrecorded is written, not a {type(domain_event).__name__}")
        stored = self._codec.stored(domain_event.stream_id, domain_event.event)
        entry = Entry(
            stored,
            envelope_bytes(domain_event.envelope),
            domain_event.effective_at,
            domain_event.actor_id,
            domain_event.command_id,
        )
        return StoredEntry(domain_event.stream_id, domain_event.version, stored.type, stored.data, entry)

    def to_domain_event(self, stored_event: StoredEvent) -> Logged[Any]:
        """The record; MapperDeserialisationError if this version of the code cannot read it."""
        if not isinstance(stored_event, LogNotification):
            raise TypeError(f"only what was read from the log can be mapped, not a {type(stored_event).__name__}")
        line = stored_event.line
        try:
            event = self._codec.decoder(line.type, line.schema)(line.data)
        except (UnknownEvent, msgspec.MsgspecError, ValueError, LookupError, TypeError) as error:
            raise MapperDeserialisationError(f"{line.type} at position {line.position}: {error}") from error
        return Logged(
            line.position,
            line.stream_id,
            line.version,
            line.recorded_at,
            line.effective_at,
            line.actor_id,
            line.ids,
            line.meta,
            event,
            *attribution(line.actor_id, line.meta),
        )


def changes_of(events: Iterable[StoredEvent]) -> list[Change]:
    """What happens to each stream, in the order in which the streams are first named."""
    first: dict[str, int] = {}
    entries: dict[str, list[Entry]] = {}
    for event in events:
        stream_id, version = str(event.originator_id), event.originator_version
        change = entries.setdefault(stream_id, [])
        if version != first.setdefault(stream_id, version) + len(change):
            raise IntegrityError(f"version {version} of {stream_id} does not follow the one before it")
        change.append(_entry(event))
    return [Change(stream_id, first[stream_id] - 1, change) for stream_id, change in entries.items()]


def _entry(event: StoredEvent) -> Entry:
    """A plain stored event gets an envelope that says nothing."""
    if isinstance(event, StoredEntry):
        return event.entry
    if isinstance(event, LogNotification):
        raise ProgrammingError("What was read from a log cannot be written to one: its tags are not known.")
    return Entry(Stored(event.topic, 1, event.state, (str(event.originator_id),), ()), b"{}")
