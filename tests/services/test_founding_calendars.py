"""The announced years are what the notices say: as many days off as they count, and nothing that the rules refuse."""

from __future__ import annotations

from datetime import date

import pytest

from aggregates.organisation.calendar import Calendar, year_of
from services.founding_calendars import ANNOUNCED, Announced
from tests.given import given

WORKED = {2025: 248, 2026: 248}
"""Working days of the years; 365 or 366 less weekends and holidays."""


@pytest.mark.parametrize("announced", ANNOUNCED, ids=lambda announced: str(announced.year))
def test_an_announced_year_is_one_that_could_be_published_by_hand(announced: Announced) -> None:
    event = announced.published()
    given(Calendar).when(
        Calendar.publish, event.year, event.shifts, event.source, event.days_off, event.days_worked
    ).then(event)
    assert len(list(year_of(event).days())) == WORKED[event.year]


@pytest.mark.parametrize(
    ("day", "worked"),
    [
        (date(2026, 2, 14), True),  # the Saturday before Spring Festival
        (date(2026, 2, 16), False),
        (date(2026, 10, 7), False),
        (date(2026, 10, 10), True),
        (date(2026, 10, 11), False),
        (date(2026, 11, 26), True),
    ],
)
def test_days_that_people_know(day: date, worked: bool) -> None:
    (announced,) = [announced for announced in ANNOUNCED if announced.year == day.year]
    assert year_of(announced.published()).works_on(day) == worked
