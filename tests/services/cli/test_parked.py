"""What stands still, as whoever looks after it sees it at a terminal."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from aggregates.event import Recorded
from aggregates.people.employee import EmployeeDetailsChanged
from projections import employees
from projections.employees import EmployeeRow
from tests.services.cli.terminal import Terminal

poison: set[str] = set()


def told(row: EmployeeRow, record: Recorded[EmployeeDetailsChanged]) -> EmployeeRow:
    """A step that cannot take names until it is mended; which ones it cannot know, for they are sealed."""
    if poison and record.event.name is not None:
        raise ValueError(record.event.name)
    return employees.told(row, record)


told.__module__ = employees.__name__


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The projector works in this very process: what it logs is no answer."""
    with capture_logs():
        yield


@pytest.fixture(scope="module", autouse=True)
def broken() -> Iterator[None]:
    folds = employees.employees.folds
    sound = folds[EmployeeDetailsChanged]
    folds[EmployeeDetailsChanged] = replace(sound, step=told)
    yield
    folds[EmployeeDetailsChanged] = sound


@pytest.fixture
def stuck(terminal: Terminal) -> Iterator[tuple[str, str]]:
    """Somebody whose row stands still, and the position of the event that it cannot take."""
    anna = terminal.do("employees", "register", "--name", "Anna", "--quiet")
    poison.add("Zoe")
    changed = terminal("employees", "change-details", anna, "--name", "Zoe", "--json").document
    terminal.do("employees", "on-record", "--min-position", str(changed["position"]))
    yield anna, str(changed["position"])
    poison.clear()
    with psycopg.connect(terminal.yewu.database) as db:
        db.execute("DELETE FROM yewu.retry_request")


def test_it_is_listed_with_its_reason_and_every_answer_says_so(terminal: Terminal, stuck: tuple[str, str]) -> None:
    anna, position = stuck
    listed = [row for row in terminal("parked", "list", "--json").document["items"] if row["row_key"] == anna]
    assert [(row["position"], row["problem"]) for row in listed] == [
        (int(position), "EmployeeRow (told) cannot take EmployeeDetailsChanged: ValueError in test_parked.py.")
    ]
    one = terminal("employees", "one", anna)
    assert one.err.strip() == f"Parked by the event at {position}: see `yewu parked list`."
    assert f"{position} ({anna})" in terminal("employees", "on-record").err


def test_it_goes_on_once_it_is_mended_and_somebody_asks(terminal: Terminal, stuck: tuple[str, str]) -> None:
    row = ("--row-table", "employee_row", "--row-key", stuck[0])
    assert terminal("parked", "retry", *row, "--json").document["state"] == "parked"
    poison.clear()
    assert "moves" in terminal.do("parked", "retry", *row)
    assert terminal("employees", "one", stuck[0], "--json").document["name"] == "Zoe"
    assert terminal("parked", "retry", *row).sentence == "No such row is parked: `GET /parked` lists those that are."


def test_it_goes_on_without_the_event_if_somebody_says_why(terminal: Terminal, stuck: tuple[str, str]) -> None:
    anna, position = stuck
    skip = ("parked", "skip", "--event-position", position, "--row-table", "employee_row", "--row-key", anna)
    assert terminal(*skip).status == 2, "a reason is needed"
    skipped = terminal(*skip, "--reason", "It was a test", "--json").document
    assert skipped["events"] == ["EventSkipped"]
    seen = ("--min-position", str(skipped["position"]))
    assert terminal("employees", "one", anna, *seen, "--json").document["name"] == "Anna"
