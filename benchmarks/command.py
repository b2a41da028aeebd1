"""A whole command without HTTP: actor and facts, state, decision, guarded append; against the stock library's way."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

from benchmarks.desk import assessed_complaints, give, runtime_of, set_up
from benchmarks.harness import CALLERS, Bench, Measured, Round, figures, in_tasks, in_threads, loop, take_turns, times
from benchmarks.sample import ACME, ANNA
from benchmarks.stock import stock_application

COMPLAINTS = 1600
"""On which the commands are given in turns, so that no stream grows long: the rival reads each from its beginning."""


def measure(bench: Bench) -> Measured:
    """32 callers give complaints to handlers: a command that asks what office somebody else holds."""
    with bench.server.database() as conninfo, _ours(conninfo, bench) as ours, _stock(conninfo, bench) as stock:
        rounds = take_turns(
            bench.size.rounds, {"command, 32 callers": ours, "stock load, command, save, 32 callers": stock}
        )
    mine, theirs = rounds.values()
    return Measured({"command_32_vs_stock": times(mine, theirs)}, figures(rounds))


@contextmanager
def _ours(conninfo: str, bench: Bench) -> Iterator[Round]:
    with loop() as runner:
        runtime, stack = runtime_of(conninfo, bench.folder), AsyncExitStack()
        runner.run(stack.enter_async_context(runtime.running()))
        try:
            desk = runner.run(set_up(runtime))
            complaints = runner.run(assessed_complaints(runtime, desk, COMPLAINTS))
            visits = [itertools.count() for _ in range(CALLERS)]

            async def assign(caller: int) -> None:
                visit, which = divmod(next(visits[caller]) * CALLERS + caller, len(complaints))
                handler = desk.handlers[visit % 2]
                await give(runtime, desk.clerk, "complaint.assign", complaints[which], handler_id=handler)

            yield lambda: runner.run(in_tasks(CALLERS, bench.size.seconds, assign))
        finally:
            runner.run(stack.aclose())


@contextmanager
def _stock(conninfo: str, bench: Bench) -> Iterator[Round]:
    with stock_application(conninfo) as application:
        complaints = [
            application.receive(ACME, "phone", "The boiler is cold.", "A warm one.", "boiler-3000", ANNA)
            for _ in range(COMPLAINTS)
        ]
        visits = [itertools.count() for _ in range(CALLERS)]

        def assign(caller: int) -> None:
            visit, which = divmod(next(visits[caller]) * CALLERS + caller, len(complaints))
            application.assign(complaints[which], f"employee-{visit % 2}", ANNA)

        yield lambda: in_threads(CALLERS, bench.size.seconds, assign)
