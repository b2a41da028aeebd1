"""A complaint over HTTP, from its receipt to its end, and the board as it stood in between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from aggregates.actor import Role
from tests.services.running import Yewu, done, wait_until


def act(client: httpx.Client, complaint_id: str, command: str, **body: object) -> Any:
    return done(client.post(f"/complaints/{complaint_id}/{command}", json=body))


def settle(yewu: Yewu, complaint_id: str, handler_id: str) -> None:
    """Everything between receipt and closing, by whoever may do it."""
    desk, lead = yewu.as_(handler_id), yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE_LEAD, name="Lea"))
    act(desk, complaint_id, "acknowledge", channel="phone", wording="We have it")
    act(desk, complaint_id, "assess", category="quality", severity="S2", safety_or_legal=False, complexity="simple")
    act(desk, complaint_id, "assign-department", unit="customer-service")
    act(desk, complaint_id, "accept-responsibility")
    act(lead, complaint_id, "assign", handler_id=handler_id)
    act(desk, complaint_id, "record-investigation", findings="A valve", root_cause="part")
    act(desk, complaint_id, "decide-measures", measures="Change it", due=str(datetime.now(UTC).date() + timedelta(9)))
    act(desk, complaint_id, "propose-resolution", remedy="A new valve", cost="80")
    act(desk, complaint_id, "communicate-decision", channel="phone", wording="We change it")
    act(desk, complaint_id, "confirm-satisfaction", evidence="call of Monday", channel="phone", score=5)
    act(desk, complaint_id, "close", lessons="Check valves")


def test_2_2_5_a_a_complaint_is_worked_to_its_end(yewu: Yewu) -> None:
    complaint_id, anna = yewu.complaint(), yewu.appointed(Role.CUSTOMER_SERVICE)
    settle(yewu, complaint_id, anna)
    head = done(yewu.manager.get("/events?limit=1"))["head"]
    row = done(yewu.manager.get(f"/complaints/{complaint_id}", params={"min_position": head}))
    assert (row["status"], row["severity"], row["handler_id"], row["confirmed"]) == ("closed", "S2", anna, True)
    figures = done(yewu.manager.get("/complaints/figures"))
    assert (figures["received"], figures["closed"], figures["open"]) == (1, 1, 0)


def test_1_3_1_nobody_closes_before_the_customer_is_satisfied_and_the_attempt_is_evidence(yewu: Yewu) -> None:
    complaint_id, anna = yewu.complaint(), yewu.appointed(Role.CUSTOMER_SERVICE)
    refused = yewu.as_(anna).post(f"/complaints/{complaint_id}/close", json={})
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith("Close only after the customer has confirmed")

    def evidence() -> list[Any]:
        page = done(yewu.manager.get("/events", params={"type": "CommandRefused"}))
        return [event["data"] for event in page["items"]]

    wait_until(evidence)
    (tried,) = evidence()
    assert (tried["person"], tried["command"], tried["subject"]) == (anna, "complaint.close", complaint_id)


def test_1_2_the_register_answers_who_was_in_which_team_at_an_instant(yewu: Yewu) -> None:
    anna, before = yewu.employee(), datetime.now(UTC)
    body = {"employee_id": anna, "role": Role.CUSTOMER_SERVICE, "unit": "customer-service"}
    position = done(yewu.manager.post("/department/appoint", json=body))["position"]

    def offices(**query: str) -> list[tuple[str, str]]:
        posts = done(yewu.manager.get("/department/posts", params={"min_position": position, **query}))["items"]
        return [(post["role"], post["area"]) for post in posts if post["employee_id"] == anna]

    assert offices() == [("CS", "customer-service")]
    assert offices(day=before.isoformat()) == []


def test_the_answer_comes_in_the_callers_language(yewu: Yewu) -> None:
    url = f"/complaints/{yewu.complaint()}/settle-responsibility"
    body = {"unit": "customer-service", "reason": "so"}
    refused = yewu.manager.post(url, json=body, headers={"Accept-Language": "zh-CN"})
    assert refused.json()["detail"] == "请先评估该投诉。"


def test_the_board_as_it_stood_that_day(yewu: Yewu) -> None:
    lead = yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE_LEAD, name="Lea"))
    yewu.complaint()
    head = done(yewu.manager.get("/events?limit=1"))["head"]
    assert len(done(lead.get("/complaints", params={"min_position": head}))["items"]) == 1
    yesterday = datetime.now(UTC).date() - timedelta(days=2)
    past = _patiently(lead, "/complaints", {"as_of": str(yesterday)})
    assert past["items"] == []
    today = _patiently(lead, "/complaints", {"as_of": str(datetime.now(UTC).date() + timedelta(days=1))})
    assert len(today["items"]) == 1
    assert done(lead.get("/complaints/figures", params={"as_of": str(yesterday)}))["received"] == 0


def test_one_thing_as_it_was_is_folded_on_the_fly(yewu: Yewu) -> None:
    complaint_id, anna = yewu.complaint(), yewu.appointed(Role.CUSTOMER_SERVICE)
    before = datetime.now(UTC)
    settle(yewu, complaint_id, anna)
    then = done(yewu.manager.get(f"/complaints/{complaint_id}", params={"as_of": before.isoformat()}))
    assert (then["status"], then["closed_at"]) == ("received", None)


def test_the_history_of_one_thing_says_what_each_event_changed(yewu: Yewu) -> None:
    complaint_id, anna = yewu.complaint(), yewu.appointed(Role.CUSTOMER_SERVICE)
    settle(yewu, complaint_id, anna)
    history = done(yewu.manager.get(f"/streams/{complaint_id}"))
    assessed = next(item for item in history["items"] if item["type"] == "ComplaintAssessed")
    assert assessed["changes"]["severity"] == [None, "S2"]
    assert assessed["meta"]["clause"] == "3.3.2-b"
    assert assessed["actor_id"] == anna


def test_everything_that_mentions_somebody(yewu: Yewu) -> None:
    complaint_id, anna = yewu.complaint(), yewu.appointed(Role.CUSTOMER_SERVICE)
    settle(yewu, complaint_id, anna)

    def types() -> list[str]:
        return [item["type"] for item in done(yewu.manager.get(f"/about/{anna}"))["items"]]

    wait_until(lambda: "ComplaintAssigned" in types())
    assert {"EmployeeRegistered", "RoleAssigned", "ResponsibilityAccepted", "ComplaintAssigned"} <= set(types())


def test_lists_come_in_pages(yewu: Yewu) -> None:
    customer_id = yewu.customer()
    ids = [yewu.complaint(customer_id) for _ in range(5)]
    head = done(yewu.manager.get("/events?limit=1"))["head"]
    first = done(yewu.manager.get("/complaints", params={"limit": 3, "min_position": head}))
    second = done(yewu.manager.get("/complaints", params={"limit": 3, "cursor": first["next"]}))
    assert [item["complaint_id"] for item in first["items"] + second["items"]] == ids
    assert second["next"] is None


def _patiently(client: httpx.Client, path: str, params: dict[str, str]) -> Any:
    """Ask until the day has been built."""
    answers: list[httpx.Response] = []

    def ready() -> bool:
        answers.append(client.get(path, params=params))
        return answers[-1].status_code != 202

    wait_until(ready)
    return done(answers[-1])
