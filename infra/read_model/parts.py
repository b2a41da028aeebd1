"""Following the log in parts: each has streams of its own and is folded by whoever has it; then comes what they share.

Views whose rows are made by one stream alone are folded part by part. All others are folded in the order of the log, as
far as every part has come, and that is the place of the schema. What was read of a part is saved with its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

import psycopg
from msgspec.structs import replace
from psycopg.rows import class_row

from aggregates.value import Value
from infra.read_model.engine import ReadModel
from infra.read_model.follower import Before, Follower, Overtaken, Rows, as_json
from infra.read_model.lines import LINE, Line, Poisoned
from infra.read_model.parking import SKIPPED, Skip, Touched, skips_among
from infra.read_model.references import REFERENCE_TYPES, learn, read_references
from infra.read_model.settling import named_in
from projections.row import View

Place: TypeAlias = tuple[str, int]
"""A part: a topic and one of its partitions."""


class Part(Value):
    """How far a part is: where to read on, up to which position its rows are whole, and how often it was saved."""

    topic: str
    number: int
    next_offset: int
    position: int
    saves: int

    @property
    def place(self) -> Place:
        return self.topic, self.number


class News(NamedTuple):
    """What was read of a part: its next lines, where to read on, and the position up to which this is all it has."""

    lines: list[Line]
    next_offset: int
    position: int

    def before(self, position: int, part: Part) -> News:
        """So much of it as lies before a position; what is cut off will be read once more."""
        if self.position < position:
            return self
        return News([line for line in self.lines if line[0] < position], part.next_offset, position - 1)


class Division(NamedTuple):
    """The views of a model that are folded in parts, with the topic of each, and those whose rows the parts share.

    `whole` stands for all the parts together. `number_of` says which partition of a topic a stream is in.
    """

    own: ReadModel
    topic_of: Mapping[View[Any], str]
    shared: ReadModel
    places: frozenset[Place]
    whole: Place
    number_of: Callable[[str, str], int]

    @property
    def all_places(self) -> set[Place]:
        """The parts, and what stands for all of them."""
        return {*self.places, self.whole}


class PartsFollower(Follower):
    """Keeps the rows of some parts. Who else writes them takes the part away: `saves` proves that nobody did.

    Reference data and what is to be skipped come from the log itself, as far as a part has come.
    """

    def __init__(self, db: psycopg.Connection[Any], division: Division, *, remember: int = 200_000) -> None:
        super().__init__(db, division.own, remember=remember)
        self.division = division
        self.parts: dict[Place, Part] = {}
        self._known = 0
        self._skips: list[tuple[int, Skip]] = []
        self._moved: dict[Place, Part] = {}
        self._aside = sorted({SKIPPED, *(REFERENCE_TYPES if self.model.engine.refers else ())})
        self._aside_query = (
            f"SELECT {LINE} FROM yewu.log l WHERE l.position > %s AND l.position <= %s AND l.type = ANY(%s)"
            " ORDER BY l.position"
        ).encode()
        self._parts_query = f"SELECT topic, number, next_offset, position, saves FROM {self.schema}.part".encode()
        self._save_query = f"SELECT {self.schema}.save_parts(%s, 0, 0, %s, %s)".encode()

    def hold(self, places: Iterable[Place]) -> None:
        """From now on these are its parts, as the schema has them. Overtaken if it has not."""
        self.forget()
        wanted = set(places)
        with self.db.cursor(row_factory=class_row(Part)) as cursor:
            found = cursor.execute(self._parts_query, prepare=True).fetchall()
        parts = {part.place: part for part in found if part.place in wanted}
        if wanted - parts.keys():
            raise Overtaken(f"{self.schema} is not kept in these parts any more")
        # whatever is read after `saves` is at least as new, so that what is too old to be saved on is noticed
        self._known = min((part.position for part in parts.values()), default=0)
        if self.model.engine.refers:
            self._references = read_references(self.db, self.model.codec, self._known)
        self._parking = self._parked_at(self._known)
        self._skips, self.parts = [], parts

    def forget(self) -> None:
        """Remember nothing, and hold no part."""
        super().forget()
        self.parts = {}

    def place(self) -> int:
        """It has none: each part is where it is."""
        return 0

    def take(self, news: Mapping[Place, News]) -> None:
        """Fold what is new in some of its parts, and save it.

        A row that cannot take an event is parked. Poisoned if nobody knows whose row it would be: what lies before it
        has been saved. Overtaken if somebody else has one of the parts. After a failure it holds none.
        """
        places = list(self.parts)
        try:
            self._move(news)
        except Poisoned as poison:
            self.hold(places)
            cut = {place: each.before(poison.position, self.parts[place]) for place, each in news.items()}
            self._move({place: each for place, each in cut.items() if each.position > self.parts[place].position})
            raise
        except BaseException:
            self.forget()
            raise

    def retry(self, asked: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Fold these rows again from zero, if they are parked and lie in its parts; those are returned."""
        again = [
            touched
            for row in asked
            if (touched := self._parking.place(*row)) is not None
            and touched in self._parking.rows
            and self.part_of(touched) in self.parts
        ]
        parts = [self.parts[place] for touched in again if (place := self.part_of(touched)) is not None]
        try:
            ours = self._move({part.place: News([], part.next_offset, part.position) for part in parts}, again)
        except BaseException:
            self.forget()
            raise
        return [self._parking.written(touched) for touched in ours]

    def part_of(self, touched: Touched) -> Place | None:
        """In which part the stream lies that makes this row; None if no stream does."""
        slot, key = touched
        for view, topic in self.division.topic_of.items():
            if view.row is self.model.tables[slot].row and (named := named_in(view, key)):
                return topic, self.division.number_of(topic, named[0])
        return None

    def _move(self, news: Mapping[Place, News], asked: Iterable[Touched] = ()) -> list[Touched]:
        """Fold, save, and say which rows were folded from zero."""
        if not news:
            return []
        engine = self.model.engine
        self._moved = {
            place: replace(self.parts[place], next_offset=each.next_offset, position=each.position)
            for place, each in news.items()
        }
        self._learn(max(each.position for each in news.values()))
        lines = sorted((line for each in news.values() for line in each.lines), key=itemgetter(0))
        taken = list(engine.read(lines))
        touched = engine.touched(taken)
        again = self._to_settle((), touched) | dict.fromkeys([*self._skips_due(), *asked])
        touched |= again
        self._load(touched)
        before = self._as_before(touched)
        engine.fold(taken, self._shelves, self._references, self._parking)
        ours = self._settle(again, 0)
        self._write(before, 0, 1)
        self.parts |= {place: replace(part, saves=part.saves + 1) for place, part in self._moved.items()}
        self._forget_what_is_past()
        return ours

    def _learn(self, until: int) -> None:
        """Know reference data and skips up to a position."""
        if until <= self._known:
            return
        with self.db.cursor(binary=True) as cursor:
            lines = cursor.execute(self._aside_query, (self._known, until, self._aside), prepare=True).fetchall()
        learn(self._references, (line for line in lines if line[3] != SKIPPED), self.model.codec)
        told = [(line[0], line[4], line[9]) for line in lines if line[3] == SKIPPED]
        self._skips += [(each[0], skip) for each in told for skip in skips_among([each], self.model.codec)]
        self._parking.skips |= {skip for _, skip in self._skips}
        self._known = until

    def _skips_due(self) -> Iterable[Touched]:
        """The rows in moving parts that are to go on without an event from now on."""
        for position, skip in self._skips:
            touched = self._parking.place(skip.row_table, skip.row_key)
            place = None if touched is None else self.part_of(touched)
            if touched is None or place not in self._moved:
                continue
            if self.parts[place].position < position <= self._moved[place].position:
                yield touched

    def _settle(self, again: Iterable[Touched], _until: int) -> list[Touched]:
        """Each row as far as its part will be."""
        ours: list[Touched] = []
        for touched in again:
            place = self.part_of(touched)
            if place in self._moved:
                ours += super()._settle([touched], self._moved[place].position)
        return ours

    def _save(self, start: int, until: int, made: Rows, gone: Rows) -> None:
        """The parts move with their rows, or nothing does; from 0 to 0 no part moves."""
        moved = [*self._moved.values()] if until > start else []
        values = (as_json(moved), as_json(made), as_json(gone))
        (saved,) = self.db.execute(self._save_query, values, prepare=True).fetchone() or (False,)
        if not saved:
            raise Overtaken(f"somebody else has saved a part of {self.schema}")

    def _forget_what_is_past(self) -> None:
        low = min(part.position for part in self.parts.values())
        self._references.forget_before(low)
        self._skips = [(position, skip) for position, skip in self._skips if position > low]
        self._forget_the_oldest()


