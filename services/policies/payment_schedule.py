"""PaymentSchedule: what a contract says is to be paid is claimed in time, also where nobody thinks of it (5.2.2)."""

from __future__ import annotations

from aggregates.ids import NATURAL, ReceivableId
from projections.billing import BillingRow
from services.policies.policy import Alarm, Intent, Policy


def claim_it(row: BillingRow) -> Intent:
    """The next instalment is near enough."""
    what = {"contract_id": row.contract_id, "instalment": row.next_instalment}
    return Intent("receivable.fall_due", NATURAL[ReceivableId].format(**what), what)


PAYMENT_SCHEDULE = Policy(
    name="PaymentSchedule", clauses=("5.2.2-b",), alarms=(Alarm(rows=BillingRow, at="alarm_at", then=claim_it),)
)
