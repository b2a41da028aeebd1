"""The projector as a process: it builds, follows, stands by, and survives what happens to its connection."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from infra.read_model import schema as schemas
from infra.read_model.engine import ReadModel
from infra.read_model.follower import Follower
from infra.read_model.lines import Poisoned
from infra.read_model.projector import STANDBY, Projector, told
from infra.read_model.rebuild import build
from tests.infra.read_model.books import Book, content, plain_fold, the_model
from tests.infra.read_model.repairs import MONDAY, Desk, Happening
from tests.infra.read_model.test_follower import ANNA, BOOKED, unreadable

MODEL = the_model()


@pytest.fixture
def book(database: str) -> Iterator[Book]:
    """An empty log, and no read model at all."""
    with Book(database) as book:
        yield book


def wait_until(true: Callable[[], object], seconds: float = 20) -> None:
    """Look again and again until something is so; AssertionError if it never is."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        time.sleep(0.01)


@contextmanager
def running(projector: Projector) -> Iterator[threading.Event]:
    """The projector at work in a thread of its own, until the block ends or the event is set."""
    stop = threading.Event()
    thread = threading.Thread(target=projector.run, args=(stop,))
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def level(book: Book) -> bool:
    """Has the live schema come to the end of the log?"""
    return schemas.exists(book.db, MODEL.schema) and schemas.lag(book.db, MODEL.schema).position == len(book.records)


def backends(book: Book) -> list[int]:
    """The server's processes for connections of projectors."""
    found = book.db.execute(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'yewu-projector' AND datname = current_database()"
    )
    return [pid for (pid,) in found.fetchall()]


def test_it_builds_what_is_missing_and_follows(book: Book) -> None:
    desk = Desk(1)
    book.write(desk.happen(40))
    with running(Projector(book.conninfo, MODEL)):
        wait_until(lambda: level(book))
        book.write(desk.happen(40))
        wait_until(lambda: level(book))
    assert content(book.db, MODEL) == plain_fold(book.records)
    assert book.db.execute("SELECT count(*) FROM yewu.rebuild").fetchone() == (0,)


def test_it_shows_signs_of_life_while_nothing_happens(book: Book) -> None:
    with running(Projector(book.conninfo, MODEL)):
        wait_until(lambda: level(book))
        book.db.execute(f"UPDATE {MODEL.schema}.place SET beat_at = '2026-01-01'".encode())
        wait_until(lambda: (schemas.lag(book.db, MODEL.schema).beat_age or 0) < 5)


def test_it_forgets_answers_whose_keys_count_no_more(book: Book) -> None:
    book.write(Desk(1).happen(5))
    with book.db.transaction():
        book.db.execute("SET LOCAL session_replication_role = replica")
        book.db.execute("UPDATE yewu.log SET recorded_at = now() - interval '31 days' WHERE position <= 3")
        book.db.execute("UPDATE yewu.log SET recorded_at = now() WHERE position > 3")
        book.db.execute("INSERT INTO yewu.answer SELECT gen_random_uuid(), '', n, n FROM generate_series(2, 5, 3) n")
    with running(Projector(book.conninfo, MODEL)):
        wait_until(lambda: book.db.execute("SELECT first_position FROM yewu.answer").fetchall() == [(5,)])


