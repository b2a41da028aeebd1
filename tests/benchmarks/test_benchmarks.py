"""Every measurement runs, on next to nothing; what it comes to there says nothing about speed."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from pathlib import Path

import psycopg
import pytest

from aggregates.event import Event
from benchmarks import report
from benchmarks.__main__ import WORKS
from benchmarks.harness import Bench, Figure, Measured, Size, take_turns, times
from benchmarks.history import fill
from benchmarks.server import own_server
from infra.codec import Codec
from infra.read_model.rebuild import build
from services.composition import read_model

NEXT_TO_NOTHING = Size(
    rounds=1, seconds=0.1, events=1_000, stock_events=200, small_log=200, large_log=400, cases=20, lag_seconds=0.2
)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with own_server() as (server, folder):
        yield Bench(server, NEXT_TO_NOTHING, folder)


@pytest.fixture(scope="module")
def measured(bench: Bench) -> dict[str, Measured]:
    return {name: measure(bench) for name, measure in WORKS.items()}


def test_every_figure_that_is_wanted_is_measured_once(measured: dict[str, Measured]) -> None:
    keys = [key for result in measured.values() for key in result.figures]
    assert sorted(keys) == sorted(report.TARGETS)
    for result in measured.values():
        for figure in (*result.figures.values(), *result.rates.values()):
            assert 0 < figure.least <= figure.median <= figure.most


def test_an_absolute_figure_has_the_yardstick_beside_it(measured: dict[str, Measured]) -> None:
    for result in measured.values():
        absolute = [key for key in result.figures if report.TARGETS[key].unit != "×"]
        assert (result.yardstick is not None) == bool(absolute)


def test_the_memory_of_each_process_is_known(measured: dict[str, Measured]) -> None:
    memory = {name: most for result in measured.values() for name, most in result.memory.items()}
    assert {"API", "importer", "rebuild", "projector during an import"} <= set(memory)
    assert all(most > 0 for most in memory.values() if isfinite(most))


def test_a_made_up_history_is_one_that_could_have_happened_and_begins_every_kind_of_row(bench: Bench) -> None:
    with bench.server.database() as conninfo:
        fill(conninfo, 20_000)
        with (
            psycopg.connect(conninfo, autocommit=True) as db,
            psycopg.connect(conninfo, autocommit=True) as writer,
        ):
            gaps = db.execute(
                "SELECT count(*) FROM (SELECT position, row_number() OVER (ORDER BY position) AS place, version,"
                " row_number() OVER (PARTITION BY stream_id ORDER BY position) AS number FROM yewu.log) l"
                " WHERE position <> place OR version <> number"
            ).fetchone()
            happened = {type_ for (type_,) in db.execute("SELECT DISTINCT type FROM yewu.log")}
            assert gaps == (0,)
            assert len(happened) >= 100
            assert db.execute("SELECT max(position) FROM yewu.log").fetchone() == (20_000,)
            model = read_model(Codec(Event.known.values()))
            assert build(db, writer, model) == 20_000
            for table in model.tables:
                rows = db.execute(f"SELECT count(*) FROM {model.schema}.{table.name}".encode()).fetchone()
                assert rows is not None
                assert rows[0] > 0, table.name


def test_rivals_take_turns_and_each_begins_once() -> None:
    order: list[str] = []

    def contestant(name: str) -> float:
        order.append(name)
        return float(len(order))

    rounds = take_turns(2, {name: lambda name=name: contestant(name) for name in ("anna", "ben")})  # type: ignore[misc]
    assert order == ["anna", "ben", "ben", "anna"]
    assert times(rounds["anna"], rounds["ben"]) == Figure(median=(1 / 2 + 4 / 3) / 2, least=1 / 2, most=4 / 3)


def test_of_a_slower_machine_less_is_wanted_in_proportion() -> None:
    target = report.TARGETS["import_events_per_s"]
    assert (target.wanted(5_000), target.wanted(20_000)) == (2_000, 4_000)
    assert target.met(2_100, 5_000)
    assert not target.met(2_100, 20_000)
    assert target.said(5_000) == "≥ 2,000 source events/s (4,000 at 10,000)"
    assert report.TARGETS["append_growth"].wanted(5_000) == 0.8


def test_what_was_measured_is_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bench: Bench) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"# Performance\n{report.BEGIN}\nold\n{report.END}\nThe end.\n")
    monkeypatch.setattr(report, "PAGE", page)
    monkeypatch.setattr(report, "FILE", tmp_path / "bench.json")
    result = Measured({"append_growth": Figure(0.9, 0.7, 1.1)}, {"append": Figure(100, 90, 110)}, {"API": 95.5})
    about = report.machine(bench.server, bench.folder)
    document = report.kept({"growth": result}, about)
    report.published(report.table(document))
    assert '"append_growth": 0.9' in report.FILE.read_text()
    text = page.read_text()
    assert "| `append_growth` | 0.9 | 0.7 – 1.1 | ≥ 0.8 × | met |" in text
    assert text.startswith("# Performance\n")
    assert text.endswith("\nThe end.\n")
    assert "old" not in text
