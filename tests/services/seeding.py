"""What lies in the log without having passed any gate: as another system left it, or as somebody put it there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeAlias
from uuid import uuid4

from aggregates.event import Envelope, Event
from infra.append import Append, Change, Entry
from infra.codec import Codec, envelope_bytes
from infra.event_store import Writer
from infra.roles import DatabaseRole
from tests.logins import as_role
from tests.services.running import Yewu

Stream: TypeAlias = tuple[str, Sequence[Event]]


def seeded(yewu: Yewu, *streams: Stream, by: str | None = None, envelope: Envelope | None = None) -> int:
    """Streams go on with these events, appended as they are; the position of the last one."""
    codec, meta = Codec(Event.known.values()), envelope_bytes(envelope or Envelope())
    changes = tuple(
        Change(stream_id, None, tuple(Entry(codec.stored(stream_id, event), meta) for event in events))
        for stream_id, events in streams
    )

    async def write() -> int:
        writer = Writer(as_role(yewu.database, DatabaseRole.APP))
        await writer.start()
        try:
            return (await writer.append(Append(by or yewu.manager_id, uuid4(), changes))).last
        finally:
            await writer.stop()

    return asyncio.run(write())
