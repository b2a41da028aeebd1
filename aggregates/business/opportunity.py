"""An opportunity to sell something to a customer, from its first sign to the contract or another end: 3.1.2, 3.1.3."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, TypeAlias, assert_never

from msgspec.structs import replace

from aggregates.actor import Actor, Role
from aggregates.amounts import is_amount
from aggregates.event import Event, command
from aggregates.facts import (
    ContractStanding,
    CustomerStanding,
    OpportunityStanding,
    OpportunityTalks,
    Post,
    Setting,
    about,
    parameter,
)
from aggregates.ids import ContractId, CustomerId, EmployeeId
from aggregates.refused import Refused
from aggregates.text import Code, Text, unique
from aggregates.value import Value

SELLERS = (Role.BUSINESS_DEVELOPMENT, Role.BUSINESS_DEVELOPMENT_LEAD)
"""Who looks for opportunities, follows them and may own one."""


class Stage(StrEnum):
    """How far an opportunity is, in this order; the last three are its ends."""

    __hash__ = str.__hash__  # an enumeration's own is Python, and steps look stages up for each event

    IDENTIFIED = "identified"
    CONTACTED = "contacted"
    NEEDS_CONFIRMED = "needs confirmed"
    QUALIFIED = "qualified"
    NEGOTIATING = "negotiating"
    WON = "won"
    LOST = "lost"
    ABANDONED = "abandoned"


ENDED = frozenset({Stage.WON, Stage.LOST, Stage.ABANDONED})


class OpportunityIdentified(Event):
    """`undated`: a source says that it was there, and not since when; it is true from the day of its import."""

    customer_id: CustomerId | None
    product: Code | None = None
    value: Decimal | None = None
    owner_id: EmployeeId | None = None
    undated: bool = False


class OpportunityMoved(Event):
    """It is this customer's: that of the file that went on after a merger, or the one that was not known before."""

    customer_id: CustomerId


class OpportunityAssigned(Event):
    owner_id: EmployeeId


class NeedsConfirmed(Event):
    """What the customer wants, on which conditions, in words that it agrees to; the latest version counts."""

    customer_id: CustomerId
    statement: Text
    confirmed_by: Text


class OpportunityQualified(Event):
    customer_id: CustomerId


class StageChanged(Event):
    stage: Stage
    reason: Text


class ValueEstimated(Event):
    value: Decimal


class CloseDateForecast(Event):
    """When it will be won, and how likely that is, in percent."""

    expected: date
    probability: int


class OpportunityWon(Event):
    """What came of it; of an imported one no contract is known, and perhaps no customer."""

    customer_id: CustomerId | None
    contract_id: Annotated[ContractId | None, unique("won-by")]
    value: Decimal

    schema = 2

    @staticmethod
    def upcast_v1_v2(stored: dict[str, Any]) -> dict[str, Any]:
        """What is stored is the same; by then nobody saw to it that a contract wins once."""
        return stored


class OpportunityLost(Event):
    reason: Code
    competitor: Code | None = None


class OpportunityAbandoned(Event):
    reason: Text


class OpportunityReopened(Event):
    reason: Text


OpportunityEvent: TypeAlias = (
    OpportunityIdentified
    | OpportunityMoved
    | OpportunityAssigned
    | NeedsConfirmed
    | OpportunityQualified
    | StageChanged
    | ValueEstimated
    | CloseDateForecast
    | OpportunityWon
    | OpportunityLost
    | OpportunityAbandoned
    | OpportunityReopened
)


