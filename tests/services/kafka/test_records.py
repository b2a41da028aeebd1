"""What is on the wire is what the AsyncAPI document says, and CloudEvents to somebody who knows only those."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import Any, NamedTuple
from uuid import uuid4

import psycopg
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event
from kafka import KafkaConsumer

from aggregates.event import Envelope, Event
from benchmarks.history import COPY, fill
from infra.backup import COLUMN_TYPES
from infra.codec import Codec, envelope_bytes
from infra.kafka.client import Cluster, KafkaAway, ends
from infra.keyring import Keyring
from infra.keys import SqliteKeys
from infra.sealing import Sealing
from infra.wrapping import WrappingKeys
from services import event_headers
from services.asyncapi import document, events_on
from services.composition import topics
from services.relay import Relay
from tests.conftest import new_database
from tests.infra.examples import example
from tests.services.described import Described
from tests.services.kafka.reading import everything

ROOT = Path(__file__).parents[3]
LIVED = 400


class Wire(NamedTuple):
    """All that was published of one log, and what the document says of it."""

    described: Described
    records: list[Any]
    prefix: str

    def problems(self, record: Any, **otherwise: Any) -> list[str]:
        headers = dict(record.headers) | otherwise.pop("headers", {})
        given = {"topic": record.topic, "key": record.key, "value": record.value} | otherwise
        return self.described.problems(headers=headers, **given)


def one_of_each(sealing: Sealing) -> Iterator[tuple[str, Event]]:
    """An example of every event on every kind of stream on which it may lie: once with open texts, once sealed."""
    for kind, events in events_on().items():
        for event in events:
            stream_id = f"{kind}-example"
            yield stream_id, example(event)
            yield from ((stream_id, sealed) for sealed in sealing.all_sealed([(example(event), stream_id)]))


def add(db: psycopg.Connection[Any], events: Iterator[tuple[str, Event]]) -> None:
    """Put events into the log, behind what is there."""
    codec, at, versions = Codec(Event.known.values()), datetime.now(UTC), dict[str, int]()
    meta = envelope_bytes(example(Envelope))
    (position,) = db.execute("SELECT position FROM yewu.head").fetchone() or (0,)
    with db.transaction(), db.cursor() as cursor:
        with cursor.copy(COPY.encode()) as copy:
            copy.set_types(COLUMN_TYPES)
            for stream_id, event in events:
                stored = codec.stored(stream_id, event)
                position, version = position + 1, versions.get(stream_id, 0) + 1
                versions[stream_id] = version
                copy.write_row((
                    position, stream_id, version, stored.type, stored.schema, uuid4(), at, at, "employee-anna",
                    uuid4(), stored.data, list(stored.tags), meta,
                ))  # fmt: skip
        cursor.execute("UPDATE yewu.head SET position = %s, recorded_at = %s", (position, at))


def publish(db: psycopg.Connection[Any], cluster: Cluster) -> None:
    """Publish all there is, and wait until it can be read: a broker says that it commits before it has."""
    relay = Relay(db, cluster, topics(cluster.prefix))
    for patience in range(6):
        try:
            relay.begin()
            break
        except KafkaAway:  # the first transaction of a broker takes long on a machine that has much to do
            assert patience < 5
    while relay.step():
        pass
    ends(cluster, relay.topics.places, patience=60)


@pytest.fixture(scope="module")
def wire(postgres: str, kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    cluster = Cluster(servers=kafka, prefix=f"records-{uuid4()}")
    store = SqliteKeys(tmp_path_factory.mktemp("keys") / "keys.sqlite")
    sealing = Sealing(Keyring(store, WrappingKeys(text=base64.b64encode(b"w" * 32).decode())))
    for database in new_database(postgres):
        fill(database, LIVED)
        with psycopg.connect(database, autocommit=True) as db:
            add(db, one_of_each(sealing))
            publish(db, cluster)
        records = [record for of_place in everything(cluster).values() for record in of_place]
        yield Wire(Described(document(topics(cluster.prefix), "0")), records, cluster.prefix)
    store.close()


def test_every_record_is_as_the_document_describes_it(wire: Wire) -> None:
    assert [problem for record in wire.records for problem in wire.problems(record)] == []
    assert len(wire.records) > LIVED + 2 * len(Event.known)


def test_every_message_that_the_document_describes_is_there(wire: Wire) -> None:
    met = {(r.topic, name, dict(r.headers).get("ce_schema")) for r in wire.records for name in [_type(r)]}
    described = {
        (address, message["name"], name.removeprefix(f"{message['name']}.").encode() if "." in name else None)
        for address, channel in wire.described.channels.items()
        for name, reference in channel["messages"].items()
        for message in [wire.described.resolved(reference)]
    }
    of_ledger = f"{wire.prefix}.ledger"
    assert {m for m in met if m[0] != of_ledger} == {d for d in described if d[0] != of_ledger}
    assert {m[1] for m in met if m[0] == of_ledger} == {"yewu.chunk", "yewu.topics"}


def test_restricted_events_are_on_topics_of_their_own(wire: Wire) -> None:
    restricted = {name for name, event in Event.known.items() if event.readers is not None}
    assert {_type(r) for r in wire.records if r.topic.endswith(".restricted")} == restricted
    assert {_type(r) for r in wire.records if r.topic.endswith(".events")}.isdisjoint(restricted)


def test_a_library_for_cloud_events_reads_them(wire: Wire) -> None:
    for record in wire.records:
        event = from_binary_event(KafkaMessage(headers=dict(record.headers), key=record.key, value=record.value))
        assert event.get_specversion() == "1.0"
        assert event.get_datacontenttype() == "application/json"
        assert event.get_data() == json.loads(record.value)
        assert event.get_type() == _type(record)
        moment = event.get_time()
        assert moment is not None
        assert int(moment.timestamp() * 1000) == record.timestamp
        if not record.topic.endswith(".ledger"):
            assert event.get_subject() == record.key.decode() == event.get_attributes()["partitionkey"]


@pytest.mark.parametrize(
    ("otherwise", "said"),
    [
        ({"value": b"{}"}, "is a required property"),
        ({"value": b"[]"}, 'is not of type "object"'),
        ({"key": b"customer-1"}, "does not match"),
        ({"headers": {"ce_position": b"0"}}, "does not match"),
        ({"headers": {"ce_time": b"2026-03-02T09:00:00+08:00"}}, "does not match"),
        ({"headers": {"ce_id": b"7"}}, 'is not a "uuid"'),
        ({"headers": {"ce_source": b"/customer"}}, "is not one of"),
        ({"headers": {"ce_more": b"1"}}, "Additional properties are not allowed"),
        ({"headers": {"ce_tags": b"[]"}}, "less than 1 item"),
        ({"headers": {"ce_meta": b'{"mood":"good"}'}}, "Additional properties are not allowed"),
        ({"headers": {"ce_schema": b"2"}}, "has no message"),
        ({"headers": {"ce_type": b"CustomerRegistered"}}, "has no message"),
    ],
)
def test_one_that_is_otherwise_is_noticed(wire: Wire, otherwise: dict[str, Any], said: str) -> None:
    record = next(record for record in wire.records if _type(record) == "ComplaintReceived")
    assert wire.problems(record) == []
    assert any(said in problem for problem in wire.problems(record, **otherwise)), wire.problems(record, **otherwise)


def test_a_value_with_a_field_too_many_is_noticed_on_every_message(wire: Wire) -> None:
    for record in {_type(record): record for record in wire.records}.values():
        more = json.dumps(json.loads(record.value) | {"never_heard_of": 1}).encode()
        assert len(wire.problems(record, value=more)) == 1


class Enough(Exception):
    """What was to be seen has been seen."""


def test_any_client_reads_them_as_the_page_says(wire: Wire, kafka: str) -> None:
    topic, servers, seen = f"{wire.prefix}.complaint.events", kafka, list[tuple[str, int]]()
    published = sum(record.topic == topic for record in wire.records)

    def take(name: str, stream_id: str, position: int, event: dict[str, Any]) -> None:
        assert stream_id.startswith("complaint-")
        assert set(event) == set(wire.described.document["components"]["schemas"][f"{name}.1"]["properties"])
        seen.append((stream_id, position))
        if len(seen) == published:
            raise Enough

    def follow() -> None:
        consumer = KafkaConsumer(
            topic,
            bootstrap_servers=servers,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        with closing(consumer):
            for record in consumer:
                said = {name: text.decode() for name, text in record.headers}
                take(said["ce_type"], said["ce_subject"], int(said["ce_position"]), json.loads(record.value))

    with pytest.raises(Enough):
        follow()
    for stream_id in {stream_id for stream_id, _ in seen}:
        of_stream = [position for one, position in seen if one == stream_id]
        assert of_stream == sorted(of_stream)


def test_the_page_shows_this_very_code() -> None:
    page, here = (ROOT / "docs/events-on-kafka.md").read_text(), Path(__file__).read_text()
    (shown,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert shown.strip() in dedent(
        here[here.index("        consumer = Kafka") : here.index("    with pytest.raises(Enough)")]
    )


@pytest.mark.parametrize("name", ["of_an_event", "of_the_ledger"])
def test_the_page_names_every_header(name: str) -> None:
    page = (ROOT / "docs/events-on-kafka.md").read_text()
    headers = {"of_an_event": event_headers.of_an_event({}), "of_the_ledger": event_headers.of_the_ledger()}[name]
    assert [header for header in headers["required"] if f"`{header}`" not in page] == []


def _type(record: Any) -> str:
    found: bytes = dict(record.headers)["ce_type"]
    return found.decode()
