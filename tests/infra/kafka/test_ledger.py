"""What the ledger tells of partitions: up to which position each is whole that has been read so far."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from infra.kafka.client import Cluster, KafkaAway
from infra.kafka.ledger import Elsewhere, Ledger
from infra.kafka.wire import Contract, Manifest, Topics, ledger_record

STORE, TOPICS = UUID(int=7), Topics(prefix="x", partitions={"x.ledger": 1, "x.complaint.events": 2})
FIRST, SECOND = ("x.complaint.events", 0), ("x.complaint.events", 1)
NOW = datetime(2026, 3, 2, tzinfo=UTC)


class Consumer:
    """A consumer of the ledger, which is given its records by hand."""

    def __init__(self) -> None:
        self.waiting: list[Any] = []

    def seek(self, _partition: object, _offset: int) -> None:
        """It has no other records."""

    def poll(self, timeout_ms: int) -> dict[str, list[Any]]:
        records, self.waiting = self.waiting, []
        return {"x.ledger": records}


def manifest(first: int, last: int, ends: dict[int, int], store: UUID = STORE) -> Manifest:
    return Manifest(
        store=store,
        first=first,
        last=last,
        root="",
        peaks=(),
        tree="",
        ends={"x.complaint.events": ends, "x.y": {0: 1}},
    )


def told(ledger: Ledger, consumer: Consumer, *entries: Manifest | Contract) -> None:
    for entry in entries:
        record = ledger_record(entry, TOPICS, NOW)
        consumer.waiting.append(SimpleNamespace(headers=record.headers, value=record.value))
    ledger.look()


@pytest.fixture
def consumer() -> Consumer:
    return Consumer()


@pytest.fixture
def ledger(consumer: Consumer, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setattr("infra.kafka.ledger.behind", lambda _cluster, places, _is_before: dict.fromkeys(places, 0))
    ledger = Ledger(Cluster(servers="nowhere:1"), consumer, TOPICS.ledger, STORE)
    ledger.begin([FIRST, SECOND], 10)
    return ledger


def test_a_partition_is_whole_up_to_what_it_still_lacks(ledger: Ledger, consumer: Consumer) -> None:
    contract = Contract(store=STORE, topics=TOPICS.partitions)
    told(ledger, consumer, contract, manifest(1, 8, {0: 8}), manifest(9, 20, {0: 18, 1: 19}), manifest(21, 30, {0: 30}))
    assert [ledger.complete(FIRST, read) for read in (10, 12, 18, 30)] == [10, 12, 20, 30]
    assert [ledger.complete(SECOND, read) for read in (10, 18, 19)] == [10, 18, 30]


def test_of_a_torn_transaction_what_is_missing_is_waited_for(ledger: Ledger, consumer: Consumer) -> None:
    """Its entry is there, some of its records are not; then all of it comes once more."""
    torn = manifest(9, 20, {0: 18, 1: 19})
    told(ledger, consumer, torn)
    assert ledger.complete(SECOND, 10) == 10
    told(ledger, consumer, torn, manifest(21, 25, {0: 25}))
    assert ledger.complete(SECOND, 10) == 10
    assert ledger.complete(SECOND, 19) == 25


def test_a_gap_in_the_ledger_is_not_passed_over(ledger: Ledger, consumer: Consumer) -> None:
    with pytest.raises(KafkaAway, match="nothing of the positions from 11 to 11"):
        told(ledger, consumer, manifest(12, 20, {0: 18}))


def test_the_ledger_of_another_log_is_refused(ledger: Ledger, consumer: Consumer) -> None:
    with pytest.raises(Elsewhere, match="belong to another log"):
        told(ledger, consumer, manifest(11, 12, {0: 12}, UUID(int=8)))
