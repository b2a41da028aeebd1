"""Lines of the log as a fold reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeAlias

from aggregates.event import Event, Recorded, attribution

_IDS = "uuid_send(l.event_id) || uuid_send(l.command_id)"

LINE = (
    "l.position, l.stream_id, l.version, l.type, l.schema, l.recorded_at, l.effective_at, l.actor_id,"
    f" {_IDS}, l.data, l.meta"
)
"""Columns of `yewu.log l`, in the order of `Line`."""

LINE_TO_FOLD = LINE.replace(_IDS, "''::bytea")
"""The same without the ids, which no fold sees."""

Line: TypeAlias = tuple[int, str, int, str, int, datetime, datetime, str, bytes, bytes, bytes]


class Poisoned(Exception):
    """An event that somebody cannot take, and nobody can say whose rows it would change, or it concerns reference data.

    Nothing at or behind its position has been folded.
    """

    def __init__(self, position: int, stream_id: str, event_type: str, view: str, problem: BaseException) -> None:
        super().__init__(f"{view} cannot take {event_type} at position {position} on {stream_id}: {problem!r}")
        self.position, self.stream_id, self.event_type, self.view = position, stream_id, event_type, view


class Decoding(Protocol):
    """What is asked of a codec here."""

    def decoder(self, name: str, schema: int, /) -> Callable[[bytes], Event]: ...


def recorded(line: Sequence[Any], codec: Decoding) -> Recorded[Any]:
    """A line as an event in its place in history."""
    position, stream_id, version, name, schema, recorded_at, effective_at, actor_id, ids, data, meta = line
    event = codec.decoder(name, schema)(data)
    person, origin = attribution(actor_id, meta)
    return Recorded(position, stream_id, version, recorded_at, effective_at, actor_id, ids, meta, event, person, origin)
