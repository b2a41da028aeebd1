"""Folded in parts by several at once, who overtake each other, the read model is what one fold makes of the log."""

from __future__ import annotations

import random
from collections.abc import Iterator
from zlib import crc32

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregates.ids import kind_of
from infra.read_model.engine import ReadModel, is_own
from infra.read_model.follower import Overtaken
from infra.read_model.lines import LINE, Poisoned
from infra.read_model.parts import (
    Division,
    News,
    Part,
    PartsFollower,
    Place,
    SharedFollower,
    adopt,
    leave,
    places_of,
)
from infra.read_model.rebuild import build
from tests.infra.read_model.books import Book, content, parked, plain_fold, plain_trail, the_model, trail
from tests.infra.read_model.repairs import VIEWS, Desk
from tests.infra.read_model.test_follower import BOOKED, TAKEN, on, unreadable
from tests.infra.read_model.test_parking import check, poisoned_model, skip

MODEL = the_model()
COUNT = 3
SEEDS = st.integers(0, 10**6)
LENGTHS = st.integers(1, 100)
often = settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture
def book(database: str) -> Iterator[Book]:
    """An empty log."""
    with Book(database) as book:
        yield book


def in_parts(model: ReadModel) -> Division:
    """The views that one stream alone makes rows of, in three parts."""
    own = {view: str(view.key.kind) for view in model.views if is_own(view)}
    return Division(
        own=ReadModel([*own], model.codec, model.fingerprint, trail=False),
        topic_of=own,
        shared=ReadModel([view for view in model.views if view not in own], model.codec, model.fingerprint),
        places=frozenset((topic, number) for topic in own.values() for number in range(COUNT)),
        whole=("ledger", 0),
        number_of=lambda _topic, stream_id: crc32(stream_id.encode()) % COUNT,
    )


class Hand:
    """One of several who fold: it has some parts, and perhaps what they share."""

    def __init__(self, book: Book, division: Division, dice: random.Random) -> None:
        self.book, self.division, self.dice = book, division, dice
        self.db = book.connect()
        self.parts = PartsFollower(self.db, division, remember=dice.choice([0, 3, 1000]))
        self.shared: SharedFollower | None = None

    def given(self, places: set[Place], *, shared: bool) -> None:
        self.parts.hold(places)
        self.shared = SharedFollower(self.db, self.division) if shared else None

    def step(self) -> None:
        """Some parts move on a little, then what they share; an overtaken one begins anew."""
        try:
            self.parts.take(self._news())
            if self.shared is not None:
                self.shared.step(self.dice.randint(1, 12))
        except Overtaken:
            self.given(set(self.dice.sample(sorted(self.division.places), 2)), shared=self.dice.random() < 0.5)

    def _news(self) -> dict[Place, News]:
        held = [*self.parts.parts.values()]
        return {
            part.place: news
            for part in self.dice.sample(held, self.dice.randint(0, len(held)))
            if (news := read(self.book, self.division, part, self.dice.randint(1, 12))).position > part.position
        }


def read(book: Book, division: Division, part: Part, most: int) -> News:
    """What Kafka would have of a part: its lines, each at an offset twice its place in the part."""
    until = min(part.position + most, len(book.records))
    with book.db.cursor(binary=True) as cursor:
        lines = cursor.execute(
            f"SELECT {LINE} FROM yewu.log l WHERE l.position <= %s ORDER BY l.position".encode(), (until,)
        ).fetchall()
    ours = [
        line
        for line in lines
        if kind_of(line[1]) == part.topic and division.number_of(part.topic, line[1]) == part.number
    ]
    return News([line for line in ours if line[0] > part.position], 2 * len(ours), until)


def begun(book: Book, model: ReadModel) -> Division:
    """The schema is built, and kept in parts from now on."""
    with book.connect() as reader:
        position = build(reader, book.db, model)
    division = in_parts(model)
    adopt(book.db, division, position, dict.fromkeys(division.places, 0))
    return division


