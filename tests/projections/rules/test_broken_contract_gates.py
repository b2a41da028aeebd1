"""What a contract or a negotiation lets through when one of its gates is broken on purpose is found by the rule."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from inspect import signature
from typing import Any

import pytest
from msgspec.structs import replace

from aggregates.actor import Actor, Role
from aggregates.business import contract
from aggregates.business.contract import Contract
from aggregates.business.negotiation import Negotiation, NegotiationBriefPrepared, Status
from aggregates.business.opportunity import NeedsConfirmed
from aggregates.business.terms import Instalment, Terms
from aggregates.event import decide
from aggregates.facts import (
    CreditStanding,
    CustomerStanding,
    LegalClearance,
    OpportunityStanding,
    Quantity,
    Setting,
    Unit,
)
from aggregates.ids import ContractId, CustomerId, OpportunityId
from aggregates.organisation.department import RoleAssigned
from aggregates.refused import Refused
from aggregates.risk.legal_review import LegalReviewPassed
from aggregates.text import Code, ContentHash, Text
from projections.rules import contracts
from projections.rules.duty import Verdict
from projections.rules.rule import Rule
from tests.projections.rules.cases import ANNA, BORIS, LI, Happened, on, verdict

CONTRACT, CARL, WORDS = ContractId("contract-1"), CustomerId("customer-carl"), Text("words")
FIRST, SECOND = ContentHash("sha256:a"), ContentHash("sha256:b")
SELLER = Actor(id=ANNA, roles=frozenset({Role.BUSINESS_DEVELOPMENT}))
DEPUTY = Actor(id=BORIS, roles=frozenset({Role.DEPUTY}))
MANAGER = Actor(id=LI, roles=frozenset({Role.MANAGER}))
AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
LIMITS = Setting(number=Code("P-39"), values={Code("deputy"): Quantity(amount=Decimal(500_000), unit=Unit.MONEY)})
ENOUGH = CreditStanding(customer_id=CARL, limit=Decimal(10**9), valid_until=datetime(2027, 1, 1, tzinfo=UTC))
DEPUTY_SINCE = Happened(
    RoleAssigned(employee_id=BORIS, role=Role.DEPUTY, unit=Code("business"), valid_from=on(1)),
    on(1),
    LI,
    stream_id="department",
)


class Case:
    """A contract worked by commands alone, and what counsel let pass of it."""

    def __init__(self, amount: int = 100) -> None:
        self.state, self.happened, self.amount = Contract(), [DEPUTY_SINCE], Decimal(amount)
        self.clearance = LegalClearance(contract_id=CONTRACT)
        customer = CustomerStanding(customer_id=CARL)
        self.do(Contract.draft, SELLER, customer_id=CARL, terms=self.terms(FIRST), customer=customer)

    def terms(self, content: ContentHash) -> Terms:
        paid = (Instalment(number=Code("1"), amount=self.amount, due=date(2026, 5, 1)),)
        days = {"begins": date(2026, 4, 1), "ends": date(2027, 3, 31)}
        return Terms(content=content, amount=self.amount, obligations=(), payments=paid, **days)

    def do(self, command: Callable[..., Any], by: Actor, /, **arguments: Any) -> None:
        """Carry out a command, and keep what came of it."""
        facts = {"by": by, "at": AT, "clearance": self.clearance, "credit": ENOUGH, "limits": LIMITS}
        arguments |= {name: facts[name] for name in signature(command).parameters if name in facts}
        for event in decide(self.state, command, **arguments):
            self.happened.append(Happened(event, on(2, 9, len(self.happened)), by.id, stream_id=CONTRACT))
            self.state = self.state.evolve(event)  # type: ignore[arg-type]

    def review(self, content: ContentHash) -> None:
        passed = LegalReviewPassed(contract_id=CONTRACT, content=content)
        self.happened.append(Happened(passed, on(2, 9, len(self.happened)), "employee-wang", stream_id="review-1"))
        self.clearance = LegalClearance(contract_id=CONTRACT, passed={**self.clearance.passed, content: ()})

    def approve(self, by: Actor, content: ContentHash = FIRST) -> None:
        self.do(Contract.approve, by, content=content)

    def sign(self, by: Actor, content: ContentHash = FIRST) -> None:
        self.do(Contract.sign, by, content=content, place=WORDS, signed_for_customer=WORDS)

    def stands(self, rule: Rule) -> Verdict:
        return verdict(rule, *self.happened, case=CONTRACT)


def test_a_contract_that_passes_its_gates_keeps_every_rule() -> None:
    case = Case()
    case.review(FIRST)
    case.approve(DEPUTY)
    case.sign(DEPUTY)
    kept = (contracts.REVIEWED, contracts.ONE_TEXT, contracts.NOT_BY_ITS_DRAFTER, contracts.BY_AUTHORITY)
    assert {case.stands(rule) for rule in kept} == {Verdict.CONFORMANT}


def test_5_2_4_a_a_text_that_counsel_never_saw_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case()
    with pytest.raises(Refused):
        case.approve(DEPUTY)
    monkeypatch.setattr(Contract, "_must_be_reviewed", lambda *_: None)
    case.approve(DEPUTY)
    case.sign(DEPUTY)
    assert case.stands(contracts.REVIEWED) is Verdict.VIOLATED


def test_3_1_3_c_a_signature_under_another_text_than_was_approved_is_found() -> None:
    case = Case()
    case.review(FIRST)
    case.review(SECOND)
    case.approve(DEPUTY)
    approval = case.state.approval
    assert approval is not None
    case.do(Contract.redraft, SELLER, terms=case.terms(SECOND))
    with pytest.raises(Refused):
        case.sign(DEPUTY, SECOND)
    case.state = replace(case.state, approval=replace(approval, content=SECOND))  # the gate believes what nobody said
    case.sign(DEPUTY, SECOND)
    assert case.stands(contracts.ONE_TEXT) is Verdict.VIOLATED


def test_a_drafter_who_approves_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    case, anna = Case(), replace(DEPUTY, id=ANNA)
    case.review(FIRST)
    with pytest.raises(Refused):
        case.approve(anna)
    monkeypatch.setattr(Contract, "_require_another", lambda *_: None)
    case.approve(anna)
    assert case.stands(contracts.NOT_BY_ITS_DRAFTER) is Verdict.VIOLATED


def test_2_2_2_a_a_deputy_who_decides_on_too_much_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(amount=500_001)
    case.review(FIRST)
    with pytest.raises(Refused):
        case.approve(DEPUTY)
    monkeypatch.setattr(contract, "_must_have_authority", lambda *_: None)
    case.approve(DEPUTY)
    assert case.stands(contracts.BY_AUTHORITY) is Verdict.VIOLATED


def test_3_1_3_b_a_negotiation_opened_without_its_brief_is_found() -> None:
    deal = OpportunityId("opportunity-1")
    brief = NegotiationBriefPrepared(
        opportunity_id=deal, customer_id=CARL, aims=WORDS, floor_price=Decimal(1), payment_days=30, concessions=WORDS,
        amount=Decimal(1), team=(ANNA,), authors=(ANNA,),
    )  # fmt: skip
    negotiation = Negotiation().evolve(brief)
    standing = OpportunityStanding(opportunity_id=deal, customer_id=CARL, open=True, needs_confirmed=True)
    with pytest.raises(Refused):
        decide(negotiation, Negotiation.open, by=SELLER, opportunity=standing)
    negotiation = replace(negotiation, status=Status.APPROVED)  # the gate believes what nobody said
    (opened,) = decide(negotiation, Negotiation.open, by=SELLER, opportunity=standing)
    needs = NeedsConfirmed(customer_id=CARL, statement=WORDS, confirmed_by=WORDS)
    happened = [
        Happened(needs, on(2), stream_id=deal),
        Happened(brief, on(2), stream_id="negotiation-1"),
        Happened(opened, on(3), stream_id="negotiation-1"),
    ]
    assert verdict(contracts.KNOWN_AND_BRIEFED, *happened, case=deal) is Verdict.VIOLATED
