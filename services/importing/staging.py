"""A temporary table for what was read: cases in the order they appear, the rows of each in the order of time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
from msgspec.structs import astuple

from aggregates.refused import Refused
from aggregates.value import Value
from services.importing.maps import Known, Map
from services.importing.sources import SourceRow

START = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
_decode = msgspec.json.Decoder(dict[str, str]).decode


class StagedRow(Value, kw_only=False):
    """A row that has a case and a time. `index` counts the rows of its case in the order of the file, from 0."""

    index: int
    line: int
    at: datetime
    fields: dict[str, str]


class Case(NamedTuple):
    """All acceptable rows of one case, in the order of time; in that of the file where times are equal."""

    name: str
    rows: list[StagedRow]


class Mention(Value, kw_only=False):
    """The row that mentions somebody first. `number`: of the mentions in that row, from 0."""

    case: str
    index: int
    line: int
    number: int
    at: datetime
    undated: bool = False


class Rejected(Value, kw_only=False):
    """A row that does not go in, and why."""

    line: int
    case: str
    index: int
    reason: str


class Staging:
    """Lies in a private file without a name, which is gone when this process is, however it ends.

    `read` counts the rows it was given, those that were rejected included.
    """

    def __init__(self) -> None:
        self.read = 0
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(
            """
            PRAGMA journal_mode = OFF;
            PRAGMA synchronous = OFF;
            CREATE TABLE cases (no INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, size INTEGER NOT NULL);
            CREATE TABLE source (case_no INTEGER NOT NULL, at INTEGER NOT NULL, no INTEGER NOT NULL,
                line INTEGER NOT NULL, fields BLOB NOT NULL);
            CREATE TABLE mention (kind TEXT NOT NULL, label TEXT NOT NULL, at INTEGER NOT NULL,
                case_name TEXT NOT NULL, no INTEGER NOT NULL, line INTEGER NOT NULL, number INTEGER NOT NULL,
                undated INTEGER NOT NULL, PRIMARY KEY (kind, label)) WITHOUT ROWID;
            CREATE TABLE rejected (line INTEGER NOT NULL, case_name TEXT NOT NULL, no INTEGER NOT NULL,
                reason TEXT NOT NULL);
            BEGIN;
            """
        )

    def close(self) -> None:
        self._db.close()

    def fill(self, rows: Iterable[SourceRow], plan: Map, now: datetime) -> set[str]:
        """Take in all rows but those without a case or a time, which are rejected; the names of all columns."""
        columns: set[str] = set()
        for row in rows:
            columns.update(row.fields)
            self.read += 1
            self._take(row, plan, now)
        self._db.execute("CREATE INDEX by_case ON source (case_no, at, no)")
        return columns

    def _take(self, row: SourceRow, plan: Map, now: datetime) -> None:
        fields = {column: text.strip() for column, text in row.fields.items()}
        name = fields.get(plan.case, "")
        if not name:
            self.reject(Rejected(row.line, "", 0, str(Refused("It names no case."))))
            return
        no, size = self._db.execute(
            "INSERT INTO cases (name, size) VALUES (?, 1)"
            " ON CONFLICT (name) DO UPDATE SET size = size + 1 RETURNING no, size",
            (name,),
        ).fetchone()
        try:
            if row.flaw:
                raise row.flaw
            at = not_in_the_future(plan.time.read(fields, now), now)
        except Refused as flaw:
            self.reject(Rejected(row.line, name, size - 1, str(flaw)))
            return
        stored = (no, (at - START) // MICROSECOND, size - 1, row.line, msgspec.json.encode(fields))
        self._db.execute("INSERT INTO source VALUES (?, ?, ?, ?, ?)", stored)

    def cases(self) -> Iterator[Case]:
        """Every case that has rows, in the order of the file."""
        for no, name in self._db.execute("SELECT no, name FROM cases ORDER BY no"):
            rows = self._db.execute(
                "SELECT no, line, at, fields FROM source WHERE case_no = ? ORDER BY at, no", (no,)
            ).fetchall()
            if rows:
                yield Case(name, [StagedRow(n, line, _instant(at), _decode(data)) for n, line, at, data in rows])

    def reject(self, row: Rejected) -> None:
        self._db.execute("INSERT INTO rejected VALUES (?, ?, ?, ?)", astuple(row))

    def rejected(self) -> Iterator[Rejected]:
        """In the order of the file."""
        for row in self._db.execute("SELECT line, case_name, no, reason FROM rejected ORDER BY line, rowid"):
            yield Rejected(*row)

    def mention(self, known: Known, seen: Mention) -> None:
        """Remember who was mentioned, if it is the earliest time so far."""
        at = (seen.at - START) // MICROSECOND
        self._db.execute(
            "INSERT INTO mention VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (kind, label) DO UPDATE SET at = excluded.at, case_name = excluded.case_name,"
            " no = excluded.no, line = excluded.line, number = excluded.number, undated = excluded.undated"
            " WHERE excluded.at < at",
            (*known, at, seen.case, seen.index, seen.line, seen.number, seen.undated),
        )

    def first_mention(self, known: Known) -> Mention:
        """Where somebody is mentioned first in time."""
        case, index, line, number, at, undated = self._db.execute(
            "SELECT case_name, no, line, number, at, undated FROM mention WHERE kind = ? AND label = ?", known
        ).fetchone()
        return Mention(case, index, line, number, _instant(at), bool(undated))

    def count_rejected(self) -> int:
        """How many rows are rejected so far."""
        (rows,) = self._db.execute("SELECT count(*) FROM rejected").fetchone()
        return int(rows)


def not_in_the_future(at: datetime, now: datetime) -> datetime:
    """The instant, unless it is yet to come."""
    if at > now:
        raise Refused("{time} lies in the future.", time=at.isoformat())
    return at


def _instant(microseconds: int) -> datetime:
    return START + microseconds * MICROSECOND
