"""Relays as processes, each of which is started again when it ends: as whoever runs them would do it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

from infra.kafka import client, wire
from infra.kafka.client import Cluster
from services import relay
from services.composition import topics
from services.relay import Relay

NAME = "relay-"
"""What the clients of a relay call themselves, with the number of its process behind it."""

BACK_OFF = 0.2
QUICKER = 4
"""By how much the relays here are less patient, so that a fault that they have to wait for takes seconds."""


class Job(NamedTuple):
    """What a relay is started with; a `chunk` has so many events, and a topic so many `partitions`."""

    url: str
    cluster: Cluster
    kind: type[Relay]
    chunk: int
    partitions: int
    log: Path


def work(job: Job) -> None:
    """The whole process."""
    with job.log.open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    relay.CHUNK_EVENTS, wire.PARTITIONS = job.chunk, job.partitions
    relay.LONGEST_CHUNK /= QUICKER
    relay.SETTLING /= QUICKER
    client.REQUEST_MS //= QUICKER
    client.FLUSH_SECONDS /= QUICKER
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    cluster = Cluster(
        servers=job.cluster.servers, prefix=job.cluster.prefix, options={"client_id": f"{NAME}{os.getpid()}"}
    )
    os._exit(relay.run(job.url, cluster, topics(cluster.prefix), stop, job.kind))


class Relays:
    """So many of them at work, or waiting to be; `started` counts all that ever were."""

    def __init__(self, job: Job, count: int = 1) -> None:
        self.job, self.count, self.started = job, count, 0
        self._context = get_context("forkserver")  # a process of our own takes seconds to import everything
        self._context.set_forkserver_preload([__name__, job.kind.__module__])
        self._alive: dict[int, BaseProcess] = {}
        self._still: set[int] = set()
        self._enough = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._start_again_and_again, name="relays")

    @contextlib.contextmanager
    def running(self) -> Iterator[Relays]:
        """Until the end of the block; then all are told to end."""
        self._thread.start()
        try:
            yield self
        finally:
            self._enough.set()
            self._thread.join()
            for pid in tuple(self._still):
                self.go_on(pid)
            for process in self._alive.values():
                process.terminate()
            for process in self._alive.values():
                process.join(30)
                process.kill()
                process.join()

    def kill(self, pid: int) -> None:
        """At once, in whatever it was doing."""
        self._send(pid, signal.SIGKILL)

    def stop(self, pid: int) -> None:
        """It stands still and knows nothing of it; somebody else is started in its place."""
        with self._lock:
            self._send(pid, signal.SIGSTOP)
            self._still.add(pid)

    def go_on(self, pid: int) -> None:
        """It goes on as if nothing had been."""
        with self._lock:
            self._still.discard(pid)
            self._send(pid, signal.SIGCONT)

    def kill_all(self) -> None:
        for pid in tuple(self._alive):
            self.kill(pid)

    def _send(self, pid: int, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def _start_again_and_again(self) -> None:
        while not self._enough.wait(BACK_OFF):
            with self._lock:
                self._alive = {pid: process for pid, process in self._alive.items() if process.is_alive()}
                self._still &= self._alive.keys()
                missing = self.count - len(self._alive.keys() - self._still)
            for _ in range(missing):
                process = self._context.Process(target=work, args=(self.job,), daemon=True)
                process.start()
                assert process.pid is not None
                self._alive[process.pid] = process
                self.started += 1
