"""The copy in Kafka, compared with the log and brought home from; every kind of difference is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest
from msgspec.structs import replace

from aggregates.event import Event
from benchmarks.history import fill
from infra.backup import rebuild_reservations
from infra.codec import COLUMNS, Codec, Published
from infra.kafka import client
from infra.kafka import copy as copies
from infra.kafka.client import Cluster, Publisher
from infra.kafka.copy import Flaw, audit, bring_home
from infra.kafka.topics import create, drifts
from infra.kafka.wire import Contract, Manifest, Record, leaf_of, ledger_record, position_of, record_of
from infra.migrations import become_owner, migrate
from projections.merkle import Tree, root_of
from services import relay as relays
from services.composition import topics
from services.relay import Relay
from tests.services.kafka.reading import everything

Db = psycopg.Connection[tuple[object, ...]]
EVENTS = 500
DUMP = "COPY (SELECT * FROM yewu.log ORDER BY position) TO STDOUT"
DERIVED = ("SELECT * FROM yewu.answer ORDER BY command_id", "SELECT * FROM yewu.reservation ORDER BY scope, value")


@pytest.fixture
def db(database: str) -> Iterator[Db]:
    fill(database, EVENTS)
    with psycopg.connect(database, autocommit=True) as db:
        db.execute("SET TimeZone = 'UTC'")
        with db.transaction():
            rebuild_reservations(db, Codec(Event.known.values()))
        yield db


@pytest.fixture
def published(db: Db, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """The whole log is in Kafka."""
    monkeypatch.setattr(relays, "CHUNK_EVENTS", 200)
    relay = Relay(db, cluster, topics(cluster.prefix))
    relay.begin()
    while relay.step():
        pass
    return cluster


def dump(db: Db, query: str = DUMP) -> bytes:
    with db.cursor() as cursor, cursor.copy(query.encode()) as copy:
        return b"".join(bytes(block) for block in copy)


def no_trigger(db: Db) -> None:
    db.execute("ALTER TABLE yewu.log DISABLE TRIGGER append_only")


def test_both_copies_are_the_same(published: Cluster, db: Db) -> None:
    told: list[tuple[int, int]] = []
    compared = audit(db, published, lambda done, goal: told.append((done, goal)))
    assert (compared.position, compared.log_position) == (EVENTS, EVENTS)
    assert told[-1] == (EVENTS, EVENTS)
    leaves = [leaf_of(Published.of(row)) for row in db.execute(
        f"SELECT {COLUMNS}, tags FROM yewu.log ORDER BY position".encode())]  # fmt: skip
    assert compared.root == root_of(leaves).hex()


def test_an_empty_database_becomes_equal_to_the_lost_one(published: Cluster, db: Db, empty_database: str) -> None:
    migrate(empty_database)
    with psycopg.connect(empty_database, autocommit=True) as new:
        become_owner(new)
        home = bring_home(new, published, Codec(Event.known.values()))
        assert (home.events, home.position) == (EVENTS, EVENTS)
        assert dump(new) == dump(db)
        assert [new.execute(query).fetchall() for query in DERIVED] == [db.execute(q).fetchall() for q in DERIVED]
        for same in ("store", "topic", "head"):
            assert {*new.execute(f"TABLE yewu.{same}")} == {*db.execute(f"TABLE yewu.{same}")}
        assert audit(new, published).root == home.root
        # and the relay goes on from there
        relay = Relay(new, published, topics(published.prefix))
        relay.begin()
        assert relay.step() == 0


def test_it_comes_home_too_where_only_little_may_wait(
    published: Cluster, db: Db, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "MOST_WAITING", 3)
    monkeypatch.setattr(client, "POLLED", 7)
    migrate(empty_database)
    with psycopg.connect(empty_database, autocommit=True) as new:
        become_owner(new)
        bring_home(new, published, Codec(Event.known.values()))
        assert dump(new) == dump(db)


def test_what_the_log_has_lost_comes_home(published: Cluster, db: Db) -> None:
    before = dump(db)
    no_trigger(db)
    db.execute("DELETE FROM yewu.log WHERE position > 333")
    db.execute(
        "UPDATE yewu.head h SET (position, recorded_at) ="
        " (SELECT position, recorded_at FROM yewu.log WHERE position = 333)"
    )
    with pytest.raises(Flaw, match="Kafka has events up to 500, the log ends at 333"):
        audit(db, published)
    home = bring_home(db, published, Codec(Event.known.values()))
    assert home.events == EVENTS - 333
    assert dump(db) == before


def test_a_log_that_went_on_otherwise_is_not_touched(published: Cluster, db: Db) -> None:
    no_trigger(db)
    db.execute("DELETE FROM yewu.log WHERE position > 333")
    db.execute("UPDATE yewu.head SET position = 333")
    db.execute("UPDATE yewu.log SET actor_id = 'employee-eve' WHERE position = 333")
    before = dump(db)
    with pytest.raises(Flaw, match="up to 400 the tree is not that of the ledger"):
        bring_home(db, published, Codec(Event.known.values()))
    assert dump(db) == before


def test_there_is_nothing_to_bring_home_to_a_log_that_is_further(
    db: Db, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relays, "CHUNK_EVENTS", 200)
    relay = Relay(db, cluster, topics(cluster.prefix))
    relay.begin()
    relay.step()
    with pytest.raises(Flaw, match="the log ends at 500, Kafka at 200"):
        bring_home(db, cluster, Codec(Event.known.values()))


SEEDED: dict[str, tuple[str, str]] = {
    "data": ("data = '{}'", "differs in data"),
    "meta": ('meta = \'{"clause":"0"}\'', "differs in meta"),
    "actor": ("actor_id = 'employee-eve'", "differs in actor_id"),
    "time": ("recorded_at = recorded_at + interval '1 microsecond'", "differs in recorded_at"),
    "truth": ("effective_at = effective_at - interval '1 microsecond'", "differs in effective_at"),
    "tags": ("tags = tags || '{customer-1}'::text[]", "differs in tags"),
    "event id": ("event_id = gen_random_uuid()", "differs in event_id"),
    "command id": ("command_id = gen_random_uuid()", "differs in command_id"),
    "schema": ("schema = 9", "differs in schema"),
}


def test_every_change_in_the_log_is_found(published: Cluster, db: Db) -> None:
    no_trigger(db)
    db.execute("CREATE TEMP TABLE as_it_was AS SELECT * FROM yewu.log WHERE position = 250")
    for change, told in SEEDED.values():
        db.execute(f"UPDATE yewu.log SET {change} WHERE position = 250".encode())
        with pytest.raises(Flaw, match=f"the event at position 250 {told}"):
            audit(db, published)
        db.execute("DELETE FROM yewu.log WHERE position = 250")
        db.execute("INSERT INTO yewu.log TABLE as_it_was")
    audit(db, published)


@pytest.mark.parametrize("polled", [1, 50])
def test_what_comes_again_behind_the_last_event_is_found(
    published: Cluster, db: Db, empty_database: str, monkeypatch: pytest.MonkeyPatch, polled: int
) -> None:
    """However few records are read at a time: when the last event is there, not all need have been."""
    monkeypatch.setattr(client, "POLLED", polled)
    records = max(everything(published).values(), key=len)
    double = records[0]
    Publisher(published, "somebody").publish([Record(
        double.topic, double.partition, double.key, double.value, list(double.headers), double.timestamp)])  # fmt: skip
    told = f"position {position_of(double)} (comes behind|is there twice)"
    with pytest.raises(Flaw, match=told):
        audit(db, published)
    migrate(empty_database)
    with psycopg.connect(empty_database, autocommit=True) as new:
        become_owner(new)
        with pytest.raises(Flaw, match=told):
            bring_home(new, published, Codec(Event.known.values()))


def test_events_that_nobody_here_knows_are_named(published: Cluster, db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {name: event for name, event in Event.known.items() if name != "ComplaintReceived"}
    monkeypatch.setattr(Event, "known", known)
    with pytest.raises(Flaw, match=r"nobody here knows ComplaintReceived, of position \d+"):
        audit(db, published)


def test_an_event_that_the_log_has_lost_in_the_middle_is_found(published: Cluster, db: Db) -> None:
    no_trigger(db)
    db.execute("DELETE FROM yewu.log WHERE position = 250")
    with pytest.raises(Flaw, match="the event at position 250 is missing in the log"):
        audit(db, published)


Tamper = Callable[[list[Record]], Sequence[Record]]


def _without(records: list[Record]) -> list[Record]:
    return [*records[:100], *records[101:]]


def _twice(records: list[Record]) -> list[Record]:
    return [*records[:101], *records[100:]]


def _swapped(records: list[Record]) -> list[Record]:
    first = records[100]
    other = next(n for n, r in enumerate(records[101:], 101) if r[:2] == first[:2])
    records[100], records[other] = records[other], records[100]
    return records


def _altered(records: list[Record]) -> list[Record]:
    records[100] = records[100]._replace(value=b"{}")
    return records


def _elsewhere(records: list[Record]) -> list[Record]:
    records[100] = records[100]._replace(partition=(records[100].partition + 1) % 6)
    return records


def _in_another_topic(records: list[Record]) -> list[Record]:
    prefix = records[100].topic.split(".", maxsplit=1)[0]
    records[100] = records[100]._replace(topic=f"{prefix}.waiver.events")
    return records


def _strange(records: list[Record]) -> list[Record]:
    records[100] = records[100]._replace(headers=[])
    return records


def _version(becomes: int) -> Tamper:
    """The first event that is the second of its stream says otherwise."""

    def tamper(records: list[Record]) -> Sequence[Record]:
        n = next(n for n, record in enumerate(records) if ("ce_version", b"2") in record.headers)
        headers = [(k, b"%d" % becomes if k == "ce_version" else said) for k, said in records[n].headers]
        return [*records[:n], records[n]._replace(headers=headers), *records[n + 1 :]]

    return tamper


TAMPERED: dict[str, tuple[Tamper, str]] = {
    "an event is missing": (_without, "the event at position 101 is missing in Kafka"),
    "an event is there twice": (_twice, "the event at position 101 is there twice"),
    "two are swapped": (_swapped, "comes behind"),
    "an event is altered": (_altered, "the event at position 101 differs in data"),
    "an event is in another partition": (_elsewhere, "the event at position 101 belongs to another partition"),
    "an event is in another topic": (_in_another_topic, r"the event at position 101 belongs to test.*\.events"),
    "a version is there twice": (_version(1), r"is version 1 of [\w-]+, and comes behind version 1"),
    "a version is left out": (_version(3), r"is version 3 of [\w-]+, and comes behind version 1"),
    "something else is among them": (_strange, "is no event of ours"),
}


def by_hand(db: Db, cluster: Cluster, tamper: Tamper, ledger: Callable[[Manifest], Sequence[Manifest]]) -> None:
    """A whole log in Kafka as somebody else might have put it there."""
    plan = topics(cluster.prefix)
    create(cluster, db, plan, drifts(plan, {}, {}))
    store = Relay(db, cluster, plan).store
    rows = [Published.of(row) for row in db.execute(
        f"SELECT {COLUMNS}, tags FROM yewu.log ORDER BY position".encode())]  # fmt: skip
    leaves, tree = [leaf_of(row) for row in rows], Tree()
    for each in leaves:
        tree.add(each)
    whole = Manifest(store=store, first=1, last=len(rows), root=root_of(leaves).hex(), peaks=(),
                     tree=tree.root().hex(), ends={})  # fmt: skip
    now = datetime.now(UTC)
    entries = [ledger_record(Contract(store=store, topics=plan.partitions), plan, now)]
    entries += [ledger_record(each, plan, now) for each in ledger(whole)]
    Publisher(cluster, f"by-hand-{cluster.prefix}").publish([*tamper([record_of(row, plan) for row in rows]), *entries])


@pytest.mark.parametrize("seeded", TAMPERED)
def test_a_change_in_kafka_is_found(db: Db, cluster: Cluster, seeded: str, empty_database: str) -> None:
    tamper, told = TAMPERED[seeded]
    by_hand(db, cluster, tamper, lambda whole: [whole])
    with pytest.raises(Flaw, match=told):
        audit(db, cluster)
    migrate(empty_database)
    with psycopg.connect(empty_database, autocommit=True) as new:
        become_owner(new)
        # what has no second copy to compare with is found by the roots
        with pytest.raises(Flaw, match="are not those of their manifest" if seeded == "an event is altered" else told):
            bring_home(new, cluster, Codec(Event.known.values()))
        assert new.execute("SELECT count(*) FROM yewu.log").fetchone() == (0,)


LEDGERS: dict[str, tuple[Callable[[Manifest], Sequence[Manifest]], str]] = {
    "a wrong root": (lambda m: [replace(m, root="00" * 32)], "are not those of their manifest"),
    "a wrong tree": (lambda m: [replace(m, tree="00" * 32)], "the tree is not that of the ledger"),
    "a gap": (lambda m: [replace(m, last=9), replace(m, first=11)], "the ledger goes on at 11, where 10 would come"),
    "too much": (lambda m: [replace(m, last=m.last + 1)], "Kafka has events up to 501|is missing"),
    "another log": (lambda m: [replace(m, store=uuid4())], "is of two logs"),
}


@pytest.mark.parametrize("seeded", LEDGERS)
def test_a_ledger_that_does_not_fit_is_found(db: Db, cluster: Cluster, seeded: str) -> None:
    ledger, told = LEDGERS[seeded]
    by_hand(db, cluster, lambda records: records, ledger)
    with pytest.raises(Flaw, match=told):
        audit(db, cluster)


def test_topics_that_nobody_has_published_to_say_so(cluster: Cluster, db: Db) -> None:
    with pytest.raises(Flaw, match="nothing was ever published there"):
        audit(db, cluster)


def test_the_ledger_says_which_topics_there_must_be(db: Db, cluster: Cluster) -> None:
    by_hand(db, cluster, lambda records: records, lambda whole: [whole])
    plan = topics(cluster.prefix)
    store = Relay(db, cluster, plan).store
    more = Contract(store=store, topics={**plan.partitions, f"{cluster.prefix}.ship.events": 6})
    Publisher(cluster, f"more-{cluster.prefix}").publish([ledger_record(more, plan, datetime.now(UTC))])
    with pytest.raises(Flaw, match=r"ship\.events has 0 partitions and was made with 6"):
        audit(db, cluster)
