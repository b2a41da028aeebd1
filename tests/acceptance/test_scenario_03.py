"""Scenario 3: show me all contracts that were signed without legal review of that very version."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

import httpx
import pytest

from aggregates.actor import Role
from aggregates.business.contract import ContractApproved, ContractDrafted, ContractSigned
from aggregates.business.terms import Instalment, Terms
from aggregates.event import Envelope, Event, Origin
from aggregates.ids import ContractId, CustomerId, EmployeeId
from aggregates.risk.legal_review import Difficulty, LegalReviewPassed, LegalReviewRequested
from aggregates.text import Code, ContentHash, Text
from tests.acceptance.asking import asked, listed, verdicts
from tests.given import MONDAY
from tests.services.http.scenes.contracts import Deal, a, terms
from tests.services.running import Yewu, done
from tests.services.seeding import seeded

RULES = ("R-BD-6", "R-BD-10")
"""What is signed has passed legal review; and it is what was reviewed and approved."""

SELLER, COUNSEL = EmployeeId("employee-sela"), EmployeeId("employee-wang")
IMPORTED = Envelope(origin=Origin(source="old registry", file="contracts.csv", case="17", index=0))


class Versions(Deal):
    """A contract whose text may change on its way."""

    def change(self, act: str) -> None:
        """Another version of it, by a seller."""
        self.content = self.yewu.file()
        seller = a(self.yewu, Role.BUSINESS_DEVELOPMENT)
        done(seller.post(f"/contracts/{self.id}/{act}", json={"terms": terms(self.content)}))

    def approve(self) -> httpx.Response:
        return self.yewu.manager.post(f"/contracts/{self.id}/approve", json={"content": self.content})

    def sign(self) -> httpx.Response:
        return self.yewu.manager.post(f"/contracts/{self.id}/sign", json=self.signature)

    def try_in_vain(self) -> None:
        """Neither is it approved nor signed."""
        assert [self.approve().status_code, self.sign().status_code] == [422, 422]
        assert self.approve().json()["detail"] == "This very text has not passed legal review."

    def pass_every_gate(self) -> None:
        self.reviewed("")
        done(self.approve())
        done(self.sign())


def signed_properly(yewu: Yewu) -> set[str]:
    """Contracts signed through every gate: as first drafted, as drafted anew after a review, and as amended."""
    first, anew, amended = Versions(yewu, "signed"), Versions(yewu, "drafted"), Versions(yewu, "signed")
    anew.try_in_vain()
    anew.reviewed("")
    done(anew.approve())
    for deal, act in ((anew, "redraft"), (amended, "amend")):
        deal.change(act)
        deal.try_in_vain()
    customer_id = asked(yewu, f"/contracts/{anew.id}")["customer_id"]
    anew.reviewed(customer_id)
    done(anew.approve())
    anew.signed(customer_id)
    amended.pass_every_gate()
    return {first.id, anew.id, amended.id}


def with_a_changed_file(yewu: Yewu, envelope: Envelope) -> tuple[str, ContentHash, ContentHash]:
    """A contract in the log that no gate let through: one file was reviewed and approved, another one was signed."""
    contract_id, customer_id = ContractId(f"contract-{uuid4()}"), CustomerId(yewu.customer())
    seen, changed, amount, manager = ContentHash(yewu.file()), ContentHash(yewu.file()), Decimal(100), yewu.manager_id
    payments = (Instalment(number=Code("1"), amount=amount, due=MONDAY.date()),)
    days = {"begins": MONDAY.date(), "ends": MONDAY.date()}
    drafted = ContractDrafted(
        customer_id=customer_id,
        terms=Terms(content=seen, amount=amount, obligations=(), payments=payments, **days),
        drafted_by=(SELLER,),
    )
    review: tuple[Event, ...] = (
        LegalReviewRequested(contract_id=contract_id, content=seen, complexity=Difficulty.SIMPLE),
        LegalReviewPassed(contract_id=contract_id, content=seen),
    )
    decided: tuple[Event, ...] = (
        ContractApproved(customer_id=customer_id, content=seen, amount=amount, approved_by=(EmployeeId(manager),)),
        ContractSigned(
            customer_id=customer_id,
            content=changed,
            amount=amount,
            signed_by=(EmployeeId(manager),),
            place=Text("Shanghai"),
            signed_for_customer=Text("Lin"),
        ),
    )
    seeded(yewu, (contract_id, (drafted,)), by=SELLER, envelope=envelope)
    seeded(yewu, (f"review-{uuid4()}", review), by=COUNSEL, envelope=envelope)
    seeded(yewu, (contract_id, decided), by=manager, envelope=envelope)
    return contract_id, seen, changed


def test_scenario_03_no_contract_is_signed_without_legal_review_of_that_version(yewu: Yewu) -> None:
    signed = signed_properly(yewu)
    assert {line["contract_id"] for line in listed(yewu, "/contracts/gates", gate="signed")} == signed
    for rule in RULES:
        assert verdicts(yewu, rule, "violated") == {}
        assert verdicts(yewu, rule, "conformant").keys() == signed


@pytest.mark.parametrize("envelope", [Envelope(), IMPORTED], ids=["put there", "imported"])
def test_scenario_03_a_contract_signed_with_a_changed_file_is_found(yewu: Yewu, envelope: Envelope) -> None:
    contract_id, seen, changed = with_a_changed_file(yewu, envelope)
    gates = [(line["gate"], line["content"]) for line in listed(yewu, "/contracts/gates", contract_id=contract_id)]
    assert gates == [("drafted", seen), ("reviewed", seen), ("approved", seen), ("signed", changed)]
    history = asked(yewu, f"/streams/{contract_id}")["items"]
    (signature,) = (event["position"] for event in history if event["type"] == "ContractSigned")
    for rule in RULES:
        found = verdicts(yewu, rule, "violated")[contract_id]
        assert (found["decided_by"], found["imported"]) == (signature, envelope.origin is not None)
    judged = listed(yewu, "/regulation/3.1.3-c/evidence")
    evidence = {one["rule"]: one for one in judged if one["case_id"] == contract_id}
    for rule in RULES:
        assert evidence[rule]["verdict"] == "violated"
        assert signature in {event["position"] for event in evidence[rule]["events"]}
