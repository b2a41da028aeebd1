"""The fingerprint changes with whatever may change what a fold makes of the log, and with nothing else."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from infra.read_model.fingerprint import fingerprint

ROOT = Path(__file__).parents[3]
VIEW = """
from aggregates.event import Recorded
from aggregates.ids import ComplaintId
from aggregates.{events} import SomethingNoted
from projections.row import Row, View, its_stream


class {row}(Row):
    complaint_id: ComplaintId


def noted(record: Recorded[SomethingNoted]) -> {row}:
    return {row}(complaint_id=ComplaintId(record.stream_id))


view = View({row}, noted, key=its_stream(ComplaintId))
"""


def take(folder: Path, environment: dict[str, str] | None = None) -> str:
    """The fingerprint of `projections.noted` in a copy of the code, in a process of its own."""
    code = (
        "from projections import noted; from infra.read_model.fingerprint import fingerprint;"
        "print(fingerprint([noted.view]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """The four packages, with one event and one view more."""
    for package in ("aggregates", "projections", "infra"):
        for source in (ROOT / package).rglob("*.py"):
            copy = tmp_path / source.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(source.read_bytes())
    (tmp_path / "aggregates" / "notes.py").write_text(
        "from aggregates.event import Event\nfrom aggregates.text import Code\n\n\n"
        "class SomethingNoted(Event):\n    note: Code\n"
    )
    (tmp_path / "projections" / "noted.py").write_text(VIEW.format(events="notes", row="NotedRow"))
    (tmp_path / "projections" / "unrelated.py").write_text('"""Nobody imports this."""\n')
    return tmp_path


def add_a_line(name: str) -> Callable[[Path], None]:
    def change(code: Path) -> None:
        file = code / name
        file.write_text(file.read_text(encoding="utf-8") + "\nNEWS = 1\n", encoding="utf-8")

    return change


@pytest.mark.parametrize(
    "name",
    [
        "projections/noted.py",
        "aggregates/notes.py",
        "aggregates/text.py",
        "aggregates/__init__.py",
        "projections/reference.py",
        "aggregates/organisation/parameter.py",
        "infra/read_model/engine.py",
        "infra/codec.py",
    ],
)
def test_a_change_of_what_a_fold_uses_changes_it(code: Path, name: str) -> None:
    before = take(code)
    add_a_line(name)(code)
    assert take(code) != before


@pytest.mark.parametrize("name", ["projections/unrelated.py", "infra/append.py"])
def test_a_change_of_anything_else_does_not(code: Path, name: str) -> None:
    before = take(code)
    add_a_line(name)(code)
    assert take(code) == before


def test_it_is_the_same_on_every_machine(code: Path) -> None:
    before = take(code, {"PYTHONHASHSEED": "1"})
    file = code / "aggregates" / "notes.py"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert take(code, {"PYTHONHASHSEED": "2"}) == before
    assert len(before) == 16


def test_modules_that_no_import_shows_can_be_named() -> None:
    catalogue: ModuleType = importlib.import_module("tests.infra.read_model.repairs")
    assert fingerprint([], [catalogue]) != fingerprint([])
