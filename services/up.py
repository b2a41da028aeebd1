"""Everything on one machine with one command: database, API and what works behind the log; an end without orphans."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack

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
from services.parts import Interrupted, Part, Signals
from services.processes import CannotRun, require_issuer

PARTS: Mapping[str, tuple[str, ...]] = {name: (name,) for name in ("project", "build", "policies", "serve")}
"""The processes of a running Yewu, each with the words that `yewu` is called with."""

FIRST = ("project", "build")
"""Those that must be at work before the department is founded; the others are started after it, in their order."""

SECONDS_TO_READY = 60
SECONDS_BETWEEN_NEWS = 3


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
        words = {**PARTS, **({"relay": ("relay", "--once")} if settings.kafka_servers else {})}
        parts = {name: Part(each, environment, reading, tell) for name, each in words.items()}
        for part in parts.values():
            stack.callback(part.stop)
        for name in FIRST:
            parts[name].start()
        try:
            with stopping.breaking_off():
                first_manager = manager() if _is_new(conninfo) else None
        except Interrupted:
            tell("Yewu stops.")
            return
        if first_manager is not None:
            _found_first(conninfo, Foundation(manager=first_manager, zone=settings.zone.key), settings, tell)
        for name, part in parts.items():
            if name not in FIRST:
                part.start()
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
