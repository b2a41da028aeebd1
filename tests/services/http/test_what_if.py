"""What another value of a parameter would change in verdicts: counted, listed, and nothing of it on record."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from aggregates.actor import Role
from tests.services.http.test_complaint_desk import act
from tests.services.running import Yewu, done, wait_until


def what_if(client: httpx.Client, parameter: str, **more: str) -> dict[str, Any]:
    """Asked until it has been folded."""
    query = {"parameter": parameter, **more}
    wait_until(lambda: client.get("/what-if", params=query).status_code != 202)
    found: dict[str, Any] = done(client.get("/what-if", params=query))
    return found


def acknowledged(yewu: Yewu) -> str:
    """A complaint acknowledged a moment after its receipt, whatever the hour."""
    complaint_id = yewu.complaint()
    time.sleep(0.01)
    act(yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE)), complaint_id, "acknowledge", channel="phone", wording="Yes")
    head = done(yewu.manager.get("/events?limit=1"))["head"]
    done(yewu.manager.get("/duties", params={"min_position": head}))
    return complaint_id


def test_a_shorter_time_shows_which_cases_would_have_been_late(yewu: Yewu) -> None:
    first, second = sorted(acknowledged(yewu) for _ in range(2))
    found = what_if(yewu.manager, "P-02=0")
    (shift,) = (one for one in found["shifts"] if one["rule"] == "R-CS-3")
    assert (shift["before"], shift["after"], shift["cases"]) == ("conformant", "violated", 2)
    changed = [one["case_id"] for one in found["items"] if one["rule"] == "R-CS-3"]
    assert changed == [first, second]
    assert found["rules"] == ["R-CS-2", "R-CS-3"]
    assert found["cases"] == 4
    verdicts = done(yewu.manager.get("/verdicts", params={"rule": "R-CS-3"}))["items"]
    assert {one["verdict"] for one in verdicts} == {"conformant"}


def test_an_amount_of_money_can_be_supposed_too(yewu: Yewu) -> None:
    assert what_if(yewu.manager, "P-39=deputy:600000")["rules"] == ["R-GEN-1.contract"]


def test_the_same_value_changes_nothing(yewu: Yewu) -> None:
    acknowledged(yewu)
    found = what_if(yewu.manager, "P-02=limit:4")
    assert (found["changed"], found["shifts"], found["items"]) == (0, [], [])


def test_only_the_cases_that_began_in_a_time_are_compared(yewu: Yewu) -> None:
    acknowledged(yewu)
    assert what_if(yewu.manager, "P-02=0", to="2020-01-01T00:00:00Z")["cases"] == 0
    assert what_if(yewu.manager, "P-02=0", **{"from": "2020-01-01T00:00:00Z"})["changed"] > 0


def test_the_list_comes_by_pages(yewu: Yewu) -> None:
    cases = sorted(acknowledged(yewu) for _ in range(3))
    found, cursor = list[str](), dict[str, str]()
    while True:
        page = what_if(yewu.manager, "P-02=0", limit="1", **cursor)
        found += [one["case_id"] for one in page["items"] if one["rule"] == "R-CS-3"]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert found == cases


@pytest.mark.parametrize(
    ("parameter", "status", "sentence"),
    [
        ("P-99=1", 422, "There is no parameter P-99"),
        ("P-05=S9:1", 422, "P-05 has no value S9: it has S1, S2, S3, S4."),
        ("P-05=3", 422, "P-05 has no value limit"),
        ("P-05=S1:soon", 400, "parameter is written P-05=S2:3,S3:8"),
        ("P-05=S1:-1", 400, "with amounts from 0 to 100000"),
        ("P-44=1201", 400, "with amounts from 0 to 1200"),
        ("P-39=deputy:-1", 400, "with amounts from 0 to 1000000000000"),
        ("P-31=90", 422, "No rule cites P-31"),
    ],
)
def test_what_makes_no_sense_is_said(yewu: Yewu, parameter: str, status: int, sentence: str) -> None:
    refused = yewu.manager.get("/what-if", params={"parameter": parameter})
    assert refused.status_code == status
    assert sentence in refused.json()["detail"]


def test_only_who_oversees_may_ask(yewu: Yewu) -> None:
    clerk = yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE))
    assert clerk.get("/what-if?parameter=P-02=1").status_code == 403
    assert yewu.as_(None).get("/what-if?parameter=P-02=1").status_code == 401
