"""The log and the read model as a test handles them, and the plain fold that everything is compared with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from msgspec.structs import replace
from psycopg import sql
from psycopg.rows import dict_row

from aggregates.event import Recorded, attribution
from aggregates.ids import kind_of
from aggregates.text import Code
from infra.codec import Codec, envelope_bytes
from infra.read_model.engine import ReadModel
from infra.read_model.selection import EVERYTHING, Selection
from infra.read_model.tables import Table
from projections.parked import Parked
from projections.reference import REFERENCE_EVENTS, Reference
from projections.row import KeyValue, Row, View
from tests.infra.read_model.repairs import EVENTS, VIEWS, Happening

CODEC = Codec(EVENTS)
COLUMNS = (
    "position, stream_id, version, type, schema, event_id, recorded_at, effective_at, actor_id, command_id, data, tags,"
    " meta"
)
TYPES = (
    "int8",
    "text",
    "int8",
    "text",
    "int4",
    "uuid",
    *["timestamptz"] * 2,
    "text",
    "uuid",
    "bytea",
    "text[]",
    "bytea",
)

Content = Mapping[str, Sequence[Row]]


def the_model(fingerprint: str = "repairs", views: Sequence[View[Any]] = VIEWS) -> ReadModel:
    """The read model of the repair desk."""
    return ReadModel(views, CODEC, fingerprint)


class Book:
    """Writes the log, without its writer: tests choose when things are recorded."""

    def __init__(self, conninfo: str) -> None:
        self.conninfo = conninfo
        self.records: list[Recorded[Any]] = []
        self._versions: dict[str, int] = {}
        self.db = psycopg.connect(conninfo, autocommit=True)

    def __enter__(self) -> Book:
        return self

    def __exit__(self, *_: object) -> None:
        self.db.close()

    def connect(self) -> psycopg.Connection[Any]:
        """Another connection to the same database."""
        return psycopg.connect(self.conninfo, autocommit=True)

    def begin_anew(self) -> None:
        """An empty log, and no read model."""
        self.records, self._versions = [], {}
        with self.db.transaction():
            self.db.execute("SET LOCAL session_replication_role = replica")
            self.db.execute("TRUNCATE yewu.log, yewu.build_request; UPDATE yewu.head SET position = 0")
            for (name,) in self.db.execute(
                "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, 'rm_')"
            ).fetchall():
                self.db.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))

    def write(self, happenings: Iterable[Happening]) -> None:
        """Commit all of these at once."""
        with self.db.transaction(), self.db.cursor() as cursor:
            with cursor.copy(f"COPY yewu.log ({COLUMNS}) FROM STDIN (FORMAT binary)".encode()) as copy:
                copy.set_types(TYPES)
                for each in happenings:
                    copy.write_row(self._line(each))
            cursor.execute("UPDATE yewu.head SET position = %s", (len(self.records),))

    def _line(self, each: Happening) -> tuple[Any, ...]:
        position = len(self.records) + 1
        version = self._versions[each.stream_id] = self._versions.get(each.stream_id, 0) + 1
        stored, meta, number = (
            CODEC.stored(each.stream_id, each.event),
            envelope_bytes(each.envelope),
            UUID(int=position),
        )
        told = each.recorded_at, each.effective_at, each.actor_id
        whose = attribution(each.actor_id, meta)
        self.records.append(
            Recorded(position, each.stream_id, version, *told, number.bytes * 2, meta, each.event, *whose)
        )
        where = position, each.stream_id, version, stored.type, stored.schema, number
        return *where, *told, number, stored.data, list(stored.tags), meta


def content(db: psycopg.Connection[Any], model: ReadModel, schema: str | None = None) -> Content:
    """All rows of a schema, as questions get them."""
    return {table.name: _rows(db, table, schema or model.schema) for table in model.tables}


def _rows(db: psycopg.Connection[Any], table: Table, schema: str) -> list[Row]:
    with db.cursor(row_factory=dict_row) as cursor:
        cursor.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, table.name)))
        rows: list[Row] = msgspec.convert(cursor.fetchall(), list[table.row])  # type: ignore[name-defined]  # a value here
    return sorted(rows, key=table.key_of)


def parked(book: Book, model: ReadModel, schema: str | None = None) -> list[Parked]:
    """All that stands still in a schema, but for the words of the problem."""
    with book.db.cursor(row_factory=dict_row) as cursor:
        cursor.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema or model.schema, "parked")))
        rows = msgspec.convert(cursor.fetchall(), list[Parked])
    assert all(row.problem.endswith(".") for row in rows)
    return sorted((replace(row, problem=Code("")) for row in rows), key=lambda row: (row.row_table, row.row_key))


def trail(db: psycopg.Connection[Any], schema: str) -> list[tuple[str, int]]:
    """The audit trail of a schema."""
    found = db.execute(sql.SQL("SELECT tag, position FROM {}").format(sql.Identifier(schema, "trail_tag"))).fetchall()
    return sorted(found)


def plain_trail(records: Iterable[Recorded[Any]], selection: Selection = EVERYTHING) -> list[tuple[str, int]]:
    """What the trail should hold."""
    kept = (record for record in records if _counts(record, selection))
    return sorted((tag, r.position) for r in kept for tag in CODEC.stored(r.stream_id, r.event).tags[1:])


def plain_fold(
    records: Iterable[Recorded[Any]], selection: Selection = EVERYTHING, views: Sequence[View[Any]] = VIEWS
) -> Content:
    """What the read model should hold: each view's steps, one event after the other, and nothing clever."""
    found: dict[str, dict[KeyValue, Row]] = {Table(view.row).name: {} for view in views}
    reference = Reference()
    for record in records:
        if not _counts(record, selection):
            continue
        if type(record.event) in REFERENCE_EVENTS:
            reference = reference.after(record)
        for view in views:
            fold = view.folds.get(type(record.event))
            if fold is None or view.key.kind not in {None, kind_of(record.stream_id)}:
                continue
            rows, key = found[Table(view.row).name], view.keys[type(record.event)](record)
            row = rows.pop(key, None)
            if row is None and not fold.begins and selection.as_of is not None:
                continue
            if (row := fold(row, record, reference)) is not None:
                rows[key] = row
    return {name: [rows[key] for key in sorted(rows)] for name, rows in found.items()}


def _counts(record: Recorded[Any], selection: Selection) -> bool:
    if selection.as_of is not None and record.effective_at > selection.as_of:
        return False
    return selection.known_at is None or record.recorded_at <= selection.known_at