def follow(book: Book, model: ReadModel, desk: Desk, length: int) -> Division:
    """Two hands, each of which believes that it has what it was given, though parts change hands all the time."""
    dice, division = desk.dice, begun(book, model)
    hands = [Hand(book, division, dice) for _ in range(2)]
    places, turns = sorted(division.places), 0
    while len(book.records) < length or place(book, model) != len(book.records):
        turns += 1
        if len(book.records) < length and dice.random() < 0.4:
            book.write(desk.happen(dice.randint(1, 15)))
        if (standing := parked(book, model)) and dice.random() < 0.1 and len(book.records) < length:
            book.write([skip(dice.choice(standing), desk.now)])
        if dice.random() < 0.2 or turns > 2000:
            cut = dice.randint(0, len(places))
            for hand, theirs, shared in zip(hands, (places[:cut], places[cut:]), (True, False), strict=True):
                if dice.random() < 0.7 or turns > 2000:
                    hand.given(set(theirs), shared=shared)
        dice.choice(hands).step()
    for hand in hands:
        hand.db.close()
    return division


def place(book: Book, model: ReadModel) -> int:
    """The place of the schema."""
    (position,) = book.db.execute(f"SELECT position FROM {model.schema}.place".encode()).fetchone() or (0,)
    return int(position)


def check_that_parts_are_the_whole(book: Book, seed: int, length: int) -> None:
    book.begin_anew()
    follow(book, MODEL, Desk(seed), length)
    assert content(book.db, MODEL) == plain_fold(book.records)
    assert trail(book.db, MODEL.schema) == plain_trail(book.records)
    assert leave(book.db, MODEL.schema)


@often
@given(SEEDS, LENGTHS)
def test_folded_in_parts_is_plain_fold(book: Book, seed: int, length: int) -> None:
    check_that_parts_are_the_whole(book, seed, length)


@often
@given(SEEDS, LENGTHS)
def test_folded_in_parts_is_plain_fold_whatever_is_parked_and_skipped(book: Book, seed: int, length: int) -> None:
    book.begin_anew()
    model = poisoned_model(seed)
    follow(book, model, Desk(seed), length)
    check(book, model)


def test_whoever_holds_parts_of_a_schema_that_was_built_anew_writes_nothing_into_the_new_one(book: Book) -> None:
    """Neither old nor new parts have ever been saved, but the rows of the new ones are not as far."""
    book.write(on("complaint-1", BOOKED))
    division = begun(book, MODEL)
    before = PartsFollower(book.db, division)
    where = ("complaint", division.number_of("complaint", "complaint-1"))
    before.hold([where])
    with book.connect() as reader:
        build(reader, book.db, MODEL, until=0)
    adopt(book.db, division, 0, dict.fromkeys(division.places, 0))
    book.write(on("complaint-1", TAKEN))
    with pytest.raises(Overtaken):
        before.take({where: read(book, division, before.parts[where], 1)})


def test_whoever_was_overtaken_writes_nothing(book: Book) -> None:
    division = begun(book, MODEL)
    first, second = PartsFollower(book.db, division), PartsFollower(book.db, division)
    where = ("complaint", division.number_of("complaint", "complaint-1"))
    for each in (first, second):
        each.hold([where])
    book.write(on("complaint-1", BOOKED, TAKEN))
    news = {where: read(book, division, first.parts[where], 1)}
    first.take(news)
    with pytest.raises(Overtaken, match="somebody else has saved a part"):
        second.take(news)
    assert second.parts == {}
    assert content(book.db, MODEL)["repair_row"] == plain_fold(book.records[:1])["repair_row"]


def test_a_part_moves_with_its_rows_or_not_at_all(book: Book) -> None:
    division = begun(book, MODEL)
    book.db.execute(
        "CREATE FUNCTION yewu.full() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'the disk is full' USING ERRCODE = 'disk_full'; END $$;"
        f" CREATE TRIGGER away BEFORE INSERT ON {MODEL.schema}.repair_row EXECUTE FUNCTION yewu.full()".encode()
    )
    book.write(on("complaint-1", BOOKED))
    parts = PartsFollower(book.db, division)
    parts.hold(division.places)
    before = parts.parts
    with pytest.raises(psycopg.errors.DiskFull):
        parts.take({each: read(book, division, part, 1) for each, part in before.items()})
    parts.hold(division.places)
    assert parts.parts == before


