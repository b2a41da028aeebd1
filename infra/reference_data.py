"""Reference data of a process: held whole, a few milliseconds behind the log; commands never wait for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any

import psycopg
import structlog
from msgspec.structs import replace
from psycopg_pool import AsyncConnectionPool

from infra.codec import COLUMNS, Codec, Line
from projections.reference import REFERENCE_EVENTS, Reference

log = structlog.get_logger()
TYPES = sorted(event.__name__ for event in REFERENCE_EVENTS)
FOLLOW = (
    f"SELECT (SELECT position FROM yewu.head), {', '.join('l.' + name for name in COLUMNS.split(', '))}"
    " FROM (SELECT 1) one LEFT JOIN yewu.log l ON l.position > %s AND l.type = ANY(%s) ORDER BY l.position"
).encode()


class ReferenceKeeper:
    """Follows the log for the few events that reference data are made of."""

    def __init__(self, pool: AsyncConnectionPool[Any], codec: Codec, *, idle: float = 0.05) -> None:
        self.current = Reference()
        self._pool, self._codec, self._idle = pool, codec, idle
        self._wake, self._due = asyncio.Event(), 0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read all there is, then follow."""
        await self.refresh()
        self._task = asyncio.create_task(self._follow(), name="reference data")

    async def stop(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def wrote(self, position: int, types: Iterable[str]) -> None:
        """Something was committed: look at once if it may matter."""
        if not REFERENCE_NAMES.isdisjoint(types):
            self._due = position
            self._wake.set()

    async def latest(self) -> Reference:
        """The reference data with everything in them that this process knows to be committed."""
        return self.current if self.current.position >= self._due else await self.refresh()

    async def refresh(self) -> Reference:
        """Read what has come since; the reference data as of the head of the log."""
        async with self._pool.connection() as db:
            before = self.current
            cursor = await db.execute(FOLLOW, (before.position, TYPES), prepare=True, binary=True)
            rows = await cursor.fetchall()
        current = before
        for _, *line in rows:
            if line[0] is not None:
                current = current.after(self._codec.recorded(Line(*line)))
        if rows[0][0] > current.position:
            current = replace(current, position=rows[0][0])
        if current.position > self.current.position:
            self.current = current
        return self.current

    async def _follow(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._idle)
            self._wake.clear()
            try:
                await self.refresh()
            except psycopg.OperationalError as error:
                log.warning("reference data cannot be read", error=str(error).strip())
                await asyncio.sleep(0.5)


REFERENCE_NAMES = frozenset(TYPES)