class Opportunity(Value):
    """Nothing is qualified without a file that is complete enough, negotiated without needs, won without a contract."""

    stage: Stage | None = None
    customer_id: CustomerId | None = None
    owner_id: EmployeeId | None = None
    value: Decimal | None = None
    forecast: CloseDateForecast | None = None
    needs_confirmed: bool = False
    qualified: bool = False

    @command(by=SELLERS, clause="3.1.2-b", opens=True)
    def identify(
        self,
        by: Actor,
        customer_id: CustomerId,
        customer: CustomerStanding,
        product: Code | None = None,
        value: Decimal | None = None,
        owner_id: EmployeeId | None = None,
        owner: Annotated[Post | None, about("owner_id")] = None,
    ) -> OpportunityIdentified:
        """A customer may buy something; whoever sees that owns it, unless somebody else is named."""
        _must_be_welcome(customer)
        _must_sell(owner)
        _must_be_an_amount(value)
        owner_id = owner_id or by.employee
        return OpportunityIdentified(customer_id=customer_id, product=product, value=value, owner_id=owner_id)

    @command(by=SELLERS, clause="3.1.2-c")
    def move(
        self,
        into_id: CustomerId,
        into: Annotated[CustomerStanding, about("into_id")],
        was: Annotated[CustomerStanding | None, about("customer_id")] = None,
    ) -> OpportunityMoved | None:
        """Put it on the file that went on after a merger, or say whose it is where that was not known."""
        self._must_be_open()
        _must_be_welcome(into)
        if into_id == self.customer_id:
            return None
        if was is not None and was.merged_into != into_id:
            raise Refused("An opportunity moves only to the customer that its own was merged into.")
        return OpportunityMoved(customer_id=into_id)

    @command(by=(Role.BUSINESS_DEVELOPMENT_LEAD, Role.DEPUTY, Role.MANAGER), clause="2.2.3-b")
    def assign_owner(
        self, owner_id: EmployeeId, owner: Annotated[Post, about("owner_id")]
    ) -> OpportunityAssigned | None:
        """Say who of business development follows it."""
        self._must_be_open()
        _must_sell(owner)
        return None if owner_id == self.owner_id else OpportunityAssigned(owner_id=owner_id)

    @command(by=SELLERS, clause="3.1.3-a")
    def confirm_needs(
        self, statement: Text, confirmed_by: Text, customer: CustomerStanding
    ) -> list[OpportunityMoved | NeedsConfirmed]:
        """What the customer needs and on which conditions, and who there has confirmed it; each time a new version."""
        self._must_be_open()
        _must_not_be_blocked(customer)
        needs = NeedsConfirmed(customer_id=customer.goes_on_as, statement=statement, confirmed_by=confirmed_by)
        return [*self._moved_after(customer), needs]

    @command(by=SELLERS, clause="3.1.2-c")
    def qualify(
        self, customer: CustomerStanding, complete: Annotated[Setting, parameter("P-41")]
    ) -> list[OpportunityMoved | OpportunityQualified]:
        """It is worth our work: enough is known of the customer."""
        self._must_be_open()
        _must_not_be_blocked(customer)
        if self.qualified:
            return []
        least = complete["score"].amount
        if customer.file_score < least:
            raise Refused("The customer's file is complete to {score} %, not to {least} %: add what is missing.",
                          score=customer.file_score, least=least)  # fmt: skip
        return [*self._moved_after(customer), OpportunityQualified(customer_id=customer.goes_on_as)]

    @command(by=SELLERS, clause="3.1.3-a")
    def change_stage(self, stage: Stage, reason: Text) -> StageChanged | None:
        """It goes on, or back, to another stage; say why."""
        self._must_be_open()
        if stage in ENDED:
            raise Refused("Win, lose or abandon the opportunity: its ends are no stages that one sets.")
        if stage is Stage.NEGOTIATING:
            raise Refused("Open a negotiation: that is no stage that one sets.")
        if stage is Stage.NEEDS_CONFIRMED and not self.needs_confirmed:
            raise Refused("Have the customer confirm its needs first.")
        if stage is Stage.QUALIFIED and not self.qualified:
            raise Refused("Qualify the opportunity: that is no stage that one sets.")
        return None if stage is self.stage else StageChanged(stage=stage, reason=reason)

    @command(by=(Role.CLOCK,), clause="3.1.3-c")
    def negotiate(self, reason: Text) -> StageChanged | None:
        """A negotiation about it has been opened, by a brief that is approved."""
        stage = forward(self.stage, Stage.NEGOTIATING)
        return None if stage is self.stage else StageChanged(stage=stage, reason=reason)

    @command(by=SELLERS, clause="3.1.3-a")
    def estimate_value(self, value: Decimal) -> ValueEstimated | None:
        """What it would bring, in the company's currency."""
        self._must_be_open()
        _must_be_an_amount(value)
        return None if value == self.value else ValueEstimated(value=value)

    @command(by=SELLERS, clause="3.1.3-a")
    def forecast_close(self, expected: date, probability: int) -> CloseDateForecast | None:
        """When it will be won, and how likely that is, from 0 to 100."""
        self._must_be_open()
        if not 0 <= probability <= 100:
            raise Refused("A probability lies between 0 and 100.")
        forecast = CloseDateForecast(expected=expected, probability=probability)
        return None if forecast == self.forecast else forecast

    @command(by=SELLERS, clause="2.2.3-b")
    def win(
        self,
        contract_id: ContractId,
        contract: ContractStanding,
        customer: CustomerStanding,
        this: OpportunityStanding,
        talks: OpportunityTalks,
    ) -> list[OpportunityMoved | OpportunityWon]:
        """A contract with the customer is signed; where there were negotiations, one that rests on them."""
        self._must_be_open()
        if contract.signed_at is None:
            raise Refused("{contract_id} is not signed: an opportunity is won by a signed contract.",
                          contract_id=contract_id)  # fmt: skip
        if contract.ended_at is not None:
            raise Refused("{contract_id} is over: nothing is won by it any more.", contract_id=contract_id)
        if not customer.is_same_as(contract.customer_id):
            raise Refused("{contract_id} is a contract with another customer.", contract_id=contract_id)
        if contract.opportunity_id not in {None, this.opportunity_id}:
            raise Refused("{contract_id} comes from another opportunity.", contract_id=contract_id)
        if not talks.bear(contract.negotiation_id):
            raise Refused("{contract_id} was drafted past the negotiation of this opportunity.",
                          contract_id=contract_id)  # fmt: skip
        won = OpportunityWon(customer_id=customer.goes_on_as, contract_id=contract_id, value=contract.amount)
        return [*self._moved_after(customer), won]

    @command(by=SELLERS, clause="2.2.3-b")
    def lose(self, reason: Code, competitor: Code | None = None) -> OpportunityLost:
        """The customer does not buy it from us; say why, and from whom instead if that is known."""
        self._must_be_open()
        return OpportunityLost(reason=reason, competitor=competitor)

    @command(by=SELLERS, clause="2.2.3-b")
    def abandon(self, reason: Text) -> OpportunityAbandoned:
        """We do not follow it any more."""
        self._must_be_open()
        return OpportunityAbandoned(reason=reason)

    @command(by=SELLERS, clause="2.2.3-b")
    def reopen(self, reason: Text) -> OpportunityReopened:
        """It was lost or abandoned, and there is hope again."""
        if self.stage not in {Stage.LOST, Stage.ABANDONED}:
            raise Refused("Only an opportunity that was lost or abandoned is reopened.")
        return OpportunityReopened(reason=reason)

    def evolve(self, event: OpportunityEvent, /) -> Opportunity:
        match event:
            case OpportunityIdentified(customer_id=customer_id, value=value, owner_id=owner_id):
                stage = self.stage or Stage.IDENTIFIED
                return replace(self, stage=stage, customer_id=customer_id, value=value, owner_id=owner_id)
            case OpportunityMoved(customer_id=customer_id):
                return replace(self, customer_id=customer_id)
            case OpportunityAssigned(owner_id=owner_id):
                return replace(self, owner_id=owner_id)
            case NeedsConfirmed():
                return replace(self, needs_confirmed=True, stage=forward(self.stage, Stage.NEEDS_CONFIRMED))
            case OpportunityQualified():
                return replace(self, qualified=True, stage=forward(self.stage, Stage.QUALIFIED))
            case StageChanged(stage=stage):
                return replace(self, stage=stage)
            case ValueEstimated(value=value):
                return replace(self, value=value)
            case CloseDateForecast():
                return replace(self, forecast=event)
            case OpportunityWon():
                return replace(self, stage=Stage.WON)
            case OpportunityLost():
                return replace(self, stage=Stage.LOST)
            case OpportunityAbandoned():
                return replace(self, stage=Stage.ABANDONED)
            case OpportunityReopened():
                return replace(self, stage=reopened(needs_confirmed=self.needs_confirmed, qualified=self.qualified))
            case _:
                assert_never(event)

    def _moved_after(self, customer: CustomerStanding) -> list[OpportunityMoved]:
        """What is done with an opportunity of a merged file moves it to the one that goes on, by the way."""
        whose = customer.goes_on_as
        return [] if whose == self.customer_id else [OpportunityMoved(customer_id=whose)]

    def _must_be_open(self) -> None:
        if self.stage in ENDED:
            raise Refused("This opportunity is {stage}.", stage=self.stage)


ORDER = {stage: place for place, stage in enumerate(Stage)}


def forward(now: Stage | None, to: Stage) -> Stage:
    """Never back: what is negotiated already stays there when needs are confirmed anew."""
    return to if now is None or ORDER[to] > ORDER[now] else now


def reopened(*, needs_confirmed: bool, qualified: bool) -> Stage:
    """The stage at which it goes on after its end."""
    if qualified:
        return Stage.QUALIFIED
    return Stage.NEEDS_CONFIRMED if needs_confirmed else Stage.CONTACTED


def _must_be_welcome(customer: CustomerStanding) -> None:
    if customer.merged_into is not None:
        raise Refused("This customer was merged into {id}: go on there.", id=customer.merged_into)
    _must_not_be_blocked(customer)


def _must_not_be_blocked(customer: CustomerStanding) -> None:
    if customer.blocked:
        raise Refused("This customer is blocked.")


def _must_sell(owner: Post | None) -> None:
    if owner is not None and owner.roles.isdisjoint(SELLERS):
        raise Refused("Choose somebody from business development.")


def _must_be_an_amount(value: Decimal | None) -> None:
    if value is not None and not is_amount(value):
        raise Refused("An amount is zero or more.")
