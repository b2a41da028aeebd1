"""A PostgreSQL for measurements alone: durable as in earnest, in a folder that goes when they are done."""

from __future__ import annotations

import itertools
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import fdatasync
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from infra.embedded import EmbeddedPostgres, find_binaries
from infra.migrations import migrate
from infra.roles import DatabaseRole, admit

TEMPLATE = "template_yewu"
MIB = 1 << 20


class Server:
    """Databases on demand, and what they cost."""

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self._postgres, self._numbers = postgres, itertools.count(1)
        with self._admin() as db:
            db.execute(f"CREATE DATABASE {TEMPLATE}".encode())
        migrate(self._conninfo(TEMPLATE))

    @contextmanager
    def database(self) -> Iterator[str]:
        """A migrated database with an empty log, until the end of the block; its address is the superuser's."""
        name = f"bench_{next(self._numbers)}"
        with self._admin() as db:
            db.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}".encode())
        with psycopg.connect(self._conninfo(name), autocommit=True) as db:
            admit(db)
        try:
            yield self._conninfo(name)
        finally:
            with self._admin() as db:
                db.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def settle(self) -> None:
        """Write everything down now, so that the next round does not pay for it."""
        with self._admin() as db:
            db.execute("CHECKPOINT")

    def cpu_seconds(self) -> float:
        """The processor time that the server has taken, with all its processes, living and ended."""
        server = psutil.Process(self._postgres.process_id)
        own = server.cpu_times()
        total = own.user + own.system + own.children_user + own.children_system
        for process in server.children(recursive=True):
            try:
                used = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += used.user + used.system
        return float(total)

    @contextmanager
    def on_one_core(self) -> Iterator[None]:
        """Client and server share a core until the end of the block. On cores of their own, which are two halves of one
        or share its memory, each takes more time when the other is at work, too."""
        cores = os.sched_getaffinity(0)
        self._bind({min(cores)})
        try:
            yield
        finally:
            self._bind(cores)

    def _bind(self, cores: set[int]) -> None:
        """Let this process, the server and whatever they start from now on run on these cores alone."""
        os.sched_setaffinity(0, cores)
        server = psutil.Process(self._postgres.process_id)
        for process in (server, *server.children(recursive=True)):
            with suppress(ProcessLookupError):
                os.sched_setaffinity(process.pid, cores)

    @property
    def version(self) -> str:
        """Such as 18.1."""
        with self._admin() as db:
            (version,) = db.execute("SHOW server_version").fetchone() or ("",)
        return str(version)

    def _admin(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self._postgres.url, autocommit=True)

    def _conninfo(self, database: str) -> str:
        return make_conninfo(self._postgres.url, dbname=database)


@contextmanager
def own_server() -> Iterator[tuple[Server, Path]]:
    """A server in a temporary folder, and a folder beside its data for whatever else is needed."""
    home = Path(tempfile.mkdtemp(prefix="yewu-bench-"))
    beside = Path(tempfile.mkdtemp(prefix="yewu-bench-"))
    try:
        with EmbeddedPostgres(home) as postgres:
            yield Server(postgres), beside
    finally:
        shutil.rmtree(home, ignore_errors=True)
        shutil.rmtree(beside, ignore_errors=True)


def as_role(conninfo: str, role: DatabaseRole) -> str:
    """The same database for a process that connects as this role."""
    return make_conninfo(conninfo, user=role)


def fsync_microseconds(folder: Path) -> float:
    """What it costs to make 8 KiB durable in this folder, half of the time at most."""
    costs = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(200):
            file.write(bytes(8192))
            begun = time.perf_counter()
            fdatasync(file.fileno())
            costs.append(time.perf_counter() - begun)
    return statistics.median(costs) * 1e6


def program(name: str) -> Path | None:
    """A program that comes with PostgreSQL, if it is there."""
    found = shutil.which(name)
    beside = find_binaries() / name
    return beside if beside.exists() else Path(found) if found else None
