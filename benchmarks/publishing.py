"""Kafka: the log published, brought home and subscribed to; and how long an event takes to whoever reads it there."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg

from aggregates.event import Event, Recorded
from aggregates.service.complaint import ComplaintReceived
from benchmarks.children import SECONDS_TO_START, Child, child
from benchmarks.harness import Bench, Figure, Measured, Missing, figures, loop, take_turns
from benchmarks.history import fill
from benchmarks.sample import ANNA, entry, new_complaint, new_id
from benchmarks.server import as_role
from benchmarks.yardstick import single_row_inserts
from infra.append import Append, Change
from infra.codec import Codec
from infra.event_store import Writer
from infra.kafka.broker import KafkaBrokerError, LocalKafka
from infra.kafka.client import CLUSTER, Cluster
from infra.kafka.copy import bring_home
from infra.kafka.wire import position_of
from infra.migrations import become_owner
from infra.roles import DatabaseRole
from services.composition import topics
from services.feeds import KafkaSource
from services.relay import Relay
from services.subscriber import Keeper, Subscriber

BEHIND = 10
"""The log that is published has a tenth of the events of the other measurements: 100,000."""

RATE, FASTER = 500, 2_000
"""Events a second at which the lag is measured, and at which the relay must stay level."""

LATEST = 1.0
"""Seconds within which an event must be readable for the relay to be level."""

_numbers = itertools.count(1)


def measure(bench: Bench) -> Measured:
    """The broker, too, is on this machine, and has its part of the two cores."""
    try:
        with LocalKafka(bench.folder / "kafka") as kafka:
            bulk = _in_bulk(bench, kafka.servers)
            memory, halves, hundredths, level = _as_they_come(bench, kafka.servers)
    except KafkaBrokerError as error:
        raise Missing(str(error)) from error
    measured = {
        "relay_events_per_s": bulk["relay"],
        "restore_events_per_s": bulk["restore"],
        "subscriber_records_per_s": bulk["subscriber"],
    }
    return Measured(
        {key: Figure.of(rounds) for key, rounds in measured.items()}
        | {
            "relay_lag_p50_ms": Figure.of(halves),
            "relay_lag_p99_ms": Figure.of(hundredths),
            "relay_level_2000": Figure.of(level),
        },
        figures({f"Kafka: {name}": rounds for name, rounds in bulk.items() if name != "insert"}),
        {"relay": memory},
        Figure.of(bulk["insert"]),
    )


def _in_bulk(bench: Bench, servers: str) -> dict[str, list[float]]:
    events = max(bench.size.events // BEHIND, 500)
    with bench.server.database() as conninfo, psycopg.connect(conninfo, autocommit=True) as db:
        fill(conninfo, events)
        published: list[Cluster] = []

        def relay() -> float:
            cluster = Cluster(servers=servers, prefix=f"bench-{next(_numbers)}")
            db.execute("DELETE FROM yewu.relay")
            db.execute("DELETE FROM yewu.topic")
            new = Relay(db, cluster, topics(cluster.prefix))
            new.begin()
            begun = time.perf_counter()
            while new.step():
                pass
            published.append(cluster)
            return events / (time.perf_counter() - begun)

        def restore() -> float:
            if not published:
                relay()
            with bench.server.database() as empty, psycopg.connect(empty, autocommit=True) as new:
                become_owner(new)
                home = bring_home(new, published[-1], Codec(Event.known.values()), into_empty=True)
            return home.events / home.seconds

        def subscriber() -> float:
            if not published:
                relay()
            with closing(sqlite3.connect(bench.folder / f"{next(_numbers)}.sqlite")) as service:
                service.execute("CREATE TABLE received (position integer PRIMARY KEY, channel text)")
                return _subscribe(service, published[-1], events)

        with single_row_inserts(conninfo, bench.size.seconds) as insert:
            return take_turns(
                bench.size.rounds, {"relay": relay, "restore": restore, "subscriber": subscriber, "insert": insert}
            )


def _subscribe(service: sqlite3.Connection, cluster: Cluster, events: int) -> float:
    """Records read a second, of which those of one type are decoded and written down."""

    def received(record: Recorded[ComplaintReceived]) -> None:
        service.execute("INSERT INTO received VALUES (?, ?)", (record.position, record.event.channel))

    source = KafkaSource(cluster, restricted=True)
    with closing(Subscriber("bench", source, Keeper(service), {ComplaintReceived: received})) as subscriber:
        subscriber.lag()  # everything is open
        begun, last = time.perf_counter(), time.perf_counter()
        while subscriber.step(0.5) or subscriber.lag().waiting:
            last = time.perf_counter()
        return events / (last - begun)


def _as_they_come(bench: Bench, servers: str) -> tuple[float, list[float], list[float], list[float]]:
    """Memory of the relay; half of the lags, and 99 of 100, by round; and the share that came in time at the faster
    rate."""
    halves, hundredths, level = list[float](), list[float](), list[float]()
    cluster = Cluster(servers=servers, prefix=f"bench-{next(_numbers)}")
    with bench.server.database() as conninfo, _relaying(conninfo, cluster) as relay, loop() as runner:
        writer = Writer(conninfo)
        runner.run(writer.start())
        try:
            with _reading(cluster) as seen:
                for _ in range(bench.size.rounds):
                    lags = runner.run(_round(writer, seen, RATE, bench.size.lag_seconds))
                    halves.append(lags[len(lags) // 2] * 1000)
                    hundredths.append(lags[len(lags) * 99 // 100] * 1000)
                    lags = runner.run(_round(writer, seen, FASTER, bench.size.lag_seconds))
                    level.append(sum(lag <= LATEST for lag in lags) / len(lags))
        finally:
            runner.run(writer.stop())
        return relay.memory(), halves, hundredths, level


@contextmanager
def _relaying(conninfo: str, cluster: Cluster) -> Iterator[Child]:
    """A relay in a process of its own, which publishes."""
    address = as_role(conninfo, DatabaseRole.PROJECTOR)
    variables = {CLUSTER: cluster.servers, "KAFKA_TOPIC_PREFIX": cluster.prefix, "YEWU_PROJECTOR_URL": address}
    with child("services.cli", "relay", "--once", **variables) as process, psycopg.connect(conninfo) as db:
        deadline = time.monotonic() + SECONDS_TO_START
        while not db.execute("SELECT 1 FROM yewu.relay WHERE state = 'RUNNING'").rowcount:
            db.rollback()
            process.must_run()
            if time.monotonic() > deadline:
                raise Missing("The relay does not begin to publish.")
            time.sleep(0.05)
        yield process


@contextmanager
def _reading(cluster: Cluster) -> Iterator[dict[int, float]]:
    """When each position was read, by a consumer in a thread of its own."""
    seen: dict[int, float] = {}
    ended = threading.Event()
    plan = topics(cluster.prefix)
    places = [place for place in plan.places if place[0] == plan.of("complaint", restricted=False)]

    def read() -> None:
        with cluster.consumer(places, fetch_max_wait_ms=20) as consumer:
            while not ended.is_set():
                for records in consumer.poll(timeout_ms=50).values():
                    now = time.perf_counter()
                    seen.update((position_of(record), now) for record in records)

    thread = threading.Thread(target=read, name="reader")
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


async def _round(writer: Writer, seen: dict[int, float], rate: int, seconds: float) -> list[float]:
    """How long each event was on record before it was read, in seconds, the least first."""
    committed: dict[int, float] = {}

    async def append(made: Append) -> None:
        appended = await writer.append(made)
        committed[appended.last] = time.perf_counter()

    ready = [_made() for _ in range(max(1, round(seconds * rate)))]
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for n, made in enumerate(ready):
            if (ahead := begun + n / rate - time.perf_counter()) > 0:
                await asyncio.sleep(ahead)
            group.create_task(append(made))
    deadline = time.perf_counter() + SECONDS_TO_START
    while committed.keys() - seen.keys():
        if time.perf_counter() > deadline:
            raise Missing("What was committed does not come to be read.")
        await asyncio.sleep(0.01)
    return sorted(max(0.0, seen.pop(position) - at) for position, at in committed.items())


def _made() -> Append:
    stream_id = new_complaint()
    return Append(ANNA, new_id(), (Change(stream_id, 0, (entry(stream_id),)),))
