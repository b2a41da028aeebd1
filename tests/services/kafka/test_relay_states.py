"""What a relay is doing, as people see it: in /ready, in the metrics and by `yewu status`."""

from __future__ import annotations

import json
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from kafka.admin import ConfigResource, ConfigResourceType
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.history import fill
from infra.kafka.client import CLUSTER, Cluster
from infra.kafka.topics import there
from infra.kafka.watchdog import TROUBLED
from infra.roles import DatabaseRole
from services.composition import topics
from services.relay import Relay, RelayState, run
from tests.conftest import new_database
from tests.logins import addresses, as_role
from tests.services.cli.terminal import Terminal
from tests.services.http.test_health import asked_alone
from tests.services.running import Yewu, running, wait_until
from tests.services.test_up import YEWU, surroundings


@pytest.fixture(scope="module")
def yewu(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yewu]:
    for database in new_database(postgres):
        with running(database, tmp_path_factory.mktemp("home")) as yewu:
            yield yewu


@pytest.fixture(autouse=True)
def db(yewu: Yewu) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(yewu.database, autocommit=True) as db:
        yield db
        db.execute("DELETE FROM yewu.relay")
        db.execute("DELETE FROM yewu.topic")


@pytest.fixture
def shown(
    yewu: Yewu, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[], dict[str, str]]:
    """The state of each relay, and why; everywhere the same."""
    monkeypatch.setenv("YEWU_URL", yewu.address)
    terminal = Terminal(yewu, monkeypatch, capsys)

    def look() -> dict[str, str]:
        told = yewu.as_(None).get("/ready").json()["relays"]
        assert terminal("status", "--json").document["relays"] == told
        counted = Counter(relay["state"] for relay in told)
        samples = text_string_to_metric_families(yewu.as_(None).get("/metrics").text)
        (family,) = [family for family in samples if family.name == "yewu_relay_state"]
        assert {each.labels["state"]: each.value for each in family.samples} == {s: counted[s] for s in RelayState}
        return {relay["state"]: relay["detail"] for relay in told}

    return look


@pytest.fixture
def publish(yewu: Yewu, cluster: Cluster) -> Callable[[threading.Event], int]:
    """Run a relay in its own role until told to stop, or until it ends by itself."""
    conninfo = as_role(yewu.database, DatabaseRole.PROJECTOR)
    return lambda stop: run(conninfo, cluster, topics(cluster.prefix), stop)


def is_told(db: psycopg.Connection[Any], state: RelayState) -> bool:
    return db.execute("SELECT FROM yewu.relay WHERE state = %s", (state,)).rowcount == 1


def test_one_that_publishes_is_shown(
    db: psycopg.Connection[Any], publish: Callable[[threading.Event], int], shown: Callable[[], dict[str, str]]
) -> None:
    assert shown() == {}
    stop = threading.Event()
    one = threading.Thread(target=publish, args=(stop,))
    one.start()
    try:
        wait_until(lambda: is_told(db, RelayState.RUNNING), 60)
        assert shown() == {"RUNNING": ""}
    finally:
        stop.set()
        one.join()


def test_one_that_stands_by_is_shown(
    db: psycopg.Connection[Any], cluster: Cluster, shown: Callable[[], dict[str, str]],
    publish: Callable[[threading.Event], int],
) -> None:  # fmt: skip
    stop = threading.Event()
    assert Relay(db, cluster, topics(cluster.prefix)).elected()
    other = threading.Thread(target=publish, args=(stop,))
    other.start()
    try:
        wait_until(lambda: is_told(db, RelayState.STANDBY), 60)
        assert shown() == {"STANDBY": ""}
    finally:
        stop.set()
        other.join()
        db.execute("SELECT pg_advisory_unlock_all()")


def test_one_that_is_blocked_is_shown_with_the_reason(
    db: psycopg.Connection[Any], cluster: Cluster, publish: Callable[[threading.Event], int],
    shown: Callable[[], dict[str, str]],
) -> None:  # fmt: skip
    Relay(db, cluster, topics(cluster.prefix)).begin()
    assert shown() == {}  # it has not got on yet
    name = f"{cluster.prefix}.complaint.events"
    with cluster.admin() as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs={"cleanup.policy": "compact"})])
    assert publish(threading.Event()) == TROUBLED
    ((state, why),) = shown().items()
    assert state == "BLOCKED"
    assert f"{name} has cleanup.policy=compact instead of delete" in why


