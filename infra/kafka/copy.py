"""The copy of the log in Kafka, read back in order: compared with the log, or brought home into it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from kafka import KafkaConsumer, TopicPartition

from aggregates.value import Value
from infra.backup import COLUMN_TYPES, COLUMNS, derive, require_empty
from infra.codec import COLUMNS as LINE
from infra.codec import Codec, Line, Published
from infra.kafka import KafkaTrouble
from infra.kafka.client import Cluster, Fetched, KafkaAway, Place, ends, since_ms
from infra.kafka.ledger import records_between
from infra.kafka.topics import there
from infra.kafka.wire import (
    Contract,
    Manifest,
    Topics,
    Unreadable,
    entry_of,
    leaf_of,
    place_of,
    published_of,
)
from projections.merkle import Tree, root_of

Progress = Callable[[int, int], None]

MOST_WAITING = 200_000
"""So many events may wait for one that comes before them; then partitions that are ahead are left alone for a while."""

PATIENCE = 60.0
"""Seconds without any record, though there must be some."""


class Flaw(KafkaTrouble):
    """The first place where the copy is not whole, or not the same as the log; the sentence says where and what."""


class Compared(Value):
    """Two copies of one log, up to a position, with the root of the Merkle tree over it (RFC 6962, hexadecimal)."""

    store: UUID
    position: int
    log_position: int
    root: str
    seconds: float


class Home(Value):
    """Events that were brought home from Kafka, up to which position, and how long it took."""

    store: UUID
    events: int
    position: int
    root: str
    seconds: float


class Copy:
    """What the ledger says there is. Flaw if the ledger itself is not whole, or there is none."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        ledger = Topics(prefix=cluster.prefix, partitions={}).ledger
        if not there(cluster, [ledger]):
            raise Flaw(f"there is no {ledger}: nothing was ever published there")
        entries = list(_entries(cluster, ledger))
        contracts = [entry for entry in entries if isinstance(entry, Contract)]
        if not contracts:
            raise Flaw(f"{ledger} does not say which topics there are")
        self.store = contracts[-1].store
        self.topics = Topics(prefix=cluster.prefix, partitions=contracts[-1].topics)
        self.manifests = _in_a_row(entry for entry in entries if isinstance(entry, Manifest))
        if other := next((entry.store for entry in entries if entry.store != self.store), None):
            raise Flaw(f"{ledger} is of two logs, {other} and {self.store}")
        exist = there(cluster, self.topics.partitions)
        for name, partitions in self.topics.partitions.items():
            found = exist[name].partitions if name in exist else 0
            if found != partitions:
                raise Flaw(f"{name} has {found} partitions and was made with {partitions}")

    @property
    def last(self) -> int:
        """The last position that a manifest vouches for."""
        return self.manifests[-1].last if self.manifests else 0

    def events(self, after: int = 0, since: datetime | None = None) -> Iterator[Published]:
        """The events behind a position in their order, up to the last one vouched for.

        `since`: when the one at `after` was recorded, so that not everything has to be read. Flaw at the first that is
        missing, doubled, out of order, or not where it belongs.
        """
        places = [place for place in self.topics.places if place[0] != self.topics.ledger]
        known = {p: end for p, (_, end) in ends(self.cluster, places, patience=PATIENCE).items()}
        with self.cluster.consumer(places) as consumer:
            if since is not None:
                _seek(consumer, since, known)
            yield from _Merge(self.topics, consumer, known).run(after, self.last)

    def vouched(self, tree: Tree, leaves: Iterable[tuple[Published, bytes]]) -> Iterator[Published]:
        """Let events through, each with its leaf, that a tree is to grow by; Flaw where a manifest says otherwise."""
        waiting = [manifest for manifest in self.manifests if manifest.last > tree.size]
        of_chunk: list[bytes] = []
        whole = bool(waiting) and waiting[0].first == tree.size + 1
        for published, leaf in leaves:
            tree.add(leaf)
            of_chunk.append(leaf)
            manifest = waiting[0]
            if tree.size == manifest.last:
                if whole and root_of(of_chunk).hex() != manifest.root:
                    raise Flaw(f"the events from {manifest.first} to {manifest.last} are not those of their manifest")
                if tree.root().hex() != manifest.tree:
                    raise Flaw(f"up to {manifest.last} the tree is not that of the ledger")
                waiting.pop(0)
                of_chunk.clear()
                whole = True
            yield published


