"""`python -m tests.faults [--kills 300] [--seeds 30] [--seed N]`: bad days by chance for a long time, and the judges.

Two halves: every process killed under load, and relays to Kafka through whatever can befall them.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.faults import killing
from tests.faults.clients import Load
from tests.faults.company import Company
from tests.faults.judge import judge
from tests.faults.killing import kill_again_and_again
from tests.faults.relaying import running
from tests.faults.relaying.stage import Stage
from tests.folders import reachable_folder

AT_ONCE = 20
"""Kills between two verdicts."""

KILLS, SEEDS = 300, 30
"""Of either half, if nobody says for which."""


def main() -> int:
    """0 if nothing was lost; a seed with which something was is kept, and tried in every run of the tests."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, help="how many; one in ten hits two parts at once")
    parser.add_argument("--seeds", type=int, help="how many logs go to Kafka, each through every trouble")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32), help="what chance goes by, the first")
    asked = parser.parse_args()
    if asked.kills is None and asked.seeds is None:
        asked.kills, asked.seeds = KILLS, SEEDS
    sound = True
    if asked.kills:
        say(f"seed {asked.seed}")
        sound = tried(lambda: run(asked.seed, asked.kills), asked.seed, killing.FAILING_SEEDS)
    if asked.seeds:
        with Stage(reachable_folder()).running() as stage:
            for seed in range(asked.seed, asked.seed + asked.seeds):
                sound &= tried(lambda: relay_once(stage, seed), seed, running.FAILING_SEEDS)  # noqa: B023  # at once
    return 0 if sound else 1


def tried(what: Callable[[], None], seed: int, kept: Path) -> bool:
    """Has it gone well?"""
    try:
        what()
    except BaseException as problem:
        if isinstance(problem, KeyboardInterrupt):
            raise
        with kept.open("a") as seeds:
            seeds.write(f"{seed}\n")
        say(f"FAILED with seed {seed}: {problem}")
        return False
    return True


def relay_once(stage: Stage, seed: int) -> None:
    """AssertionError if the verdict goes against us."""
    say(f"seed {seed}: {running.run(stage, seed)}")


def run(seed: int, kills: int) -> None:
    """AssertionError if a verdict goes against us."""
    chance, began, doubles, done = Random(seed), time.monotonic(), 0, 0
    with Company(reachable_folder() / "home").running() as company:
        load = Load(company, chance.getrandbits(64))
        try:
            while done < kills:
                now = min(AT_ONCE, kills - done)
                with load.at_work():
                    doubles += kill_again_and_again(company, load, chance, now)
                judge(company.url, load.clients)
                done += now
                again = sum(client.asked_again for client in load.clients)
                say(
                    f"{done} kills, {doubles} of them double, in {time.monotonic() - began:.0f} s: {load.told} commands"
                    f" acknowledged, asked again {again} times; none lost, doubled or reordered, views as rebuilt"
                )
        finally:
            load.close()


def say(what: str) -> None:
    """At once, also where nobody sits at a terminal."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
