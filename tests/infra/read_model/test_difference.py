"""What differs between two moments is what differs between two plain folds, whatever has happened."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from infra.read_model.difference import Differing, differing
from infra.read_model.rebuild import build
from infra.read_model.selection import EVERYTHING, Selection
from infra.read_model.tables import Table
from tests.infra.read_model.books import Book, plain_fold, the_model
from tests.infra.read_model.repairs import MONDAY, Desk

MODEL = the_model()
A_WEEK_LATER = MONDAY + timedelta(days=7)
MOMENTS = [
    (Selection(as_of=MONDAY + timedelta(days=2)), Selection(as_of=A_WEEK_LATER)),
    (Selection(as_of=A_WEEK_LATER, known_at=A_WEEK_LATER), Selection(as_of=A_WEEK_LATER)),
    (Selection(known_at=A_WEEK_LATER), EVERYTHING),
    (EVERYTHING, EVERYTHING),
]


@pytest.fixture
def book(database: str) -> Iterator[Book]:
    with Book(database) as book:
        yield book


def built(book: Book, name: str, selection: Selection) -> str:
    with book.connect() as reader, book.connect() as writer:
        build(reader, writer, MODEL, schema=name, selection=selection)
    return name


def pages(book: Book, table: Table, before: str, after: str, limit: int) -> list[Differing]:
    """All that differs, page by page."""

    async def ask() -> list[Differing]:
        found: list[Differing] = []
        async with await psycopg.AsyncConnection.connect(book.conninfo, autocommit=True) as db:
            while True:
                behind = found[-1].key if found else None
                page = await differing(db, table, before, after, behind=behind, limit=limit)
                found += page
                if len(page) < limit:
                    return found

    return asyncio.run(ask())


def plainly(book: Book, table: Table, before: Selection, after: Selection) -> list[Differing]:
    """The same by comparing two folds row by row."""
    was, now = (
        {_key(table.key_of(row)): row for row in plain_fold(book.records, selection)[table.name]}
        for selection in (before, after)
    )
    return [Differing(key, was.get(key), now.get(key)) for key in sorted({*was, *now}) if was.get(key) != now.get(key)]


def _key(key: str | tuple[str, ...]) -> tuple[str, ...]:
    return (key,) if isinstance(key, str) else key


@pytest.mark.parametrize("seed", range(3))
def test_what_differs_is_what_two_plain_folds_differ_in(book: Book, seed: int) -> None:
    book.write(Desk(seed).happen(150))
    for number, (before, after) in enumerate(MOMENTS):
        names = built(book, f"rm_before_{number}", before), built(book, f"rm_after_{number}", after)
        for table in MODEL.tables:
            assert pages(book, table, *names, limit=7) == plainly(book, table, before, after), table.name


def test_there_is_something_to_differ(book: Book) -> None:
    book.write(Desk(0).happen(150))
    (repairs,) = [table for table in MODEL.tables if table.name == "repair_row"]
    found = plainly(book, repairs, *MOMENTS[0])
    assert any(one.before is None for one in found)
    assert any(one.before is not None and one.after is not None for one in found)
