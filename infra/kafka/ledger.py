"""Reading the ledger: what it holds, and up to which position a partition certainly has all it will ever have."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from uuid import UUID

from kafka import KafkaConsumer, TopicPartition

from infra.kafka.client import REQUEST_MS, Cluster, Fetched, KafkaAway, Place, last_records
from infra.kafka.wire import CHUNK, Manifest, entry_of, header

PATIENCE = 10.0
"""Seconds that the ends of partitions may take to be read."""

SILENCE = 60.0
"""Seconds without any record, though there must be some."""


class Elsewhere(Exception):
    """The topics are those of another log; the sentence says of which."""


class Ledger:
    """Follows the manifests of one log behind a position.

    A manifest names the last position of each partition that its transaction went to. So whoever has read a partition
    up to there has it whole up to the manifest's end, and a partition that no manifest names is whole all the time. Not
    the ends of partitions are asked for: of a transaction that was torn they would say too little.
    """

    def __init__(self, cluster: Cluster, consumer: KafkaConsumer, topic: str, store: UUID) -> None:
        self._cluster, self._consumer, self._store = cluster, consumer, store
        self._partition = TopicPartition(topic, 0)
        self._last = 0
        self._awaited: dict[Place, deque[tuple[int, int]]] = {}

    def begin(self, places: Iterable[Place], position: int) -> None:
        """Begin anew behind a position, for these partitions."""

        self._last, self._awaited = position, {each: deque() for each in places}
        place = (self._partition.topic, self._partition.partition)
        found = behind(self._cluster, [place], lambda record: _ends_before(record, position))
        self._consumer.seek(self._partition, found[place])

    def look(self) -> None:
        """Read what is new. Elsewhere if it is another log's; KafkaAway if something lacks."""
        for records in self._consumer.poll(timeout_ms=0).values():
            for record in records:
                entry = entry_of(record)
                if entry.store != self._store:
                    raise Elsewhere(
                        f"The topics belong to another log ({entry.store}), not to this one ({self._store}):"
                        " set KAFKA_TOPIC_PREFIX."
                    )
                if isinstance(entry, Manifest):
                    self._learn(entry)

    def complete(self, place: Place, read: int) -> int:
        """The position up to which a partition is whole that has been read up to a position."""
        awaited = self._awaited[place]
        while awaited and awaited[0][1] <= read:
            awaited.popleft()
        return max(read, awaited[0][0] - 1 if awaited else self._last)

    def _learn(self, manifest: Manifest) -> None:
        if manifest.last <= self._last:
            return  # from before, or completed after it was torn
        if manifest.first > self._last + 1:
            raise KafkaAway(f"the ledger says nothing of the positions from {self._last + 1} to {manifest.first - 1}")
        self._last = manifest.last
        for place, end in manifest.places.items():
            if (awaited := self._awaited.get(place)) is not None:
                awaited.append((manifest.first, end))


def behind(cluster: Cluster, places: Iterable[Place], is_before: Callable[[Fetched], bool]) -> dict[Place, int]:
    """For each partition the offset behind its last record that lies before what is asked for, found from its end on.

    By what records say and not by their time: right behind a commit Kafka may know a time of none of them.
    """
    partitions = [TopicPartition(*place) for place in places]
    with cluster.consumer() as consumer:
        first = consumer.beginning_offsets(partitions, REQUEST_MS)
        ends = consumer.end_offsets(partitions, REQUEST_MS)
    spans = {(tp.topic, tp.partition): (first[tp], ends[tp]) for tp in partitions}
    found = last_records(cluster, spans, patience=PATIENCE, wanted=is_before)
    return {place: found[place].offset + 1 if place in found else start for place, (start, _) in spans.items()}


def manifests(cluster: Cluster, topic: str, span: tuple[int, int], since: int) -> Iterator[Manifest]:
    """Those of the ledger, of which the offsets are these, that reach beyond a position, in its order; of earlier ones
    perhaps some. Unreadable at what is no entry."""
    start, end = span
    if since:
        start = behind(cluster, [(topic, 0)], lambda record: _ends_before(record, since))[topic, 0]
    for record in records_between(cluster, (topic, 0), start, end):
        entry = entry_of(record)
        if isinstance(entry, Manifest):
            yield entry


def records_between(cluster: Cluster, place: Place, start: int, end: int) -> Iterator[Fetched]:
    """All of a partition from one offset up to another; KafkaAway if it ends before."""
    partition = TopicPartition(*place)
    with cluster.consumer([place]) as consumer:
        consumer.seek(partition, start)
        heard = time.monotonic()
        while consumer.position(partition) < end:
            for found in consumer.poll(timeout_ms=200).values():
                heard = time.monotonic()
                yield from found
            if time.monotonic() - heard > SILENCE:
                raise KafkaAway(f"{place[0]}/{place[1]} cannot be read to its end")


def _ends_before(record: Fetched, position: int) -> bool:
    if header(record, "ce_type") != CHUNK:
        return False
    entry = entry_of(record)
    return isinstance(entry, Manifest) and entry.last <= position
