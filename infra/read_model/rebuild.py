"""Building a schema: the log folded from zero beside whatever is in use, and put in its place in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import psycopg
import structlog
from psycopg.types.string import BytesBinaryDumper

from infra.read_model import schema as schemas
from infra.read_model.engine import Engine, ReadModel, Shelves, is_own
from infra.read_model.lines import LINE_TO_FOLD, Line
from infra.read_model.parking import Parking, Skip, read_skips
from infra.read_model.references import REFERENCE_TYPES, References
from infra.read_model.selection import EVERYTHING, Selection
from infra.read_model.settling import settle
from infra.read_model.streams import StreamByStream
from infra.read_model.tables import REFUSALS, Table
from projections.parked import Parked, written_key
from projections.row import KeyValue, Row, View

log = structlog.get_logger()

Progress: TypeAlias = Callable[[int, int], None]
"""How much has been read, and how much there is to read."""

PAGE = 500
"""Lines at a time: so few that they and their rows stay in the processor's cache."""

ENOUGH = 4_000
"""Rows of one table that are worth a COPY of their own."""


def build(
    reader: psycopg.Connection[Any],
    writer: psycopg.Connection[Any],
    model: ReadModel,
    *,
    schema: str | None = None,
    until: int | None = None,
    selection: Selection = EVERYTHING,
    progress: Progress = lambda _done, _goal: None,
) -> int:
    """Fold the log up to a position (else to its head) into the schema of the model, or another; that position.

    Two connections in autocommit mode, for the log is read while rows are written. First come the views whose rows
    several streams share, in the order of the log, and the reference data with them; then those whose rows are made by
    one stream alone, stream by stream, so that finished rows leave memory at once. Rows that cannot take an event are
    parked. Poisoned if nobody knows whose row it would be: then all is as it was.
    """
    if until is None:
        (until,) = reader.execute("SELECT position FROM yewu.head").fetchone() or (0,)
    name = schema or model.schema

    def run(spool: type[_Spool]) -> int:
        with reader.transaction(), writer.transaction():
            reader.execute("SET LOCAL TimeZone = 'UTC'; SET LOCAL jit = off; SET LOCAL cursor_tuple_fraction = 1")
            fresh = schemas.create(writer, model, name)
            parked = _Rebuild(reader, writer, fresh, until, selection, progress, spool).fold(model)
            schemas.complete(writer, model, name, until, selection)
        return parked

    try:
        parked = run(_Spool)
    except REFUSALS as problem:
        log.warning("a table refuses a row: it is looked for", schema=name, problem=type(problem).__name__)
        parked = run(_CarefulSpool)
    if parked:
        log.warning("rows are parked", schema=name, rows=parked)
    return until


