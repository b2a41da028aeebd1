"""Building a schema: the log folded from zero beside whatever is in use, and put in its place in one transaction."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

import psycopg

from infra.read_model import schema as schemas
from infra.read_model.engine import Engine, ReadModel, Shelves, is_own
from infra.read_model.lines import LINE, Line
from infra.read_model.references import References, read_references
from infra.read_model.selection import EVERYTHING, Selection
from infra.read_model.tables import Table
from projections.row import View

Progress: TypeAlias = Callable[[int, int], None]
"""How much has been read, and how much there is to read."""

PAGE = 5_000
ENOUGH = 4_000
"""Rows of one table that are worth a COPY of their own."""

_stream_of = itemgetter(1)


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

    Two connections in autocommit mode, for the log is read while rows are written. First come the views whose rows are
    made by one stream alone, stream by stream, so that finished rows leave memory at once; then those whose rows
    several streams share, in the order of the log. Poisoned if a view cannot take an event: then all is as it was.
    """
    if until is None:
        (until,) = reader.execute("SELECT position FROM yewu.head").fetchone() or (0,)
    name = schema or model.schema
    with reader.transaction(), writer.transaction():
        reader.execute("SET LOCAL TimeZone = 'UTC'; SET LOCAL jit = off; SET LOCAL cursor_tuple_fraction = 1")
        fresh = schemas.create(writer, model, name)
        rebuild = _Rebuild(reader, writer, fresh, until, selection, progress)
        rebuild.fold(model)
        schemas.complete(writer, model, name, until, selection)
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
    ) -> None:
        self._reader, self._writer, self._fresh = reader, writer, fresh
        self._until, self._selection, self._progress = until, selection, progress
        self._references = References()
        self._done = self._goal = 0

    def fold(self, model: ReadModel) -> None:
        """All the views of a model, in one or two passes over the log."""
        if model.engine.refers:
            self._references = read_references(self._reader, model.codec, self._until, self._selection)
        own: list[View[Any]] = [view for view in model.views if is_own(view)]
        shared: list[View[Any]] = [view for view in model.views if not is_own(view)]
        self._goal = self._until * (bool(own) + bool(shared))
        if own:
            self._stream_by_stream(Engine(own, model.codec))
        if shared:
            self._in_order(Engine(shared, model.codec))

    def _stream_by_stream(self, engine: Engine) -> None:
        shelves, spool = engine.shelves(), _Spool(self._writer, engine.tables, self._fresh)
        for page in self._pages(engine.types, "l.stream_id, l.version"):
            # the last stream may go on in the next page: its rows stay on the shelves, all others are finished
            last = bisect_left(page, page[-1][1], key=_stream_of)
            self._show(engine, page[:last], shelves)
            if last:
                spool.take(shelves)
            self._show(engine, page[last:], shelves)
        spool.take(shelves)
        spool.flush()

    def _in_order(self, engine: Engine) -> None:
        shelves, spool = engine.shelves(), _Spool(self._writer, engine.tables, self._fresh)
        for page in self._pages(engine.types, "l.position"):
            self._show(engine, page, shelves)
        spool.take(shelves)
        spool.flush()

    def _show(self, engine: Engine, lines: Sequence[Line], shelves: Shelves) -> None:
        engine.fold(engine.read(lines), shelves, self._references, of_the_past=self._selection.of_the_past)

    def _pages(self, types: list[str], order: str) -> Iterator[list[Line]]:
        """What the selection takes of these types, sorted by the server in bounded memory."""
        before = self._done
        with self._reader.cursor("lines", binary=True) as cursor:
            cursor.execute(
                f"SELECT {LINE} FROM yewu.log l WHERE l.position <= %s AND l.type = ANY(%s){self._selection.condition}"
                f" ORDER BY {order}".encode(),
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
        self._waiting: list[tuple[Table, list[tuple[Any, ...]]]] = [(table, []) for table in tables]

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

    def _copy(self, table: Table, lines: list[tuple[Any, ...]]) -> None:
        with self._db.cursor() as cursor, cursor.copy(table.copy(self._schema).encode()) as copy:
            copy.set_types(table.types)
            for line in lines:
                copy.write_row(line)
        lines.clear()
