"""Building every row anew from a long log, on one core; against the library's own runner on a short one."""

from __future__ import annotations

from benchmarks.harness import Bench, Figure, Measured, figures, take_turns, times
from benchmarks.history import fill
from benchmarks.once import REBUILD, REBUILD_ROWS, in_a_process
from benchmarks.stock_view import stock_rebuild
from benchmarks.yardstick import single_row_inserts


def measure(bench: Bench) -> Measured:
    """One core does as many events a second as the processor time of client and server together allows."""
    memory, walls = [0.0], list[float]()
    with bench.server.database() as conninfo, bench.server.database() as other:
        fill(conninfo, bench.size.events)
        fill(other, bench.size.stock_events)

        def rebuild(work: str = REBUILD) -> float:
            with bench.server.on_one_core():
                before = bench.server.cpu_seconds()
                spent = in_a_process(work, conninfo)
            memory.append(spent.memory)
            if work == REBUILD:
                walls.append(spent.events / spent.seconds)
            return spent.events / (spent.cpu_seconds + bench.server.cpu_seconds() - before)

        with single_row_inserts(other, bench.size.seconds) as insert:
            rounds = take_turns(
                bench.size.rounds,
                {
                    "rebuild, one core": rebuild,
                    "rebuild without rules, one core": lambda: rebuild(REBUILD_ROWS),
                    "library's ProjectionRunner": lambda: stock_rebuild(other, bench.size.stock_events),
                    "single-row INSERT, 32 callers": insert,
                },
            )
    ours, of_rows, theirs, inserts = rounds.values()
    return Measured(
        {
            "rebuild_vs_stock": times(ours, theirs),
            "rebuild_events_per_s": Figure.of(ours),
            "rebuild_rows_per_s": Figure.of(of_rows),
        },
        figures({**rounds, "rebuild, one process and PostgreSQL": walls}),
        {"rebuild": max(memory)},
        figures({"": inserts})[""],
    )
