"""Where relays have their bad days: a PostgreSQL and a Kafka of their own, and a proxy before Kafka that lays traps."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from benchmarks.history import fill
from infra.child import free_port
from infra.embedded import EmbeddedPostgres
from infra.kafka.broker import LocalKafka
from infra.kafka.client import Cluster
from infra.kafka.wire import PARTITIONS
from infra.migrations import migrate
from services.relay import Relay
from tests.faults.company import start_again
from tests.faults.relaying.relays import NAME, Job, Relays
from tests.infra.kafka.proxy import Fate, KafkaProxy, Kind, Moment, Trap

PATIENCE = 60
"""Seconds in which events go on after whatever has happened."""

NUDGE = 15
"""Seconds without the request that is waited for, after which relays are killed: some they send only as they begin."""


GIVEN_UP = "the relay publishes nothing"


class Caught:
    """A request that waits at the proxy until it is let go; `pid`: of the relay that has sent it."""

    def __init__(self, proxy: KafkaProxy, trap: Trap) -> None:
        self._proxy, self._trap = proxy, trap
        self.pid = int(trap.client.removeprefix(NAME).partition("-")[0])

    def let(self, fate: Fate) -> None:
        """It goes its way, or is lost."""
        self._proxy.decide(self._trap, fate)

    def deliver(self) -> None:
        """It goes its way; return when the broker has answered it, be its sender there or not."""
        self.let(Fate.PASS)
        assert self._trap.answered.wait(PATIENCE), "the broker does not answer"


class Stage:
    """For several plays, one after the other."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.server = EmbeddedPostgres(home / "postgres")
        port = free_port()
        advertised = free_port(other_than=port)
        self.broker = LocalKafka(home / "kafka", port=port, advertised=advertised, short_lived=True)
        self.proxy = KafkaProxy(port, advertised)
        self._numbers = itertools.count(1)

    @contextlib.contextmanager
    def running(self) -> Iterator[Stage]:
        """Until the end of the block."""
        with self.server, self.proxy, self.broker:
            with psycopg.connect(self.server.url, autocommit=True) as db:
                db.execute("CREATE DATABASE template_play")
            migrate(make_conninfo(self.server.url, dbname="template_play"))
            yield self

    def play(
        self, *, events: int, seed: int, kind: type[Relay] = Relay, chunk: int, partitions: int = PARTITIONS
    ) -> Play:
        """A log of so many events, which comes to be bit by bit, and nobody at work on it yet."""
        self._clear()
        name = f"play_{next(self._numbers)}"
        url, empty = self._database(name), self._database(f"{name}_restored")
        log = GrowingLog(url, events, seed)
        cluster = Cluster(servers=f"127.0.0.1:{self.proxy.port}", prefix=name)
        said = self.home / f"{name}.log"
        job = Job(url=log.url, cluster=cluster, kind=kind, chunk=chunk, partitions=partitions, log=said)
        return Play(self, log, empty, cluster, Relays(job))

    def _database(self, name: str) -> str:
        with psycopg.connect(self.server.url, autocommit=True) as db:
            db.execute(f"CREATE DATABASE {name} TEMPLATE template_play".encode())
        return make_conninfo(self.server.url, dbname=name)

    def _clear(self) -> None:
        """What earlier plays have left would only make each start of the broker slower."""
        with Cluster(servers=self.broker.servers).admin() as admin:
            if names := [name for name in admin.list_topics() if name.startswith("play_")]:
                admin.delete_topics(names)

    def restart_postgres(self, *, killed: bool) -> None:
        """As a failing machine does, or as an operator."""
        if killed:
            os.kill(self.server.process_id, signal.SIGKILL)
        start_again(self.server)

    @contextlib.contextmanager
    def broker_stopped(self) -> Iterator[None]:
        """It stands still until the end of the block, and its connections stand."""
        os.kill(self.broker.process_id, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.broker.process_id, signal.SIGCONT)


