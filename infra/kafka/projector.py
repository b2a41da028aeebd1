"""The projector from Kafka: any number of processes in one consumer group, each with the rows of its partitions."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import nullcontext
from typing import Any
from uuid import UUID

import psycopg
import structlog
from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.errors import IllegalStateError

from infra.kafka import topics
from infra.kafka.client import Cluster, Fetched, KafkaAway, Place, saying_so, shortest_silence_ms
from infra.kafka.ledger import Ledger, behind
from infra.kafka.watchdog import Watchdog
from infra.kafka.wire import Topics, header, partition_of, position_of, published_of
from infra.read_model import schema as schemas
from infra.read_model.engine import ReadModel, is_own
from infra.read_model.follower import Overtaken
from infra.read_model.lines import Line
from infra.read_model.parts import (
    Division,
    News,
    Part,
    PartsFollower,
    SharedFollower,
    adopt,
    leave,
    places_of,
)
from infra.read_model.projector import (
    ALONE,
    BEAT,
    FAR_BEHIND,
    LONGEST_PAUSE,
    QUICK,
    STANDBY,
    STANDS_BY,
    TIDY,
    Projector,
)
from projections.row import View

log = structlog.get_logger()

TOGETHER, NO_LONGER_ALONE = "pg_try_advisory_lock_shared", "pg_advisory_unlock"

GROUP: Mapping[str, Any] = {"max_poll_interval_ms": 20_000, "max_poll_records": 2_000}
"""A member that only seems to work is missed after twenty seconds."""

SILENCE_MS = 3_000
"""One that is gone or frozen, after three, or as soon as Kafka allows: each waits for the one before."""

LOOK_MS = 20
LONGEST_STEP = 15.0
"""Seconds after which a member hangs: kafka-python can wait for ever."""

MOST_IDLE = "5s"
"""So long may a transaction of a process that was stopped hold up the others."""


def divided(model: ReadModel, there: Topics) -> Division:
    """Which views are folded partition by partition: those whose rows are made by one stream, of events in one topic.

    A stream has its restricted events in another topic than the rest, and nobody reads two partitions in one order.
    """
    topic_of: dict[View[Any], str] = {}
    for view in model.views:
        restricted = {event.readers is not None for event in view.folds}
        if is_own(view) and len(restricted) == 1:
            topic_of[view] = there.of(str(view.key.kind), restricted=restricted.pop())
    return Division(
        own=ReadModel([*topic_of], model.codec, model.fingerprint, trail=False),
        topic_of=topic_of,
        shared=ReadModel([view for view in model.views if view not in topic_of], model.codec, model.fingerprint),
        places=frozenset(place for place in there.places if place[0] in topic_of.values()),
        whole=(there.ledger, 0),
        number_of=lambda topic, stream_id: partition_of(stream_id, there.partitions[topic]),
    )


def line_of(record: Fetched) -> Line:
    """A record as the line of the log that it was made of."""
    line = published_of(record.headers, record.value).line
    return (
        line.position, line.stream_id, line.version, line.type, line.schema, line.recorded_at, line.effective_at,
        line.actor_id, line.ids, line.data, line.meta,
    )  # fmt: skip


class KafkaProjector(Projector):
    """One member of the group that keeps the schema of a fingerprint; none while one from the log does."""

    def __init__(
        self,
        conninfo: str,
        model: ReadModel,
        cluster: Cluster,
        planned: Topics,
        *,
        watchdog: Watchdog | None = None,
        far_behind: int = FAR_BEHIND,
    ) -> None:
        super().__init__(conninfo, model, far_behind=far_behind)
        self.cluster, self.planned, self._watchdog = cluster, planned, watchdog
        self._pause = QUICK

    def _serve(self, db: psycopg.Connection[Any], stop: threading.Event) -> None:
        """Elsewhere if the topics are another log's."""
        try:
            self._take_part(db, stop)
        except KafkaAway as error:
            log.warning("Kafka is away", error=str(error), again_in=self._pause)
            stop.wait(self._pause)
            self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def _take_part(self, db: psycopg.Connection[Any], stop: threading.Event) -> None:
        db.execute(f"SET idle_in_transaction_session_timeout = '{MOST_IDLE}'")
        there = self._topics(db, stop)
        if there is None:
            return
        division = divided(self.model, there)
        if not self._together(db, division, stop):
            return
        (store,) = db.execute("SELECT id FROM yewu.store").fetchone() or (UUID(int=0),)
        group = f"{there.prefix}.{self.model.schema}"
        silence = max(SILENCE_MS, shortest_silence_ms(self.cluster))
        with (
            self.cluster.consumer(
                group_id=group,
                partition_assignment_strategy=[Evenly(there.partitions)],
                session_timeout_ms=silence,
                heartbeat_interval_ms=silence // 4,
                **GROUP,
            ) as consumer,
            self.cluster.consumer([division.whole]) as of_ledger,
        ):
            self._adopt(db, division)
            member = Member(db, division, consumer, Ledger(self.cluster, of_ledger, there.ledger, store))
            self._follow(db, member, stop)

    def _follow(self, db: psycopg.Connection[Any], member: Member, stop: threading.Event) -> None:
        beat, tidy = float("-inf"), time.monotonic()
        while not stop.is_set():
            with self._watchdog.within(LONGEST_STEP) if self._watchdog is not None else nullcontext():
                if member.step():
                    self._pause = QUICK
            now = time.monotonic()
            if now - beat < BEAT:
                continue
            beat = now
            self._retry_of(db, member)
            member.beat()
            if member.shared is not None and now - tidy >= TIDY:
                self._tidy(db)
                tidy = now

    def _retry_of(self, db: psycopg.Connection[Any], member: Member) -> None:
        """Of the rows that somebody wants folded again those that are this member's."""
        rows = self._to_retry(db)
        if rows:
            self._retried(db, member.retry(rows))

    def _topics(self, db: psycopg.Connection[Any], stop: threading.Event) -> Topics | None:
        """The topics as the relay has made them; None if there are none before the end."""
        told = False
        while not stop.is_set():
            made = topics.recorded(db)
            if self.planned.partitions.keys() <= made.keys():
                return topics.expected(self.planned, made)
            if not told:
                log.warning("the topics are not there yet: start the relay")
                told = True
            stop.wait(STANDBY)
        return None

    def _together(self, db: psycopg.Connection[Any], division: Division, stop: threading.Event) -> bool:
        """Wait until the schema is there, kept in these parts or in none, and nobody keeps it from the log."""
        told = False
        while not stop.is_set():
            if self._lock(db, ALONE):
                if self._needs_building_for(db, division):
                    self._build(db)
                self._lock(db, TOGETHER)
                self._lock(db, NO_LONGER_ALONE)
                return True
            if self._lock(db, TOGETHER):
                if schemas.exists(db, self.model.schema) and (
                    places_of(db, self.model.schema) in (set(), division.all_places)
                ):
                    return True
                self._lock(db, "pg_advisory_unlock_shared")
            elif not told:
                log.info(STANDS_BY, schema=self.model.schema)
                told = True
            stop.wait(STANDBY)
        return False

    def _needs_building_for(self, db: psycopg.Connection[Any], division: Division) -> bool:
        """Is it missing, far behind, or kept in other parts than these?"""
        if not schemas.exists(db, self.model.schema):
            return True
        lag = schemas.lag(db, self.model.schema)
        if lag.head - lag.position > self.far_behind:
            return True
        return places_of(db, self.model.schema) != division.all_places and not leave(db, self.model.schema)

    def _adopt(self, db: psycopg.Connection[Any], division: Division) -> None:
        """Keep the schema in parts, unless that is done already."""
        if not places_of(db, self.model.schema):
            position = schemas.lag(db, self.model.schema).position
            offsets = behind(self.cluster, division.places, lambda record: position_of(record) <= position)
            adopt(db, division, position, offsets)


