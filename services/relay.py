"""The relay: publishes the whole log to Kafka, each event exactly once and in order, whatever is killed in between.

It fences its predecessor, reads back what is in Kafka, and sends what each partition is missing; after any doubt the
process ends, and the next one begins with reading back.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import structlog

from aggregates.value import Value
from infra.codec import COLUMNS, Published
from infra.kafka import topics
from infra.kafka.client import Cluster, Doubt, Fetched, KafkaAway, Place, Publisher, Rejected, ends, last_records
from infra.kafka.ledger import manifests
from infra.kafka.watchdog import TROUBLED, Watchdog
from infra.kafka.wire import (
    CHUNK,
    TOPICS,
    Contract,
    Manifest,
    Record,
    Topics,
    Unpublishable,
    Unreadable,
    entry_of,
    header,
    hexes,
    leaf_of,
    ledger_record,
    place_of,
    position_of,
    published_of,
    record_of,
    size_of,
)
from projections.merkle import Tree, root_of

log = structlog.get_logger()

CHUNK_EVENTS = 2_000
CHUNK_BYTES = 8 << 20
QUICK, SLOW, BEAT, STANDBY = 0.005, 0.050, 1.0, 0.5
"""Seconds between two looks at the log, at first and after a while without news; two signs of life; two looks at
whether another relay is gone."""

SETTLING = 60.0
"""Seconds that reading back may take: a predecessor's transaction has to end first."""

VERIFY = 60.0
"""Seconds between two looks at the settings of the topics."""

LONGEST_CHUNK = 30.0

LOOK_BACK = 10_000
"""Offsets, from the end of a partition that seems to lack something, among which a later event must not lie."""


class RelayState(StrEnum):
    """What a relay is doing."""

    RUNNING = "RUNNING"
    STANDBY = "STANDBY"
    BLOCKED = "BLOCKED"
    DIVERGED = "DIVERGED"


class Blocked(Exception):
    """Nothing can be published before somebody mends something; the sentence says what."""


class Diverged(Exception):
    """What is in Kafka is not what is in the log; nothing is written over. The sentence says where they part."""


class Whole(Value):
    """Up to a position everything is in Kafka, and each partition reaches at least as far as its end."""

    position: int = 0
    ends: Mapping[str, Mapping[int, int]] = {}


