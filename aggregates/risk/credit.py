"""What a customer may owe us: assessed by one, limited by another, gone beyond by leave: regulation 5.2.2, 1.3.4."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, TypeAlias, assert_never

from msgspec.structs import replace

from aggregates.actor import Actor, Role
from aggregates.amounts import beyond_authority, is_amount
from aggregates.event import Event, command
from aggregates.facts import CustomerStanding, Setting, Unit, parameter
from aggregates.ids import ContractId, CustomerId, EmployeeId
from aggregates.refused import Refused
from aggregates.term import months_after
from aggregates.text import Code, Text
from aggregates.value import Value

ASSESSORS = (Role.FINANCE, Role.RISK)
APPROVERS = (Role.DEPUTY, Role.MANAGER)
BEST_SCORE = 100
LONGEST_TERM = 365


class Grade(StrEnum):
    """How far we trust a customer to pay: A without worry, D hardly."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"


class CreditAssessed(Event):
    """`scorecard` says by which weights; `assessed_by` are the assessor and whoever lent the power to assess."""

    customer_id: CustomerId
    scorecard: Code
    factors: Mapping[Code, int]
    score: int
    grade: Grade
    rationale: Text
    good_until: datetime
    assessed_by: tuple[EmployeeId, ...]


class CreditLimitApproved(Event):
    customer_id: CustomerId
    limit: Decimal
    payment_days: int
    valid_until: datetime


class CreditLimitExpired(Event):
    """The assessment behind it is too old: nothing more may be signed on credit."""

    customer_id: CustomerId


class CreditOverrideRequested(Event):
    customer_id: CustomerId
    contract_id: ContractId
    amount: Decimal
    until: datetime
    grounds: Text
    requested_by: tuple[EmployeeId, ...]


class CreditOverrideApproved(Event):
    customer_id: CustomerId
    contract_id: ContractId
    amount: Decimal
    until: datetime


class CreditOverrideRejected(Event):
    customer_id: CustomerId
    contract_id: ContractId
    grounds: Text


class CreditSuspended(Event):
    customer_id: CustomerId
    reason: Text


class CreditReleased(Event):
    customer_id: CustomerId
    reason: Text


CreditEvent: TypeAlias = (
    CreditAssessed
    | CreditLimitApproved
    | CreditLimitExpired
    | CreditOverrideRequested
    | CreditOverrideApproved
    | CreditOverrideRejected
    | CreditSuspended
    | CreditReleased
)


