"""Following the log, batch by batch, when something goes wrong on the way."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from aggregates.ids import CustomerId, EmployeeId
from aggregates.text import Code
from infra.codec import Codec
from infra.read_model.engine import ReadModel
from infra.read_model.follower import Follower, Overtaken
from infra.read_model.rebuild import build
from tests.infra.read_model.books import Book, content, parked, plain_fold, the_model, trail
from tests.infra.read_model.repairs import (
    EVENTS,
    MONDAY,
    BellRung,
    Desk,
    Happening,
    Pressure,
    RepairBooked,
    RepairPriced,
    RepairTaken,
    repairs,
)

MODEL = the_model()
ANNA, CARL = EmployeeId("employee-anna"), CustomerId("customer-carl")
BOOKED = RepairBooked(customer_id=CARL, pressure=Pressure.CALM, wishes=(), limit=Decimal(100))
TAKEN = RepairTaken(handler_id=ANNA)


def on(stream_id: str, *events: RepairBooked | RepairTaken | RepairPriced | BellRung) -> list[Happening]:
    return [Happening(stream_id, event, MONDAY, MONDAY, ANNA) for event in events]


def unreadable(book: Book, position: int) -> None:
    """As if a newer version had written it."""
    with book.db.transaction():
        book.db.execute("SET LOCAL session_replication_role = replica")
        book.db.execute("UPDATE yewu.log SET schema = 2 WHERE position = %s", (position,))


@pytest.fixture
def book(database: str) -> Iterator[Book]:
    """An empty log with an empty read model."""
    with Book(database) as book, book.connect() as reader:
        build(reader, book.db, MODEL)
        yield book


def test_an_overtaken_follower_writes_nothing_and_goes_on_from_where_the_other_stands(book: Book) -> None:
    with book.connect() as other_connection:
        first, second = Follower(book.db, MODEL), Follower(other_connection, MODEL)
        book.write(on("complaint-1", BOOKED, TAKEN))
        assert second.place() == 0
        first.step(1)
        with pytest.raises(Overtaken):
            second.step()
        assert content(book.db, MODEL) == plain_fold(book.records[:1])
        assert second.catch_up() == 2
    assert content(book.db, MODEL) == plain_fold(book.records)


def test_a_connection_killed_between_batches_loses_nothing(book: Book) -> None:
    desk = Desk(3)
    for _ in range(5):
        book.write(desk.happen(20))
        with book.connect() as doomed:
            follower = Follower(doomed, MODEL)
            follower.step(7)
            book.db.execute("SELECT pg_terminate_backend(%s, 5000)", (doomed.info.backend_pid,))
            with pytest.raises(psycopg.OperationalError):
                follower.step(7)
    Follower(book.db, MODEL).catch_up()
    assert content(book.db, MODEL) == plain_fold(book.records)


def test_killed_before_a_batch_is_saved_nothing_of_it_is_missing(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """A position without its rows would hide for ever that they were never written."""
    book.write(Desk(3).happen(20))
    with book.connect() as doomed:
        follower, saving = Follower(doomed, MODEL), Follower._save

        def killed_on_the_way(
            self: Follower, start: int, until: int, made: dict[str, list[Any]], gone: dict[str, list[Any]]
        ) -> None:
            self._save_query = (
                b"SELECT pg_terminate_backend(pg_backend_pid()), %s::int8, %s::int8, %s::jsonb, %s::jsonb"
            )
            saving(self, start, until, made, gone)

        monkeypatch.setattr(Follower, "_save", killed_on_the_way)
        with pytest.raises(psycopg.OperationalError):
            follower.step()
    monkeypatch.undo()
    Follower(book.db, MODEL).catch_up()
    assert content(book.db, MODEL) == plain_fold(book.records)


def test_a_connection_lost_on_the_way_to_poison_loses_nothing_of_what_is_parked(book: Book) -> None:
    book.write([*on("complaint-2", TAKEN, TAKEN), *on("complaint-1", BOOKED, TAKEN)])
    for most in (1, 2, 1):
        Follower(book.db, MODEL).step(most)
    assert [(each.row_key, each.position, each.waiting) for each in parked(book, MODEL)] == [("complaint-2", 1, 1)]


def test_an_event_that_nobody_takes_is_not_even_decoded(book: Book) -> None:
    book.write(on("complaint-1", BellRung()))
    with book.db.transaction():
        book.db.execute("SET LOCAL session_replication_role = replica")
        book.db.execute("UPDATE yewu.log SET schema = 2, data = 'nonsense'")
    assert Follower(book.db, MODEL).catch_up() == 1


def test_a_beat_is_a_sign_of_life_without_news(book: Book) -> None:
    book.db.execute(f"UPDATE {MODEL.schema}.place SET beat_at = '2026-01-01'".encode())
    Follower(book.db, MODEL).beat()
    (age,) = book.db.execute(f"SELECT now() - beat_at < '1 minute' FROM {MODEL.schema}.place".encode()).fetchone() or (
        0,
    )
    assert age


def test_memory_stays_bounded_and_the_rows_right(book: Book) -> None:
    desk = Desk(11)
    follower = Follower(book.db, MODEL, remember=4)
    for _ in range(10):
        book.write(desk.happen(30))
        follower.catch_up(6)
        assert all(len(shelf) <= 4 for shelf in follower._shelves)
    assert content(book.db, MODEL) == plain_fold(book.records)


def test_two_views_may_keep_their_rows_in_one_table(book: Book) -> None:
    priced = RepairPriced(customer_id=CARL, parts=(), hours=1)
    book.write(on("complaint-1", BOOKED, TAKEN, priced))
    Follower(book.db, MODEL).catch_up()
    found = [(row.rule, row.case_id) for row in content(book.db, MODEL)["duty_row"]]  # type: ignore[attr-defined]  # duties
    assert found == [(Code("price"), "customer-carl"), (Code("take"), "complaint-1")]


def test_a_view_alone_is_folded_as_in_company(book: Book) -> None:
    desk = Desk(5)
    book.write(desk.happen(100))
    alone = ReadModel([repairs], Codec(EVENTS), "alone", trail=False)
    with book.connect() as reader:
        build(reader, book.db, alone)
    assert content(book.db, alone)["repair_row"] == plain_fold(book.records)["repair_row"]
    assert trail(book.db, alone.schema) == []
