"""Kafka as whoever runs Yewu meets it: one variable, one more part, and commands that look after the copy."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from kafka.admin import ConfigResource, ConfigResourceType
from psycopg.conninfo import make_conninfo

from infra.child import free_port
from infra.embedded import EmbeddedPostgres
from infra.kafka.client import Cluster
from tests.services.kafka.reading import must_equal_the_log
from tests.services.running import done, wait_until
from tests.services.test_up import YEWU, Running, left_over, new_home, surroundings

LOG = "COPY (SELECT * FROM yewu.log ORDER BY position) TO STDOUT"


class Yewu:
    """A Yewu that publishes."""

    def __init__(self, kafka: str) -> None:
        self.home, self.port = new_home(), free_port()
        self.cluster = Cluster(servers=kafka, prefix=f"up-{self.port}")
        self.variables = {"KAFKA_BOOTSTRAP_SERVERS": kafka, "KAFKA_TOPIC_PREFIX": self.cluster.prefix}
        self.running = Running(self.home, self.port, **self.variables)

    @property
    def database(self) -> str:
        return EmbeddedPostgres(self.home).url

    def says(self, *words: str, status: int = 0) -> Any:
        """What a command answers in JSON."""
        told = subprocess.run(
            [*YEWU, *words, "--json"],
            env=surroundings(self.home, self.port, **self.variables),
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode == status, told.stderr + told.stdout
        return json.loads(told.stdout)

    def relay(self) -> dict[str, Any]:
        """The relay that works, as /ready tells."""
        ready = self.running.ask("/ready")
        return next((each for each in ready["relays"] if each["state"] == "RUNNING"), {"position": -1})

    def until_published(self) -> None:
        with psycopg.connect(self.database, autocommit=True) as db:
            (head,) = db.execute("SELECT position FROM yewu.head").fetchone() or (0,)
        wait_until(lambda: self.relay()["position"] == head, 60)


@pytest.fixture(scope="module")
def yewu(kafka: str) -> Iterator[Yewu]:
    yewu = Yewu(kafka)
    try:
        yewu.running.until_ready()
        yield yewu
    finally:
        family = yewu.running.family()
        assert yewu.running.end() == 0
        assert left_over(family, yewu.home) == []


def test_what_is_recorded_is_published_though_the_relay_is_killed(yewu: Yewu) -> None:
    yewu.until_published()
    part = yewu.running.part("--once")
    assert part is not None
    part.send_signal(signal.SIGKILL)
    with yewu.running.manager() as manager:
        done(manager.post("/employees", json={"name": "Anna"}))
    yewu.until_published()
    with psycopg.connect(yewu.database, autocommit=True) as db:
        must_equal_the_log(yewu.cluster, db)
    status = yewu.says("status")
    assert status["lag"]["relay"]["waiting"] == 0
    assert [relay["state"] for relay in status["relays"]] == ["RUNNING"]
    with yewu.running.manager() as manager:
        assert 'yewu_relay_state{state="RUNNING"} 1.0' in manager.get("/metrics").text


def test_both_copies_are_compared_and_a_new_database_is_made_of_the_one_in_kafka(yewu: Yewu) -> None:
    yewu.until_published()
    compared = yewu.says("kafka", "audit")
    with psycopg.connect(yewu.database, autocommit=True) as db:
        db.execute("DROP DATABASE IF EXISTS restored")
        db.execute("CREATE DATABASE restored TEMPLATE template0")
    into = make_conninfo(yewu.database, dbname="restored")
    home = yewu.says("kafka", "restore", "--into", into)
    assert (home["position"], home["root"]) == (compared["position"], compared["root"])
    with psycopg.connect(yewu.database) as old, psycopg.connect(into) as new:
        assert dump(new) == dump(old)
    again = yewu.says("kafka", "restore", "--into", into, status=1)
    assert "This log is not empty" in again["detail"]


def dump(db: psycopg.Connection[Any]) -> bytes:
    with db.cursor() as cursor, cursor.copy(LOG.encode()) as copy:
        return b"".join(bytes(block) for block in copy)


def test_topics_that_have_drifted_are_told_and_mended(yewu: Yewu) -> None:
    yewu.until_published()
    assert {drift for topic in yewu.says("kafka", "topics", "verify")["items"] for drift in topic["drift"]} == set()
    name = f"{yewu.cluster.prefix}.complaint.events"
    with yewu.cluster.admin() as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs={"retention.ms": "5"})])
    (line,) = [topic for topic in yewu.says("kafka", "topics", "plan")["items"] if topic["drift"]]
    assert line == {"topic": name, "partitions": 6, "drift": ["has retention.ms=5 instead of -1"]}
    yewu.says("kafka", "topics", "verify", status=1)
    assert all(not topic["drift"] for topic in yewu.says("kafka", "topics", "apply")["items"])


def test_without_an_address_one_sentence_says_what_to_set(yewu: Yewu) -> None:
    told = subprocess.run(
        [*YEWU, "kafka", "audit"], env=surroundings(yewu.home, yewu.port), capture_output=True, text=True, check=False
    )
    assert told.returncode == 1
    assert told.stderr.count("\n") == 1
    assert "set KAFKA_BOOTSTRAP_SERVERS" in told.stderr
