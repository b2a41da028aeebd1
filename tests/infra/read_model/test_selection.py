"""Which events count for a day in the past."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from infra.read_model.selection import EVERYTHING, Selection
from tests.given import recorded
from tests.infra.read_model.repairs import BellRung

SHANGHAI = ZoneInfo("Asia/Shanghai")
MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
TUESDAY, WEDNESDAY = MONDAY + timedelta(days=1), MONDAY + timedelta(days=2)
told_late = recorded(BellRung(), at=MONDAY, recorded_at=WEDNESDAY)


@pytest.mark.parametrize(
    ("selection", "counts"),
    [
        (EVERYTHING, True),
        (Selection(as_of=MONDAY), True),
        (Selection(as_of=MONDAY - timedelta(microseconds=1)), False),
        (Selection(known_at=WEDNESDAY), True),
        (Selection(as_of=TUESDAY, known_at=TUESDAY), False),
    ],
)
def test_what_was_true_on_monday_and_told_on_wednesday(selection: Selection, counts: bool) -> None:
    assert selection.takes(told_late) is counts


def test_what_is_true_at_that_very_instant_counts_for_the_database_too() -> None:
    condition = Selection(as_of=MONDAY, known_at=WEDNESDAY).condition
    assert "l.effective_at <= '2026-03-02 09:00:00+00:00'::timestamptz" in condition
    assert "l.recorded_at <= '2026-03-04 09:00:00+00:00'::timestamptz" in condition


def test_the_database_is_asked_in_universal_time() -> None:
    at = datetime(2026, 3, 2, 17, tzinfo=SHANGHAI)
    condition = Selection(known_at=at).condition
    assert condition == " AND l.recorded_at <= '2026-03-02 09:00:00+00:00'::timestamptz"


@pytest.mark.parametrize(
    ("at", "is_one"),
    [
        (datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=SHANGHAI), True),
        (datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=UTC), False),
        (datetime(2026, 3, 1, 23, 59, 59, 999999, tzinfo=SHANGHAI), False),
        (datetime(2026, 3, 1, tzinfo=SHANGHAI), False),
    ],
)
def test_a_month_ends_with_its_last_day_in_the_companys_zone(at: datetime, is_one: bool) -> None:
    assert Selection(as_of=at).is_month_end(SHANGHAI) is is_one


def test_a_month_end_as_known_in_the_middle_of_another_month_is_none() -> None:
    end = datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=SHANGHAI)
    assert not Selection(as_of=end, known_at=WEDNESDAY).is_month_end(SHANGHAI)
    assert not EVERYTHING.is_month_end(SHANGHAI)
