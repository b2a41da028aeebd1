"""A contract, from its draft to its end: regulation 3.1.3-c, 3.1.4-a, 5.2. What is signed is what counsel let pass."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum, auto
from typing import Annotated, Any, LiteralString, TypeAlias, assert_never

from msgspec.structs import replace

from aggregates.actor import Actor, Role
from aggregates.amounts import beyond_authority
from aggregates.business.terms import Terms
from aggregates.event import Event, command
from aggregates.facts import (
    AgreedTerms,
    BilledInstalments,
    CreditStanding,
    CustomerStanding,
    LegalClearance,
    OpportunityTalks,
    Setting,
    parameter,
)
from aggregates.ids import CustomerId, EmployeeId, NegotiationId, OpportunityId
from aggregates.refused import Refused
from aggregates.text import Code, ContentHash, Text
from aggregates.value import Value

SELLERS = (Role.BUSINESS_DEVELOPMENT, Role.BUSINESS_DEVELOPMENT_LEAD)
AUTHORITIES = (Role.DEPUTY, Role.MANAGER)
"""Who approves and signs; the amount says which of them (P-39)."""


class ContractDrafted(Event):
    """`agreed_price` is what the negotiation came to, where there was one."""

    customer_id: CustomerId
    terms: Terms
    drafted_by: tuple[EmployeeId, ...]
    opportunity_id: OpportunityId | None = None
    negotiation_id: NegotiationId | None = None
    agreed_price: Decimal | None = None

    schema = 2

    @staticmethod
    def upcast_v1_v2(stored: dict[str, Any]) -> dict[str, Any]:
        return {**stored, "agreed_price": None}


class ContractRedrafted(Event):
    """Another version, before the signature; what was reviewed and approved no longer counts."""

    customer_id: CustomerId
    terms: Terms
    drafted_by: tuple[EmployeeId, ...]


class ContractApproved(Event):
    customer_id: CustomerId
    content: ContentHash
    amount: Decimal
    approved_by: tuple[EmployeeId, ...]


class ContractReturned(Event):
    reason: Text


class ContractVoided(Event):
    reason: Text


class ContractSigned(Event):
    customer_id: CustomerId
    content: ContentHash
    amount: Decimal
    signed_by: tuple[EmployeeId, ...]
    place: Text
    signed_for_customer: Text
    opportunity_id: OpportunityId | None = None


class ContractHandedOver(Event):
    wording: Text


class ContractHandoverAccepted(Event):
    """Project management takes it on."""


class ContractHandoverReturned(Event):
    reason: Text


class ContractObligationFulfilled(Event):
    number: Code
    evidence: Text


class ContractAmendmentDrafted(Event):
    """What the contract shall say from its second signature on; until then the first holds."""

    customer_id: CustomerId
    terms: Terms
    drafted_by: tuple[EmployeeId, ...]


class ContractAmended(Event):
    customer_id: CustomerId
    content: ContentHash
    amount: Decimal
    signed_by: tuple[EmployeeId, ...]


class ContractTerminated(Event):
    customer_id: CustomerId
    reason: Text


class ContractExpired(Event):
    customer_id: CustomerId


ContractEvent: TypeAlias = (
    ContractDrafted
    | ContractRedrafted
    | ContractApproved
    | ContractReturned
    | ContractVoided
    | ContractSigned
    | ContractHandedOver
    | ContractHandoverAccepted
    | ContractHandoverReturned
    | ContractObligationFulfilled
    | ContractAmendmentDrafted
    | ContractAmended
    | ContractTerminated
    | ContractExpired
)


class Status(StrEnum):
    """Whether it binds anybody yet, or still."""

    BLANK = auto()
    DRAFTED = auto()
    VOIDED = auto()
    SIGNED = auto()
    ENDED = auto()


class Handover(StrEnum):
    """How far project management and we are."""

    NONE = auto()
    OFFERED = auto()
    ACCEPTED = auto()


class Contract(Value):
    """`proposed`: the version that waits for its signature, `approval` is of it; `terms`: those in force; `texts`:
    which terms each file says, so that whoever names the file names the terms.

    Whoever drafted any version of it never decides on another.
    """

    status: Status = Status.BLANK
    customer_id: CustomerId | None = None
    opportunity_id: OpportunityId | None = None
    negotiation_id: NegotiationId | None = None
    authors: tuple[EmployeeId, ...] = ()
    proposed: Terms | None = None
    terms: Terms | None = None
    texts: Mapping[ContentHash, Terms] = {}
    agreed_price: Decimal | None = None
    approval: ContractApproved | None = None
    handover: Handover = Handover.NONE
    fulfilled: frozenset[Code] = frozenset()

    @command(by=SELLERS, clause="3.1.3-c", opens=True)
    def draft(
        self,
        by: Actor,
        customer_id: CustomerId,
        terms: Terms,
        customer: CustomerStanding,
        opportunity_id: OpportunityId | None = None,
        negotiation_id: NegotiationId | None = None,
        agreed: AgreedTerms | None = None,
        talks: OpportunityTalks | None = None,
    ) -> ContractDrafted:
        """Write down what was agreed: the file, and as data what each side has to do and to pay by when. What has been
        negotiated is signed as its negotiation came to terms, and not past it."""
        if self.status is not Status.BLANK:
            raise Refused("This contract is on record: redraft it.")
        if customer.merged_into is not None:
            raise Refused("This customer is now {id}: contract with that one.", id=customer.merged_into)
        _must_not_be_blocked(customer)
        if agreed is not None and (agreed.price is None or not customer.is_same_as(agreed.customer_id)):
            raise Refused("This negotiation has not come to terms with this customer.")
        of_talks = None if agreed is None else agreed.opportunity_id
        if None not in {of_talks, opportunity_id} and of_talks != opportunity_id:
            raise Refused("This negotiation is about another opportunity.")
        _must_rest_on(negotiation_id, talks)
        terms.check()
        agreed_price = None if agreed is None else agreed.price
        _must_say_what_was_agreed(terms, agreed_price)
        return ContractDrafted(
            customer_id=customer_id,
            terms=terms,
            drafted_by=by.people,
            opportunity_id=opportunity_id or of_talks,
            negotiation_id=negotiation_id,
            agreed_price=agreed_price,
        )

    @command(by=SELLERS, clause="3.1.3-c")
    def redraft(self, by: Actor, terms: Terms, clearance: LegalClearance) -> ContractRedrafted:
        """Another version before the signature: it is reviewed and approved anew."""
        customer_id = self._require("Only a draft is redrafted: amend what is signed.", Status.DRAFTED)
        terms.check()
        _must_say_what_was_agreed(terms, self.agreed_price)
        self._must_be_another_file(terms)
        _must_not_have_reviewed(by, terms, clearance)
        return ContractRedrafted(customer_id=customer_id, terms=terms, drafted_by=by.people)

    @command(by=SELLERS, clause="3.1.3-c")
    def amend(
        self, by: Actor, terms: Terms, clearance: LegalClearance, billed: BilledInstalments
    ) -> ContractAmendmentDrafted:
        """Write down what shall hold instead. Nothing promised disappears: what is no longer owed stays, and is said to
        be otherwise; what is claimed already stays as it is."""
        customer_id = self._require("Only what is signed is amended.", Status.SIGNED)
        terms.check()
        self._must_be_another_file(terms)
        _must_not_have_reviewed(by, terms, clearance)
        if self.terms is not None and (gone := terms.lacks(self.terms)):
            raise Refused("These are promised and cannot be left out: {numbers}.", numbers=", ".join(gone))
        if self.terms is not None and (claimed := terms.pays_otherwise(self.terms) & {*billed.numbers}):
            raise Refused("These are claimed already and stay as they are: {numbers}.",
                          numbers=", ".join(sorted(claimed)))  # fmt: skip
        return ContractAmendmentDrafted(customer_id=customer_id, terms=terms, drafted_by=by.people)

    @command(by=AUTHORITIES, clause="3.1.3-c")
    def approve(
        self,
        by: Actor,
        content: ContentHash,
        clearance: LegalClearance,
        customer: CustomerStanding,
        limits: Annotated[Setting, parameter("P-39")],
        talks: OpportunityTalks | None = None,
    ) -> ContractApproved:
        """Agree to this very text, which counsel has let pass."""
        customer_id, proposed = self._must_await_signature()
        _must_rest_on(self.negotiation_id, talks)
        _must_not_be_blocked(customer)
        self._must_be_reviewed(content, proposed, clearance)
        self._require_another("Whoever drafted the contract does not approve it.", by)
        _must_have_authority(by, self._at_stake(proposed), limits)
        if self.approval is not None:
            raise Refused("This text is approved already.")
        return ContractApproved(customer_id=customer_id, content=content, amount=proposed.amount, approved_by=by.people)

    @command(by=AUTHORITIES, clause="3.1.3-c")
    def return_draft(self, by: Actor, reason: Text) -> ContractReturned:
        """Send it back to whoever drafted it."""
        self._must_await_signature()
        self._require_another("Whoever drafted the contract redrafts it instead.", by)
        return ContractReturned(reason=reason)

    @command(by=(Role.BUSINESS_DEVELOPMENT_LEAD, *AUTHORITIES), clause="3.1.3-c")
    def void(self, reason: Text) -> ContractVoided:
        """Give it up before anybody signs."""
        self._require("Only a draft is given up: terminate what is signed.", Status.DRAFTED)
        return ContractVoided(reason=reason)

    @command(by=AUTHORITIES, clause="3.1.3-c")
    def sign(
        self,
        by: Actor,
        at: datetime,
        content: ContentHash,
        place: Text,
        signed_for_customer: Text,
        clearance: LegalClearance,
        credit: CreditStanding,
        customer: CustomerStanding,
        limits: Annotated[Setting, parameter("P-39")],
    ) -> ContractSigned | ContractAmended:
        """Sign what was reviewed and approved, to the byte; `place` says where the seal was put."""
        customer_id, proposed = self._must_await_signature()
        _must_not_be_blocked(customer)
        self._must_be_reviewed(content, proposed, clearance)
        if self.approval is None or self.approval.content != content:
            raise Refused("This very text has not been approved.")
        self._require_another("Whoever drafted the contract does not sign it.", by)
        _must_have_authority(by, self._at_stake(proposed), limits)
        added = proposed.amount - (self.terms.amount if self.terms is not None else 0)
        if added > 0 and not credit.covers(clearance.contract_id, added, at):
            raise Refused(
                "The customer owes {exposure} of {limit}, and this adds {added}: ask for an override first.",
                exposure=credit.exposure,
                limit=credit.limit,
                added=added,
            )
        if self.status is Status.SIGNED:
            return ContractAmended(
                customer_id=customer_id, content=content, amount=proposed.amount, signed_by=by.people
            )
        return ContractSigned(
            customer_id=customer_id,
            content=content,
            amount=proposed.amount,
            signed_by=by.people,
            place=place,
            signed_for_customer=signed_for_customer,
            opportunity_id=self.opportunity_id,
        )

    @command(by=SELLERS, clause="3.1.4-a")
    def hand_over(self, wording: Text) -> ContractHandedOver:
        """Submit the signed contract to project management."""
        self._require("Only a signed contract is handed over.", Status.SIGNED)
        if self.handover is not Handover.NONE:
            raise Refused("This contract is handed over already.")
        return ContractHandedOver(wording=wording)

    @command(by=(Role.PROJECT_LEAD,), clause="3.1.4-a")
    def accept_handover(self) -> ContractHandoverAccepted:
        """Take it on, to make a project of it."""
        self._must_be_offered()
        return ContractHandoverAccepted()

    @command(by=(Role.PROJECT_LEAD,), clause="3.1.4-a")
    def return_handover(self, reason: Text) -> ContractHandoverReturned:
        """Give it back to business development, and say why."""
        self._must_be_offered()
        return ContractHandoverReturned(reason=reason)

    @command(by=(*SELLERS, Role.PROJECT_MANAGER, Role.PROJECT_LEAD), clause="3.1.3-c")
    def fulfil_obligation(self, number: Code, evidence: Text) -> ContractObligationFulfilled | None:
        """Something promised is done; `evidence` says what shows it."""
        self._require("Only what is signed and in force is fulfilled.", Status.SIGNED)
        if self.terms is None or number not in {promise.number for promise in self.terms.obligations}:
            raise Refused("There is no obligation {number}.", number=number)
        return None if number in self.fulfilled else ContractObligationFulfilled(number=number, evidence=evidence)

    @command(by=AUTHORITIES, clause="3.1.3-c")
    def terminate(self, by: Actor, reason: Text, limits: Annotated[Setting, parameter("P-39")]) -> ContractTerminated:
        """End it before its time, as whoever may sign as much may do."""
        customer_id = self._require("Only what is signed and in force is terminated.", Status.SIGNED)
        if self.terms is not None:
            _must_have_authority(by, self.terms.amount, limits)
        return ContractTerminated(customer_id=customer_id, reason=reason)

    @command(by=(Role.CLOCK,), clause="3.1.3-c")
    def expire(self, at: datetime) -> ContractExpired | None:
        """Its last day is over."""
        if self.status is not Status.SIGNED or self.customer_id is None:
            return None
        over = self.terms is not None and self.terms.ends < at.date()
        return ContractExpired(customer_id=self.customer_id) if over else None

    def evolve(self, event: ContractEvent, /) -> Contract:
        match event:
            case ContractDrafted(customer_id=customer_id, opportunity_id=opportunity_id):
                begun = replace(self, status=Status.DRAFTED, customer_id=customer_id, opportunity_id=opportunity_id)
                agreed = {"negotiation_id": event.negotiation_id, "agreed_price": event.agreed_price}
                return replace(begun, **agreed, **self._proposing(event))
            case ContractRedrafted() | ContractAmendmentDrafted():
                return replace(self, **self._proposing(event))
            case ContractApproved():
                return replace(self, approval=event)
            case ContractReturned():
                return replace(self, approval=None)
            case ContractVoided():
                return replace(self, status=Status.VOIDED, proposed=None, approval=None)
            case ContractSigned(customer_id=customer_id) | ContractAmended(customer_id=customer_id):
                signed = replace(self, status=Status.SIGNED, customer_id=customer_id)
                return replace(signed, terms=self.proposed or self.terms, proposed=None, approval=None)
            case ContractHandedOver():
                return replace(self, handover=Handover.OFFERED)
            case ContractHandoverAccepted():
                return replace(self, handover=Handover.ACCEPTED)
            case ContractHandoverReturned():
                return replace(self, handover=Handover.NONE)
            case ContractObligationFulfilled(number=number):
                return replace(self, fulfilled=self.fulfilled | {number})
            case ContractTerminated() | ContractExpired():
                return replace(self, status=Status.ENDED, proposed=None, approval=None)
            case _:
                assert_never(event)

    def _proposing(self, event: ContractDrafted | ContractRedrafted | ContractAmendmentDrafted) -> dict[str, Any]:
        """Another version waits, which nobody has approved yet."""
        authors = tuple(dict.fromkeys((*self.authors, *event.drafted_by)))
        texts = {**self.texts, event.terms.content: event.terms}
        return {"proposed": event.terms, "approval": None, "authors": authors, "texts": texts}

    def _require(self, otherwise: LiteralString, status: Status) -> CustomerId:
        if self.status is not status or self.customer_id is None:
            raise Refused(otherwise)
        return self.customer_id

    def _must_await_signature(self) -> tuple[CustomerId, Terms]:
        if self.status not in {Status.DRAFTED, Status.SIGNED} or self.proposed is None or self.customer_id is None:
            raise Refused("Nothing of this contract waits for a signature.")
        return self.customer_id, self.proposed

    def _at_stake(self, proposed: Terms) -> Decimal:
        """What is decided about: giving up what is signed weighs as much as adding to it."""
        return proposed.amount if self.terms is None else max(proposed.amount, self.terms.amount)

    def _must_be_another_file(self, terms: Terms) -> None:
        """Or else counsel would have read something else under the same hash."""
        if self.texts.get(terms.content, terms) != terms:
            raise Refused("This file was drafted with other terms: what says something else is another file.")

    def _must_be_reviewed(self, content: ContentHash, proposed: Terms, clearance: LegalClearance) -> None:
        if content != proposed.content:
            raise Refused("The text has changed since: look at the present one.")
        if content not in clearance.passed:
            raise Refused("This very text has not passed legal review.")

    def _require_another(self, otherwise: LiteralString, by: Actor) -> None:
        if any(by.speaks_for(author) for author in self.authors):
            raise Refused(otherwise)

    def _must_be_offered(self) -> None:
        self._require("Only a signed contract is handed over.", Status.SIGNED)
        if self.handover is not Handover.OFFERED:
            raise Refused("This contract has not been handed over.")


def _must_not_have_reviewed(by: Actor, terms: Terms, clearance: LegalClearance) -> None:
    """Or else somebody could let a text pass first and put it into the contract afterwards."""
    if any(map(by.speaks_for, clearance.passed.get(terms.content, ()))):
        raise Refused("Whoever reviewed this text does not draft it.")


def _must_say_what_was_agreed(terms: Terms, agreed_price: Decimal | None) -> None:
    if agreed_price is not None and terms.amount < agreed_price:
        raise Refused("The negotiation came to {price}: a contract over less is negotiated anew.", price=agreed_price)


def _must_rest_on(negotiation_id: NegotiationId | None, talks: OpportunityTalks | None) -> None:
    if talks is not None and not talks.bear(negotiation_id):
        raise Refused("This opportunity was negotiated: a contract names the negotiation that came to terms: {ids}.",
                      ids=", ".join(talks.opened))  # fmt: skip


def _must_not_be_blocked(customer: CustomerStanding) -> None:
    if customer.blocked:
        raise Refused("This customer is blocked: no contract is made with it.")


def _must_have_authority(by: Actor, amount: Decimal, limits: Setting) -> None:
    if (limit := beyond_authority(by, amount, limits)) is not None:
        raise Refused("Only the manager decides on more than {limit}.", limit=limit)
