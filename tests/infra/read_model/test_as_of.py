"""How things were: asked for by the API, built by the builder, kept as long as they are used."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from aggregates.event import Recorded
from aggregates.text import Code
from infra.read_model import schema as schemas
from infra.read_model.as_of import AsOfBuilder, BuildFailed, Building, fresh, schema_as_of, thing_as_of
from infra.read_model.engine import TRAIL, ReadModel
from infra.read_model.rebuild import build
from infra.read_model.selection import EVERYTHING, Selection
from infra.reading import Behind
from projections.row import Row, View, the
from tests.infra.read_model.books import CODEC, Book, content, plain_fold, plain_trail, the_model, trail
from tests.infra.read_model.repairs import (
    MONDAY,
    Desk,
    Happening,
    RepairBooked,
    accounts,
    repairs,
)
from tests.infra.read_model.test_follower import ANNA, BOOKED, TAKEN, on, unreadable

T = TypeVar("T")
MODEL = the_model()
BOARD = ("account_row", "repair_row")


@pytest.fixture
def book(database: str) -> Iterator[Book]:
    """A log of some days."""
    with Book(database) as book:
        yield book


def asked(book: Book, ask: Callable[[AsyncConnectionPool[Any]], Awaitable[T]]) -> T:
    """What an API process gets."""

    async def main() -> T:
        async with AsyncConnectionPool(book.conninfo, min_size=1, max_size=2, open=False) as pool:
            return await ask(pool)

    return asyncio.run(main())


def as_of(book: Book, selection: Selection, tables: tuple[str, ...] = BOARD, patience: float = 20) -> str | Building:
    return asked(book, lambda pool: schema_as_of(pool, MODEL, tables, selection, patience))


@contextmanager
def builder(book: Book, **options: Any) -> Iterator[None]:
    """A builder at work beside the test."""
    stop = threading.Event()
    thread = threading.Thread(target=AsOfBuilder(book.conninfo, MODEL, **{"zone": UTC} | options).run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def requests(book: Book) -> dict[str, str]:
    """What was asked for, and what became of it."""
    return dict(book.db.execute("SELECT schema_name, state FROM yewu.build_request").fetchall())


def test_a_list_as_it_was_is_built_and_kept(book: Book) -> None:
    desk = Desk(1)
    book.write(desk.happen(120))
    selection = Selection(as_of=MONDAY + timedelta(days=10))
    with builder(book):
        name = as_of(book, selection)
        assert isinstance(name, str)
        number = book.db.execute("SELECT to_regnamespace(%s)::oid", (name,)).fetchone()
        wanted = plain_fold(book.records, selection)
        found = content(book.db, MODEL.only(BOARD), name)
        assert found == {table: wanted[table] for table in BOARD}
        assert as_of(book, selection) == name
    assert book.db.execute("SELECT to_regnamespace(%s)::oid", (name,)).fetchone() == number


def test_only_the_tables_that_are_needed_are_built(book: Book) -> None:
    book.write(Desk(1).happen(30))
    selection = Selection(known_at=MONDAY + timedelta(days=3))
    with builder(book):
        board, whole = as_of(book, selection), as_of(book, selection, (*BOARD, TRAIL))
    assert isinstance(board, str)
    assert isinstance(whole, str)
    tables = book.db.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (board,)).fetchall()
    assert {name for (name,) in tables} == {"account_row", "repair_row", "place", "part", "parked", TRAIL}
    assert trail(book.db, board) == []
    assert trail(book.db, whole) == plain_trail(book.records, selection)


def test_a_kept_list_is_brought_forward_when_something_is_told_late(book: Book) -> None:
    desk = Desk(2)
    book.write(desk.happen(60))
    selection = Selection(as_of=desk.now)
    with builder(book):
        name = as_of(book, selection)
        desk.now += timedelta(days=30)
        book.write(desk.happen(60))
        late = Happening("complaint-late", BOOKED, desk.now, MONDAY, ANNA)
        book.write([late])
        assert as_of(book, selection) == name
    assert isinstance(name, str)
    wanted = plain_fold(book.records, selection)
    assert "complaint-late" in [row.repair_id for row in wanted["repair_row"]]  # type: ignore[attr-defined]  # repairs
    assert content(book.db, MODEL.only(BOARD), name) == {table: wanted[table] for table in BOARD}


def test_with_very_much_told_late_it_is_built_anew(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.read_model.as_of.FAR_BEHIND", 10)
    selection = Selection(known_at=MONDAY + timedelta(days=300))
    desk = Desk(3)
    book.write(desk.happen(30))
    with builder(book):
        name = as_of(book, selection)
        number = book.db.execute("SELECT to_regnamespace(%s)::oid", (name,)).fetchone()
        book.write(desk.happen(30))
        assert as_of(book, selection) == name
        assert book.db.execute("SELECT to_regnamespace(%s)::oid", (name,)).fetchone() != number


def test_nobody_waits_longer_than_patience(book: Book) -> None:
    book.write(Desk(1).happen(10))
    assert as_of(book, Selection(as_of=MONDAY), patience=0.1) == Building(0, 0)
    assert list(requests(book).values()) == ["waiting"]


def test_a_request_whose_builder_died_is_taken_by_another(book: Book) -> None:
    book.write(Desk(1).happen(10))
    as_of(book, Selection(as_of=MONDAY), patience=0)
    book.db.execute("UPDATE yewu.build_request SET state = 'building'")
    with builder(book):
        assert isinstance(as_of(book, Selection(as_of=MONDAY)), str)


def test_a_schema_has_one_builder_at_a_time(book: Book) -> None:
    book.write(Desk(1).happen(10))
    as_of(book, Selection(as_of=MONDAY), patience=0)
    (name,) = requests(book)
    worker = AsOfBuilder(book.conninfo, MODEL, zone=UTC)
    with book.connect() as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (f"builder of {name}",))
        assert worker.step(book.db) is None
        other.execute("SELECT pg_advisory_unlock_all()")
    assert worker.step(book.db) == name
    assert requests(book) == {name: "ready"}


def test_builders_of_other_code_leave_it_alone(book: Book) -> None:
    as_of(book, Selection(as_of=MONDAY), patience=0)
    assert AsOfBuilder(book.conninfo, the_model("another"), zone=UTC).step(book.db) is None


def test_who_asks_for_what_cannot_be_built_is_told_why(book: Book) -> None:
    book.write(on("complaint-1", BOOKED))
    unreadable(book, 1)
    with builder(book), pytest.raises(BuildFailed, match="RepairBooked at position 1"):
        as_of(book, Selection(known_at=MONDAY))
    book.db.execute("UPDATE yewu.build_request SET requested_at = now() - interval '2 minutes'")
    assert isinstance(as_of(book, Selection(known_at=MONDAY), patience=0), Building)


def test_a_request_cannot_name_a_schema_that_is_not_its_own(book: Book) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        book.db.execute("SELECT yewu.request_build('yewu', 'repairs', '{repair_row}', NULL, NULL, '{}', false)")
    book.db.execute(
        "SELECT yewu.request_build('rm_repairs_0123456789abcdef', 'repairs', '{repair_row}', NULL, NULL, '{}', false)"
    )
    AsOfBuilder(book.conninfo, MODEL, zone=UTC).step(book.db)
    assert requests(book) == {"rm_repairs_0123456789abcdef": "failed"}


def test_the_least_used_are_dropped_but_month_ends_stay(book: Book) -> None:
    zone = ZoneInfo("Asia/Shanghai")
    book.write(Desk(1).happen(10))
    month_end = Selection(as_of=datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=zone))
    days = [Selection(as_of=MONDAY + timedelta(days=n)) for n in range(4)]
    with builder(book, keep=2, zone=zone):
        names = [as_of(book, selection) for selection in (month_end, days[0], days[1], days[0], days[2], days[3])]
    assert requests(book).keys() == {names[0], names[4], names[5]}
    assert [schemas.exists(book.db, str(name)) for name in names] == [True, False, False, False, True, True]


def test_one_that_was_dropped_is_built_again(book: Book) -> None:
    book.write(Desk(1).happen(10))
    with builder(book):
        name = as_of(book, Selection(as_of=MONDAY))
        assert isinstance(name, str)
        with book.db.transaction():
            schemas.drop(book.db, name)
        assert as_of(book, Selection(as_of=MONDAY)) == name
    assert schemas.exists(book.db, name)


@pytest.mark.parametrize(
    ("selection", "told", "is_fresh"),
    [
        (Selection(as_of=MONDAY), timedelta(days=1), True),
        (Selection(as_of=MONDAY), timedelta(0), False),
        (Selection(as_of=MONDAY, known_at=MONDAY), timedelta(0), True),
        (EVERYTHING, timedelta(days=1), False),
    ],
)
def test_a_schema_is_fresh_while_nothing_that_counts_has_come(
    book: Book, selection: Selection, told: timedelta, is_fresh: bool
) -> None:
    later = MONDAY + timedelta(days=2)
    book.write(on("complaint-1", BOOKED))
    with book.connect() as reader:
        build(reader, book.db, MODEL, schema="rm_x_0123456789abcdef", selection=selection)
    book.write([Happening("complaint-1", TAKEN, later, MONDAY + told, ANNA)])

    async def ask(pool: AsyncConnectionPool[Any], schema: str = "rm_x_0123456789abcdef", until: int = 2) -> bool:
        async with pool.connection() as db:
            return await fresh(db, schema, selection, until)

    assert asked(book, ask) is is_fresh
    assert asked(book, lambda pool: ask(pool, until=1)) is True
    assert asked(book, lambda pool: ask(pool, schema="rm_nobody_0123456789abcdef")) is False


def test_where_too_much_has_come_to_look_through_it_is_not_called_fresh(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.read_model.as_of.MOST_UNSEEN", 0)
    with book.connect() as reader:
        build(reader, book.db, MODEL, schema="rm_x_0123456789abcdef", selection=Selection(as_of=MONDAY))
    book.write([Happening("complaint-1", BOOKED, MONDAY, MONDAY + timedelta(days=9), ANNA)])

    async def ask(pool: AsyncConnectionPool[Any]) -> bool:
        async with pool.connection() as db:
            return await fresh(db, "rm_x_0123456789abcdef", Selection(as_of=MONDAY), 1)

    assert asked(book, ask) is False


class WishRow(Row):
    """Keyed by something that is no id, so that no tag leads to it."""

    wanted_by: Code


def wished(record: Recorded[RepairBooked]) -> WishRow:
    return WishRow(wanted_by=Code(record.event.pressure))


wishes = View(WishRow, wished, key=the("pressure"))


def thing(book: Book, model: ReadModel, view: View[Any], key: str) -> Row | None:
    async def ask(pool: AsyncConnectionPool[Any]) -> Row | None:
        async with pool.connection() as db:
            found: Row | None = (await thing_as_of(db, model, view, key, EVERYTHING)).row
            return found

    return asked(book, ask)


def test_a_row_keyed_by_no_id_is_found_among_all_events_of_its_types(book: Book) -> None:
    book.write(on("complaint-1", BOOKED))
    assert thing(book, ReadModel([wishes], CODEC, "wishes"), wishes, "calm") == WishRow(wanted_by=Code("calm"))


def test_there_is_no_complaint_with_the_id_of_a_customer(book: Book) -> None:
    book.write(on("complaint-1", BOOKED))
    assert thing(book, MODEL, repairs, "customer-carl") is None
    assert thing(book, MODEL, repairs, "complaint-1") is not None


def test_a_fold_sees_universal_time_whatever_the_connection_speaks(book: Book) -> None:
    """Else a step that looks at a date would say one thing in the API and another in the projector."""
    book.write(on("complaint-1", BOOKED))

    async def ask() -> timedelta | None:
        async with await psycopg.AsyncConnection.connect(book.conninfo, options="-c TimeZone=Asia/Shanghai") as db:
            row, _ = await thing_as_of(db, MODEL, repairs, "complaint-1", EVERYTHING)
            assert row is not None
            assert row.booked_at == MONDAY
            return row.booked_at.utcoffset()

    assert asyncio.run(ask()) == timedelta(0)


def test_without_a_live_schema_a_row_found_by_its_trail_has_to_wait(book: Book) -> None:
    book.write(on("complaint-1", BOOKED))
    with pytest.raises(Behind):
        thing(book, MODEL, accounts, "customer-carl")
