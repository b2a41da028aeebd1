"""The relay on a real broker: everything once, in order, and nothing at all where something is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg
import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from benchmarks.history import fill
from infra.kafka.client import CLUSTER, Cluster, Doubt, Publisher
from infra.kafka.copy import audit
from infra.kafka.topics import create, drifts, there
from infra.kafka.wire import SETTINGS, Manifest, Record, ledger_record, place_of, position_of
from services import relay as relays
from services.composition import topics
from services.relay import Blocked, Diverged, Relay, RelayState
from tests.services.kafka.reading import events, everything, must_equal_the_log, said
from tests.services.running import wait_until

Db = psycopg.Connection[tuple[object, ...]]
EVENTS = 700


@pytest.fixture
def db(database: str) -> Iterator[Db]:
    fill(database, EVENTS)
    with psycopg.connect(database, autocommit=True) as db:
        yield db


@pytest.fixture
def relay(db: Db, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Relay]:
    """A new relay, which has begun."""
    monkeypatch.setattr(relays, "CHUNK_EVENTS", 300)

    def begun() -> Relay:
        new = Relay(db, cluster, topics(cluster.prefix))
        new.begin()
        return new

    return begun


def level(relay: Relay) -> Relay:
    """Publish all there is."""
    while relay.step():
        pass
    return relay


def rewind(db: Db, head: int) -> None:
    """The log as it was earlier: what a standby knows that was not up to date."""
    db.execute("ALTER TABLE yewu.log DISABLE TRIGGER append_only")
    db.execute("DELETE FROM yewu.log WHERE position > %s", (head,))
    db.execute("UPDATE yewu.head SET position = %s", (head,))
    db.execute("ALTER TABLE yewu.log ENABLE TRIGGER append_only")


def test_everything_is_there_once_in_order_and_the_ledger_adds_up(
    relay: Callable[[], Relay], cluster: Cluster, db: Db
) -> None:
    level(relay())
    must_equal_the_log(cluster, db)
    contract, *chunks = everything(cluster)[f"{cluster.prefix}.ledger", 0]
    assert said(contract, "ce_type") == "yewu.topics"
    assert msgspec.json.decode(contract.value)["topics"] == topics(cluster.prefix).partitions
    manifests = [msgspec.json.decode(each.value, type=Manifest) for each in chunks]
    assert [(m.first, m.last) for m in manifests] == [(1, 300), (301, 600), (601, 700)]
    assert [len(m.peaks) for m in manifests] == [0, (300).bit_count(), (600).bit_count()]


def test_the_next_relay_goes_on_behind_the_last_event_and_fences_the_one_before(
    relay: Callable[[], Relay], cluster: Cluster, db: Db
) -> None:
    first = relay()
    first.step()
    second = relay()
    assert second.position == 300
    with pytest.raises(Doubt):
        first.step()
    level(second)
    assert level(relay()).position == EVENTS
    must_equal_the_log(cluster, db)


def test_a_transaction_that_was_not_finished_counts_for_nothing(
    relay: Callable[[], Relay], cluster: Cluster, db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(self: Publisher, records: list[Record]) -> None:
        self._producer.begin_transaction()
        self._send(records[:-1])
        raise Doubt("it was killed")

    broken = relay()
    broken.step()
    with monkeypatch.context() as patched:
        patched.setattr(Publisher, "publish", die)
        with pytest.raises(Doubt):
            broken.step()
    assert len(events(cluster, while_open=True)) == 300
    level(relay())
    must_equal_the_log(cluster, db)


def test_a_torn_transaction_is_completed(
    relay: Callable[[], Relay], cluster: Cluster, db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kafka-python speaks the older protocol, in which a late request may commit only a part."""
    publish = Publisher.publish

    def tear(self: Publisher, records: list[Record]) -> None:
        publish(self, [record for record in records if record.partition != 2])

    first = relay()
    first.step()
    with monkeypatch.context() as patched:
        patched.setattr(Publisher, "publish", tear)
        first.step()
    assert len(events(cluster)) < 600
    second = relay()
    assert second.position == 300
    level(second)
    must_equal_the_log(cluster, db)


def test_of_a_log_that_has_lost_events_nothing_is_published(
    relay: Callable[[], Relay], cluster: Cluster, db: Db
) -> None:
    level(relay())
    before = len(events(cluster))
    rewind(db, 650)
    with pytest.raises(Diverged, match=r"at \d+: Kafka holds .* has lost what it had"):
        relay()
    assert len(events(cluster)) == before