def test_one_that_has_diverged_is_shown_until_another_one_has_got_on(
    db: psycopg.Connection[Any], cluster: Cluster, publish: Callable[[threading.Event], int],
    shown: Callable[[], dict[str, str]],
) -> None:  # fmt: skip
    first = Relay(db, cluster, topics(cluster.prefix))
    first.begin()
    first.step()
    ours = first.store
    db.execute("UPDATE yewu.store SET id = gen_random_uuid()")
    assert publish(threading.Event()) == TROUBLED
    db.execute("UPDATE yewu.relay SET name = 'an earlier one', beat_at = beat_at - interval '1 hour'")
    ((state, why),) = shown().items()
    assert state == "DIVERGED"
    assert "belong to another log" in why
    db.execute("UPDATE yewu.store SET id = %s", (ours,))
    second = Relay(db, cluster, topics(cluster.prefix))
    second.tell(RelayState.STANDBY)
    assert shown() == {"STANDBY": "", "DIVERGED": why}
    second.begin()
    assert shown() == {"STANDBY": "", "DIVERGED": why}
    second.step()
    assert shown() == {"RUNNING": ""}


class Copies:
    """A log and its copy in Kafka, looked after by the command line; no part of Yewu is at work but its API."""

    def __init__(self, database: str, cluster: Cluster, home: Path) -> None:
        self.database, self.cluster, self.home = database, cluster, home

    def publish(self) -> int:
        """A relay of its own, until it has published all there is or ends by itself."""
        conninfo, stop = as_role(self.database, DatabaseRole.PROJECTOR), threading.Event()
        threading.Thread(target=self._stop_when_level, args=(stop,)).start()
        try:
            return run(conninfo, self.cluster, topics(self.cluster.prefix), stop)
        finally:
            stop.set()

    def _stop_when_level(self, stop: threading.Event) -> None:
        level = (
            "SELECT FROM yewu.relay r, yewu.head h WHERE r.state = 'RUNNING' AND r.position = h.position"
            " AND r.beat_at > %s"
        )
        with psycopg.connect(self.database, autocommit=True) as db:
            (since,) = db.execute("SELECT clock_timestamp()").fetchone() or (None,)
            while not stop.wait(0.1):
                if db.execute(level, (since,)).rowcount:
                    stop.set()

    def states(self) -> dict[str, str]:
        """As /ready tells them."""
        told = asked_alone(self.database, self.home, "/ready").json()["relays"]
        return {relay["state"]: relay["detail"] for relay in told}

    def says(self, *words: str) -> Any:
        """What a command about the copy answers in JSON."""
        variables = {
            CLUSTER: self.cluster.servers,
            "KAFKA_TOPIC_PREFIX": self.cluster.prefix,
            **addresses(self.database),
        }
        told = subprocess.run(
            [*YEWU, "kafka", *words, "--json"], env=surroundings(self.home, 9, **variables), capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert told.returncode == 0, told.stderr
        return json.loads(told.stdout)


@pytest.fixture
def copies(database: str, cluster: Cluster, tmp_path: Path) -> Copies:
    fill(database, 400)
    copies = Copies(database, cluster, tmp_path)
    assert copies.publish() == 0
    return copies


def test_a_log_that_has_lost_its_end_is_told_and_repaired(copies: Copies) -> None:
    with psycopg.connect(copies.database) as db:
        db.execute("ALTER TABLE yewu.log DISABLE TRIGGER append_only")
        db.execute("DELETE FROM yewu.log WHERE position > 380")
        db.execute(
            "UPDATE yewu.head SET (position, recorded_at) ="
            " (SELECT position, recorded_at FROM yewu.log WHERE position = 380)"
        )
        db.execute("ALTER TABLE yewu.log ENABLE TRIGGER append_only")
    assert copies.publish() == TROUBLED
    assert "yewu kafka repair brings it home" in copies.states()["DIVERGED"]
    assert copies.says("repair")["events"] == 20
    assert copies.publish() == 0
    assert copies.states() == {"RUNNING": ""}
    assert copies.says("audit")["position"] == 400


def test_a_topic_that_is_gone_is_told_and_published_anew(copies: Copies) -> None:
    name = f"{copies.cluster.prefix}.complaint.events"
    with copies.cluster.admin() as admin:
        admin.delete_topics([name])
    wait_until(lambda: name not in there(copies.cluster, [name]))
    assert copies.publish() == TROUBLED
    assert f"{name} is gone" in copies.states()["BLOCKED"]
    assert copies.says("republish", "--yes") == {"published_before": 400, "topics_gone": [name]}
    assert copies.publish() == 0
    assert copies.states() == {"RUNNING": ""}
    assert copies.says("audit")["position"] == 400
