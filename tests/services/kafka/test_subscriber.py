"""Whoever lives on our events: each once, in the order of its stream, with a place kept together with the rest."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from aggregates.event import Event, Recorded
from aggregates.service.complaint import ComplaintAcknowledged, ComplaintClosed, ComplaintReceived
from benchmarks.history import fill
from infra import codec
from infra.codec import UnknownEvent
from infra.kafka.client import CLUSTER, Cluster, Place, Publisher
from infra.kafka.wire import Record
from services import subscriber as subscribing
from services.composition import topics
from services.feeds import FROM_THE_BEGINNING, Begin, HttpSource, Item, KafkaSource, Kept, SourceAway
from services.relay import Relay
from services.subscriber import Keeper, Overtaken, Subscriber
from tests.conftest import new_database
from tests.folders import reachable_folder
from tests.services.kafka.reading import events, said
from tests.services.running import Yewu, done, running

EVENTS = 900
EXAMPLE = Path(__file__).parents[3] / "docs/examples/complaint_report.py"
OURS = ("psycopg", "psycopg_pool", "fastapi", "starlette", "eventsourcing", "structlog", "typer", "httpx", "uvicorn")
"""What belongs to the server and is not installed where somebody only subscribes."""


class Published:
    """A log in Kafka, and what is in it."""

    def __init__(self, database: str, cluster: Cluster) -> None:
        self.database, self.cluster = database, cluster
        self.db = psycopg.connect(database, autocommit=True)
        self.relay = Relay(self.db, cluster, topics(cluster.prefix))
        self.relay.begin()
        while self.relay.step():
            pass

    def positions(self, *types: type[Event]) -> list[int]:
        names = [each.__name__ for each in types]
        found = self.db.execute("SELECT position FROM yewu.log WHERE type = ANY(%s) ORDER BY position", (names,))
        return [position for (position,) in found]


@pytest.fixture(scope="module")
def published(postgres: str, kafka: str) -> Iterator[Published]:
    for database in new_database(postgres):
        fill(database, EVENTS)
        published = Published(database, Cluster(servers=kafka, prefix=f"subscribed-{os.getpid()}"))
        yield published
        published.db.close()


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def connect(request: pytest.FixtureRequest) -> Iterator[Callable[[], Any]]:
    """To the database of the service that subscribes."""
    if request.param == "SQLite":
        file = reachable_folder() / "service.sqlite"
        opening: Callable[[], Any] = partial(sqlite3.connect, file)
    else:
        url = request.getfixturevalue("empty_database")
        opening = partial(psycopg.connect, url)
    with contextlib.ExitStack() as opened:
        yield lambda: opened.enter_context(closing(opening()))


@pytest.fixture
def database(connect: Callable[[], Any]) -> Any:
    db = connect()
    db.execute("CREATE TABLE seen (position integer PRIMARY KEY, stream text, channel text)")
    db.commit()
    return db


def keeper(db: Any) -> Keeper:
    return Keeper(db, "?" if isinstance(db, sqlite3.Connection) else "%s")


def noting(db: Any) -> Callable[[Recorded[Any]], None]:
    """A handler that writes down what it saw; a second time is an error."""
    ours = keeper(db)

    def note(record: Recorded[Any]) -> None:
        channel = getattr(record.event, "channel", None)
        ours.do("INSERT INTO seen VALUES (?, ?, ?)", record.position, record.stream_id, channel and str(channel))

    return note


def seen(db: Any) -> list[int]:
    found = [position for (position,) in db.execute("SELECT position FROM seen ORDER BY position")]
    db.commit()
    return found


def to_the_end(subscriber: Subscriber) -> None:
    while subscriber.step(1.0) or subscriber.lag().waiting:
        pass


@pytest.fixture
def subscriber(published: Published, database: Any) -> Iterator[Callable[..., Subscriber]]:
    """Made anew each time, as after a restart."""
    made: list[Subscriber] = []

    def make(*types: type[Event], handler: Any = None, begin: Begin = FROM_THE_BEGINNING, **more: Any) -> Subscriber:
        handlers = dict.fromkeys(types or (ComplaintReceived,), handler or noting(database))
        source = KafkaSource(published.cluster, **more)
        made.append(Subscriber("test", source, keeper(database), handlers, begin=begin))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_it_sees_each_event_of_its_types_once_typed_and_goes_on_where_it_was(
    subscriber: Callable[..., Subscriber], published: Published, database: Any
) -> None:
    to_the_end(subscriber(ComplaintReceived, ComplaintClosed))
    wanted = published.positions(ComplaintReceived, ComplaintClosed)
    assert seen(database) == wanted
    channels = {
        channel for (channel,) in database.execute("SELECT DISTINCT channel FROM seen WHERE channel IS NOT NULL")
    }
    assert channels == {"phone", "mail", "visit", "web"}
    again = subscriber(ComplaintReceived, ComplaintClosed)
    to_the_end(again)
    assert seen(database) == wanted
    assert again.lag().waiting == 0


def test_it_begins_behind_a_position_or_at_a_time(
    subscriber: Callable[..., Subscriber], published: Published, database: Any
) -> None:
    wanted = published.positions(ComplaintReceived)
    to_the_end(subscriber(begin=Begin(after=wanted[9])))
    assert seen(database) == wanted[10:]
    database.execute("DELETE FROM seen")
    database.execute("DELETE FROM yewu_place")
    database.commit()
    (since,) = (
        published.db.execute("SELECT recorded_at FROM yewu.log WHERE position = %s", (wanted[20],)).fetchone() or ()
    )
    to_the_end(subscriber(begin=Begin(since=since)))
    assert seen(database) == wanted[20:]


def test_what_it_does_and_its_place_are_kept_together_or_not_at_all(
    subscriber: Callable[..., Subscriber], published: Published, database: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    with monkeypatch.context() as patched:
        patched.setattr(Keeper, "move", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            subscriber().step(5.0)
    assert seen(database) == []
    to_the_end(subscriber())
    assert seen(database) == published.positions(ComplaintReceived)


def test_of_two_processes_under_one_name_only_one_gets_on(
    subscriber: Callable[..., Subscriber], published: Published, database: Any
) -> None:
    first, second = subscriber(), subscriber()
    first._open()
    second._open()
    while not first.step(1.0):
        pass
    with pytest.raises(Overtaken):
        to_the_end(second)
    to_the_end(second)
    assert seen(database) == published.positions(ComplaintReceived)


def test_a_duplicate_is_dropped_by_its_position(
    subscriber: Callable[..., Subscriber], published: Published, database: Any
) -> None:
    """As an accident of operations may bring them: the same record sent again by somebody else."""
    record = next(r for r in events(published.cluster) if said(r, "ce_type") == "ComplaintReceived")
    again = Record(record.topic, record.partition, record.key, record.value, record.headers, record.timestamp)
    Publisher(published.cluster, "an-accident").publish([again])
    to_the_end(subscriber())
    assert seen(database) == published.positions(ComplaintReceived)


def test_an_event_that_its_handler_cannot_take_waits_with_what_follows_it_until_it_is_redriven(
    subscriber: Callable[..., Subscriber], published: Published, database: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(subscribing, "PAUSE", 0.0)
    note, bad = noting(database), published.positions(ComplaintReceived)[3]
    (stream,) = published.db.execute("SELECT stream_id FROM yewu.log WHERE position = %s", (bad,)).fetchone() or ()
    mended = False

    def picky(record: Recorded[Any]) -> None:
        if record.position == bad and not mended:
            raise ValueError("no such channel")
        note(record)

    reading = subscriber(ComplaintReceived, ComplaintAcknowledged, handler=picky)
    to_the_end(reading)
    theirs = [
        position for (position,) in published.db.execute(
            "SELECT position FROM yewu.log WHERE stream_id = %s AND type = ANY(%s) ORDER BY position",
            (stream, ["ComplaintReceived", "ComplaintAcknowledged"]),
        )
    ]  # fmt: skip
    letters = reading.dead_letters()
    assert [letter.position for letter in letters] == theirs
    assert letters[0].cause == "ValueError: no such channel"
    wanted = published.positions(ComplaintReceived, ComplaintAcknowledged)
    assert seen(database) == [position for position in wanted if position not in theirs]
    assert reading.redrive() == 0
    assert [letter.position for letter in reading.dead_letters()] == theirs
    mended = True
    assert reading.redrive() == len(theirs)
    assert reading.dead_letters() == []
    assert seen(database) == wanted


def test_what_waits_and_cannot_be_read_leaves_the_rest_to_be_redriven(
    subscriber: Callable[..., Subscriber], published: Published, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One whose bytes are no event, one for which nobody is there any more, and one whose trouble has passed."""
    monkeypatch.setattr(subscribing, "PAUSE", 0.0)
    note, mended = noting(database), False
    strange, foreign, simple = published.positions(ComplaintReceived)[:3]

    def picky(record: Recorded[Any]) -> None:
        if record.position in {strange, foreign, simple} and not mended:
            raise ValueError("not today")
        note(record)

    reading = subscriber(handler=picky)
    to_the_end(reading)
    ours = keeper(database)
    (text,) = ours.do("SELECT event FROM yewu_dead_letter WHERE position = ?", foreign).fetchone()
    ours.do("UPDATE yewu_dead_letter SET event = ? WHERE position = ?", "?", strange)
    ours.do(
        "UPDATE yewu_dead_letter SET event = ? WHERE position = ?", text.replace("ComplaintReceived", "ShipLaunched"),
        foreign,
    )  # fmt: skip
    database.commit()
    mended = True
    assert reading.redrive() == 1
    assert {letter.position: letter.cause.partition(":")[0] for letter in reading.dead_letters()} == {
        strange: "DecodeError",
        foreign: "UnknownEvent",
    }
    assert simple in seen(database)


