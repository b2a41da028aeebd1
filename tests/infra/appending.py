"""What tests of the log are written in: appends in one line, a writer for a while, and what every log must be like."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from functools import wraps
from itertools import pairwise
from typing import Any, NamedTuple, ParamSpec
from uuid import UUID, uuid4

import psycopg

from infra.append import Append, Appended, Change, Entry
from infra.codec import Stored
from infra.event_store import Writer
from infra.guard_memory import Guard

P = ParamSpec("P")
ANNA = "employee-anna"


def asynchronous(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A test that awaits."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


def entry(
    stream_id: str,
    type_: str = "Noted",
    *tags: str,
    data: bytes = b"{}",
    meta: bytes = b"{}",
    held: Sequence[tuple[str, str]] = (),
    at: datetime | None = None,
) -> Entry:
    """An event on a stream, about the stream itself and whoever else is named."""
    return Entry(Stored(type_, 1, data, (stream_id, *tags), tuple(held)), meta, at)


def append(
    stream_id: str,
    expected: int | None,
    *entries: Entry,
    key: UUID | None = None,
    guards: Sequence[Guard] = (),
    body_hash: str | None = None,
) -> Append:
    """One decision on one stream; without entries, something was noted."""
    return Append(
        ANNA, key or uuid4(), (Change(stream_id, expected, entries or (entry(stream_id),)),), tuple(guards), body_hash
    )


@asynccontextmanager
async def writing(conninfo: str, **options: Any) -> AsyncIterator[Writer]:
    """A writer that runs."""
    writer = Writer(conninfo, **options)
    await writer.start()
    try:
        yield writer
    finally:
        await writer.stop()


async def all_of(writer: Writer, *appends: Append) -> list[Appended | BaseException]:
    """Give them all at the same moment; each one's answer, or why there is none."""
    asking = asyncio.gather(*map(writer.append, appends), return_exceptions=True)
    return await asyncio.wait_for(asking, 60)


async def eventually(true: Callable[[], Awaitable[object]], seconds: float = 10) -> None:
    """Look again and again until something is so; AssertionError if it never is."""
    deadline = time.monotonic() + seconds
    while not await true():
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        await asyncio.sleep(0.005)


async def somebody_waits_for_a_lock(db: psycopg.AsyncConnection[Any]) -> bool:
    """Does anybody on this database wait for a row that another transaction holds?"""
    cursor = await db.execute(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return await cursor.fetchone() is not None


@contextmanager
def processes(number: int) -> Iterator[ProcessPoolExecutor]:
    """Processes of their own, each ready before the first has anything to do."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(number, context) as pool:
        together = context.Manager() if number > 1 else None
        if together is not None:
            with together:
                barrier = together.Barrier(number)
                for ready in [pool.submit(barrier.wait) for _ in range(number)]:
                    ready.result(timeout=60)
        try:
            yield pool
        except BaseException:
            for process in pool._processes.values():
                process.kill()
            raise


class Row(NamedTuple):
    """What tests ask of a row of the log."""

    position: int
    stream_id: str
    version: int
    type: str
    recorded_at: datetime
    effective_at: datetime
    command_id: UUID
    data: bytes
    tags: list[str]


def whole_log(conninfo: str) -> list[Row]:
    """The log, of which everything is true that is true of every log."""
    with psycopg.connect(conninfo, autocommit=True) as db:
        rows = [
            Row(*row)
            for row in db.execute(
                "SELECT position, stream_id, version, type, recorded_at, effective_at, command_id, data, tags"
                " FROM yewu.log ORDER BY position"
            )
        ]
        (head,) = db.execute("SELECT position FROM yewu.head").fetchone() or (None,)
    assert [row.position for row in rows] == list(range(1, len(rows) + 1))
    assert head == len(rows)
    versions: dict[str, int] = {}
    for row in rows:
        assert row.version == versions.get(row.stream_id, 0) + 1, f"{row.stream_id} has a gap at {row.version}"
        versions[row.stream_id] = row.version
    assert all(row.recorded_at >= before.recorded_at for before, row in pairwise(rows))
    assert all(row.effective_at <= row.recorded_at for row in rows)
    return rows
