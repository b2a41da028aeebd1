"""The schema of a read model: its tables and functions, how it takes the place of an older one, and how it ends."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any, NamedTuple

import psycopg

from infra.read_model.engine import BUILDING, ReadModel
from infra.read_model.selection import EVERYTHING, Selection
from infra.read_model.tables import OUR_OWN

FIRST_OF_ALL = "LOCK TABLE {schema}.place IN ACCESS EXCLUSIVE MODE"
"""Readers ask for the place before anything else: whoever waits for it here holds nothing that they may want next."""

LOAD = """
CREATE FUNCTION {schema}.load(keys jsonb) RETURNS TABLE (name text, data text) LANGUAGE plpgsql
    SET TimeZone = 'UTC' SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$ BEGIN
{parts} END $$"""

SAVE = """
CREATE FUNCTION {schema}.save(was bigint, now bigint, made jsonb, gone jsonb) RETURNS bool LANGUAGE plpgsql
    SET TimeZone = 'UTC' SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$ BEGIN
    UPDATE {schema}.place SET position = now, beat_at = clock_timestamp() WHERE position = was;
    IF NOT FOUND THEN RETURN false; END IF;
{parts}
    RETURN true; END $$"""
"""A batch is small and the planner cannot know: without these settings it reads whole tables. The position comes first,
so that whoever was overtaken writes nothing."""

PART = """
CREATE TABLE {schema}.part (
    topic       text COLLATE "C" NOT NULL,
    number      integer NOT NULL,
    next_offset bigint NOT NULL,                -- where to read on
    position    bigint NOT NULL,                -- the rows hold whatever this part has up to here
    saves       bigint NOT NULL DEFAULT 0,      -- how often it was saved: nobody saves twice from the same moment
    PRIMARY KEY (topic, number)
) WITH (fillfactor = 50)"""
"""The partitions that a projector from Kafka reads, as far as their rows are: ahead of the place, which is that of all.
None: the schema is kept from the log."""

SAVE_PARTS = """
CREATE FUNCTION {schema}.save_parts(parts jsonb, was bigint, now bigint, made jsonb, gone jsonb) RETURNS bool
    LANGUAGE plpgsql
    SET TimeZone = 'UTC' SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    held bigint;
BEGIN
    SELECT count(*) INTO held FROM (
        SELECT FROM {schema}.part p JOIN jsonb_populate_recordset(NULL::{schema}.part, parts) n USING (topic, number)
         WHERE p.saves = n.saves ORDER BY topic, number FOR UPDATE OF p) ours;
    IF held < jsonb_array_length(parts) THEN RETURN false; END IF;
    UPDATE {schema}.part p SET next_offset = n.next_offset, position = n.position, saves = n.saves + 1
      FROM jsonb_populate_recordset(NULL::{schema}.part, parts) n WHERE (p.topic, p.number) = (n.topic, n.number);
{tables}
    IF now > was THEN
        UPDATE {schema}.place SET position = now, beat_at = clock_timestamp();
{trail}
    END IF;
    RETURN true; END $$"""
"""Parts that were saved by somebody else since they were read are found before anything is written. A row may have a
column of the name of an argument."""

TRAIL_OF = """
    INSERT INTO {schema}.trail_tag (tag, position)
    SELECT unnest(l.tags[2:]), l.position FROM yewu.log l
     WHERE l.position > {after} AND l.position <= {until} AND cardinality(l.tags) > 1{condition};"""
"""Which events mention what. The first tag is the event's own stream, by which the log itself has an index."""

MENTIONS = """(
    SELECT l.position FROM yewu.log l, {schema}.place p WHERE l.stream_id = %(tag)s AND l.position <= p.position
    UNION ALL SELECT t.position FROM {schema}.trail_tag t WHERE t.tag = %(tag)s)"""
"""Positions of all events that mention `tag`, as far as the schema is."""


MOST_SILENT = 5.0
"""After so many seconds without a sign of life there is no projector."""


class Lag(NamedTuple):
    """How far a schema is, how far the log, and the seconds since a projector's last sign of life (None: never)."""

    position: int
    head: int
    beat_age: float | None


def create(db: psycopg.Connection[Any], model: ReadModel, schema: str) -> str:
    """Empty tables without indexes, beside the schema whose place they will take; their schema for the time being."""
    fresh = schema + BUILDING
    db.execute(f"DROP SCHEMA IF EXISTS {fresh} CASCADE; CREATE SCHEMA {fresh}".encode())
    db.execute(f"CREATE TABLE {fresh}.place (position bigint NOT NULL, beat_at timestamptz NOT NULL)".encode())
    db.execute(PART.format(schema=fresh).encode())
    db.execute(f'CREATE TABLE {fresh}.trail_tag (tag text COLLATE "C" NOT NULL, position bigint NOT NULL)'.encode())
    for table in (*model.tables, model.parked):
        db.execute(table.create(fresh).encode())
    return fresh