class _Merge:
    """Partitions, each in its own order, put together by position in bounded memory."""

    def __init__(self, topics: Topics, consumer: KafkaConsumer, ends: Mapping[Place, int]) -> None:
        self._topics, self._consumer, self._ends = topics, consumer, ends
        self._seen: dict[Place, int] = {}
        self._waiting: dict[int, Published] = {}
        self._offsets: dict[Place, int] = {}
        self._narrowed = False

    def run(self, after: int, last: int) -> Iterator[Published]:
        """All from behind one position up to another; then on to the ends, where none of them may come again."""
        next_, heard = after + 1, time.monotonic()
        while next_ <= last or not self._all_read():
            for tp, records in self._consumer.poll(timeout_ms=200).items():
                heard = time.monotonic()
                for record in records:
                    self._take((tp.topic, tp.partition), record, next_, after, last)
            while (published := self._waiting.pop(next_, None)) is not None:
                yield published
                next_ += 1
            self._keep_memory_bounded(next_)
            if next_ <= last and self._all_read():
                raise Flaw(f"the event at position {next_} is missing in Kafka")
            if time.monotonic() - heard > PATIENCE:
                raise KafkaAway(f"nothing comes any more before position {next_}")

    def _take(self, place: Place, record: Fetched, next_: int, after: int, last: int) -> None:
        where = f"{place[0]}/{place[1]} at offset {record.offset}"
        try:
            published = published_of(record.headers, record.value)
        except Unreadable as error:
            raise Flaw(f"{where} is no event of ours: {error}") from error
        line = published.line
        before = self._seen.get(place, 0)
        if line.position == before or line.position in self._waiting or after < line.position < next_:
            raise Flaw(f"{where}: the event at position {line.position} is there twice")
        if line.position < before:
            raise Flaw(f"{where}: position {line.position} comes behind {before}")
        self._seen[place] = line.position
        self._require_in_place(place, line, where)
        if after < line.position <= last:
            self._waiting[line.position] = published

    def _require_in_place(self, place: Place, line: Line, where: str) -> None:
        try:
            topic, partition = place_of(line.stream_id, line.type, self._topics)
        except KeyError as unknown:
            raise Flaw(f"{where}: nobody here knows {unknown.args[0]}, of position {line.position}") from None
        if place[0] != topic:
            raise Flaw(f"{where}: the event at position {line.position} belongs to {topic}")
        if place[1] != partition:
            raise Flaw(f"{where}: the event at position {line.position} belongs to another partition")

    def _all_read(self) -> bool:
        """Is everything read where what is missing may lie?"""
        return all(
            self._consumer.position(tp) >= self._ends[tp.topic, tp.partition] for tp in self._consumer.assignment()
        )

    def _keep_memory_bounded(self, next_: int) -> None:
        """While too much waits, read only where what is missing may lie; then everywhere again.

        By assigning anew: where it paused and resumed partitions instead, a long restore stood still.
        """
        if self._narrowed and len(self._waiting) <= MOST_WAITING // 2:
            self._assign(set(self._ends))
            self._narrowed = False
        elif self._narrowed or len(self._waiting) > MOST_WAITING:
            lagging = {place for place in self._ends if self._seen.get(place, 0) < next_}
            if not self._narrowed or lagging - {(tp.topic, tp.partition) for tp in self._consumer.assignment()}:
                self._assign(lagging)
                self._narrowed = True

    def _assign(self, places: set[Place]) -> None:
        partitions = [TopicPartition(*place) for place in places]
        for tp in self._consumer.assignment():
            self._offsets[tp.topic, tp.partition] = self._consumer.position(tp)
        self._consumer.assign(partitions)
        for tp in partitions:
            self._consumer.seek(tp, self._offsets[tp.topic, tp.partition])


