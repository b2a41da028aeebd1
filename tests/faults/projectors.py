"""`python -m tests.faults.projectors [--seconds 300] [--seed N]`: projectors from Kafka, killed, frozen and joined."""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from enum import StrEnum
from random import Random

import psycopg

from aggregates.event import Event
from infra.embedded import EmbeddedPostgres
from infra.kafka.broker import LocalKafka
from infra.kafka.client import Cluster
from infra.kafka.projector import KafkaProjector
from infra.kafka.watchdog import Watchdog
from infra.migrations import migrate
from infra.read_model import schema as schemas
from infra.read_model.engine import ReadModel
from infra.read_model.rebuild import build
from services.composition import topics
from services.relay import run as publish
from tests.faults.company import ROOT
from tests.folders import reachable_folder
from tests.infra.read_model.books import Book, content, parked, trail
from tests.infra.read_model.repairs import EVENTS, Desk
from tests.infra.read_model.test_parking import poisoned_model, skip

WORKERS = 3
LONGEST = 30.0
"""Seconds that the place of the schema may stand still while there is more in the log."""

PATIENCE = 150
LONG_AGO = datetime(1990, 1, 1, tzinfo=UTC)
"""Days pass quickly at this desk, and Kafka takes nothing from days to come."""


class Fault(StrEnum):
    """What may happen to a projector."""

    KILLED = "killed"
    FROZEN = "frozen"
    JOINED = "joined"
    LEFT = "left"


