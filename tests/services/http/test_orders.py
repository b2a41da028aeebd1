"""How an order is given: once under a key, on the version that was seen, for a time that may be past."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, tzinfo
from uuid import uuid4

import psycopg
import pytest

from aggregates.actor import Role
from tests.services.running import Yewu, done


def complaint_body(yewu: Yewu, **more: object) -> dict[str, object]:
    return {"customer_id": yewu.customer(), "channel": "phone", "facts": "Cold", "remedy_sought": "Warm", **more}


def test_the_same_key_gets_the_same_answer_and_one_event(yewu: Yewu) -> None:
    clerk, body, key = yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE)), complaint_body(yewu), str(uuid4())
    answers = [clerk.post("/complaints", json=body, headers={"Idempotency-Key": key}) for _ in range(3)]
    assert {a.status_code for a in answers} == {201}
    assert len({(a.json()["id"], a.json()["position"], a.json()["version"]) for a in answers}) == 1
    with psycopg.connect(yewu.database) as db:
        assert db.execute("SELECT count(*) FROM yewu.log WHERE type = 'ComplaintReceived'").fetchone() == (1,)


def test_a_key_stands_for_one_command(yewu: Yewu) -> None:
    clerk, body, key = yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE)), complaint_body(yewu), str(uuid4())
    done(clerk.post("/complaints", json=body, headers={"Idempotency-Key": key}))
    other = clerk.post("/complaints", json={**body, "channel": "web"}, headers={"Idempotency-Key": key})
    assert (other.status_code, other.json()["type"]) == (422, "urn:yewu:problem:key-reused")


def test_a_repeated_command_is_answered_though_it_would_be_refused_now(yewu: Yewu) -> None:
    complaint_id, clerk = yewu.complaint(), yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE))
    key = {"Idempotency-Key": str(uuid4())}
    body = {"channel": "phone", "wording": "We have it"}
    first = clerk.post(f"/complaints/{complaint_id}/acknowledge", json=body, headers=key)
    again = clerk.post(f"/complaints/{complaint_id}/acknowledge", json=body, headers=key)
    assert (done(first)["position"], again.status_code) == (done(again)["position"], 200)
    assert clerk.post(f"/complaints/{complaint_id}/acknowledge", json=body).status_code == 422


def test_whoever_insists_on_a_version_is_told_that_it_has_changed(yewu: Yewu) -> None:
    complaint_id, clerk = yewu.complaint(), yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE))
    url, body = f"/complaints/{complaint_id}/acknowledge", {"channel": "phone", "wording": "We have it"}
    late = clerk.post(url, json=body, headers={"If-Match": '"7"'})
    assert (late.status_code, late.json()["version"]) == (412, 1)
    fine = clerk.post(url, json=body, headers={"If-Match": '"1"'})
    assert (fine.status_code, fine.headers["ETag"]) == (200, '"2"')


def test_a_412_says_what_has_changed_since(yewu: Yewu) -> None:
    complaint_id, clerk = yewu.complaint(), yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE))
    url, body = f"/complaints/{complaint_id}/acknowledge", {"channel": "phone", "wording": "We have it"}
    done(clerk.post(url, json=body))
    late = clerk.post(f"/complaints/{complaint_id}/close", json={}, headers={"If-Match": '"1"'})
    assert late.status_code == 412
    assert [change["type"] for change in late.json()["changed"]] == ["ComplaintAcknowledged"]


def test_an_act_of_the_past_takes_a_right_and_a_reason(yewu: Yewu) -> None:
    clerk, lead = yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE)), yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE_LEAD))
    now = datetime.now(UTC)
    moment = now.isoformat()
    body = complaint_body(yewu, at=moment)
    assert "Say in `reason`" in lead.post("/complaints", json=body).json()["detail"]
    body["reason"] = "the line was down"
    refused = clerk.post("/complaints", json=body)
    assert (refused.status_code, refused.json()["detail"][:25]) == (422, "Recording an act of the p")
    answer = done(lead.post("/complaints", json=body))
    (event,) = done(yewu.manager.get(f"/streams/{answer['id']}"))["items"]
    assert datetime.fromisoformat(event["effective_at"]) == now
    assert event["meta"]["reason"] == "the line was down"


def test_rights_must_have_held_at_that_time_too(yewu: Yewu) -> None:
    lead, body = yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE_LEAD)), complaint_body(yewu)
    body |= {"at": (datetime.now(UTC) - timedelta(days=1)).isoformat(), "reason": "forgotten"}
    assert lead.post("/complaints", json=body).status_code == 403


def test_nothing_is_recorded_before_it_happens(yewu: Yewu) -> None:
    lead, body = yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE_LEAD)), complaint_body(yewu)
    body |= {"at": (datetime.now(UTC) + timedelta(hours=1)).isoformat(), "reason": "eager"}
    refused = lead.post("/complaints", json=body)
    assert (refused.status_code, "lies in the future" in refused.json()["detail"]) == (422, True)


def test_a_right_that_has_ended_is_not_used(yewu: Yewu) -> None:
    anna = yewu.appointed(Role.CUSTOMER_SERVICE)
    clerk, body = yewu.as_(anna), complaint_body(yewu)
    done(clerk.post("/complaints", json=body))
    end = {"employee_id": anna, "role": "CS", "unit": "customer-service"}
    done(yewu.manager.post("/department/end-role", json=end))
    assert clerk.post("/complaints", json=body).status_code == 403


def test_only_one_customer_has_a_credit_code(yewu: Yewu) -> None:
    clerk = yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE))
    body = {"name": "Acme", "source": "fair", "credit_code": "91350100M000100Y43"}
    first = done(clerk.post("/customers", json=body))
    second = clerk.post("/customers", json=body)
    assert (second.status_code, second.json()["holder"]) == (409, first["id"])


def test_whoever_is_a_moment_behind_the_database_is_not_told_that_something_later_is_on_record(
    yewu: Yewu, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What others record while a command is on its way is later than its beginning, even if all clocks agree."""

    class Behind(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # of another class
            return datetime.now(tz) - timedelta(seconds=0.5)

    time.sleep(0.5)  # so that the manager has been in office for a while by that clock, too
    monkeypatch.setattr("infra.dispatcher.datetime", Behind)
    employee_id = yewu.employee()
    changed = yewu.manager.post(f"/employees/{employee_id}/change-details", json={"name": "Anne"})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
