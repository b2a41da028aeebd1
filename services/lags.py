"""Whoever works behind the log, and how far behind: one line here, and /metrics and `yewu status` show it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import LiteralString, NamedTuple, TypeAlias

import psycopg
from psycopg import sql
from psycopg.rows import class_row
from psycopg_pool import PoolTimeout

from aggregates.value import Value
from services.composition import POLICIES
from services.policies.alarms import due_by
from services.policies.policy import Policy
from services.runtime import Runtime


class Lag(NamedTuple):
    """How much somebody has not done yet, in events where it follows the log; since how many seconds the first of it
    waits, where that is known; and since how many nothing has been heard of them, where they give signs of life."""

    waiting: int
    seconds: float | None
    silence: float | None = None


RELAY_STATES = ("RUNNING", "STANDBY", "BLOCKED", "DIVERGED")


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


def policy(name: str) -> LagOf:
    """Events that this policy has not looked at, and since when it has not looked at all; None before it ever did."""

    async def behind(runtime: Runtime) -> Lag | None:
        return await _behind(runtime, "SELECT position, beat_at FROM yewu.policy WHERE name = %s", name)

    return behind


def due(policy: Policy) -> LagOf:
    """What this policy has not done though its time has come: it is not at work, or the business says no each time."""

    async def waiting(runtime: Runtime) -> Lag | None:
        now = sql.SQL("clock_timestamp()")
        times = sql.SQL(" UNION ALL ").join(
            sql.SQL("SELECT {at} AS at {rows}").format(
                at=sql.Identifier(alarm.at), rows=due_by(runtime.model.schema, alarm, now)
            )
            for alarm in policy.alarms
        )
        late = sql.SQL(
            "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0)::float8 FROM ({times}) t"
        ).format(times=times)
        async with runtime.pool.connection() as db:
            found = await (await db.execute(late)).fetchone()
        return None if found is None else Lag(*found)

    return waiting


async def relay(runtime: Runtime) -> Lag | None:
    """Events that are not in Kafka yet; None where nobody ever published."""
    return await _behind(runtime, "SELECT max(position) AS position, max(beat_at) AS beat_at FROM yewu.relay")


async def _behind(runtime: Runtime, reader: LiteralString, *named: str) -> Lag | None:
    """How far a reader of the log is behind its head; the query finds its position, and when it last gave a sign."""
    async with runtime.pool.connection() as db:
        cursor = await db.execute(
            "SELECT h.position - r.position,"
            " coalesce(extract(epoch FROM clock_timestamp() - l.recorded_at)::float8, 0),"
            " extract(epoch FROM clock_timestamp() - r.beat_at)::float8"
            f" FROM yewu.head h, ({reader}) r LEFT JOIN yewu.log l ON l.position = r.position + 1"
            " WHERE r.position IS NOT NULL",
            named,
        )
        found = await cursor.fetchone()
    return None if found is None else Lag(*found)


async def relays(runtime: Runtime) -> list[RelayStatus]:
    """Every relay that has given a sign of life in the last minute, and what it is doing. One that publishes nothing is
    among them however long ago it said so, until another one has got on."""
    async with runtime.pool.connection() as db:
        cursor = db.cursor(row_factory=class_row(RelayStatus))
        await cursor.execute(
            "SELECT name, state, detail, position FROM yewu.relay WHERE state IN ('BLOCKED', 'DIVERGED')"
            " OR (beat_at > clock_timestamp() - interval '1 minute' AND state <> 'GONE') ORDER BY position DESC, name"
        )
        found: list[RelayStatus] = await cursor.fetchall()
    return found


LAGS: Mapping[str, LagOf] = {
    "projector": projector,
    "parked rows": parked,
    "builder": builder,
    **{f"policy {each.name}": policy(each.name) for each in POLICIES},
    **{f"policy {each.name}, due": due(each) for each in POLICIES if each.alarms},
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
