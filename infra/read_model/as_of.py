"""The past: one thing folded on the fly, a list in a schema that is built for its moment and kept."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo
from typing import Any, Generic, NamedTuple

import psycopg
import structlog
from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool

from aggregates.ids import THE_PARKING
from infra.read_model import schema as schemas
from infra.read_model.engine import Engine, ReadModel, is_own
from infra.read_model.follower import Follower
from infra.read_model.lines import LINE, Line
from infra.read_model.parking import SKIPPED, SKIPS, Parking, skips_among
from infra.read_model.rebuild import build
from infra.read_model.references import References
from infra.read_model.schema import MENTIONS
from infra.read_model.selection import Selection, Supposed
from infra.read_model.settling import named_in
from infra.reading import Behind
from projections.parked import Parked
from projections.row import KeyValue, R, View

log = structlog.get_logger()

FAR_BEHIND = 50_000
"""From so many events on it is quicker to build anew than to bring a kept schema forward."""

IDLE, AWAY = 0.05, 1.0
"""Seconds between two looks at the requests, and at a database that is away."""

LATEST = (1 << 63) - 1
"""No position comes behind it."""

MOST_UNSEEN = 20_000
"""Events behind a kept schema among which an API process still looks for some of its selection by itself."""


class Building(NamedTuple):
    """A schema that is not ready yet: how much of the log has been read for it, and how much there is to read."""

    done: int
    goal: int


class BuildFailed(Exception):
    """A schema of the past could not be built; the builder's own words say why."""


class Thing(NamedTuple, Generic[R]):
    """One row as it was, None if there was none, and why it stood still, if so."""

    row: R | None
    parked: Parked | None


class Request(NamedTuple):
    """A schema that somebody wants, or keeps."""

    schema_name: str
    fingerprint: str
    tables: list[str]
    as_of: datetime | None
    known_at: datetime | None
    requested_at: datetime
    used_at: datetime
    state: str
    done: int
    goal: int
    error: str | None
    supposing: list[str]

    @property
    def selection(self) -> Selection:
        """The events that it is folded from."""
        supposing = tuple(map(Supposed.read, self.supposing))
        return Selection(as_of=self.as_of, known_at=self.known_at, supposing=supposing)


async def thing_as_of(
    db: psycopg.AsyncConnection[Any], model: ReadModel, view: View[R], key: KeyValue, selection: Selection
) -> Thing[R]:
    """The row of one key as it was, folded from its own events.

    A row that one stream makes is folded from that stream; any other from the events that carry its id, found by the
    trail of the live schema (Behind while there is none), or from all events of its types if its key is no id.
    """
    engine = model.engine_of(view)
    async with db.transaction():
        await db.execute("SET LOCAL TimeZone = 'UTC'")
        references = await model.references.selected(db, selection) if engine.refers else References()
        lines = await _lines_about(db, model, engine, view, key, selection)
        async with db.cursor(binary=True) as cursor:
            await cursor.execute((SKIPS + selection.condition).encode(), (THE_PARKING, SKIPPED, LATEST))
            skips = list(skips_among(await cursor.fetchall(), model.codec))
    shelves, parking = engine.shelves(), Parking(engine.tables, skips)
    engine.fold(engine.read(lines), shelves, references, parking, of_the_past=selection.of_the_past)
    row: Any = shelves[0].get(key)  # the only shelf of an engine for this view alone
    return Thing(row, parking.rows.get((0, key)))


async def schema_as_of(
    pool: AsyncConnectionPool[Any],
    model: ReadModel,
    tables: Iterable[str],
    selection: Selection,
    patience: float = 2.0,
) -> str | Building:
    """The schema that holds these tables of the model as they were, up to the present head of the log.

    If it has to be built it is asked for; after `patience` seconds the answer is how far it is. BuildFailed if it
    cannot be built.
    """
    wanted = sorted(set(tables))
    name = model.schema_of(wanted, selection)
    deadline, pause = time.monotonic() + patience, 0.01
    async with pool.connection() as db:
        (head,) = await (await db.execute("SELECT position FROM yewu.head")).fetchone() or (0,)
    again = False
    while True:
        async with pool.connection() as db:
            request = await _request(db, name, model.fingerprint, wanted, selection, again=again)
        if request.state == "failed":
            raise BuildFailed(request.error)
        again = request.state == "ready"
        if again:
            async with pool.connection() as db:
                if await fresh(db, name, selection, head):
                    return name
            continue
        if time.monotonic() > deadline:
            return Building(request.done, request.goal)
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.1)


