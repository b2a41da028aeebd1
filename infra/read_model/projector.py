"""The projector: the process that builds the schema of its code, and keeps it level with the log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import structlog

from infra.read_model import schema as schemas
from infra.read_model.engine import ReadModel
from infra.read_model.follower import Follower, Overtaken
from infra.read_model.parts import leave
from infra.read_model.rebuild import Progress, build

log = structlog.get_logger()

FAR_BEHIND = 50_000
"""From here on it is quicker to build anew than to catch up."""

QUICK, SLOW = 0.005, 0.050
"""Seconds between two looks at the log: at first, and after a while without news."""

BEAT = 1.0
TIDY = 3600.0
"""Seconds between two signs of life, and between two looks for schemas that nobody uses any more and for answers whose
keys count no more."""

STANDBY = 0.5
STANDS_BY = "stands by: another projector keeps this schema, from the log or from Kafka, and may end first"
ALONE = "pg_try_advisory_lock"
LONGEST_PAUSE = 10.0


CHANGED_HANDS = (
    Overtaken,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.InvalidSchemaName,
)
"""Somebody built the schema anew, or dropped it."""


class Projector:
    """The only active one of its fingerprint: any other stands by, and takes over when this one is gone."""

    def __init__(
        self,
        conninfo: str,
        model: ReadModel,
        *,
        far_behind: int = FAR_BEHIND,
        follower: Callable[[psycopg.Connection[Any], ReadModel], Follower] = Follower,
    ) -> None:
        self.conninfo, self.model, self.far_behind, self._follower = conninfo, model, far_behind, follower
        self._news = threading.Event()

    def wake(self) -> None:
        """Something was committed: look at once."""
        self._news.set()

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop, across lost connections. Poisoned ends it: an event whose rows nobody can name."""
        pause = QUICK
        while not stop.is_set():
            try:
                with psycopg.connect(self.conninfo, autocommit=True, application_name="yewu-projector") as db:
                    pause = QUICK
                    self._serve(db, stop)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                log.warning("the database is away", error=str(error).strip(), again_in=pause)
                stop.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            except CHANGED_HANDS as error:
                log.warning("the schema changed hands", schema=self.model.schema, error=str(error).strip())

    def _serve(self, db: psycopg.Connection[Any], stop: threading.Event) -> None:
        if not self._alone(db, stop):
            return
        if self._needs_building(db):
            self._build(db)
        follower = self._follower(db, self.model)
        pause, beat, tidy, asked = QUICK, time.monotonic(), float("-inf"), float("-inf")
        while not stop.is_set():
            now = time.monotonic()
            if now - asked >= BEAT:
                self._retry(db, follower)
                asked = now
            if follower.step():
                pause, beat = QUICK, now
                continue
            if now - beat >= BEAT:
                follower.beat()
                beat = now
            if now - tidy >= TIDY:
                self._tidy(db)
                tidy = now
            if self._news.wait(pause):
                self._news.clear()
                pause = QUICK
            else:
                pause = min(pause * 1.5, SLOW)

    def _tidy(self, db: psycopg.Connection[Any]) -> None:
        """Drop what nobody uses any more."""
        schemas.drop_unused(db, {self.model.schema})
        db.execute("SELECT yewu.forget_answers()")

    def _retry(self, db: psycopg.Connection[Any], follower: Follower) -> None:
        """Fold the parked rows again that somebody asked for, here and in what is kept of the past."""
        rows = self._to_retry(db)
        if rows:
            log.info("folding parked rows again", schema=self.model.schema, rows=len(rows))
            follower.retry(rows)
            self._retried(db, rows)

    def _to_retry(self, db: psycopg.Connection[Any]) -> list[tuple[str, str]]:
        query = "SELECT row_table, row_key FROM yewu.retry_request WHERE schema_name = %s"
        return db.execute(query, (self.model.schema,), prepare=True).fetchall()

    def _retried(self, db: psycopg.Connection[Any], rows: Iterable[tuple[str, str]]) -> None:
        for row in rows:
            schemas.drop_parked(db, self.model, *row)
            db.execute(
                "DELETE FROM yewu.retry_request WHERE (schema_name, row_table, row_key) = (%s, %s, %s)",
                (self.model.schema, *row),
            )

    def _alone(self, db: psycopg.Connection[Any], stop: threading.Event) -> bool:
        """Wait until no other projector of this fingerprint is active. The lock ends with the connection."""
        told = False
        while not stop.is_set():
            if self._lock(db, ALONE):
                return True
            if not told:
                log.info(STANDS_BY, schema=self.model.schema)
                told = True
            stop.wait(STANDBY)
        return False

    def _lock(self, db: psycopg.Connection[Any], how: str) -> bool:
        """Take or give back the lock that says who keeps the schema; False if it is not to be had just now."""
        query = f"SELECT {how}(hashtextextended(%s, 0))"
        (done,) = db.execute(query.encode(), (f"projector of {self.model.schema}",)).fetchone() or (False,)
        return bool(done)

    def _needs_building(self, db: psycopg.Connection[Any]) -> bool:
        if not schemas.exists(db, self.model.schema) or not leave(db, self.model.schema):
            return True
        lag = schemas.lag(db, self.model.schema)
        return lag.head - lag.position > self.far_behind

    def _build(self, db: psycopg.Connection[Any]) -> None:
        log.info("building", schema=self.model.schema)
        with (
            psycopg.connect(self.conninfo, autocommit=True, application_name="yewu-rebuild") as reader,
            told(self.conninfo, self.model.schema) as progress,
        ):
            position = build(reader, db, self.model, progress=progress)
        log.info("built", schema=self.model.schema, position=position)


@contextmanager
def told(conninfo: str, schema: str) -> Iterator[Progress]:
    """Let others see in `yewu.rebuild` how far a schema is, at most twice a second, until it is done or given up."""
    with psycopg.connect(conninfo, autocommit=True) as db:
        last = 0.0

        def progress(done: int, goal: int) -> None:
            nonlocal last
            if time.monotonic() - last > STANDBY:
                last = time.monotonic()
                db.execute(
                    "INSERT INTO yewu.rebuild (schema_name, done, goal) VALUES (%s, %s, %s) ON CONFLICT (schema_name)"
                    " DO UPDATE SET done = excluded.done, goal = excluded.goal",
                    (schema, done, goal),
                )

        progress(0, 0)
        try:
            yield progress
        finally:
            if not db.closed:
                db.execute("DELETE FROM yewu.rebuild WHERE schema_name = %s", (schema,))
