"""Which days does the company work, and when?"""

from __future__ import annotations

from datetime import date

from msgspec.structs import replace

from aggregates.actor import INSIDE
from aggregates.event import Recorded
from aggregates.ids import CalendarId
from aggregates.organisation.calendar import BusinessCalendarCorrected, BusinessCalendarPublished
from aggregates.text import Code
from aggregates.working_time import Shift
from projections.question import Database, question, select, select_one
from projections.row import Row, View, its_stream


class CalendarRow(Row):
    """One year: Monday to Friday are worked but for the days off, of the weekend only the days named."""

    calendar_id: CalendarId
    year: int
    shifts: tuple[Shift, ...]
    days_off: tuple[date, ...]
    days_worked: tuple[date, ...]
    source: Code


def published(record: Recorded[BusinessCalendarPublished]) -> CalendarRow:
    event = record.event
    return CalendarRow(
        calendar_id=CalendarId(record.stream_id),
        year=event.year,
        shifts=event.shifts,
        days_off=event.days_off,
        days_worked=event.days_worked,
        source=event.source,
    )


def corrected(row: CalendarRow, record: Recorded[BusinessCalendarCorrected]) -> CalendarRow:
    event = record.event
    return replace(
        row, shifts=event.shifts, days_off=event.days_off, days_worked=event.days_worked, source=event.source
    )


calendars = View(CalendarRow, published, corrected, key=its_stream(CalendarId))


@question(path="calendars", readers=INSIDE, order=("calendar_id",))
async def years(db: Database) -> list[CalendarRow]:
    """Every year whose calendar is published."""
    return await select(db, CalendarRow, "SELECT * FROM calendar_row")


@question(path="calendars/{calendar_id}", readers=INSIDE, one_of=calendars)
async def one(db: Database, calendar_id: CalendarId) -> CalendarRow | None:
    """One year."""
    return await select_one(db, CalendarRow, "SELECT * FROM calendar_row WHERE calendar_id = %s", calendar_id)
