"""What a negotiation's row says, what of it everybody sees, and what was given away."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import TypeVar, get_args

import pytest
from msgspec.structs import replace

from aggregates.business.customer import CustomerRegistered, CustomersMerged
from aggregates.business.negotiation import (
    BelowFloorApproved,
    CounterOfferReceived,
    NegotiationBriefApproved,
    NegotiationBriefPrepared,
    NegotiationBriefReturned,
    NegotiationBrokenOff,
    NegotiationEvent,
    NegotiationOpened,
    NegotiationRoundRecorded,
    Status,
    TermsAgreed,
    TermsOffered,
)
from aggregates.event import Event
from aggregates.facts import AgreedTerms, OpportunityTalks
from aggregates.ids import CustomerId, EmployeeId, NegotiationId, OpportunityId
from aggregates.text import Code, Text
from projections import negotiations
from projections.customers import CustomerRow, customers
from projections.negotiations import Concession, NegotiationRow, Offer, TalksRow
from projections.scope import Scope
from tests.given import MONDAY, history, recorded
from tests.projections.tables import asked, filled

T = TypeVar("T")
ANNA, BORIS, MEI = EmployeeId("employee-anna"), EmployeeId("employee-boris"), EmployeeId("employee-mei")
CARL, WORDS = CustomerId("customer-carl"), Text("words")
CASE, OTHER_CASE = OpportunityId("opportunity-1"), OpportunityId("opportunity-2")
HOUR = timedelta(hours=1)


def offer(price: int, days: int) -> Offer:
    return Offer(price=Decimal(price), payment_days=days)


prepared = NegotiationBriefPrepared(
    opportunity_id=CASE,
    customer_id=CARL,
    aims=WORDS,
    floor_price=Decimal(80_000),
    payment_days=60,
    concessions=WORDS,
    amount=Decimal(120_000),
    team=(ANNA, BORIS),
    authors=(ANNA,),
)
approved = NegotiationBriefApproved(opportunity_id=CASE, amount=prepared.amount)
returned, opened = NegotiationBriefReturned(reason=WORDS), NegotiationOpened(opportunity_id=CASE)
held = NegotiationRoundRecorded(held_on=MONDAY.date(), channel=Code("phone"), wording=WORDS)
offered = TermsOffered(price=Decimal(110_000), payment_days=30)
offered_again = TermsOffered(price=Decimal(100_000), payment_days=45)
countered = CounterOfferReceived(price=Decimal(60_000), payment_days=90)
below = BelowFloorApproved(price=Decimal(70_000), payment_days=90, approver_id=MEI)
agreed = TermsAgreed(price=Decimal(88_000), payment_days=60)
agreed_below = TermsAgreed(price=Decimal(70_000), payment_days=61)
broken_off = NegotiationBrokenOff(reason=WORDS)
OPEN = (prepared, approved, opened)
EVERYTHING = (prepared, returned, prepared, approved, opened, held, offered, countered, below, agreed, broken_off)


def row_of(*events: Event, number: int = 1) -> NegotiationRow:
    """The row after events that lie an hour apart."""
    row = negotiations.negotiations.fold(
        recorded(event, stream_id=f"negotiation-{number}", position=n, at=MONDAY + n * HOUR)
        for n, event in enumerate(events)
    )
    assert row is not None
    return row


def test_the_row_takes_every_event() -> None:
    assert set(negotiations.negotiations.events) == set(get_args(NegotiationEvent)) == set(map(type, EVERYTHING))


def test_a_row_says_what_was_offered_by_whom() -> None:
    row = row_of(*OPEN, held, offered, countered, held, offered_again)
    assert (row.rounds, row.first_offer, row.last_offer, row.counter_offer) == (
        2,
        offer(110_000, 30),
        offer(100_000, 45),
        offer(60_000, 90),
    )
    assert (row.status, row.opened_at, row.ended_at, row.agreed) == (Status.OPEN, MONDAY + 2 * HOUR, None, None)


def test_a_row_says_how_far_it_is() -> None:
    assert row_of(prepared).status is Status.PREPARED
    assert row_of(prepared, returned).status is Status.RETURNED
    assert (row_of(*OPEN[:2]).status, row_of(*OPEN[:2]).approved_at) == (Status.APPROVED, MONDAY + HOUR)
    ended = row_of(*OPEN, below, agreed)
    assert (ended.status, ended.agreed, ended.ended_at) == (Status.AGREED, offer(88_000, 60), MONDAY + 4 * HOUR)
    assert (ended.below_floor, ended.below_floor_by) == (offer(70_000, 90), MEI)
    assert row_of(*OPEN, broken_off).status is Status.BROKEN_OFF


def test_a_brief_written_anew_waits_anew() -> None:
    row = row_of(prepared, approved, replace(prepared, floor_price=Decimal(90_000)))
    assert (row.status, row.approved_at, row.floor, row.prepared_at) == (
        Status.PREPARED,
        None,
        offer(90_000, 60),
        MONDAY,
    )


def test_3_1_3_b_of_those_who_do_not_read_every_brief_only_the_team_reads_it() -> None:
    row = row_of(prepared)
    assert [Scope(people=frozenset({who})).admits(row) for who in (ANNA, BORIS, MEI)] == [True, True, False]
    assert Scope().admits(row) is False


# The questions


@pytest.fixture
def rows(empty_database: str) -> Callable[..., str]:
    """Puts rows into the tables that the questions are asked of, and says where."""
    return lambda *given: filled(empty_database, (NegotiationRow, CustomerRow), given)


FIRST, SECOND, THIRD = (NegotiationId(f"negotiation-{number}") for number in (1, 2, 3))


def test_3_1_3_b_the_brief_is_found_by_its_team_alone(rows: Callable[..., str]) -> None:
    there = rows(row_of(prepared))
    of = {who: Scope(people=frozenset({who})) for who in (ANNA, BORIS, MEI)}
    found = [asked(there, lambda db: negotiations.brief(db, FIRST), scope=scope) for scope in of.values()]
    assert [row is not None for row in found] == [True, True, False]


def test_what_everybody_sees_has_nothing_of_the_brief(rows: Callable[..., str]) -> None:
    there = rows(row_of(*OPEN, offered, below), row_of(prepared, number=2))
    seen = asked(there, lambda db: negotiations.under_way(db, status=Status.OPEN))
    assert [one.negotiation_id for one in seen] == [FIRST]
    assert set(seen[0].__struct_fields__).isdisjoint({"floor", "aims", "concessions", "amount", "below_floor"})
    assert asked(there, lambda db: negotiations.one(db, FIRST)) == seen[0]
    assert asked(there, lambda db: negotiations.one(db, THIRD)) is None
    assert len(asked(there, lambda db: negotiations.under_way(db, opportunity_id=CASE, customer_id=CARL))) == 2


def test_3_1_2_c_what_is_under_way_with_a_merged_customer_is_with_the_one_that_goes_on(
    rows: Callable[..., str],
) -> None:
    goes_on = CustomerId("customer-olga")
    (old, new) = (
        customers.fold(history([CustomerRegistered(name=WORDS, source=Code("fair")), *more], stream_id=whose))
        for whose, more in ((CARL, [CustomersMerged(into_id=goes_on)]), (goes_on, []))
    )
    there = rows(old, new, row_of(*OPEN), row_of(*OPEN, agreed, number=2))
    found = {one.negotiation_id: one.customer_id for one in asked(there, negotiations.under_way)}
    assert found == {FIRST: goes_on, SECOND: CARL}
    of_the_new = asked(there, lambda db: negotiations.under_way(db, customer_id=goes_on))
    assert [one.negotiation_id for one in of_the_new] == [FIRST]
    for ask in (negotiations.one, negotiations.brief):
        answers = [asked(there, lambda db, ask=ask, who=who: ask(db, who)) for who in (FIRST, SECOND)]  # type: ignore[misc]  # bound now
        assert [answer and answer.customer_id for answer in answers] == [goes_on, CARL]


def test_2_2_3_c_what_was_given_away_is_reported(rows: Callable[..., str]) -> None:
    there = rows(
        row_of(*OPEN, offered, agreed),
        row_of(*OPEN, offered, below, agreed_below, number=2),
        row_of(*OPEN, offered, broken_off, number=3),
    )
    report = sorted(asked(there, negotiations.concessions), key=lambda one: one.negotiation_id)
    assert report == [
        Concession(
            negotiation_id=FIRST,
            customer_id=CARL,
            authors=(ANNA,),
            agreed_at=MONDAY + 4 * HOUR,
            first_offer=offer(110_000, 30),
            agreed=offer(88_000, 60),
            given=Decimal(22_000),
            given_percent=Decimal("20.0"),
            longer_days=30,
            below_floor=False,
            below_floor_by=None,
        ),
        Concession(
            negotiation_id=SECOND,
            customer_id=CARL,
            authors=(ANNA,),
            agreed_at=MONDAY + 5 * HOUR,
            first_offer=offer(110_000, 30),
            agreed=offer(70_000, 61),
            given=Decimal(40_000),
            given_percent=Decimal("36.4"),
            longer_days=31,
            below_floor=True,
            below_floor_by=MEI,
        ),
    ]
    assert [one.negotiation_id for one in asked(there, lambda db: negotiations.concessions(db, below_floor=True))] == [
        SECOND
    ]


def test_where_nothing_was_offered_nothing_can_be_compared(rows: Callable[..., str]) -> None:
    (only,) = asked(rows(row_of(*OPEN, agreed)), lambda db: negotiations.concessions(db, customer_id=CARL))
    assert (only.first_offer, only.given, only.given_percent, only.longer_days) == (None, None, None, None)


def test_what_a_negotiation_has_come_to_is_a_fact(rows: Callable[..., str]) -> None:
    there = rows(row_of(*OPEN, agreed), row_of(*OPEN, number=2))
    told = [asked(there, lambda db, who=who: negotiations.agreed_terms(db, who)) for who in (FIRST, SECOND, THIRD)]  # type: ignore[misc]  # bound now
    open_ = AgreedTerms(negotiation_id=SECOND, opportunity_id=CASE, customer_id=CARL)
    assert told == [
        replace(open_, negotiation_id=FIRST, price=Decimal(88_000), payment_days=60),
        open_,
        AgreedTerms(negotiation_id=THIRD),
    ]


def test_which_negotiations_about_an_opportunity_were_opened_is_a_fact(empty_database: str) -> None:
    begun = [recorded(opened, stream_id=one, position=n) for n, one in enumerate((FIRST, SECOND))]
    row = negotiations.talks.fold(begun)
    assert row is not None
    there = filled(empty_database, [TalksRow], [row])
    told = [asked(there, lambda db, o=o: negotiations.opportunity_talks(db, o)) for o in (CASE, OTHER_CASE)]  # type: ignore[misc]  # bound now
    assert told == [
        OpportunityTalks(opportunity_id=CASE, opened=(FIRST, SECOND)),
        OpportunityTalks(opportunity_id=OTHER_CASE),
    ]
