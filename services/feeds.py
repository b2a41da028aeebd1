"""Where a subscriber's events come from: Kafka, or the feed of the API where there is none."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import msgspec

from aggregates.value import Value
from infra.codec import Line, Published
from infra.kafka.client import Cluster, Fetched, Place, saying_so, since_ms
from infra.kafka.wire import published_of

BATCH = 5_000


class Begin(Value):
    """Where a new subscriber begins: behind a position, or with what was recorded at or after an instant."""

    after: int = 0
    since: datetime | None = None

    def takes(self, position: int, recorded_at: datetime) -> bool:
        """Is an event one of those to begin with, or later?"""
        return position > self.after and (self.since is None or recorded_at >= self.since)


FROM_THE_BEGINNING = Begin()


class Kept(NamedTuple):
    """How far a subscriber has come in one partition: the offset of the next record, the last position it has seen."""

    offset: int
    position: int


class Item(NamedTuple):
    """One record on its way: where it came from, the offset behind it, and how to read it if anybody wants to."""

    place: Place
    next_offset: int
    type: str
    read: Callable[[], Published]


class SourceAway(Exception):
    """The source does not answer; the same may be tried again."""


class Source(Protocol):
    """Where events come from."""

    def open(self, kept: Mapping[Place, Kept], begin: Begin) -> None:
        """Go on behind what is kept; partitions of which nothing is kept, from the beginning that is asked for."""

    def poll(self, wanted: Collection[str], seconds: float) -> Sequence[Item]:
        """The next records, of any type: those that are not wanted need not be read. Waits so long for the first."""

    def waiting(self) -> int:
        """How many records are behind what `poll` gave last, at most."""

    def close(self) -> None:
        """Let go of whatever is open."""


class KafkaSource:
    """All partitions of our topics, or of those for some kinds of streams; committed records only.

    `restricted`: also the topics of events that few may read, for which the login needs the right.
    """

    def __init__(self, cluster: Cluster, *, kinds: Iterable[str] | None = None, restricted: bool = False) -> None:
        self._cluster, self._kinds = cluster, None if kinds is None else set(kinds)
        self._endings = {"events", "restricted"} if restricted else {"events"}
        self._opened: Any = None
        self._consumer: Any = None

    def open(self, kept: Mapping[Place, Kept], begin: Begin) -> None:
        from kafka import TopicPartition

        with saying_so():
            self.close()
            self._opened = self._cluster.consumer()
            self._consumer = self._opened.__enter__()
            partitions = [TopicPartition(topic, n) for topic in self._topics() for n in self._partitions(topic)]
            self._consumer.assign(partitions)
            new = [tp for tp in partitions if (tp.topic, tp.partition) not in kept]
            # first, and not by seek_to_end, which looks later: what is committed in between would be passed over
            ends = self._consumer.end_offsets(new) if begin.since is not None and new else {}
            since = self._offsets(new, begin.since) if begin.since is not None and new else {}
            for tp in partitions:
                if (known := kept.get((tp.topic, tp.partition))) is not None:
                    self._consumer.seek(tp, known.offset)
                elif begin.since is None:
                    self._consumer.seek_to_beginning(tp)
                else:
                    self._consumer.seek(tp, ends[tp] if since.get(tp) is None else since[tp].offset)

    def poll(self, wanted: Collection[str], seconds: float) -> Sequence[Item]:
        names, items = {name.encode() for name in wanted}, list[Item]()
        with saying_so():
            fetched = self._consumer.poll(timeout_ms=int(seconds * 1000), max_records=BATCH)
            for (topic, partition, *_), records in fetched.items():
                place = (topic, partition)
                items += [
                    Item(place, record.offset + 1, type_.decode(), _reader(record))
                    for record in records
                    if (type_ := _type_of(record)) in names
                ]
                items.append(Item(place, records[-1].offset + 1, "", nothing))
        return items

    def waiting(self) -> int:
        with saying_so():
            partitions = list(self._consumer.assignment())
            ends = self._consumer.end_offsets(partitions)
            return sum(ends[tp] - self._consumer.position(tp) for tp in partitions)

    def close(self) -> None:
        if self._opened is not None:
            opened, self._opened, self._consumer = self._opened, None, None
            opened.__exit__(None, None, None)

    def _topics(self) -> Iterator[str]:
        before = f"{self._cluster.prefix}."
        for name in sorted(self._consumer.topics()):
            kind, _, ending = name.removeprefix(before).rpartition(".")
            if name.startswith(before) and ending in self._endings and (self._kinds is None or kind in self._kinds):
                yield name

    def _partitions(self, topic: str) -> list[int]:
        return sorted(self._consumer.partitions_for_topic(topic) or ())

    def _offsets(self, partitions: Iterable[Any], since: datetime) -> dict[Any, Any]:
        asked = dict.fromkeys(partitions, since_ms(since))
        found: dict[Any, Any] = self._consumer.offsets_for_times(asked)
        return found


class HttpSource:
    """The feed of the API, where there is no Kafka: the same events under the same positions.

    `token`: of an account with the role `service`; it is asked for before each request, so it may change.
    """

    PLACE: Place = ("events", 0)

    def __init__(self, address: str, token: Callable[[], str], *, page: int = 1000) -> None:
        self._address, self._token, self._page = address.rstrip("/"), token, page
        self._after, self._head = 0, 0
        self._opener = urllib.request.build_opener()

    def open(self, kept: Mapping[Place, Kept], begin: Begin) -> None:
        known = kept.get(self.PLACE)
        self._after = known.offset if known is not None else begin.after

    def poll(self, wanted: Collection[str], seconds: float) -> Sequence[Item]:
        until = time.monotonic() + seconds
        while True:
            page = self._ask(sorted(wanted))
            before, self._after, self._head = self._after, page.after, page.head
            items = [
                Item(self.PLACE, item.position, item.type, item.published)
                for item in page.items
                if item.data is not msgspec.UNSET
            ]
            if page.after > before:
                return [*items, Item(self.PLACE, page.after, "", nothing)]
            if time.monotonic() > until:
                return []
            time.sleep(min(0.1, seconds))

    def waiting(self) -> int:
        return max(0, self._head - self._after)

    def close(self) -> None:
        """Nothing stays open."""

    def _ask(self, types: Iterable[str]) -> _Page:
        query = urllib.parse.urlencode({"after": self._after, "limit": self._page, "type": ",".join(types)})
        request = urllib.request.Request(f"{self._address}/events?{query}")  # noqa: S310  # the address is ours
        request.add_header("Authorization", f"Bearer {self._token()}")
        try:
            with self._opener.open(request, timeout=30) as answer:
                return _read_page(answer.read())
        except urllib.error.HTTPError as error:
            said = json.loads(error.read() or b"{}").get("detail", error.reason)
            raise SourceAway(f"{self._address} answers {error.code}: {said}") from error
        except (OSError, msgspec.DecodeError) as error:
            raise SourceAway(f"{self._address} does not answer as it should ({error})") from error


class _FeedItem(msgspec.Struct):
    """An event as `GET /events` shows it; of one that is withheld there is no data."""

    position: int
    type: str
    time: datetime = datetime.min.replace(tzinfo=UTC)
    id: UUID | None = None
    subject: str = ""
    version: int = 0
    schema: int = 0
    effectiveat: datetime | None = None
    actorid: str = ""
    commandid: UUID | None = None
    tags: list[str] = msgspec.field(default_factory=list)
    meta: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    def published(self) -> Published:
        assert self.id is not None  # noqa: S101  # only what is withheld has none
        assert self.commandid is not None  # noqa: S101
        line = Line(
            self.position, self.subject, self.version, self.type, self.schema, self.id, self.time,
            self.effectiveat or self.time, self.actorid, self.commandid, _bytes(self.data), _bytes(self.meta),
        )  # fmt: skip
        return Published(line, self.tags)


class _Page(msgspec.Struct):
    items: list[_FeedItem]
    after: int
    head: int


_read_page = msgspec.json.Decoder(_Page).decode


def _bytes(raw: msgspec.Raw | msgspec.UnsetType) -> bytes:
    return b"" if isinstance(raw, msgspec.UnsetType) else bytes(raw)


def _type_of(record: Fetched) -> bytes:
    """Without reading anything behind it; our own relay writes it fourth."""
    return record.headers.get("ce_type") or b""


def _reader(record: Fetched) -> Callable[[], Published]:
    return lambda: published_of(record.headers, record.value)


def nothing() -> Published:
    raise AssertionError("nobody reads what is only passed by")
