"""What a contract or a negotiation lets through when one of its gates is broken on purpose is found by the rule."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from inspect import signature
from typing import Any

import pytest
from msgspec.structs import replace

from aggregates.actor import Actor, Role
from aggregates.business import contract, negotiation
from aggregates.business.contract import Contract
from aggregates.business.customer import CustomerBlocked
from aggregates.business.negotiation import (
    Negotiation,
    NegotiationBriefApproved,
    NegotiationBriefPrepared,
    NegotiationOpened,
    Status,
)
from aggregates.business.opportunity import NeedsConfirmed, Opportunity
from aggregates.business.terms import Instalment, Terms
from aggregates.event import Event, decide
from aggregates.facts import (
    AgreedTerms,
    ContractStanding,
    CreditStanding,
    CustomerStanding,
    LegalClearance,
    OpportunityStanding,
    OpportunityTalks,
    Quantity,
    Setting,
    Unit,
)
from aggregates.ids import ContractId, CustomerId, NegotiationId, OpportunityId
from aggregates.organisation.department import RoleAssigned
from aggregates.refused import Refused
from aggregates.risk.legal_review import LegalReviewPassed, LegalReviewRejected
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
MANAGER_SINCE = Happened(
    RoleAssigned(employee_id=LI, role=Role.MANAGER, unit=Code("department"), valid_from=on(1)),
    on(1),
    LI,
    stream_id="department",
)


class Case:
    """A contract worked by commands alone, and what counsel let pass of it."""

    def __init__(self, amount: int = 100, agreed: AgreedTerms | None = None) -> None:
        self.state, self.happened, self.amount = Contract(), [DEPUTY_SINCE], Decimal(amount)
        self.clearance = LegalClearance(contract_id=CONTRACT)
        self.customer = CustomerStanding(customer_id=CARL)
        self.do(Contract.draft, SELLER, customer_id=CARL, terms=self.terms(FIRST), agreed=agreed)

    def terms(self, content: ContentHash, amount: int | None = None) -> Terms:
        price = self.amount if amount is None else Decimal(amount)
        paid = (Instalment(number=Code("1"), amount=price, due=date(2026, 5, 1)),)
        days = {"begins": date(2026, 4, 1), "ends": date(2027, 3, 31)}
        return Terms(content=content, amount=price, obligations=(), payments=paid, **days)

    def do(self, command: Callable[..., Any], by: Actor, /, **arguments: Any) -> None:
        """Carry out a command, and keep what came of it."""
        facts = {"by": by, "at": AT, "clearance": self.clearance, "credit": ENOUGH, "limits": LIMITS}
        facts["customer"] = self.customer
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
        return verdict(rule, *self.happened, case=CONTRACT if rule.cases is ContractId else CARL)


def test_a_contract_that_passes_its_gates_keeps_every_rule() -> None:
    case = Case()
    case.review(FIRST)
    case.approve(DEPUTY)
    case.sign(DEPUTY)
    kept = (
        contracts.REVIEWED, contracts.ONE_TEXT, contracts.ONE_FILE_ONE_THING, contracts.AS_AGREED,
        contracts.NOT_WITH_THE_BLOCKED, contracts.NOT_BY_ITS_DRAFTER, contracts.BY_AUTHORITY,
    )  # fmt: skip
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


def test_3_1_3_c_other_terms_under_the_hash_that_counsel_passed_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case()
    case.review(FIRST)
    with pytest.raises(Refused):
        case.do(Contract.redraft, SELLER, terms=case.terms(FIRST, 99))
    monkeypatch.setattr(Contract, "_must_be_another_file", lambda *_: None)
    case.do(Contract.redraft, SELLER, terms=case.terms(FIRST, 99))
    assert case.stands(contracts.ONE_FILE_ONE_THING) is Verdict.VIOLATED


def test_3_1_3_c_a_contract_over_less_than_was_agreed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    talks = NegotiationId("negotiation-1")
    case = Case(agreed=AgreedTerms(negotiation_id=talks, customer_id=CARL, price=Decimal(100), payment_days=30))
    with pytest.raises(Refused):
        case.do(Contract.redraft, SELLER, terms=case.terms(SECOND, 99))
    monkeypatch.setattr(contract, "_must_say_what_was_agreed", lambda *_: None)
    case.do(Contract.redraft, SELLER, terms=case.terms(SECOND, 99))
    assert case.stands(contracts.AS_AGREED) is Verdict.VIOLATED


def test_3_1_3_c_what_is_won_past_its_negotiation_is_found() -> None:
    deal, opened = OpportunityId("opportunity-1"), NegotiationId("negotiation-1")
    begun = Happened(NegotiationOpened(opportunity_id=deal), on(2), ANNA, stream_id=opened)
    case, terms = Case(), Case().terms(FIRST)
    case.happened, case.state = [begun], Contract()
    draft: dict[str, Any] = {"customer_id": CARL, "terms": terms, "opportunity_id": deal}
    talks = OpportunityTalks(opportunity_id=deal, opened=(opened,))
    with pytest.raises(Refused, match="names the negotiation"):
        case.do(Contract.draft, SELLER, **draft, talks=talks)
    case.do(Contract.draft, SELLER, **draft)  # nobody told the gate
    signed = ContractStanding(contract_id=CONTRACT, customer_id=CARL, opportunity_id=deal, signed_at=AT)
    this = OpportunityStanding(opportunity_id=deal, customer_id=CARL, open=True)
    win = partial(Opportunity(customer_id=CARL).win, CONTRACT, signed, case.customer, this)
    with pytest.raises(Refused, match="past the negotiation"):
        win(talks)
    (won,) = win(replace(talks, opened=()))
    case.happened.append(Happened(won, on(3), ANNA, stream_id=deal))
    assert verdict(contracts.NOT_PAST_THE_TALKS, *case.happened, case=deal) is Verdict.VIOLATED


def test_a_contract_with_a_blocked_customer_is_found() -> None:
    case = Case()
    case.review(FIRST)
    blocked = Happened(CustomerBlocked(reason=WORDS), on(2, 9, len(case.happened)), LI, stream_id=CARL)
    case.happened.append(blocked)
    case.customer = replace(case.customer, blocked=True)
    with pytest.raises(Refused):
        case.approve(DEPUTY)
    case.customer = replace(case.customer, blocked=False)  # the gate believes what nobody said
    case.approve(DEPUTY)
    assert case.stands(contracts.NOT_WITH_THE_BLOCKED) is Verdict.VIOLATED


def test_5_2_4_a_a_text_that_counsel_took_back_is_found() -> None:
    case = Case()
    case.review(FIRST)
    case.approve(DEPUTY)
    rejected = LegalReviewRejected(contract_id=CONTRACT, content=FIRST, grounds=WORDS)
    case.happened.append(Happened(rejected, on(2, 9, len(case.happened)), "employee-wang", stream_id="review-2"))
    case.sign(DEPUTY)  # the gate has not heard of it
    assert case.stands(contracts.REVIEWED) is Verdict.VIOLATED


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


def test_2_2_2_a_a_deputy_who_gives_up_too_much_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    by_the_manager, case = Case(amount=500_001), Case(amount=500_001)
    for one in (case, by_the_manager):
        one.happened.insert(1, MANAGER_SINCE)
        one.review(FIRST)
        one.approve(MANAGER)
        one.sign(MANAGER)
    with pytest.raises(Refused, match="Only the manager"):
        case.do(Contract.terminate, DEPUTY, reason=WORDS)
    monkeypatch.setattr(contract, "_must_have_authority", lambda *_: None)
    case.do(Contract.terminate, DEPUTY, reason=WORDS)
    by_the_manager.do(Contract.terminate, MANAGER, reason=WORDS)
    assert case.stands(contracts.BY_AUTHORITY) is Verdict.VIOLATED
    assert by_the_manager.stands(contracts.BY_AUTHORITY) is Verdict.CONFORMANT


def test_3_1_3_b_a_negotiation_opened_without_its_brief_is_found() -> None:
    deal = OpportunityId("opportunity-1")
    brief = NegotiationBriefPrepared(
        opportunity_id=deal, customer_id=CARL, aims=WORDS, floor_price=Decimal(1), payment_days=30, concessions=WORDS,
        amount=Decimal(1), team=(ANNA,), authors=(ANNA,),
    )  # fmt: skip
    talks = Negotiation().evolve(brief)
    standing = OpportunityStanding(opportunity_id=deal, customer_id=CARL, open=True, needs_confirmed=True)
    with pytest.raises(Refused):
        decide(talks, Negotiation.open, by=SELLER, opportunity=standing)
    talks = replace(talks, status=Status.APPROVED)  # the gate believes what nobody said
    (opened,) = decide(talks, Negotiation.open, by=SELLER, opportunity=standing)
    needs = NeedsConfirmed(customer_id=CARL, statement=WORDS, confirmed_by=WORDS)
    happened = [
        Happened(needs, on(2), stream_id=deal),
        Happened(brief, on(2), stream_id="negotiation-1"),
        Happened(opened, on(3), stream_id="negotiation-1"),
    ]
    assert verdict(contracts.KNOWN_AND_BRIEFED, *happened, case=deal) is Verdict.VIOLATED
    assert verdict(contracts.BRIEFED, *happened, case="negotiation-1") is Verdict.VIOLATED


def at_the_table(command: Callable[..., Any], by: Actor, **arguments: Any) -> list[Happened]:
    """A brief of Anna's over a million, and what somebody has decided of it."""
    brief = NegotiationBriefPrepared(
        opportunity_id=OpportunityId("opportunity-1"), customer_id=CARL, aims=WORDS, floor_price=Decimal(1),
        payment_days=30, concessions=WORDS, amount=Decimal(1_000_000), team=(ANNA,), authors=(ANNA,),
    )  # fmt: skip
    status = Status.OPEN if command is Negotiation.approve_below_floor else Status.PREPARED
    talks = replace(Negotiation().evolve(brief), status=status)
    limits = Setting(number=Code("P-45"), values=LIMITS.values)
    (decided,) = decide(talks, command, by=by, limits=limits, **arguments)
    known: list[tuple[Event, str]] = [(brief, ANNA)]
    if status is Status.OPEN:
        known.append((NegotiationBriefApproved(opportunity_id=brief.opportunity_id, amount=brief.amount), LI))
    return [
        DEPUTY_SINCE,
        *(Happened(event, on(2), who, stream_id="negotiation-1") for event, who in known),
        Happened(decided, on(3), by.id, stream_id="negotiation-1"),
    ]


