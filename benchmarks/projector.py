"""The projector of a database, in a process of its own as in earnest."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from aggregates.event import Event
from benchmarks.children import SECONDS_TO_START, Child, child
from benchmarks.harness import Missing
from benchmarks.server import as_role
from infra.codec import Codec
from infra.read_model.schema import lag
from infra.roles import DatabaseRole
from services.composition import read_model

SCHEMA = read_model(Codec(Event.known.values())).schema


@contextmanager
def projecting(conninfo: str) -> Iterator[Child]:
    """It runs, and has caught up with the log."""
    with child("services.cli", "project", YEWU_PROJECTOR_URL=as_role(conninfo, DatabaseRole.PROJECTOR)) as process:
        deadline = time.monotonic() + SECONDS_TO_START
        with psycopg.connect(conninfo, autocommit=True) as db:
            while (now := lag(db, SCHEMA)).beat_age is None or now.position < now.head:
                process.must_run()
                if time.monotonic() > deadline:
                    raise Missing("The projector does not catch up with the log.")
                time.sleep(0.05)
        yield process
