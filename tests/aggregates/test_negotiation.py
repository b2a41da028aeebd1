"""A negotiation is prepared, approved, opened, and ends in terms that somebody may agree to."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from msgspec.structs import replace

from aggregates.actor import Actor, Delegation, Role
from aggregates.business.negotiation import (
    BelowFloorApproved,
    CounterOfferReceived,
    Negotiation,
    NegotiationBriefApproved,
    NegotiationBriefPrepared,
    NegotiationBriefReturned,
    NegotiationBrokenOff,
    NegotiationEvent,
    NegotiationOpened,
    NegotiationRoundRecorded,
    TermsAgreed,
    TermsOffered,
)
from aggregates.facts import OpportunityStanding, Quantity, Setting, Unit
from aggregates.ids import CustomerId, EmployeeId, OpportunityId
from aggregates.text import Code, Text
from tests.given import MONDAY, given

ANNA, BORIS, DAN, LI, MEI = (EmployeeId(f"employee-{name}") for name in ("anna", "boris", "dan", "li", "mei"))
SELLER = Actor(id=ANNA, roles=frozenset({Role.BUSINESS_DEVELOPMENT, Role.EMPLOYEE}))
COLLEAGUE = replace(SELLER, id=BORIS)
STRANGER = replace(SELLER, id=DAN)
DEPUTY = Actor(id=MEI, roles=frozenset({Role.DEPUTY, Role.EMPLOYEE}))
MANAGER = Actor(id=LI, roles=frozenset({Role.MANAGER, Role.EMPLOYEE}))
BY_ANNAS_POWER = Delegation(number=Code("1"), grantor_id=ANNA)
CASE, CARL = OpportunityId("opportunity-1"), CustomerId("customer-carl")
AIMS, GIVEN, WHY = Text("Three years of service."), Text("The first inspection."), Text("It is too dear.")
FLOOR, DAYS, PHONE = Decimal(80_000), 60, Code("phone")
LIMITS = Setting(number=Code("P-45"), values={Code("deputy"): Quantity(amount=Decimal(500_000), unit=Unit.MONEY)})
READY = OpportunityStanding(opportunity_id=CASE, customer_id=CARL, open=True, needs_confirmed=True)
NEEDS_UNKNOWN, LOST = replace(READY, needs_confirmed=False), replace(READY, open=False)

prepared = NegotiationBriefPrepared(
    opportunity_id=CASE,
    customer_id=CARL,
    aims=AIMS,
    floor_price=FLOOR,
    payment_days=DAYS,
    concessions=GIVEN,
    amount=Decimal(120_000),
    team=(ANNA, BORIS),
    authors=(ANNA,),
)
large = replace(prepared, amount=Decimal(500_001))
approved = NegotiationBriefApproved(opportunity_id=CASE, amount=prepared.amount)
returned = NegotiationBriefReturned(reason=WHY)
opened = NegotiationOpened(opportunity_id=CASE)
offered = TermsOffered(price=Decimal(110_000), payment_days=30)
below = BelowFloorApproved(price=Decimal(70_000), payment_days=90, approver_id=MEI)
agreed = TermsAgreed(price=Decimal(90_000), payment_days=60)
broken_off = NegotiationBrokenOff(reason=WHY)
BRIEFED: tuple[NegotiationEvent, ...] = (prepared, approved)
OPEN: tuple[NegotiationEvent, ...] = (*BRIEFED, opened)


def test_3_1_3_b_a_brief_says_what_we_aim_at_and_the_least_we_take() -> None:
    given(Negotiation).when(
        Negotiation.prepare_brief, SELLER, CASE, AIMS, FLOOR, DAYS, GIVEN, prepared.amount, READY, (BORIS,)
    ).then(prepared)


def test_a_brief_is_prepared_once_and_for_an_opportunity_that_is_open() -> None:
    def prepare(standing: OpportunityStanding, because: str, *history: NegotiationEvent) -> None:
        given(Negotiation, *history).when(
            Negotiation.prepare_brief, SELLER, CASE, AIMS, FLOOR, DAYS, GIVEN, prepared.amount, standing
        ).then_refused(because)

    prepare(READY, "on record already", prepared)
    prepare(LOST, "nothing to negotiate")
    prepare(OpportunityStanding(opportunity_id=CASE), "nothing to negotiate")


@pytest.mark.parametrize(
    ("price", "days", "amount", "because"),
    [
        (Decimal(-1), 60, Decimal(1), "A price"),
        (Decimal("NaN"), 60, Decimal(1), "A price"),
        (FLOOR, -1, FLOOR, "pays within"),
        (FLOOR, 3651, FLOOR, "pays within"),
        (FLOOR, 60, FLOOR - 1, "at stake"),
        (FLOOR, 60, Decimal("Infinity"), "at stake"),
    ],
)
def test_terms_are_amounts_and_days(price: Decimal, days: int, amount: Decimal, because: str) -> None:
    given(Negotiation).when(
        Negotiation.prepare_brief, SELLER, CASE, AIMS, price, days, GIVEN, amount, READY
    ).then_refused(because)
    given(Negotiation, prepared).when(Negotiation.revise_brief, SELLER, AIMS, price, days, GIVEN, amount).then_refused(
        because
    )


def test_3_1_3_b_a_deputy_approves_up_to_the_limit_and_the_manager_beyond_it() -> None:
    given(Negotiation, prepared).when(Negotiation.approve_brief, DEPUTY, LIMITS).then(approved)
    given(Negotiation, replace(prepared, amount=Decimal(500_000))).when(Negotiation.approve_brief, DEPUTY, LIMITS).then(
        replace(approved, amount=Decimal(500_000))
    )
    given(Negotiation, large).when(Negotiation.approve_brief, DEPUTY, LIMITS).then_refused("Only the manager")
    given(Negotiation, large).when(Negotiation.approve_brief, MANAGER, LIMITS).then(
        replace(approved, amount=large.amount)
    )


@pytest.mark.parametrize("approver", [replace(MANAGER, id=ANNA), replace(MANAGER, delegation=BY_ANNAS_POWER)])
def test_3_1_3_b_nobody_approves_a_brief_of_their_own_nor_by_the_power_of_its_author(approver: Actor) -> None:
    given(Negotiation, prepared).when(Negotiation.approve_brief, approver, LIMITS).then_refused("wrote the brief")


def test_whoever_lent_the_power_to_write_a_brief_does_not_approve_it() -> None:
    lent = replace(COLLEAGUE, delegation=Delegation(number=Code("1"), grantor_id=MEI))
    written = replace(prepared, team=(BORIS,), authors=(BORIS, MEI))
    given(Negotiation).when(
        Negotiation.prepare_brief, lent, CASE, AIMS, FLOOR, DAYS, GIVEN, prepared.amount, READY
    ).then(written)
    given(Negotiation, written).when(Negotiation.approve_brief, DEPUTY, LIMITS).then_refused("wrote the brief")


def test_a_brief_that_is_returned_or_approved_is_revised_and_waits_again() -> None:
    dearer = replace(prepared, floor_price=Decimal(90_000), authors=(ANNA, BORIS))
    for decision in (approved, returned):
        given(Negotiation, prepared, decision).when(
            Negotiation.revise_brief, COLLEAGUE, AIMS, Decimal(90_000), DAYS, GIVEN, prepared.amount
        ).then(dearer)
    given(Negotiation, prepared, approved, dearer).when(Negotiation.open, SELLER, READY).then_refused("approved before")
    by_boris = replace(MANAGER, id=BORIS)
    given(Negotiation, prepared, returned, dearer).when(Negotiation.approve_brief, by_boris, LIMITS).then_refused(
        "wrote"
    )
    by_anna = replace(MANAGER, id=ANNA)
    given(Negotiation, prepared, returned, dearer).when(Negotiation.approve_brief, by_anna, LIMITS).then_refused(
        "wrote"
    )


def test_a_brief_is_returned_with_a_reason_while_it_waits() -> None:
    given(Negotiation, prepared).when(Negotiation.return_brief, WHY).then(returned)
    for history in ((), (prepared, returned), BRIEFED, OPEN):
        given(Negotiation, *history).when(Negotiation.return_brief, WHY).then_refused("No brief waits")
        given(Negotiation, *history).when(Negotiation.approve_brief, MANAGER, LIMITS).then_refused("No brief waits")


def test_2_2_3_c_a_negotiation_is_opened_with_confirmed_needs_and_an_approved_brief() -> None:
    given(Negotiation, *BRIEFED).when(Negotiation.open, COLLEAGUE, READY).then(opened)


def test_3_1_3_a_nobody_negotiates_before_the_needs_are_confirmed() -> None:
    given(Negotiation, *BRIEFED).when(Negotiation.open, SELLER, NEEDS_UNKNOWN).then_refused("confirm what is needed")


def test_3_1_3_b_nobody_negotiates_before_the_brief_is_approved() -> None:
    for history in ((prepared,), (prepared, returned)):
        given(Negotiation, *history).when(Negotiation.open, SELLER, READY).then_refused("Have the brief approved")
    given(Negotiation, *BRIEFED).when(Negotiation.open, SELLER, LOST).then_refused("not open")
    given(Negotiation, *OPEN).when(Negotiation.open, SELLER, READY).then_refused("has begun already")


def test_3_1_3_c_rounds_offers_and_counter_offers_are_logged() -> None:
    held = NegotiationRoundRecorded(held_on=date(2026, 3, 2), channel=PHONE, wording=AIMS)
    given(Negotiation, *OPEN).when(Negotiation.record_round, SELLER, MONDAY, date(2026, 3, 2), PHONE, AIMS).then(held)
    given(Negotiation, *OPEN).when(
        Negotiation.record_round, SELLER, MONDAY, date(2026, 3, 3), PHONE, AIMS
    ).then_refused("when it has been held")
    given(Negotiation, *OPEN, held).when(Negotiation.offer_terms, SELLER, Decimal(110_000), 30).then(offered)
    given(Negotiation, *OPEN).when(Negotiation.receive_counter_offer, COLLEAGUE, Decimal(1), 365).then(
        CounterOfferReceived(price=Decimal(1), payment_days=365)
    )
    given(Negotiation, *OPEN).when(Negotiation.receive_counter_offer, SELLER, Decimal(-1), 365).then_refused("A price")


def test_3_1_3_c_terms_at_the_floor_are_offered_and_agreed() -> None:
    given(Negotiation, *OPEN).when(Negotiation.offer_terms, SELLER, FLOOR, DAYS).then(
        TermsOffered(price=FLOOR, payment_days=DAYS)
    )
    given(Negotiation, *OPEN, offered).when(Negotiation.agree_terms, COLLEAGUE, Decimal(90_000), 60).then(agreed)


@pytest.mark.parametrize(("price", "days"), [(FLOOR - 1, DAYS), (FLOOR, DAYS + 1)])
def test_2_2_3_c_terms_below_the_floor_wait_for_an_approval(price: Decimal, days: int) -> None:
    for method in (Negotiation.offer_terms, Negotiation.agree_terms):
        given(Negotiation, *OPEN).when(method, SELLER, price, days).then_refused("below the floor need approval")
    given(Negotiation, *OPEN, below).when(Negotiation.agree_terms, SELLER, price, days).then(
        TermsAgreed(price=price, payment_days=days)
    )
    given(Negotiation, *OPEN, below).when(Negotiation.offer_terms, SELLER, price, days).then(
        TermsOffered(price=price, payment_days=days)
    )


@pytest.mark.parametrize(("price", "days"), [(Decimal(69_999), 90), (Decimal(70_000), 91)])
def test_an_approval_below_the_floor_goes_so_far_and_no_further(price: Decimal, days: int) -> None:
    given(Negotiation, *OPEN, below).when(Negotiation.agree_terms, SELLER, price, days).then_refused("need approval")


def test_below_the_floor_a_deputy_approves_up_to_the_limit_and_the_manager_beyond_it() -> None:
    given(Negotiation, *OPEN).when(Negotiation.approve_below_floor, DEPUTY, Decimal(70_000), 90, LIMITS).then(below)
    given(Negotiation, *OPEN, below).when(
        Negotiation.approve_below_floor, DEPUTY, Decimal(70_000), 90, LIMITS
    ).then_nothing()
    given(Negotiation, large, approved, opened).when(
        Negotiation.approve_below_floor, DEPUTY, Decimal(70_000), 90, LIMITS
    ).then_refused("Only the manager")
    given(Negotiation, large, approved, opened).when(
        Negotiation.approve_below_floor, MANAGER, Decimal(70_000), 90, LIMITS
    ).then(replace(below, approver_id=LI))
    given(Negotiation, *OPEN).when(Negotiation.approve_below_floor, DEPUTY, Decimal(-1), 90, LIMITS).then_refused(
        "A price"
    )


@pytest.mark.parametrize(
    "approver", [replace(MANAGER, id=ANNA), replace(MANAGER, id=BORIS), replace(DEPUTY, delegation=BY_ANNAS_POWER)]
)
def test_2_2_3_c_nobody_of_the_team_approves_what_lies_below_the_floor(approver: Actor) -> None:
    given(Negotiation, *OPEN).when(Negotiation.approve_below_floor, approver, Decimal(70_000), 90, LIMITS).then_refused(
        "ask somebody else"
    )


def test_whoever_approved_below_the_floor_does_not_agree_to_it_by_the_power_of_a_negotiator() -> None:
    by_mei = replace(SELLER, id=MEI, delegation=BY_ANNAS_POWER)
    given(Negotiation, *OPEN, below).when(Negotiation.agree_terms, by_mei, Decimal(70_000), 90).then_refused(
        "somebody else offers"
    )
    given(Negotiation, *OPEN, below).when(Negotiation.offer_terms, by_mei, FLOOR, DAYS).then(
        TermsOffered(price=FLOOR, payment_days=DAYS)
    )


def test_a_negotiation_is_broken_off_with_a_reason() -> None:
    given(Negotiation, *OPEN).when(Negotiation.break_off, SELLER, WHY).then(broken_off)


@pytest.mark.parametrize("history", [(prepared,), BRIEFED, (*OPEN, agreed), (*OPEN, broken_off)])
def test_only_an_open_negotiation_goes_on(history: tuple[NegotiationEvent, ...]) -> None:
    begun = given(Negotiation, *history)
    begun.when(Negotiation.record_round, SELLER, MONDAY, MONDAY.date(), PHONE, AIMS).then_refused("not open")
    begun.when(Negotiation.offer_terms, SELLER, FLOOR, DAYS).then_refused("not open")
    begun.when(Negotiation.receive_counter_offer, SELLER, FLOOR, DAYS).then_refused("not open")
    begun.when(Negotiation.approve_below_floor, MANAGER, FLOOR, DAYS, LIMITS).then_refused("not open")
    begun.when(Negotiation.agree_terms, SELLER, FLOOR, DAYS).then_refused("not open")
    begun.when(Negotiation.break_off, SELLER, WHY).then_refused("not open")


@pytest.mark.parametrize("history", [OPEN, (*OPEN, agreed), (*OPEN, broken_off)])
def test_a_brief_stays_as_it_is_once_the_negotiation_has_begun(history: tuple[NegotiationEvent, ...]) -> None:
    given(Negotiation, *history).when(
        Negotiation.revise_brief, SELLER, AIMS, FLOOR, DAYS, GIVEN, prepared.amount
    ).then_refused("stays as it is")


def test_only_the_team_works_on_it() -> None:
    begun, because = given(Negotiation, *OPEN), "Only the team"
    begun.when(Negotiation.record_round, STRANGER, MONDAY, MONDAY.date(), PHONE, AIMS).then_refused(because)
    begun.when(Negotiation.offer_terms, STRANGER, Decimal(1), DAYS).then_refused(because)
    begun.when(Negotiation.receive_counter_offer, STRANGER, FLOOR, DAYS).then_refused(because)
    begun.when(Negotiation.agree_terms, STRANGER, Decimal(1), DAYS).then_refused(because)
    begun.when(Negotiation.break_off, STRANGER, WHY).then_refused(because)
    given(Negotiation, *BRIEFED).when(Negotiation.open, STRANGER, READY).then_refused(because)
    given(Negotiation, *BRIEFED).when(
        Negotiation.revise_brief, STRANGER, AIMS, FLOOR, DAYS, GIVEN, prepared.amount
    ).then_refused(because)
    given(Negotiation).when(Negotiation.open, SELLER, READY).then_refused("Prepare a brief")