class _Rebuild:
    """One folding of the log into tables that nobody else sees yet."""

    def __init__(
        self,
        reader: psycopg.Connection[Any],
        writer: psycopg.Connection[Any],
        fresh: str,
        until: int,
        selection: Selection,
        progress: Progress,
        spool: type[_Spool],
    ) -> None:
        self._reader, self._writer, self._fresh, self._spool = reader, writer, fresh, spool
        self._until, self._selection, self._progress = until, selection, progress
        self._references = References(supposing=selection.supposing)
        self._skips = frozenset[Skip]()
        self._parked: dict[tuple[str, str], Parked] = {}
        self._unsettled: dict[tuple[str, KeyValue], None] = {}
        self._done = self._goal = 0

    def fold(self, model: ReadModel) -> int:
        """All the views of a model, in one or two passes over the log; how many of their rows are parked."""
        self._skips = frozenset(read_skips(self._reader, model.codec, self._until, self._selection))
        own: list[View[Any]] = [view for view in model.views if is_own(view)]
        shared: list[View[Any]] = [view for view in model.views if not is_own(view)]
        in_order = bool(shared) or model.engine.refers
        self._goal = self._until * (bool(own) + in_order)
        if in_order:
            self._in_order(Engine(shared, model.codec), model.engine)
        if own:
            self._stream_by_stream(Engine(own, model.codec))
        for table, key in self._to_settle(model):
            self._settle(model, table, key)
        copied(self._writer, model.parked, self._fresh, list(self._parked.values()))
        return len(self._parked)

    def _in_order(self, engine: Engine, of_all: Engine) -> None:
        shelves, spool = engine.shelves(), self._spool(self._writer, engine.tables, self._fresh)
        parking = Parking(engine.tables, self._skips)
        of_the_past = self._selection.of_the_past
        types = sorted({*engine.types, *(REFERENCE_TYPES if of_all.refers else ())})
        for page in self._pages(types, "l.position"):
            of_all.learn(page, self._references)
            engine.fold(engine.read(page), shelves, self._references, parking, of_the_past=of_the_past)
        self._finish(shelves, spool, parking)

    def _stream_by_stream(self, engine: Engine) -> None:
        shelves, spool = engine.shelves(), self._spool(self._writer, engine.tables, self._fresh)
        parking = Parking(engine.tables, self._skips)
        streams = StreamByStream(engine, shelves, self._references, parking, of_the_past=self._selection.of_the_past)
        for page in self._pages(engine.types, "l.stream_id, l.version"):
            streams.fold(engine.read(page))
            spool.take(shelves)
        streams.over()
        self._finish(shelves, spool, parking)

    def _finish(self, shelves: Shelves, spool: _Spool, parking: Parking) -> None:
        spool.take(shelves)
        spool.flush()
        self._unsettled |= spool.refused
        self._parked |= {(parked.row_table, parked.row_key): parked for parked in parking.rows.values()}

    def _to_settle(self, model: ReadModel) -> dict[tuple[str, KeyValue], None]:
        """The rows that their tables refuse, and those that are to go on without an event."""
        parking = Parking(model.tables)
        places = [parking.place(skip.row_table, skip.row_key) for skip in self._skips]
        return self._unsettled | {(model.tables[place[0]].name, place[1]): None for place in places if place}

    def _settle(self, model: ReadModel, name: str, key: KeyValue) -> None:
        """Fold one row alone, and put it in the place of what there is of it."""

        def refuses(table: Table, key: KeyValue, row: Row) -> BaseException | None:
            try:
                with self._writer.transaction(force_rollback=True):
                    copied(self._writer, table, self._fresh, [table.checked(key, row)])
            except REFUSALS as problem:
                return problem
            return None

        settled = settle(self._reader, model, name, key, self._until, self._selection, self._skips, refuses)
        (table,) = (table for table in model.tables if table.name == name)
        if (name, key) not in self._unsettled:  # what was refused is not there, and there may be many of them
            same = " AND ".join(f'"{field}" = %s' for field in table.keys)
            whose = (key,) if isinstance(key, str) else key
            self._writer.execute(f"DELETE FROM {self._fresh}.{name} WHERE {same}".encode(), whose)
        if settled.row is not None:
            copied(self._writer, table, self._fresh, [settled.row])
        self._parked.pop((name, written_key(key)), None)
        if settled.parked is not None:
            self._parked[name, settled.parked.row_key] = settled.parked

    def _pages(self, types: list[str], order: str) -> Iterator[list[Line]]:
        """What the selection takes of these types, sorted by the server in bounded memory."""
        before = self._done
        with self._reader.cursor("lines", binary=True) as cursor:
            cursor.execute(
                f"SELECT {LINE_TO_FOLD} FROM yewu.log l WHERE l.position <= %s AND l.type = ANY(%s)"
                f"{self._selection.condition} ORDER BY {order}".encode(),
                (self._until, types),
            )
            while page := cursor.fetchmany(PAGE):
                yield page
                self._done += len(page)
                self._progress(self._done, self._goal)
        self._done = before + self._until
        self._progress(self._done, self._goal)


class _Spool:
    """Finished rows on their way into their tables; a table is written when enough of its rows have come together."""

    def __init__(self, db: psycopg.Connection[Any], tables: Sequence[Table], schema: str) -> None:
        self._db, self._schema = db, schema
        self.refused: dict[tuple[str, KeyValue], None] = {}
        self._waiting: list[tuple[Table, list[list[Any]]]] = [(table, []) for table in tables]

    def take(self, shelves: Shelves) -> None:
        """Take all rows off the shelves."""
        for shelf, (table, lines) in zip(shelves, self._waiting, strict=True):
            lines.extend(table.lines(shelf))
            shelf.clear()
            if len(lines) >= ENOUGH:
                self._copy(table, lines)

    def flush(self) -> None:
        """Write what is still waiting."""
        for table, lines in self._waiting:
            if lines:
                self._copy(table, lines)

    def _copy(self, table: Table, lines: list[list[Any]]) -> None:
        with self._db.cursor() as cursor:
            cursor.adapters.register_dumper(bytes, BytesBinaryDumper)  # that of bytea is written in Python otherwise
            with cursor.copy(table.copy(self._schema).encode()) as copy:
                copy.set_types(table.wire)
                for line in lines:
                    copy.write_row(line)
        lines.clear()


class _CarefulSpool(_Spool):
    """The same for tables that refuse a row: such rows are left out and named, at the price of one savepoint a copy."""

    def take(self, shelves: Shelves) -> None:
        """Write all rows of the shelves."""
        for shelf, (table, _) in zip(shelves, self._waiting, strict=True):
            self._write(table, [(key, row) for key, row in shelf.items() if row is not None])
            shelf.clear()

    def _write(self, table: Table, rows: list[tuple[KeyValue, Row]]) -> None:
        try:
            with self._db.transaction():
                copied(self._db, table, self._schema, [table.checked(key, row) for key, row in rows])
        except REFUSALS:
            if len(rows) == 1:
                self.refused[table.name, rows[0][0]] = None
                return
            half = len(rows) // 2
            self._write(table, rows[:half])
            self._write(table, rows[half:])


def copied(db: psycopg.Connection[Any], table: Table, schema: str, rows: Sequence[Row]) -> None:
    """Write some rows, also below a savepoint."""
    if rows:
        with db.cursor() as cursor, cursor.copy(table.copy(schema, freeze=False).encode()) as copy:
            copy.set_types(table.types)
            for row in rows:
                copy.write_row(table.line(row))