class Relay:
    """One relay on one session of the database, in autocommit mode, by whose lock it is the only one.

    `planned`: the topics there must be. `alive` is called while something takes long and gets on.
    """

    alive: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self, db: psycopg.Connection[Any], cluster: Cluster, planned: Topics) -> None:
        self.db, self.cluster, self.planned = db, cluster, planned
        self.name = f"{socket.gethostname()}-{os.getpid()}"
        self.position = 0
        self.topics = planned
        self._tails: dict[Place, int] = {}
        self._tree = Tree()
        self._before: tuple[int, dict[Place, int]] = 0, {}
        self._proven = False
        self._beat = self._verified = float("-inf")
        db.execute("SET TimeZone = 'UTC'; SET synchronous_commit = off")  # all it writes are hints
        self.store: UUID = (db.execute("SELECT id FROM yewu.store").fetchone() or (UUID(int=0),))[0]

    def elected(self) -> bool:
        """Is this the one that works? The lock ends with the session."""
        (ours,) = self.db.execute("SELECT pg_try_advisory_lock(hashtextextended('relay', 0))").fetchone() or (False,)
        return bool(ours)

    def begin(self) -> None:
        """Fence whoever published before, and find out what is in Kafka.

        Blocked or Diverged if nothing may be published; KafkaAway if that cannot be found out now.
        """
        self._settle_topics()
        self._publisher = self._fence()
        spans = ends(self.cluster, self.topics.places, patience=SETTLING)
        tails = last_records(self.cluster, spans, patience=SETTLING)
        chunk = self._last(spans, tails, CHUNK)
        contract = self._last(spans, tails, TOPICS)
        tails.pop((self.topics.ledger, 0), None)
        self._require_ours(chunk, contract)
        self._compare_tails(tails)
        self._require_nothing_lost(chunk)
        if chunk is not None:
            self._resume(chunk, spans)
        if contract is None or contract.topics != self.topics.partitions:
            entry = Contract(store=self.store, topics=self.topics.partitions)
            self._publisher.publish([ledger_record(entry, self.topics, datetime.now(UTC))])

    def step(self) -> int:
        """Publish the next events; how many those were, 0 at the head of the log.

        Doubt ends this relay for good; Blocked if the next event has no place in Kafka, or the topics have drifted.
        """
        if time.monotonic() - self._verified >= VERIFY:
            self._settle_topics()
        chunk = self._next()
        if not chunk:
            self._say_so_now_and_then()
            return 0
        before, leaves = hexes(self._tree.peaks), [leaf_of(published) for published, _ in chunk]
        for leaf in leaves:
            self._tree.add(leaf)
        missing, reached = self._missing(chunk)
        last = chunk[-1][0].line
        manifest = Manifest(
            store=self.store,
            first=self.position + 1,
            last=last.position,
            root=root_of(leaves).hex(),
            peaks=before,
            tree=self._tree.root().hex(),
            ends=_by_topic(reached),
        )
        try:
            self._publisher.publish([*missing, ledger_record(manifest, self.topics, last.recorded_at)])
        except Rejected as error:
            raise Blocked(f"at {position_of(error.record)}: Kafka does not take it ({error})") from error
        self._before = self.position, self._tails  # of this chunk only the next relay can be sure
        self._tails = self._tails | reached
        self.position = manifest.last
        self._say_so_now_and_then()
        return len(chunk)

    def tell(self, state: RelayState, detail: str = "") -> None:
        """Let others see how it is doing."""
        works = state is RelayState.RUNNING
        self.db.execute(
            "INSERT INTO yewu.relay (name, state, detail, position, beat_at, whole)"
            " VALUES (%s, %s, %s, %s, clock_timestamp(), %s)"
            " ON CONFLICT (name) DO UPDATE SET state = excluded.state, detail = excluded.detail,"
            " position = greatest(yewu.relay.position, excluded.position), beat_at = excluded.beat_at,"
            " whole = coalesce(excluded.whole, yewu.relay.whole)",
            (self.name, state, detail, self.position, self._whole() if works else None),
        )
        if state is not RelayState.STANDBY:  # it holds the lock: whoever else worked is gone
            self.db.execute(
                "UPDATE yewu.relay SET state = 'GONE' WHERE state NOT IN ('GONE', 'STANDBY') AND name <> %s",
                (self.name,),
            )
        if works and not self._proven:
            self.db.execute("DELETE FROM yewu.republish")
            self._proven = True
        self.db.execute(
            "DELETE FROM yewu.relay WHERE beat_at < clock_timestamp() - interval '1 minute' AND name <> %s"
            " AND position < (SELECT max(position) FROM yewu.relay) AND state NOT IN ('BLOCKED', 'DIVERGED')",
            (self.name,),
        )
        self._beat = time.monotonic()

    def _whole(self) -> str:
        """What this relay knows to be in Kafka, for the next one."""
        position, tails = self._before
        return msgspec.json.encode(Whole(position=position, ends=_by_topic(tails))).decode()

    def _say_so_now_and_then(self) -> None:
        if not self._proven or time.monotonic() - self._beat >= BEAT:
            self.tell(RelayState.RUNNING)

    def _settle_topics(self) -> None:
        """New topics are made; anything else that is not as it must be has to be mended by somebody."""
        made = topics.recorded(self.db)
        names = topics.expected(self.planned, made).partitions
        drifts = topics.drifts(self.planned, made, topics.there(self.cluster, names))
        if wrong := [str(drift) for drift in drifts if not drift.missing]:
            raise Blocked(f"the topics are not as they must be: {'; '.join(wrong)} (yewu kafka topics verify)")
        if drifts:
            topics.create(self.cluster, self.db, self.planned, drifts)
        self.topics = topics.expected(self.planned, topics.recorded(self.db))
        self._verified = time.monotonic()

    def _fence(self) -> Publisher:
        """From here on nobody else can write: older producers of this name are refused."""
        return Publisher(self.cluster, f"yewu.{self.store}.relay")

    def _last(self, spans: Mapping[Place, tuple[int, int]], tails: Mapping[Place, Fetched], kind: bytes) -> Any:
        """The last entry of a kind in the ledger."""
        ledger = (self.topics.ledger, 0)
        last = tails.get(ledger)
        if last is not None and header(last, "ce_type") != kind:
            of_kind = last_records(
                self.cluster,
                {ledger: spans[ledger]},
                patience=SETTLING,
                wanted=lambda record: header(record, "ce_type") == kind,
            )
            last = of_kind.get(ledger)
        try:
            return None if last is None else entry_of(last)
        except Unreadable as error:
            raise Diverged(f"the ledger holds something else: {error}") from error

    def _require_ours(self, *entries: Manifest | Contract | None) -> None:
        for entry in entries:
            if entry is not None and entry.store != self.store:
                raise Diverged(f"these topics belong to another log ({entry.store}), not to this one ({self.store})")

    def _compare_tails(self, tails: Mapping[Place, Fetched]) -> None:
        """What lies at the end of each partition must stand in the log, the same to the last byte."""
        for (topic, partition), record in sorted(tails.items()):
            try:
                theirs = published_of(record.headers, record.value)
            except Unreadable as error:
                raise Diverged(f"{topic}/{partition} ends with something else: {error}") from error
            self._tails[topic, partition] = theirs.line.position
            self._require_same(theirs)

    def _require_same(self, theirs: Published) -> None:
        position = theirs.line.position
        ours = next(iter(self._read("position = %s", position)), None)
        if ours is None:
            raise Diverged(
                f"at {position}: Kafka holds {theirs.line.type} of {theirs.line.recorded_at.isoformat()}, and the log"
                " has no such position; it has lost what it had (yewu kafka repair brings it home)"
            )
        if leaf_of(ours) != leaf_of(theirs):
            raise Diverged(f"at {position}: the log and Kafka hold different events")

    def _require_nothing_lost(self, chunk: Manifest | None) -> None:
        """Kafka must hold at least what an earlier relay said it had published."""
        (hint,) = self.db.execute("SELECT coalesce(max(position), 0) FROM yewu.relay").fetchone() or (0,)
        last = 0 if chunk is None else chunk.last
        if hint > last:
            raise Diverged(
                f"at {last + 1}: events up to {hint} were published, and Kafka has lost them"
                " (yewu kafka republish sends them anew)"
            )

    def _resume(self, chunk: Manifest, spans: Mapping[Place, tuple[int, int]]) -> None:
        """Go on behind the last transaction, or with it again if not all of it is there; further back, if that is
        allowed, where Kafka has lost what was there before it."""
        floors = self._floors(chunk, spans)
        self._require_rising(self._below(floors | chunk.places), spans)
        lost = self._below(floors)
        if lost:
            chunk = self._holding(self._allowed_to_fill(lost, floors), spans)
        ours = self._read("position BETWEEN %s AND %s", chunk.first, chunk.last)
        leaves = [leaf_of(each) for each in ours]
        if len(ours) != chunk.last - chunk.first + 1 or root_of(leaves).hex() != chunk.root:
            raise Diverged(f"at {chunk.first}: the log and Kafka differ between there and {chunk.last}")
        self.position, self._tree = chunk.first - 1, Tree(chunk.first - 1, map(bytes.fromhex, chunk.peaks))
        self._before = self.position, self._tails
        if torn := lost or self._below(chunk.places):
            log.warning("not all of a transaction is there", first=chunk.first, last=chunk.last, partitions=len(torn))
            return
        for leaf in leaves:
            self._tree.add(leaf)
        if self._tree.root().hex() != chunk.tree:
            raise Diverged(f"at {chunk.last}: the ledger's tree is not that of the log")
        self.position = chunk.last

    def _floors(self, chunk: Manifest, spans: Mapping[Place, tuple[int, int]]) -> dict[Place, int]:
        """For each partition the last position that it must hold of what was published before this chunk: as the relay
        before has written it down, and as the manifests behind that say."""
        (written,) = self.db.execute(
            "SELECT whole::text FROM yewu.relay WHERE whole IS NOT NULL ORDER BY position DESC LIMIT 1"
        ).fetchone() or (None,)
        whole = Whole() if written is None else msgspec.json.decode(written, type=Whole)
        floors = {(topic, n): end for topic, of_topic in whole.ends.items() for n, end in of_topic.items()}
        if whole.position < chunk.first - 1:
            for manifest in self._manifests(spans, whole.position):
                if manifest.last < chunk.first:
                    floors |= {place: max(end, floors.get(place, 0)) for place, end in manifest.places.items()}
        return floors

    def _manifests(self, spans: Mapping[Place, tuple[int, int]], since: int) -> Iterable[Manifest]:
        """Those of the ledger behind a position."""
        try:
            for manifest in manifests(self.cluster, self.topics.ledger, spans[self.topics.ledger, 0], since):
                self.alive()
                yield manifest
        except Unreadable as error:
            raise Diverged(f"the ledger holds something else: {error}") from error

    def _below(self, floors: Mapping[Place, int]) -> list[Place]:
        """The partitions that do not reach as far as they must."""
        return [place for place, floor in floors.items() if self._tails.get(place, 0) < floor]

    def _require_rising(self, places: Collection[Place], spans: Mapping[Place, tuple[int, int]]) -> None:
        """Of these nothing must lie before their last event that belongs behind it: somebody else has written then."""
        if not places:
            return
        later = last_records(
            self.cluster,
            {p: (max(spans[p][0], spans[p][1] - LOOK_BACK), spans[p][1]) for p in places if p in spans},
            patience=SETTLING,
            wanted=lambda record: position_of(record) > self._tails[record.topic, record.partition],
        )
        for (topic, partition), record in sorted(later.items()):
            raise Diverged(
                f"at {position_of(record)}: behind this event {topic}/{partition} ends with that at"
                f" {self._tails[topic, partition]}; somebody else has written there"
            )

    def _allowed_to_fill(self, lost: Collection[Place], floors: Mapping[Place, int]) -> int:
        """The first position that Kafka has lost. Diverged if nobody has allowed to send anew what lies behind it."""
        position, (topic, partition) = self._first_missing(lost)
        if self.db.execute("SELECT FROM yewu.republish").fetchone() is None:
            raise Diverged(
                f"at {position}: {topic}/{partition} held events from there up to {floors[topic, partition]}; they were"
                " published, and Kafka has lost them (yewu kafka republish sends them anew)"
            )
        return position

    def _first_missing(self, lost: Collection[Place]) -> tuple[int, Place]:
        tails = {place: self._tails.get(place, 0) for place in lost}
        with self.db.transaction(), self.db.cursor("log") as cursor:
            cursor.execute(
                "SELECT position, stream_id, type FROM yewu.log WHERE position > %s ORDER BY position",
                (min(tails.values()),),
            )
            for position, stream_id, type_ in cursor:
                self.alive()
                place = self._place_of(position, stream_id, type_)
                if position > tails.get(place, position):
                    return position, place
        raise Diverged("the ledger names partitions for events that the log has not")

    def _place_of(self, position: int, stream_id: str, type_: str) -> Place:
        try:
            return place_of(stream_id, type_, self.topics)
        except KeyError as unknown:
            raise Blocked(f"at {position}: nobody knows of {unknown.args[0]}") from None

    def _holding(self, position: int, spans: Mapping[Place, tuple[int, int]]) -> Manifest:
        """The manifest that vouches for a position: the last one, for those of before were replaced."""
        found = None
        for manifest in self._manifests(spans, 0):
            if manifest.first <= position <= manifest.last:
                found = manifest
        if found is None:
            raise Diverged(f"at {position}: no entry of the ledger vouches for it")
        return found

    def _next(self) -> list[tuple[Published, Record]]:
        """The events behind the position that go together, not too many and not too much, each with its record.

        Blocked if the very first of them has no place in Kafka.
        """
        chunk: list[tuple[Published, Record]] = []
        size = 0
        for published in self._read("position > %s", self.position, limit=CHUNK_EVENTS):
            try:
                record = record_of(published, self.topics)
            except Unpublishable as error:
                if chunk:
                    break  # what lies before it goes first
                raise Blocked(f"at {error.position}: {error.why}") from error
            size += size_of(published)
            if chunk and size > CHUNK_BYTES:
                break
            chunk.append((published, record))
        return chunk

    def _missing(self, chunk: Iterable[tuple[Published, Record]]) -> tuple[list[Record], dict[Place, int]]:
        """What of these is not in its partition yet, and where each of the partitions will end."""
        missing, reached = [], {}
        for published, record in chunk:
            place, position = (record.topic, record.partition), published.line.position
            tail = self._tails.get(place, 0)
            if position > tail:
                missing.append(record)
            reached[place] = max(position, tail)
        return missing, reached

    def _read(self, condition: str, *values: int, limit: int | None = None) -> list[Published]:
        query = f"SELECT {COLUMNS}, tags FROM yewu.log WHERE {condition} ORDER BY position LIMIT %s"
        with self.db.cursor(binary=True) as cursor:
            cursor.execute(query.encode(), (*values, limit), prepare=True)
            return [Published.of(row) for row in cursor]