class Credit(Value):
    """`assessors` are all who ever assessed the customer, `requesters` all who ever asked to go beyond the limit for a
    contract: an earlier version counts as well."""

    customer_id: CustomerId | None = None
    assessment: CreditAssessed | None = None
    assessors: frozenset[EmployeeId] = frozenset()
    valid_until: datetime | None = None
    suspended: bool = False
    requests: Mapping[ContractId, CreditOverrideRequested] = {}
    requesters: Mapping[ContractId, frozenset[EmployeeId]] = {}

    @command(by=ASSESSORS, clause="5.2.2-a", opens=True)
    def assess(
        self,
        by: Actor,
        at: datetime,
        customer_id: CustomerId,
        factors: Mapping[Code, int],
        rationale: Text,
        scorecard: Annotated[Setting, parameter("P-46")],
        months: Annotated[Setting, parameter("P-18")],
    ) -> CreditAssessed:
        """Judge for the first time how far a customer can be trusted to pay: each factor of the scorecard, 0 to 100."""
        return _assessed(by, at, customer_id, factors, rationale, scorecard, months)

    @command(by=ASSESSORS, clause="5.2.2-a")
    def reassess(
        self,
        by: Actor,
        at: datetime,
        factors: Mapping[Code, int],
        rationale: Text,
        scorecard: Annotated[Setting, parameter("P-46")],
        months: Annotated[Setting, parameter("P-18")],
    ) -> CreditAssessed:
        """Judge anew; the limit stays until another is approved."""
        return _assessed(by, at, self._its_customer, factors, rationale, scorecard, months)

    @command(by=APPROVERS, clause="5.2.2-a")
    def approve_limit(
        self,
        by: Actor,
        at: datetime,
        limit: Decimal,
        payment_days: int,
        customer: CustomerStanding,
        authority: Annotated[Setting, parameter("P-40")],
    ) -> CreditLimitApproved:
        """Say how much the customer may owe us, and how long: for as long as the assessment is good."""
        assessment = self._good_assessment(at)
        if any(by.speaks_for(assessor) for assessor in self.assessors):
            raise Refused("Whoever assessed the customer cannot approve the limit.")
        _must_not_own(by, customer)
        _must_be_an_amount(limit)
        _must_have_authority(by, limit, authority)
        if not 0 <= payment_days <= LONGEST_TERM:
            raise Refused("Payment is due within 0 to {days} days.", days=LONGEST_TERM)
        return CreditLimitApproved(
            customer_id=self._its_customer, limit=limit, payment_days=payment_days, valid_until=assessment.good_until
        )

    @command(by=(Role.CLOCK,), clause="5.2.2-a")
    def expire(self, valid_until: datetime) -> CreditLimitExpired | None:
        """The time of the limit is over, if no other was approved meanwhile."""
        return CreditLimitExpired(customer_id=self._its_customer) if self.valid_until == valid_until else None

    @command(by=(Role.EMPLOYEE,), clause="5.2.2-a")
    def request_override(
        self, by: Actor, at: datetime, contract_id: ContractId, amount: Decimal, until: datetime, grounds: Text
    ) -> CreditOverrideRequested:
        """Ask that one contract may go beyond the limit, by which amount and until when."""
        _must_be_an_amount(amount)
        if until <= at:
            raise Refused("Leave to go beyond the limit ends in the future: name when.")
        return CreditOverrideRequested(
            customer_id=self._its_customer,
            contract_id=contract_id,
            amount=amount,
            until=until,
            grounds=grounds,
            requested_by=by.people,
        )

    @command(by=APPROVERS, clause="5.2.2-a")
    def approve_override(
        self,
        by: Actor,
        at: datetime,
        contract_id: ContractId,
        customer: CustomerStanding,
        authority: Annotated[Setting, parameter("P-40")],
    ) -> CreditOverrideApproved:
        """Let this one contract go beyond the limit, as it was asked for."""
        asked = self._asked(contract_id)
        if any(map(by.speaks_for, self.requesters.get(contract_id, ()))):
            raise Refused("Whoever ever asked to go beyond the limit for this contract cannot approve it.")
        _must_not_own(by, customer)
        _must_have_authority(by, asked.amount, authority)
        if asked.until <= at:
            raise Refused("What was asked for is over: have it asked for anew.")
        return CreditOverrideApproved(
            customer_id=self._its_customer, contract_id=contract_id, amount=asked.amount, until=asked.until
        )

    @command(by=APPROVERS, clause="5.2.2-a")
    def reject_override(self, contract_id: ContractId, grounds: Text) -> CreditOverrideRejected:
        """The limit has to be kept."""
        self._asked(contract_id)
        return CreditOverrideRejected(customer_id=self._its_customer, contract_id=contract_id, grounds=grounds)

    @command(by=(*ASSESSORS, *APPROVERS), clause="5.2.2-a")
    def suspend(self, reason: Text) -> CreditSuspended:
        """Nothing more is signed on credit for the time being."""
        if self.suspended:
            raise Refused("The credit is suspended already.")
        return CreditSuspended(customer_id=self._its_customer, reason=reason)

    @command(by=(Role.CLOCK,), clause="5.2.2-b")
    def stop(self, reason: Text) -> CreditSuspended | None:
        """The customer has not paid in spite of all reminders: nothing more is signed on credit."""
        return None if self.suspended else CreditSuspended(customer_id=self._its_customer, reason=reason)

    @command(by=APPROVERS, clause="5.2.2-a")
    def release(self, by: Actor, reason: Text, customer: CustomerStanding) -> CreditReleased:
        """The limit holds again."""
        _must_not_own(by, customer)
        if not self.suspended:
            raise Refused("The credit is not suspended.")
        return CreditReleased(customer_id=self._its_customer, reason=reason)

    def evolve(self, event: CreditEvent, /) -> Credit:
        match event:
            case CreditAssessed(customer_id=customer_id, assessed_by=assessed_by):
                assessors = self.assessors.union(assessed_by)
                return replace(self, customer_id=customer_id, assessment=event, assessors=assessors)
            case CreditLimitApproved(valid_until=valid_until):
                return replace(self, valid_until=valid_until)
            case CreditLimitExpired():
                return replace(self, valid_until=None)
            case CreditOverrideRequested(contract_id=contract_id, requested_by=requested_by):
                requesters = self.requesters.get(contract_id, frozenset()).union(requested_by)
                return replace(
                    self,
                    requests={**self.requests, contract_id: event},
                    requesters={**self.requesters, contract_id: requesters},
                )
            case CreditOverrideApproved() | CreditOverrideRejected():
                others = {contract: asked for contract, asked in self.requests.items() if contract != event.contract_id}
                return replace(self, requests=others)
            case CreditSuspended():
                return replace(self, suspended=True)
            case CreditReleased():
                return replace(self, suspended=False)
            case _:
                assert_never(event)

    @property
    def _its_customer(self) -> CustomerId:
        if self.customer_id is None:
            raise Refused("Nobody has assessed this customer.")
        return self.customer_id

    def _good_assessment(self, at: datetime) -> CreditAssessed:
        if self.assessment is None:
            raise Refused("Nobody has assessed this customer.")
        if self.assessment.good_until <= at:
            raise Refused("The assessment is too old: have the customer assessed anew.")
        return self.assessment

    def _asked(self, contract_id: ContractId) -> CreditOverrideRequested:
        asked = self.requests.get(contract_id)
        if asked is None:
            raise Refused("Nobody has asked to go beyond the limit for {contract}.", contract=contract_id)
        return asked


