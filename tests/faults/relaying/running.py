"""One seed after the other: a log of 20,000 events goes to Kafka through every trouble, and is judged."""

from __future__ import annotations

import time
from pathlib import Path

from tests.faults.relaying.judge import judge
from tests.faults.relaying.stage import Stage
from tests.faults.relaying.troubles import perform, script

EVENTS = 20_000
FAILING_SEEDS = Path(__file__).with_name("failing_seeds.txt")


def run(stage: Stage, seed: int) -> str:
    """What there is to say of it. AssertionError if an event is missing, doubled or out of order."""
    began, scenes = time.monotonic(), script(seed)
    play = stage.play(events=EVENTS, seed=seed, chunk=300)
    perform(play, scenes, seed)
    published = time.monotonic() - began
    judge(play)
    return (
        f"{len(scenes)} troubles, {play.relays.started} relays in {published:.0f} s: {EVENTS} events,"
        " none missing, none doubled, none out of order, the ledger right, restored as they were"
    )