def test_another_event_at_the_same_position_is_noticed(relay: Callable[[], Relay], db: Db) -> None:
    level(relay())
    db.execute("ALTER TABLE yewu.log DISABLE TRIGGER append_only")
    db.execute('UPDATE yewu.log SET meta = \'{"clause":"9"}\' WHERE position = %s', (EVENTS,))
    with pytest.raises(Diverged, match=f"at {EVENTS}: the log and Kafka hold different events"):
        relay()


def test_topics_of_another_log_are_left_alone(relay: Callable[[], Relay], db: Db) -> None:
    level(relay())
    db.execute("UPDATE yewu.store SET id = gen_random_uuid()")
    with pytest.raises(Diverged, match="belong to another log"):
        relay()


def test_a_kafka_that_has_lost_what_was_published_is_not_filled_unasked(
    relay: Callable[[], Relay], cluster: Cluster, db: Db
) -> None:
    level(relay()).tell(RelayState.RUNNING)
    everywhere = Cluster(servers=cluster.servers, prefix=f"{cluster.prefix}-new")
    db.execute("DELETE FROM yewu.topic")
    with pytest.raises(Diverged, match=f"at 1: events up to {EVENTS} were published, and Kafka has lost them"):
        Relay(db, everywhere, topics(everywhere.prefix)).begin()


def made_anew(cluster: Cluster, name: str) -> None:
    """Somebody has deleted a topic and made it again as it was."""
    with cluster.admin() as admin:
        admin.delete_topics([name])
        wait_until(lambda: name not in there(cluster, [name]))
        admin.create_topics(
            {name: {"num_partitions": 6, "replication_factor": 1, "configs": {**SETTINGS, "min.insync.replicas": "1"}}}
        )
        admin.wait_for_topics([name])


def first_of(db: Db, cluster: Cluster, topic: str) -> tuple[int, int]:
    """The position of the first event that belongs into a topic, and its partition."""
    plan = topics(cluster.prefix)
    for position, stream_id, type_ in db.execute("SELECT position, stream_id, type FROM yewu.log ORDER BY position"):
        name, partition = place_of(str(stream_id), str(type_), plan)
        if name == topic:
            return int(str(position)), partition
    raise AssertionError(f"nothing belongs into {topic}")


def again(cluster: Cluster, *records: Any) -> None:
    """Somebody who may not writes once more what was written."""
    Publisher(cluster, "somebody").publish(
        [Record(r.topic, r.partition, r.key, r.value, list(r.headers), r.timestamp) for r in records]
    )


@pytest.mark.parametrize("remembered", [True, False])
def test_a_topic_that_has_lost_everything_is_noticed_and_filled_when_that_is_allowed(
    relay: Callable[[], Relay], cluster: Cluster, db: Db, *, remembered: bool
) -> None:
    """Where the relay before has written down how far each partition is, and where only the ledger says so."""
    level(relay()).tell(RelayState.RUNNING)
    if not remembered:
        db.execute("UPDATE yewu.relay SET whole = NULL")
    topic = f"{cluster.prefix}.complaint.events"
    made_anew(cluster, topic)
    before = events(cluster)
    position, partition = first_of(db, cluster, topic)
    with pytest.raises(Diverged, match=f"at {position}: {topic}/{partition} held events .* Kafka has lost them"):
        relay()
    assert len(events(cluster)) == len(before) < EVENTS
    db.execute("INSERT INTO yewu.republish DEFAULT VALUES")
    level(relay())
    must_equal_the_log(cluster, db)
    assert audit(db, cluster).position == EVENTS
    assert db.execute("SELECT FROM yewu.republish").fetchone() is None
    assert level(relay()).position == EVENTS


def test_where_a_partition_has_lost_something_it_is_sent_from_there_though_relays_are_killed(
    relay: Callable[[], Relay], cluster: Cluster, db: Db
) -> None:
    level(relay()).tell(RelayState.RUNNING)
    topic = f"{cluster.prefix}.complaint.events"
    made_anew(cluster, topic)
    db.execute("DELETE FROM yewu.relay; INSERT INTO yewu.republish DEFAULT VALUES")  # as `yewu kafka republish` does
    first = relay()
    assert first.position == 0
    first.step()
    second = relay()
    assert second.position == 300
    level(second)
    must_equal_the_log(cluster, db)
    audit(db, cluster)


