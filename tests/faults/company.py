"""A whole Yewu of real processes around a PostgreSQL of its own, each of which can be killed, stopped and started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
from psycopg.conninfo import make_conninfo

from infra.child import free_port
from infra.embedded import EmbeddedPostgres, EmbeddedPostgresError
from infra.migrations import migrate
from infra.roles import DatabaseRole
from infra.settings import Settings
from services.cli.client import WITHOUT_TLS
from services.founding import Foundation
from services.keys import sealing_of
from services.up import found_now
from tests.infra.tcp_proxy import Proxy

ROOT = Path(__file__).parents[2]
PARTS = ("project", "policies", "serve")
DATABASE = "postgres"
SECONDS_TO_RECOVER = 180
"""PostgreSQL may have two GB of WAL to go through again, beside whatever else the machine does."""


class Company:
    """The parts by their names: `serve`, `project`, `policies`, and `postgres`. The API reaches it through a proxy."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, free_port()
        self.server = EmbeddedPostgres(home)
        self.parts: dict[str, subprocess.Popen[bytes]] = {}
        self._killed: set[str] = set()
        self.log = home.with_suffix(".log")

    def addresses(self) -> dict[str, str]:
        """How each process finds the database: the variables of the environment that say so."""
        return {
            "DATABASE_URL": self.server.url_as(DatabaseRole.APP),
            "YEWU_PROJECTOR_URL": self.server.url_as(DatabaseRole.PROJECTOR),
        }

    @property
    def url(self) -> str:
        """For whoever judges, with all rights."""
        return self.server.url

    @contextlib.contextmanager
    def running(self) -> Iterator[Company]:
        """Founded and ready, until the end of the block."""
        with self.server:
            migrate(self.server.url)
            with sealing_of(Settings.read({"YEWU_HOME": str(self.home)})) as sealer:
                self.manager = found_now(self.server.url_as(DatabaseRole.APP), Foundation(manager="Max"), sealer)
            with Wire(self.server.url) as self.wire:
                stop = threading.Event()
                keeper = threading.Thread(target=self._keep_running, args=(stop,), name="keeper")
                keeper.start()
                try:
                    for part in PARTS:
                        self.start(part)
                    self.until_ready()
                    yield self
                finally:
                    stop.set()
                    keeper.join()
                    for part in tuple(self.parts):
                        self.end(part)

    def start(self, name: str, *words: str, root: Path = ROOT, **environment: str) -> None:
        """Start a part, or the database; `words` are another command, `root` is where other code lies."""
        if name == DATABASE:
            start_again(self.server)
            return
        command = words or ("services.cli", name.partition(" ")[0])
        with self.log.open("ab") as said:
            self.parts[name] = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=root,
                env=self._surroundings(name) | environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        self._killed.discard(name)

    def kill(self, name: str) -> None:
        """At once, in whatever it was doing."""
        if name == DATABASE:
            os.kill(self.server.process_id, signal.SIGKILL)
            return
        self._killed.add(name)
        self.parts[name].kill()
        self.parts[name].wait()

    def end(self, name: str) -> None:
        """As an operator does."""
        part = self.parts.pop(name)
        part.send_signal(signal.SIGCONT)
        part.terminate()
        try:
            part.wait(20)
        except subprocess.TimeoutExpired:
            part.kill()
            part.wait()

    @contextlib.contextmanager
    def stopped(self, name: str) -> Iterator[None]:
        """It stands still until the end of the block, and knows nothing of it."""
        pid = self.server.process_id if name == DATABASE else self.parts[name].pid
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        _send(family, signal.SIGSTOP)
        try:
            yield
        finally:
            _send(family, signal.SIGCONT)

    def _keep_running(self, stop: threading.Event) -> None:
        """Start again what has ended by itself, as `yewu up` does: a process that begins needs the database, which may
        have been killed just then."""
        while not stop.wait(0.2):
            for name in PARTS:
                part = self.parts.get(name)
                if part is not None and part.poll() is not None and name not in self._killed:
                    self.start(name)

    def until_ready(self, port: int | None = None) -> None:
        """Until the API says that it is well."""
        address = f"http://127.0.0.1:{port or self.port}/ready"

        def ready() -> bool:
            return httpx.get(address, trust_env=False, timeout=2, verify=WITHOUT_TLS).is_success

        self._until(ready, f"{address} is not ready")

    def away(self) -> None:
        """The database is shut down in order."""
        self.server.stop()

    def _until(self, true: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + SECONDS_TO_RECOVER
        while True:
            with contextlib.suppress(httpx.TransportError):
                if true():
                    return
            assert time.monotonic() < deadline, f"{otherwise}: {self.log.read_text()[-2000:]}"
            time.sleep(0.05)

    def _surroundings(self, name: str) -> dict[str, str]:
        ours = {key: value for key, value in os.environ.items() if not key.startswith(("YEWU_", "OTEL_"))}
        addresses = self.addresses()
        if name.startswith("serve"):
            addresses = {key: self.wire.through(value) for key, value in addresses.items()}
        settings = {"YEWU_HOME": str(self.home), "YEWU_PORT": str(self.port), "YEWU_DEVELOPMENT_ISSUER": "on"}
        return ours | settings | addresses


class Wire:
    """The proxy between API and database, in a thread of its own."""

    def __init__(self, target: str) -> None:
        self.proxy = Proxy(target)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire")

    def __enter__(self) -> Wire:
        self._thread.start()
        self._do(self.proxy.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self.proxy.down())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def through(self, url: str) -> str:
        """The same database and login, reached through the wire."""
        theirs = {"sslmode": "disable", "gssencmode": "disable"}
        return make_conninfo(url, host="127.0.0.1", port=self.proxy.port, **theirs)

    def cut(self) -> None:
        """Break every connection, and take no more."""
        self._do(self.proxy.down())

    def mend(self) -> None:
        """Take connections again."""
        self._do(self.proxy.up())

    def _do(self, what: Coroutine[Any, Any, object]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(10)


def start_again(server: EmbeddedPostgres) -> None:
    """As `yewu up` does when it is started again: the children of a server that was killed may need a moment."""
    deadline = time.monotonic() + SECONDS_TO_RECOVER
    while True:
        server.stop()
        try:
            server.start()
        except EmbeddedPostgresError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


def _send(family: list[psutil.Process], number: int) -> None:
    for each in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.send_signal(number)
