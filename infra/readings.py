"""Readings as evidence: who read what few may read, of whom and when; written after the answer and never waited for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import uuid4
from zoneinfo import ZoneInfo

import structlog

from aggregates.actor import Role
from aggregates.event import Envelope, RestrictedFieldsRead
from aggregates.ids import NATURAL, AnyId, ReadingsId
from aggregates.text import Code
from infra.append import Append, AppendRefused, Change, Entry, Unavailable
from infra.codec import Codec, envelope_bytes
from infra.dispatcher import Principal
from infra.event_store import Writer

log = structlog.get_logger()
SECONDS_TOGETHER = 6.0
"""What somebody reads through the same question within this time is one record: ten a minute, and nothing left out."""


class _Read:
    """What somebody has read through one question since it was last recorded."""

    def __init__(self, roles: frozenset[Role]) -> None:
        self.roles, self.times = roles, 0
        self.fields: dict[AnyId, set[Code]] = {}


class ReadingRecorder:
    """Writes `RestrictedFieldsRead`; what comes in quick succession goes together and is counted."""

    def __init__(self, writer: Writer, codec: Codec, zone: ZoneInfo, *, together: float = SECONDS_TOGETHER) -> None:
        self._writer, self._codec, self._zone, self._together = writer, codec, zone, together
        self._read: dict[tuple[Principal, Code], _Read] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write what is noted."""
        self._task = asyncio.create_task(self._write_all(), name="readings")

    async def stop(self) -> None:
        """Write what is noted, then end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._write()

    def note(
        self, by: Principal, roles: frozenset[Role], through: Code, fields: Mapping[AnyId, Iterable[Code]]
    ) -> None:
        """Remember whose fields somebody has read through a question; returns at once."""
        read = self._read.setdefault((by, through), _Read(roles))
        read.times += 1
        for whose, which in fields.items():
            read.fields.setdefault(whose, set()).update(which)
        self._wake.set()

    async def _write_all(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._write()
            await asyncio.sleep(self._together)

    async def _write(self) -> None:
        noted, self._read = self._read, {}
        for (by, through), read in noted.items():
            try:
                await self._writer.append(self._append(by, through, read))
            except (AppendRefused, Unavailable) as error:
                log.error("a reading could not be recorded", through=through, error=str(error))
                with contextlib.suppress(KeyError):
                    _merge(read, self._read[by, through])
                self._read[by, through] = read
                self._wake.set()

    def _append(self, by: Principal, through: Code, read: _Read) -> Append:
        day = datetime.now(self._zone).date()
        stream_id = NATURAL[ReadingsId].format(person=by.id, day=day)
        event = RestrictedFieldsRead(
            reader=AnyId(by.id),
            day=day,
            through=through,
            fields={whose: tuple(sorted(which)) for whose, which in sorted(read.fields.items())},
            times=read.times,
        )
        meta = envelope_bytes(Envelope(kind=by.kind, roles=tuple(sorted(read.roles))))
        entry = Entry(self._codec.stored(stream_id, event), meta)
        return Append(by.id, uuid4(), (Change(stream_id, None, (entry,)),))


def _merge(read: _Read, later: _Read) -> None:
    read.times += later.times
    for whose, which in later.fields.items():
        read.fields.setdefault(whose, set()).update(which)