@pytest.mark.parametrize("nth", [0, -2])
def test_a_double_at_the_end_of_a_partition_stops_the_relay(
    relay: Callable[[], Relay], cluster: Cluster, db: Db, nth: int
) -> None:
    """Whether it is of the last transaction or of long before; it would only have sent more of them."""
    level(relay())
    of_place = max((records for place, records in everything(cluster).items() if not place[0].endswith("ledger")),
                   key=lambda records: position_of(records[-1]) if len(records) > 2 else 0)  # fmt: skip
    assert position_of(of_place[-2]) > 600
    again(cluster, of_place[nth])
    before = len(events(cluster))
    last = of_place[-1]
    with pytest.raises(
        Diverged, match=rf"at {position_of(last)}: behind this event {last.topic}/{last.partition} ends with that at"
    ):
        relay()
    db.execute("INSERT INTO yewu.republish DEFAULT VALUES")
    with pytest.raises(Diverged, match="somebody else has written there"):
        relay()
    assert len(events(cluster)) == before


def test_a_topic_that_has_drifted_blocks_it_at_the_start_and_later(
    relay: Callable[[], Relay], cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = level(relay())
    name = f"{cluster.prefix}.complaint.events"
    with cluster.admin() as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs={"cleanup.policy": "compact"})])
    with pytest.raises(Blocked, match=r"cleanup\.policy=compact instead of delete"):
        relay()
    monkeypatch.setattr(relays, "VERIFY", 0.0)
    with pytest.raises(Blocked, match=r"cleanup\.policy=compact instead of delete"):
        running.step()


def test_what_lies_before_an_event_without_a_place_is_published_and_nothing_behind_it(
    relay: Callable[[], Relay], cluster: Cluster, db: Db
) -> None:
    db.execute("ALTER TABLE yewu.log DISABLE TRIGGER append_only")
    db.execute("UPDATE yewu.log SET type = 'ShipLaunched' WHERE position = 450")
    blocked = relay()
    with pytest.raises(Blocked, match="at 450: nobody knows of ShipLaunched"):
        level(blocked)
    must_equal_the_log(cluster, db, until=449)


def test_a_ledger_entry_that_is_none_is_noticed(relay: Callable[[], Relay], cluster: Cluster, db: Db) -> None:
    plan = topics(cluster.prefix)
    create(cluster, db, plan, drifts(plan, {}, {}))
    strange = Manifest(store=Relay(db, cluster, plan).store, first=1, last=1, root="", peaks=(), tree="", ends={})
    record = ledger_record(strange, plan, datetime.now(UTC))._replace(value=b"?")
    Publisher(cluster, "somebody").publish([record])
    with pytest.raises(Diverged, match="the ledger holds something else"):
        relay()


def test_one_works_and_the_other_stands_by_until_it_is_gone(db: Db, database: str, cluster: Cluster) -> None:
    """As processes, by the command line, until told to stop."""
    environment = {
        **os.environ,
        "DATABASE_URL": database,
        CLUSTER: cluster.servers,
        "KAFKA_TOPIC_PREFIX": cluster.prefix,
    }
    program = (
        "import os, signal, sys, threading; from services.relay import run; from services.composition import topics;"
        "from infra.kafka.client import Cluster; stop = threading.Event();"
        "signal.signal(signal.SIGTERM, lambda *_: stop.set()); cluster = Cluster.read();"
        "os._exit(run(os.environ['DATABASE_URL'], cluster, topics(cluster.prefix), stop))"
    )

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.DEVNULL)

    def until(condition: str) -> None:
        for _ in range(1200):
            if db.execute(f"SELECT 1 WHERE {condition}".encode()).fetchone() is not None:
                return
            threading.Event().wait(0.05)
        raise AssertionError(condition, db.execute("SELECT name, state, detail, position FROM yewu.relay").fetchall())

    first = start()
    until(f"EXISTS (SELECT FROM yewu.relay WHERE state = 'RUNNING' AND position = {EVENTS})")
    second = start()
    until("EXISTS (SELECT FROM yewu.relay WHERE state = 'STANDBY')")
    first.kill()
    until(f"(SELECT count(*) FROM yewu.relay WHERE state = 'RUNNING' AND name LIKE '%-{second.pid}') = 1")
    second.terminate()
    assert second.wait(30) == 0
    first.wait()
    must_equal_the_log(cluster, db)
