"""Term: months are counted by the calendar, to the last day where there is no such day."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aggregates.term import months_after


@pytest.mark.parametrize(
    ("since", "months", "until"),
    [
        ((2026, 1, 15), 1, (2026, 2, 15)),
        ((2026, 1, 31), 1, (2026, 2, 28)),
        ((2028, 1, 31), 1, (2028, 2, 29)),
        ((2026, 11, 30), 3, (2027, 2, 28)),
        ((2026, 12, 31), 12, (2027, 12, 31)),
        ((2026, 3, 31), 0, (2026, 3, 31)),
    ],
)
def test_months_later(since: tuple[int, int, int], months: int, until: tuple[int, int, int]) -> None:
    assert months_after(datetime(*since, tzinfo=UTC), months) == datetime(*until, tzinfo=UTC)
