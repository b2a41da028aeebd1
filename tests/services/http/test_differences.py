"""What a list looked like then and looks like now: what entered, left or changed, and what was only told late."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from aggregates.actor import Role
from tests.services.running import Yewu, done, wait_until

LONG_AGO = "2020-01-31"


def differences(client: httpx.Client, path: str, **moments: str) -> list[dict[str, Any]]:
    """Asked until the past has been built."""
    wait_until(lambda: client.get(f"{path}/difference", params=moments).status_code != 202)
    items: list[dict[str, Any]] = done(client.get(f"{path}/difference", params=moments))["items"]
    return items


def visible(yewu: Yewu) -> None:
    head = done(yewu.manager.get("/events?limit=1"))["head"]
    done(yewu.manager.get("/complaints", params={"min_position": head}))


def test_what_entered_since_is_told_with_its_fields(yewu: Yewu) -> None:
    complaint_id = yewu.complaint()
    visible(yewu)
    (entered,) = differences(yewu.manager, "/complaints", from_as_of=LONG_AGO)
    assert (entered["key"], entered["change"]) == ({"complaint_id": complaint_id}, "entered")
    assert entered["fields"]["status"] == [None, "received"]


def test_what_changed_says_only_what_is_not_as_it_was(yewu: Yewu) -> None:
    clerk = yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE))
    complaint_id = yewu.complaint()
    before = datetime.now(UTC).isoformat()
    assessed = {"category": "quality", "severity": "S2", "safety_or_legal": False, "complexity": "simple"}
    done(clerk.post(f"/complaints/{complaint_id}/assess", json=assessed))
    visible(yewu)
    (changed,) = differences(yewu.manager, "/complaints", from_as_of=before)
    assert changed["change"] == "changed"
    assert changed["fields"]["severity"] == [None, "S2"]
    assert "customer_id" not in changed["fields"]
    (back,) = differences(yewu.manager, "/complaints", from_as_of=datetime.now(UTC).isoformat(), to_as_of=before)
    assert back["fields"]["severity"] == ["S2", None]


def test_what_was_told_late_differs_as_known_now_and_not_as_known_then(yewu: Yewu) -> None:
    lead = yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE_LEAD))
    customer_id = yewu.customer()
    known_then = datetime.now(UTC).isoformat()
    time.sleep(0.05)
    late = {
        "customer_id": customer_id, "channel": "phone", "facts": "Cold", "reason": "The note was found only now",
        "at": known_then,
    }  # fmt: skip
    complaint_id = done(lead.post("/complaints", json=late))["id"]
    visible(yewu)
    now = datetime.now(UTC).isoformat()
    (told_late,) = differences(
        yewu.manager, "/complaints", from_as_of=now, from_known_at=known_then, to_as_of=now, to_known_at=now
    )
    assert (told_late["key"]["complaint_id"], told_late["change"]) == (complaint_id, "entered")
    assert differences(yewu.manager, "/complaints", from_known_at=now, to_known_at=now) == []


def test_many_differences_come_in_pages(yewu: Yewu) -> None:
    customer_id = yewu.customer()
    ids = {yewu.complaint(customer_id) for _ in range(5)}
    visible(yewu)
    differences(yewu.manager, "/complaints", from_as_of=LONG_AGO)
    found, cursor = set[str](), None
    while True:
        query = {"from_as_of": LONG_AGO, "limit": "2", **({"cursor": cursor} if cursor else {})}
        page = done(yewu.manager.get("/complaints/difference", params=query))
        found |= {item["key"]["complaint_id"] for item in page["items"]}
        cursor = page["next"]
        if cursor is None:
            break
    assert found == ids


@pytest.mark.parametrize(
    "query", ["", "to_as_of=2026-01-31", "from_as_of=yesterday", "from_as_of=2026-01-31&limit=0",
              "from_as_of=2026-01-31&cursor=x", "from_as_of=2026-01-31&colour=red"],
)  # fmt: skip
def test_a_comparison_that_makes_no_sense(yewu: Yewu, query: str) -> None:
    answer = yewu.manager.get(f"/complaints/difference?{query}")
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:yewu:problem:malformed")
