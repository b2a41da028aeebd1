"""The projector from Kafka on a real broker: however many there are, the rows are those that the log says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import pytest
from kafka.cluster import ClusterMetadata

from aggregates.event import Event
from infra.codec import Codec
from infra.kafka.client import Cluster, KafkaAway
from infra.kafka.ledger import Elsewhere
from infra.kafka.projector import Evenly, KafkaProjector, divided
from infra.read_model import schema as schemas
from infra.read_model.engine import ReadModel
from infra.read_model.lines import Poisoned
from infra.read_model.parts import places_of
from infra.read_model.projector import Projector
from infra.read_model.rebuild import build
from services import relay as relays
from services.composition import read_model, topics
from services.relay import Relay
from tests.infra.read_model.books import Book, content, parked, plain_fold, plain_trail, the_model, trail
from tests.infra.read_model.repairs import EVENTS, Desk
from tests.infra.read_model.test_parking import check, poisoned_model, skip
from tests.infra.read_model.test_projector import running, wait_until

MODEL = the_model()


@pytest.fixture
def book(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Book]:
    """An empty log of a repair desk, whose events the relay knows in these tests."""
    for event in EVENTS:
        monkeypatch.setitem(Event.known, event.__name__, event)
    monkeypatch.setattr(relays, "CHUNK_EVENTS", 25)
    with Book(database) as book:
        yield book


@pytest.fixture
def relay(book: Book, cluster: Cluster) -> Iterator[Relay]:
    """One that has begun, on a connection of its own; the tests say when it publishes."""
    with book.connect() as db:
        yield begun(lambda: Relay(db, cluster, topics(cluster.prefix)))


def begun(made: Callable[[], Relay], times: int = 5) -> Relay:
    """A relay that could not begin is started again, as whoever looks after it does."""
    try:
        relay = made()
        relay.begin()
    except KafkaAway:
        if times == 1:
            raise
        return begun(made, times - 1)
    return relay


def published(relay: Relay) -> None:
    """All there is goes out."""
    while relay.step():
        pass


def level(book: Book, model: ReadModel = MODEL) -> Callable[[], bool]:
    """Has the live schema come to the end of the log?"""
    return lambda: (
        schemas.exists(book.db, model.schema) and schemas.lag(book.db, model.schema).position == len(book.records)
    )


@contextmanager
def members(book: Book, cluster: Cluster, count: int, model: ReadModel = MODEL) -> Iterator[list[threading.Event]]:
    """So many of them at work, each in a thread, until the end of the block or of one's event."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(running(KafkaProjector(book.conninfo, model, cluster, topics(cluster.prefix))))
            for _ in range(count)
        ]


def come_level(book: Book, cluster: Cluster, model: ReadModel = MODEL) -> None:
    """Wait for the end of the log. kafka-python waits for ever now and then: in earnest the watchdog ends that process,
    and whoever looks after it starts another; here another joins."""
    try:
        wait_until(level(book, model), 40)
    except AssertionError:
        with members(book, cluster, 1, model):
            wait_until(level(book, model), 90)


def equal(book: Book, model: ReadModel = MODEL) -> None:
    """The rows and the trail are what a plain fold makes of the log."""
    assert content(book.db, model) == plain_fold(book.records)
    assert trail(book.db, model.schema) == plain_trail(book.records)


def test_several_of_whom_one_ends_and_others_join_keep_the_rows_that_the_log_says(
    book: Book, relay: Relay, cluster: Cluster
) -> None:
    desk = Desk(1)

    def happen() -> None:
        for _ in range(3):
            book.write(desk.happen(60))
            published(relay)

    happen()
    with members(book, cluster, 2) as (ends_early, _):
        happen()
        come_level(book, cluster)
        with members(book, cluster, 1):
            happen()
            ends_early.set()
            happen()
            come_level(book, cluster)
    equal(book)


def test_rows_are_parked_and_go_on_as_with_the_projector_from_the_log(
    book: Book, relay: Relay, cluster: Cluster
) -> None:
    desk, model = Desk(3), poisoned_model(3)
    with members(book, cluster, 2, model):
        for _ in range(6):
            book.write(desk.happen(15))
            published(relay)
            come_level(book, cluster, model)
            if standing := parked(book, model):
                book.write([skip(desk.dice.choice(standing), desk.now)])
                published(relay)
        come_level(book, cluster, model)
        check(book, model)
        still = parked(book, model)
        assert still
        for row in still:
            book.db.execute("SELECT yewu.request_retry(%s, %s, %s)", (model.schema, row.row_table, row.row_key))
        wait_until(lambda: book.db.execute("SELECT FROM yewu.retry_request").rowcount == 0, 60)
    check(book, model)


