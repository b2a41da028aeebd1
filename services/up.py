"""Everything on one machine with one command: database, API, projector, builder, and an end without orphans."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import psycopg
from msgspec.structs import replace

from aggregates.event import Event
from infra.codec import Codec
from infra.embedded import EmbeddedPostgres
from infra.event_store import Writer
from infra.migrations import migrate
from infra.settings import Settings
from services.demo import write_help_desk
from services.founding import AlreadyFounded, Foundation, found
from services.importing import HELP_DESK, run_import
from services.processes import LEASH

PARTS = ("project", "build", "serve")
SECONDS_TO_READY = 60
SECONDS_TO_STOP = 15


class CannotRun(Exception):
    """Yewu cannot run here; the sentence says why and what to do."""


class Part:
    """One child process, started again when it ends of itself, ever more slowly while it fails at once."""

    def __init__(self, name: str, environment: dict[str, str], leash: int) -> None:
        self.name, self._environment, self._leash = name, environment, leash
        self._process: subprocess.Popen[bytes] | None = None
        self._began = self._pause = self._again_at = 0.0

    def start(self) -> None:
        """Start it now."""
        self._began = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, "-m", "services.cli", self.name],
            env={**self._environment, LEASH: str(self._leash)},
            pass_fds=(self._leash,),
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, who stops its parts in order
        )

    def tend(self) -> None:
        """Start it again if it has ended and has waited long enough."""
        if self._process is None or self._process.poll() is None:
            return
        now = time.monotonic()
        if not self._again_at:
            self._pause = 0.2 if now - self._began > 10 else min(10.0, max(0.2, self._pause * 2))
            self._again_at = now + self._pause
        elif now >= self._again_at:
            self._again_at = 0.0
            self.start()

    def stop(self) -> None:
        """Ask it to end, and wait."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def up(
    settings: Settings,
    manager: Callable[[], str],
    tell: Callable[[str], None],
    when_ready: Callable[[str], None] = lambda _conninfo: None,
) -> None:
    """Run Yewu until a signal comes. `manager` names the first manager if the department has still to be founded."""
    stopping = _signals()
    with ExitStack() as stack:
        conninfo, embedded = settings.database_url, None
        if conninfo is None:
            embedded = stack.enter_context(EmbeddedPostgres(settings.home))
            conninfo = embedded.url
        _require_free(settings.host, settings.port)
        migrate(conninfo)
        environment = {**os.environ, "DATABASE_URL": conninfo, "YEWU_HOME": str(settings.home)}
        if embedded is not None:
            environment["YEWU_DEVELOPMENT_ISSUER"] = "on"
        reading, writing = os.pipe()
        stack.callback(os.close, writing)
        parts = {name: Part(name, environment, reading) for name in PARTS}
        for part in parts.values():
            stack.callback(part.stop)
        parts["project"].start()
        parts["build"].start()
        found_if_new(conninfo, settings, manager, tell)
        parts["serve"].start()
        address = f"http://{settings.host}:{settings.port}"
        _await_ready(address, parts, stopping)
        if not stopping:
            when_ready(conninfo)
            tell(f"Yewu is ready at {address} (the interface: {address}/docs).")
        while not stopping:
            time.sleep(0.1)
            for part in parts.values():
                part.tend()
            if embedded is not None and embedded.exit_code() is not None:
                raise CannotRun(f"PostgreSQL has ended: see the logs in {settings.home}, then start again.")
        tell("Yewu stops.")


def demo(settings: Settings, cases: int, tell: Callable[[str], None]) -> None:
    """The same on data of its own: the first start fills it with a generated help desk."""
    settings = replace(settings, home=settings.home / "demo", database_url=None)
    file = settings.home / "help-desk.xes.gz"

    def fill(conninfo: str) -> None:
        if not file.exists():
            tell(f"A help desk of {cases} cases is being made and imported.")
            write_help_desk(file, cases)
        report = run_import(conninfo, str(file), HELP_DESK)
        if report.recorded:
            tell(f"{report.recorded} events of {report.cases} cases are on record.")

    up(settings, lambda: "Demo manager 演示经理", tell, fill)


def found_if_new(conninfo: str, settings: Settings, manager: Callable[[], str], tell: Callable[[str], None]) -> None:
    """Found the department if nothing is on record yet."""
    with psycopg.connect(conninfo) as db:
        (head,) = db.execute("SELECT position FROM yewu.head").fetchone() or (0,)
    if head:
        return
    foundation = Foundation(manager=manager(), zone=settings.zone.key)
    try:
        manager_id = found_now(conninfo, foundation)
    except AlreadyFounded:
        return
    tell(f"The department is founded; its manager is {foundation.manager} ({manager_id}).")


def found_now(conninfo: str, foundation: Foundation) -> str:
    """Found the department; the manager's id. AlreadyFounded if anything is on record."""

    async def run() -> str:
        writer = Writer(conninfo)
        await writer.start()
        try:
            return await found(writer, Codec(Event.known.values()), foundation)
        finally:
            await writer.stop()

    return asyncio.run(run())


def _signals() -> list[int]:
    """Filled by INT, TERM or HUP; whoever looks at it then stops."""
    received: list[int] = []

    def handle(number: int, _frame: Any) -> None:
        received.append(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handle)
    return received


def _require_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            raise CannotRun(
                f"Port {port} of {host} is in use: stop what uses it or set YEWU_PORT to another."
            ) from None


def _await_ready(address: str, parts: dict[str, Part], stopping: list[int]) -> None:
    deadline = time.monotonic() + SECONDS_TO_READY
    while not stopping:
        try:
            with urllib.request.urlopen(f"{address}/ready", timeout=2):  # noqa: S310  # our own address
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise CannotRun(f"Yewu did not become ready in {SECONDS_TO_READY} s: see {address}/ready.") from None
        for part in parts.values():
            part.tend()
        time.sleep(0.05)
