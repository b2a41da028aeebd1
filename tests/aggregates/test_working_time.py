"""Working time: against arithmetic that walks through every minute, and against days that people know."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given as property_of
from hypothesis import strategies as st

from aggregates.working_time import NoCalendar, Shift, WorkingTime, WorkingYear

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
OFFICE = (Shift(begins=time(9), ends=time(12)), Shift(begins=time(13), ends=time(18)))
NEW_YEAR = frozenset({date(2026, 1, 1), date(2026, 1, 2)})
YEARS = (
    WorkingYear(year=2025, shifts=OFFICE),
    WorkingYear(year=2026, shifts=OFFICE, days_off=NEW_YEAR, days_worked=frozenset({date(2026, 1, 4)})),
    WorkingYear(year=2027, shifts=(Shift(begins=time(22), ends=time(23, 30)),)),
)
COMPANY = WorkingTime(YEARS, SHANGHAI)


def at(day: int, hour: int, minute: int = 0, *, month: int = 1, year: int = 2026) -> datetime:
    """An instant of the company's, most of them in January."""
    return datetime(year, month, day, hour, minute, tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("start", "amount", "due"),
    [
        (at(5, 9), 4 * HOUR, at(5, 14)),  # over the noon break
        (at(5, 17), 2 * HOUR, at(6, 10)),  # over night
        (at(5, 15), 3 * HOUR, at(5, 18)),  # to the last minute of a day, not to the first of the next
        (at(5, 20), 1 * HOUR, at(6, 10)),  # begun after hours
        (at(5, 12, 30), 30 * MINUTE, at(5, 13, 30)),  # begun in the break
        (at(9, 17), 2 * HOUR, at(12, 10)),  # Friday to Monday
        (at(31, 17, month=12, year=2025), 2 * HOUR, at(4, 10)),  # New Year's holiday, then a Sunday that is worked
        (at(4, 17), 2 * HOUR, at(5, 10)),  # from that Sunday into Monday
        (at(5, 20), timedelta(), at(5, 20)),
    ],
)
def test_a_deadline_falls_where_people_would_put_it(start: datetime, amount: timedelta, due: datetime) -> None:
    assert COMPANY.after(start, amount) == due


def test_a_working_day_is_as_long_as_its_shifts() -> None:
    assert COMPANY.days_after(at(5, 15), 1) == at(6, 15)
    assert COMPANY.days_after(at(9, 15), 2) == at(13, 15)


def test_a_deadline_is_told_in_the_zone_it_was_asked_in() -> None:
    assert COMPANY.after(datetime(2026, 1, 5, 1, tzinfo=UTC), HOUR).tzinfo is UTC


@pytest.mark.parametrize(
    ("start", "amount"),
    [(at(1, 9, year=2024), HOUR), (at(31, 17, month=12, year=2027), 90 * HOUR), (at(1, 9, year=2030), HOUR)],
)
def test_no_deadline_is_guessed_in_a_year_without_calendar(start: datetime, amount: timedelta) -> None:
    with pytest.raises(NoCalendar):
        COMPANY.after(start, amount)


def test_where_no_calendar_is_nothing_is_due() -> None:
    torn, nowhere = WorkingTime((YEARS[0], YEARS[2]), SHANGHAI), WorkingTime((), SHANGHAI)
    in_the_gap, before_it = at(5, 9), at(31, 17, month=12, year=2025)
    for company, instant in ((torn, in_the_gap), (nowhere, in_the_gap)):
        assert company.due(instant, 3600) is None
        assert company.day_in(instant) is None
    assert torn.due(before_it, 2 * 3600) is None
    assert torn.due(at(5, 9, year=2027), 3600) == at(5, 23, year=2027)


def test_an_instant_is_the_same_whichever_object_says_it() -> None:
    first, again = at(5, 15), at(5, 15)
    assert first is not again
    assert {COMPANY.due(instant, 3600) for instant in (first, again, at(6, 15), first)} == {at(5, 16), at(6, 16)}


def test_a_year_missing_in_between_is_missed() -> None:
    torn = WorkingTime((YEARS[0], YEARS[2]), SHANGHAI)
    with pytest.raises(NoCalendar) as missing:
        torn.after(at(31, 17, month=12, year=2025), 2 * HOUR)
    assert missing.value.year == 2026
    with pytest.raises(NoCalendar):
        torn.between(at(31, 9, month=12, year=2025), at(1, 9, year=2027))


def test_a_wall_clock_that_jumps_does_not_take_from_the_working_day() -> None:
    night = WorkingTime((WorkingYear(year=2026, shifts=(Shift(begins=time(0), ends=time(8)),)),), BERLIN)
    friday = datetime(2026, 3, 27, 4, tzinfo=BERLIN)
    assert night.after(friday, 5 * HOUR) == datetime(2026, 3, 30, 1, tzinfo=BERLIN)


def obvious(years: tuple[WorkingYear, ...], start: datetime, end: datetime) -> timedelta:
    """How much is worked between two whole minutes: minute by minute, by the clock on the wall."""
    return sum((MINUTE for minute in _minutes(start, end) if _worked(years, minute.astimezone(SHANGHAI))), timedelta())


def _minutes(start: datetime, end: datetime) -> Iterator[datetime]:
    while start < end:
        yield start
        start += MINUTE


def _worked(years: tuple[WorkingYear, ...], now: datetime) -> bool:
    (year,) = [year for year in years if year.year == now.year]
    day = now.date()
    named = day in year.days_worked
    usual = day.isoweekday() <= 5 and day not in year.days_off
    return (named or usual) and any(shift.begins <= now.time() < shift.ends for shift in year.shifts)


@st.composite
def companies(draw: st.DrawFn) -> tuple[WorkingYear, ...]:
    """Two years of some company, of which only the days around New Year are ever asked about."""
    minutes = draw(st.lists(st.integers(0, 24 * 60 - 1), min_size=2, max_size=6, unique=True).map(sorted))
    clock = [time(minute // 60, minute % 60) for minute in minutes]
    shifts = tuple(Shift(begins=a, ends=b) for a, b in zip(clock[::2], clock[1::2], strict=False))
    old, new = [date(2025, 12, day) for day in range(24, 32)], [date(2026, 1, day) for day in range(1, 9)]
    return tuple(
        WorkingYear(
            year=year,
            shifts=shifts,
            days_off=frozenset(draw(st.sets(st.sampled_from(days), max_size=4))),
            days_worked=frozenset(day for day in draw(st.sets(st.sampled_from(days))) if day.isoweekday() > 5),
        )
        for year, days in ((2025, old), (2026, new))
    )


instants = st.integers(0, 10 * 24 * 60).map(lambda minute: datetime(2025, 12, 27, tzinfo=UTC) + minute * MINUTE)


@property_of(companies(), instants, instants)
def test_what_is_worked_between_two_instants_is_what_a_clock_would_count(
    years: tuple[WorkingYear, ...], start: datetime, end: datetime
) -> None:
    assert WorkingTime(years, SHANGHAI).between(start, end) == obvious(years, start, end)


@property_of(companies(), instants, st.integers(0, 300))
def test_a_deadline_is_the_first_instant_by_which_so_much_is_worked(
    years: tuple[WorkingYear, ...], start: datetime, minutes: int
) -> None:
    company = WorkingTime(years, SHANGHAI)
    amount = min(minutes * MINUTE, 3 * years[0].day)  # no calendar reaches further than the next year
    due = company.after(start, amount)
    assert company.between(start, due) == amount
    assert due == start or company.between(start, due - MINUTE) < amount