async def fresh(db: psycopg.AsyncConnection[Any], schema: str, selection: Selection, until: int) -> bool:
    """Has nothing of the selection come behind a kept schema, up to a position? False also if it is not there any more,
    and if too much has come to look through.

    Nothing is recorded before what is already recorded: one event after `known_at` says that no other will come.
    """
    known_at = selection.known_at
    over = "" if known_at is None else (
        " OR EXISTS (SELECT 1 FROM yewu.log l WHERE l.position = p.position + 1 AND l.recorded_at > %(known_at)s)"
    )  # fmt: skip
    query = (
        f"SELECT p.position >= %(until)s{over} OR (%(until)s - p.position <= {MOST_UNSEEN} AND NOT EXISTS (SELECT 1"
        f" FROM yewu.log l WHERE l.position > p.position AND l.position <= %(until)s{selection.condition}))"
        f" FROM {schema}.place p"
    )
    try:
        cursor = await db.execute(query.encode(), {"until": until, "known_at": known_at})
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        await db.rollback()
        return False
    found = await cursor.fetchone()
    return found is not None and bool(found[0])


async def _request(
    db: psycopg.AsyncConnection[Any],
    name: str,
    fingerprint: str,
    tables: Sequence[str],
    selection: Selection,
    *,
    again: bool,
) -> Request:
    async with db.cursor(row_factory=class_row(Request)) as cursor:
        await cursor.execute(
            "SELECT * FROM yewu.request_build(%s, %s, %s, %s, %s, %s, %s)",
            (
                name,
                fingerprint,
                list(tables),
                selection.as_of,
                selection.known_at,
                list(map(str, selection.supposing)),
                again,
            ),
        )
        found = await cursor.fetchone()
    if found is None:
        raise BuildFailed(f"{name} cannot be asked for")
    return found


async def _lines_about(
    db: psycopg.AsyncConnection[Any],
    model: ReadModel,
    engine: Engine,
    view: View[Any],
    key: KeyValue,
    selection: Selection,
) -> list[Line]:
    """The lines of the selection that the row of one key is folded from, in the order of the log; others may be among
    them."""
    named = named_in(view, key)
    if is_own(view):
        source = "yewu.log l WHERE l.stream_id = %(tag)s"
        if not named:
            return []
    else:
        source = f"{MENTIONS.format(schema=model.schema)} m JOIN yewu.log l USING (position) WHERE true"
    if not named:
        source = "yewu.log l WHERE true"
    async with db.cursor(binary=True) as cursor:
        try:
            await cursor.execute(
                f"SELECT {LINE} FROM {source} AND l.type = ANY(%(types)s){selection.condition}"
                " ORDER BY l.position".encode(),
                {"tag": next(iter(named), None), "types": engine.types},
            )
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            raise Behind(0, None) from None
        return await cursor.fetchall()


