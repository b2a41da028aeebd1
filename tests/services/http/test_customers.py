"""Customers and opportunities over HTTP: whose names are compared, what a merger moves, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from aggregates.actor import Role
from tests.conftest import new_database
from tests.services.http.scenes.customers import CALL, complete_customer, lead, opportunity
from tests.services.running import Yewu, done, running


@pytest.fixture(scope="module")
def yewu(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yewu]:
    """One department for all of them."""
    for database in new_database(postgres):
        with running(database, Path(tmp_path_factory.mktemp("home"))) as yewu:
            yield yewu


def registered(by: httpx.Client, name: str) -> str:
    return str(done(by.post("/customers", json={"name": name, "source": "fair"}))["id"])


def test_3_1_2_c_sealed_names_are_compared_for_whoever_may_read_them_and_for_nobody_else(yewu: Yewu) -> None:
    by = lead(yewu)
    one, other = registered(by, "Hooli Heating Ltd"), registered(by, "HOOLI Heating, Inc.")
    last = done(by.post(f"/customers/{other}/record-objection", json={}))["position"]
    asked = {"customer_id": one, "min_position": last}
    (found,) = done(by.get("/customers/duplicates", params=asked))["items"]
    assert (found["other_id"], found["name"], found["other_name"], found["likeness"]) == (
        other, "Hooli Heating Ltd", "HOOLI Heating, Inc.", 100,
    )  # fmt: skip
    for somebody in (yewu.appointed(Role.FINANCE), one):
        assert yewu.as_(somebody).get("/customers/duplicates").status_code == 403


def test_3_1_2_c_whatever_is_done_after_mergers_moves_an_opportunity_to_the_file_that_goes_on(yewu: Yewu) -> None:
    by, old, between, last = lead(yewu), yewu.customer("Acme"), yewu.customer("Acme"), complete_customer(yewu)
    opportunity_id = opportunity(yewu, old)
    done(by.post(f"/customers/{old}/merge", json={"into_id": between}))
    done(by.post(f"/customers/{between}/merge", json={"into_id": last}))
    qualified = done(by.post(f"/opportunities/{opportunity_id}/qualify", json={}))
    assert qualified["events"] == ["OpportunityMoved", "OpportunityQualified"]
    asked = {"case_id": last, "min_position": qualified["position"]}
    verdicts = {one["rule"]: one["verdict"] for one in done(yewu.manager.get("/verdicts", params=asked))["items"]}
    assert verdicts["R-BD-4"] == "conformant"


def test_3_1_2_c_a_merger_moves_open_cases_and_says_where_the_customer_went(yewu: Yewu) -> None:
    by, old, new = lead(yewu), complete_customer(yewu), yewu.customer("Acme")
    complaint_id, opportunity_id = yewu.complaint(old), opportunity(yewu, old)
    merged = done(by.post(f"/customers/{old}/merge", json={"into_id": new}))
    seen = {"min_position": merged["position"]}
    assert done(by.get(f"/opportunities/{opportunity_id}", params=seen))["customer_id"] == new
    assert done(yewu.manager.get(f"/complaints/{complaint_id}", params=seen))["customer_id"] == new
    refused = by.post(f"/customers/{old}/record-need", json={"need": "Warmth", "intent": "low"})
    assert refused.json()["detail"] == f"This customer was merged into {new}: go on there."
    refused = by.post("/opportunities", json={"customer_id": old})
    assert refused.json()["detail"] == f"This customer was merged into {new}: go on there."
    assert done(by.post(f"/opportunities/{opportunity_id}/move", json={"into_id": new}))["events"] == [
        "OpportunityMoved"
    ]
    assert len(done(by.get(f"/streams/{old}"))["items"]) > len(done(by.get(f"/streams/{new}"))["items"])


def test_3_1_2_c_one_thing_of_the_past_is_of_the_file_that_went_on_by_then(yewu: Yewu) -> None:
    by, old, middle, new = lead(yewu), complete_customer(yewu), yewu.customer("Acme"), yewu.customer("Acme Ltd")
    open_, ended, complaint_id = opportunity(yewu, old), opportunity(yewu, old), yewu.complaint(old)
    done(by.post(f"/opportunities/{ended}/lose", json={"reason": "price"}))
    moments = [datetime.now(UTC)]
    for file, into_id in ((old, middle), (middle, new)):
        done(by.post(f"/customers/{file}/merge", json={"into_id": into_id}))
        moments.append(datetime.now(UTC))
    for moment, goes_on in zip(moments, (old, middle, new), strict=True):
        then = {"as_of": moment.isoformat()}
        assert done(by.get(f"/opportunities/{open_}", params=then))["customer_id"] == goes_on
        assert done(yewu.manager.get(f"/complaints/{complaint_id}", params=then))["customer_id"] == goes_on
        assert done(by.get(f"/opportunities/{ended}", params=then))["customer_id"] == old


def test_2_2_3_b_contacts_of_a_customer_come_page_by_page_whichever_file_they_were_noted_in(yewu: Yewu) -> None:
    by, old, new = lead(yewu), yewu.customer(), yewu.customer()
    for customer_id, channel in ((old, "phone"), (new, "mail"), (new, "fair")):
        done(by.post(f"/customers/{customer_id}/contact", json={**CALL, "channel": channel}))
    merged = done(by.post(f"/customers/{old}/merge", json={"into_id": new}))
    query = {"customer_id": old, "limit": 2, "min_position": merged["position"]}
    first = done(by.get("/customers/contacts", params=query))
    rest = done(by.get("/customers/contacts", params={**query, "cursor": first["next"]}))
    found = [(one["customer_id"], one["channel"]) for one in (*first["items"], *rest["items"])]
    assert found == [(old, "phone"), (new, "mail"), (new, "fair")]
    assert (len(first["items"]), rest["next"]) == (2, None)


@pytest.mark.parametrize("channel", ["e-mail", "E-Mail"])
@pytest.mark.parametrize("role", [Role.BUSINESS_DEVELOPMENT, Role.CUSTOMER_SERVICE_LEAD])
def test_3_1_2_b_who_objects_is_not_contacted_whoever_tries(yewu: Yewu, role: Role, channel: str) -> None:
    customer_id = yewu.customer()
    done(lead(yewu).post(f"/customers/{customer_id}/record-objection", json={"channel": "e-mail"}))
    tried = yewu.as_(yewu.appointed(role)).post(
        f"/customers/{customer_id}/contact", json={"channel": channel, "outcome": "sent", "wording": "Our boilers"}
    )
    assert tried.status_code == 422
    assert tried.json()["detail"] == "The customer objects to being contacted by e-mail."


def test_3_1_2_c_an_opportunity_with_a_thin_file_is_not_qualified(yewu: Yewu) -> None:
    by, opportunity_id = lead(yewu), opportunity(yewu, yewu.customer())
    refused = by.post(f"/opportunities/{opportunity_id}/qualify", json={})
    assert refused.json()["detail"] == "The customer's file is complete to 20 %, not to 80 %: add what is missing."
