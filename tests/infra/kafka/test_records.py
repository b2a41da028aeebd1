"""Our writing and reading of record batches, held against kafka-python's own."""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.errors import CorruptRecordError
from kafka.record import memory_records
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from infra.kafka.records import Batch, Builder, Headers

Raw: TypeAlias = tuple[int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]

maybe = st.none() | st.binary(max_size=70) | st.integers(60, 9_000).map(lambda size: b"x" * size)
names = st.sampled_from(["ce_id", "ce_type", "ce_subject", "content-type"]) | st.text(
    st.characters(codec="utf-8"), max_size=80
)
headers = st.lists(st.tuples(names, maybe), max_size=20)
records = st.lists(st.tuples(st.integers(-(2**40), 2**45), maybe, maybe, headers), min_size=1, max_size=12)


def write(builder: type[DefaultRecordBatchBuilder], raws: list[Raw], *, room: int = 1 << 20) -> tuple[Any, list[Any]]:
    """What is on the wire, and what each record is said to have taken."""
    made = builder(
        magic=2, compression_type=0, is_transactional=True, producer_id=7, producer_epoch=1, base_sequence=3,
        batch_size=room,
    )  # fmt: skip
    said = []
    for offset, (at, key, value, pairs) in enumerate(raws):
        record = made.append(offset, at, key, value, pairs)
        said.append(record and (record.offset, record.size, record.timestamp))
    return bytes(made.build()), said


def read(kind: type[DefaultRecordBatch], wire: bytes) -> list[Any]:
    batch = kind(wire)
    assert batch.validate_crc()
    return [(r.offset, r.timestamp, r.timestamp_type, r.size_in_bytes, r.key, r.value, list(r.headers)) for r in batch]


@given(records, st.integers(200, 20_000))
def test_every_byte_is_what_kafka_python_writes(raws: list[Raw], room: int) -> None:
    """Also where a batch has no more room, and where headers are ready before."""
    theirs = write(DefaultRecordBatchBuilder, raws, room=room)
    assert write(Builder, raws, room=room) == theirs
    ready: list[Any] = [(at, key, value, Headers.of(pairs)) for at, key, value, pairs in raws]
    assert write(Builder, ready, room=room) == theirs


@given(records)
def test_everything_is_read_that_kafka_python_reads(raws: list[Raw]) -> None:
    wire, _ = write(DefaultRecordBatchBuilder, raws)
    assert read(Batch, wire) == read(DefaultRecordBatch, wire)


@given(records)
def test_where_a_broker_sets_the_time_it_is_the_brokers(raws: list[Raw]) -> None:
    wire = bytearray(write(DefaultRecordBatchBuilder, raws)[0])
    wire[DefaultRecordBatch.ATTRIBUTES_OFFSET + 1] |= DefaultRecordBatch.TIMESTAMP_TYPE_MASK
    theirs = [(record.timestamp, record.timestamp_type) for record in DefaultRecordBatch(bytes(wire))]
    assert [(record.timestamp, record.timestamp_type) for record in Batch(bytes(wire))] == theirs


@given(headers, names)
def test_one_header_is_found_among_all(pairs: list[tuple[str, bytes | None]], name: str) -> None:
    for _ in range(2):  # also when the names are known from the record before
        travelling = Headers.of(pairs)
        assert travelling.get(name) == next((value for said, value in pairs if said == name), None)
        assert list(travelling) == pairs


@given(records, st.data())
def test_no_damage_is_read_as_something_else_than_kafka_python_reads(raws: list[Raw], data: st.DataObject) -> None:
    wire = bytearray(write(DefaultRecordBatchBuilder, raws)[0])
    place = data.draw(st.integers(DefaultRecordBatch.HEADER_STRUCT.size, len(wire) - 1))
    wire[place] = data.draw(st.integers(0, 255))

    def said(kind: type[DefaultRecordBatch]) -> Any:
        try:
            return [(r.offset, r.timestamp, r.key, r.value, list(r.headers)) for r in kind(bytes(wire))]
        except (CorruptRecordError, UnicodeDecodeError):
            return None

    assert said(Batch) == said(DefaultRecordBatch)


def test_a_batch_that_ends_too_early_is_damaged() -> None:
    wire, _ = write(DefaultRecordBatchBuilder, [(0, b"key", b"value", [("ce_type", b"ComplaintReceived")])])
    for size in range(DefaultRecordBatch.HEADER_STRUCT.size, len(wire)):
        with pytest.raises(CorruptRecordError):
            [list(record.headers) for record in Batch(wire[:size])]


def test_every_client_writes_and_reads_so() -> None:
    import infra.kafka.client  # noqa: F401  # which installs it

    assert (memory_records.DefaultRecordBatchBuilder, memory_records.DefaultRecordBatch) == (Builder, Batch)
