"""The process of the policies and the clock: the only active one, across lost connections, until told to stop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from infra.append import FactsTooOld, Unavailable
from infra.contents import contents_of
from infra.dispatcher import Contended
from infra.keys import KeysUnavailable
from infra.reading import Behind
from infra.settings import Settings
from services.composition import POLICIES
from services.keys import sealing
from services.policies.alarms import Alarms
from services.policies.clock import Clock
from services.policies.follower import Moved, PolicyFollower
from services.runtime import Runtime

if TYPE_CHECKING:
    from infra.tracing import Tracing

log = structlog.get_logger()

LOOK, TICK, AWAY, STANDBY = 0.05, 0.5, 1.0, 0.5
"""Seconds between two looks at the log, at the time, at a database that is away, and at whether we may begin."""

NOT_NOW = (psycopg.Error, PoolTimeout, Unavailable, KeysUnavailable, Behind, Contended, FactsTooOld, Moved)
"""Whatever passes: the same is tried again."""


def run(conninfo: str, settings: Settings, stop: threading.Event, tracing: Tracing | None = None) -> None:
    """Work until told to stop."""
    asyncio.run(_run(conninfo, settings, stop, tracing))


async def _run(conninfo: str, settings: Settings, stop: threading.Event, tracing: Tracing | None) -> None:
    while not stop.is_set():
        try:
            async with await psycopg.AsyncConnection.connect(
                conninfo, autocommit=True, application_name="yewu-policies"
            ) as lock:
                if await _alone(lock, stop):
                    machinery = Runtime(
                        conninfo,
                        settings.zone,
                        sealing(settings),
                        pool_size=4,
                        tracing=tracing,
                        contents=contents_of(settings),
                    )
                    await _work(machinery, stop, lock)
        except NOT_NOW as error:
            log.warning("the policies wait", error=str(error).strip())
            await _pause(stop, AWAY)


async def _alone(lock: psycopg.AsyncConnection[object], stop: threading.Event) -> bool:
    """Wait until no other process works for the policies. The lock ends with the connection."""
    while not stop.is_set():
        cursor = await lock.execute("SELECT pg_try_advisory_lock(hashtextextended('policies', 0))")
        if await cursor.fetchone() == (True,):
            return True
        await _pause(stop, STANDBY)
    return False


async def _work(machinery: Runtime, stop: threading.Event, lock: psycopg.AsyncConnection[object]) -> None:
    async with machinery.running() as runtime:
        followers = [PolicyFollower(runtime, policy) for policy in POLICIES]
        clocks = [Clock(runtime).tick, *(Alarms(runtime, policy).ring for policy in POLICIES if policy.alarms)]
        jobs = [
            *(asyncio.create_task(_again_and_again(follower.step, LOOK, stop)) for follower in followers),
            *(asyncio.create_task(_again_and_again(clock, TICK, stop)) for clock in clocks),
            asyncio.create_task(_again_and_again(lambda: _still_ours(lock), AWAY, stop)),
        ]
        try:
            await asyncio.gather(*jobs)
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)


async def _still_ours(lock: psycopg.AsyncConnection[object]) -> int:
    """The lock is held as long as its connection lives; a dead one ends the work."""
    await lock.execute("SELECT 1")
    return 0


async def _again_and_again(job: Callable[[], Awaitable[int]], pause: float, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            if await job():
                continue
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName, Behind, Contended):
            # the read model of this code is not there yet, or others are faster just now
            await _pause(stop, AWAY)
        await _pause(stop, pause)


async def _pause(stop: threading.Event, seconds: float) -> None:
    """Long enough, or until told to stop."""
    end = time.monotonic() + seconds
    while not stop.is_set() and (left := end - time.monotonic()) > 0:
        await asyncio.sleep(min(left, LOOK))
