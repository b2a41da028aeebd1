"""What is owed across the end of a year: by when is known as soon as the next calendar is published, and then stays."""

from __future__ import annotations

from datetime import date, datetime, time

import pytest

from aggregates.event import Event, ObligationsMeasured
from aggregates.organisation.calendar import BusinessCalendarCorrected, BusinessCalendarPublished
from aggregates.text import Code
from aggregates.working_time import Shift
from projections.rules import service
from projections.rules.duty import State, Verdict
from projections.rules.rule import Rule
from services.founding_calendars import OFFICE_HOURS
from tests.projections.rules.cases import CHINA, Happened, duty
from tests.projections.rules.test_service import acknowledged, assessed, progress, proposed, received, withdrawn
from tests.projections.rules.test_templates import STEP_BY_STEP

NEW_YEAR, OUR_HOLIDAY = (date(2027, 1, 1),), (date(2027, 1, 4),)
published = BusinessCalendarPublished(
    year=2027, shifts=OFFICE_HOURS, days_off=NEW_YEAR, days_worked=(), source=Code("notice")
)
corrected = BusinessCalendarCorrected(
    year=2027, shifts=OFFICE_HOURS, days_off=(*NEW_YEAR, *OUR_HOLIDAY), days_worked=(), source=Code("notice")
)


def january(day: int, hour: int = 9) -> datetime:
    """A day of January 2027, Beijing time; the fourth is the first working day."""
    return datetime(2027, 1, day, hour, tzinfo=CHINA)


LAST_DAY_AT_FOUR = datetime(2026, 12, 31, 16, tzinfo=CHINA)
THE_COMPLAINT = Happened(received, LAST_DAY_AT_FOUR)
NEXT_YEAR = Happened(published, LAST_DAY_AT_FOUR, stream_id="calendar-2027")
MEASURED = Happened(ObligationsMeasured(calendar=1), LAST_DAY_AT_FOUR, "clock")


def test_nobody_can_say_by_when_before_the_calendar_is_published() -> None:
    row = duty(service.ACKNOWLEDGED, THE_COMPLAINT)
    assert (row.due_at, row.verdict_at(january(31)), row.state) == (None, Verdict.PENDING, State.OWED)
    answered = duty(service.ACKNOWLEDGED, THE_COMPLAINT, Happened(acknowledged, january(4)), NEXT_YEAR)
    assert answered.verdict is Verdict.UNDETERMINABLE


@pytest.mark.parametrize(
    ("rule", "events", "due"),
    [
        (service.ACKNOWLEDGED, [], january(4, 11)),
        (service.CLASSIFIED, [], january(4, 16)),
        (service.RESOLVED, [assessed], january(8, 16)),
        (STEP_BY_STEP, [acknowledged], january(8, 16)),
    ],
    ids=["hours", "days", "by severity", "a later stage"],
)
def test_as_soon_as_it_is_published_it_is_known_by_when(rule: Rule, events: list[Event], due: datetime) -> None:
    so_far = [THE_COMPLAINT, *(Happened(event, LAST_DAY_AT_FOUR) for event in events)]
    assert duty(rule, *so_far, NEXT_YEAR).due_at is None
    row = duty(rule, *so_far, NEXT_YEAR, MEASURED)
    assert (row.due_at, row.alarm_at, row.calendar) == (due, due, row.began_by + len(so_far))
    assert row.verdict_at(january(31)) is Verdict.VIOLATED


def test_what_begins_in_a_year_without_a_calendar_is_measured_by_its_working_days() -> None:
    begun = Happened(received, january(4))
    four_hours = BusinessCalendarPublished(
        year=2027, shifts=(Shift(begins=time(8), ends=time(12)),), days_off=(), days_worked=(), source=Code("notice")
    )
    shorter = Happened(four_hours, january(4), stream_id="calendar-2027")
    assert duty(service.CLASSIFIED, begun).term_seconds is None
    assert duty(service.CLASSIFIED, begun, shorter, MEASURED).due_at == january(5)


@pytest.mark.parametrize(("hour", "verdict"), [(11, Verdict.CONFORMANT), (12, Verdict.VIOLATED)])
def test_whatever_happens_on_the_case_is_judged_by_the_calendar_published_by_then(hour: int, verdict: Verdict) -> None:
    answer = Happened(acknowledged, january(4, hour))
    assert duty(service.ACKNOWLEDGED, THE_COMPLAINT, NEXT_YEAR, answer).verdict is verdict


def test_so_is_silence() -> None:
    told_late = Happened(progress, january(8))
    row = duty(service.NEVER_SILENT, THE_COMPLAINT, NEXT_YEAR, told_late)
    assert (row.missed, row.state) == (1, State.OWED)


def test_what_is_done_or_taken_back_waits_for_no_calendar() -> None:
    for end in (acknowledged, withdrawn):
        row = duty(service.ACKNOWLEDGED, THE_COMPLAINT, Happened(end, LAST_DAY_AT_FOUR), NEXT_YEAR, MEASURED)
        assert (row.due_at, row.alarm_at) == (None, None)


def test_a_severity_that_nobody_has_named_has_no_time() -> None:
    assert duty(service.RESOLVED, THE_COMPLAINT, NEXT_YEAR, MEASURED).due_at is None


def test_a_correction_leaves_old_cases_theirs() -> None:
    mended = Happened(corrected, january(2), stream_id="calendar-2027")
    again = Happened(ObligationsMeasured(calendar=2), january(3), "clock")
    assert duty(service.ACKNOWLEDGED, NEXT_YEAR, THE_COMPLAINT, mended, again).due_at == january(4, 11)
    assert duty(service.ACKNOWLEDGED, NEXT_YEAR, mended, THE_COMPLAINT).due_at == january(5, 11)
    assert duty(service.RESOLVED, NEXT_YEAR, THE_COMPLAINT, mended, Happened(proposed, january(6))).missed == 0
