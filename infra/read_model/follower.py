"""Following the log: one batch after the other, its rows saved in one transaction with the position they are of."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any, TypeAlias

import psycopg
from psycopg.types.json import Jsonb

from infra.read_model.engine import ReadModel
from infra.read_model.lines import LINE, Line, Poisoned
from infra.read_model.parking import SKIPPED, TABLE, Parking, Touched, read_skips, skips_among
from infra.read_model.references import REFERENCE_TYPES, References, read_references
from infra.read_model.selection import EVERYTHING, Selection
from infra.read_model.settling import settle
from infra.read_model.tables import REFUSALS, Table, to_json
from projections.row import KeyValue, Row

Rows: TypeAlias = dict[str, list[Any]]
"""Rows, or keys of rows, under the names of their tables."""

Before: TypeAlias = list[tuple[int, KeyValue, Row | None]]
"""Rows that a batch touches, as they were."""


class Overtaken(Exception):
    """Another follower has moved this schema on; what we folded was not written."""


class Follower:
    """Keeps one schema level with the log, or with a selection of it.

    The connection, in autocommit mode, is its own. Rows that it wrote it remembers, for nobody else may write them: the
    position proves it. After a failure of any kind it forgets everything and goes on from what the schema holds.
    """

    def __init__(
        self,
        db: psycopg.Connection[Any],
        model: ReadModel,
        *,
        schema: str | None = None,
        selection: Selection = EVERYTHING,
        remember: int = 200_000,
    ) -> None:
        self.db, self.model, self.selection, self.remember = db, model, selection, remember
        self.schema = schema or model.schema
        self.position: int | None = None
        self._shelves = model.engine.shelves()
        self._references = References()
        self._parking = Parking(model.tables)
        self._types = sorted({*model.engine.types, *(REFERENCE_TYPES if model.engine.refers else ()), SKIPPED})
        self._slots = {table.name: slot for slot, table in enumerate(model.tables)}
        # one statement, so that the head is of the same moment as the lines behind the position
        self._read_query = (
            f"SELECT h.position, l.* FROM yewu.head h LEFT JOIN LATERAL (SELECT {LINE} FROM yewu.log l"
            f" WHERE l.position > %s AND l.type = ANY(%s){selection.condition} ORDER BY l.position LIMIT %s) l ON true"
            " ORDER BY l.position"
        ).encode()
        self._load_query = f"SELECT name, data FROM {self.schema}.load(%s)".encode()
        self._save_query = f"SELECT {self.schema}.save(%s, %s, %s, %s)".encode()
        self._parked_query = f"SELECT to_json(t)::text FROM {self.schema}.{model.parked.name} t".encode()
        self._beat_query = f"UPDATE {self.schema}.place SET beat_at = clock_timestamp()".encode()
        db.execute("SET TimeZone = 'UTC'; SET enable_seqscan = off; SET jit = off")

    def catch_up(self, most: int = 1000) -> int:
        """Go on to the head of the log; the position reached."""
        while self.step(most):
            pass
        return self.place()

    def step(self, most: int = 1000) -> int:
        """Fold the next events, at most so many; how many positions that was, 0 at the head of the log.

        A row whose view cannot take an event is parked. Poisoned if nobody knows whose row it would be: what lies
        before it has been saved. Overtaken if somebody else was here.
        """
        try:
            start = self.place()
            lines, until = self._read(start, most)
            if until > start:
                self._take(lines, start, until)
        except BaseException:
            self.forget()
            raise
        return until - start

    def place(self) -> int:
        """The position that the rows are of."""
        if self.position is None:
            found = self.db.execute(f"SELECT position FROM {self.schema}.place".encode()).fetchone()
            position = int(found[0]) if found is not None else 0
            if self.model.engine.refers:
                self._references = read_references(self.db, self.model.codec, position, self.selection)
            self._parking = self._parked_at(position)
            self.position = position
        return self.position

    def retry(self, asked: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Fold these rows again from zero, named by their tables and written keys, if they are parked; those that were
        its own."""
        position = self.place()
        places = [self._parking.place(*row) for row in asked]
        again = {place: None for place in places if place in self._parking.rows}
        try:
            self._load(again)
            before = self._as_before(again)
            ours = self._settle(again, position)
            self._write(before, position, position)
        except BaseException:
            self.forget()
            raise
        return [self._parking.written(place) for place in ours]

    def beat(self) -> None:
        """Say that somebody follows, though nothing has come."""
        self.db.execute(self._beat_query, prepare=True)

    def forget(self) -> None:
        """Remember nothing: neither rows nor the position."""
        self.position = None
        self._shelves = self.model.engine.shelves()

    def _read(self, after: int, most: int) -> tuple[list[Line], int]:
        """The lines behind a position that anybody takes, and how far one has come with them."""
        with self.db.cursor(binary=True) as cursor:
            found = cursor.execute(self._read_query, (after, self._types, most), prepare=True).fetchall()
        if found[0][0] is None:
            raise Overtaken(f"{self.schema} was taken away")
        lines = [line[1:] for line in found if line[1] is not None]
        if len(lines) == most:
            return lines, lines[-1][0]
        return lines, max(found[0][0], after)

    def _take(self, lines: list[Line], start: int, until: int) -> None:
        try:
            self._fold(lines, start, until)
        except Poisoned as poison:
            self.forget()
            if self.place() == start < poison.position - 1:
                self._fold([line for line in lines if line[0] < poison.position], start, poison.position - 1)
            raise

    def _fold(self, lines: list[Line], start: int, until: int) -> None:
        engine, parking = self.model.engine, self._parking
        engine.learn(lines, self._references)
        taken = list(engine.read(lines))
        touched = engine.touched(taken)
        again = self._to_settle(lines, touched)
        touched |= again
        self._load(touched)
        before = self._as_before(touched)
        engine.fold(taken, self._shelves, self._references, parking, of_the_past=self.selection.of_the_past)
        self._settle(again, until)
        self._write(before, start, until)
        self.position = until
        self._references.forget_before(until)
        self._forget_the_oldest()

    def _to_settle(self, lines: Iterable[Line], touched: Iterable[Touched]) -> dict[Touched, None]:
        """The rows that are to go on without an event from now on, and those that their tables may hold again."""
        parking = self._parking
        again = {t: None for t in touched if parking.rows and t in parking.rows and parking.rows[t].failed_in == TABLE}
        told = [(line[0], line[4], line[9]) for line in lines if line[3] == SKIPPED]
        for skip in skips_among(told, self.model.codec):
            parking.skips.add(skip)
            if (place := parking.place(skip.row_table, skip.row_key)) is not None:
                again[place] = None
        return again

    def _settle(self, again: Iterable[Touched], until: int) -> list[Touched]:
        """Fold these rows from zero, each alone; one that none of these views has heard of is not theirs, and stays."""
        ours: list[Touched] = []
        for slot, key in again:
            table, parking = self.model.tables[slot], self._parking
            settled = settle(self.db, self.model, table.name, key, until, self.selection, parking.skips, self._refuses)
            if settled.known:
                self._shelves[slot][key] = settled.row
                parking.put((slot, key), settled.parked)
                ours.append((slot, key))
        return ours

    def _write(self, before: Before, start: int, until: int) -> None:
        """Save what has changed; a row that its table refuses is settled, and so parked."""
        try:
            self._save(start, until, *self._all_changes(before))
        except REFUSALS:
            refused = self._refused(before, start, until)
            if not refused:
                raise
            self._settle(refused, until)
            self._save(start, until, *self._all_changes(before))
        self._parking.saved()

    def _refused(self, before: Before, start: int, until: int) -> dict[Touched, None]:
        """Which of these rows their tables do not hold, found by halves."""
        try:
            with self.db.transaction(force_rollback=True):
                self._save(start, until, *self._changes(before))
        except REFUSALS:
            if len(before) <= 1:
                return {(slot, key): None for slot, key, _ in before}
            half = len(before) // 2
            return self._refused(before[:half], start, until) | self._refused(before[half:], start, until)
        return {}

    def _refuses(self, table: Table, key: KeyValue, row: Row) -> BaseException | None:
        """Why a table does not hold a row; None: it does."""
        place = self.place()
        try:
            with self.db.transaction(force_rollback=True):
                self._save(place, place, {table.name: [table.checked(key, row)]}, {})
        except REFUSALS as problem:
            return problem
        return None

    def _parked_at(self, position: int) -> Parking:
        """What stands still in the schema, and what is to be skipped up to here."""
        skips = read_skips(self.db, self.model.codec, position, self.selection)
        rows = [self.model.parked.decode(data) for (data,) in self.db.execute(self._parked_query, prepare=True)]
        return Parking(self.model.tables, skips, rows)  # type: ignore[arg-type]  # rows of the table of what is parked

    def _as_before(self, touched: Iterable[Touched]) -> Before:
        return [(slot, key, self._shelves[slot][key]) for slot, key in touched]

    def _load(self, touched: Iterable[Touched]) -> None:
        """Fetch the rows that are not remembered, of all tables in one statement."""
        wanted: Rows = {}
        for slot, key in touched:
            shelf = self._shelves[slot]
            if key not in shelf:
                shelf[key] = None
                table = self.model.tables[slot]
                wanted.setdefault(table.name, []).append(table.key_as_row(key))
        if wanted:
            for name, data in self.db.execute(self._load_query, (as_json(wanted),), prepare=True):
                slot = self._slots[name]
                table = self.model.tables[slot]
                row = table.decode(data)
                self._shelves[slot][table.key_of(row)] = row

    def _changes(self, before: Before) -> tuple[Rows, Rows]:
        """The rows that are new or other than before, and the keys of those that have ended."""
        made: Rows = {}
        gone: Rows = {}
        for slot, key, old in before:
            new, table = self._shelves[slot][key], self.model.tables[slot]
            if new is not None and new is not old:
                made.setdefault(table.name, []).append(table.checked(key, new))
            elif new is None and old is not None:
                gone.setdefault(table.name, []).append(table.key_as_row(key))
        return made, gone

    def _all_changes(self, before: Before) -> tuple[Rows, Rows]:
        """The same, and what is parked now or is not any more."""
        made, gone = self._changes(before)
        table = self.model.parked
        for touched, parked in self._parking.changes():
            if parked is not None:
                made.setdefault(table.name, []).append(parked)
            else:
                gone.setdefault(table.name, []).append(table.key_as_row(self._parking.written(touched)))
        return made, gone

    def _save(self, start: int, until: int, made: Rows, gone: Rows) -> None:
        """One statement, hence one transaction; it refuses if somebody else has saved since `start`."""
        values = (start, until, as_json(made), as_json(gone))
        (saved,) = self.db.execute(self._save_query, values, prepare=True).fetchone() or (False,)
        if not saved:
            raise Overtaken(f"{self.schema} is not at {start} any more")

    def _forget_the_oldest(self) -> None:
        """Keep memory bounded: of a full shelf the half remembered longest goes."""
        for shelf in self._shelves:
            if len(shelf) > self.remember:
                for key in list(islice(shelf, len(shelf) // 2 + 1)):
                    del shelf[key]


def as_json(value: Any) -> Jsonb:
    """As a parameter of a statement."""
    return Jsonb(value, dumps=to_json)
