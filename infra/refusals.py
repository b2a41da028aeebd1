"""Refusals as evidence: who tried what the regulation forbids, written after the answer and never waited for."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import uuid4
from zoneinfo import ZoneInfo

import structlog

from aggregates.event import CommandRefused, Envelope
from aggregates.ids import NATURAL, AnyId, RefusalsId
from aggregates.text import Code, Text
from infra.append import Append, AppendRefused, Change, Entry, Unavailable
from infra.codec import Codec, envelope_bytes
from infra.dispatcher import Order
from infra.event_store import Writer
from infra.keys import KeysUnavailable
from infra.sealing import Sealer

log = structlog.get_logger()
MOST_PER_MINUTE = 10
MOST_WAITING = 1000


class _Note(NamedTuple):
    order: Order
    sentence: str
    values: Mapping[str, object]
    uncounted: int


class RefusalRecorder:
    """Writes `CommandRefused`, at most ten a minute for each person; how many were left out stands in the next one."""

    def __init__(self, writer: Writer, codec: Codec, sealer: Sealer, zone: ZoneInfo) -> None:
        self._writer, self._codec, self._sealer, self._zone = writer, codec, sealer, zone
        self._notes: asyncio.Queue[_Note] = asyncio.Queue(MOST_WAITING)
        self._lately: defaultdict[str, deque[datetime]] = defaultdict(deque)
        self._left_out: defaultdict[str, int] = defaultdict(int)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write what is noted."""
        self._task = asyncio.create_task(self._write_all(), name="refusals")

    async def stop(self) -> None:
        """Write what is noted, then end."""
        await self._notes.join()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def note(self, order: Order, sentence: str, values: Mapping[str, object]) -> None:
        """Remember a refusal; returns at once."""
        person, now = order.by.id, datetime.now(UTC)
        lately = self._lately[person]
        while lately and now - lately[0] > timedelta(minutes=1):
            lately.popleft()
        if len(lately) >= MOST_PER_MINUTE or self._notes.full():
            self._left_out[person] += 1
            return
        lately.append(now)
        self._notes.put_nowait(_Note(order, sentence, values, self._left_out.pop(person, 0)))

    async def _write_all(self) -> None:
        while True:
            note = await self._notes.get()
            try:
                await self._writer.append(await self._append(note))
            except (AppendRefused, Unavailable, KeysUnavailable) as error:
                log.error("a refusal could not be recorded", command=note.order.command.slug, error=str(error))
            finally:
                self._notes.task_done()

    async def _append(self, note: _Note) -> Append:
        order, day = note.order, datetime.now(self._zone).date()
        stream_id = NATURAL[RefusalsId].format(person=order.by.id, day=day)
        event = CommandRefused(
            person=AnyId(order.by.id),
            day=day,
            command=Code(order.command.slug),
            subject=None if order.stream_id is None else AnyId(order.stream_id),
            sentence=Text(note.sentence),
            values={name: Text(str(value)) for name, value in note.values.items()},
            uncounted=note.uncounted,
        )
        event = await self._sealer.sealed(self._codec.texts[CommandRefused], event, stream_id)
        meta = envelope_bytes(
            Envelope(kind=order.by.kind, command=order.command.slug, clause=order.command.declaration.clause)
        )
        entry = Entry(self._codec.stored(stream_id, event), meta)
        return Append(order.by.id, uuid4(), (Change(stream_id, None, (entry,)),))
