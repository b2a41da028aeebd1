"""Lines of the log as a fold reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeAlias
from uuid import UUID

from msgspec import convert

from aggregates.event import Event, Recorded

LINE = (
    "l.position, l.stream_id, l.version, l.type, l.schema, uuid_send(l.event_id), l.recorded_at, l.effective_at,"
    " l.actor_id, uuid_send(l.command_id), l.data, l.meta"
)
"""Columns of `yewu.log l`. Ids travel as bytes: making a UUID of them costs a third in `convert`, and is not done for
events that nobody takes."""

Line: TypeAlias = tuple[int, str, int, str, int, bytes, datetime, datetime, str, bytes, bytes, bytes]


class Decoding(Protocol):
    """What is asked of a codec here."""

    def decoder(self, name: str, schema: int, /) -> Callable[[bytes], Event]: ...


def recorded(line: Sequence[Any], codec: Decoding) -> Recorded[Any]:
    """A line as an event in its place in history."""
    (
        position,
        stream_id,
        version,
        name,
        schema,
        event_id,
        recorded_at,
        effective_at,
        actor_id,
        command_id,
        data,
        meta,
    ) = line
    return Recorded(
        position, stream_id, version, recorded_at, effective_at, actor_id, convert(event_id, UUID),
        convert(command_id, UUID), meta, codec.decoder(name, schema)(data),
    )  # fmt: skip