def bring_home(
    db: psycopg.Connection[Any],
    cluster: Cluster,
    codec: Codec,
    progress: Progress = lambda _done, _goal: None,
    *,
    into_empty: bool = False,
) -> Home:
    """Append to the log what Kafka has behind its end, byte for byte, and make anew what is derived from it.

    Of an empty log that is everything (`into_empty`: no other will do); of one that has lost its end, the end. The
    connection, in autocommit mode, acts as the owner; nobody can append meanwhile. Flaw, and nothing is written, if
    what both have is not the same, or the copy is not whole; BackupError if it must be empty and is not.
    """
    begun, copy = time.monotonic(), Copy(cluster)
    with db.transaction():
        (head,) = db.execute("SELECT position FROM yewu.head FOR UPDATE").fetchone() or (0,)
        (at,) = db.execute("SELECT recorded_at FROM yewu.log WHERE position = %s", (head,)).fetchone() or (None,)
        tree, versions = Tree(), dict[str, int]()
        if head and not into_empty:
            _require_store(db, copy.store)
            _grow(db, tree, versions)
            if head > copy.last:
                raise Flaw(f"the log ends at {head}, Kafka at {copy.last}: there is nothing to bring home")
            _require_known(copy, tree)
        else:
            require_empty(db)
        came = ((published, leaf_of(published)) for published in _going_on(copy.events(head, at), versions))
        _copy_in(db, copy.vouched(tree, came), head, copy.last, progress)
        db.execute("UPDATE yewu.store SET id = %s", (copy.store,))
        _record_topics(db, copy.topics)
        derive(db, codec)
    return Home(
        store=copy.store,
        events=copy.last - head,
        position=copy.last,
        root=tree.root().hex(),
        seconds=round(time.monotonic() - begun, 3),
    )


def audit(db: psycopg.Connection[Any], cluster: Cluster, progress: Progress = lambda _done, _goal: None) -> Compared:
    """Compare every event of the log with the copy in Kafka, up to the last one that was published; Flaw at the first
    difference. The connection is in autocommit mode."""
    begun, copy = time.monotonic(), Copy(cluster)
    _require_store(db, copy.store)
    tree = Tree()
    with db.transaction():
        db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL TimeZone = 'UTC'")
        (head,) = db.execute("SELECT position FROM yewu.head").fetchone() or (0,)
        if copy.last > head:
            raise Flaw(
                f"Kafka has events up to {copy.last}, the log ends at {head}: yewu kafka repair brings them home"
            )
        for published in copy.vouched(tree, _the_same(_rows(db, copy.last), _going_on(copy.events(), {}))):
            progress(published.line.position, copy.last)
    if tree.size != copy.last:
        raise Flaw(f"the event at position {tree.size + 1} is missing in the log")
    return Compared(
        store=copy.store,
        position=copy.last,
        log_position=head,
        root=tree.root().hex(),
        seconds=round(time.monotonic() - begun, 3),
    )


def _going_on(events: Iterable[Published], versions: dict[str, int]) -> Iterator[Published]:
    """Let events through, each of which is the next of its stream; `versions`: how far the streams were before."""
    for published in events:
        line = published.line
        before = versions.get(line.stream_id, 0)
        if line.version != before + 1:
            raise Flaw(
                f"the event at position {line.position} is version {line.version} of {line.stream_id}, and comes behind"
                f" version {before}"
            )
        versions[line.stream_id] = line.version
        yield published


def _the_same(ours: Iterable[Published], theirs: Iterable[Published]) -> Iterator[tuple[Published, bytes]]:
    """Pairs that do not differ in anything, as one; what comes from Kafka is read to its end."""
    for position, (their, our) in enumerate(zip(theirs, ours, strict=False), 1):
        if our.line.position != position:
            raise Flaw(f"the event at position {position} is missing in the log")
        leaf = leaf_of(our)
        if leaf != leaf_of(their):
            columns = [n for n, a, b in zip(Line._fields, our.line, their.line, strict=True) if a != b] or ["tags"]
            raise Flaw(f"the event at position {position} differs in {' and '.join(columns)}")
        yield our, leaf