def test_a_woken_projector_looks_at_once(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.read_model.projector.QUICK", 3600)
    monkeypatch.setattr("infra.read_model.projector.SLOW", 3600)
    projector = Projector(book.conninfo, MODEL)
    with running(projector) as stop:
        wait_until(lambda: level(book))
        time.sleep(0.5)
        book.write(Desk(1).happen(5))
        time.sleep(0.1)
        assert not level(book)
        projector.wake()
        wait_until(lambda: level(book))
        stop.set()
        projector.wake()


def test_a_lost_connection_is_made_again(book: Book) -> None:
    desk = Desk(2)
    with running(Projector(book.conninfo, MODEL)):
        for _ in range(3):
            book.write(desk.happen(20))
            wait_until(lambda: level(book))
            for pid in backends(book):
                book.db.execute("SELECT pg_terminate_backend(%s)", (pid,))
        book.write(desk.happen(20))
        wait_until(lambda: level(book))
    assert content(book.db, MODEL) == plain_fold(book.records)


def test_of_two_only_one_is_active_and_the_other_takes_over(book: Book) -> None:
    desk, followers = Desk(3), list[Follower]()

    def noted(db: psycopg.Connection[Any], model: ReadModel) -> Follower:
        followers.append(Follower(db, model))
        return followers[-1]

    with running(Projector(book.conninfo, MODEL)) as stop_first:
        wait_until(lambda: level(book))
        with running(Projector(book.conninfo, MODEL, follower=noted)):
            wait_until(lambda: len(backends(book)) == 2)
            book.write(desk.happen(30))
            wait_until(lambda: level(book))
            time.sleep(STANDBY)
            assert len(locks(book)) == 1
            assert followers == []
            first = locks(book)
            stop_first.set()
            wait_until(lambda: len(locks(book)) == 1 and locks(book) != first)
            book.write(desk.happen(30))
            wait_until(lambda: level(book))
    assert content(book.db, MODEL) == plain_fold(book.records)


def locks(book: Book) -> list[int]:
    """Who holds a projector's lock."""
    found = book.db.execute(
        "SELECT l.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.granted"
        " AND a.application_name = 'yewu-projector' AND a.datname = current_database()"
    )
    return [pid for (pid,) in found.fetchall()]


def test_far_behind_it_builds_anew_beside_what_people_read(book: Book) -> None:
    desk = Desk(4)
    with book.connect() as reader:
        build(reader, book.db, MODEL)
    old = schema_number(book)
    book.write(desk.happen(60))
    with running(Projector(book.conninfo, MODEL, far_behind=50)):
        wait_until(lambda: level(book))
    assert schema_number(book) != old
    assert content(book.db, MODEL) == plain_fold(book.records)


def schema_number(book: Book) -> int:
    """Which schema of that name it is."""
    (number,) = book.db.execute("SELECT to_regnamespace(%s)::oid::int", (MODEL.schema,)).fetchone() or (0,)
    return int(number)


def test_a_schema_built_anew_or_dropped_under_its_hands_is_followed_again(book: Book) -> None:
    desk = Desk(5)
    with running(Projector(book.conninfo, MODEL)):
        book.write(desk.happen(30))
        wait_until(lambda: level(book))
        with book.connect() as reader, book.connect() as writer:
            build(reader, writer, MODEL, until=10)
        book.write(desk.happen(30))
        wait_until(lambda: level(book))
        with book.db.transaction():
            schemas.drop(book.db, MODEL.schema)
        book.write(desk.happen(30))
        wait_until(lambda: level(book))
    assert content(book.db, MODEL) == plain_fold(book.records)


def test_an_event_whose_rows_nobody_can_name_ends_it(book: Book) -> None:
    """Nobody can say whose account it would be on: that stands in the event."""
    book.write([Happening("complaint-9", BOOKED, MONDAY, MONDAY, ANNA)])
    unreadable(book, 1)
    with pytest.raises(Poisoned, match="RepairBooked at position 1 on complaint-9"):
        Projector(book.conninfo, MODEL).run(threading.Event())


def test_others_see_how_far_a_building_is(book: Book) -> None:
    with told(book.conninfo, MODEL.schema) as progress:
        assert book.db.execute("SELECT schema_name, done, goal FROM yewu.rebuild").fetchall() == [(MODEL.schema, 0, 0)]
        time.sleep(0.6)
        progress(43, 100)
        progress(44, 100)
        assert book.db.execute("SELECT done, goal FROM yewu.rebuild").fetchall() == [(43, 100)]
    assert book.db.execute("SELECT count(*) FROM yewu.rebuild").fetchone() == (0,)


def test_the_lag_is_that_of_the_schema_behind_the_log(book: Book) -> None:
    assert schemas.lag(book.db, MODEL.schema) == (0, 0, None)
    with book.connect() as reader:
        build(reader, book.db, MODEL)
    book.write(Desk(1).happen(7))
    lag = schemas.lag(book.db, MODEL.schema)
    assert (lag.position, lag.head) == (0, 7)
    assert lag.beat_age is not None
    assert 0 <= lag.beat_age < 60


def test_schemas_that_nobody_keeps_alive_are_dropped_with_their_past(book: Book) -> None:
    with book.connect() as reader:
        for name in ("rm_old", "rm_old_0123456789abcdef", "rm_sleeping", "rm_alive", "rm_alive_0123456789abcdef"):
            build(reader, book.db, MODEL, schema=name)
    for name in ("rm_old", "rm_old_0123456789abcdef", "rm_sleeping", "rm_alive_0123456789abcdef"):
        book.db.execute(f"UPDATE {name}.place SET beat_at = now() - interval '2 days'".encode())
    book.db.execute("CREATE SCHEMA rm_of_somebody_else")
    assert schemas.drop_unused(book.db, {"rm_sleeping"}) == ["rm_old", "rm_old_0123456789abcdef"]
    assert schemas.exists(book.db, "rm_sleeping")
    assert schemas.exists(book.db, "rm_alive_0123456789abcdef")


def test_a_schema_that_somebody_reads_just_now_is_dropped_another_time(book: Book) -> None:
    with book.connect() as reader:
        build(reader, book.db, MODEL)
        book.db.execute(f"UPDATE {MODEL.schema}.place SET beat_at = now() - interval '2 days'".encode())
        with reader.transaction():
            reader.execute(f"SELECT position FROM {MODEL.schema}.place".encode())
            assert schemas.drop_unused(book.db, ()) == []
        assert schemas.drop_unused(book.db, ()) == [MODEL.schema]


def test_a_reader_in_the_middle_of_a_reading_finishes_it_before_the_schema_is_replaced(book: Book) -> None:
    """And no lock of the one waits for a lock of the other."""
    desk = Desk(6)
    book.write(desk.happen(50))
    with book.connect() as log, book.connect() as reader:
        build(log, book.db, MODEL)
        book.write(desk.happen(50))
        with reader.transaction():
            reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            reader.execute(f"SELECT position FROM {MODEL.schema}.place".encode())
            builder = threading.Thread(target=build, args=(log, book.db, MODEL))
            builder.start()
            time.sleep(0.5)
            assert builder.is_alive()
            assert content(reader, MODEL) == plain_fold(book.records[:50])
        builder.join()
        assert content(reader, MODEL) == plain_fold(book.records)


def test_a_database_that_is_away_is_waited_for(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., object] = psycopg.connect
    refused = [True, True]

    def connect(*args: object, **settings: object) -> object:
        if refused:
            refused.pop()
            raise psycopg.OperationalError("the database system is starting up")
        return real(*args, **settings)

    monkeypatch.setattr("infra.read_model.projector.psycopg.connect", connect)
    with running(Projector(book.conninfo, MODEL)):
        wait_until(lambda: schemas.exists(book.db, MODEL.schema))
    assert not refused