class AsOfBuilder:
    """Builds the schemas of other times that are asked for, brings kept ones forward, and drops the least used.

    `keep` of them stay, besides those of month ends. Several builders share the work; each schema has one at a time.
    """

    def __init__(self, conninfo: str, model: ReadModel, *, zone: tzinfo, keep: int = 20) -> None:
        self.conninfo, self.model, self.keep, self.zone = conninfo, model, keep, zone

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop, across lost connections."""
        while not stop.is_set():
            try:
                with psycopg.connect(self.conninfo, autocommit=True, application_name="yewu-builder") as db:
                    while not stop.is_set():
                        if self.step(db) is None:
                            stop.wait(IDLE)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                log.warning("the database is away", error=str(error).strip())
                stop.wait(AWAY)

    def step(self, db: psycopg.Connection[Any]) -> str | None:
        """Take the oldest request that nobody works at; the name of its schema, None if there is nothing to do."""
        for request in self._open_requests(db):
            lock = (f"builder of {request.schema_name}",)
            (ours,) = db.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", lock).fetchone() or (False,)
            if ours:
                try:
                    self._answer(db, request)
                    self._drop_least_used(db)
                finally:
                    if not db.closed:
                        db.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", lock)
                return request.schema_name
        return None

    def _open_requests(self, db: psycopg.Connection[Any]) -> list[Request]:
        """One that is being built may have lost its builder: the lock tells."""
        with db.cursor(row_factory=class_row(Request)) as cursor:
            return cursor.execute(
                "SELECT * FROM yewu.build_request WHERE fingerprint = %s AND state IN ('waiting', 'building')"
                " ORDER BY requested_at",
                (self.model.fingerprint,),
                prepare=True,
            ).fetchall()

    def _answer(self, db: psycopg.Connection[Any], request: Request) -> None:
        (state,) = db.execute(
            "UPDATE yewu.build_request SET state = 'building', error = NULL, done = 0, goal = 0"
            " WHERE schema_name = %s AND state IN ('waiting', 'building') RETURNING state",
            (request.schema_name,),
        ).fetchone() or (None,)
        if state is None:
            return
        try:
            self._make(db, request)
        except psycopg.OperationalError:
            raise
        except Exception as problem:  # whatever it is, whoever asked must not wait for ever
            log.exception("a schema of the past cannot be built", schema=request.schema_name)
            self._say(db, request, "failed", str(problem))
        else:
            self._say(db, request, "ready", None)

    def _make(self, db: psycopg.Connection[Any], request: Request) -> None:
        name, selection = request.schema_name, request.selection
        if name != self.model.schema_of(request.tables, selection):
            raise ValueError(f"{name} is not the name of what is asked for")
        model = self.model.only(request.tables)

        def progress(done: int, goal: int) -> None:
            db.execute(
                "UPDATE yewu.build_request SET done = %s, goal = %s WHERE schema_name = %s",
                (done, goal, name),
                prepare=True,
            )

        with psycopg.connect(self.conninfo, autocommit=True, application_name="yewu-builder") as writer:
            if not schemas.exists(writer, name) or self._far_behind(writer, name, selection):
                with psycopg.connect(self.conninfo, autocommit=True, application_name="yewu-builder") as reader:
                    build(reader, writer, model, schema=name, selection=selection, progress=progress)
            Follower(writer, model, schema=name, selection=selection).catch_up()

    def _far_behind(self, db: psycopg.Connection[Any], schema: str, selection: Selection) -> bool:
        """Is it quicker to build anew than to bring it forward?"""
        (news,) = db.execute(
            f"SELECT count(*) FROM (SELECT 1 FROM yewu.log l, {schema}.place p WHERE l.position > p.position"
            f"{selection.condition} LIMIT {FAR_BEHIND}) news".encode()
        ).fetchone() or (0,)
        return int(news) >= FAR_BEHIND

    def _say(self, db: psycopg.Connection[Any], request: Request, state: str, error: str | None) -> None:
        db.execute(
            "UPDATE yewu.build_request SET state = %s, error = %s WHERE schema_name = %s",
            (state, error, request.schema_name),
        )

    def _drop_least_used(self, db: psycopg.Connection[Any]) -> None:
        with db.cursor(row_factory=class_row(Request)) as cursor:
            kept = cursor.execute(
                "SELECT * FROM yewu.build_request WHERE fingerprint = %s AND state = 'ready' ORDER BY used_at DESC",
                (self.model.fingerprint,),
            ).fetchall()
        for request in [each for each in kept if not each.selection.is_month_end(self.zone)][self.keep :]:
            schemas.drop_quietly(db, request.schema_name)
