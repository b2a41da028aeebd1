"""The one place that talks to kafka-python, whose bugs around failed commits decide how we publish."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeAlias

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidRecordError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)

from aggregates.value import Value
from infra.kafka import KafkaTrouble
from infra.kafka.records import Headers, install
from infra.kafka.wire import LARGEST, PREFIX, Record, prefix_in

install()

Place: TypeAlias = tuple[str, int]
"""A topic and one of its partitions."""

Fetched: TypeAlias = Any
"""A record as kafka-python gives it: topic, partition, offset, timestamp, key, value, headers."""

POLLED = 5_000
"""Records that a consumer hands over at a time at most."""

REQUEST_MS = 10_000
RETRY_MS = 3
"""After how long it is asked again for what Kafka puts off: a transaction while the one before is being completed."""

FLUSH_SECONDS = 10.0
OVERHEAD = 100
"""Bytes of a record, and of a batch with nothing else in it, that are none of its key, value and headers."""

CLUSTER = "KAFKA_BOOTSTRAP_SERVERS"
OPTIONS = {
    "KAFKA_SECURITY_PROTOCOL": "security_protocol",
    "KAFKA_SASL_MECHANISM": "sasl_mechanism",
    "KAFKA_SASL_USERNAME": "sasl_plain_username",
    "KAFKA_SASL_PASSWORD": "sasl_plain_password",
    "KAFKA_SSL_CAFILE": "ssl_cafile",
    "KAFKA_SSL_CERTFILE": "ssl_certfile",
    "KAFKA_SSL_KEYFILE": "ssl_keyfile",
}
"""Variables of the environment that say how to connect, and what kafka-python calls them."""


class KafkaAway(KafkaTrouble):
    """Kafka does not answer, or not as it should; the same may be tried again."""


class Doubt(Exception):
    """Nobody can say whether what was sent will be in Kafka. The process must end: the next one reads what is there."""


class Rejected(Exception):
    """Kafka will never take this record; the transaction that it is in must not be committed."""

    def __init__(self, record: Record, why: str) -> None:
        super().__init__(why)
        self.record = record


class Cluster(Value):
    """Where Kafka is, how to connect, and what our topics there begin with."""

    servers: str
    prefix: str = PREFIX
    options: Mapping[str, str] = {}

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None) -> Cluster | None:
        """What the environment says; None: nobody wants Kafka."""
        env = os.environ if environment is None else environment
        if not env.get(CLUSTER):
            return None
        options = {key: env[name] for name, key in OPTIONS.items() if env.get(name)}
        return cls(servers=env[CLUSTER], prefix=prefix_in(env), options=options)

    def common(self) -> dict[str, Any]:
        """What every client is made with."""
        return {
            "bootstrap_servers": self.servers.split(","),
            "bootstrap_timeout_ms": REQUEST_MS,
            "request_timeout_ms": REQUEST_MS,
            "reconnect_backoff_max_ms": 1_000,
            **self.options,
        }

    @contextmanager
    def admin(self) -> Iterator[KafkaAdminClient]:
        """Somebody who makes and describes topics. KafkaAway where that fails."""
        with saying_so():
            admin = KafkaAdminClient(**self.common())
            try:
                yield admin
            finally:
                admin.close()

    @contextmanager
    def consumer(self, places: Iterable[Place] = (), *, committed: bool = True, **more: Any) -> Iterator[KafkaConsumer]:
        """A reader of these partitions, of what is committed unless said otherwise. KafkaAway where that fails."""
        with saying_so():
            consumer = KafkaConsumer(**self.common() | reading(committed=committed) | more)
            try:
                if places := list(places):
                    consumer.assign([TopicPartition(*place) for place in places])
                yield consumer
            finally:
                consumer.close(autocommit=False, timeout_ms=2_000)


def reading(*, committed: bool = True) -> dict[str, Any]:
    """Every default of a consumer that would lose or make up something, otherwise."""
    return {
        "isolation_level": "read_committed" if committed else "read_uncommitted",
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "allow_auto_create_topics": False,
        "fetch_max_wait_ms": 100,
        "max_poll_records": POLLED,
        "metrics_enabled": False,
        "max_partition_fetch_bytes": LARGEST,
    }


@contextmanager
def saying_so() -> Iterator[None]:
    """Whatever kafka-python raises, as one thing to wait for."""
    try:
        yield
    except KafkaError as error:
        raise KafkaAway(f"Kafka does not answer as it should ({error})") from error


class Publisher:
    """Writes all of some records or none, as the only one of its name.

    Making one fences whoever wrote under that name before, and ends their transaction. The discipline: flush, look at
    every future, then commit; after any doubt never a second try with the same producer. kafka-python 3.0.12 reports
    commits that did not happen, so nobody may conclude from ours what is in Kafka: that is read back.
    """

    def __init__(self, cluster: Cluster, name: str, *, transaction_ms: int = 30_000) -> None:
        with saying_so():
            self._producer = KafkaProducer(
                **cluster.common(),
                transactional_id=name,
                transaction_timeout_ms=transaction_ms,
                max_block_ms=3 * REQUEST_MS,
                delivery_timeout_ms=int(FLUSH_SECONDS * 1000) + 2_000,
                batch_size=1 << 20,
                linger_ms=1_000,  # until the flush: otherwise each record travels alone
                max_request_size=LARGEST,
                retry_backoff_ms=RETRY_MS,
                metrics_enabled=False,
            )
            self._producer.init_transactions()

    def publish(self, records: Sequence[Record]) -> None:
        """Commit all of them together, once each is acknowledged.

        Doubt if anything at all is not as it should be; Rejected if Kafka will never take a record.
        """
        try:
            self._producer.begin_transaction()
            self._send(records)
            self._producer.commit_transaction()
        except KafkaError as error:
            raise Doubt(f"a transaction failed ({error})") from error

    def _send(self, records: Sequence[Record]) -> None:
        """Queue all, then wait: `KafkaProducer.send` would add each partition to the transaction by a request of its
        own, and look at every header three times."""
        places = {place: TopicPartition(*place) for place in {(record.topic, record.partition) for record in records}}
        self._announce(places.values())
        append, futures = self._producer._accumulator.append, list[Any]()  # noqa: SLF001  # there is no other way in
        for topic, partition, key, value, headers, timestamp in records:
            travelling = Headers.of(headers)
            if len(key) + len(value) + len(travelling.wire) + OVERHEAD > LARGEST:
                raise Rejected(records[len(futures)], f"it is larger than {LARGEST} bytes")
            future, *_ = append(places[topic, partition], timestamp, key, value, travelling)
            futures.append(future)
        self._producer.flush(FLUSH_SECONDS)
        self._require_acknowledged(records, futures)

    def _announce(self, partitions: Collection[TopicPartition]) -> None:
        """What `send` does before it queues a record, for all these partitions at once."""
        for topic in {tp.topic for tp in partitions}:
            there = self._producer.partitions_for(topic) or ()
            if missing := [tp for tp in partitions if tp.topic == topic and tp.partition not in there]:
                raise Doubt(f"there is no {topic}/{missing[0].partition}")
        manager = self._producer._transaction_manager  # noqa: SLF001
        if manager.is_transactional():
            for tp in partitions:
                manager.maybe_add_partition_to_transaction(tp)

    def _require_acknowledged(self, records: Sequence[Record], futures: Sequence[Any]) -> None:
        for record, future in zip(records, futures, strict=True):
            if future.succeeded():
                continue
            if isinstance(future.exception, MessageSizeTooLargeError | RecordListTooLargeError | InvalidRecordError):
                raise Rejected(record, str(future.exception))
            raise Doubt(f"a record was not acknowledged ({future.exception})")


def shortest_silence_ms(cluster: Cluster) -> int:
    """After how long Kafka lets a group miss a member at the earliest; its own default for who may not ask."""
    setting = "group.min.session.timeout.ms"
    with cluster.admin() as admin:
        broker = str(admin.describe_cluster()["brokers"][0]["broker_id"])
        asked = ConfigResource(ConfigResourceType.BROKER, broker, configs={setting: None})
        try:
            told = admin.describe_configs([asked], config_filter="all")["broker"]
        except ClusterAuthorizationFailedError:
            return 6_000
    return int(told[broker][setting]["value"])


def since_ms(at: datetime) -> int:
    """From when on to look for what was recorded at or after an instant: a minute earlier, for markers of transactions
    have times of their own. Whoever looks leaves out what is too early."""
    return max(0, int(at.timestamp() * 1000) - 60_000)


def ends(cluster: Cluster, places: Sequence[Place], *, patience: float) -> dict[Place, tuple[int, int]]:
    """Of each partition the first offset and the one behind the last, once no transaction is open any more.

    Only the relay writes there, so what is committed and what is not have the same end as soon as its predecessor's
    transaction is over. KafkaAway if that takes too long.
    """
    partitions = [TopicPartition(*place) for place in places]
    deadline = time.monotonic() + patience
    with cluster.consumer() as settled, cluster.consumer(committed=False) as written:
        while True:
            stable, high = settled.end_offsets(partitions), written.end_offsets(partitions)
            if stable == high:
                first = settled.beginning_offsets(partitions)
                return {(tp.topic, tp.partition): (first[tp], stable[tp]) for tp in partitions}
            if time.monotonic() > deadline:
                open_ = [f"{tp.topic}/{tp.partition}" for tp in partitions if stable[tp] != high[tp]]
                raise KafkaAway(f"a transaction is still open in {', '.join(open_)}")
            time.sleep(0.1)


def last_records(
    cluster: Cluster,
    spans: Mapping[Place, tuple[int, int]],
    *,
    patience: float,
    wanted: Callable[[Fetched], bool] = lambda _: True,
) -> dict[Place, Fetched]:
    """The last record of each partition that is wanted, if there is one. Markers of transactions take offsets too, so
    a window at the end widens until it holds a record."""
    found: dict[Place, Fetched] = {}
    windows = {place: 64 for place, (first, end) in spans.items() if end > first}
    deadline = time.monotonic() + patience
    with cluster.consumer() as consumer:
        while windows:
            starts = {p: max(spans[p][0], spans[p][1] - width) for p, width in windows.items()}
            partitions = {place: TopicPartition(*place) for place in windows}
            consumer.assign(list(partitions.values()))
            for place, start in starts.items():
                consumer.seek(partitions[place], start)
            unread = dict(partitions)
            while unread:
                for tp, records in consumer.poll(timeout_ms=200).items():
                    place, end = (tp.topic, tp.partition), spans[tp.topic, tp.partition][1]
                    for record in records:
                        if record.offset < end and wanted(record):
                            found[place] = record
                unread = {place: tp for place, tp in unread.items() if consumer.position(tp) < spans[place][1]}
                if time.monotonic() > deadline:
                    raise KafkaAway(f"the end of {len(unread)} partitions cannot be read")
            windows = {
                place: width * 4
                for place, width in windows.items()
                if place not in found and starts[place] > spans[place][0]
            }
    return found