def _require_known(copy: Copy, tree: Tree) -> None:
    """What the log has must be the beginning of what Kafka has; further on each manifest proves it again."""
    known = next((m.tree for m in copy.manifests if m.last == tree.size), tree.root().hex())
    if known != tree.root().hex():
        raise Flaw(f"up to {tree.size} the log is not what was published: yewu kafka audit says where they part")


def _entries(cluster: Cluster, ledger: str) -> Iterator[Manifest | Contract]:
    """All of the ledger, in its order."""
    place = (ledger, 0)
    start, end = ends(cluster, [place], patience=PATIENCE)[place]
    for record in records_between(cluster, place, start, end):
        try:
            yield entry_of(record)
        except Unreadable as error:
            raise Flaw(f"{ledger} at offset {record.offset} is no entry of ours: {error}") from error


def _in_a_row(manifests: Iterable[Manifest]) -> list[Manifest]:
    """The manifests that count, one behind the other: one that begins anew replaces those of a torn transaction."""
    row: list[Manifest] = []
    for manifest in manifests:
        while row and row[-1].first >= manifest.first:
            row.pop()
        expected = row[-1].last + 1 if row else 1
        if manifest.first != expected or manifest.last < manifest.first:
            raise Flaw(f"the ledger goes on at {manifest.first}, where {expected} would come")
        row.append(manifest)
    return row


def _seek(consumer: KafkaConsumer, since: datetime, ends: Mapping[Place, int]) -> None:
    """Leave out what was recorded before; where there is nothing later, go to the end that is known."""
    found = consumer.offsets_for_times(dict.fromkeys(consumer.assignment(), since_ms(since)))
    for tp, offset in found.items():
        consumer.seek(tp, ends[tp.topic, tp.partition] if offset is None else offset.offset)


def _require_store(db: psycopg.Connection[Any], store: UUID) -> None:
    (ours,) = db.execute("SELECT id FROM yewu.store").fetchone() or (None,)
    if ours != store:
        raise Flaw(f"these topics are of another log ({store}, not {ours})")


def _rows(db: psycopg.Connection[Any], until: int) -> Iterator[Published]:
    with db.cursor("rows", binary=True) as cursor:
        cursor.itersize = 5_000
        cursor.execute(f"SELECT {LINE}, tags FROM yewu.log WHERE position <= %s ORDER BY position".encode(), (until,))
        for row in cursor:
            yield Published.of(row)


def _grow(db: psycopg.Connection[Any], tree: Tree, versions: dict[str, int]) -> None:
    """A tree over what the log has, and how far each of its streams is."""
    db.execute("SET LOCAL TimeZone = 'UTC'")
    for position, published in enumerate(_going_on(_rows(db, 1 << 62), versions), 1):
        if published.line.position != position:
            raise Flaw(f"the event at position {position} is missing in the log")
        tree.add(leaf_of(published))


def _copy_in(
    db: psycopg.Connection[Any], events: Iterable[Published], head: int, last: int, progress: Progress
) -> None:
    done = head
    with (
        db.cursor() as cursor,
        cursor.copy(f"COPY yewu.log ({', '.join(COLUMNS)}) FROM STDIN (FORMAT binary)".encode()) as copy,
    ):
        copy.set_types(COLUMN_TYPES)
        for line, tags in events:
            copy.write_row((*line[:-1], tags, line[-1]))
            done += 1
            if done % 1_000 == 0 or done == last:
                progress(done, last)


def _record_topics(db: psycopg.Connection[Any], topics: Topics) -> None:
    db.execute("DELETE FROM yewu.topic")
    with db.cursor() as cursor:
        cursor.executemany("INSERT INTO yewu.topic (name, partitions) VALUES (%s, %s)", list(topics.partitions.items()))
