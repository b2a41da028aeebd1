"""A real company's help desk: 21,348 events come in exactly once, and every figure equals one counted by hand."""

from __future__ import annotations

import gzip
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import psycopg
import pytest

from aggregates.actor import Role
from infra.sealing import Plain
from services.importing import HELP_DESK, run_import
from tests.conftest import new_database
from tests.services.running import Yewu, done, running, wait_until

DATA = Path(os.environ.get("YEWU_DATA") or Path(__file__).parents[3] / "shared" / "data")
FILE = DATA / "helpdesk.xes.gz"
LAST_DAY = datetime(2012, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
ROWS, CASES = 21_348, 4_580

pytestmark = pytest.mark.skipif(not FILE.exists(), reason="the help desk's history lies beside the project, or nowhere")

Case = list[tuple[datetime, str, str, str]]
"""(time, activity, person, seriousness_2), in the order of time."""


@pytest.fixture(scope="module")
def imported(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yewu]:
    for database in new_database(postgres):
        with running(database, Path(tmp_path_factory.mktemp("home")), zone=ZoneInfo("UTC")) as yewu:
            report = run_import(database, str(FILE), HELP_DESK, Plain())
            assert (report.read, report.cases, report.recorded, report.already, report.rejected) == (
                ROWS, CASES, ROWS, 0, 0,
            )  # fmt: skip
            yield yewu


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """The file, read with nothing of the product."""
    found = []
    with gzip.open(FILE) as source:
        for _, element in ET.iterparse(source):  # noqa: S314  # a file we know
            if element.tag.endswith("trace"):
                found.append(sorted(_rows(element), key=lambda row: row[0]))
                element.clear()
    return found


def _rows(trace: ET.Element) -> Iterator[tuple[datetime, str, str, str]]:
    for event in trace:
        if event.tag.endswith("event"):
            fields = {field.get("key"): field.get("value") or "" for field in event}
            yield (
                datetime.fromisoformat(fields["time:timestamp"]),
                fields["concept:name"],
                fields["org:resource"],
                fields["seriousness_2"],
            )


def days(case: Case) -> float:
    return (max(row[0] for row in case if row[1] == "Closed") - case[0][0]).total_seconds() / 86400


def quantile(values: list[float], share: float) -> float:
    ordered, place = sorted(values), (len(values) - 1) * share
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def expected(cases: list[Case]) -> dict[str, Any]:
    closed = [case for case in cases if any(row[1] == "Closed" for row in case)]
    by_severity = defaultdict(list)
    for case in closed:
        by_severity["S" + case[0][3][-1]].append(days(case))
    rows = Counter(row[2] for case in cases for row in case)
    return {
        "received": len(cases),
        "events": sum(map(len, cases)),
        "closed": len(closed),
        "open": len(cases) - len(closed),
        "closed_without_confirmation": len(closed),
        "handling_days": {"median": quantile([*map(days, closed)], 0.5), "p90": quantile([*map(days, closed)], 0.9)},
        "handling_days_by_severity": {
            severity: {"median": quantile(values, 0.5), "p90": quantile(values, 0.9)}
            for severity, values in sorted(by_severity.items())
        },
        "longest_silence_days": max(
            (after[0] - before[0]).total_seconds() / 86400 for c in cases for before, after in pairwise(c)
        ),
        "busiest": rows.most_common(5),
    }


def same(figures: dict[str, Any], counted: dict[str, Any]) -> None:
    busiest = [(person["name"], person["rows"]) for person in figures.pop("busiest_handlers")]
    assert sorted(busiest) == sorted(counted.pop("busiest"))
    by_severity, counted_by = figures.pop("handling_days_by_severity"), counted.pop("handling_days_by_severity")
    assert by_severity.keys() == counted_by.keys()
    for severity, found in by_severity.items():
        assert found == pytest.approx(counted_by[severity])
    assert figures.pop("handling_days") == pytest.approx(counted.pop("handling_days"))
    assert figures == pytest.approx(counted)


def test_every_figure_equals_one_counted_by_hand(imported: Yewu, cases: list[Case]) -> None:
    same(done(imported.manager.get("/complaints/figures")), expected(cases))


def test_and_as_it_stood_on_a_day_of_the_past(imported: Yewu, cases: list[Case]) -> None:
    url = "/complaints/figures?as_of=2012-12-31"
    wait_until(lambda: imported.manager.get(url).status_code == 200)
    cut = [known for case in cases if (known := [row for row in case if row[0] <= LAST_DAY])]
    same(done(imported.manager.get(url)), expected(cut))


def test_each_row_of_the_source_is_in_the_log_once_with_its_origin(imported: Yewu, cases: list[Case]) -> None:
    with psycopg.connect(imported.database) as db:
        query = """
            SELECT count(*), count(DISTINCT (origin->>'case', origin->>'index')), count(DISTINCT stream_id)
            FROM (SELECT stream_id, meta->'origin' AS origin FROM yewu.event WHERE stream_id LIKE 'complaint-%') rows
            WHERE origin IS NOT NULL AND coalesce(origin->>'part', '0') = '0'
        """
        assert db.execute(query).fetchone() == (ROWS, ROWS, CASES)


def test_importing_again_changes_nothing(imported: Yewu) -> None:
    head = done(imported.manager.get("/events?limit=1"))["head"]
    again = run_import(imported.database, str(FILE), HELP_DESK, Plain())
    assert (again.recorded, again.already) == (0, ROWS)
    assert done(imported.manager.get("/events?limit=1"))["head"] == head


def test_an_imported_complaint_is_worked_on_like_any_other(imported: Yewu) -> None:
    lead = imported.as_(imported.appointed(Role.CUSTOMER_SERVICE_LEAD))
    complaint_id = done(lead.get("/complaints?open=true&limit=1"))["items"][0]["complaint_id"]
    version = done(lead.get(f"/streams/{complaint_id}"))["version"]
    escalated = done(lead.post(f"/complaints/{complaint_id}/escalate", json={"reason": "forgotten for years"}))
    assert (escalated["version"], escalated["events"]) == (version + 1, ["ComplaintEscalated"])
