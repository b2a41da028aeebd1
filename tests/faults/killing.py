"""Kills by chance: which part, and after how many commands, says a seed; now and then two at once."""

from __future__ import annotations

from pathlib import Path
from random import Random

from tests.faults.clients import Load
from tests.faults.company import DATABASE, Company

KILLED = ("serve", "project", "policies", DATABASE)
FAILING_SEEDS = Path(__file__).with_name("failing_seeds.txt")


def kill_again_and_again(company: Company, load: Load, chance: Random, times: int, *, double: float = 0.1) -> int:
    """So many kills under load, each part started again at once; how many of them hit two parts."""
    doubles = 0
    for _ in range(times):
        load.go_on(chance.randint(1, 20))
        names = chance.sample(KILLED, 2 if chance.random() < double else 1)
        doubles += len(names) - 1
        for name in names:
            company.kill(name)
        for name in sorted(names, key=DATABASE.__ne__):  # it first: all others need it to begin
            company.start(name)
    company.until_ready()
    return doubles


def failing_seeds(kept: Path = FAILING_SEEDS) -> list[int]:
    """Seeds with which something once went wrong: each is tried in every run of the tests."""
    lines = kept.read_text().splitlines() if kept.exists() else []
    return [int(line.split()[0]) for line in lines if line.strip() and not line.startswith("#")]
