"""The rival of a rebuild: the same views over the same kind of log by the library's own runner, event by event."""

from __future__ import annotations

import time
from functools import singledispatchmethod
from typing import Any

import msgspec
import psycopg
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg.rows import DictRow

from aggregates.event import Recorded
from aggregates.ids import kind_of
from benchmarks.stock import environment
from infra.library.application import LogApplication
from infra.library.mapping import Logged
from infra.read_model.tables import Table
from projections.reference import REFERENCE_EVENTS, Reference
from projections.row import KeyValue, View
from services.composition import VIEWS

PATIENCE = 600.0
SCHEMA = "stock"
TRAIL = f"INSERT INTO {SCHEMA}.trail_tag SELECT unnest(tags[2:]), position FROM yewu.log WHERE position = %s"


class StockRows(PostgresTrackingRecorder):
    """The rows of all views: read, changed and written with the position, one transaction for each event."""

    def __init__(self, datastore: PostgresDatastore, **options: Any) -> None:
        super().__init__(datastore, **options)
        self._tables = {view: Table(view.row) for view in VIEWS}
        self._reference = Reference()

    def take(self, record: Recorded[Any], tracking: Tracking) -> None:
        """Let every view that the event concerns learn from it."""
        if type(record.event) in REFERENCE_EVENTS:
            self._reference = self._reference.after(record)
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(TRAIL, (record.position,))
            for view, table in self._tables.items():
                fold = view.folds.get(type(record.event))
                if fold is not None and view.key.kind in {None, kind_of(record.stream_id)}:
                    key = view.keys[type(record.event)](record)
                    row = fold(self._load(cursor, view, table, key), record, self._reference)
                    if row is None:
                        self._end(cursor, table, key)
                    else:
                        self._save(cursor, table, row)

    def _load(self, cursor: psycopg.Cursor[DictRow], view: View[Any], table: Table, key: KeyValue) -> Any:
        keys, values = ", ".join(table.keys), (key,) if isinstance(key, str) else key
        marks = ", ".join(["%s"] * len(values))
        query = f"SELECT * FROM {SCHEMA}.{table.name} WHERE ({keys}) = ({marks})"
        found = cursor.execute(query.encode(), values).fetchone()
        return None if found is None else msgspec.convert(found, view.row)

    def _end(self, cursor: psycopg.Cursor[DictRow], table: Table, key: KeyValue) -> None:
        keys, values = ", ".join(table.keys), (key,) if isinstance(key, str) else key
        marks = ", ".join(["%s"] * len(values))
        cursor.execute(f"DELETE FROM {SCHEMA}.{table.name} WHERE ({keys}) = ({marks})".encode(), values)

    def _save(self, cursor: psycopg.Cursor[DictRow], table: Table, row: Any) -> None:
        fields = ", ".join(f'"{field}"' for field in table.fields)
        news = ", ".join(f'"{field}" = excluded."{field}"' for field in table.fields)
        marks = ", ".join(["%s"] * len(table.fields))
        query = f"INSERT INTO {SCHEMA}.{table.name} ({fields}) VALUES ({marks})"
        query += f" ON CONFLICT ({', '.join(table.keys)}) DO UPDATE SET {news}"
        cursor.execute(query.encode(), table.line(row))


class StockProjection(Projection[StockRows]):
    """Everything goes to the rows."""

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        raise TypeError(f"{type(domain_event)} at {tracking} is not expected")

    @process_event.register
    def _(self, domain_event: Logged, tracking: Tracking) -> None:  # type: ignore[type-arg]  # dispatch is by class
        self.view.take(domain_event, tracking)


def stock_rebuild(conninfo: str, events: int) -> float:
    """How many events a second the library's runner gets done, of a log that has so many."""
    _make_room(conninfo)
    begun = time.perf_counter()
    with ProjectionRunner(
        application_class=LogApplication,
        projection_class=StockProjection,
        view_class=StockRows,
        env={**environment(conninfo), "DATABASE_URL": conninfo, "POSTGRES_POOL_SIZE": "2"},
    ) as runner:
        runner.wait(events, PATIENCE)
        return events / (time.perf_counter() - begun)


def _make_room(conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as db:
        db.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE".encode())
        db.execute("DROP TABLE IF EXISTS stockprojection_tracking")
        db.execute(f"CREATE SCHEMA {SCHEMA}".encode())
        db.execute(f'CREATE TABLE {SCHEMA}.trail_tag (tag text COLLATE "C", position bigint)'.encode())
        db.execute(f"CREATE INDEX ON {SCHEMA}.trail_tag (tag, position)".encode())
        for table in {view.row: Table(view.row) for view in VIEWS}.values():
            db.execute(table.create(SCHEMA).encode())
            db.execute(table.index(SCHEMA).encode())
