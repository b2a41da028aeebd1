"""How long something may take: a parameter's value when the obligation began, counted by the company's calendar."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from aggregates.event import Event
from aggregates.facts import Quantity, Unit
from aggregates.value import Value
from aggregates.working_time import NoCalendar
from projections.reference import Reference, Version

WORKING_HOUR, WORKING_DAY = Unit.WORKING_HOUR, Unit.WORKING_DAY

ELAPSED = {Unit.SECOND: timedelta(seconds=1), Unit.HOUR: timedelta(hours=1), Unit.DAY: timedelta(days=1)}
"""Units that nights and holidays count in."""


class Limit(Value):
    """A value of a parameter. `named_by`: an event whose field says which value; before the first there is no limit."""

    parameter: str
    value: str | None = "limit"
    named_by: tuple[type[Event], str] | None = None

    def version(self, reference: Reference, at: datetime) -> Version | None:
        """The version in force at an instant, the first one for what is older; None if nobody has defined any."""
        known = reference.in_force.get(self.parameter)
        return None if known is None else known.at(at)

    def allows(
        self, at: datetime, reference: Reference, named: str | None = None
    ) -> tuple[Version | None, Term | None]:
        """The version in force at an instant, and how long what begins then may take by it, as far as that is known.
        `named`: the value named last."""
        version = self.version(reference, at)
        return version, term(self.quantity(version, named or self.value), at, reference)

    def allowed_by(
        self, position: int | None, since: datetime, reference: Reference, named: str | None = None
    ) -> Term | None:
        """How long what begins at an instant may take by the version that a verdict cites. `named`: as above."""
        return term(self.quantity(self.cited(reference, position), named or self.value), since, reference)

    def cited(self, reference: Reference, position: int | None) -> Version | None:
        """The version that a verdict cites by the position of its event."""
        known = reference.in_force.get(self.parameter)
        for version in () if known is None else known.versions:
            if version.position == position:
                return version
        return None

    def quantity(self, version: Version | None, name: str | None) -> Quantity | None:
        """What a version says under a name; None where it says nothing."""
        if version is None:
            return None
        values: Mapping[Any, Quantity] = version.values  # any, for `Code` is a call, and is made for each of millions
        return values.get(name)


class Term(NamedTuple):
    """So many seconds: of working time, or around the clock."""

    seconds: int
    around_the_clock: bool


def ending(seconds: int, around_the_clock: bool, since: datetime, spent: int, reference: Reference) -> datetime | None:
    """When so many seconds are over, some of them having been spent before an instant; None if no calendar reaches so
    far."""
    left = seconds - spent if spent < seconds else 0
    if around_the_clock:
        return since + timedelta(seconds=left)
    return reference.working_time.due(since, left) if left else since


def term(quantity: Quantity | None, since: datetime, reference: Reference) -> Term | None:
    """A quantity in seconds, a working day as long as those of the year it begins in; None if there is no calendar."""
    if quantity is None:
        return None
    amount, unit = quantity.amount, quantity.unit
    if unit is WORKING_HOUR:
        return _worked(amount, 3600)
    if unit is WORKING_DAY:
        day = reference.working_time.day_in(since)
        return None if day is None else _worked(amount, day)
    if unit not in ELAPSED:
        raise ValueError(f"nothing can be due within {amount} of {unit}")
    return Term(int(amount * _seconds(ELAPSED[unit])), around_the_clock=True)


@lru_cache(256)
def _worked(amount: Decimal, unit_seconds: float) -> Term:
    return Term(int(float(amount) * unit_seconds), around_the_clock=False)


def passed(since: datetime, until: datetime, around_the_clock: bool, reference: Reference) -> int:
    """How many seconds have passed; none that no calendar tells of."""
    if around_the_clock:
        return max(_seconds(until - since), 0)
    try:
        return _seconds(reference.working_time.between(since, until))
    except NoCalendar:
        return 0


def _seconds(time: timedelta) -> int:
    return int(time.total_seconds())
