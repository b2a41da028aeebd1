"""Calendar: every rule once."""

from __future__ import annotations

from datetime import date, time

import pytest

from aggregates.organisation.calendar import BusinessCalendarCorrected, BusinessCalendarPublished, Calendar
from aggregates.text import Code
from aggregates.working_time import Shift
from tests.given import given

OFFICE = (Shift(begins=time(9), ends=time(12)), Shift(begins=time(13), ends=time(18)))
NOTICE = Code("国办发明电〔2025〕7号")
NEW_YEAR, NEXT, MADE_UP = date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 4)

published = BusinessCalendarPublished(
    year=2026, shifts=OFFICE, days_off=(NEW_YEAR, NEXT), days_worked=(MADE_UP,), source=NOTICE
)


def test_a_year_is_published_with_its_days_in_order() -> None:
    given(Calendar).when(Calendar.publish, 2026, OFFICE, NOTICE, (NEXT, NEW_YEAR, NEXT), (MADE_UP,)).then(published)


def test_a_year_is_published_once() -> None:
    given(Calendar, published).when(Calendar.publish, 2026, OFFICE, NOTICE).then_refused("correct it instead")


@pytest.mark.parametrize(
    ("year", "shifts", "off", "worked", "because"),
    [
        (1889, OFFICE, (), (), "Name a year"),
        (2026, (), (), (), "at least one shift"),
        (2026, (Shift(begins=time(12), ends=time(12)),), (), (), "ends after it begins"),
        (2026, (OFFICE[1], OFFICE[0]), (), (), "before the next one does"),
        (2026, OFFICE, (date(2025, 1, 1),), (), "not a day of 2026"),
        (2026, OFFICE, (), (date(2027, 1, 2),), "not a day of 2026"),
        (2026, OFFICE, (MADE_UP,), (MADE_UP,), "both off and worked"),
        (2026, OFFICE, (), (NEXT,), "worked anyway"),
    ],
)
def test_what_no_calendar_can_say_is_refused(
    year: int, shifts: tuple[Shift, ...], off: tuple[date, ...], worked: tuple[date, ...], because: str
) -> None:
    given(Calendar).when(Calendar.publish, year, shifts, NOTICE, off, worked).then_refused(because)


def test_a_mended_notice_corrects_the_whole_year() -> None:
    given(Calendar, published).when(Calendar.correct, OFFICE, NOTICE, (NEW_YEAR,), ()).then(
        BusinessCalendarCorrected(year=2026, shifts=OFFICE, days_off=(NEW_YEAR,), days_worked=(), source=NOTICE)
    )


def test_nothing_is_corrected_that_was_never_published() -> None:
    given(Calendar).when(Calendar.correct, OFFICE, NOTICE).then_refused("Publish the calendar")


def test_a_correction_that_says_the_same_changes_nothing() -> None:
    given(Calendar, published).when(Calendar.correct, OFFICE, NOTICE, (NEXT, NEW_YEAR), (MADE_UP,)).then_nothing()


def test_a_correction_keeps_the_rules_too() -> None:
    given(Calendar, published).when(Calendar.correct, OFFICE, NOTICE, (date(2025, 1, 1),)).then_refused("not a day")


def test_after_a_correction_it_is_the_corrected_year_that_counts() -> None:
    corrected = BusinessCalendarCorrected(year=2026, shifts=OFFICE, days_off=(), days_worked=(), source=NOTICE)
    given(Calendar, published, corrected).when(Calendar.correct, OFFICE, NOTICE).then_nothing()
