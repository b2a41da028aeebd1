"""A customer and its file: who it is, what it needs, whom we speak to there, who looks after it: 3.1.2, 2.2.3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias, assert_never

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from aggregates.actor import Role
from aggregates.business.channel import channel_of, channel_or_any
from aggregates.business.credit_code import check_credit_code
from aggregates.business.customer_file import (
    CreditCode,
    Intent,
    Name,
    Phase,
    Profile,
    Tier,
    facts_told,
)
from aggregates.event import Event, command
from aggregates.facts import ContractStanding, CustomerStanding, Post, about
from aggregates.ids import CampaignId, ContractId, CustomerId, EmployeeId
from aggregates.refused import Refused
from aggregates.text import Code, Personal, Text, personal
from aggregates.value import Value

DESKS = (
    Role.BUSINESS_DEVELOPMENT,
    Role.BUSINESS_DEVELOPMENT_LEAD,
    Role.CUSTOMER_SERVICE,
    Role.CUSTOMER_SERVICE_LEAD,
)
"""Who speaks with customers, keeps their files and may look after one."""

SELLERS = (Role.BUSINESS_DEVELOPMENT, Role.BUSINESS_DEVELOPMENT_LEAD)
LEADS = (Role.BUSINESS_DEVELOPMENT_LEAD, Role.DEPUTY, Role.MANAGER)

Own: TypeAlias = Annotated[Personal, personal("self")]


class CustomerRegistered(Event):
    name: Name
    source: Code
    credit_code: CreditCode | None = None
    region: Code | None = None
    segment: Code | None = None


class CustomerProfileChanged(Profile, Event):
    """From now on it is otherwise."""


class CustomerProfileCorrected(Profile, Event):
    """It was wrong from the start."""


class ContactAdded(Event):
    contact: Code
    name: Own
    phone: Own | None = None
    email: Own | None = None
    position: Code | None = None


class ContactEnded(Event):
    contact: Code


class AccountOwnerAssigned(Event):
    owner_id: EmployeeId


class CustomerNeedRecorded(Event):
    need: Text
    intent: Intent


class CustomerQualified(Event):
    """It needs what we have: no mere address any more."""


class CustomerActivated(Event):
    contract_id: ContractId


class CustomerTierAssigned(Event):
    tier: Tier


class CustomerMarkedDormant(Event):
    reason: Text


class CustomerReactivated(Event):
    pass


class CustomerLost(Event):
    reason: Text


class CustomerBlocked(Event):
    reason: Text


class CustomerUnblocked(Event):
    reason: Text


class CustomersMerged(Event):
    """This file and the other one are of the same customer. Both keep their history; the other one goes on."""

    into_id: CustomerId


class ContactObjectionRecorded(Event):
    """The customer does not want to be approached: by this channel, or by any."""

    channel: Code | None = None


class ContactObjectionWithdrawn(Event):
    """`wording`: what the customer said; nobody asked for it at first."""

    channel: Code | None = None
    wording: Text | None = None

    schema = 2

    @staticmethod
    def upcast_v1_v2(stored: dict[str, Any]) -> dict[str, Any]:
        return {**stored, "wording": None}


class ProspectContacted(Event):
    """We approached the customer: how, what about, what came of it, and what is next. `contact`: who answered."""

    channel: Code
    outcome: Code
    wording: Text
    contact: Code | None = None
    campaign_id: CampaignId | None = None
    next_step: Text | None = None


CustomerEvent: TypeAlias = (
    CustomerRegistered
    | CustomerProfileChanged
    | CustomerProfileCorrected
    | ContactAdded
    | ContactEnded
    | AccountOwnerAssigned
    | CustomerNeedRecorded
    | CustomerQualified
    | CustomerActivated
    | CustomerTierAssigned
    | CustomerMarkedDormant
    | CustomerReactivated
    | CustomerLost
    | CustomerBlocked
    | CustomerUnblocked
    | CustomersMerged
    | ContactObjectionRecorded
    | ContactObjectionWithdrawn
    | ProspectContacted
)


class Customer(Value):
    """What rules read of the file. A fact of the profile is unset where it is not certain what holds now."""

    registered: bool = False
    profile: Profile = Profile()
    contacts: Mapping[Code, bool] = {}
    owner_id: EmployeeId | None = None
    phase: Phase = Phase.PROSPECT
    tier: Tier | None = None
    has_needs: bool = False
    blocked: bool = False
    merged_into: CustomerId | None = None
    objections: frozenset[Code | None] = frozenset()

    @command(by=DESKS, clause="3.1.2-c", opens=True)
    def register(
        self,
        name: Name,
        source: Code,
        credit_code: CreditCode | None = None,
        region: Code | None = None,
        segment: Code | None = None,
    ) -> CustomerRegistered:
        """Open a file on somebody who may become a customer; `source` says how we met."""
        if self.registered:
            raise Refused("This customer is registered already.")
        check_credit_code(credit_code)
        return CustomerRegistered(name=name, source=source, credit_code=credit_code, region=region, segment=segment)

    @command(by=DESKS, clause="3.1.2-c")
    def change_profile(
        self,
        name: Name | UnsetType = UNSET,
        credit_code: CreditCode | UnsetType | None = UNSET,
        region: Code | UnsetType | None = UNSET,
        segment: Code | UnsetType | None = UNSET,
        payment_terms: Code | UnsetType | None = UNSET,
    ) -> CustomerProfileChanged | None:
        """Something is otherwise from now on; what is left out stays as it is."""
        self._must_go_on()
        check_credit_code(credit_code)
        told = Profile(name=name, credit_code=credit_code, region=region, segment=segment, payment_terms=payment_terms)
        news = {fact: value for fact, value in facts_told(told).items() if value != getattr(self.profile, fact)}
        return CustomerProfileChanged(**news) if news else None

    @command(by=DESKS, clause="3.1.2-c", corrects=True)
    def correct_profile(
        self,
        name: Name | UnsetType = UNSET,
        credit_code: CreditCode | UnsetType | None = UNSET,
        region: Code | UnsetType | None = UNSET,
        segment: Code | UnsetType | None = UNSET,
        payment_terms: Code | UnsetType | None = UNSET,
    ) -> CustomerProfileCorrected | None:
        """Something was recorded wrongly, since the time that the act names; what is left out was right."""
        self._must_go_on()
        check_credit_code(credit_code)
        corrected = CustomerProfileCorrected(
            name=name, credit_code=credit_code, region=region, segment=segment, payment_terms=payment_terms
        )
        return corrected if facts_told(corrected) else None

    @command(by=DESKS, clause="3.1.2-c")
    def add_contact(
        self, name: Own, phone: Own | None = None, email: Own | None = None, position: Code | None = None
    ) -> ContactAdded:
        """Note a person who speaks for the customer; contacts are numbered C-1, C-2, …"""
        self._must_go_on()
        contact = Code(f"C-{len(self.contacts) + 1}")
        return ContactAdded(contact=contact, name=name, phone=phone, email=email, position=position)

    @command(by=DESKS, clause="3.1.2-c")
    def end_contact(self, contact: Code) -> ContactEnded | None:
        """This person speaks for the customer no longer."""
        self._must_go_on()
        self._must_be_known(contact)
        return ContactEnded(contact=contact) if self.contacts[contact] else None

    @command(by=LEADS, clause="2.2.3-b")
    def assign_owner(
        self, owner_id: EmployeeId, owner: Annotated[Post, about("owner_id")]
    ) -> AccountOwnerAssigned | None:
        """Say who of us looks after the customer."""
        self._must_go_on()
        if owner.roles.isdisjoint(DESKS):
            raise Refused("Choose somebody from business development or customer service.")
        return None if owner_id == self.owner_id else AccountOwnerAssigned(owner_id=owner_id)

    @command(by=DESKS, clause="3.1.2-c")
    def record_need(self, need: Text, intent: Intent) -> CustomerNeedRecorded:
        """What the customer needs, and how near it is to buying it."""
        self._must_go_on()
        return CustomerNeedRecorded(need=need, intent=intent)

    @command(by=SELLERS, clause="2.2.3-b")
    def qualify(self) -> CustomerQualified | None:
        """The customer needs something that we have."""
        self._must_be_welcome()
        if not self.has_needs:
            raise Refused("Record what the customer needs before you qualify it.")
        return CustomerQualified() if self.phase in {Phase.PROSPECT, Phase.LOST} else None

    @command(by=SELLERS, clause="2.2.3-b")
    def activate(
        self, contract_id: ContractId, contract: ContractStanding, file: CustomerStanding
    ) -> CustomerActivated | None:
        """The customer has become one: a contract with it is signed."""
        self._must_be_welcome()
        if not file.is_same_as(contract.customer_id):
            raise Refused("{contract_id} is a contract with another customer.", contract_id=contract_id)
        if contract.signed_at is None:
            raise Refused("{contract_id} is not signed: a customer is active by a signed contract.",
                          contract_id=contract_id)  # fmt: skip
        if contract.ended_at is not None:
            raise Refused("{contract_id} is over: nobody is a customer by it any more.", contract_id=contract_id)
        return None if self.phase is Phase.ACTIVE else CustomerActivated(contract_id=contract_id)

    @command(by=LEADS, clause="2.2.3-b")
    def assign_tier(self, tier: Tier) -> CustomerTierAssigned | None:
        """Say how much the customer matters, and so how often we come."""
        self._must_go_on()
        return None if tier is self.tier else CustomerTierAssigned(tier=tier)

    @command(by=SELLERS, clause="2.2.3-b")
    def mark_dormant(self, reason: Text) -> CustomerMarkedDormant | None:
        """The customer has bought nothing for long, and is not lost for that."""
        self._must_go_on()
        if self.phase not in {Phase.ACTIVE, Phase.DORMANT}:
            raise Refused("Only an active customer falls dormant: this one is {phase}.", phase=self.phase)
        return None if self.phase is Phase.DORMANT else CustomerMarkedDormant(reason=reason)

    @command(by=SELLERS, clause="2.2.3-b")
    def reactivate(self) -> CustomerReactivated:
        """A dormant customer does business with us again."""
        self._must_be_welcome()
        if self.phase is not Phase.DORMANT:
            raise Refused("Only a dormant customer is taken up again: this one is {phase}.", phase=self.phase)
        return CustomerReactivated()

    @command(by=SELLERS, clause="2.2.3-b")
    def lose(self, reason: Text) -> CustomerLost | None:
        """The customer does no business with us any more."""
        self._must_go_on()
        return None if self.phase is Phase.LOST else CustomerLost(reason=reason)

    @command(by=LEADS, clause="2.2.3-b")
    def block(self, reason: Text) -> CustomerBlocked | None:
        """We do no business with the customer until it is unblocked."""
        self._must_go_on()
        return None if self.blocked else CustomerBlocked(reason=reason)

    @command(by=LEADS, clause="2.2.3-b")
    def unblock(self, reason: Text) -> CustomerUnblocked | None:
        """We may do business with the customer again."""
        self._must_go_on()
        return CustomerUnblocked(reason=reason) if self.blocked else None

    @command(by=LEADS, clause="3.1.2-c")
    def merge(
        self, into_id: CustomerId, into: Annotated[CustomerStanding, about("into_id")], file: CustomerStanding
    ) -> CustomersMerged:
        """This file turns out to be of the same customer as another, which goes on with the open cases of both."""
        self._must_go_on()
        if into_id == file.customer_id:
            raise Refused("A customer cannot be merged into itself.")
        if into.merged_into is not None:
            raise Refused("{into_id} was itself merged into {id}: name that one.", into_id=into_id, id=into.merged_into)
        if file.credit_code is not None and into.credit_code is None:  # a code stays with the file that carries it
            raise Refused("Only this file has a credit code: merge {into_id} into this one instead.", into_id=into_id)
        if self.blocked and not into.blocked:
            raise Refused("This customer is blocked: block {into_id} as well before you merge them.", into_id=into_id)
        if None not in into.objects_to and not self.objections <= frozenset(into.objects_to):
            raise Refused("Record the objections to contact of this customer for {into_id} before you merge them.",
                          into_id=into_id)  # fmt: skip
        return CustomersMerged(into_id=into_id)

    @command(by=DESKS, clause="3.1.2-b")
    def record_objection(self, channel: Code | None = None) -> ContactObjectionRecorded | None:
        """The customer does not want to be approached by this channel, or by none at all."""
        self._must_go_on()
        said = channel_or_any(channel)
        return None if said in self.objections else ContactObjectionRecorded(channel=said)

    @command(by=DESKS, clause="3.1.2-b")
    def withdraw_objection(self, wording: Text, channel: Code | None = None) -> ContactObjectionWithdrawn:
        """The customer takes back, in its own words, what it objected to: the one channel or all, and nothing else."""
        self._must_go_on()
        said = channel_or_any(channel)
        if said not in self.objections:
            raise Refused("No such objection is on file: withdraw one as it was recorded.")
        return ContactObjectionWithdrawn(channel=said, wording=wording)

    @command(by=DESKS, clause="3.1.2-b")
    def contact(
        self,
        channel: Code,
        outcome: Code,
        wording: Text,
        contact: Code | None = None,
        campaign_id: CampaignId | None = None,
        next_step: Text | None = None,
    ) -> ProspectContacted:
        """Record that the customer was approached, by what channel, and what came of it."""
        self._must_be_welcome()
        said = channel_of(channel)
        if not self.objections.isdisjoint({None, said}):
            raise Refused("The customer objects to being contacted by {channel}.", channel=said)
        if contact is not None:
            self._must_be_known(contact)
        return ProspectContacted(
            channel=said,
            outcome=outcome,
            wording=wording,
            contact=contact,
            campaign_id=campaign_id,
            next_step=next_step,
        )

    def evolve(self, event: CustomerEvent, /) -> Customer:
        match event:
            case CustomerRegistered(credit_code=credit_code, region=region, segment=segment):
                profile = Profile(credit_code=credit_code, region=region, segment=segment, payment_terms=None)
                return replace(self, registered=True, profile=profile)
            case CustomerProfileChanged():
                return replace(self, profile=replace(self.profile, **facts_told(event) | {"name": UNSET}))
            case CustomerProfileCorrected():
                # it speaks of a time that may be over: a later change of the same fact still holds
                return replace(self, profile=replace(self.profile, **dict.fromkeys(facts_told(event), UNSET)))
            case ContactAdded(contact=contact):
                return replace(self, contacts={**self.contacts, contact: True})
            case ContactEnded(contact=contact):
                return replace(self, contacts={**self.contacts, contact: False})
            case AccountOwnerAssigned(owner_id=owner_id):
                return replace(self, owner_id=owner_id)
            case CustomerNeedRecorded():
                return replace(self, has_needs=True)
            case CustomerQualified():
                return replace(self, phase=Phase.QUALIFIED)
            case CustomerActivated() | CustomerReactivated():
                return replace(self, phase=Phase.ACTIVE)
            case CustomerMarkedDormant():
                return replace(self, phase=Phase.DORMANT)
            case CustomerTierAssigned(tier=tier):
                return replace(self, tier=tier)
            case CustomerLost():
                return replace(self, phase=Phase.LOST)
            case CustomerBlocked() | CustomerUnblocked():
                return replace(self, blocked=isinstance(event, CustomerBlocked))
            case CustomersMerged(into_id=into_id):
                return replace(self, merged_into=into_id)
            case ContactObjectionRecorded(channel=channel):
                return replace(self, objections=self.objections | {channel_or_any(channel)})
            case ContactObjectionWithdrawn(channel=channel):
                return replace(self, objections=self.objections - {channel_or_any(channel)})
            case ProspectContacted():
                return self
            case _:
                assert_never(event)

    def _must_go_on(self) -> None:
        if self.merged_into is not None:
            raise Refused("This customer was merged into {id}: go on there.", id=self.merged_into)

    def _must_be_welcome(self) -> None:
        self._must_go_on()
        if self.blocked:
            raise Refused("This customer is blocked.")

    def _must_be_known(self, contact: Code) -> None:
        if contact not in self.contacts:
            raise Refused("There is no contact {contact}.", contact=contact)
