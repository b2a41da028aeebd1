"""What is on the wire: each row of the log as a CloudEvents 1.0 record in binary mode, and back, to the last byte."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from aggregates.event import Event
from aggregates.ids import kind_of
from aggregates.value import Value
from infra.codec import Line, Published
from projections.merkle import leaf

PREFIX = "yewu"
"""What the names of all topics begin with, unless several logs share a cluster."""

PARTITIONS = 6
"""Of each topic but the ledger. Keys keep their partition for ever, so this is for topics that are new."""

LARGEST = 8 << 20
"""Bytes of a record. The topics are made with the same limit."""

SETTINGS: Mapping[str, str] = {
    "cleanup.policy": "delete",  # never compacted: the key is a stream's id, of which all events must stay
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "compression.type": "producer",
    "message.timestamp.type": "CreateTime",
    "max.message.bytes": str(LARGEST),
    "unclean.leader.election.enable": "false",
}
"""How each topic is set."""

JSON = b"application/json"
CHUNK, TOPICS = b"yewu.chunk", b"yewu.topics"
"""The types of the ledger's records."""

_json = msgspec.json.Encoder().encode
_read_tags = msgspec.json.Decoder(list[str]).decode
_read_id = msgspec.json.Decoder(UUID).decode


class Record(NamedTuple):
    """A record as it is sent; `timestamp` in milliseconds since 1970 UTC."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]
    timestamp: int


class Unpublishable(Exception):
    """An event has no place on the wire; nothing behind it may be sent before it."""

    def __init__(self, position: int, why: str) -> None:
        super().__init__(f"the event at position {position} cannot be published: {why}")
        self.position, self.why = position, why


class Unreadable(Exception):
    """A record is none of ours, or not as we write it."""


class Manifest(Value):
    """What one transaction carries: the events at the positions from `first` to `last`, of one log.

    `root`: of the Merkle tree of just these; `peaks`: of the complete parts of the tree of all events before them;
    `tree`: of the tree with them; all in hexadecimal. `ends`: the last position in each partition they went to.
    """

    store: UUID
    first: int
    last: int
    root: str
    peaks: tuple[str, ...]
    tree: str
    ends: Mapping[str, Mapping[int, int]]

    @property
    def places(self) -> dict[tuple[str, int], int]:
        """The ends, by topic and partition."""
        return {(topic, n): end for topic, of_topic in self.ends.items() for n, end in of_topic.items()}


class Contract(Value):
    """What subscribers rely on: which topics there are, and of how many partitions."""

    store: UUID
    topics: Mapping[str, int]


class Topics(Value):
    """Topics by name, each with its number of partitions. Restricted events, which few may read, have their own."""

    prefix: str
    partitions: Mapping[str, int]

    @property
    def ledger(self) -> str:
        """The topic of manifests."""
        return f"{self.prefix}.ledger"

    @property
    def places(self) -> list[tuple[str, int]]:
        """Every partition of every topic."""
        return [(topic, n) for topic, count in self.partitions.items() for n in range(count)]

    def of(self, kind: str, *, restricted: bool) -> str:
        """Where events on streams of a kind go."""
        return f"{self.prefix}.{kind}.{'restricted' if restricted else 'events'}"


def prefix_in(environment: Mapping[str, str]) -> str:
    """What the names of topics begin with, as the environment says it."""
    return environment.get("KAFKA_TOPIC_PREFIX") or PREFIX


def planned(prefix: str, kinds: Iterable[str], restricted: Iterable[str]) -> Topics:
    """The topics for these kinds of streams, of which some hold events that few may read."""
    blank = Topics(prefix=prefix, partitions={})
    names = {blank.of(kind, restricted=False) for kind in kinds} | {blank.of(k, restricted=True) for k in restricted}
    return Topics(prefix=prefix, partitions={blank.ledger: 1} | dict.fromkeys(sorted(names), PARTITIONS))


@lru_cache(maxsize=1 << 16)
def partition_of(stream_id: str, partitions: int) -> int:
    """Where Kafka's own clients, too, would look for this key."""
    from kafka.partitioner.default import murmur2  # half a second that hardly any process needs

    return int((murmur2(stream_id.encode()) & 0x7FFFFFFF) % partitions)


def is_restricted(type_: str) -> bool:
    """May few read events of this type? KeyError if nobody here knows it."""
    return Event.known[type_].readers is not None


def place_of(stream_id: str, type_: str, topics: Topics) -> tuple[str, int]:
    """The topic and the partition of an event. KeyError if nobody here knows the type."""
    topic = topics.of(kind_of(stream_id), restricted=is_restricted(type_))
    return topic, partition_of(stream_id, topics.partitions[topic])


