"""Everything on one machine with one command: database, API, projector, builder, policies; an end without orphans."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
from msgspec.structs import replace

from aggregates.event import Event
from infra.codec import Codec
from infra.embedded import EmbeddedPostgres
from infra.event_store import Writer
from infra.migrations import migrate
from infra.roles import DatabaseRole
from infra.sealing import Sealer
from infra.settings import DATABASE, OWN_ADDRESSES, Settings
from services.addresses import address_for, address_for_migrations
from services.demo import write_help_desk
from services.founding import AlreadyFounded, Foundation, found
from services.importing import HELP_DESK, run_import
from services.keys import sealing_of
from services.processes import LEASH, CannotRun, require_issuer

PARTS = ("project", "build", "policies", "serve")
SECONDS_TO_READY = 60
SECONDS_BETWEEN_NEWS = 3
SECONDS_TO_STOP = 15


class Interrupted(Exception):
    """A signal came while somebody was being asked something."""


class Signals:
    """INT, TERM and HUP: true once one of them has come."""

    def __init__(self) -> None:
        self._came = self._asking = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._handle)

    def __bool__(self) -> bool:
        return self._came

    @contextmanager
    def breaking_off(self) -> Iterator[None]:
        """Within the block a signal raises Interrupted: nobody at a terminal would look at it otherwise."""
        self._asking = True
        try:
            if self._came:
                raise Interrupted
            yield
        finally:
            self._asking = False

    def _handle(self, _number: int, _frame: Any) -> None:
        self._came = True
        if self._asking:
            raise Interrupted


class Part:
    """One child process, started again when it ends of itself, ever more slowly while it fails at once."""

    def __init__(self, name: str, environment: dict[str, str], leash: int, tell: Callable[[str], None]) -> None:
        self.name, self._environment, self._leash, self._tell = name, environment, leash, tell
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
            self._tell(f"`yewu {self.name}` has ended (status {self._process.returncode}) and is started again.")
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
    """Run Yewu until a signal comes. `manager` names the first manager if the department has still to be founded.

    The development issuer is there beside the embedded database only. CannotRun if something is in the way.
    """
    require_issuer(replace(settings, development_issuer=settings.database_url is None))
    stopping = Signals()
    with ExitStack() as stack:
        embedded = None
        if settings.database_url is None:
            settings = replace(settings, own_urls={})
            embedded = stack.enter_context(EmbeddedPostgres(settings.home))
        _require_free(settings.host, settings.port)
        migrate(address_for_migrations(settings))
        conninfo = address_for(DatabaseRole.APP, settings)
        environment = _environment(settings, embedded)
        reading, writing = os.pipe()
        stack.callback(os.close, writing)
        parts = {name: Part(name, environment, reading, tell) for name in PARTS}
        for part in parts.values():
            stack.callback(part.stop)
        parts["project"].start()
        parts["build"].start()
        try:
            with stopping.breaking_off():
                first_manager = manager() if _is_new(conninfo) else None
        except Interrupted:
            tell("Yewu stops.")
            return
        if first_manager is not None:
            _found_first(conninfo, Foundation(manager=first_manager, zone=settings.zone.key), settings, tell)
        parts["policies"].start()
        parts["serve"].start()
        address = _address(settings)
        _await_ready(address, parts, stopping, tell)
        if not stopping:
            when_ready(conninfo)
            tell(f"Yewu is ready at {address} (the interface: {address}/docs).")
        while not stopping:
            time.sleep(0.1)
            for part in parts.values():
                part.tend()
            if embedded is not None and embedded.exit_code() is not None:
                raise CannotRun(f"PostgreSQL has ended: see {embedded.log}, then start again.")
        tell("Yewu stops.")


def demo(settings: Settings, cases: int, tell: Callable[[str], None]) -> None:
    """The same on data of its own: the first start fills it with a generated help desk."""
    settings = replace(settings, home=settings.home / "demo", database_url=None)
    file = settings.home / "help-desk.xes.gz"

    def fill(conninfo: str) -> None:
        if not file.exists():
            tell(f"A help desk of {cases} cases is being made and imported.")
            write_help_desk(file, cases)
        with sealing_of(settings) as sealer:
            report = run_import(conninfo, str(file), HELP_DESK, sealer)
        if report.recorded:
            tell(f"{report.recorded} events of {report.cases} cases are on record.")

    up(settings, lambda: "Demo manager 演示经理", tell, fill)


def _environment(settings: Settings, embedded: EmbeddedPostgres | None) -> dict[str, str]:
    """What its parts are told. They find an embedded database by its home, each as its own role."""
    told = {"YEWU_HOME": str(settings.home), "YEWU_DEVELOPMENT_ISSUER": "off" if embedded is None else "on"}
    if embedded is None:
        return {**os.environ, **told}
    elsewhere = {DATABASE, *OWN_ADDRESSES.values()}
    return {name: value for name, value in os.environ.items() if name not in elsewhere} | told


def _is_new(conninfo: str) -> bool:
    with psycopg.connect(conninfo) as db:
        (head,) = db.execute("SELECT position FROM yewu.head").fetchone() or (0,)
    return not head


def _found_first(conninfo: str, foundation: Foundation, settings: Settings, tell: Callable[[str], None]) -> None:
    try:
        with sealing_of(settings) as sealer:
            manager_id = found_now(conninfo, foundation, sealer)
    except AlreadyFounded:  # by another instance on the same database, a moment ago
        return
    tell(f"The department is founded; its manager is {foundation.manager} ({manager_id}).")


def found_now(conninfo: str, foundation: Foundation, sealer: Sealer) -> str:
    """Found the department; the manager's id. AlreadyFounded if anything is on record."""
    codec = Codec(Event.known.values(), seals=sealer.seals)

    async def run() -> str:
        writer = Writer(conninfo)
        await writer.start()
        try:
            return await found(writer, codec, sealer, foundation)
        finally:
            await writer.stop()

    return asyncio.run(run())


def _require_free(host: str, port: int) -> None:
    try:
        family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotRun(
                f"Port {port} of {host} is in use: stop what uses it or set YEWU_PORT to another."
            ) from None
        raise CannotRun(
            f"Nobody can listen at {host}, port {port} ({error.strerror}): set YEWU_HOST and YEWU_PORT otherwise."
        ) from None


def _address(settings: Settings) -> str:
    """Where to reach on this machine what listens there."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104  # read, not bound
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _await_ready(address: str, parts: dict[str, Part], stopping: Signals, tell: Callable[[str], None]) -> None:
    """Until the API is ready, as long as it takes if there is progress: a new version may have much to fold."""
    before, told = "it does not answer", time.monotonic()
    deadline = told + SECONDS_TO_READY
    while not stopping:
        problems, now = _problems(address), time.monotonic()
        if not problems:
            return
        if problems != before:
            before, deadline = problems, now + SECONDS_TO_READY
        elif now > deadline:
            raise CannotRun(f"Yewu does not become ready ({problems}): see what its parts said above.")
        if now > told + SECONDS_BETWEEN_NEWS:
            tell(f"Not ready yet: {problems}.")
            told = now
        for part in parts.values():
            part.tend()
        time.sleep(0.05)


def _problems(address: str) -> str:
    """Why the API is not ready; nothing if it is."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy knows our own machine
    try:
        with direct.open(f"{address}/ready", timeout=2):
            return ""
    except urllib.error.HTTPError as error:
        return "; ".join(json.load(error).get("problems", ())) or f"it answers {error.code}"
    except OSError:
        return "it does not answer"
