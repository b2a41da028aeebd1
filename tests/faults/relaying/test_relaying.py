"""Whatever befalls relays, Kafka holds the log: each event once and in order; and a relay with a fault is noticed.

With `make bench-faults SEEDS=30` each seed has 20,000 events and every trouble; here three seeds share the troubles,
and have fewer events, so that all of it takes no more than a minute and a half.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from kafka import KafkaProducer

from infra.kafka.client import Cluster
from services.relay import Relay
from tests.faults.killing import failing_seeds
from tests.faults.relaying.broken import FencesNobody, LooksAtNoFuture, TakesItsWordForIt
from tests.faults.relaying.judge import judge
from tests.faults.relaying.running import FAILING_SEEDS, run
from tests.faults.relaying.stage import Stage
from tests.faults.relaying.troubles import (
    OF_PROCESSES,
    ON_THE_WAY,
    Scene,
    killed,
    late,
    perform,
    script,
    unheard,
)
from tests.folders import reachable_folder
from tests.infra.kafka.proxy import Fate, Kind, Moment
from tests.services.kafka.reading import everything

SEED, SEEDS = 20261127, 3
PARTS = [script(SEED, part, SEEDS) for part in range(SEEDS)]

COMMITTED_AND_NOT_TOLD = Scene(killed, Kind.END_TXN, Moment.AFTER, 2)
LONG_DEAD = Scene(late, Kind.PRODUCE, Moment.BEFORE, 2)
NEVER_ARRIVED = Scene(unheard, Kind.PRODUCE, Moment.BEFORE, 2)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage(reachable_folder()).running() as stage:
        yield stage


def played(stage: Stage, kind: type[Relay], scenes: Sequence[Scene], seed: int = SEED) -> None:
    """AssertionError if not every event is there once and in order at the end."""
    play = stage.play(events=400 * (len(scenes) + 1), seed=seed, kind=kind, chunk=100, partitions=2)
    perform(play, scenes, seed)
    judge(play)


@pytest.mark.parametrize("part", range(SEEDS))
def test_whatever_befalls_relays_each_event_is_there_once_and_in_order(stage: Stage, part: int) -> None:
    played(stage, Relay, PARTS[part], SEED + part)


def test_the_seeds_share_all_troubles_between_them() -> None:
    shared = [scene for part in PARTS for scene in part]
    assert Counter(shared) == Counter(script(SEED))
    assert {scene.trouble for scene in shared} == {*OF_PROCESSES, *(trouble for trouble, _ in ON_THE_WAY)}
    assert {(scene.trouble, scene.moment) for scene in shared} >= {*ON_THE_WAY}
    assert {scene.kind for scene in shared} == {*Kind}


def test_what_once_found_something_finds_nothing_any_more(stage: Stage) -> None:
    for seed in failing_seeds(FAILING_SEEDS):
        run(stage, seed)


def test_what_relays_with_a_fault_stumble_over_does_ours_no_harm(stage: Stage) -> None:
    played(stage, Relay, [COMMITTED_AND_NOT_TOLD, LONG_DEAD, NEVER_ARRIVED])


def test_a_relay_that_does_not_read_back_is_noticed(stage: Stage) -> None:
    with pytest.raises(AssertionError, match=r"missing 0: .*, doubled [1-9]00:"):
        played(stage, TakesItsWordForIt, [COMMITTED_AND_NOT_TOLD])


def test_a_relay_that_fences_nobody_is_noticed(stage: Stage) -> None:
    with pytest.raises(AssertionError, match=r"missing 0: .*, doubled 100:"):
        played(stage, FencesNobody, [LONG_DEAD])


def test_a_relay_that_looks_at_no_future_is_noticed(stage: Stage) -> None:
    """By the judge, or by the next relay, which knows of more events than Kafka holds."""
    with pytest.raises(AssertionError, match=r"missing [1-9]|were published, and Kafka has lost them"):
        played(stage, LooksAtNoFuture, [NEVER_ARRIVED])


def test_kafka_python_still_says_of_what_is_lost_that_it_is_committed(stage: Stage) -> None:
    """When this fails the library has been mended: then let `Publisher` and docs/adr say so, and look at every future
    all the same."""
    cluster = Cluster(servers=f"127.0.0.1:{stage.proxy.port}", prefix="library")
    with cluster.admin() as admin:
        admin.create_topics({"library.ships": {"num_partitions": 1}})
        admin.wait_for_topics(["library.ships"])
    producer = KafkaProducer(
        bootstrap_servers=cluster.servers,
        client_id="hasty",
        transactional_id="hasty",
        request_timeout_ms=400,
        delivery_timeout_ms=1_200,
        linger_ms=0,
        metrics_enabled=False,
    )
    producer.init_transactions()
    for _ in range(9):
        stage.proxy.trap(Kind.PRODUCE, Moment.BEFORE, client="hasty", fate=Fate.LOSE)
    producer.begin_transaction()
    future = producer.send("library.ships", b"Vasa")
    producer.commit_transaction()
    assert future.failed()
    producer.close()
    assert everything(cluster) == {("library.ships", 0): []}
