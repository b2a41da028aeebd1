"""What the templates that know of time have in common: was it too late, and can anybody tell?"""

from __future__ import annotations

from typing import Any

from aggregates.event import Recorded
from projections.reference import Reference
from projections.rules.duty import (
    CONFORMANT,
    UNDETERMINABLE,
    DutyRow,
)
from projections.rules.rule import Rule


def is_late(row: DutyRow, record: Recorded[Any]) -> bool:
    return row.due_at is not None and record.effective_at > row.due_at


def answered(rule: Rule, row: DutyRow, record: Recorded[Any], reference: Reference) -> DutyRow:
    """What was owed has been done: in time or too late."""
    if row.due_at is None:
        return judged(rule, row, record)
    late = record.effective_at > row.due_at
    return rule.missed(row, record, reference) if late else rule.done(row, record)


def judged(rule: Rule, row: DutyRow, record: Recorded[Any]) -> DutyRow:
    """It was not late, if anybody can tell: where there is no calendar or no value, nobody can."""
    unclear = rule.within is not None and row.due_at is None
    return rule.done(row, record, UNDETERMINABLE if unclear else CONFORMANT)
