"""A row of the log as a record of Kafka, and back to the last byte."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregates.service.complaint import ComplaintReceived
from infra.codec import Line, Published
from infra.kafka.records import Headers
from infra.kafka.wire import (
    LARGEST,
    Topics,
    Unpublishable,
    Unreadable,
    leaf_of,
    partition_of,
    published_of,
    record_of,
)

TOPICS = Topics(prefix="yewu", partitions={"yewu.complaint.events": 6, "yewu.refusals.restricted": 6})
MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
RECEIVED = Line(
    7, "complaint-1", 1, ComplaintReceived.__name__, 1, UUID(int=1), MONDAY, MONDAY, "employee-anna", UUID(int=2),
    '{"facts":"管道漏水"}'.encode(), b'{"roles":["customer-service"]}',
)  # fmt: skip

instants = st.datetimes(
    datetime(1, 1, 2),  # noqa: DTZ001  # a bound, of whichever zone
    datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=8))]),
)
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
rows = st.builds(
    Published,
    st.builds(
        Line,
        position=st.integers(1, 2**62),
        stream_id=names.map("complaint-{}".format),
        version=st.integers(1, 2**62),
        type=st.just(ComplaintReceived.__name__),
        schema=st.integers(1, 2**30),
        event_id=st.uuids(),
        recorded_at=instants,
        effective_at=instants,
        actor_id=names,
        command_id=st.uuids(),
        data=st.binary(max_size=50),
        meta=st.binary(max_size=50),
    ),
    st.lists(names, max_size=4),
)


@given(rows)
def test_nothing_is_lost_on_the_way(row: Published) -> None:
    record = record_of(row, TOPICS)
    back = published_of(record.headers, record.value)
    assert back == row
    assert leaf_of(back) == leaf_of(row)


def test_a_record_is_a_cloud_event_in_binary_mode() -> None:
    record = record_of(Published(RECEIVED, ["complaint-1", "customer-1"]), TOPICS)
    assert record.value == RECEIVED.data
    assert dict(record.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"00000000-0000-0000-0000-000000000001",
        "ce_source": b"/complaint",
        "ce_type": b"ComplaintReceived",
        "ce_subject": b"complaint-1",
        "ce_time": b"2026-03-02T09:00:00.000000Z",
        "content-type": b"application/json",
        "ce_position": b"7",
        "ce_version": b"1",
        "ce_schema": b"1",
        "ce_effectiveat": b"2026-03-02T09:00:00.000000Z",
        "ce_actorid": b"employee-anna",
        "ce_commandid": b"00000000-0000-0000-0000-000000000002",
        "ce_tags": b'["complaint-1","customer-1"]',
        "ce_meta": b'{"roles":["customer-service"]}',
    }


def test_all_events_of_a_stream_lie_in_one_partition_where_other_clients_look_for_them() -> None:
    record = record_of(Published(RECEIVED, []), TOPICS)
    assert (record.topic, record.key) == ("yewu.complaint.events", b"complaint-1")
    assert record.partition == partition_of("complaint-1", 6)
    # as Kafka's own Java client has it
    assert [partition_of(key, 1000) for key in ("21", "foobar", "a-little-bit-long-string")] == [
        (-973932308 & 0x7FFFFFFF) % 1000, (-790332482 & 0x7FFFFFFF) % 1000, (-985981536 & 0x7FFFFFFF) % 1000,
    ]  # fmt: skip


def test_what_few_may_read_has_a_topic_of_its_own() -> None:
    refused = RECEIVED._replace(type="CommandRefused", stream_id="refusals-anna-2026-03-02")
    assert record_of(Published(refused, []), TOPICS).topic == "yewu.refusals.restricted"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"stream_id": "ship-1"}, "yewu.ship.events"),
        ({"type": "ShipLaunched"}, "ShipLaunched"),
        ({"data": b"x" * LARGEST}, "more than Kafka's topics take"),
    ],
)
def test_an_event_without_a_place_is_named(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(Unpublishable, match=why) as refused:
        record_of(Published(RECEIVED._replace(**changed), []), TOPICS)
    assert refused.value.position == 7


def test_a_record_of_somebody_else_is_not_taken_for_ours() -> None:
    headers = record_of(Published(RECEIVED, []), TOPICS).headers
    with pytest.raises(Unreadable, match="Found invalid record structure"):
        published_of(Headers(b"\2"), b"{}")
    with pytest.raises(Unreadable, match="no header ce_id"):
        published_of([each for each in headers if each[0] != "ce_id"], b"{}")
    with pytest.raises(Unreadable):
        published_of([(name, b"?" if name == "ce_time" else value) for name, value in headers], b"{}")
