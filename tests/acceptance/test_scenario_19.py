"""Scenario 19: a gate lets through what a rule forbids. The gate believes that all is well; the checker finds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import httpx
import pytest

from aggregates.actor import Actor, Role
from aggregates.business import contract
from aggregates.business.contract import Contract
from aggregates.facts import CreditStanding
from tests.acceptance.asking import listed, verdicts
from tests.services.http.scenes.contracts import Deal, terms
from tests.services.http.scenes.credit import FACTORS, limited
from tests.services.running import Yewu, done


class Act(NamedTuple):
    """What the regulation forbids, about to be done step by step; `case` is what the rule judges."""

    case: str
    by: httpx.Client
    steps: Mapping[str, object]

    def do(self) -> httpx.Response:
        """Do it as far as it goes; the last answer."""
        *before, last = self.steps.items()
        for path, body in before:
            if (answer := self.by.post(path, json=body)).is_error:
                return answer
        return self.by.post(last[0], json=last[1])


class Gate(NamedTuple):
    """A check as a bug may leave it: `name` of `owner` says `instead` whatever it is asked. `rule` forbids the same."""

    owner: object
    name: str
    instead: object
    act: Callable[[Yewu], Act]
    rule: str


def holding(yewu: Yewu, *roles: Role) -> httpx.Client:
    """Somebody of several offices."""
    person = yewu.employee("Busy")
    for role in roles:
        done(yewu.manager.post("/department/appoint", json={"employee_id": person, "role": role, "unit": "department"}))
    return yewu.as_(person)


def approve(deal: Deal, by: httpx.Client) -> Act:
    return Act(deal.id, by, {f"/contracts/{deal.id}/approve": {"content": deal.content}})


def sign_unread(yewu: Yewu) -> Act:
    """Counsel has never seen the text."""
    customer_id = yewu.customer()
    limited(yewu, customer_id)
    deal = Deal(yewu, "drafted", customer_id)
    approved = approve(deal, yewu.manager)
    return approved._replace(steps={**approved.steps, f"/contracts/{deal.id}/sign": deal.signature})


def approve_ones_own(yewu: Yewu) -> Act:
    """Whoever approves has drafted it."""
    by, deal = holding(yewu, Role.BUSINESS_DEVELOPMENT, Role.DEPUTY), Deal(yewu, "drafted")
    deal.id = str(
        done(by.post("/contracts", json={"customer_id": yewu.customer(), "terms": terms(deal.content)}))["id"]
    )
    deal.reviewed("")
    return approve(deal, by)


def approve_too_much(yewu: Yewu) -> Act:
    """It is about more than a deputy decides on."""
    deal, more = Deal(yewu, "drafted"), "500001"
    deal.content = yewu.file()
    large = {**terms(deal.content), "amount": more, "payments": [{"number": "a", "amount": more, "due": "2030-01-31"}]}
    seller = holding(yewu, Role.BUSINESS_DEVELOPMENT)
    done(seller.post(f"/contracts/{deal.id}/redraft", json={"terms": large}))
    deal.reviewed("")
    return approve(deal, holding(yewu, Role.DEPUTY))


def sign_beyond_the_limit(yewu: Yewu) -> Act:
    """The customer may not owe us anything, and comes to owe us this."""
    customer_id = yewu.customer()
    credit_id, deal = limited(yewu, customer_id), Deal(yewu, "approved", customer_id)
    none = {"limit": "0", "payment_days": 30}
    done(yewu.manager.post(f"/credits/{credit_id}/approve-limit", json=none))
    return Act(customer_id, yewu.manager, {f"/contracts/{deal.id}/sign": deal.signature})


def limit_whom_one_assessed(yewu: Yewu) -> Act:
    """Whoever approves the limit has assessed the customer."""
    by, customer_id = holding(yewu, Role.RISK, Role.DEPUTY), yewu.customer()
    assessed = {"customer_id": customer_id, "factors": FACTORS, "rationale": "As we know them"}
    credit_id = str(done(by.post("/credits", json=assessed))["id"])
    return Act(credit_id, by, {f"/credits/{credit_id}/approve-limit": {"limit": "1000", "payment_days": 30}})


def nothing(*_: object) -> None:
    """What a gate does whose check is gone."""


GATES = {
    "an unread text": Gate(Contract, "_must_be_reviewed", nothing, sign_unread, "R-BD-6"),
    "one's own draft": Gate(Contract, "_require_another", nothing, approve_ones_own, "R-GEN-2.4"),
    "too large an amount": Gate(contract, "_must_have_authority", nothing, approve_too_much, "R-GEN-1.contract"),
    "beyond the limit": Gate(CreditStanding, "covers", lambda *_: True, sign_beyond_the_limit, "R-RSK-6"),
    "one's own assessment": Gate(Actor, "speaks_for", lambda *_: False, limit_whom_one_assessed, "R-GEN-2.6"),
}


@pytest.mark.parametrize("gate", GATES.values(), ids=GATES)
def test_scenario_19_what_a_gate_with_a_bug_lets_through_is_found_by_the_checker(
    yewu: Yewu, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    act = gate.act(yewu)
    refused = act.do()
    assert refused.status_code == 422, refused.text
    assert verdicts(yewu, gate.rule, "violated") == {}

    monkeypatch.setattr(gate.owner, gate.name, gate.instead)
    passed = done(act.do())
    found = verdicts(yewu, gate.rule, "violated")
    assert found.keys() == {act.case}
    assert found[act.case]["decided_by"] == passed["position"]
    (line,) = (line for line in listed(yewu, "/conformance") if line["rule"] == gate.rule)
    assert (line["mode"], line["violated"]) == ("prevent", 1)
