"""A department that has been at work for longer than the test: what is on record grows older."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec
import psycopg

from infra.settings import Settings
from tests.conftest import new_database
from tests.services.running import Yewu, running

T = TypeVar("T")
INSTANT = re.compile(rb'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"')
ZONE = Settings.read({}).zone


def last(month: int, day: int) -> date:
    """The last such day that has been over for two weeks at least."""
    over = datetime.now(ZONE).date() - timedelta(days=14)
    found = date(over.year, month, day)
    return found if found <= over else found.replace(year=over.year - 1)


def noon(day: date) -> datetime:
    """In the middle of a day of the company."""
    return datetime.combine(day, time(12), ZONE)


@contextmanager
def going_on(postgres: str, home: Path, begun: date, begin: Callable[[Yewu], T]) -> Iterator[tuple[Yewu, T]]:
    """A department that did on an earlier day what `begin` does, with what that answers, and works on today."""
    for database in new_database(postgres):
        with running(database, home) as yewu:
            what, manager_id = begin(yewu), yewu.manager_id
        grow_older(database, datetime.now(UTC) - noon(begun))
        with running(database, home, manager_id=manager_id) as yewu:
            yield yewu, what


def grow_older(database: str, by: timedelta) -> None:
    """As if everything on record had been true, and been recorded, so much earlier; days that events name stay.

    The rows are made anew from it.
    """
    with psycopg.connect(database) as db:
        db.execute("SET session_replication_role = replica")
        db.execute("UPDATE yewu.log SET recorded_at = recorded_at - %s, effective_at = effective_at - %s", (by, by))
        db.execute("UPDATE yewu.head SET recorded_at = recorded_at - %s", (by,))
        for position, data in db.execute("SELECT position, data FROM yewu.log").fetchall():
            if (older := INSTANT.sub(lambda found: _earlier(found[0], by), data)) != data:
                db.execute("UPDATE yewu.log SET data = %s WHERE position = %s", (older, position))
        for (schema,) in db.execute(r"SELECT nspname FROM pg_namespace WHERE nspname LIKE 'rm\_%'").fetchall():
            db.execute(f"DROP SCHEMA {schema} CASCADE")
        db.execute("DELETE FROM yewu.build_request")


def _earlier(instant: bytes, by: timedelta) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(instant, type=datetime) - by)
