"""What is owed on a complaint over HTTP: from its receipt to its end, by whom, and how it was on a day of the past."""

from __future__ import annotations

from typing import Any

import httpx

from aggregates.actor import Role
from tests.services.http.test_complaint_desk import act, settle
from tests.services.http.test_differences import differences
from tests.services.running import Yewu, done, wait_until

AT_FIRST = {"R-CS-3", "R-CS-4", "R-CS-5", "R-CS-6", "R-CS-7", "R-CS-8"}


def owed(client: httpx.Client, **query: str) -> set[str]:
    head = done(client.get("/events?limit=1"))["head"]
    found = done(client.get("/duties", params={"min_position": head, "limit": "1000", **query}))
    return {duty["rule"] for duty in found["items"]}


def test_what_is_owed_on_a_complaint_is_done_one_by_one(yewu: Yewu) -> None:
    complaint_id, anna = yewu.complaint(), yewu.appointed(Role.CUSTOMER_SERVICE)
    assert owed(yewu.manager, case_id=complaint_id) == AT_FIRST
    act(yewu.as_(anna), complaint_id, "acknowledge", channel="phone", wording="We have it")
    assert owed(yewu.manager, case_id=complaint_id) == AT_FIRST - {"R-CS-3"}


def test_a_complaint_that_is_well_handled_conforms_to_every_rule(yewu: Yewu) -> None:
    complaint_id, anna = yewu.complaint(), yewu.appointed(Role.CUSTOMER_SERVICE)
    settle(yewu, complaint_id, anna)
    assert owed(yewu.manager, case_id=complaint_id) == set()
    verdicts: list[dict[str, Any]] = done(yewu.manager.get("/verdicts", params={"case_id": complaint_id}))["items"]
    assert {one["verdict"] for one in verdicts} == {"conformant"}
    assert len(verdicts) == 8
    conformance = {one["rule"]: one for one in done(yewu.manager.get("/conformance"))["items"]}
    assert conformance["R-CS-7"]["conformant"] == 1
    assert float(conformance["R-CS-7"]["rate"]) == 1
    assert conformance["R-ORG-1"]["conformant"] == 1


def test_whoever_gets_a_complaint_on_the_desk_owes_its_resolution(yewu: Yewu) -> None:
    complaint_id, anna = yewu.complaint(), yewu.appointed(Role.CUSTOMER_SERVICE)
    boris = yewu.appointed(Role.MEMBER, "project-management")
    desk = yewu.as_(anna)
    assert owed(yewu.manager, person_id=boris) == set()
    act(desk, complaint_id, "assess", category="quality", severity="S2", safety_or_legal=False, complexity="simple")
    act(desk, complaint_id, "assign-department", unit="project-management")
    act(desk, complaint_id, "assign", handler_id=boris)
    assert owed(yewu.manager, person_id=boris) == {"R-CS-5", "R-CS-6"}


def test_verdicts_of_then_and_now_are_compared(yewu: Yewu) -> None:
    complaint_id = yewu.complaint()
    assert "R-CS-3" in owed(yewu.manager)
    entered = differences(yewu.manager, "/verdicts", from_as_of="2020-01-31")
    assert {"rule": "R-CS-3", "case_id": complaint_id} in [one["key"] for one in entered]
    wait_until(lambda: yewu.manager.get("/duties?as_of=2020-01-31").status_code == 200)
    assert done(yewu.manager.get("/duties?as_of=2020-01-31"))["items"] == []