class Member:
    """One member at work: it folds what its partitions bring, and, if it has the ledger as well, what they share."""

    def __init__(
        self, db: psycopg.Connection[Any], division: Division, consumer: KafkaConsumer, ledger: Ledger
    ) -> None:
        self.db, self.division, self.consumer, self.ledger = db, division, consumer, ledger
        self.parts = PartsFollower(db, division)
        self.shared: SharedFollower | None = None
        self._types = {name.encode() for name in self.parts.model.engine.types}
        self._changed = threading.Event()
        self._changed.set()
        consumer.subscribe(sorted({topic for topic, _ in division.all_places}), listener=_Listener(self._changed))

    def step(self) -> int:
        """Take what has come; how many partitions have moved. KafkaAway if nothing can be said of Kafka.

        Poisoned if nobody knows whose row an event would change. Whoever was overtaken begins anew with what the group
        gives it.
        """
        with saying_so():
            fetched = self.consumer.poll(timeout_ms=LOOK_MS)
            if self._changed.is_set():
                self._changed.clear()
                self._begin()
                return 0
            self.ledger.look()
        try:
            news = self._news({(tp.topic, tp.partition): records for tp, records in fetched.items()})
            self.parts.take(news)
            return len(news) + (self.shared.step() if self.shared is not None else 0)
        except Overtaken as error:
            log.info("overtaken: it begins anew", problem=str(error))
            self._changed.set()
            return 0

    def beat(self) -> None:
        """Say that the schema is kept, if it falls to this one to say so."""
        if self.shared is not None:
            self.shared.beat()

    def retry(self, asked: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
        """Fold these rows again, if they are parked; those that were this one's to answer for."""
        try:
            ours = self.parts.retry(asked)
            if self.shared is not None:
                ours += self.shared.retry(asked)
                ours += self._not_parked(asked)
        except Overtaken:
            self._changed.set()
            return []
        return ours

    def _not_parked(self, asked: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        query = f"SELECT FROM {self.parts.schema}.{self.parts.model.parked.name} WHERE (row_table, row_key) = (%s, %s)"
        return [row for row in asked if self.db.execute(query.encode(), row).rowcount == 0]

    def _begin(self) -> None:
        """Take over what the group gives, each partition from where its rows are."""
        mine = {(tp.topic, tp.partition) for tp in self.consumer.assignment()}
        self.shared = SharedFollower(self.db, self.division) if self.division.whole in mine else None
        self.parts.hold(mine - {self.division.whole})
        parts = self.parts.parts
        try:
            for place, part in parts.items():
                self.consumer.seek(TopicPartition(*place), part.next_offset)
            if self.shared is not None:
                self.consumer.seek(TopicPartition(*self.division.whole), 0)
                self.consumer.pause(TopicPartition(*self.division.whole))
        except IllegalStateError:  # the group has changed its mind meanwhile
            self._changed.set()
            return
        position = min((part.position for part in parts.values()), default=0)
        if parts:
            self.ledger.begin(parts, position)
        log.info("takes over", partitions=len(parts), shared=self.shared is not None)

    def _news(self, fetched: Mapping[Place, list[Fetched]]) -> dict[Place, News]:
        """What has come of each part, and how far it is whole with that."""
        news: dict[Place, News] = {}
        for place, part in self.parts.parts.items():
            records = self._in_order(part, fetched.get(place, []))
            read = max(part.position, position_of(records[-1])) if records else part.position
            whole = self.ledger.complete(place, read)
            next_offset = records[-1].offset + 1 if records else part.next_offset
            if (whole, next_offset) != (part.position, part.next_offset):
                wanted = (record for record in records if header(record, "ce_type") in self._types)
                lines = [line_of(record) for record in wanted if position_of(record) > part.position]
                news[place] = News(lines, next_offset, whole)
        return news

    def _in_order(self, part: Part, records: list[Fetched]) -> list[Fetched]:
        """What continues the part: whoever is given back a partition may be given what lies before as well."""
        if not records or records[0].offset >= part.next_offset:
            return records
        with saying_so():
            self.consumer.seek(TopicPartition(*part.place), part.next_offset)
        return []


class Evenly(RoundRobinPartitionAssignor):  # type: ignore[misc]  # kafka-python says no types
    """Each partition in turn to the next member, by the numbers that the topics were made with.

    kafka-python's own goes by what the leader has heard of topics by then, and leaves out for good what it has not.
    """

    def __init__(self, partitions: Mapping[str, int]) -> None:
        self._partitions = partitions

    def assign(self, _cluster: object, members: Any) -> Any:
        """As its parent does, which asks nothing else of a cluster."""
        return super().assign(self, members)

    def partitions_for_topic(self, topic: str) -> set[int]:
        """All there are."""
        return set(range(self._partitions[topic]))


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python says no types
    """Only says that something has changed: it is called where heartbeats are made."""

    def __init__(self, changed: threading.Event) -> None:
        self._changed = changed

    def on_partitions_revoked(self, _: Any) -> None:
        self._changed.set()

    def on_partitions_assigned(self, _: Any) -> None:
        self._changed.set()

    def on_partitions_lost(self, _: Any) -> None:
        self._changed.set()
