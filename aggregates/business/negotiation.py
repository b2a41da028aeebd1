"""A negotiation: what we aim at and no less, what was offered by both sides, and what came of it: regulation 3.1.3."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum, auto
from typing import Annotated, TypeAlias, assert_never

from msgspec.structs import replace

from aggregates.actor import Actor, Role
from aggregates.amounts import beyond_authority, is_amount
from aggregates.event import Event, command
from aggregates.facts import OpportunityStanding, Setting, parameter
from aggregates.ids import CustomerId, EmployeeId, OpportunityId
from aggregates.readers import Readers
from aggregates.refused import Refused
from aggregates.text import Code, Text
from aggregates.value import Value

NEGOTIATORS = (Role.BUSINESS_DEVELOPMENT, Role.BUSINESS_DEVELOPMENT_LEAD)
DECIDERS = (Role.DEPUTY, Role.MANAGER)
BRIEF_READERS = Readers(everything=frozenset({*DECIDERS, Role.AUDITOR}), restricted=True)
"""Who reads what we would settle for, besides the team that negotiates."""

LONGEST_PAYMENT = 3650
"""Days in which the customer pays, at most: whatever is longer was mistyped."""


class NegotiationBriefPrepared(Event):
    """What we aim at and the least we take: a price, and so many days in which the customer pays. The latest counts.

    `amount` is what is at stake in the company's currency; `team` negotiates, `authors` wrote this or an earlier one.
    """

    readers = BRIEF_READERS

    opportunity_id: OpportunityId
    customer_id: CustomerId
    aims: Text
    floor_price: Decimal
    payment_days: int
    concessions: Text
    amount: Decimal
    team: tuple[EmployeeId, ...]
    authors: tuple[EmployeeId, ...]
    materials: Text | None = None


class NegotiationBriefApproved(Event):
    opportunity_id: OpportunityId
    amount: Decimal


class NegotiationBriefReturned(Event):
    readers = BRIEF_READERS

    reason: Text


class NegotiationOpened(Event):
    opportunity_id: OpportunityId


class NegotiationRoundRecorded(Event):
    held_on: date
    channel: Code
    wording: Text


class TermsOffered(Event):
    price: Decimal
    payment_days: int


class CounterOfferReceived(Event):
    price: Decimal
    payment_days: int


class BelowFloorApproved(Event):
    """We may go so far below the floor, and no further, if somebody else than the approver does."""

    readers = BRIEF_READERS

    price: Decimal
    payment_days: int
    approver_id: EmployeeId


class TermsAgreed(Event):
    price: Decimal
    payment_days: int


class NegotiationBrokenOff(Event):
    reason: Text


NegotiationEvent: TypeAlias = (
    NegotiationBriefPrepared
    | NegotiationBriefApproved
    | NegotiationBriefReturned
    | NegotiationOpened
    | NegotiationRoundRecorded
    | TermsOffered
    | CounterOfferReceived
    | BelowFloorApproved
    | TermsAgreed
    | NegotiationBrokenOff
)


class Status(StrEnum):
    """How far a negotiation is."""

    __hash__ = str.__hash__

    BLANK = auto()
    PREPARED = auto()
    RETURNED = auto()
    APPROVED = auto()
    OPEN = auto()
    AGREED = auto()
    BROKEN_OFF = "broken off"


class Negotiation(Value):
    """Nobody negotiates before they know what the customer needs and what we would settle for."""

    status: Status = Status.BLANK
    opportunity_id: OpportunityId | None = None
    brief: NegotiationBriefPrepared | None = None
    leave: BelowFloorApproved | None = None

    @command(by=NEGOTIATORS, clause="3.1.3-b", opens=True)
    def prepare_brief(
        self,
        by: Actor,
        opportunity_id: OpportunityId,
        aims: Text,
        floor_price: Decimal,
        payment_days: int,
        concessions: Text,
        amount: Decimal,
        opportunity: OpportunityStanding,
        team: tuple[EmployeeId, ...] = (),
        materials: Text | None = None,
    ) -> NegotiationBriefPrepared:
        """Write down what we aim at, the least we take, and who negotiates besides the author."""
        if self.status is not Status.BLANK:
            raise Refused("This negotiation is on record already.")
        if opportunity.customer_id is None or not opportunity.open:
            raise Refused("The opportunity is not open: there is nothing to negotiate.")
        _must_be_terms(floor_price, payment_days)
        _must_be_at_stake(amount, floor_price)
        return NegotiationBriefPrepared(
            opportunity_id=opportunity_id,
            customer_id=opportunity.customer_id,
            aims=aims,
            floor_price=floor_price,
            payment_days=payment_days,
            concessions=concessions,
            amount=amount,
            team=tuple(dict.fromkeys((by.employee, *team))),
            authors=by.people,
            materials=materials,
        )

    @command(by=NEGOTIATORS, clause="3.1.3-b")
    def revise_brief(
        self,
        by: Actor,
        aims: Text,
        floor_price: Decimal,
        payment_days: int,
        concessions: Text,
        amount: Decimal,
        materials: Text | None = None,
    ) -> NegotiationBriefPrepared:
        """Write the brief anew before negotiating: it has to be approved anew too."""
        brief = self._its_brief(by)
        if self.status not in {Status.PREPARED, Status.RETURNED, Status.APPROVED}:
            raise Refused("The negotiation has begun: its brief stays as it is.")
        _must_be_terms(floor_price, payment_days)
        _must_be_at_stake(amount, floor_price)
        return replace(
            brief,
            aims=aims,
            floor_price=floor_price,
            payment_days=payment_days,
            concessions=concessions,
            amount=amount,
            authors=tuple(dict.fromkeys((*brief.authors, *by.people))),
            materials=materials,
        )

    @command(by=DECIDERS, clause="3.1.3-b")
    def approve_brief(self, by: Actor, limits: Annotated[Setting, parameter("P-45")]) -> NegotiationBriefApproved:
        """Let the team negotiate by it; what is large takes the manager."""
        brief = self._submitted()
        if any(map(by.speaks_for, brief.authors)):
            raise Refused("Whoever wrote the brief cannot approve it.")
        _must_reach(by, brief.amount, limits)
        return NegotiationBriefApproved(opportunity_id=brief.opportunity_id, amount=brief.amount)

    @command(by=DECIDERS, clause="3.1.3-b")
    def return_brief(self, reason: Text) -> NegotiationBriefReturned:
        """It is not good enough: say why."""
        self._submitted()
        return NegotiationBriefReturned(reason=reason)

    @command(by=NEGOTIATORS, clause="3.1.3-c")
    def open(self, by: Actor, opportunity: OpportunityStanding) -> NegotiationOpened:
        """Begin to negotiate: the customer's needs are confirmed, and the brief is approved."""
        brief = self._its_brief(by)
        if self.status in {Status.OPEN, Status.AGREED, Status.BROKEN_OFF}:
            raise Refused("The negotiation has begun already.")
        if self.status is not Status.APPROVED:
            raise Refused("Have the brief approved before negotiating.")
        if not opportunity.needs_confirmed:
            raise Refused("Have the customer confirm what is needed before negotiating.")
        if not opportunity.open:
            raise Refused("The opportunity is not open: there is nothing to negotiate.")
        return NegotiationOpened(opportunity_id=brief.opportunity_id)

    @command(by=NEGOTIATORS, clause="3.1.3-c")
    def record_round(
        self, by: Actor, at: datetime, held_on: date, channel: Code, wording: Text
    ) -> NegotiationRoundRecorded:
        """Note what was spoken about, and when."""
        self._on_the_table(by)
        if held_on > at.date():
            raise Refused("A round is recorded when it has been held.")
        return NegotiationRoundRecorded(held_on=held_on, channel=channel, wording=wording)

    @command(by=NEGOTIATORS, clause="3.1.3-c")
    def offer_terms(self, by: Actor, price: Decimal, payment_days: int) -> TermsOffered:
        """Say what we would sign; what lies below the floor only by leave."""
        self._must_be_covered(by, price, payment_days)
        return TermsOffered(price=price, payment_days=payment_days)

    @command(by=NEGOTIATORS, clause="3.1.3-c")
    def receive_counter_offer(self, by: Actor, price: Decimal, payment_days: int) -> CounterOfferReceived:
        """Note what the customer would sign."""
        self._on_the_table(by)
        _must_be_terms(price, payment_days)
        return CounterOfferReceived(price=price, payment_days=payment_days)

    @command(by=DECIDERS, clause="3.1.3-c")
    def approve_below_floor(
        self, by: Actor, price: Decimal, payment_days: int, limits: Annotated[Setting, parameter("P-45")]
    ) -> BelowFloorApproved | None:
        """Let the team go below the floor, so far and no further."""
        brief = self._open_brief()
        if any(map(by.speaks_for, (*brief.authors, *brief.team))):
            raise Refused("Whoever negotiates cannot approve terms below the floor: ask somebody else.")
        _must_be_terms(price, payment_days)
        _must_reach(by, brief.amount, limits)
        anew = BelowFloorApproved(price=price, payment_days=payment_days, approver_id=by.employee)
        return None if anew == self.leave else anew

    @command(by=NEGOTIATORS, clause="3.1.3-c")
    def agree_terms(self, by: Actor, price: Decimal, payment_days: int) -> TermsAgreed:
        """Both sides say yes: the contract can be drafted from this."""
        self._must_be_covered(by, price, payment_days)
        return TermsAgreed(price=price, payment_days=payment_days)

    @command(by=NEGOTIATORS, clause="3.1.3-c")
    def break_off(self, by: Actor, reason: Text) -> NegotiationBrokenOff:
        """End it without an agreement, and say why."""
        self._on_the_table(by)
        return NegotiationBrokenOff(reason=reason)

    def evolve(self, event: NegotiationEvent, /) -> Negotiation:
        match event:
            case NegotiationBriefPrepared(opportunity_id=opportunity_id):
                return replace(self, status=Status.PREPARED, opportunity_id=opportunity_id, brief=event)
            case NegotiationBriefApproved():
                return replace(self, status=Status.APPROVED)
            case NegotiationBriefReturned():
                return replace(self, status=Status.RETURNED)
            case NegotiationOpened():
                return replace(self, status=Status.OPEN)
            case BelowFloorApproved():
                return replace(self, leave=event)
            case TermsAgreed():
                return replace(self, status=Status.AGREED)
            case NegotiationBrokenOff():
                return replace(self, status=Status.BROKEN_OFF)
            case NegotiationRoundRecorded() | TermsOffered() | CounterOfferReceived():
                return self
            case _:
                assert_never(event)

    def _submitted(self) -> NegotiationBriefPrepared:
        if self.status is not Status.PREPARED or self.brief is None:
            raise Refused("No brief waits for a decision here.")
        return self.brief

    def _its_brief(self, by: Actor) -> NegotiationBriefPrepared:
        """The brief, for those who are on it; whatever else is wrong is told to nobody else."""
        if self.brief is None:
            raise Refused("Prepare a brief first.")
        if not any(map(by.speaks_for, self.brief.team)):
            raise Refused("Only the team of this negotiation works on it.")
        return self.brief

    def _on_the_table(self, by: Actor) -> NegotiationBriefPrepared:
        self._its_brief(by)
        return self._open_brief()

    def _open_brief(self) -> NegotiationBriefPrepared:
        if self.status is not Status.OPEN or self.brief is None:
            raise Refused("This negotiation is not open.")
        return self.brief

    def _must_be_covered(self, by: Actor, price: Decimal, payment_days: int) -> None:
        """Terms no worse for us than the floor, or than somebody else has allowed."""
        brief = self._on_the_table(by)
        _must_be_terms(price, payment_days)
        if price >= brief.floor_price and payment_days <= brief.payment_days:
            return
        leave = self.leave
        if leave is None or price < leave.price or payment_days > leave.payment_days:
            raise Refused("Terms below the floor need approval first.")
        if by.speaks_for(leave.approver_id):
            raise Refused("You approved these terms: somebody else offers and agrees to them.")


def _must_reach(by: Actor, amount: Decimal, limits: Setting) -> None:
    if (limit := beyond_authority(by, amount, limits)) is not None:
        raise Refused("Only the manager approves more than {limit}.", limit=limit)


def _must_be_at_stake(amount: Decimal, floor_price: Decimal) -> None:
    if not amount.is_finite() or amount < floor_price:
        raise Refused("What is at stake is no less than the floor price.")


def _must_be_terms(price: Decimal, payment_days: int) -> None:
    if not is_amount(price):
        raise Refused("A price is an amount of zero or more.")
    if not 0 <= payment_days <= LONGEST_PAYMENT:
        raise Refused("The customer pays within zero to {most} days.", most=LONGEST_PAYMENT)