class Crew:
    """A relay and some projectors as processes of their own; one that has ended by itself is started again."""

    def __init__(self, url: str, cluster: Cluster, seed: int) -> None:
        self._words = (url, cluster.servers, cluster.prefix, str(seed))
        self._frozen: list[tuple[subprocess.Popen[bytes], float]] = []
        self.relay = self._started("relay")
        self.workers = [self._started("project") for _ in range(WORKERS)]

    def fault(self, chance: Random) -> Fault:
        """What may happen next, so that there are always some left."""
        few, many = len(self.workers) <= WORKERS, len(self.workers) > WORKERS + 1
        return chance.choice([Fault.KILLED, Fault.FROZEN, Fault.LEFT if many or not few else Fault.JOINED])

    def hit(self, fault: Fault, chance: Random) -> None:
        """It happens to one of them."""
        worker = chance.choice(self.workers)
        match fault:
            case Fault.KILLED:
                self._end(worker)
                self.workers.append(self._started("project"))
            case Fault.FROZEN:
                worker.send_signal(signal.SIGSTOP)
                self._frozen.append((worker, time.monotonic() + chance.uniform(1, 12)))
            case Fault.JOINED:
                self.workers.append(self._started("project"))
            case Fault.LEFT:
                self._end(worker)

    def look_after(self) -> None:
        """Start again who ended, and let go on who was frozen for long enough."""
        if self.relay.poll() is not None:
            self.relay = self._started("relay")
        for worker in [each for each in self.workers if each.poll() is not None]:
            self._end(worker)
            self.workers.append(self._started("project"))
        for worker, until in [each for each in self._frozen if each[1] < time.monotonic()]:
            worker.send_signal(signal.SIGCONT)
            self._frozen.remove((worker, until))

    def _end(self, worker: subprocess.Popen[bytes]) -> None:
        """At once, in whatever it was doing."""
        self.workers.remove(worker)
        worker.kill()
        worker.wait()

    def close(self) -> None:
        for each in (*self.workers, self.relay):
            each.kill()
            each.wait()

    def _started(self, part: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.faults.projectors", part, *self._words]
        return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Pulse:
    """How long the place of the schema has stood still at most while there was more in the log."""

    def __init__(self, url: str, model: ReadModel) -> None:
        self.longest, self._url, self._schema = 0.0, url, model.schema
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Pulse:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()

    def _watch(self) -> None:
        since, before = time.monotonic(), -1
        with psycopg.connect(self._url, autocommit=True) as db:
            while not self._enough.wait(0.05):
                lag = schemas.lag(db, self._schema)
                if lag.position != before or lag.position == lag.head:
                    since, before = time.monotonic(), lag.position
                self.longest = max(self.longest, time.monotonic() - since)


def run(url: str, cluster: Cluster, seed: int, seconds: float) -> tuple[int, Counter[Fault], float]:
    """How many events, which faults, the longest standstill. AssertionError if the rows are not those of the log."""
    chance, model, faults = Random(seed), poisoned_model(seed), Counter[Fault]()
    first = chance.sample([Fault.KILLED, Fault.FROZEN, Fault.JOINED], 3)
    with Book(url) as book:
        with book.connect() as reader:
            build(reader, book.db, model)
        desk = Desk(seed)
        desk.now = LONG_AGO
        book.write(desk.happen(10))
        with closing(Crew(url, cluster, seed)) as crew, Pulse(url, model) as pulse:
            until_level(book, crew, model)  # until then the topics are made
            pulse.longest = 0.0
            end, next_fault = time.monotonic() + seconds, time.monotonic() + 1
            while time.monotonic() < end:
                book.write(desk.happen(chance.randint(1, 15)))
                if (standing := parked(book, model)) and chance.random() < 0.05:
                    book.write([skip(chance.choice(standing), desk.now)])
                crew.look_after()
                if time.monotonic() > next_fault:
                    fault = first.pop() if first else crew.fault(chance)
                    crew.hit(fault, chance)
                    faults[fault] += 1
                    next_fault = time.monotonic() + chance.uniform(1, 8)
                time.sleep(0.05)
            until_level(book, crew, model)
        judge(book, model)
        return len(book.records), faults, pulse.longest


def until_level(book: Book, crew: Crew, model: ReadModel) -> None:
    """Nothing is added any more: wait until the place of the schema is the head of the log."""
    deadline = time.monotonic() + PATIENCE
    while schemas.lag(book.db, model.schema).position < len(book.records):
        crew.look_after()
        assert time.monotonic() < deadline, f"not level: {schemas.lag(book.db, model.schema)}"
        time.sleep(0.1)


def judge(book: Book, model: ReadModel) -> None:
    """Row for row what a rebuild from the log makes."""
    anew = "rm_judged"
    with book.connect() as reader:
        build(reader, book.db, model, schema=anew)
    live, built = content(book.db, model), content(book.db, model, anew)
    for name, rows in built.items():
        assert live[name] == rows, f"{name} is not what a rebuild makes of the log"
    assert parked(book, model) == parked(book, model, anew)
    assert trail(book.db, model.schema) == trail(book.db, anew)


def work(part: str, url: str, servers: str, prefix: str, seed: int) -> int:
    """A process of the crew, until it is killed."""
    for event in EVENTS:
        Event.known[event.__name__] = event
    cluster, stop = Cluster(servers=servers, prefix=prefix), threading.Event()
    if part == "relay":
        return publish(url, cluster, topics(prefix), stop)
    watchdog = Watchdog("the projector")
    KafkaProjector(url, poisoned_model(seed), cluster, topics(prefix), watchdog=watchdog).run(stop)
    return 0


def main() -> int:
    """0 if all went well; 1 if it stood still for too long."""
    if sys.argv[1:2] in (["relay"], ["project"]):
        part, url, servers, prefix, seed = sys.argv[1:]
        os._exit(work(part, url, servers, prefix, int(seed)))
    parser = argparse.ArgumentParser(prog="python -m tests.faults.projectors", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="how long things happen")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32), help="what chance goes by")
    asked = parser.parse_args()
    sys.stdout.write(f"seed {asked.seed}\n")
    sys.stdout.flush()
    with EmbeddedPostgres(reachable_folder() / "home") as server, LocalKafka(reachable_folder() / "kafka") as broker:
        migrate(server.url)
        cluster = Cluster(servers=broker.servers, prefix="faults")
        events, faults, longest = run(server.url, cluster, asked.seed, asked.seconds)
    told = ", ".join(f"{count} {fault}" for fault, count in sorted(faults.items()))
    sys.stdout.write(f"{events} events, {told}: rows as rebuilt; stood still for {longest:.1f} s at most\n")
    return int(longest > LONGEST)


if __name__ == "__main__":
    sys.exit(main())
