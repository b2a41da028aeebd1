"""An event that a view cannot take holds up its row, visibly, and nothing else: live, rebuilt and as of any moment."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from operator import attrgetter
from typing import Any, NamedTuple

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from aggregates.actor import Role
from aggregates.event import EventSkipped, Recorded
from aggregates.ids import THE_PARKING, ComplaintId, CustomerId, kind_of
from aggregates.organisation.department import RoleEnded
from aggregates.text import Code, Text
from infra.read_model import rebuild
from infra.read_model import schema as schemas
from infra.read_model.as_of import thing_as_of
from infra.read_model.engine import ReadModel
from infra.read_model.follower import Follower
from infra.read_model.lines import Poisoned
from infra.read_model.parking import Parking, Skip
from infra.read_model.rebuild import build
from infra.read_model.selection import EVERYTHING, Selection
from infra.read_model.tables import table_name
from projections.parked import Parked, written_key
from projections.reference import REFERENCE_EVENTS, Reference
from projections.row import Fold, Key, KeyValue, Row, View, its_stream
from tests.infra.read_model.books import (
    CODEC,
    Book,
    Content,
    content,
    parked,
    plain_fold,
    plain_trail,
    the_model,
    trail,
)
from tests.infra.read_model.repairs import (
    MONDAY,
    VIEWS,
    BellRung,
    Desk,
    Happening,
    RepairPriced,
    benches,
    repairs,
)
from tests.infra.read_model.test_as_of import BOARD, as_of, builder
from tests.infra.read_model.test_follower import ANNA, BOOKED, TAKEN, on, unreadable

MODEL = the_model()

SEEDS = st.integers(0, 10**6)
LENGTHS = st.integers(1, 100)
often = settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
BIGGEST = 2**63 - 1


@pytest.fixture
def book(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Book]:
    """An empty log; pages are so small that every border is met."""
    monkeypatch.setattr(rebuild, "PAGE", 7)
    monkeypatch.setattr(rebuild, "ENOUGH", 3)
    with Book(database) as book:
        yield book


class Refusing(Fold[Any]):
    """A step that fails at some positions, and at others makes more than a column can hold until the next one."""

    fails: frozenset[int]
    bursts: frozenset[int]

    def spoilt(self) -> Callable[..., Any]:
        def step(*given: Any) -> Row | None:
            record = next(each for each in given if isinstance(each, Recorded))
            if record.position in self.fails:
                raise KeyError("Zenobia Unmistakable")
            row: Row | None = self.step(*given)
            number = next((f for f, v in asdict(row).items() if type(v) is int), None) if row is not None else None
            if row is None or number is None or record.position % 5:
                return row
            return replace(row, **{number: BIGGEST + 1 if record.position in self.bursts else 1})

        step.__name__ = self.step.__name__
        return step


def spoilt(view: View[Any], dice: random.Random) -> View[Any]:
    """The same view, with poison for it strewn over the log."""
    spoilt = View[Any](view.row, key=view.key)
    fails = frozenset(p for p in range(1, 200) if dice.random() < 0.05)
    bursts = frozenset(p for p in range(5, 200, 5) if dice.random() < 0.5)
    for event, fold in view.folds.items():
        own = Refusing(**asdict(fold), fails=fails, bursts=bursts)
        spoilt.folds[event], spoilt.keys[event] = replace(fold, step=own.spoilt()), view.keys[event]
    return spoilt


def poisoned_model(seed: int) -> ReadModel:
    """The repair desk, with code that some events do not agree with."""
    dice = random.Random(seed)  # noqa: S311  # it strews poison, and hides nothing
    return ReadModel([spoilt(view, dice) for view in VIEWS], CODEC, "poisoned")


class Expected(NamedTuple):
    """What a schema should hold."""

    rows: Content
    parked: list[Parked]


def plain_parking(model: ReadModel, records: Sequence[Recorded[Any]], selection: Selection = EVERYTHING) -> Expected:
    """Each row alone: its events one after the other, with the regulation of parking written down once more."""
    skips = _skips(records, selection)
    reference, counted = Reference(), []
    for record in records:
        if selection.takes(record):
            reference = reference.after(record) if type(record.event) in REFERENCE_EVENTS else reference
            counted.append((record, reference))
    rows: dict[str, dict[KeyValue, Row]] = {table_name(view.row): {} for view in model.views}
    standing: list[Parked] = []
    for view in model.views:
        for key, history in _by_key(view, counted).items():
            row, still = _one(view, key, history, skips, selection)
            if row is not None:
                rows[table_name(view.row)][key] = row
            standing += [still] if still is not None else []
    sorted_rows = {name: [found[key] for key in sorted(found)] for name, found in rows.items()}
    return Expected(sorted_rows, sorted(standing, key=lambda each: (each.row_table, each.row_key)))


History = list[tuple[Recorded[Any], Reference]]


def _by_key(view: View[Any], counted: History) -> Mapping[KeyValue, History]:
    found: dict[KeyValue, History] = {}
    for record, reference in counted:
        if type(record.event) in view.folds and view.key.kind in {None, kind_of(record.stream_id)}:
            found.setdefault(view.keys[type(record.event)](record), []).append((record, reference))
    return found


def _one(
    view: View[Any], key: KeyValue, history: History, skips: Collection[Skip], selection: Selection
) -> tuple[Row | None, Parked | None]:
    states: list[Row | None] = [None]
    taken: list[Recorded[Any]] = []
    waiting: list[tuple[Recorded[Any], str]] = []
    for record, reference in history:
        fold, skip = (
            view.folds[type(record.event)],
            Skip(table_name(view.row), written_key(key), record.position) in skips,
        )
        if waiting:
            waiting.append((record, "step"))
            continue
        if states[-1] is None and not fold.begins and selection.as_of is not None:
            continue
        try:
            row = fold(states[-1], record, reference)
        except Exception:
            waiting += [] if skip else [(record, "step")]
            continue
        if not skip or fits(row):
            states.append(row)
            taken.append(record)
    while not fits(states[-1]):
        states.pop()
        waiting.insert(0, (taken.pop(), "table"))
    if not waiting:
        return states[-1], None
    record, failed_in = waiting[0]
    return states[-1], Parked(
        row_table=Code(table_name(view.row)), row_key=written_key(key), position=record.position,
        stream_id=record.stream_id, type=Code(type(record.event).__name__), since=record.recorded_at,
        failed_in=Code(failed_in), problem=Code(""), has_row=states[-1] is not None, waiting=len(waiting) - 1,
    )  # fmt: skip


def fits(row: Row | None) -> bool:
    """Would a table hold it?"""
    return row is None or all(type(v) is not int or v <= BIGGEST for v in asdict(row).values())


def _skips(records: Sequence[Recorded[Any]], selection: Selection) -> Collection[Skip]:
    """All that were known, whatever time they speak of."""
    known = [r for r in records if selection.known_at is None or r.recorded_at <= selection.known_at]
    told = [(r.position, r.event) for r in known if isinstance(r.event, EventSkipped)]
    return {Skip(e.row_table, e.row_key, e.event_position) for position, e in told if e.event_position < position}


def skip(still: Parked, at: Any) -> Happening:
    event = EventSkipped(
        event_position=still.position, row_table=still.row_table, row_key=still.row_key, reason=Text("It is wrong")
    )
    return Happening(THE_PARKING, event, at, at, ANNA)


def follow(book: Book, model: ReadModel, desk: Desk, length: int) -> None:
    """Let things happen, follow in batches of any size, and now and then have something skipped that is parked."""
    dice = desk.dice
    with book.connect() as reader:
        build(reader, book.db, model)
    follower = Follower(book.db, model)
    while len(book.records) < length or follower.place() != len(book.records):
        if len(book.records) < length and dice.random() < 0.6:
            book.write(desk.happen(dice.randint(1, 15)))
        if (standing := parked(book, model)) and dice.random() < 0.3:
            book.write([skip(dice.choice(standing), desk.now)])
        if dice.random() < 0.1:
            follower = Follower(book.db, model, remember=dice.choice([0, 3, 1000]))
        follower.step(dice.randint(1, 12))


def check(book: Book, model: ReadModel, schema: str | None = None, selection: Selection = EVERYTHING) -> None:
    """Does the schema hold what it should?"""
    expected = plain_parking(model, book.records, selection)
    assert parked(book, model, schema) == expected.parked
    assert content(book.db, model, schema) == expected.rows
    assert trail(book.db, schema or model.schema) == plain_trail(book.records, selection)


def check_that_all_park_alike(book: Book, seed: int, length: int) -> None:
    book.begin_anew()
    model = poisoned_model(seed)
    follow(book, model, Desk(seed), length)
    check(book, model)
    with book.connect() as reader:
        build(reader, book.db, model, schema="rm_rebuilt")
    check(book, model, "rm_rebuilt")


@often
@given(SEEDS, LENGTHS)
def test_live_is_rebuilt_is_plain_fold_whatever_is_parked_and_skipped(book: Book, seed: int, length: int) -> None:
    check_that_all_park_alike(book, seed, length)


@often
@given(SEEDS, LENGTHS)
def test_the_past_is_parked_alike_built_at_once_or_brought_forward(book: Book, seed: int, length: int) -> None:
    book.begin_anew()
    model, desk = poisoned_model(seed), Desk(seed)
    follow(book, model, desk, length)
    selection = some_selection(book, desk.dice)
    with book.connect() as reader:
        build(reader, book.db, model, schema="rm_forward", selection=selection, until=len(book.records) // 2)
        build(reader, book.db, model, schema="rm_at_once", selection=selection)
    Follower(book.db, model, schema="rm_forward", selection=selection).catch_up(5)
    for schema in ("rm_forward", "rm_at_once"):
        check(book, model, schema, selection)


def some_selection(book: Book, dice: random.Random) -> Selection:
    times = [record.recorded_at for record in book.records]
    as_of = dice.choice([None, dice.choice(times) - timedelta(hours=dice.choice([0, 30, 300]))])
    return Selection(as_of=as_of, known_at=dice.choice([None, dice.choice(times)]))


@often
@given(SEEDS, LENGTHS)
def test_one_thing_alone_stands_still_where_its_row_does(book: Book, seed: int, length: int) -> None:
    """But for what only a table refuses, for it lies in none."""
    book.begin_anew()
    model, desk = poisoned_model(seed), Desk(seed)
    follow(book, model, desk, length)
    expected = plain_parking(model, book.records)
    refused = {(each.row_table, each.row_key) for each in expected.parked if each.failed_in == "table"}
    view, skipped = model.views[0], {skip.row_key for skip in _skips(book.records, EVERYTHING)}
    rows = {row.repair_id: row for row in expected.rows["repair_row"]}  # type: ignore[attr-defined]  # repairs
    standing = {each.row_key: each for each in expected.parked if each.row_table == "repair_row"}

    async def ask() -> None:
        async with await psycopg.AsyncConnection.connect(book.conninfo) as db:
            for key in {*rows, *standing}:
                if ("repair_row", key) in refused or key in skipped:
                    continue
                row, still = await thing_as_of(db, model, view, key, EVERYTHING)
                assert row == rows.get(key)
                assert (still and replace(still, problem=Code(""))) == standing.get(Code(key))

    asyncio.run(ask())


def test_these_histories_have_everything_that_matters(book: Book) -> None:
    seen: set[str] = set()
    for seed in range(4):
        book.begin_anew()
        model = poisoned_model(seed)
        follow(book, model, Desk(seed), 120)
        expected = plain_parking(model, book.records)
        seen |= {each.failed_in for each in expected.parked}
        seen |= {"waiting" for each in expected.parked if each.waiting}
        seen |= {"kept" for each in expected.parked if each.row_key in str(expected.rows[each.row_table])}
        seen |= {"skipped" for record in book.records if isinstance(record.event, EventSkipped)}
        seen |= {"composed" for each in expected.parked if each.row_key.startswith("[")}
    assert seen == {"step", "table", "waiting", "kept", "skipped", "composed"}


def check_many_histories(book: Book) -> None:
    for seed in range(25):
        check_that_all_park_alike(book, seed, 100)


def forget_who_waits(_parking: Parking, _touched: Any) -> None:
    """A mutant: later events of a parked row are not counted."""


def park_for_ever(_parking: Parking, _touched: Any, _position: int) -> bool:
    """A mutant: nothing is ever skipped."""
    return False


MUTANTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "who waits is not counted": lambda m: m.setattr(Parking, "wait", forget_who_waits),
    "a skip does nothing": lambda m: m.setattr(Parking, "skips_at", park_for_ever),
    "what a table refused stays so": lambda m: m.setattr("infra.read_model.follower.TABLE", "nothing"),
    "a rebuild knows of no skip": lambda m: m.setattr(rebuild, "read_skips", lambda *_: ()),
    "a rebuild settles nothing": lambda m: m.setattr("infra.read_model.rebuild._Rebuild._settle", lambda *_: None),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_bug_in_parking_would_be_found(book: Book, mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS[mutant](monkeypatch)
    with pytest.raises(AssertionError):
        check_many_histories(book)


def test_only_the_row_that_cannot_take_an_event_stands_still_and_the_problem_names_nobody(book: Book) -> None:
    with book.connect() as reader:
        build(reader, book.db, MODEL)
    book.write([*on("complaint-1", BOOKED, TAKEN), *on("complaint-2", TAKEN, TAKEN), *on("customer-carl", BellRung())])
    follower = Follower(book.db, MODEL)
    assert follower.catch_up() == 5
    check(book, MODEL)
    (still,) = parked(book, MODEL)
    assert (still.row_table, still.row_key, still.position, still.waiting) == ("repair_row", "complaint-2", 3, 1)
    told = book.db.execute(f"SELECT problem FROM {MODEL.schema}.parked".encode()).fetchone()
    assert told == ("RepairRow (taken) cannot take RepairTaken: Unfounded in row.py.",)


def broken(*_: Any) -> Row | None:
    raise KeyError("Zenobia Unmistakable")


def test_what_an_exception_says_is_not_kept(book: Book) -> None:
    view = View(LeftRow, counted, key=its_stream(ComplaintId))
    view.folds[RepairPriced] = replace(view.folds[RepairPriced], step=broken)
    model = ReadModel([view], CODEC, "broken")
    book.write(on("complaint-1", PRICED))
    with book.connect() as reader:
        build(reader, book.db, model)
    told = book.db.execute(f"SELECT problem FROM {model.schema}.parked".encode()).fetchone()
    assert told == ("LeftRow (broken) cannot take RepairPriced: KeyError in test_parking.py.",)


class LeftRow(Row):
    repair_id: ComplaintId
    parts: int


def counted(record: Recorded[RepairPriced]) -> LeftRow:
    return LeftRow(repair_id=ComplaintId(record.stream_id), parts=int(record.event.hours))


CARL = CustomerId("customer-carl")
PRICED = RepairPriced(customer_id=CARL, parts=(), hours=1)
DEAR = RepairPriced(customer_id=CARL, parts=(), hours=2.0**64)


@pytest.mark.parametrize("live", [True, False])
def test_a_row_that_no_table_can_hold_is_parked_until_it_can_be_held_again(book: Book, live: bool) -> None:
    """The step is content, the column is not: the number is too large for it."""
    model = ReadModel([View(LeftRow, counted, key=its_stream(ComplaintId))], CODEC, "left")

    def happen(*happenings: Happening) -> list[tuple[str, int]]:
        book.write(happenings)
        if live:
            Follower(book.db, model).catch_up()
        else:
            with book.connect() as reader:
                build(reader, book.db, model)
        return [(row.repair_id, row.parts) for row in content(book.db, model)["left_row"]]  # type: ignore[attr-defined]  # left rows

    with book.connect() as reader:
        build(reader, book.db, model)
    others = [*on("complaint-1", PRICED), *on("complaint-3", PRICED)]
    assert happen(*others, *on("complaint-2", BellRung(), DEAR)) == [("complaint-1", 1), ("complaint-3", 1)]
    assert [(each.row_key, each.position, each.failed_in) for each in parked(book, model)] == [
        ("complaint-2", 4, "table")
    ]
    assert happen(*on("complaint-2", PRICED)) == [("complaint-1", 1), ("complaint-2", 1), ("complaint-3", 1)]
    assert parked(book, model) == []


def test_an_event_that_cannot_be_read_parks_the_row_of_its_stream(book: Book) -> None:
    model = ReadModel([repairs], CODEC, "alone")
    book.write(on("complaint-1", BOOKED, TAKEN, TAKEN))
    unreadable(book, 2)
    with book.connect() as reader:
        build(reader, book.db, model)
    (still,) = parked(book, model)
    assert (still.row_key, still.position, still.type, still.failed_in, still.waiting) == (
        "complaint-1", 2, "RepairTaken", "codec", 1
    )  # fmt: skip
    assert content(book.db, model) == plain_fold(book.records[:1], views=[repairs])


def test_where_whose_row_it_is_stands_in_an_event_that_cannot_be_read_nothing_goes_on(book: Book) -> None:
    """And what lies before it has been saved."""
    model = ReadModel([repairs, benches], CODEC, "two")
    with book.connect() as reader:
        build(reader, book.db, model)
    book.write(on("complaint-1", BOOKED, TAKEN))
    unreadable(book, 2)
    follower = Follower(book.db, model)
    for _ in range(2):
        with pytest.raises(Poisoned, match="the codec cannot take RepairTaken at position 2"):
            follower.step()
    assert follower.place() == 1
    assert content(book.db, model) == plain_fold(book.records[:1], views=[repairs, benches])
    with book.connect() as reader, pytest.raises(Poisoned):
        build(reader, book.db, model)
    assert follower.place() == 1


def test_where_a_view_cannot_say_whose_row_it_is_nothing_goes_on(book: Book) -> None:
    no_such_field = Key(kind="complaint", of_event=lambda _: attrgetter("event.nothing_of_the_kind"))
    view = View(LeftRow, counted, key=no_such_field)
    model = ReadModel([view], CODEC, "keyless")
    book.write(on("complaint-1", BellRung(), PRICED))
    with book.connect() as reader, pytest.raises(Poisoned, match="RepairPriced at position 2"):
        build(reader, book.db, model)


def test_a_skip_that_lies_before_its_event_or_names_no_row_does_nothing(book: Book) -> None:
    in_advance = EventSkipped(
        event_position=3, row_table=Code("repair_row"), row_key=Code("complaint-2"), reason=Text("It will be wrong")
    )
    elsewhere, malformed = replace(in_advance, row_table=Code("x")), replace(in_advance, row_key=Code("["))
    book.write(Happening(THE_PARKING, wrong, MONDAY, MONDAY, ANNA) for wrong in (in_advance, elsewhere, malformed))
    with book.connect() as reader:
        build(reader, book.db, MODEL)
    book.write(on("complaint-2", TAKEN))
    Follower(book.db, MODEL).catch_up()
    assert [each.position for each in parked(book, MODEL)] == [4]


def test_a_row_goes_on_once_whatever_held_it_up_is_mended(book: Book) -> None:
    view = View(LeftRow, counted, key=its_stream(ComplaintId))
    sound, view.folds[RepairPriced] = view.folds[RepairPriced], replace(view.folds[RepairPriced], step=broken)
    model = ReadModel([view], CODEC, "mended")
    book.write(on("complaint-1", PRICED, PRICED))
    with book.connect() as reader:
        build(reader, book.db, model)
    asked = [("left_row", "complaint-1"), ("left_row", "complaint-9"), ("nothing", "x")]
    Follower(book.db, model).retry(asked)
    assert [each.position for each in parked(book, model)] == [1]
    view.folds[RepairPriced] = sound
    mended = ReadModel([view], CODEC, "mended")
    Follower(book.db, mended).retry(asked)
    assert parked(book, mended) == []
    assert [row.parts for row in content(book.db, mended)["left_row"]] == [1]  # type: ignore[attr-defined]  # left rows


def test_a_new_version_begins_with_nothing_parked(book: Book) -> None:
    view = View(LeftRow, counted, key=its_stream(ComplaintId))
    sound, view.folds[RepairPriced] = view.folds[RepairPriced], replace(view.folds[RepairPriced], step=broken)
    book.write(on("complaint-1", PRICED))
    old = ReadModel([view], CODEC, "old")
    with book.connect() as reader:
        build(reader, book.db, old)
        view.folds[RepairPriced] = sound
        build(reader, book.db, new := ReadModel([view], CODEC, "new"))
    assert (len(parked(book, old)), parked(book, new)) == (1, [])


def test_a_kept_list_is_brought_forward_by_a_skip_whatever_day_it_is_of(book: Book) -> None:
    book.write(on("complaint-2", BOOKED, TAKEN, TAKEN))
    unreadable(book, 2)
    with builder(book):
        name = str(as_of(book, Selection(as_of=MONDAY)))
        (still,) = parked(book, MODEL, name)
        book.write([skip(still, MONDAY + timedelta(days=300))])
        assert as_of(book, Selection(as_of=MONDAY)) == name
    assert parked(book, MODEL, name) == []
    taken = plain_fold([*book.records[:1], *book.records[2:]], views=[repairs])["repair_row"]
    assert content(book.db, MODEL.only(BOARD), name)["repair_row"] == taken


def test_reference_data_that_cannot_learn_an_event_stop_everything(book: Book) -> None:
    """Any row might rest on them."""
    ended = RoleEnded(employee_id=ANNA, role=Role.LEGAL, unit=Code("x"), ended_at=MONDAY)
    with book.connect() as reader:
        build(reader, book.db, MODEL)
        book.write([Happening("department", ended, MONDAY, MONDAY, ANNA)])
        unreadable(book, 1)
        with pytest.raises(Poisoned, match="Reference cannot take RoleEnded at position 1"):
            Follower(book.db, MODEL).step()
        with pytest.raises(Poisoned, match="Reference cannot take RoleEnded at position 1"):
            build(reader, book.db, MODEL)


def test_a_retry_drops_what_is_kept_of_the_past_with_that_row_in_it(book: Book) -> None:
    book.write(on("complaint-2", TAKEN))
    with book.connect() as reader:
        build(reader, book.db, MODEL)
    with builder(book):
        name = as_of(book, Selection(known_at=MONDAY))
    for key, kept in (("complaint-1", True), ("complaint-2", False)):
        schemas.drop_parked(book.db, MODEL, "repair_row", key)
        assert schemas.exists(book.db, str(name)) is kept