def test_whatever_somebody_else_folded_again_at_the_same_place_is_not_written_over(book: Book) -> None:
    """A retry moves nothing; still, whoever remembers the rows from before it was overtaken."""
    division = begun(book, MODEL)
    book.write(on("complaint-1", TAKEN))
    first, second = PartsFollower(book.db, division), PartsFollower(book.db, division)
    where = ("complaint", division.number_of("complaint", "complaint-1"))
    first.hold([where])
    first.take({where: read(book, division, first.parts[where], 1)})
    second.hold([where])
    assert second.retry([("repair_row", "complaint-1"), ("repair_row", "complaint-9")]) == [
        ("repair_row", "complaint-1")
    ]
    book.write(on("complaint-1", BOOKED))
    with pytest.raises(Overtaken):
        first.take({where: read(book, division, first.parts[where], 1)})


def test_the_place_is_that_of_the_part_furthest_behind(book: Book) -> None:
    division = begun(book, MODEL)
    book.write(Desk(1).happen(50))
    parts, shared = PartsFollower(book.db, division), SharedFollower(book.db, division)
    parts.hold(division.places)
    slow, *others = sorted(division.places)
    parts.take({each: read(book, division, parts.parts[each], 50) for each in others})
    assert shared.step() == 0
    parts.take({slow: read(book, division, parts.parts[slow], 7)})
    assert shared.catch_up() == place(book, MODEL) == 7
    assert not leave(book.db, MODEL.schema)
    assert places_of(book.db, MODEL.schema) == division.all_places


def test_of_a_schema_built_anew_nobody_folds_on_what_was(book: Book) -> None:
    division = begun(book, MODEL)
    parts, shared = PartsFollower(book.db, division), SharedFollower(book.db, division)
    parts.hold(division.places)
    assert shared.step() == 0
    with book.connect() as reader:
        build(reader, book.db, MODEL)
    with pytest.raises(Overtaken, match="was taken away"):
        shared.step()
    for hold in (shared.place, lambda: parts.hold(division.places)):
        with pytest.raises(Overtaken, match=r"not kept in .*parts any more"):
            hold()


def test_where_whose_row_it_is_stands_in_an_event_that_cannot_be_read_what_lies_before_is_saved(book: Book) -> None:
    """A part whose person cannot be told stops; so does what the parts share, at an account that nobody can name."""
    division = begun(book, MODEL)
    book.write(on("complaint-1", BOOKED, TAKEN))
    unreadable(book, 1)
    parts, shared = PartsFollower(book.db, division), SharedFollower(book.db, division)
    parts.hold(division.places)
    parts.take({each: read(book, division, parts.parts[each], 2) for each in division.places})
    with pytest.raises(Poisoned, match="RepairBooked at position 1"):
        shared.step()
    assert place(book, MODEL) == 0


def test_what_one_hand_cannot_attribute_stops_it_behind_what_lies_before(book: Book) -> None:
    division = begun(book, MODEL)
    book.write(on("complaint-1", BOOKED, TAKEN))
    book.db.execute("ALTER TABLE yewu.log DISABLE TRIGGER append_only")
    book.db.execute("UPDATE yewu.log SET meta = %s WHERE position = 2", (b'{"origin":?',))
    parts = PartsFollower(book.db, division)
    parts.hold(division.places)
    with pytest.raises(Poisoned, match="RepairTaken at position 2"):
        parts.take({each: read(book, division, parts.parts[each], 2) for each in division.places})
    assert content(book.db, MODEL)["repair_row"] == plain_fold(book.records[:1])["repair_row"]
    assert {part.position for part in parts.parts.values()} == {1}


def test_these_views_are_of_both_sorts() -> None:
    """Else all this would prove less than it says."""
    assert {is_own(view) for view in VIEWS} == {True, False}
    own, shared = in_parts(MODEL).own, in_parts(MODEL).shared
    assert {table.name for table in own.tables} & {table.name for table in shared.tables} == {"duty_row"}
