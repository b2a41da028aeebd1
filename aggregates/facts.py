"""What one aggregate may have to know of others: small answers, guaranteed still true when the decision is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Meta

from aggregates.actor import Role
from aggregates.ids import (
    ContractId,
    CustomerId,
    DevelopmentPlanId,
    EmployeeId,
    NegotiationId,
    OpportunityId,
    RecordClassId,
    ResearchId,
    SegmentId,
)
from aggregates.information.level import Security
from aggregates.text import Code, ContentHash
from aggregates.value import Value


class Fact(Value):
    """An answer that a command asks for by its type. Whoever gives the command cannot send it."""


def about(field: str) -> Meta:
    """Whom a fact is about, where the names differ: `handler: Annotated[Post, about("handler_id")]`."""
    return Meta(extra={"about": field})


def parameter(number: str) -> Meta:
    """Which parameter is meant: `limits: Annotated[Setting, parameter("P-38")]`."""
    return Meta(extra={"parameter": number})


class Post(Fact):
    """The offices that somebody holds at the time of the act, and the units and business areas they reach (2.1)."""

    employee_id: EmployeeId
    roles: frozenset[Role] = frozenset()
    areas: frozenset[Code] = frozenset()


class Unit(StrEnum):
    """What the amount of a quantity counts. Working time is that of the company's calendar."""

    __hash__ = str.__hash__  # an enumeration's own is Python, and each term is looked up by its unit

    WORKING_HOUR = "working hour"
    WORKING_DAY = "working day"
    SECOND = "second"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    YEAR = "year"
    PERCENT = "percent"
    RATIO = "ratio"
    COUNT = "count"
    MONEY = "money"


class Quantity(Value):
    """So much of a unit: five working days, twenty percent."""

    amount: Decimal
    unit: Unit


class Setting(Fact):
    """The values of one parameter in force at the time of the act, each under its name: P-05 has S1, S2, S3 and S4."""

    number: Code
    values: Mapping[Code, Quantity]

    def __getitem__(self, name: str) -> Quantity:
        return self.values[Code(name)]


class CustomerStanding(Fact):
    """What the file of a customer says of it (3.1.2). `file_score`: how much of what must be known is, in percent.

    `objects_to`: the channels by which it does not want to be approached; None stands for all of them. `files` are the
    customer's other ones, merged with this, and `merged_into` is the one of them that goes on; `owners` are all who
    ever looked after any of them. `blocked` and `file_score` are what the one that goes on says.
    """

    customer_id: CustomerId
    owner_id: EmployeeId | None = None
    file_score: int = 0
    blocked: bool = False
    credit_code: Code | None = None
    merged_into: CustomerId | None = None
    objects_to: tuple[Code | None, ...] = ()
    files: tuple[CustomerId, ...] = ()
    owners: tuple[EmployeeId, ...] = ()

    @property
    def goes_on_as(self) -> CustomerId:
        """The file under which business with this customer goes on."""
        return self.merged_into or self.customer_id

    def is_same_as(self, customer_id: CustomerId | None) -> bool:
        """Is that file one of this customer's?"""
        return customer_id == self.customer_id or customer_id in self.files


class PublishedResearch(Fact):
    """What research has come to (3.1.1): `published_at` is None while it is open; `segment_ids` are its targets."""

    research_id: ResearchId
    published_at: datetime | None = None
    segment_ids: tuple[SegmentId, ...] = ()


class PlanStanding(Fact):
    """Whether a development plan may be worked by, from when until when, and through which channels (3.1.2)."""

    plan_id: DevelopmentPlanId
    approved: bool = False
    begins_at: datetime | None = None
    ends_at: datetime | None = None
    channels: tuple[Code, ...] = ()


class OpportunityStanding(Fact):
    """How far an opportunity has come, and for whom it is (3.1.3)."""

    opportunity_id: OpportunityId
    customer_id: CustomerId | None = None
    open: bool = False
    needs_confirmed: bool = False
    value: Decimal | None = None


class OpportunityTalks(Fact):
    """Which negotiations about an opportunity were opened (3.1.3), however they ended."""

    opportunity_id: OpportunityId
    opened: tuple[NegotiationId, ...] = ()

    def bear(self, negotiation_id: NegotiationId | None) -> bool:
        """May a contract rest on that negotiation, or on none? What was negotiated is signed as it was agreed."""
        return not self.opened or negotiation_id in self.opened


class AgreedTerms(Fact):
    """What a negotiation has come to (3.1.3): the terms both sides agreed to, None while they have not."""

    negotiation_id: NegotiationId
    opportunity_id: OpportunityId | None = None
    customer_id: CustomerId | None = None
    price: Decimal | None = None
    payment_days: int | None = None


class Payable(Value):
    """What has to be paid, and by which day."""

    amount: Decimal
    due: date


class ContractStanding(Fact):
    """How far a contract has come (3.1.3, 3.1.4): who wrote it, from what, signed when, with whom, of which amount,
    over since when; and what is to be paid by it, each instalment under its number."""

    contract_id: ContractId
    customer_id: CustomerId | None = None
    opportunity_id: OpportunityId | None = None
    negotiation_id: NegotiationId | None = None
    amount: Decimal = Decimal(0)
    authors: tuple[EmployeeId, ...] = ()
    signed_at: datetime | None = None
    ended_at: datetime | None = None
    content: ContentHash | None = None
    payments: Mapping[Code, Payable] = {}


class BilledInstalments(Fact):
    """Which instalments of a contract have been claimed (5.2.2)."""

    contract_id: ContractId
    numbers: tuple[Code, ...] = ()


class LegalClearance(Fact):
    """What counsel has let pass of a contract (5.2.4): each content with those who did."""

    contract_id: ContractId
    passed: Mapping[ContentHash, tuple[EmployeeId, ...]] = {}


class Override(Value):
    """Leave to go beyond a limit for one contract, by so much at most in all, up to an instant."""

    amount: Decimal
    until: datetime


class CreditStanding(Fact):
    """What a customer may owe us, and owes (5.2.2): open receivables, and what is signed and not billed yet.

    `valid_until` is None while no limit has been approved. `files` are the customer's other ones, merged with this:
    what is owed by any of them is owed by all, and where one is suspended all are.
    """

    customer_id: CustomerId
    limit: Decimal = Decimal(0)
    valid_until: datetime | None = None
    exposure: Decimal = Decimal(0)
    suspended: bool = False
    overrides: Mapping[ContractId, Override] = {}
    files: tuple[CustomerId, ...] = ()

    def covers(self, contract_id: ContractId, amount: Decimal, at: datetime) -> bool:
        """May so much be added at an instant: within a limit that is good then, and by leave for this contract as far
        beyond it as that goes? A limit that is not good counts as none."""
        good = self.valid_until is not None and at < self.valid_until and not self.suspended
        override = self.overrides.get(contract_id)
        leave = override.amount if override is not None and at < override.until else None
        if not good and leave is None:
            return False
        return self.exposure + amount <= (self.limit if good else 0) + (leave or 0)


class RecordClassStanding(Fact):
    """What holds for documents of a class, and how many have got a number in each year (6.2.1).

    `prefix` is None while the class has not been published.
    """

    record_class_id: RecordClassId
    prefix: Code | None = None
    formats: tuple[Code, ...] = ()
    security: Security = Security.SECRET
    place: Code | None = None
    numbers: Mapping[Code, int] = {}


class StoredFile(Fact):
    """What the bytes of a file show it to be: `pdf`, `docx`."""

    content: ContentHash
    format: Code