def _assessed(
    by: Actor,
    at: datetime,
    customer_id: CustomerId,
    factors: Mapping[Code, int],
    rationale: Text,
    scorecard: Setting,
    months: Setting,
) -> CreditAssessed:
    score = score_of(factors, scorecard)
    grade = grade_of(score, scorecard)
    return CreditAssessed(
        customer_id=customer_id,
        scorecard=scorecard.number,
        factors=factors,
        score=score,
        grade=grade,
        rationale=rationale,
        good_until=months_after(at, int(months[grade].amount)),
        assessed_by=by.people,
    )


def score_of(factors: Mapping[Code, int], scorecard: Setting) -> int:
    """The mean of the factors by the weights of the scorecard, which are its percentages, rounded down."""
    weights = {name: value.amount for name, value in scorecard.values.items() if value.unit is Unit.PERCENT}
    if factors.keys() != weights.keys():
        raise Refused("Judge each factor of the scorecard: {factors}.", factors=", ".join(sorted(weights)))
    if not all(0 <= points <= BEST_SCORE for points in factors.values()):
        raise Refused("Each factor is given 0 to {best} points.", best=BEST_SCORE)
    return int(sum(weights[name] * points for name, points in factors.items()) / sum(weights.values()))


def grade_of(score: int, scorecard: Setting) -> Grade:
    """The best grade whose least score, which are the counts of the scorecard, is reached; D asks for nothing."""
    return next((g for g in (Grade.A, Grade.B, Grade.C) if score >= scorecard[g].amount), Grade.D)


def _must_not_own(by: Actor, customer: CustomerStanding) -> None:
    if any(map(by.speaks_for, customer.owners)):
        raise Refused("Whoever looks after the customer, or has done so, cannot decide on its credit.")


def _must_have_authority(by: Actor, amount: Decimal, authority: Setting) -> None:
    if (limit := beyond_authority(by, amount, authority)) is not None:
        raise Refused("Only the manager approves more than {limit}.", limit=limit)


def _must_be_an_amount(amount: Decimal) -> None:
    if not is_amount(amount):
        raise Refused("This is an amount of zero or more.")
