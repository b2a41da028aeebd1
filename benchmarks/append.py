"""Append: one event at a time, with tags; against the stock recorder and single-row INSERTs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.harness import CALLERS, Bench, Measured, Round, figures, in_tasks, in_threads, loop, take_turns, times
from benchmarks.sample import ANNA, entry, new_complaint, new_id
from benchmarks.stock import stock_event, stock_recorder
from benchmarks.yardstick import single_row_inserts
from infra.append import Append, Change
from infra.event_store import Writer


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
                "stock recorder, 32 callers": lambda: in_threads(
                    CALLERS, seconds, lambda _: stock.insert_events([stock_event()])
                ),
                "single-row INSERT, 32 callers": insert,
                "append, 1 caller": one,
                "stock recorder, 1 caller": lambda: in_threads(
                    1, seconds, lambda _: stock.insert_events([stock_event()])
                ),
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

    async def append(_caller: int) -> None:
        stream_id = new_complaint()
        change = Change(stream_id, 0, (entry(stream_id),))
        await writer.append(Append(ANNA, new_id(), (change,), body_hash="0" * 64 if keyed else None))

    with loop() as runner:
        runner.run(writer.start())
        try:
            yield lambda: runner.run(in_tasks(callers, seconds, append))
        finally:
            runner.run(writer.stop())
