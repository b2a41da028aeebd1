"""Parking: a row whose view cannot take an event stands still from there on, visibly; everything else goes on."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import psycopg
import structlog
from msgspec.structs import replace

from aggregates.event import EventSkipped, Recorded
from aggregates.ids import THE_PARKING
from aggregates.text import Code
from infra.read_model.lines import Decoding
from infra.read_model.selection import EVERYTHING, Selection
from infra.read_model.tables import Table
from projections.parked import Parked, read_key, written_key
from projections.row import KeyValue, Row

log = structlog.get_logger()

SKIPPED = EventSkipped.__name__

CODEC, STEP, TABLE = "codec", "step", "table"
"""What failed."""

Touched: TypeAlias = tuple[int, KeyValue]
"""Whose shelf, and which row on it."""

Step: TypeAlias = Callable[..., Row | None]


class Unreadable(Exception):
    """The codec cannot read an event; its cause says why."""


class Skip(NamedTuple):
    """A row, and the position of an event that it goes on without if it cannot take it."""

    row_table: str
    row_key: str
    position: int


class Parking:
    """Which rows of some tables stand still, and which are to go on without an event that they cannot take."""

    def __init__(self, tables: Sequence[Table], skips: Iterable[Skip] = (), rows: Iterable[Parked] = ()) -> None:
        self._tables = tables
        self._slots = {table.name: slot for slot, table in enumerate(tables)}
        self.skips = set(skips)
        self.rows: dict[Touched, Parked] = {}
        for parked in rows:
            if (place := self.place(parked.row_table, parked.row_key)) is not None:
                self.rows[place] = parked
        self._changed: dict[Touched, None] = {}
        self._news: dict[Touched, None] = {}

    def place(self, row_table: str, row_key: str) -> Touched | None:
        """Where the row of a table under a written key lies; None if there can be no such row here."""
        slot, key = self._slots.get(row_table), read_key(row_key)
        parts = 1 if isinstance(key, str) else len(key)
        return None if slot is None or len(self._tables[slot].keys) != parts else (slot, key)

    def skips_at(self, touched: Touched, position: int) -> bool:
        """Shall this row go on without the event at this position, if it cannot take it?"""
        return bool(self.skips) and Skip(self._name(touched), written_key(touched[1]), position) in self.skips

    def wait(self, touched: Touched) -> None:
        """One more event of a parked row waits."""
        parked = self.rows[touched]
        self.put(touched, replace(parked, waiting=parked.waiting + 1))

    def meet(self, touched: Touched, record: Recorded[Any], step: Step, problem: Exception, *, has_row: bool) -> None:
        """A row cannot take an event: it goes on without it if somebody said so, else it stands still from here on."""
        if self.skips_at(touched, record.position):
            return
        name = type(record.event).__name__
        if isinstance(problem, Unreadable):
            told = f"{name} cannot be read: {_told(problem.__cause__)}."
            self._park(touched, record, CODEC, told, has_row=has_row)
        else:
            whose = f"{self._tables[touched[0]].row.__name__} ({getattr(step, '__name__', type(step).__name__)})"
            self._park(touched, record, STEP, f"{whose} cannot take {name}: {_told(problem)}.", has_row=has_row)

    def refuse(
        self, touched: Touched, record: Recorded[Any], problem: BaseException, waiting: int, *, has_row: bool
    ) -> None:
        """A table does not hold what a row would be after an event."""
        sentence = f"{self._name(touched)} cannot hold what comes of it: {type(problem).__name__}."
        self._park(touched, record, TABLE, sentence, waiting, has_row=has_row)

    def put(self, touched: Touched, parked: Parked | None) -> None:
        """So a row stands now; None: it does not stand still any more."""
        before = self.rows.pop(touched, None)
        if parked is not None:
            self.rows[touched] = parked
        if parked != before:
            self._changed[touched] = None
            if parked is not None and (before is None or before.position != parked.position):
                self._news[touched] = None

    def changes(self) -> Iterable[tuple[Touched, Parked | None]]:
        """What is not as it was when `saved` was said last."""
        return [(touched, self.rows.get(touched)) for touched in self._changed]

    def saved(self) -> None:
        """All changes are written; what stands still since then is named in the log of the process."""
        for touched in self._news.keys() & self.rows.keys():
            tell(self.rows[touched])
        self._changed.clear()
        self._news.clear()

    def written(self, touched: Touched) -> tuple[str, str]:
        """Table and key of a row as they are written."""
        return self._name(touched), written_key(touched[1])

    def _park(
        self,
        touched: Touched,
        record: Recorded[Any],
        failed_in: str,
        problem: str,
        waiting: int = 0,
        *,
        has_row: bool,
    ) -> None:
        """From this event on the row stands still."""
        parked = Parked(
            row_table=Code(self._name(touched)),
            row_key=written_key(touched[1]),
            position=record.position,
            stream_id=record.stream_id,
            type=Code(type(record.event).__name__),
            since=record.recorded_at,
            failed_in=Code(failed_in),
            problem=Code(problem),
            has_row=has_row,
            waiting=waiting,
        )
        self.put(touched, parked)

    def _name(self, touched: Touched) -> str:
        return self._tables[touched[0]].name


def tell(parked: Parked) -> None:
    """Name a row that stands still, and why, in the log of the process."""
    log.warning(
        "a row is parked",
        table=parked.row_table,
        key=parked.row_key,
        position=parked.position,
        stream=parked.stream_id,
        type=parked.type,
        problem=parked.problem,
    )


def _told(problem: BaseException | None) -> str:
    """What went wrong and where, without the words of the exception: they may name a person."""
    frames = traceback.extract_tb(problem.__traceback__) if problem is not None else []
    where = f" in {Path(frames[-1].filename).name}" if frames else ""
    return f"{type(problem).__name__}{where}"


SKIPS = (
    "SELECT l.position, l.schema, l.data FROM yewu.log l WHERE l.stream_id = %s AND l.type = %s AND l.position <= %s"
)
"""To be followed by the condition of a selection."""


def skips_among(found: Iterable[tuple[int, int, bytes]], codec: Decoding) -> Iterable[Skip]:
    """The skips in these lines; one that lies before the event it names does not count."""
    for position, schema, data in found:
        event: Any = codec.decoder(SKIPPED, schema)(data)
        if event.event_position < position:
            yield Skip(event.row_table, event.row_key, event.event_position)


def read_skips(
    db: psycopg.Connection[Any], codec: Decoding, until: int, selection: Selection = EVERYTHING
) -> Collection[Skip]:
    """Every skip up to a position that was known at the time of the selection."""
    with db.cursor(binary=True) as cursor:
        cursor.execute((SKIPS + selection.condition).encode(), (THE_PARKING, SKIPPED, until))
        return set(skips_among(cursor, codec))
