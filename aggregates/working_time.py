"""Working time: the hours of the company's working days, one after the other; holidays and nights do not count."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta, tzinfo
from itertools import accumulate, count
from typing import Annotated, TypeAlias

from msgspec import Meta

from aggregates.value import Value

SATURDAY = 5

OnTheWall: TypeAlias = Annotated[time, Meta(tz=False)]
"""A time of day as the clock on the wall shows it; the company's zone says when that is."""


class Shift(Value):
    """A stretch of a working day: from nine to twelve."""

    begins: OnTheWall
    ends: OnTheWall

    @property
    def length(self) -> timedelta:
        """How long it takes."""
        return _since_midnight(self.ends) - _since_midnight(self.begins)


class WorkingYear(Value):
    """Which days of a year are worked, and when: Monday to Friday but for the days off, and the weekend days named."""

    year: int
    shifts: tuple[Shift, ...]
    days_off: frozenset[date] = frozenset()
    days_worked: frozenset[date] = frozenset()

    @property
    def day(self) -> timedelta:
        """How much work a day holds."""
        return sum((shift.length for shift in self.shifts), timedelta())

    def works_on(self, day: date) -> bool:
        """Is that day of this year worked?"""
        return day in self.days_worked or (day.weekday() < SATURDAY and day not in self.days_off)

    def days(self) -> Iterator[date]:
        """The days that are worked, in order."""
        day = date(self.year, 1, 1)
        while day.year == self.year:
            if self.works_on(day):
                yield day
            day += timedelta(days=1)


class NoCalendar(Exception):
    """Working time was asked for in a year whose calendar nobody has published."""

    def __init__(self, year: int) -> None:
        super().__init__(f"no calendar of {year} is published")
        self.year = year


_Asked: TypeAlias = tuple[datetime | None, float, int | None, float, float]
"""An instant, its seconds, its year if that has a calendar, when that is over, and how much was worked before it."""


class WorkingTime:
    """Some years on end, counted through: how much was worked before each shift begins. The zone says when that is.

    Instants are counted in seconds here, exact to the microsecond: folding asks for deadlines by the million.
    """

    def __init__(self, years: Iterable[WorkingYear], zone: tzinfo) -> None:
        self.zone = zone
        self.years: Mapping[int, WorkingYear] = {year.year: year for year in sorted(years, key=lambda year: year.year)}
        shifts = [(day, shift) for year in self.years.values() for day in year.days() for shift in year.shifts]
        self._begins = [datetime.combine(day, shift.begins, zone).timestamp() for day, shift in shifts]
        self._ends = [datetime.combine(day, shift.ends, zone).timestamp() for day, shift in shifts]
        lengths = (end - begin for begin, end in zip(self._begins, self._ends, strict=True))
        self._before = [0.0, *accumulate(lengths)]
        self._days = {year.year: year.day.total_seconds() for year in self.years.values()}
        self._first, self._last = min(self.years, default=0), max(self.years, default=0)
        turns = range(self._first, self._last + 2) if self.years else ()
        self._turns = [datetime(year, 1, 1, tzinfo=zone).timestamp() for year in turns]
        self._lies_in = [(day.year, self._turns[day.year - self._first + 1]) for day, _ in shifts]
        self._last_asked: _Asked = (None, 0.0, None, 0.0, 0.0)

    def after(self, start: datetime, amount: timedelta) -> datetime:
        """When so much has been worked from an instant on; that instant if it is nothing. NoCalendar past the end."""
        if not amount:
            return start
        if (due := self.due(start, amount.total_seconds())) is None:
            raise NoCalendar(self._without_calendar(self._year_of(start.timestamp())))
        return due

    def due(self, start: datetime, seconds: float) -> datetime | None:
        """The same of some seconds, None past the end: so rules ask, and much of the past has no calendar."""
        known = self._last_asked
        _, begin, year, over, worked = known if known[0] is start else self._asked(start)
        if year is None:
            return None
        target = worked + seconds
        place = bisect_left(self._before, target) - 1
        if place >= len(self._begins):
            return None
        due = begin if place < 0 else self._begins[place] + (target - self._before[place])
        if due >= over and self._without_calendar(year) <= self._year_of(due):
            return None
        return datetime.fromtimestamp(due, start.tzinfo)

    def days_after(self, start: datetime, days: int) -> datetime:
        """When so many working days have passed, each as long as those of the year it begins in."""
        if (day := self.day_in(start)) is None:
            raise NoCalendar(self._year_of(start.timestamp()))
        return self.after(start, timedelta(seconds=days * day))

    def day_in(self, instant: datetime) -> float | None:
        """How many seconds of work a day holds in the year of an instant; None if that has no calendar."""
        year = self._asked(instant)[2]
        return None if year is None else self._days[year]

    def between(self, start: datetime, end: datetime) -> timedelta:
        """How much is worked from one instant to another; nothing if the second is not later. NoCalendar."""
        if end <= start:
            return timedelta()
        begin, until = start.timestamp(), end.timestamp()
        self._require_all(self._year_of(begin), self._year_of(until))
        return timedelta(seconds=self._worked(until) - self._worked(begin))

    def _asked(self, start: datetime) -> _Asked:
        """Where an instant lies; found once for all that begins with the same event."""
        if self._last_asked[0] is start:
            return self._last_asked
        begin = start.timestamp()
        place = bisect_right(self._begins, begin) - 1
        year, over = self._lies_in[place] if place >= 0 else (0, begin)
        if begin < over:  # the shift that began last was of the same year
            shift, end = self._begins[place], self._ends[place]
            worked = self._before[place] + (begin if begin < end else end) - shift  # noqa: FURB136  # asked by millions
        elif (year := self._first + bisect_right(self._turns, begin) - 1) in self._days:
            over, worked = self._turns[year - self._first + 1], self._worked(begin)
        else:
            self._last_asked = (start, begin, None, 0.0, 0.0)
            return self._last_asked
        self._last_asked = (start, begin, year, over, worked)
        return self._last_asked

    def _year_of(self, instant: float) -> int:
        return datetime.fromtimestamp(instant, self.zone).year

    def _worked(self, instant: float) -> float:
        """Since the beginning of the first year."""
        place = bisect_right(self._begins, instant) - 1
        return 0.0 if place < 0 else self._before[place] + min(instant, self._ends[place]) - self._begins[place]

    def _require_all(self, first: int, last: int) -> None:
        if (year := self._without_calendar(first)) <= last:
            raise NoCalendar(year)

    def _without_calendar(self, first: int) -> int:
        """The next year that has none, from this one on."""
        return next(year for year in count(first) if year not in self._days)


def _since_midnight(at: time) -> timedelta:
    return timedelta(hours=at.hour, minutes=at.minute, seconds=at.second, microseconds=at.microsecond)
