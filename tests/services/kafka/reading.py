"""Kafka as somebody else reads it: with a consumer of its own, of what is committed, and nothing of ours between."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import closing
from typing import Any

import psycopg
from kafka import KafkaConsumer, TopicPartition

from infra.kafka.client import Cluster

Fetched = Any


def everything(cluster: Cluster, *, while_open: bool = False) -> dict[tuple[str, int], list[Fetched]]:
    """All committed records of our topics, by partition; when every transaction is over, or `while_open` at once."""
    consumer = KafkaConsumer(
        bootstrap_servers=cluster.servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )
    with closing(consumer):
        names = [name for name in consumer.topics() if name.startswith(f"{cluster.prefix}.")]
        partitions = [TopicPartition(name, n) for name in names for n in consumer.partitions_for_topic(name)]
        if not partitions:
            return {}
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions) if while_open else _ends(cluster, consumer, partitions)
        found: dict[tuple[str, int], list[Fetched]] = {(tp.topic, tp.partition): [] for tp in partitions}
        deadline = time.monotonic() + 60
        while any(consumer.position(tp) < end for tp, end in ends.items()):
            assert time.monotonic() < deadline, "the topics could not be read to their ends"
            for tp, records in consumer.poll(timeout_ms=200).items():
                found[tp.topic, tp.partition] += records
    return found


def _ends(cluster: Cluster, consumer: KafkaConsumer, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
    """Where the partitions end, once each transaction is marked as over: markers come a moment after the commit."""
    deadline = time.monotonic() + 60
    with closing(KafkaConsumer(bootstrap_servers=cluster.servers, enable_auto_commit=False)) as reckless:
        while (ends := consumer.end_offsets(partitions)) != reckless.end_offsets(partitions):
            assert time.monotonic() < deadline, "a transaction stays open"
            time.sleep(0.05)
    found: dict[TopicPartition, int] = ends
    return found


def events(cluster: Cluster, *, while_open: bool = False) -> list[Fetched]:
    """The events among them, each partition in its own order."""
    found = everything(cluster, while_open=while_open)
    return [r for (topic, _), records in found.items() if topic != f"{cluster.prefix}.ledger" for r in records]


def said(record: Fetched, name: str) -> str:
    """One header."""
    value: bytes = dict(record.headers)[name]
    return value.decode()


def must_equal_the_log(cluster: Cluster, db: psycopg.Connection[Any], until: int | None = None) -> None:
    """None missing, none doubled, none out of order, none altered."""
    must_be_the_log(events(cluster), db, until)


def must_be_the_log(records: list[Fetched], db: psycopg.Connection[Any], until: int | None = None) -> None:
    """The same of events that have been read already, each partition in its own order."""
    (head,) = db.execute("SELECT position FROM yewu.head").fetchone() or (0,)
    positions = [int(said(record, "ce_position")) for record in records]
    wanted = range(1, (head if until is None else until) + 1)
    assert sorted(positions) == list(wanted), _differences(positions, wanted)
    of_place: dict[tuple[str, int], int] = defaultdict(int)
    for record, position in zip(records, positions, strict=True):
        assert of_place[record.topic, record.partition] < position, "out of order"
        of_place[record.topic, record.partition] = position
    by_position = dict(zip(positions, records, strict=True))
    for position, event_id, data, meta in db.execute("SELECT position, event_id, data, meta FROM yewu.log"):
        if position in by_position:
            record = by_position[position]
            assert (said(record, "ce_id"), record.value) == (str(event_id), data)
            assert said(record, "ce_meta").encode() == meta


def _differences(positions: Iterable[int], wanted: Iterable[int]) -> str:
    found, expected = Counter(positions), set(wanted)
    missing, doubled = expected - found.keys(), [position for position, times in found.items() if times > 1]
    return (
        f"missing {len(missing)}: {sorted(missing)[:5]}, doubled {len(doubled)}: {sorted(doubled)[:5]},"
        f" too many {sorted(found.keys() - expected)[:5]}"
    )
