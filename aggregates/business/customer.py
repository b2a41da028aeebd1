"""A customer and its file: who it is, whom we speak to there, who of us looks after it: regulation 3.1.2, 2.2.3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias, assert_never

from msgspec import UNSET, UnsetType
from msgspec.structs import asdict, replace

from aggregates.actor import Role
from aggregates.event import Event, command
from aggregates.facts import Post, about
from aggregates.ids import EmployeeId
from aggregates.refused import Refused
from aggregates.text import Code, Personal, Text, findable, personal, unique
from aggregates.value import Value

DESKS = (
    Role.BUSINESS_DEVELOPMENT,
    Role.BUSINESS_DEVELOPMENT_LEAD,
    Role.CUSTOMER_SERVICE,
    Role.CUSTOMER_SERVICE_LEAD,
)
"""Who speaks with customers, keeps their files and may look after one."""

Name: TypeAlias = Annotated[Text, findable("customer-name")]
CreditCode: TypeAlias = Annotated[Code, unique("credit-code")]
Own: TypeAlias = Annotated[Personal, personal("self")]


class Profile(Value):
    """What a file says of a customer. A fact left out stays as it is; null says that there is none any more."""

    name: Name | UnsetType = UNSET
    credit_code: CreditCode | UnsetType | None = UNSET
    region: Code | UnsetType | None = UNSET
    segment: Code | UnsetType | None = UNSET
    payment_terms: Code | UnsetType | None = UNSET


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


CustomerEvent: TypeAlias = (
    CustomerRegistered
    | CustomerProfileChanged
    | CustomerProfileCorrected
    | ContactAdded
    | ContactEnded
    | AccountOwnerAssigned
)


class Customer(Value):
    """What rules read of the file. A fact of the profile is unset where it is not certain what holds now."""

    registered: bool = False
    profile: Profile = Profile()
    contacts: Mapping[Code, bool] = {}
    owner_id: EmployeeId | None = None

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
        _check(credit_code)
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
        _check(credit_code)
        told = Profile(name=name, credit_code=credit_code, region=region, segment=segment, payment_terms=payment_terms)
        news = {fact: value for fact, value in _facts(told).items() if value != getattr(self.profile, fact)}
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
        _check(credit_code)
        corrected = CustomerProfileCorrected(
            name=name, credit_code=credit_code, region=region, segment=segment, payment_terms=payment_terms
        )
        return corrected if _facts(corrected) else None

    @command(by=DESKS, clause="3.1.2-c")
    def add_contact(
        self, name: Own, phone: Own | None = None, email: Own | None = None, position: Code | None = None
    ) -> ContactAdded:
        """Note a person who speaks for the customer; contacts are numbered C-1, C-2, …"""
        contact = Code(f"C-{len(self.contacts) + 1}")
        return ContactAdded(contact=contact, name=name, phone=phone, email=email, position=position)

    @command(by=DESKS, clause="3.1.2-c")
    def end_contact(self, contact: Code) -> ContactEnded | None:
        """This person speaks for the customer no longer."""
        if contact not in self.contacts:
            raise Refused("There is no contact {contact}.", contact=contact)
        return ContactEnded(contact=contact) if self.contacts[contact] else None

    @command(by=(Role.BUSINESS_DEVELOPMENT_LEAD, Role.DEPUTY, Role.MANAGER), clause="2.2.3-b")
    def assign_owner(
        self, owner_id: EmployeeId, owner: Annotated[Post, about("owner_id")]
    ) -> AccountOwnerAssigned | None:
        """Say who of us looks after the customer."""
        if owner.roles.isdisjoint(DESKS):
            raise Refused("Choose somebody from business development or customer service.")
        return None if owner_id == self.owner_id else AccountOwnerAssigned(owner_id=owner_id)

    def evolve(self, event: CustomerEvent, /) -> Customer:
        match event:
            case CustomerRegistered(credit_code=credit_code, region=region, segment=segment):
                profile = Profile(credit_code=credit_code, region=region, segment=segment, payment_terms=None)
                return replace(self, registered=True, profile=profile)
            case CustomerProfileChanged():
                return replace(self, profile=replace(self.profile, **_facts(event) | {"name": UNSET}))
            case CustomerProfileCorrected():
                # it speaks of a time that may be over: a later change of the same fact still holds
                return replace(self, profile=replace(self.profile, **dict.fromkeys(_facts(event), UNSET)))
            case ContactAdded(contact=contact):
                return replace(self, contacts={**self.contacts, contact: True})
            case ContactEnded(contact=contact):
                return replace(self, contacts={**self.contacts, contact: False})
            case AccountOwnerAssigned(owner_id=owner_id):
                return replace(self, owner_id=owner_id)
            case _:
                assert_never(event)


def _facts(profile: Profile) -> dict[str, Any]:
    """What is told, and nothing of what is left out."""
    return {fact: value for fact, value in asdict(profile).items() if value is not UNSET}


ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def is_credit_code(code: str) -> bool:
    """Is it a unified social credit code (GB 32100-2015): 18 characters, of which the last one checks the others?"""
    if len(code) != 18 or not set(code) <= set(ALPHABET) or not code[2:8].isdigit():
        return False
    weighted = sum(ALPHABET.index(character) * pow(3, place, 31) for place, character in enumerate(code[:17]))
    return ALPHABET[-weighted % 31] == code[17]


def _check(credit_code: Code | UnsetType | None) -> None:
    if isinstance(credit_code, str) and not is_credit_code(credit_code):
        raise Refused("{code} is no unified social credit code: compare it with the licence.", code=credit_code)
