"""An import as it is started by hand: into a database, with the projector at work beside it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from aggregates.event import Event
from infra.codec import Codec
from infra.read_model.projector import Projector
from infra.read_model.schema import lag
from infra.sealing import Plain
from services.composition import read_model
from services.demo import write_help_desk
from services.importing import HELP_DESK, ImportFailed, run_import

MODEL = read_model(Codec(Event.known.values()))


@contextmanager
def the_projector(database: str) -> Iterator[None]:
    """At work, and seen to be."""
    stop = threading.Event()
    thread = threading.Thread(target=Projector(database, MODEL).run, args=(stop,))
    thread.start()
    try:
        with psycopg.connect(database, autocommit=True) as db:
            while lag(db, MODEL.schema).beat_age is None:
                thread.join(0.02)
                assert thread.is_alive()
        yield
    finally:
        stop.set()
        thread.join()


def test_when_an_import_returns_everybody_sees_all_of_it(tmp_path: Path, database: str) -> None:
    file = write_help_desk(tmp_path / "desk.xes.gz", 40)
    told: list[tuple[int, int]] = []
    with the_projector(database):
        report = run_import(
            database, str(file), HELP_DESK, Plain(), progress=lambda done, goal: told.append((done, goal))
        )
        with psycopg.connect(database) as db:
            seen = db.execute(
                f"SELECT count(*), sum(events), count(severity) FROM {MODEL.schema}.complaint_row".encode()
            ).fetchone()
    assert seen == (40, report.read, 40)
    assert report.cases == 40
    assert told[-1] == (report.read, report.read)


def test_without_a_projector_the_import_says_so(tmp_path: Path, database: str) -> None:
    with pytest.raises(ImportFailed, match="Start the projector first"):
        run_import(database, str(write_help_desk(tmp_path / "desk.xes", 2)), HELP_DESK, Plain())


def test_without_a_database_too(tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match="The database does not answer: "):
        run_import(f"host={tmp_path} dbname=none", str(write_help_desk(tmp_path / "desk.xes", 2)), HELP_DESK, Plain())


def test_a_map_of_ones_own_is_named_by_its_path(tmp_path: Path, database: str) -> None:
    (tmp_path / "own.toml").write_text("[source", encoding="utf-8")
    with pytest.raises(ImportFailed, match=r"^own\.toml is no proper TOML: "):
        run_import(database, "nosuch.csv", tmp_path / "own.toml", Plain())
