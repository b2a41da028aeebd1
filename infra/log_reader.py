"""Reading the log: single streams, pages of everything, and where it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from infra.codec import COLUMNS, Line, Published
from infra.read_model.schema import MENTIONS


class Answered(NamedTuple):
    """What was answered under an idempotency key."""

    body_hash: str
    first: int
    last: int


class LogReader:
    """Reads for commands and feeds. Every row comes back as a `Line`, in the log's own order."""

    def __init__(self, pool: AsyncConnectionPool[Any]) -> None:
        self.pool = pool

    async def stream(self, stream_id: str, after: int = 0) -> list[Line]:
        """The events of one stream behind a version."""
        return await self._lines(
            f"SELECT {COLUMNS} FROM yewu.log WHERE stream_id = %s AND version > %s ORDER BY version", (stream_id, after)
        )

    async def page(self, after: int, limit: int, types: Sequence[str] | None = None) -> list[Published]:
        """The next events behind a position, at most `limit`; of these types only, if any are named."""
        return await self._published(
            f"SELECT {COLUMNS}, tags FROM yewu.log WHERE position > %s AND coalesce(type = ANY(%s::text[]), true)"
            " ORDER BY position LIMIT %s",
            (after, types, limit),
        )

    async def about(self, schema: str, tag: str, after: int, limit: int) -> list[Published]:
        """The next events behind a position that mention a stream, by the tag index of a read model."""
        columns = ", ".join(f"l.{name}" for name in COLUMNS.split(", "))
        return await self._published(
            f"SELECT {columns}, l.tags FROM {MENTIONS.format(schema=schema)} m JOIN yewu.log l USING (position)"
            " WHERE m.position > %(after)s ORDER BY m.position LIMIT %(limit)s",
            {"tag": tag, "after": after, "limit": limit},
        )

    async def between(self, first: int, last: int) -> list[Line]:
        """The events at these positions, both ends included."""
        return await self._lines(
            f"SELECT {COLUMNS} FROM yewu.log WHERE position BETWEEN %s AND %s ORDER BY position", (first, last)
        )

    async def head(self) -> int:
        """The position of the last event; 0 while the log is empty."""
        async with self.pool.connection() as db:
            cursor = await db.execute("SELECT position FROM yewu.head")
            (position,) = await cursor.fetchone() or (0,)
        return int(position)

    async def exists(self, stream_id: str) -> bool:
        """Does this stream hold any event?"""
        async with self.pool.connection() as db:
            cursor = await db.execute("SELECT 1 FROM yewu.log WHERE stream_id = %s AND version = 1", (stream_id,))
            return await cursor.fetchone() is not None

    async def answered(self, command_id: UUID) -> Answered | None:
        """The answer kept under a key, if there is one."""
        async with self.pool.connection() as db:
            cursor = await db.execute(
                "SELECT body_hash, first_position, last_position FROM yewu.answer WHERE command_id = %s", (command_id,)
            )
            row = await cursor.fetchone()
        return None if row is None else Answered(*row)

    async def _published(self, query: str, parameters: tuple[object, ...] | Mapping[str, object]) -> list[Published]:
        async with self.pool.connection() as db:
            cursor = await db.execute(query.encode(), parameters, binary=True)
            return [Published.of(row) for row in await cursor.fetchall()]

    async def _lines(self, query: str, parameters: tuple[object, ...]) -> list[Line]:
        async with self.pool.connection() as db:
            cursor = await db.execute(query.encode(), parameters, prepare=True, binary=True)
            return [Line(*row) for row in await cursor.fetchall()]
