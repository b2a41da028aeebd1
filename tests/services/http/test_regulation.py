"""Of each clause it is known by what it is built and how every case under it was kept, event by event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from aggregates.actor import Role
from tests.services.http.test_complaint_desk import settle
from tests.services.running import Yewu, done


def level(yewu: Yewu) -> str:
    """How far the log is now."""
    return str(done(yewu.manager.get("/events?limit=1"))["head"])


def evidence(yewu: Yewu, clause: str, **query: str) -> list[dict[str, Any]]:
    asked = {"min_position": level(yewu), "limit": "1000", **query}
    items: list[dict[str, Any]] = done(yewu.manager.get(f"/regulation/{clause}/evidence", params=asked))["items"]
    return items


def test_each_clause_has_a_line_with_what_was_recorded_and_judged_under_it(yewu: Yewu) -> None:
    settle(yewu, yewu.complaint(), yewu.appointed(Role.CUSTOMER_SERVICE))
    asked = {"min_position": level(yewu)}
    lines = {line["clause"]: line for line in done(yewu.manager.get("/regulation/coverage", params=asked))["items"]}
    assert len(lines) == 104
    recorded = done(yewu.manager.get("/events?limit=1000"))["items"]
    under = [event for event in recorded if event["type"] in {"ComplaintReceived", "ComplaintAcknowledged"}]
    assert (lines["3.3.2-a"]["state"], lines["3.3.2-a"]["rules"]) == ("built", ["R-CS-2", "R-CS-3"])
    assert (lines["3.3.2-a"]["events"], lines["3.3.2-a"]["cases"]) == (len(under), 2)
    assert lines["4.1.1"] == lines["4.1.1"] | {
        "state": "not built", "commands": [], "rules": [], "tests": [], "events": 0, "cases": 0,
    }  # fmt: skip
    more = done(yewu.manager.get("/regulation/coverage?inferred=true"))["items"]
    assert {line["clause"] for line in more} - set(lines) == {
        line["clause"] for line in more if line["clause"][0] == "X"
    }


def test_the_evidence_of_a_clause_is_every_case_of_each_of_its_rules_with_its_events(yewu: Yewu) -> None:
    handled, open_ = yewu.complaint(), yewu.complaint()
    settle(yewu, handled, yewu.appointed(Role.CUSTOMER_SERVICE))
    found = {(one["rule"], one["case_id"]): one for one in evidence(yewu, "3.3.2-a")}
    assert set(found) == {(rule, case) for rule in ("R-CS-2", "R-CS-3") for case in (handled, open_)}
    assert found["R-CS-3", handled]["verdict"] == "conformant"
    assert [event["type"] for event in found["R-CS-3", handled]["events"]] == [
        "ComplaintReceived", "ComplaintAcknowledged",
    ]  # fmt: skip
    assert found["R-CS-3", open_]["verdict"] == "pending"
    assert [event["type"] for event in found["R-CS-3", open_]["events"]] == ["ComplaintReceived"]
    assert evidence(yewu, "4.1.1") == evidence(yewu, "no clause") == []


def test_evidence_is_of_cases_that_began_in_a_time_and_comes_in_pages(yewu: Yewu) -> None:
    complaint_id = yewu.complaint()
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert evidence(yewu, "3.3.2-a", began_since=tomorrow) == []
    assert {one["case_id"] for one in evidence(yewu, "3.3.2-a", began_before=tomorrow)} == {complaint_id}
    first = done(yewu.manager.get("/regulation/3.3.2-a/evidence?limit=1"))
    second = done(yewu.manager.get(f"/regulation/3.3.2-a/evidence?limit=1&cursor={first['next']}"))
    assert [page["items"][0]["rule"] for page in (first, second)] == ["R-CS-2", "R-CS-3"]
    assert second["next"] is None
