"""`python -m tests.faults [--kills 300] [--seed N]`: kills by chance under load for minutes, and the judge."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from random import Random

from tests.faults.clients import Load
from tests.faults.company import Company
from tests.faults.judge import judge
from tests.faults.killing import FAILING_SEEDS, kill_again_and_again
from tests.folders import reachable_folder

AT_ONCE = 20
"""Kills between two verdicts."""


def main() -> int:
    """0 if nothing was lost; a seed with which something was is kept, and tried in every run of the tests."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=300, help="how many; one in ten hits two parts at once")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32), help="what chance goes by")
    asked = parser.parse_args()
    sys.stdout.write(f"seed {asked.seed}\n")
    try:
        run(asked.seed, asked.kills)
    except BaseException as problem:
        if isinstance(problem, KeyboardInterrupt):
            return 1
        with FAILING_SEEDS.open("a") as seeds:
            seeds.write(f"{asked.seed}\n")
        sys.stdout.write(f"FAILED with seed {asked.seed}: {problem}\n")
        return 1
    return 0


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
                sys.stdout.write(
                    f"{done} kills, {doubles} of them double, in {time.monotonic() - began:.0f} s: {load.told} commands"
                    f" acknowledged, asked again {again} times; none lost, doubled or reordered, views as rebuilt\n"
                )
                sys.stdout.flush()
        finally:
            load.close()


if __name__ == "__main__":
    sys.exit(main())
