"""Whatever happens and however it is folded: live, rebuilt, or one thing at a time, the read model says the same."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregates.ids import CustomerId, kind_of
from infra.read_model import engine, rebuild
from infra.read_model.as_of import thing_as_of
from infra.read_model.engine import Engine
from infra.read_model.follower import Follower
from infra.read_model.lines import Poisoned
from infra.read_model.rebuild import build
from infra.read_model.references import References
from infra.read_model.selection import EVERYTHING, Selection
from infra.read_model.streams import StreamByStream
from projections.row import KeyValue
from tests.infra.read_model.books import CODEC, Book, content, plain_fold, plain_trail, the_model, trail
from tests.infra.read_model.repairs import MONDAY, VIEWS, Desk, Pressure, RepairBooked

MODEL = the_model()
SEEDS = st.integers(0, 10**6)
LENGTHS = st.integers(1, 120)
often = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


class Unlucky(Follower):
    """A follower whose database is now and then away: before a save, or after it, so that only the reply is lost."""

    dice: random.Random

    def _save(self, *batch: Any) -> None:
        luck = self.dice.random()
        if luck < 0.15:
            raise psycopg.OperationalError("the connection was lost")
        super()._save(*batch)
        if luck > 0.85:
            raise psycopg.OperationalError("the reply was lost")


@pytest.fixture
def book(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Book]:
    """The log of this test; pages are so small that every border is met."""
    monkeypatch.setattr(rebuild, "PAGE", 7)
    monkeypatch.setattr(rebuild, "ENOUGH", 3)
    with Book(database) as book:
        yield book


def follow(book: Book, desk: Desk, length: int) -> None:
    """Let things happen, and follow in batches of any size, with restarts, failures and little memory."""
    dice = desk.dice

    def follower() -> Follower:
        made = Unlucky(book.db, MODEL, remember=dice.choice([0, 3, 1000]))
        made.dice = dice
        return made

    with book.connect() as reader:
        build(reader, book.db, MODEL)
    current = follower()
    while len(book.records) < length or current.position != length:
        if len(book.records) < length and dice.random() < 0.6:
            book.write(desk.happen(min(dice.randint(1, 15), length - len(book.records))))
        if dice.random() < 0.1:
            current = follower()
        try:
            current.step(dice.randint(1, 12))
        except psycopg.OperationalError:
            continue


def check_that_live_is_rebuilt_is_plain(book: Book, seed: int, length: int) -> None:
    book.begin_anew()
    follow(book, Desk(seed), length)
    wanted = plain_fold(book.records)
    assert content(book.db, MODEL) == wanted
    assert trail(book.db, MODEL.schema) == plain_trail(book.records)
    with book.connect() as reader:
        build(reader, book.db, MODEL, schema="rm_rebuilt")
    assert content(book.db, MODEL, "rm_rebuilt") == wanted
    assert trail(book.db, "rm_rebuilt") == plain_trail(book.records)


def check_that_each_thing_alone_is_the_same(book: Book, seed: int, length: int, selection: Selection) -> None:
    book.begin_anew()
    book.write(Desk(seed).happen(length))
    with book.connect() as reader:
        build(reader, book.db, MODEL)
    model = the_model()  # a process never sees another log than its own
    everything = plain_fold(book.records)
    wanted = plain_fold(book.records, selection)

    async def ask() -> None:
        async with await psycopg.AsyncConnection.connect(book.conninfo) as db:
            for view in VIEWS:
                (table,) = MODEL.engine_of(view).tables
                rows = {table.key_of(row): row for row in wanted[table.name]}
                keys: set[KeyValue] = {table.key_of(row) for row in everything[table.name]} | rows.keys()
                for key in keys:
                    if table.name != "duty_row" or key[0] == ("take" if view is VIEWS[5] else "price"):
                        found = await thing_as_of(db, model, view, key, selection)
                        assert found == (rows.get(key), None), (view.row, key)

    asyncio.run(ask())


def check_that_the_past_is_what_counted_then(book: Book, seed: int, length: int, selection: Selection) -> None:
    """Built of a part of the log and brought forward, or built of all of it at once."""
    book.begin_anew()
    desk = Desk(seed)
    book.write(desk.happen(length // 2))
    with book.connect() as reader:
        build(reader, book.db, MODEL, schema="rm_forward", selection=selection)
        book.write(desk.happen(length - length // 2))
        build(reader, book.db, MODEL, schema="rm_at_once", selection=selection)
    Follower(book.db, MODEL, schema="rm_forward", selection=selection).catch_up(5)
    for schema in ("rm_forward", "rm_at_once"):
        assert content(book.db, MODEL, schema) == plain_fold(book.records, selection)
        assert trail(book.db, schema) == plain_trail(book.records, selection)


def some_selection(seed: int, length: int) -> Selection:
    """Both times, one, or none, somewhere in the story."""
    dice = random.Random(seed)  # noqa: S311  # it chooses a time, and hides nothing
    times = [each.recorded_at for each in Desk(seed).happen(length)]
    as_of = dice.choice([None, dice.choice(times) - timedelta(hours=dice.choice([0, 30, 300]))])
    return Selection(as_of=as_of, known_at=dice.choice([None, dice.choice(times)]))


@often
@given(SEEDS, LENGTHS)
def test_live_is_rebuilt_is_plain_fold(book: Book, seed: int, length: int) -> None:
    check_that_live_is_rebuilt_is_plain(book, seed, length)


@often
@given(SEEDS, LENGTHS)
def test_each_thing_folded_alone_is_its_row(book: Book, seed: int, length: int) -> None:
    check_that_each_thing_alone_is_the_same(book, seed, length, EVERYTHING)


@often
@given(SEEDS, LENGTHS)
def test_each_thing_as_it_was_is_folded_from_what_counted_then(book: Book, seed: int, length: int) -> None:
    check_that_each_thing_alone_is_the_same(book, seed, length, some_selection(seed, length))


@often
@given(SEEDS, LENGTHS)
def test_a_schema_of_the_past_is_folded_from_what_counted_then(book: Book, seed: int, length: int) -> None:
    check_that_the_past_is_what_counted_then(book, seed, length, some_selection(seed, length))


def test_two_readers_at_one_position_agree(book: Book) -> None:
    """Each reading is one moment: whoever reads, and whenever, sees the fold up to the position that is said."""
    desk = Desk(7)
    with book.connect() as reader:
        build(reader, book.db, MODEL)
    seen: list[dict[int, Any]] = [{}, {}]
    finished = threading.Event()

    def read(into: dict[int, Any]) -> None:
        with book.connect() as db:
            while not finished.is_set():
                with db.transaction():
                    db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                    (position,) = db.execute(f"SELECT position FROM {MODEL.schema}.place".encode()).fetchone() or (0,)
                    into[position] = content(db, MODEL)

    readers = [threading.Thread(target=read, args=(into,)) for into in seen]
    for thread in readers:
        thread.start()
    follower = Follower(book.db, MODEL)
    for _ in range(25):
        book.write(desk.happen(desk.dice.randint(1, 8)))
        follower.catch_up(desk.dice.randint(1, 6))
    finished.set()
    for thread in readers:
        thread.join()
    assert min(map(len, seen)) > 5
    for position, rows in [*seen[0].items(), *seen[1].items()]:
        assert rows == plain_fold(book.records[:position])


def forget_the_position_only(follower: Follower) -> None:
    """A mutant: after a failure it goes on with the rows that it folded, and perhaps never saved."""
    follower.position = None


def save_the_position_only(follower: Follower, start: int, until: int, _made: Any, _gone: Any) -> None:
    """A mutant: the position moves on, and the rows do not."""
    follower.db.execute(f"SELECT {follower.schema}.save(%s, %s, '{{}}', '{{}}')".encode(), (start, until))


def learn_nothing(_engine: Engine, _lines: Any, _references: References) -> None:
    """A mutant: what a step learns of reference data is as old as the last restart."""


def fold_and_be_done(streams: StreamByStream, taken: Any, fold: Any = StreamByStream.fold) -> None:
    """A mutant: what is on the shelves does not come back to the stream that goes on."""
    fold(streams, taken)
    streams.over()


MUTANTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "streams of any kind make rows": lambda m: m.setattr(engine, "belongs", lambda _view, _kind: True),
    "the position moves without rows": lambda m: m.setattr(Follower, "_save", save_the_position_only),
    "rows folded in vain are remembered": lambda m: m.setattr(Follower, "forget", forget_the_position_only),
    "reference data grow old": lambda m: m.setattr(Engine, "learn", learn_nothing),
    "a stream ends with its page": lambda m: m.setattr(StreamByStream, "fold", fold_and_be_done),
    "rows that have ended stay": lambda m: m.setattr(
        Follower, "_changes", lambda self, before, real=Follower._changes: (real(self, before)[0], {})
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_bug_in_the_engine_would_be_found(book: Book, mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS[mutant](monkeypatch)
    with pytest.raises((AssertionError, Poisoned, psycopg.errors.UniqueViolation)):
        check_many_histories(book)


def test_and_none_is_found_where_none_is(book: Book) -> None:
    check_many_histories(book)


def test_a_selection_that_is_not_kept_to_would_be_found(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Selection, "condition", "")
    with pytest.raises(AssertionError):
        check_that_the_past_is_what_counted_then(book, 1, 100, Selection(known_at=MONDAY + timedelta(days=5)))


def test_these_histories_have_everything_that_matters() -> None:
    """Else the properties above would prove less than they say."""
    happened = [each for seed in range(5) for each in Desk(seed).happen(120)]
    assert {type(each.event).__name__ for each in happened} >= {
        name for view in VIEWS for name in map(_name, view.events)
    }
    assert any(each.effective_at < each.recorded_at for each in happened)
    assert {kind_of(each.stream_id) for each in happened if _name(type(each.event)) == "LegacyRecordImported"} == {
        "complaint",
        "customer",
        "employee",
    }
    assert any(each.envelope.on_behalf_of for each in happened)


def check_many_histories(book: Book) -> None:
    """As many as the properties look at."""
    for seed in range(25):
        check_that_live_is_rebuilt_is_plain(book, seed, 100)


def _name(event: type) -> str:
    return event.__name__


def test_a_step_cannot_know_an_id_that_chance_made() -> None:
    booked = RepairBooked(customer_id=CustomerId("customer-1"), pressure=Pressure.CALM, wishes=(), limit=Decimal(1))
    stored = CODEC.stored("complaint-1", booked)
    line = (1, "complaint-1", 1, stored.type, stored.schema, MONDAY, MONDAY, "anna", bytes(32), stored.data, b"{}")
    ((record, *_),) = Engine(VIEWS, CODEC).read([line])
    assert (record.event, record.ids) == (booked, b"")