class Handed:
    """A source of what it is handed."""

    def __init__(self) -> None:
        self.rows: list[codec.Published] = []

    def open(self, kept: Mapping[Place, Kept], begin: Begin) -> None:
        """Nothing has to be found."""

    def poll(self, wanted: Collection[str], seconds: float) -> Sequence[Item]:
        rows, self.rows = self.rows, []
        return [Item(("handed", 0), row.line.position, row.line.type, partial(_same, row)) for row in rows]

    def waiting(self) -> int:
        return len(self.rows)

    def close(self) -> None:
        """Nothing is open."""


def _same(row: codec.Published) -> codec.Published:
    return row


def test_what_another_process_has_redriven_holds_its_stream_up_no_longer(
    published: Published, connect: Callable[[], Any], database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribing, "PAUSE", 0.0)
    found = published.db.execute(
        f"SELECT {codec.COLUMNS}, tags FROM yewu.log WHERE type = 'ComplaintReceived' LIMIT 1".encode()
    ).fetchone()
    assert found is not None
    first = codec.Published.of(found)
    later = codec.Published(first.line._replace(position=first.line.position + 1), first.tags)
    mended, source = False, Handed()

    def made(db: Any) -> Subscriber:
        note = noting(db)

        def picky(record: Recorded[Any]) -> None:
            if not mended:
                raise ValueError("not today")
            note(record)

        return Subscriber("test", source, keeper(db), {ComplaintReceived: picky})

    reading, other = made(database), made(connect())
    source.rows = [first]
    reading.step()
    assert [letter.position for letter in other.dead_letters()] == [first.line.position]
    mended = True
    assert other.redrive() == 1
    source.rows = [later]
    reading.step()
    assert reading.dead_letters() == []
    assert seen(database) == [first.line.position, later.line.position]


