"""From commit to visible: how long until a row of the read model shows what was decided."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import psycopg

from benchmarks.desk import Desk, assessed_complaints, give, runtime_of, set_up
from benchmarks.harness import Bench, Figure, Measured, loop
from benchmarks.projector import SCHEMA, projecting
from benchmarks.yardstick import single_row_inserts
from services.runtime import Runtime

RATE = 1000
"""Commands a second: half of them receive complaints, the others give known ones to somebody else."""
COMPLAINTS = 1000
GLANCE = 0.001
"""Seconds between two looks at the read model; as much is added to each figure at most."""


def measure(bench: Bench) -> Measured:
    """Commands come at a steady pace whatever becomes of them; the projector is a process of its own."""
    halves, hundredths = list[float](), list[float]()
    with (
        bench.server.database() as conninfo,
        loop() as runner,
        single_row_inserts(conninfo, bench.size.seconds) as insert,
    ):
        inserts = [insert()]
        memory = runner.run(_all_rounds(conninfo, bench, halves, hundredths))
        inserts.append(insert())
    figures = {"lag_p50_ms": Figure.of(halves), "lag_p99_ms": Figure.of(hundredths)}
    return Measured(figures, {}, {"projector at 1,000 commands/s": memory}, Figure.of(inserts))


async def _all_rounds(conninfo: str, bench: Bench, halves: list[float], hundredths: list[float]) -> float:
    runtime = runtime_of(conninfo, bench.folder)
    async with runtime.running():
        desk = await set_up(runtime)
        complaints = await assessed_complaints(runtime, desk, COMPLAINTS)
        with projecting(conninfo) as projector:
            orders = _orders(runtime, desk, complaints)
            for _ in range(bench.size.rounds):
                lags = sorted(await _round(conninfo, orders, bench.size.lag_seconds))
                halves.append(lags[len(lags) // 2] * 1000)
                hundredths.append(lags[len(lags) * 99 // 100] * 1000)
            return projector.memory()


def _orders(runtime: Runtime, desk: Desk, complaints: list[str]) -> Iterator[Any]:
    """Commands without end, none of them in another's way."""
    for n in count():
        handler = desk.handlers[n // COMPLAINTS % 2]
        yield give(runtime, desk.clerk, "complaint.assign", complaints[n % COMPLAINTS], handler_id=handler)
        yield give(
            runtime, desk.clerk, "complaint.receive", customer_id=desk.customer, channel="phone",
            facts="The boiler has been cold since Monday.", remedy_sought="A warm boiler by Friday.",
        )  # fmt: skip


async def _round(conninfo: str, orders: Iterator[Any], seconds: float) -> list[float]:
    """How long each event of a round was on record before it was visible, in seconds."""
    committed: dict[int, float] = {}
    lags: list[float] = []
    ended = asyncio.Event()

    async def order(command: Any) -> None:
        answer = await command
        committed[answer.position] = time.perf_counter()

    async def watch() -> None:
        async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as db:
            while committed or not ended.is_set():
                cursor = await db.execute(f"SELECT position FROM {SCHEMA}.place".encode(), prepare=True)
                (visible,) = await cursor.fetchone() or (0,)
                now = time.perf_counter()
                seen = [position for position in committed if position <= visible]
                lags.extend(now - committed.pop(position) for position in seen)
                await asyncio.sleep(GLANCE)

    watching = asyncio.create_task(watch())
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for n in range(round(seconds * RATE)):
            await asyncio.sleep(max(0.0, begun + n / RATE - time.perf_counter()))
            group.create_task(order(next(orders)))
    ended.set()
    await watching
    return lags
