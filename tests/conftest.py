"""What every test may ask for: a real PostgreSQL and a real Kafka, with a database and topics of its own."""

from __future__ import annotations

import itertools
import os
from collections.abc import Generator, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from infra.embedded import EmbeddedPostgres
from infra.kafka.broker import LocalKafka
from infra.kafka.client import CLUSTER, Cluster
from infra.migrations import migrate
from infra.roles import admit
from tests.folders import reachable_folder
from tests.logins import give_passwords

_numbers = itertools.count(1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Where everything must run, a test that is skipped has failed."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
    return report


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A server for this run: an embedded one, or that of `YEWU_TEST_DATABASE_URL`, where databases may be created."""
    if url := os.environ.get("YEWU_TEST_DATABASE_URL"):
        yield url
        return
    with EmbeddedPostgres(reachable_folder() / "postgres") as server:
        with psycopg.connect(server.url, autocommit=True) as db:
            db.execute("CREATE DATABASE template_yewu")
        migrate(make_conninfo(server.url, dbname="template_yewu"))
        yield server.url


@pytest.fixture
def empty_database(postgres: str) -> Iterator[str]:
    """A database without any of our tables."""
    yield from _database(postgres, "template0")


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    """A migrated database with an empty log."""
    yield from new_database(postgres)


def new_database(postgres: str) -> Iterator[str]:
    """A migrated database with an empty log, for fixtures that live longer than one test."""
    if "YEWU_TEST_DATABASE_URL" not in os.environ:
        for url in _database(postgres, "template_yewu"):
            with psycopg.connect(url, autocommit=True) as db:
                admit(db)
            yield url
        return
    for url in _database(postgres, "template0"):
        migrate(url)
        with psycopg.connect(url, autocommit=True) as db:
            give_passwords(db)
        yield url


def _database(postgres: str, template: str) -> Iterator[str]:
    name = f"yewu_test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(postgres, autocommit=True) as db:
        db.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    yield make_conninfo(postgres, dbname=name)
    with psycopg.connect(postgres, autocommit=True) as db:
        db.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """A broker for this run: one of its own, or those of `KAFKA_BOOTSTRAP_SERVERS`."""
    if servers := os.environ.get(CLUSTER):
        yield servers
        return
    with LocalKafka(reachable_folder() / "kafka", short_lived=True) as broker:
        yield broker.servers


@pytest.fixture
def cluster(kafka: str) -> Cluster:
    """Topics of its own, none of which is there yet."""
    return Cluster(servers=kafka, prefix=f"test-{os.getpid()}-{next(_numbers)}")