def _by_topic(reached: Mapping[Place, int]) -> dict[str, dict[int, int]]:
    found: dict[str, dict[int, int]] = {}
    for (topic, partition), position in sorted(reached.items()):
        found.setdefault(topic, {})[partition] = position
    return found


def run(conninfo: str, cluster: Cluster, planned: Topics, stop: threading.Event, relay: type[Relay] = Relay) -> int:
    """Publish until told to stop; the status with which the process has to end, at once and by nothing but `os._exit`:
    kafka-python would wait for its threads."""
    watchdog = Watchdog("the relay")
    try:
        with psycopg.connect(conninfo, autocommit=True, application_name="yewu-relay", connect_timeout=5) as db:
            return _publish(relay(db, cluster, planned), stop, watchdog)
    except (psycopg.OperationalError, psycopg.InterfaceError, KafkaAway, Doubt) as error:
        log.warning("the relay ends, to be started again", problem=type(error).__name__, error=str(error).strip())
        return TROUBLED


def _publish(relay: Relay, stop: threading.Event, watchdog: Watchdog) -> int:
    while not relay.elected():
        relay.tell(RelayState.STANDBY)
        if stop.wait(STANDBY):
            return 0
    relay.alive = lambda: watchdog.wait_longer(3 * SETTLING)
    try:
        with watchdog.within(3 * SETTLING):
            relay.begin()
        log.info("the relay publishes", behind=relay.position)
        pause = QUICK
        while not stop.is_set():
            with watchdog.within(LONGEST_CHUNK):
                done = relay.step()
            if done:
                pause = QUICK
            else:
                stop.wait(pause)
                pause = min(pause * 1.5, SLOW)
    except Blocked as error:
        return _halt(relay, RelayState.BLOCKED, error)
    except Diverged as error:
        return _halt(relay, RelayState.DIVERGED, error)
    return 0


def _halt(relay: Relay, state: RelayState, error: Exception) -> int:
    relay.tell(state, str(error))
    log.error("the relay publishes nothing", state=state, why=str(error))
    return TROUBLED
