"""Does appending stay as quick when the log is long?"""

from __future__ import annotations

from benchmarks.append import appends
from benchmarks.harness import CALLERS, Bench, Measured, figures, take_turns, times
from benchmarks.history import fill


def measure(bench: Bench) -> Measured:
    """32 callers, one keyed event each, on a long log and on a short one."""
    seconds = bench.size.seconds
    with bench.server.database() as long, bench.server.database() as short:
        fill(long, bench.size.large_log)
        fill(short, bench.size.small_log)
        with (
            appends(long, CALLERS, seconds, keyed=True) as on_long,
            appends(short, CALLERS, seconds, keyed=True) as on_short,
        ):
            rounds = take_turns(
                bench.size.rounds,
                {
                    f"append to a log of {bench.size.large_log:,}": on_long,
                    f"append to a log of {bench.size.small_log:,}": on_short,
                },
            )
    on_a_long_one, on_a_short_one = rounds.values()
    return Measured({"append_growth": times(on_a_long_one, on_a_short_one)}, figures(rounds))
