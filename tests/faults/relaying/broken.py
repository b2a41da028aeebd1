"""Relays that leave out one of the things by which ours is exact. The harness has to notice each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kafka import KafkaProducer

from infra.kafka import client
from infra.kafka.client import Cluster, Publisher, saying_so
from infra.kafka.wire import LARGEST, Record, leaf_of
from projections.merkle import Tree
from services.relay import Relay, RelayState


class TakesItsWordForIt(Relay):
    """Does not read back what is in Kafka: it trusts the position that it has written down after each commit."""

    def begin(self) -> None:
        self._settle_topics()
        self._publisher = self._fence()
        (self.position,) = self.db.execute("SELECT coalesce(max(position), 0) FROM yewu.relay").fetchone() or (0,)
        self._tree = Tree()
        for published in self._read("position <= %s", self.position):
            self._tree.add(leaf_of(published))
        self.tell(RelayState.RUNNING)

    def step(self) -> int:
        done = super().step()
        self.tell(RelayState.RUNNING)
        return done


class Unfenced(Publisher):
    """Without transactions: whoever wrote before can still write."""

    def __init__(self, cluster: Cluster) -> None:
        with saying_so():
            self._producer = KafkaProducer(
                **cluster.common(),
                enable_idempotence=True,
                max_block_ms=client.REQUEST_MS,
                delivery_timeout_ms=int(client.FLUSH_SECONDS * 1000) + 2_000,
                batch_size=1 << 20,
                linger_ms=1_000,
                max_request_size=LARGEST,
                metrics_enabled=False,
            )

    def publish(self, records: Sequence[Record]) -> None:
        self._send(records)


class FencesNobody(Relay):
    """Does not keep others from writing."""

    def _fence(self) -> Publisher:
        return Unfenced(self.cluster)


class Careless(Publisher):
    """Believes that what it has sent is there if the commit says so."""

    def _send(self, records: Sequence[Record]) -> None:
        for topic, partition, key, value, headers, timestamp in records:
            self._producer.send(topic, value, key, headers, partition, timestamp)
        self._producer.flush()

    def _require_acknowledged(self, records: Sequence[Record], futures: Sequence[Any]) -> None:
        raise AssertionError("it never asks")


class LooksAtNoFuture(Relay):
    """Commits whatever became of the records."""

    def _fence(self) -> Publisher:
        return Careless(self.cluster, f"yewu.{self.store}.relay")