def test_whoever_keeps_the_schema_the_others_stand_by_and_the_rows_stay_right(
    book: Book, relay: Relay, cluster: Cluster
) -> None:
    desk = Desk(2)

    def happen() -> None:
        book.write(desk.happen(60))
        published(relay)

    happen()
    with running(Projector(book.conninfo, MODEL)) as stop:
        come_level(book, cluster)
        with members(book, cluster, 2):
            happen()
            come_level(book, cluster)
            assert places_of(book.db, MODEL.schema) == set()
            stop.set()
            happen()
            come_level(book, cluster)
            wait_until(lambda: places_of(book.db, MODEL.schema), 60)
            equal(book)
            with running(Projector(book.conninfo, MODEL)):
                happen()
                come_level(book, cluster)
                assert places_of(book.db, MODEL.schema)
        with running(Projector(book.conninfo, MODEL)):
            happen()
            come_level(book, cluster)
            assert places_of(book.db, MODEL.schema) == set()
            equal(book)


def test_a_schema_built_anew_under_their_hands_is_kept_on(book: Book, relay: Relay, cluster: Cluster) -> None:
    desk = Desk(4)
    with members(book, cluster, 2):
        book.write(desk.happen(60))
        published(relay)
        come_level(book, cluster)
        with book.connect() as reader, book.connect() as writer:
            build(reader, writer, MODEL, until=30)
        book.write(desk.happen(60))
        published(relay)
        come_level(book, cluster)
    equal(book)


def test_topics_of_another_log_are_refused(book: Book, relay: Relay, cluster: Cluster) -> None:
    book.write(Desk(5).happen(30))
    published(relay)
    with book.connect() as reader:
        build(reader, book.db, MODEL, until=10)
    book.db.execute("UPDATE yewu.store SET id = gen_random_uuid()")
    with pytest.raises(Elsewhere, match="The topics belong to another log"):
        KafkaProjector(book.conninfo, MODEL, cluster, topics(cluster.prefix)).run(threading.Event())


def test_an_event_whose_person_nobody_can_tell_ends_whoever_reads_it(
    book: Book, relay: Relay, cluster: Cluster
) -> None:
    book.write(Desk(6).happen(30))
    book.db.execute("ALTER TABLE yewu.log DISABLE TRIGGER append_only")
    (position,) = book.db.execute("SELECT max(position) FROM yewu.log WHERE type LIKE 'Repair%'").fetchone() or (0,)
    with book.connect() as reader:
        build(reader, book.db, MODEL, until=position - 1)
    book.db.execute("UPDATE yewu.log SET meta = %s WHERE position = %s", (b'{"origin":?', position))
    published(relay)
    with pytest.raises(Poisoned, match=f"at position {position}"):
        KafkaProjector(book.conninfo, MODEL, cluster, topics(cluster.prefix)).run(threading.Event())


def test_no_partition_is_left_out_whatever_the_leader_has_heard_of() -> None:
    members = [
        SimpleNamespace(
            member_id=name, group_instance_id=None, metadata=SimpleNamespace(topics=["x.ledger", "x.complaint.events"])
        )
        for name in ("anna", "bo")
    ]
    given = Evenly({"x.ledger": 1, "x.complaint.events": 6}).assign(ClusterMetadata(), members)
    parts = [(topic, n) for each in given.values() for topic, numbers in each.assigned_partitions for n in numbers]
    assert sorted(parts) == [*(("x.complaint.events", n) for n in range(6)), ("x.ledger", 0)]


def test_of_the_business_only_what_lies_in_one_topic_is_folded_by_partition() -> None:
    model = read_model(Codec(Event.known.values()))
    division = divided(model, topics("x"))
    own = {view.row.__name__ for view in division.own.views}
    shared = {view.row.__name__ for view in division.shared.views}
    assert {"ComplaintRow", "CustomerRow", "EmployeeRow", "ContractRow", "ReceivableRow"} <= own
    assert {"PostRow", "CreditRow", "ClearanceRow"} <= shared
    topics_of = {
        f"x.{kind}.events"
        for kind in ("calendar", "complaint", "customer", "department", "employee", "parameter", "waiver", "contract")
    }
    assert topics_of <= set(division.topic_of.values())
