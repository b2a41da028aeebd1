"""Append: one event at a time, with tags; against the stock recorder and single-row INSERTs."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from eventsourcing.postgres import PostgresApplicationRecorder

from benchmarks.harness import CALLERS, Bench, Measured, Round, figures, in_tasks, in_threads, loop, take_turns, times
from benchmarks.sample import ANNA, entry, new_complaint, new_id
from benchmarks.stock import stock_event, stock_recorder
from benchmarks.yardstick import single_row_inserts
from infra.append import Append, Change
from infra.event_store import Writer

T = TypeVar("T")
MOST_A_SECOND = 100_000


def measure(bench: Bench) -> Measured:
    """32 callers and one, each with one event on a new stream at a time."""
    seconds = bench.size.seconds
    with (
        bench.server.database() as conninfo,
        appends(conninfo, CALLERS, seconds) as many,
        appends(conninfo, 1, seconds) as one,
        single_row_inserts(conninfo, seconds) as insert,
        stock_recorder(conninfo) as stock,
    ):
        rounds = take_turns(
            bench.size.rounds,
            {
                "append, 32 callers": many,
                "stock recorder, 32 callers": lambda: stock_appends(stock, CALLERS, seconds),
                "single-row INSERT, 32 callers": insert,
                "append, 1 caller": one,
                "stock recorder, 1 caller": lambda: stock_appends(stock, 1, seconds),
            },
        )
    ours, stock_32, insert_32, ours_1, stock_1 = rounds.values()
    return Measured(
        {
            "append_32_vs_stock": times(ours, stock_32),
            "append_32_vs_insert": times(ours, insert_32),
            "append_1_vs_stock": times(ours_1, stock_1),
        },
        figures(rounds),
    )


@contextmanager
def appends(conninfo: str, callers: int, seconds: float, *, keyed: bool = False) -> Iterator[Round]:
    """Rounds of our own; with `keyed` appends, their answers are kept too."""
    writer = Writer(conninfo)

    def made() -> Append:
        stream_id = new_complaint()
        change = Change(stream_id, 0, (entry(stream_id),))
        return Append(ANNA, new_id(), (change,), body_hash="0" * 64 if keyed else None)

    def run() -> float:
        with beforehand(made, seconds) as ready:
            return runner.run(in_tasks(callers, seconds, lambda _caller: writer.append(ready.pop())))

    with loop() as runner:
        runner.run(writer.start())
        try:
            yield run
        finally:
            runner.run(writer.stop())


def stock_appends(stock: PostgresApplicationRecorder, callers: int, seconds: float) -> float:
    """One round of the rival's."""
    with beforehand(stock_event, seconds) as ready:
        return in_threads(callers, seconds, lambda _caller: stock.insert_events([ready.pop()]))


@contextmanager
def beforehand(make: Callable[[], T], seconds: float) -> Iterator[list[T]]:
    """More than enough for a round, made before it begins: it is appends that are measured, not what makes them."""
    ready = [make() for _ in range(1_000 + int(seconds * MOST_A_SECOND))]
    gc.freeze()
    try:
        yield ready
    finally:
        gc.unfreeze()
