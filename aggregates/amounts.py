"""Amounts of money as rules look at them: are they any, and who may decide on so much?"""

from __future__ import annotations

from decimal import Decimal

from aggregates.actor import Actor, Role
from aggregates.facts import Setting


def is_amount(amount: Decimal) -> bool:
    """Zero or more, and no infinity."""
    return amount.is_finite() and amount >= 0


def is_something(amount: Decimal) -> bool:
    """More than zero, and no infinity."""
    return amount.is_finite() and amount > 0


def beyond_authority(by: Actor, amount: Decimal, limits: Setting) -> Decimal | None:
    """The most that a deputy decides on, where it is more than that and takes the manager; else None."""
    most = limits["deputy"].amount
    return most if amount > most and Role.MANAGER not in by.roles else None
