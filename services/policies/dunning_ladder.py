"""DunningLadder: what is not paid in time is overdue, a promise that is not kept is broken, a pause ends (5.2.2)."""

from __future__ import annotations

from aggregates.risk.dunning import Hold
from projections.receivable import ReceivableRow
from services.policies.policy import Alarm, Intent, Policy


def call_it_overdue(row: ReceivableRow) -> Intent:
    """The day is over by which it had to be paid."""
    return Intent("receivable.become_overdue", row.receivable_id, {"due": row.due})


def end_the_hold(row: ReceivableRow) -> Intent:
    """The day is over by which the customer promised to pay, or up to which nobody was to remind it."""
    if row.hold is Hold.PAUSE:
        return Intent("receivable.end_pause", row.receivable_id, {"until": row.paused_until})
    return Intent("receivable.break_promise", row.receivable_id, {"until": row.promised_until})


DUNNING_LADDER = Policy(
    name="DunningLadder",
    alarms=(
        Alarm(rows=ReceivableRow, at="overdue_alarm_at", then=call_it_overdue),
        Alarm(rows=ReceivableRow, at="hold_alarm_at", then=end_the_hold),
    ),
    clauses=("5.2.2-b",),
)
