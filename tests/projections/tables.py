"""Rows put into the tables of a database, where questions are asked of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import TypeVar

import psycopg

from infra.read_model.tables import Table
from projections.question import Database
from projections.row import Row
from projections.scope import Scope
from tests.given import MONDAY

T = TypeVar("T")


def filled(url: str, kinds: Iterable[type[Row]], rows: Iterable[Row]) -> str:
    """The database, with a table for each kind and these rows in them."""
    given = [*rows]
    with psycopg.connect(url) as db:
        for kind in kinds:
            table = Table(kind)
            db.execute(table.create("public").encode())
            marks = ", ".join(["%s"] * len(table.fields))
            for row in given:
                if type(row) is kind:
                    db.execute(f"INSERT INTO {table.name} VALUES ({marks})".encode(), table.line(row))
    return url


def asked(
    url: str, question: Callable[[Database], Awaitable[T]], at: datetime = MONDAY, scope: Scope | None = None
) -> T:
    """What a question answers at an instant, to whoever may read so much; everything, if nothing else is said."""

    async def ask() -> T:
        async with await psycopg.AsyncConnection.connect(url) as db:
            return await question(Database(db, at=at, scope=scope))

    return asyncio.run(ask())