def test_an_event_of_a_later_schema_stops_it(
    subscriber: Callable[..., Subscriber], database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = subscriber()
    monkeypatch.setattr(ComplaintReceived, "schema", 0)
    with pytest.raises(UnknownEvent, match="ComplaintReceived of schema 1 is not known"):
        to_the_end(reading)
    assert seen(database) == []


@pytest.mark.parametrize("connect", ["SQLite"], indirect=True)
def test_without_kafka_the_same_comes_over_http(published: Published, tmp_path: Path, database: Any) -> None:
    (manager_id,) = (
        published.db.execute("SELECT stream_id FROM yewu.log WHERE type = 'EmployeeRegistered' LIMIT 1").fetchone()
        or ()
    )
    with running(published.database, tmp_path, manager_id=manager_id) as yewu:
        source = HttpSource(yewu.address, lambda: yewu.issuer.token(manager_id), page=100)
        with closing(Subscriber("test", source, keeper(database), {ComplaintReceived: noting(database)})) as subscriber:
            to_the_end(subscriber)
            assert seen(database) == published.positions(ComplaintReceived)
        _example_equals_ours(yewu, published, {"YEWU_URL": yewu.address, "YEWU_TOKEN": yewu.issuer.token(manager_id)})
        _example_equals_ours(
            yewu, published, {CLUSTER: published.cluster.servers, "KAFKA_TOPIC_PREFIX": published.cluster.prefix}
        )
        stranger = HttpSource(yewu.address, lambda: "?")
        subscriber = Subscriber("x", stranger, keeper(database), {ComplaintReceived: noting(database)})
        with pytest.raises(SourceAway, match="answers 401"):
            subscriber.step()


def _example_equals_ours(yewu: Yewu, published: Published, variables: dict[str, str]) -> None:
    """The example in the documentation, killed at moments of chance, comes to our figures all the same."""
    report, dice = reachable_folder() / "report.sqlite", random.Random(20261127)  # noqa: S311  # chance with a seed
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("YEWU_", "KAFKA_"))}
    words = [sys.executable, str(EXAMPLE), str(report)]
    environment |= variables | {"PYTHONPATH": str(EXAMPLE.parents[2])}
    for _ in range(3):
        killed = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(dice.uniform(0.5, 2.5))
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    told = json.loads(subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout)
    ours = done(yewu.manager.get("/complaints/figures"))
    assert {name: told[name] for name in ("received", "closed", "open")} == {
        name: ours[name] for name in ("received", "closed", "open")
    }
    assert sum(told["by_channel"].values()) == ours["received"] == len(published.positions(ComplaintReceived))


def test_it_needs_nothing_of_the_server() -> None:
    program = (
        "import sys\n"
        "class Nothing:\n"
        f"    def find_spec(self, name, *_):\n        if name.partition('.')[0] in {OURS}: raise ImportError(name)\n"
        "sys.meta_path.insert(0, Nothing())\n"
        "import services.subscriber, services.feeds, aggregates.service.complaint\n"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
