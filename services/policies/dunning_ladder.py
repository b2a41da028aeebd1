"""DunningLadder: what is not paid in time is overdue, and a promise that is not kept is broken (5.2.2)."""

from __future__ import annotations

from projections.receivable import ReceivableRow
from services.policies.policy import Alarm, Intent, Policy


def call_it_overdue(row: ReceivableRow) -> Intent:
    """The day is over by which it had to be paid."""
    return Intent("receivable.become_overdue", row.receivable_id, {"due": row.due})


def call_it_broken(row: ReceivableRow) -> Intent:
    """The day is over by which the customer promised to pay."""
    return Intent("receivable.break_promise", row.receivable_id, {"until": row.promised_until})


DUNNING_LADDER = Policy(
    name="DunningLadder",
    alarms=(
        Alarm(rows=ReceivableRow, at="overdue_alarm_at", then=call_it_overdue),
        Alarm(rows=ReceivableRow, at="promise_alarm_at", then=call_it_broken),
    ),
    clauses=("5.2.2-b",),
)
