"""Whoever works behind the log, and how far behind: one line here, and /metrics and `yewu status` show it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, TypeAlias

import psycopg
from psycopg.rows import class_row
from psycopg_pool import PoolTimeout

from aggregates.value import Value
from services.runtime import Runtime


class Lag(NamedTuple):
    """How much somebody has not done yet, in events where it follows the log; since how many seconds the first of it
    waits, where that is known; and since how many nothing has been heard of them, where they give signs of life."""

    waiting: int
    seconds: float | None
    silence: float | None = None


class RelayStatus(Value):
    """A relay: RUNNING, STANDBY, BLOCKED or DIVERGED, why, and as far as it has published."""

    name: str
    state: str
    detail: str
    position: int


LagOf: TypeAlias = Callable[[Runtime], Awaitable[Lag | None]]


async def projector(runtime: Runtime) -> Lag | None:
    """Events that the live read model has not seen."""
    place = await runtime.rows.place()
    return None if place is None else Lag(place.lag, place.lag_seconds, place.silence)


async def parked(runtime: Runtime) -> Lag | None:
    """Rows that an event holds up until somebody mends, retries or skips it."""
    place = await runtime.rows.place()
    return None if place is None else Lag(place.parked, None)


async def builder(runtime: Runtime) -> Lag | None:
    """Past days that somebody waits for."""
    async with runtime.pool.connection() as db:
        cursor = await db.execute(
            "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(requested_at))::float8, 0)"
            " FROM yewu.build_request WHERE fingerprint = %s AND state IN ('waiting', 'building')",
            (runtime.model.fingerprint,),
        )
        found = await cursor.fetchone()
    return None if found is None else Lag(*found)


async def policies(runtime: Runtime) -> Lag | None:
    """Events that the policy furthest behind has not looked at; its silence is that since it last looked."""
    async with runtime.pool.connection() as db:
        cursor = await db.execute(
            "SELECT h.position - p.position,"
            " coalesce(extract(epoch FROM clock_timestamp() - l.recorded_at)::float8, 0),"
            " extract(epoch FROM clock_timestamp() - p.beat_at)::float8"
            " FROM yewu.head h, yewu.policy p LEFT JOIN yewu.log l ON l.position = p.position + 1"
            " ORDER BY p.position LIMIT 1"
        )
        found = await cursor.fetchone()
    return None if found is None else Lag(*found)


async def relay(runtime: Runtime) -> Lag | None:
    """Events that are not in Kafka yet; None where nobody ever published."""
    async with runtime.pool.connection() as db:
        cursor = await db.execute(
            "SELECT h.position - p.position,"
            " coalesce(extract(epoch FROM clock_timestamp() - l.recorded_at)::float8, 0), p.silence"
            " FROM yewu.head h, (SELECT max(position) AS position,"
            " min(extract(epoch FROM clock_timestamp() - beat_at)::float8) AS silence FROM yewu.relay) p"
            " LEFT JOIN yewu.log l ON l.position = p.position + 1 WHERE p.position IS NOT NULL"
        )
        found = await cursor.fetchone()
    return None if found is None else Lag(*found)


async def relays(runtime: Runtime) -> list[RelayStatus]:
    """Every relay that has given a sign of life in the last minute, and what it is doing."""
    async with runtime.pool.connection() as db:
        cursor = db.cursor(row_factory=class_row(RelayStatus))
        await cursor.execute(
            "SELECT name, state, detail, position FROM yewu.relay"
            " WHERE beat_at > clock_timestamp() - interval '1 minute' AND state <> 'GONE' ORDER BY position DESC, name"
        )
        found: list[RelayStatus] = await cursor.fetchall()
    return found


LAGS: Mapping[str, LagOf] = {
    "projector": projector,
    "parked rows": parked,
    "builder": builder,
    "policies": policies,
    "relay": relay,
}


async def lags(runtime: Runtime) -> Mapping[str, Lag]:
    """Of everybody of whom it is known; nobody while the database is away."""
    found: dict[str, Lag] = {}
    for name, lag_of in LAGS.items():
        try:
            lag = await lag_of(runtime)
        except (psycopg.Error, PoolTimeout):
            continue
        if lag is not None:
            found[name] = lag
    return found