class GrowingLog:
    """A log of which more comes to be each time; the rest lies ready in a table of its own."""

    def __init__(self, url: str, events: int, seed: int) -> None:
        self.url, self.events, self.head = url, events, 0
        fill(url, events, seed)
        with psycopg.connect(url) as db:
            db.execute("CREATE TABLE aside AS TABLE yewu.log")
            db.execute("ALTER TABLE yewu.log DISABLE TRIGGER append_only")
            db.execute("DELETE FROM yewu.log")
            db.execute("UPDATE yewu.head SET position = 0")
            db.execute("ALTER TABLE yewu.log ENABLE TRIGGER append_only")

    def grow(self, events: int) -> None:
        """So many more, as far as there are."""
        before, self.head = self.head, min(self.head + events, self.events)
        with psycopg.connect(self.url) as db:
            db.execute(
                "INSERT INTO yewu.log SELECT * FROM aside WHERE position BETWEEN %s AND %s", (before + 1, self.head)
            )
            db.execute("UPDATE yewu.head SET position = %s", (self.head,))


class Play:
    """One log on its way to Kafka, and what can befall those who bring it there. `empty`: a database without events."""

    def __init__(self, stage: Stage, log: GrowingLog, empty: str, cluster: Cluster, relays: Relays) -> None:
        self.stage, self.log, self.empty, self.cluster, self.relays = stage, log, empty, cluster, relays

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """A relay is, until the end of the block."""
        try:
            with self.relays.running():
                yield
        finally:
            self.stage.proxy.put_all_away()
        self.require_hope()

    def lay(self, kind: Kind, moment: Moment, skip: int) -> Trap:
        """A trap for the next request of a kind that a relay sends, or one some requests later."""
        return self.stage.proxy.trap(kind, moment, skip=skip, client=NAME)

    def caught_by(self, trap: Trap) -> Caught:
        """Wait until a request is caught."""
        deadline = time.monotonic() + PATIENCE
        for wait in itertools.chain([1], itertools.repeat(NUDGE)):
            if trap.has_caught(wait):
                break
            assert time.monotonic() < deadline, f"nobody sends {trap.kind.name}: {self.said()}"
            self.relays.kill_all()
        return Caught(self.stage.proxy, trap)

    def lose_all(self, kind: Kind, pid: int, times: int) -> None:
        """So many requests of one relay get nowhere."""
        for _ in range(times):
            self.stage.proxy.trap(kind, Moment.BEFORE, client=f"{NAME}{pid}", fate=Fate.LOSE)

    def lose_session(self) -> None:
        """The database ends the session by which a relay is the only one."""
        with psycopg.connect(self.log.url) as db:
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )

    def until_it_goes_on(self, seconds: float = PATIENCE) -> None:
        """A transaction ends, or there is nothing left to publish."""
        trap = self.stage.proxy.trap(Kind.END_TXN, Moment.AFTER, client=NAME)
        try:
            self._until(lambda: trap.has_caught(0.05) or self.is_level(), seconds)
        finally:
            self.stage.proxy.decide(trap, Fate.PASS)

    def until_level(self, seconds: float = PATIENCE) -> None:
        """A relay says that all there is has been published."""
        self._until(self.is_level, seconds)

    def until_one_stands_by(self) -> None:
        """Two are there."""
        self._until(lambda: self._holds("state = 'STANDBY' AND beat_at > now() - interval '1 second'"), PATIENCE)

    def is_level(self) -> bool:
        """Does a relay say so?"""
        return self._holds(f"position >= {self.log.head}")

    def said(self) -> str:
        """The last words of the relays."""
        log = self.relays.job.log
        return log.read_text()[-3000:] if log.exists() else "nothing"

    def require_hope(self) -> None:
        """AssertionError if a relay has said that nothing can be published before somebody mends something."""
        assert GIVEN_UP not in (said := self.said()), f"a relay has given up: {said}"

    def _holds(self, condition: str) -> bool:
        with psycopg.connect(self.log.url) as db:
            return db.execute(f"SELECT FROM yewu.relay WHERE {condition}".encode()).fetchone() is not None

    def _until(self, true: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            self.require_hope()
            assert time.monotonic() < deadline, f"nothing goes on: {self.said()}"
            time.sleep(0.05)
