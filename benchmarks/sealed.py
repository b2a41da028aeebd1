"""What sealing costs: whole commands that say something, by the same machinery with and without keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

from benchmarks.desk import ZONE, give, runtime_of, set_up
from benchmarks.harness import CALLERS, Bench, Measured, Round, figures, in_tasks, loop, take_turns, times
from benchmarks.stories import FACTS, FINDINGS, MEASURES
from infra.sealing import Plain
from services.runtime import Runtime

SAID_OF_EACH = 7


def measure(bench: Bench) -> Measured:
    """32 callers receive complaints, with two texts, and say seven things more of each: as in the life of a complaint,
    one command in eight opens a stream, with a new key, and hardly one has more than one text."""
    with (
        bench.server.database() as one,
        bench.server.database() as other,
        _saying(Runtime(one, ZONE, Plain()), bench.size.seconds) as plain,
        _saying(runtime_of(other, bench.folder / "sealed"), bench.size.seconds) as sealed,
    ):
        rounds = take_turns(
            bench.size.rounds, {"command with texts, unsealed": plain, "command with texts, sealed": sealed}
        )
    without, with_keys = rounds.values()
    return Measured({"sealed_append_cost": times(without, with_keys)}, figures(rounds))


@contextmanager
def _saying(runtime: Runtime, seconds: float) -> Iterator[Round]:
    with loop() as runner:
        stack = AsyncExitStack()
        runner.run(stack.enter_async_context(runtime.running()))
        try:
            desk = runner.run(set_up(runtime))
            said = dict.fromkeys(range(CALLERS), ("", SAID_OF_EACH))

            async def say(caller: int) -> None:
                complaint, times_said = said[caller]
                if times_said < SAID_OF_EACH:
                    await give(runtime, desk.clerk, "complaint.record_details", complaint, facts=FINDINGS)
                    said[caller] = complaint, times_said + 1
                else:
                    words = {"facts": FACTS, "remedy_sought": MEASURES}
                    about = {"customer_id": desk.customer, "channel": "phone"}
                    received = await give(runtime, desk.clerk, "complaint.receive", **about, **words)
                    said[caller] = received.id, 0

            yield lambda: runner.run(in_tasks(CALLERS, seconds, say))
        finally:
            runner.run(stack.aclose())
