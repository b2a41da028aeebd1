"""Each rule of contracts with a history that keeps it, one that breaks it, and one that is still open."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from msgspec.structs import replace

from aggregates.actor import Delegation, Role
from aggregates.business.contract import (
    ContractAmended,
    ContractAmendmentDrafted,
    ContractApproved,
    ContractDrafted,
    ContractHandedOver,
    ContractHandoverAccepted,
    ContractHandoverReturned,
    ContractRedrafted,
    ContractSigned,
    ContractTerminated,
    ContractVoided,
)
from aggregates.business.customer import CustomerBlocked, CustomerUnblocked
from aggregates.business.negotiation import (
    BelowFloorApproved,
    NegotiationBriefApproved,
    NegotiationBriefPrepared,
    NegotiationBriefReturned,
    NegotiationBrokenOff,
    NegotiationOpened,
)
from aggregates.business.opportunity import NeedsConfirmed, OpportunityLost, OpportunityWon
from aggregates.business.terms import Instalment, Terms
from aggregates.event import Envelope, Event
from aggregates.ids import ContractId, CustomerId, EmployeeId, NegotiationId, OpportunityId
from aggregates.organisation.department import BusinessAreaAssigned, DelegationGranted, RoleAssigned
from aggregates.risk.legal_review import LegalReviewPassed, LegalReviewRejected
from aggregates.text import Code, ContentHash, Text
from projections.rules import contracts
from projections.rules.duty import DutyRow, State, Verdict
from projections.rules.rule import Rule
from projections.rules.templates.people import AuthorityAt, InCharge
from projections.rules.templates.values import Threshold
from tests.projections.rules.cases import ANNA, BORIS, LI, LONG_AFTER, Happened, duty, on, verdict

CONTRACT, REVIEW = ContractId("contract-1"), "review-1"
DEAL, NEGOTIATION = OpportunityId("opportunity-1"), "negotiation-1"
CARL, WORDS = CustomerId("customer-carl"), Text("words")
FIRST, SECOND = ContentHash("sha256:a"), ContentHash("sha256:b")
LARGE, SMALL = Decimal(500_001), Decimal(500_000)


def terms(content: ContentHash, amount: Decimal = SMALL) -> Terms:
    return Terms(
        content=content,
        amount=amount,
        begins=date(2026, 4, 1),
        ends=date(2027, 3, 31),
        obligations=(),
        payments=(Instalment(number=Code("1"), amount=amount, due=date(2026, 5, 1)),),
    )


drafted = ContractDrafted(customer_id=CARL, terms=terms(FIRST), drafted_by=(ANNA,))
redrafted = ContractRedrafted(customer_id=CARL, terms=terms(SECOND), drafted_by=(ANNA,))
amendment = ContractAmendmentDrafted(customer_id=CARL, terms=terms(SECOND), drafted_by=(ANNA,))
passed = LegalReviewPassed(contract_id=CONTRACT, content=FIRST)
passed_second = replace(passed, content=SECOND)
approved = ContractApproved(customer_id=CARL, content=FIRST, amount=SMALL, approved_by=(BORIS,))
approved_second = replace(approved, content=SECOND)
signed = ContractSigned(
    customer_id=CARL, content=FIRST, amount=SMALL, signed_by=(BORIS,), place=WORDS, signed_for_customer=WORDS
)
signed_second = replace(signed, content=SECOND)
amended = ContractAmended(customer_id=CARL, content=SECOND, amount=SMALL, signed_by=(BORIS,))
handed_over, accepted = ContractHandedOver(wording=WORDS), ContractHandoverAccepted()
given_back = ContractHandoverReturned(reason=WORDS)
terminated, voided = ContractTerminated(customer_id=CARL, reason=WORDS), ContractVoided(reason=WORDS)

needs = NeedsConfirmed(customer_id=CARL, statement=WORDS, confirmed_by=WORDS)
briefed = NegotiationBriefApproved(opportunity_id=DEAL, amount=SMALL)
opened = NegotiationOpened(opportunity_id=DEAL)
lost = OpportunityLost(reason=Code("price"))
won = OpportunityWon(customer_id=CARL, contract_id=CONTRACT, value=SMALL)
brief = NegotiationBriefPrepared(
    opportunity_id=DEAL, customer_id=CARL, aims=WORDS, floor_price=Decimal(1), payment_days=30, concessions=WORDS,
    amount=SMALL, team=(ANNA,), authors=(ANNA,),
)  # fmt: skip
brief_back = NegotiationBriefReturned(reason=WORDS)
below = BelowFloorApproved(price=Decimal(1), payment_days=60, approver_id=BORIS)
broken_off = NegotiationBrokenOff(reason=WORDS)
from_talks = replace(drafted, agreed_price=SMALL)
of_the_deal = replace(drafted, opportunity_id=DEAL)
by_another = replace(of_the_deal, negotiation_id=NegotiationId("negotiation-2"))
as_agreed = replace(from_talks, opportunity_id=DEAL, negotiation_id=NegotiationId(NEGOTIATION))
cheaper = replace(redrafted, terms=terms(SECOND, Decimal(1)))
same_file = replace(redrafted, terms=terms(FIRST, Decimal(1)))
taken_back = LegalReviewRejected(contract_id=CONTRACT, content=FIRST, grounds=WORDS)
blocked, unblocked = CustomerBlocked(reason=WORDS), CustomerUnblocked(reason=WORDS)
STREAM_OF = {
    CustomerBlocked: CARL,
    CustomerUnblocked: CARL,
    LegalReviewRejected: REVIEW,
    NegotiationBriefPrepared: NEGOTIATION,
    NegotiationBriefReturned: NEGOTIATION,
    NegotiationBrokenOff: NEGOTIATION,
    BelowFloorApproved: NEGOTIATION,
    LegalReviewPassed: REVIEW,
    NeedsConfirmed: DEAL,
    OpportunityLost: DEAL,
    OpportunityWon: DEAL,
    NegotiationBriefApproved: NEGOTIATION,
    NegotiationOpened: NEGOTIATION,
}


def of(*happened: tuple[Event, int] | tuple[Event, int, str]) -> list[Happened]:
    """What happened on which day of March, and by whom if not by Anna, each on the stream it lies on."""
    found = []
    for event, day, *who in happened:
        stream_id = STREAM_OF.get(type(event), CONTRACT)
        found.append(Happened(event, on(day), who[0] if who else ANNA, stream_id=stream_id))
    return found


DEPUTY = Happened(
    RoleAssigned(employee_id=BORIS, role=Role.DEPUTY, unit=Code("business"), valid_from=on(1)),
    on(1),
    LI,
    stream_id="department",
)

IN_CHARGE = Happened(
    BusinessAreaAssigned(employee_id=BORIS, area=Code("business-development"), valid_from=on(1), valid_until=on(4)),
    on(1),
    LI,
    stream_id="department",
)
ELSEWHERE = IN_CHARGE._replace(event=replace(IN_CHARGE.event, area=Code("customer-service")))


def lent_to_anna(area: str) -> Happened:
    """Boris has lent her his power, for this area."""
    granted = DelegationGranted(
        number=Code("D-1"),
        grantor_id=BORIS,
        delegate_id=ANNA,
        powers=(Role.DEPUTY,),
        areas=(Code(area),),
        valid_from=on(1),
        valid_until=on(9),
    )
    return Happened(granted, on(1), BORIS, stream_id="department")


KEPT: list[tuple[Rule, list[Happened]]] = [
    (contracts.BRIEFED, of((brief, 2), (briefed, 3), (opened, 4))),
    (contracts.BRIEFED, of((brief, 2), (brief_back, 2), (brief, 3), (briefed, 3), (opened, 4))),
    (contracts.BRIEF_OF_ANOTHER, of((brief, 2), (briefed, 3, BORIS))),
    (contracts.FLOOR_OF_ANOTHER, of((brief, 2), (below, 3, BORIS))),
    (contracts.BRIEF_BY_AUTHORITY, [DEPUTY, *of((brief, 2), (briefed, 3, BORIS))]),
    (contracts.BRIEF_BY_AUTHORITY, [DEPUTY, *of((brief, 2), (briefed, 3, LI), (below, 4, BORIS))]),
    (contracts.BRIEF_BY_AUTHORITY, of((brief, 2), (replace(briefed, amount=LARGE), 3, LI), (below, 4, LI))),
    (contracts.AS_AGREED, of((from_talks, 2), (redrafted, 3))),
    (contracts.AS_AGREED, of((drafted, 2), (cheaper, 3))),
    (contracts.NOT_PAST_THE_TALKS, of((opened, 2), (as_agreed, 3), (won, 4))),
    (contracts.NOT_PAST_THE_TALKS, of((as_agreed, 2), (opened, 3), (won, 4))),
    (contracts.NOT_PAST_THE_TALKS, of((of_the_deal, 2), (won, 4))),
    (contracts.ONE_FILE_ONE_THING, of((drafted, 2), (redrafted, 3), (drafted, 4))),
    (contracts.NOT_WITH_THE_BLOCKED, of((drafted, 2), (blocked, 3), (unblocked, 4), (approved, 4), (signed, 5))),
    (contracts.REVIEWED, of((drafted, 2), (passed, 3), (taken_back, 3), (passed, 4), (signed, 4))),
    (contracts.KNOWN_AND_BRIEFED, of((needs, 2), (briefed, 3), (opened, 4))),
    (contracts.KNOWN_AND_BRIEFED, of((briefed, 2), (needs, 3), (opened, 4), (opened, 5))),
    (contracts.REVIEWED, of((drafted, 2), (passed, 3), (signed, 4))),
    (contracts.REVIEWED, of((drafted, 2), (passed, 3), (redrafted, 3), (passed_second, 4), (signed_second, 4))),
    (contracts.REVIEWED, of((drafted, 2), (passed, 3), (signed, 4), (passed_second, 5), (amended, 6))),
    (contracts.HANDED_OVER, of((signed, 2), (handed_over, 3), (accepted, 9))),
    (contracts.HANDED_OVER, of((signed, 2), (handed_over, 3), (given_back, 4), (handed_over, 5), (accepted, 6))),
    (contracts.ONE_TEXT, of((drafted, 2), (passed, 3), (approved, 3), (signed, 4))),
    (contracts.ONE_TEXT, of((passed, 2), (passed_second, 3), (approved, 3), (signed, 4))),
    (
        contracts.ONE_TEXT,
        of((passed, 2), (approved, 2), (signed, 3), (passed_second, 4), (approved_second, 4), (amended, 5)),
    ),
    (contracts.NOT_BY_ITS_DRAFTER, of((drafted, 2), (approved, 3, BORIS), (signed, 4, LI))),
    # whoever approved a contract may draft its amendment, if somebody else approves that
    (
        contracts.NOT_BY_ITS_DRAFTER,
        of(
            (drafted, 2),
            (approved, 3, BORIS),
            (signed, 3, BORIS),
            (amendment, 4, BORIS),
            (approved_second, 5, LI),
            (amended, 5, LI),
        ),
    ),
    (contracts.BY_AUTHORITY, [DEPUTY, *of((approved, 3, BORIS), (signed, 4, BORIS))]),
    (contracts.BY_AUTHORITY, of((replace(approved, amount=LARGE), 3, LI), (replace(signed, amount=LARGE), 4, LI))),
    (contracts.IN_THEIR_AREA, [DEPUTY, IN_CHARGE, *of((approved, 3, BORIS), (signed, 4, LI))]),
    (contracts.IN_THEIR_AREA, of((approved, 3, LI), (signed, 4, LI))),
    (contracts.TALKS_IN_THEIR_AREA, [DEPUTY, IN_CHARGE, *of((briefed, 2, BORIS), (below, 3, BORIS))]),
    (contracts.IN_THEIR_AREA, [DEPUTY, IN_CHARGE, lent_to_anna("business-development"), *of((approved, 3))]),
]

BROKEN: list[tuple[Rule, list[Happened]]] = [
    (contracts.BRIEFED, of((brief, 2), (opened, 4))),
    (contracts.BRIEFED, of((brief, 2), (briefed, 3), (brief, 3), (opened, 4))),
    (contracts.BRIEFED, of((brief, 2), (briefed, 3), (brief_back, 3), (opened, 4))),
    (contracts.BRIEF_OF_ANOTHER, of((brief, 2), (briefed, 3))),
    (contracts.BRIEF_OF_ANOTHER, of((brief, 2), (replace(brief, authors=(BORIS,)), 3), (briefed, 3))),
    (contracts.FLOOR_OF_ANOTHER, of((brief, 2), (below, 3))),
    (contracts.BRIEF_BY_AUTHORITY, of((brief, 2), (briefed, 3))),
    (contracts.BRIEF_BY_AUTHORITY, [DEPUTY, *of((replace(briefed, amount=LARGE), 3, BORIS))]),
    (contracts.BRIEF_BY_AUTHORITY, [DEPUTY, *of((replace(briefed, amount=LARGE), 3, LI), (below, 4, BORIS))]),
    (contracts.BRIEF_BY_AUTHORITY, of((brief, 2), (briefed, 3, LI), (below, 4, ANNA))),
    (contracts.BRIEF_BY_AUTHORITY, [DEPUTY, *of((brief, 2), (below, 4, BORIS))]),
    (contracts.AS_AGREED, of((from_talks, 2), (cheaper, 3))),
    (contracts.NOT_PAST_THE_TALKS, of((opened, 2), (of_the_deal, 3), (won, 4))),
    (contracts.NOT_PAST_THE_TALKS, of((of_the_deal, 2), (opened, 3), (won, 4))),
    (contracts.NOT_PAST_THE_TALKS, of((opened, 2), (from_talks, 3), (won, 4))),
    (
        contracts.NOT_PAST_THE_TALKS,
        of((opened, 2), (by_another, 3), (won, 4)),
    ),
    (contracts.ONE_FILE_ONE_THING, of((drafted, 2), (same_file, 3))),
    (contracts.ONE_FILE_ONE_THING, of((drafted, 2), (redrafted, 3), (same_file, 4))),
    (contracts.NOT_WITH_THE_BLOCKED, of((drafted, 2), (blocked, 3), (signed, 5))),
    (contracts.REVIEWED, of((drafted, 2), (passed, 3), (taken_back, 3), (signed, 4))),
    (contracts.KNOWN_AND_BRIEFED, of((needs, 2), (opened, 4), (briefed, 5))),
    (contracts.KNOWN_AND_BRIEFED, of((briefed, 3), (opened, 4))),
    (contracts.KNOWN_AND_BRIEFED, of((opened, 4))),
    (contracts.REVIEWED, of((drafted, 2), (signed, 4))),
    (contracts.REVIEWED, of((drafted, 2), (passed, 3), (redrafted, 3), (signed_second, 4))),
    (contracts.REVIEWED, of((drafted, 2), (passed, 3), (signed, 4), (amended, 6))),
    (contracts.HANDED_OVER, of((signed, 2), (handed_over, 4), (accepted, 5))),
    (contracts.HANDED_OVER, of((signed, 2), (handed_over, 3), (accepted, 10))),
    (contracts.HANDED_OVER, of((signed, 2), (handed_over, 3), (given_back, 10), (handed_over, 10), (accepted, 11))),
    (contracts.HANDED_OVER, of((signed, 2), (handed_over, 3), (given_back, 4), (handed_over, 9), (accepted, 9))),
    (contracts.HANDED_OVER, of((signed, 2), (terminated, 6))),
    (contracts.ONE_TEXT, of((drafted, 2), (passed, 3), (approved, 3), (signed_second, 4))),
    (contracts.ONE_TEXT, of((drafted, 2), (passed, 3), (approved_second, 3), (signed_second, 4))),
    (contracts.ONE_TEXT, of((drafted, 2), (passed, 3), (signed, 4))),
    (contracts.ONE_TEXT, of((drafted, 2), (approved, 3), (signed, 4))),
    (contracts.ONE_TEXT, of((passed, 2), (approved, 2), (signed, 3), (amended, 5))),
    (contracts.NOT_BY_ITS_DRAFTER, of((drafted, 2), (approved, 3))),
    (contracts.NOT_BY_ITS_DRAFTER, of((drafted, 2), (redrafted, 3, BORIS), (approved_second, 4))),
    (contracts.NOT_BY_ITS_DRAFTER, of((drafted, 2), (approved, 3, BORIS), (signed, 4))),
    (
        contracts.NOT_BY_ITS_DRAFTER,
        of((drafted, 2), (approved, 3, BORIS), (signed, 4, BORIS), (amendment, 5), (approved_second, 6)),
    ),
    (contracts.BY_AUTHORITY, of((approved, 3))),
    (contracts.BY_AUTHORITY, [DEPUTY, *of((replace(approved, amount=LARGE), 3, BORIS))]),
    (contracts.BY_AUTHORITY, [DEPUTY, *of((approved, 3, BORIS), (replace(signed, amount=LARGE), 4, BORIS))]),
    (contracts.BY_AUTHORITY, [DEPUTY, *of((signed, 3, BORIS), (replace(amended, amount=LARGE), 4, BORIS))]),
    (contracts.IN_THEIR_AREA, [DEPUTY, *of((approved, 3, BORIS))]),
    (contracts.TALKS_IN_THEIR_AREA, [DEPUTY, ELSEWHERE, *of((briefed, 2, LI), (below, 3, BORIS))]),
    (contracts.IN_THEIR_AREA, [DEPUTY, IN_CHARGE, lent_to_anna("customer-service"), *of((approved, 3))]),
    (contracts.IN_THEIR_AREA, [DEPUTY, ELSEWHERE, *of((approved, 3, BORIS), (signed, 4, LI))]),
    (contracts.IN_THEIR_AREA, [DEPUTY, IN_CHARGE, *of((approved, 3, BORIS), (signed, 4, BORIS))]),
]

OPEN: list[tuple[Rule, list[Happened]]] = [
    (contracts.BRIEFED, of((brief, 2), (briefed, 2))),
    (contracts.BRIEF_OF_ANOTHER, of((brief, 2))),
    (contracts.NOT_PAST_THE_TALKS, of((opened, 2), (as_agreed, 2))),
    (contracts.FLOOR_OF_ANOTHER, of((brief, 2))),
    (contracts.KNOWN_AND_BRIEFED, of((needs, 2), (briefed, 2))),
    (contracts.REVIEWED, of((drafted, 2), (passed, 2))),
    (contracts.HANDED_OVER, of((signed, 2))),
    (contracts.ONE_TEXT, of((passed, 2), (approved, 2))),
    (contracts.NOT_BY_ITS_DRAFTER, of((drafted, 2))),
]


CASE_OF = {ContractId: CONTRACT, OpportunityId: DEAL, NegotiationId: NEGOTIATION, CustomerId: CARL}


def of_its_case(rule: Rule, happened: list[Happened]) -> DutyRow:
    return duty(rule, *happened, case=CASE_OF[rule.cases])


@pytest.mark.parametrize(("rule", "happened"), KEPT, ids=lambda p: getattr(p, "number", ""))
def test_a_case_that_keeps_the_rule(rule: Rule, happened: list[Happened]) -> None:
    row = of_its_case(rule, happened)
    assert (row.verdict_at(LONG_AFTER), row.missed) == (Verdict.CONFORMANT, 0)


@pytest.mark.parametrize(("rule", "happened"), BROKEN, ids=lambda p: getattr(p, "number", ""))
def test_a_case_that_breaks_the_rule(rule: Rule, happened: list[Happened]) -> None:
    row = of_its_case(rule, happened)
    assert (row.verdict_at(LONG_AFTER), row.missed) == (Verdict.VIOLATED, 1)
    assert row.decided_by is not None


@pytest.mark.parametrize(("rule", "happened"), OPEN, ids=lambda p: getattr(p, "number", ""))
def test_a_case_that_is_still_open(rule: Rule, happened: list[Happened]) -> None:
    row = of_its_case(rule, happened)
    assert (row.verdict_at(on(2, 10)), row.state) == (Verdict.PENDING, State.OWED)


@pytest.mark.parametrize("rule", contracts.RULES, ids=lambda rule: rule.number)
def test_every_rule_is_tried_in_all_three_ways(rule: Rule) -> None:
    """What is known at once, as whether somebody had the authority or what a text says, is never open."""
    ways = (KEPT, BROKEN) if isinstance(rule, AuthorityAt | InCharge | Threshold) else (KEPT, BROKEN, OPEN)
    assert all(rule in {tried for tried, _ in tries} for tries in ways)


def test_3_1_4_a_a_signature_starts_the_clock_of_the_hand_over_and_the_hand_over_that_of_its_answer() -> None:
    signed_on_monday = of((signed, 2))
    assert of_its_case(contracts.HANDED_OVER, signed_on_monday).due_at == on(3, 18)
    assert of_its_case(contracts.HANDED_OVER, [*signed_on_monday, *of((handed_over, 3))]).due_at == on(9, 18)
    back = [*signed_on_monday, *of((handed_over, 3), (given_back, 4))]
    assert of_its_case(contracts.HANDED_OVER, back).due_at == on(5, 18)


def test_3_1_4_a_a_hand_over_that_never_comes_is_a_breach() -> None:
    row = of_its_case(contracts.HANDED_OVER, of((signed, 2)))
    assert (row.verdict_at(on(3, 18)), row.verdict_at(on(3, 18, 1))) == (Verdict.PENDING, Verdict.VIOLATED)


def test_what_is_terminated_in_time_is_handed_over_to_nobody() -> None:
    row = of_its_case(contracts.HANDED_OVER, of((signed, 2), (terminated, 3)))
    assert (row.verdict_at(LONG_AFTER), row.state) == (Verdict.NOT_APPLICABLE, State.SHELVED)


@pytest.mark.parametrize("rule", [contracts.REVIEWED, contracts.ONE_TEXT], ids=lambda rule: rule.number)
def test_what_is_given_up_before_its_signature_is_nobodys_fault(rule: Rule) -> None:
    row = of_its_case(rule, of((drafted, 2), (passed, 2), (voided, 3)))
    assert row.verdict_at(LONG_AFTER) is Verdict.NOT_APPLICABLE


def test_3_1_3_c_a_drafter_approves_through_nobody_elses_power_and_nobody_through_theirs() -> None:
    lent = Envelope(delegation=Delegation(number=Code("1"), grantor_id=EmployeeId(ANNA)), on_behalf_of=ANNA)
    (draft, approval) = of((drafted, 2), (approved, 3, BORIS))
    assert verdict(contracts.NOT_BY_ITS_DRAFTER, draft, approval._replace(envelope=lent), case=CONTRACT) is (
        Verdict.VIOLATED
    )
    by_boris_for_anna = draft._replace(by=BORIS, envelope=lent)
    assert verdict(contracts.NOT_BY_ITS_DRAFTER, by_boris_for_anna, approval._replace(by=ANNA), case=CONTRACT) is (
        Verdict.VIOLATED
    )


def test_2_2_3_c_what_is_signed_without_review_is_found() -> None:
    assert verdict(contracts.REVIEWED, *of((signed, 3)), case=CONTRACT) is Verdict.VIOLATED


def test_1_3_4_a_review_of_another_contract_clears_nothing() -> None:
    elsewhere = replace(passed, contract_id=ContractId("contract-2"))
    assert verdict(contracts.REVIEWED, *of((drafted, 2), (elsewhere, 3), (signed, 4)), case=CONTRACT) is (
        Verdict.VIOLATED
    )


def test_an_opportunity_that_was_lost_is_negotiated_by_nobody() -> None:
    row = of_its_case(contracts.KNOWN_AND_BRIEFED, of((needs, 2), (lost, 3)))
    assert row.verdict_at(LONG_AFTER) is Verdict.NOT_APPLICABLE


def test_3_1_3_a_needs_of_another_opportunity_are_not_those_of_this_one() -> None:
    elsewhere = of((briefed, 2), (opened, 4))
    theirs = Happened(needs, on(2), stream_id="opportunity-2")
    assert of_its_case(contracts.KNOWN_AND_BRIEFED, [theirs, *elsewhere]).verdict is Verdict.VIOLATED
