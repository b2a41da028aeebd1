"""What befalls relays, by a seed: each trouble begins at the very moment when a request is on its way."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple, TypeAlias

from tests.faults.relaying.stage import Caught, Play
from tests.infra.kafka.proxy import Fate, Kind, Moment

Trouble: TypeAlias = Callable[[Play, Caught, Random], None]

SKIPPED = {Kind.PRODUCE: 2, Kind.ADD_PARTITIONS_TO_TXN: 2, Kind.END_TXN: 2, Kind.METADATA: 8, Kind.API_VERSIONS: 5}
"""How many requests of a kind pass, at most, before one is caught; those that are not named are few. Of the first three
each transaction has one."""

ONCE = (Kind.DESCRIBE_CLUSTER, Kind.CREATE_TOPICS)
"""What relays send in this order, one after the other, until the topics are made."""


class Scene(NamedTuple):
    """A trouble and the request at which it begins."""

    trouble: Trouble
    kind: Kind
    moment: Moment
    skip: int


def killed(play: Play, caught: Caught, chance: Random) -> None:
    """What it has sent may still be on its way."""
    play.relays.kill(caught.pid)
    if chance.random() < 0.5:
        play.until_it_goes_on()
    caught.let(chance.choice(list(Fate)))


def replaced_while_it_stood_still(play: Play, caught: Caught, chance: Random) -> None:
    """It goes on in the middle of what it was doing, when another one has long published more."""
    play.relays.stop(caught.pid)
    play.lose_session()
    play.until_it_goes_on()
    caught.let(Fate.PASS)
    play.relays.go_on(caught.pid)


def stood_still(play: Play, caught: Caught, chance: Random) -> None:
    """Nobody can take its place: its session is still there."""
    play.relays.stop(caught.pid)
    time.sleep(chance.uniform(0.2, 3))
    caught.let(Fate.PASS)
    play.relays.go_on(caught.pid)


def two_at_work(play: Play, caught: Caught, chance: Random) -> None:
    """One waits until the other is gone, or has lost its session and does not know it yet."""
    play.relays.count = 2
    play.until_one_stands_by()
    play.lose_session()
    play.until_it_goes_on()
    caught.let(chance.choice(list(Fate)))
    play.until_it_goes_on()
    play.relays.count = 1
    play.relays.kill_all()


def broker_killed(play: Play, caught: Caught, chance: Random) -> None:
    play.stage.broker.kill()
    caught.let(Fate.PASS)
    time.sleep(chance.uniform(0, 2))
    play.stage.broker.start()


def broker_stood_still(play: Play, caught: Caught, chance: Random) -> None:
    with play.stage.broker_stopped():
        caught.let(Fate.PASS)
        time.sleep(chance.uniform(0.5, 4))


def postgres_restarted(play: Play, caught: Caught, chance: Random) -> None:
    play.stage.restart_postgres(killed=chance.random() < 0.5)
    caught.let(chance.choice(list(Fate)))


def session_lost(play: Play, caught: Caught, chance: Random) -> None:
    """It may only notice when its transaction is through."""
    play.lose_session()
    caught.let(Fate.PASS)


def cut(play: Play, caught: Caught, chance: Random) -> None:
    caught.let(Fate.CUT)


def swallowed(play: Play, caught: Caught, chance: Random) -> None:
    caught.let(Fate.LOSE)


def held(play: Play, caught: Caught, chance: Random) -> None:
    """Perhaps for longer than its sender has patience, so that it arrives after what was sent in its place."""
    time.sleep(chance.uniform(0.5, 4))
    caught.let(Fate.PASS)


def unheard(play: Play, caught: Caught, chance: Random) -> None:
    """Whatever it sends to be kept gets nowhere, for as long as it tries; what it commits, arrives."""
    play.lose_all(Kind.PRODUCE, caught.pid, times=3)
    caught.let(Fate.LOSE)


def late(play: Play, caught: Caught, chance: Random) -> None:
    """What it has sent arrives when it is long dead, and everything has been published without it."""
    play.relays.kill(caught.pid)
    play.until_level()
    caught.deliver()


OF_PROCESSES: tuple[Trouble, ...] = (
    killed,
    replaced_while_it_stood_still,
    stood_still,
    two_at_work,
    broker_killed,
    broker_stood_still,
    postgres_restarted,
    session_lost,
    unheard,
    late,
)
ON_THE_WAY: tuple[tuple[Trouble, Moment], ...] = (
    (cut, Moment.BEFORE),
    (cut, Moment.AFTER),
    (swallowed, Moment.BEFORE),
    (swallowed, Moment.AFTER),
    (held, Moment.BEFORE),
    (held, Moment.AFTER),
)
AT_WORK = (Kind.PRODUCE, Kind.ADD_PARTITIONS_TO_TXN, Kind.END_TXN)


def script(seed: int, part: int = 0, parts: int = 1) -> list[Scene]:
    """Every trouble of processes, in the middle of their work; and for every kind of request one on its way, another
    one with each of six seeds that follow one another. Or a part of that."""
    chance = Random(seed)

    def scene(trouble: Trouble, kind: Kind, moment: Moment | None = None) -> Scene:
        skip = chance.randint(0, SKIPPED.get(kind, 0))
        return Scene(trouble, kind, moment or chance.choice(list(Moment)), skip)

    scenes = [scene(trouble, chance.choice(AT_WORK)) for trouble in OF_PROCESSES]
    for number, kind in enumerate(Kind):
        trouble, moment = ON_THE_WAY[(number + seed) % len(ON_THE_WAY)]
        scenes.append(scene(trouble, kind, moment))
    chance.shuffle(scenes)
    first = [scene for kind in ONCE for scene in scenes if scene.kind is kind]
    return [*first, *(scene for scene in scenes if scene not in first)][part::parts]


def perform(play: Play, scenes: Sequence[Scene], seed: int) -> None:
    """One after the other while the log grows; now and then the next before the last is got over."""
    chance = Random(seed)
    ration = play.log.events // (len(scenes) + 1)
    first = {scene.kind: play.lay(*scene[1:]) for scene in scenes if scene.kind in ONCE}
    with play.at_work():
        for scene in scenes:
            play.log.grow(ration)
            trap = first.get(scene.kind) or play.lay(*scene[1:])
            scene.trouble(play, play.caught_by(trap), chance)
            if scene.kind not in ONCE and chance.random() < 0.7:
                play.until_it_goes_on()
        play.log.grow(play.log.events)
        play.until_level()
