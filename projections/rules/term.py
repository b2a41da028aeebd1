"""How long something may take: a parameter's value when the obligation began, counted by the company's calendar."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from aggregates.event import Event
from aggregates.facts import Quantity, Unit
from aggregates.text import Code
from aggregates.value import Value
from aggregates.working_time import NoCalendar
from projections.reference import Reference, Version

ELAPSED = {Unit.SECOND: timedelta(seconds=1), Unit.HOUR: timedelta(hours=1), Unit.DAY: timedelta(days=1)}
"""Units that nights and holidays count in."""


class Limit(Value):
    """A value of a parameter. `named_by`: an event whose field says which value; before it there is no limit."""

    parameter: str
    value: str | None = "limit"
    named_by: tuple[type[Event], str] | None = None

    def version(self, reference: Reference, at: datetime) -> Version | None:
        """The version in force at an instant, the first one for what is older; None if nobody has defined any."""
        return reference.version(self.parameter, at) if Code(self.parameter) in reference.versions else None

    def quantity(self, version: Version | None, name: str | None) -> Quantity | None:
        """What a version says under a name; None where it says nothing."""
        return None if version is None or name is None else version.values.get(Code(name))


class Length(NamedTuple):
    """So many seconds: of working time, or around the clock."""

    seconds: int
    around_the_clock: bool


def length(quantity: Quantity | None, since: datetime, reference: Reference) -> Length | None:
    """A quantity in seconds, a working day as long as those of the year it begins in; None if there is no calendar."""
    if quantity is None:
        return None
    if (unit := ELAPSED.get(quantity.unit)) is not None:
        return Length(int(quantity.amount * int(unit.total_seconds())), around_the_clock=True)
    if quantity.unit is Unit.WORKING_HOUR:
        return Length(int(quantity.amount * 3600), around_the_clock=False)
    if quantity.unit is not Unit.WORKING_DAY:
        raise ValueError(f"nothing can be due within {quantity.amount} of {quantity.unit}")
    day = reference.working_time.known_day_in(since)
    if day is None:
        return None
    return Length(int(quantity.amount * int(day.total_seconds())), around_the_clock=False)


def end_of(since: datetime, seconds: int, around_the_clock: bool, reference: Reference) -> datetime | None:
    """When so much time has passed from an instant on; None if no calendar reaches so far."""
    amount = timedelta(seconds=seconds)
    if around_the_clock:
        return since + amount
    try:
        return reference.working_time.after(since, amount)
    except NoCalendar:
        return None


def passed(since: datetime, until: datetime, around_the_clock: bool, reference: Reference) -> int:
    """How many seconds have passed; none that no calendar tells of."""
    if around_the_clock:
        return max(int((until - since).total_seconds()), 0)
    try:
        return int(reference.working_time.between(since, until).total_seconds())
    except NoCalendar:
        return 0
