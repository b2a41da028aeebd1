"""The demonstration: a help desk that never was, the same for everybody, in a Yewu of its own."""

from __future__ import annotations

import gzip
from pathlib import Path

from infra.child import free_port
from infra.sealing import Plain
from services.demo import write_help_desk
from services.importing import HELP_DESK, run_import
from tests.services.running import Yewu
from tests.services.test_up import Running, new_home

CASES = 50


def test_the_same_seed_makes_the_same_file(tmp_path: Path) -> None:
    first = write_help_desk(tmp_path / "first.xes.gz", CASES).read_bytes()
    assert write_help_desk(tmp_path / "second.xes.gz", CASES).read_bytes() == first
    assert write_help_desk(tmp_path / "other.xes.gz", CASES, seed=2).read_bytes() != first
    assert write_help_desk(tmp_path / "plain.xes", CASES).read_bytes() == gzip.decompress(first)


def test_all_of_it_can_be_imported(yewu: Yewu, tmp_path: Path) -> None:
    file = write_help_desk(tmp_path / "desk.xes", CASES)
    report = run_import(yewu.database, str(file), HELP_DESK, Plain())
    assert (report.cases, report.rejected) == (CASES, 0)
    assert report.read == report.recorded == file.read_text().count("<event>")
    figures = yewu.manager.get("/complaints/figures").json()
    assert figures["received"] == CASES
    assert 0 < figures["closed"] <= CASES
    assert set(figures["handling_days_by_severity"]) <= {"S1", "S2", "S3", "S4"}


def test_a_demonstration_begins_with_a_help_desk_and_the_next_one_finds_it() -> None:
    home, port = new_home(), free_port()
    first = Running(home, port, "demo", "--cases", str(CASES)).until_ready()
    try:
        assert f"events of {CASES} cases are on record." in first.said
        assert "its manager is Demo manager 演示经理 (" in first.said
        assert first.ask("/complaints/figures")["received"] == CASES
        assert not (home / "pg").exists()
    finally:
        assert first.end() == 0

    second = Running(home, port, "demo").until_ready()
    try:
        assert "on record" not in second.said
        assert second.ask("/complaints/figures")["received"] == CASES
    finally:
        assert second.end() == 0
