"""What one aggregate may have to know of others: small answers, guaranteed still true when the decision is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

from msgspec import Meta

from aggregates.actor import Role
from aggregates.ids import EmployeeId
from aggregates.text import Code
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
