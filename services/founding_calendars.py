"""The calendars of the years whose holidays have been announced by the State Council, with the usual office hours."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, time, timedelta

from aggregates.organisation.calendar import BusinessCalendarPublished
from aggregates.text import Code
from aggregates.value import Value
from aggregates.working_time import Shift

OFFICE_HOURS = (Shift(begins=time(9), ends=time(12)), Shift(begins=time(13), ends=time(18)))


class Announced(Value):
    """The holidays of a year, each from its first day to its last, and the weekend days that are worked for them."""

    year: int
    source: str
    holidays: tuple[tuple[date, date], ...]
    days_worked: tuple[date, ...]

    def published(self) -> BusinessCalendarPublished:
        """The event that says so."""
        return BusinessCalendarPublished(
            year=self.year,
            shifts=OFFICE_HOURS,
            days_off=tuple(day for first, last in self.holidays for day in _days(first, last)),
            days_worked=self.days_worked,
            source=Code(self.source),
        )


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += timedelta(days=1)


ANNOUNCED = (
    Announced(
        year=2025,
        source="国务院办公厅关于2025年部分节假日安排的通知 国办发明电〔2024〕12号",
        holidays=(
            (date(2025, 1, 1), date(2025, 1, 1)),
            (date(2025, 1, 28), date(2025, 2, 4)),
            (date(2025, 4, 4), date(2025, 4, 6)),
            (date(2025, 5, 1), date(2025, 5, 5)),
            (date(2025, 5, 31), date(2025, 6, 2)),
            (date(2025, 10, 1), date(2025, 10, 8)),
        ),
        days_worked=(
            date(2025, 1, 26), date(2025, 2, 8), date(2025, 4, 27), date(2025, 9, 28), date(2025, 10, 11),
        ),
    ),
    Announced(
        year=2026,
        source="国务院办公厅关于2026年部分节假日安排的通知 国办发明电〔2025〕7号",
        holidays=(
            (date(2026, 1, 1), date(2026, 1, 3)),
            (date(2026, 2, 15), date(2026, 2, 23)),
            (date(2026, 4, 4), date(2026, 4, 6)),
            (date(2026, 5, 1), date(2026, 5, 5)),
            (date(2026, 6, 19), date(2026, 6, 21)),
            (date(2026, 9, 25), date(2026, 9, 27)),
            (date(2026, 10, 1), date(2026, 10, 7)),
        ),
        days_worked=(
            date(2026, 1, 4), date(2026, 2, 14), date(2026, 2, 28), date(2026, 5, 9), date(2026, 9, 20),
            date(2026, 10, 10),
        ),
    ),
)  # fmt: skip
