"""The company's calendar of one year: working hours, holidays, make-up days; what every deadline counts by: 1.3.2."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from itertools import pairwise
from typing import TypeAlias, assert_never

from aggregates.actor import Role
from aggregates.event import Event, command
from aggregates.refused import Refused
from aggregates.text import Code
from aggregates.value import Value
from aggregates.working_time import SATURDAY, Shift, WorkingYear

KEEPERS = (Role.MANAGER, Role.HUMAN_RESOURCES)
FIRST_YEAR, LAST_YEAR = 1990, 2500


class BusinessCalendarPublished(Event):
    year: int
    shifts: tuple[Shift, ...]
    days_off: tuple[date, ...]
    days_worked: tuple[date, ...]
    source: Code


class BusinessCalendarCorrected(Event):
    """The whole year as it should have been published."""

    year: int
    shifts: tuple[Shift, ...]
    days_off: tuple[date, ...]
    days_worked: tuple[date, ...]
    source: Code


CalendarEvent: TypeAlias = BusinessCalendarPublished | BusinessCalendarCorrected


class Calendar(Value):
    """Monday to Friday are worked but for the days off; of Saturdays and Sundays only those named are."""

    published: WorkingYear | None = None

    @command(by=KEEPERS, clause="1.3.2", opens=True)
    def publish(
        self,
        year: int,
        shifts: tuple[Shift, ...],
        source: Code,
        days_off: tuple[date, ...] = (),
        days_worked: tuple[date, ...] = (),
    ) -> BusinessCalendarPublished:
        """Say how a year is worked; `source` names the notice that its holidays come from."""
        if self.published is not None:
            raise Refused("The calendar of {year} is published: correct it instead.", year=self.published.year)
        _check(year, shifts, days_off, days_worked)
        return BusinessCalendarPublished(
            year=year, shifts=shifts, days_off=_sorted(days_off), days_worked=_sorted(days_worked), source=source
        )

    @command(by=KEEPERS, clause="1.3.2")
    def correct(
        self,
        shifts: tuple[Shift, ...],
        source: Code,
        days_off: tuple[date, ...] = (),
        days_worked: tuple[date, ...] = (),
    ) -> BusinessCalendarCorrected | None:
        """Give the whole year anew, as a mended notice or an oversight asks for."""
        if self.published is None:
            raise Refused("Publish the calendar of this year first.")
        year = self.published.year
        _check(year, shifts, days_off, days_worked)
        if _year(year, shifts, days_off, days_worked) == self.published:
            return None
        return BusinessCalendarCorrected(
            year=year, shifts=shifts, days_off=_sorted(days_off), days_worked=_sorted(days_worked), source=source
        )

    def evolve(self, event: CalendarEvent, /) -> Calendar:
        match event:
            case BusinessCalendarPublished() | BusinessCalendarCorrected():
                return Calendar(published=year_of(event))
            case _:
                assert_never(event)


def year_of(event: CalendarEvent) -> WorkingYear:
    """The year as such an event gives it."""
    return _year(event.year, event.shifts, event.days_off, event.days_worked)


def _year(year: int, shifts: tuple[Shift, ...], off: Iterable[date], worked: Iterable[date]) -> WorkingYear:
    return WorkingYear(year=year, shifts=shifts, days_off=frozenset(off), days_worked=frozenset(worked))


def _check(year: int, shifts: tuple[Shift, ...], days_off: tuple[date, ...], days_worked: tuple[date, ...]) -> None:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise Refused("Name a year from {first} to {last}.", first=FIRST_YEAR, last=LAST_YEAR)
    if not shifts:
        raise Refused("Give at least one shift of the working day.")
    if any(shift.ends <= shift.begins for shift in shifts) or any(a.ends > b.begins for a, b in pairwise(shifts)):
        raise Refused("Each shift ends after it begins, and before the next one does.")
    for day in (*days_off, *days_worked):
        if day.year != year:
            raise Refused("{day} is not a day of {year}.", day=day, year=year)
    for day in days_worked:
        if day in days_off:
            raise Refused("{day} cannot be both off and worked.", day=day)
        if day.weekday() < SATURDAY:
            raise Refused("{day} is worked anyway: name a Saturday or a Sunday.", day=day)


def _sorted(days: tuple[date, ...]) -> tuple[date, ...]:
    return tuple(sorted(set(days)))