class SharedFollower(Follower):
    """Keeps the rows that several streams share, and the place of the schema: as far as every part has come.

    Its lines are read from the log, which has them in their order.
    """

    def __init__(self, db: psycopg.Connection[Any], division: Division, *, remember: int = 200_000) -> None:
        super().__init__(db, division.shared, remember=remember)
        self.whole, self._saves = division.whole, 0
        topic, number = self.whole
        self._whole_query = f"SELECT saves FROM {self.schema}.part WHERE (topic, number) = (%s, %s)".encode()
        self._read_query = (
            f"SELECT p.position, l.* FROM (SELECT min(position) FROM {self.schema}.part WHERE (topic, number) <>"
            f" ('{topic}', {number})) p(position) LEFT JOIN LATERAL (SELECT {LINE} FROM yewu.log l"
            " WHERE l.position > %s AND l.position <= p.position AND l.type = ANY(%s) ORDER BY l.position LIMIT %s) l"
            " ON true ORDER BY l.position"
        ).encode()
        self._save_query = f"SELECT {self.schema}.save_parts(%s, %s, %s, %s, %s)".encode()

    def place(self) -> int:
        """The position that all rows are of, at least. Overtaken if the schema is not kept in parts."""
        if self.position is None:
            found = self.db.execute(self._whole_query, self.whole, prepare=True).fetchone()
            if found is None:
                raise Overtaken(f"{self.schema} is not kept in parts any more")
            self._saves = found[0]  # before all else, so that whatever is too old to be saved on is noticed
        return super().place()

    def _write(self, before: Before, start: int, until: int) -> None:
        super()._write(before, start, until)
        self._saves += 1

    def _save(self, start: int, until: int, made: Rows, gone: Rows) -> None:
        topic, number = self.whole
        moved = [Part(topic=topic, number=number, next_offset=0, position=until, saves=self._saves)]
        values = (as_json(moved), start, until, as_json(made), as_json(gone))
        (saved,) = self.db.execute(self._save_query, values, prepare=True).fetchone() or (False,)
        if not saved:
            raise Overtaken(f"{self.schema} is not at {start} any more")


