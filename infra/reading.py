"""Reading a read model: at one position, and not before it has reached the one that was asked for."""

from __future__ import annotations

import time
from asyncio import sleep
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool

from infra.read_model.tables import table_name
from projections.parked import written_key
from projections.question import Database, Page
from projections.row import KeyValue, Row, key_fields
from projections.scope import Scope

MOST_MARKS = 100
"""So many parked rows are named besides those that an answer contains."""


class Behind(Exception):
    """The read model has not reached a position in time; asking again a little later is all there is to do."""

    def __init__(self, wanted: int, position: int | None) -> None:
        super().__init__(f"the read model is at {position}, not at {wanted}")
        self.wanted, self.position = wanted, position


class Mark(NamedTuple):
    """A parked row, the event that it could not take, and whether there is a row as it was before."""

    row_table: str
    row_key: str
    position: int
    type: str
    has_row: bool


class Standstill(Exception):
    """What was asked depends on a row that is parked."""

    def __init__(self, mark: Mark) -> None:
        super().__init__(f"{mark.row_table} {mark.row_key} is parked at position {mark.position}")
        self.mark = mark


class Place(NamedTuple):
    """How far a schema is, since how many seconds nothing has been heard of its projector, how many events it has not
    seen, since how many seconds the first of them waits, and how many rows are parked."""

    position: int
    silence: float
    lag: int
    lag_seconds: float
    parked: int


class Reading(NamedTuple):
    """A database in which to ask, the position that its answers are of, and whether any of its rows is parked."""

    db: Database
    position: int
    parked: bool = False


class ReadModelReader:
    """Asks questions of the live schema of this code, or of another one such as that of a day in the past."""

    def __init__(self, pool: AsyncConnectionPool[Any], schema: str, *, patience: float = 2.0) -> None:
        self.pool, self.schema, self.patience = pool, schema, patience
        live = sql.Identifier(schema)
        self._position = sql.SQL("SELECT position FROM {}.place").format(live)
        self._place = sql.SQL(
            "SELECT p.position, extract(epoch FROM clock_timestamp() - p.beat_at)::float8, h.position - p.position,"
            " coalesce(extract(epoch FROM clock_timestamp() - l.recorded_at)::float8, 0),"
            " (SELECT count(*) FROM {}.parked)"
            " FROM yewu.head h, {}.place p LEFT JOIN yewu.log l ON l.position = p.position + 1"
        ).format(live, live)

    async def position(self) -> int | None:
        """How far the live schema is; None while nobody has built it."""
        row = await self._asked(self._position)
        return None if row is None else int(row[0])

    async def place(self) -> Place | None:
        """The same, and how well it is kept level."""
        row = await self._asked(self._place)
        return None if row is None else Place(*row)

    async def _asked(self, query: sql.Composed) -> tuple[Any, ...] | None:
        async with self.pool.connection() as db:
            try:
                row: tuple[Any, ...] | None = await (await db.execute(query)).fetchone()
            except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
                await db.rollback()
                return None
        return row

    async def reached(self, wanted: int) -> None:
        """Wait until the live schema has come so far; Behind if it does not in time."""
        deadline = time.monotonic() + self.patience
        while (position := await self.position()) is None or position < wanted:
            if time.monotonic() > deadline:
                raise Behind(wanted, position)
            await sleep(0.005)

    @asynccontextmanager
    async def read(
        self,
        *,
        at_least: int = 0,
        schema: str | None = None,
        page: Page | None = None,
        at: datetime | None = None,
        scope: Scope | None = None,
    ) -> AsyncIterator[Reading]:
        """A read-only view of one moment; its position is that of every answer given in it. `at`: not now, but then;
        `scope`: not everything, but so much."""
        if schema is None and at_least:
            await self.reached(at_least)
        async with self.pool.connection() as db, db.transaction():
            await db.execute(
                sql.SQL("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = {}").format(
                    sql.Identifier(schema or self.schema)
                )
            )
            try:
                cursor = await db.execute("SELECT position, EXISTS (SELECT FROM parked) FROM place")
                row = await cursor.fetchone()
            except psycopg.errors.UndefinedTable:
                raise Behind(at_least, None) from None
            if row is None:  # the schema is just being replaced
                raise Behind(at_least, None)
            yield Reading(Database(db, page, at, scope), *row)


async def parked_among(
    db: psycopg.AsyncConnection[Any], tables: Sequence[str], keys: Sequence[str] | None = None, *, schema: str = ""
) -> list[Mark]:
    """Parked rows of some tables: with keys given, those that have one of them and those that are nowhere at all yet.

    Of those that nobody named by their keys the first hundred. `schema`: where they are, if not in the search path.
    """
    among = sql.Identifier(schema, "parked") if schema else sql.Identifier("parked")
    query = sql.SQL(
        "SELECT row_table, row_key, position, type, has_row FROM {} WHERE row_table = ANY(%s) AND row_key = ANY(%s)"
        " UNION (SELECT row_table, row_key, position, type, has_row FROM {} WHERE row_table = ANY(%s)"
        " AND (%s OR NOT has_row) ORDER BY position, row_table, row_key LIMIT %s) ORDER BY position, row_table, row_key"
    ).format(among, among)
    async with db.cursor(row_factory=class_row(Mark)) as cursor:
        await cursor.execute(query, (list(tables), list(keys or ()), list(tables), keys is None, MOST_MARKS))
        return await cursor.fetchall()


def moving(schema: str, row: type[Row]) -> sql.Composed:
    """What a query of the table of a row type asks for to leave out rows that are parked."""
    table = table_name(row)
    return sql.SQL(
        "NOT EXISTS (SELECT FROM {}.parked WHERE CASE row_table WHEN {} THEN row_key::jsonb END ="
        " jsonb_build_array({}))"
    ).format(sql.Identifier(schema), sql.Literal(table), sql.SQL(", ").join(map(sql.Identifier, key_fields(row))))


async def require_moving(db: psycopg.AsyncConnection[Any], tables: Sequence[str], key: KeyValue) -> None:
    """Standstill if the row under this key is parked in one of these tables."""
    written = written_key(key)
    for mark in await parked_among(db, tables, [written]):
        if mark.row_key == written:
            raise Standstill(mark)