def complete(db: psycopg.Connection[Any], model: ReadModel, schema: str, until: int, selection: Selection) -> None:
    """The trail, the indexes and the place of a schema whose rows are in; then it takes the place of the older one."""
    fresh = schema + BUILDING
    if model.trail:
        db.execute(TRAIL_OF.format(schema=fresh, after=0, until=until, condition=selection.condition).encode())
    db.execute(f"CREATE INDEX ON {fresh}.trail_tag (tag, position)".encode())
    for table in (*model.tables, model.parked):
        db.execute(table.index(fresh).encode())
    db.execute(f"INSERT INTO {fresh}.place VALUES (%s, clock_timestamp())".encode(), (until,))
    names = (*OUR_OWN, *(table.name for table in (*model.tables, model.parked)))
    # a wide table costs seconds of sampling otherwise, and no question here needs finer statistics
    db.execute("SET LOCAL default_statistics_target = 20")
    db.execute(("ANALYZE " + ", ".join(f"{fresh}.{name}" for name in names)).encode())
    if exists(db, schema):
        drop(db, schema)
    db.execute(f"ALTER SCHEMA {fresh} RENAME TO {schema}".encode())
    for function in functions(model, schema, selection):
        db.execute(function.encode())


def functions(model: ReadModel, schema: str, selection: Selection = EVERYTHING) -> tuple[str, ...]:
    """`load` finds rows by their keys, `save` writes a batch with its position, `save_parts` with the parts that it is
    of: one statement each, for all tables."""
    trail = TRAIL_OF.format(schema=schema, after="was", until="now", condition=selection.condition)
    tables = (*model.tables, model.parked)
    load = "".join(table.load(schema) for table in tables)
    save, trail = "".join(table.save(schema) for table in tables), trail if model.trail else ""
    return (
        LOAD.format(schema=schema, parts=load),
        SAVE.format(schema=schema, parts=save + trail),
        SAVE_PARTS.format(schema=schema, tables=save, trail=trail),
    )


def drop(db: psycopg.Connection[Any], schema: str) -> None:
    """End a schema, after those who read in it just now."""
    db.execute(FIRST_OF_ALL.format(schema=schema).encode())
    db.execute(f"DROP SCHEMA {schema} CASCADE".encode())


def exists(db: psycopg.Connection[Any], schema: str) -> bool:
    """Is there such a schema, built to the end?"""
    (place,) = db.execute("SELECT to_regclass(%s)", (f"{schema}.place",)).fetchone() or (None,)
    return place is not None


def lag(db: psycopg.Connection[Any], schema: str) -> Lag:
    """How far a schema is; at nothing, and never alive, if there is none."""
    if not exists(db, schema):
        (head,) = db.execute("SELECT position FROM yewu.head").fetchone() or (0,)
        return Lag(0, head, None)
    found = db.execute(
        "SELECT p.position, h.position, extract(epoch FROM clock_timestamp() - p.beat_at)::float8"
        f" FROM {schema}.place p, yewu.head h".encode()
    ).fetchone()
    return Lag(*found) if found is not None else Lag(0, 0, None)


def drop_unused(db: psycopg.Connection[Any], keep: Collection[str], age: timedelta = timedelta(days=1)) -> list[str]:
    """Drop schemas of older code that no projector has kept alive for so long, those of the past with their own.

    `keep` are live schemas not to be touched, whatever their age. One that somebody reads just now is left for the next
    time, and so is one of another role, which `yewu migrate` hands over. The connection is in autocommit mode.
    """
    found = db.execute(
        "SELECT n.nspname FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'place'"
        " WHERE starts_with(n.nspname, 'rm_') AND pg_has_role(n.nspowner, 'USAGE') ORDER BY n.nspname"
    ).fetchall()
    names = [name for (name,) in found]
    kept = {*keep, *(name for name in names if _alive(db, name, age))}
    unused = [name for name in names if name not in kept and _live_schema_of(name) not in kept]
    return [name for name in unused if drop_quietly(db, name)]


def drop_quietly(db: psycopg.Connection[Any], schema: str) -> bool:
    """Drop a schema and what was asked about it, unless somebody reads it just now."""
    try:
        with db.transaction():
            db.execute("SET LOCAL lock_timeout = '2s'")
            drop(db, schema)
            db.execute("DELETE FROM yewu.build_request WHERE schema_name = %s", (schema,))
    except psycopg.errors.LockNotAvailable:
        return False
    return True


def drop_parked(db: psycopg.Connection[Any], model: ReadModel, row_table: str, row_key: str) -> None:
    """Drop what is kept of the past in which this row is parked: whoever asks again has it built anew."""
    kept = db.execute(
        "SELECT schema_name FROM yewu.build_request WHERE fingerprint = %s AND state = 'ready'", (model.fingerprint,)
    ).fetchall()
    for (name,) in kept:
        query = f"SELECT FROM {name}.{model.parked.name} WHERE row_table = %s AND row_key = %s"
        if exists(db, name) and db.execute(query.encode(), (row_table, row_key)).rowcount:
            drop_quietly(db, name)


def _alive(db: psycopg.Connection[Any], schema: str, age: timedelta) -> bool:
    place = db.execute(f"SELECT beat_at > clock_timestamp() - %s FROM {schema}.place".encode(), (age,)).fetchone()
    return place is not None and bool(place[0])


def _live_schema_of(name: str) -> str:
    return "_".join(name.split("_")[:2])
