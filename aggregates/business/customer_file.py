"""What a customer's file is made of: what it says of the customer, and the words for how far we are with it."""

from __future__ import annotations

from enum import StrEnum, auto
from typing import Annotated, Any, TypeAlias

from msgspec import UNSET, UnsetType
from msgspec.structs import asdict

from aggregates.text import Code, Text, findable, unique
from aggregates.value import Value

Name: TypeAlias = Annotated[Text, findable("customer-name")]
CreditCode: TypeAlias = Annotated[Code, unique("credit-code")]


class Tier(StrEnum):
    """How much a customer matters to us; A the most."""

    A = "A"
    B = "B"
    C = "C"


class Intent(StrEnum):
    """How near a customer is to buying what it needs."""

    LOW = auto()
    MEDIUM = auto()
    HIGH = auto()


class Phase(StrEnum):
    """How far we are with each other: from a prospect to a customer, and perhaps away again."""

    PROSPECT = auto()
    QUALIFIED = auto()
    ACTIVE = auto()
    DORMANT = auto()
    LOST = auto()


class Profile(Value):
    """What a file says of a customer. A fact left out stays as it is; null says that there is none any more."""

    name: Name | UnsetType = UNSET
    credit_code: CreditCode | UnsetType | None = UNSET
    region: Code | UnsetType | None = UNSET
    segment: Code | UnsetType | None = UNSET
    payment_terms: Code | UnsetType | None = UNSET


def facts_told(profile: Profile) -> dict[str, Any]:
    """What is told, and nothing of what is left out."""
    return {fact: value for fact, value in asdict(profile).items() if value is not UNSET}
