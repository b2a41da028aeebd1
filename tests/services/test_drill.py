"""The drill: a desk at work is backed up, restored elsewhere, compared with itself, and goes on working there."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from aggregates.actor import Role
from aggregates.event import Event
from infra.codec import Codec
from infra.read_model.rebuild import build
from infra.roles import DatabaseRole
from infra.settings import Settings
from services import copies
from services.composition import read_model
from services.demo import write_help_desk
from services.importing import HELP_DESK, run_import
from services.keys import sealing_of
from tests.conftest import new_database
from tests.logins import addresses, as_role
from tests.services.running import Yewu, done, running, wait_until

CASES = 40
MODEL = read_model(Codec(Event.known.values()))


@contextmanager
def busy(yewu: Yewu) -> Iterator[None]:
    """Within the block complaints are received without a pause."""
    stop, customer_id = threading.Event(), yewu.customer()
    clerk, received = yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE)), [0]

    def receive() -> None:
        while not stop.is_set():
            body = {"customer_id": customer_id, "channel": "phone", "facts": "Cold", "remedy_sought": "Warmth"}
            done(clerk.post("/complaints", json=body))
            received[0] += 1

    worker = threading.Thread(target=receive)
    worker.start()
    try:
        wait_until(lambda: received[0] > 5)
        yield
    finally:
        stop.set()
        worker.join()


@pytest.fixture
def restored(postgres: str) -> Iterator[str]:
    """An empty place to restore into."""
    yield from new_database(postgres)


def settings_of(database: str, home: Path) -> Settings:
    return Settings.read({"YEWU_HOME": str(home), **addresses(database)})


def log_until(database: str, position: int) -> list[Any]:
    """Every column of the log, as its bytes are."""
    with psycopg.connect(database) as db:
        query = "SELECT * FROM yewu.log WHERE position <= %s ORDER BY position"
        return db.execute(query, (position,), binary=True).fetchall()


def rows_at(database: str, position: int) -> dict[str, list[Any]]:
    """All rows of all views as of a position, built anew from the log."""
    projector = as_role(database, DatabaseRole.PROJECTOR)
    with psycopg.connect(projector, autocommit=True) as db, psycopg.connect(projector, autocommit=True) as reader:
        build(reader, db, MODEL, schema="rm_drill", until=position)
        names = [table.name for table in MODEL.tables]
        return {
            name: db.execute(
                f"SELECT to_jsonb(t) FROM rm_drill.{name} t ORDER BY to_jsonb(t)::text".encode()
            ).fetchall()
            for name in (*names, "trail_tag")
        }


def nothing(_done: int, _goal: int) -> None:
    """Nobody watches the progress."""


def test_a_desk_that_was_restored_is_the_same_desk_and_works_on(
    database: str, restored: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], pytestconfig: pytest.Config
) -> None:
    folder = tmp_path / "backup"
    with running(database, tmp_path) as before:
        file = write_help_desk(tmp_path / "desk.xes.gz", cases=CASES)
        with sealing_of(settings_of(database, tmp_path)) as sealer:
            run_import(as_role(database, DatabaseRole.APP), str(file), HELP_DESK, sealer)
        lea = {"name": "Lea", "number": "E-7"}
        answered = done(before.manager.post("/employees", json=lea, headers={"Idempotency-Key": "lea"}))
        complaint_id = before.complaint()
        with busy(before):
            copied = copies.back_up(settings_of(database, tmp_path), folder, nothing)
        head = done(before.manager.get("/events?limit=1"))["head"]
    assert answered["position"] < copied.position <= head

    copied_keys = copies.back_up_keys(settings_of(database, tmp_path), tmp_path / "keys")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(tmp_path / "wrapping.key", elsewhere)
    assert copies.restore_keys(settings_of(restored, elsewhere), tmp_path / "keys").keys == copied_keys.keys > 0
    taken = copies.restore(settings_of(restored, elsewhere), folder, nothing)
    assert taken.position == copied.position
    assert log_until(restored, copied.position) == log_until(database, copied.position)
    assert len(log_until(restored, head)) == copied.position
    assert rows_at(restored, copied.position) == rows_at(database, copied.position)

    with running(restored, elsewhere, manager_id=before.manager_id) as after:
        known = done(after.manager.get(f"/employees/{answered['id']}", params={"min_position": copied.position}))
        assert known["name"] == "Lea"
        again = after.manager.post("/employees", json=lea, headers={"Idempotency-Key": "lea"})
        assert done(again) == {**answered, "repeated": True}
        other = after.manager.post("/employees", json={"name": "Lea"}, headers={"Idempotency-Key": "lea"})
        assert other.status_code == 422
        assert after.manager.post("/employees", json={"name": "Ben", "number": "E-7"}).status_code == 409
        clerk = after.as_(after.appointed(Role.CUSTOMER_SERVICE))
        told = {"channel": "phone", "wording": "We have it"}
        acknowledged = done(clerk.post(f"/complaints/{complaint_id}/acknowledge", json=told))
        assert acknowledged["position"] > copied.position
    with capsys.disabled():
        pytestconfig.get_terminal_writer().line(
            f" drill: {copied.position} events, {copied.bytes} bytes,"
            f" backed up in {copied.seconds} s, restored in {taken.seconds} s "
        )