def leave(db: psycopg.Connection[Any], schema: str) -> bool:
    """Keep a schema from the log from now on, if each of its parts, if any, is no further than all of them; else False.

    For who is alone with it.
    """
    with db.transaction():
        (uneven,) = db.execute(
            f"SELECT count(*) FROM {schema}.part, {schema}.place WHERE part.position <> place.position".encode()
        ).fetchone() or (0,)
        if not uneven:
            db.execute(f"DELETE FROM {schema}.part".encode())
    return not uneven


def places_of(db: psycopg.Connection[Any], schema: str) -> set[Place]:
    """The parts that a schema is kept in; none if it is kept from the log."""
    return set(db.execute(f"SELECT topic, number FROM {schema}.part".encode()).fetchall())


def adopt(db: psycopg.Connection[Any], division: Division, position: int, offsets: Mapping[Place, int]) -> None:
    """Keep a schema in parts from now on, each read from an offset on that lies before all it has behind the position.

    `saves` counts from the time on, so that whoever still holds the parts of an earlier schema of this name, or of an
    earlier division of this one, cannot take these for them. Somebody else may have begun already. Overtaken if the
    schema is not there any more.
    """
    schema = division.own.schema
    with db.transaction():
        found = db.execute(f"SELECT position FROM {schema}.place FOR UPDATE".encode()).fetchone()
        if db.execute(f"SELECT FROM {schema}.part LIMIT 1".encode()).fetchone() is not None:
            return
        if found != (position,):
            raise Overtaken(f"{schema} is not at {position} any more")
        for (topic, number), offset in ({division.whole: 0} | dict(offsets)).items():
            db.execute(
                f"INSERT INTO {schema}.part (topic, number, next_offset, position, saves) VALUES (%s, %s, %s, %s,"
                " (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)".encode(),
                (topic, number, offset, position),
            )