def record_of(published: Published, topics: Topics) -> Record:
    """A row as a record. Unpublishable if none of the topics is its."""
    line, tags = published
    try:
        topic, source, type_ = _whither(kind_of(line.stream_id), line.type, topics.prefix)
        count = topics.partitions[topic]
    except KeyError as unknown:
        raise Unpublishable(line.position, f"nobody knows of {unknown.args[0]}") from None
    key, at = line.stream_id.encode(), line.recorded_at.astimezone(UTC)
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", _json(line.event_id)[1:-1]),
        ("ce_source", source),
        ("ce_type", type_),
        ("ce_subject", key),
        ("ce_time", _written(at)),
        ("content-type", JSON),
        ("ce_position", b"%d" % line.position),
        ("ce_version", b"%d" % line.version),
        ("ce_schema", b"%d" % line.schema),
        ("ce_effectiveat", _written(line.effective_at.astimezone(UTC))),
        ("ce_actorid", line.actor_id.encode()),
        ("ce_commandid", _json(line.command_id)[1:-1]),
        ("ce_tags", _json(tags)),
        ("ce_meta", line.meta),
    ]
    if size_of(published) > LARGEST:
        raise Unpublishable(line.position, f"it has {size_of(published)} bytes, more than Kafka's topics take")
    millisecond = int(at.timestamp() * 1000)
    return Record(topic, partition_of(line.stream_id, count), key, line.data, headers, millisecond)


@lru_cache(maxsize=1 << 12)
def _whither(kind: str, type_: str, prefix: str) -> tuple[str, bytes, bytes]:
    """The topic of such events, and their source and type in headers. KeyError if nobody knows the type."""
    topic = Topics(prefix=prefix, partitions={}).of(kind, restricted=is_restricted(type_))
    return topic, f"/{kind}".encode(), type_.encode()


def size_of(published: Published) -> int:
    """About how many bytes its record takes, rather more than less."""
    line, tags = published
    return len(line.data) + len(line.meta) + 200 * len(tags) + 1_000


def published_of(headers: Iterable[tuple[str, bytes]], value: bytes) -> Published:
    """The row that a record was made of. Unreadable if it was not."""
    try:
        said = dict(headers)
        line = Line(
            int(said["ce_position"]),
            said["ce_subject"].decode(),
            int(said["ce_version"]),
            said["ce_type"].decode(),
            int(said["ce_schema"]),
            _read_id(b'"%b"' % said["ce_id"]),
            _read(said["ce_time"]),
            _read(said["ce_effectiveat"]),
            said["ce_actorid"].decode(),
            _read_id(b'"%b"' % said["ce_commandid"]),
            value,
            said["ce_meta"],
        )
        return Published(line, _read_tags(said["ce_tags"]))
    except KeyError as missing:
        raise Unreadable(f"it has no header {missing.args[0]}") from None
    except (ValueError, msgspec.DecodeError) as error:
        raise Unreadable(str(error)) from None


def header(record: Any, name: str) -> bytes:
    """One header of a record that was fetched; Unreadable if it has none of that name."""
    for said, value in record.headers:
        if said == name:
            found: bytes = value
            return found
    raise Unreadable(f"it has no header {name}")


def position_of(record: Any) -> int:
    """The position of the event in a record that was fetched."""
    return int(header(record, "ce_position"))


def leaf_of(published: Published) -> bytes:
    """The row's leaf of the Merkle tree."""
    return leaf(*published.line, tags=published.tags)


def ledger_record(entry: Manifest | Contract, topics: Topics, at: datetime) -> Record:
    """An entry of the ledger, as a record."""
    kind = CHUNK if isinstance(entry, Manifest) else TOPICS
    headers = [("ce_specversion", b"1.0"), ("ce_type", kind), ("ce_source", b"/ledger"), ("content-type", JSON)]
    key, value = str(entry.store).encode(), msgspec.json.encode(entry)
    headers.append(("ce_id", f"{entry.store}-{entry.last if isinstance(entry, Manifest) else 'topics'}".encode()))
    headers.append(("ce_time", _written(at.astimezone(UTC))))
    return Record(topics.ledger, 0, key, value, headers, int(at.timestamp() * 1000))


def entry_of(record: Any) -> Manifest | Contract:
    """What an entry of the ledger says. Unreadable if it is none."""
    kinds: Mapping[bytes, type[Manifest] | type[Contract]] = {CHUNK: Manifest, TOPICS: Contract}
    kind = kinds.get(header(record, "ce_type"))
    if kind is None:
        raise Unreadable("the ledger has no such entries")
    try:
        return msgspec.json.decode(record.value, type=kind)
    except msgspec.DecodeError as error:
        raise Unreadable(str(error)) from None


def hexes(hashes: Sequence[bytes]) -> tuple[str, ...]:
    """Hashes as a manifest holds them."""
    return tuple(each.hex() for each in hashes)


def _written(at: datetime) -> bytes:
    """An instant in UTC, to the microsecond even where that is 0."""
    text = _json(at)
    return text[1:-1] if at.microsecond else text[1:-2] + b".000000Z"


def _read(text: bytes) -> datetime:
    return datetime.fromisoformat(text.decode())