def test_3_1_3_b_whoever_wrote_the_brief_and_approves_it_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    anna, below = replace(MANAGER, id=ANNA), {"price": Decimal(0), "payment_days": 60}
    for command, said, rule in (
        (Negotiation.approve_brief, {}, contracts.BRIEF_OF_ANOTHER),
        (Negotiation.approve_below_floor, below, contracts.FLOOR_OF_ANOTHER),
    ):
        with pytest.raises(Refused):
            at_the_table(command, anna, **said)
        with monkeypatch.context() as broken:
            broken.setattr(Actor, "speaks_for", lambda _self, _person: False)
            happened = at_the_table(command, anna, **said)
        assert verdict(rule, *happened, case="negotiation-1") is Verdict.VIOLATED


def test_2_2_2_a_a_deputy_who_lets_negotiate_about_too_much_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    for command, said in (
        (Negotiation.approve_brief, {}),
        (Negotiation.approve_below_floor, {"price": Decimal(0), "payment_days": 60}),
    ):
        with pytest.raises(Refused):
            at_the_table(command, DEPUTY, **said)
        with monkeypatch.context() as broken:
            broken.setattr(negotiation, "_must_reach", lambda *_: None)
            happened = at_the_table(command, DEPUTY, **said)
        assert verdict(contracts.BRIEF_BY_AUTHORITY, *happened, case="negotiation-1") is Verdict.VIOLATED
        by_the_manager = at_the_table(command, MANAGER, **said)
        assert verdict(contracts.BRIEF_BY_AUTHORITY, *by_the_manager, case="negotiation-1") is Verdict.CONFORMANT
