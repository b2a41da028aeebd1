"""CreditGate: who does not pay gets no more credit, and a limit whose assessment is too old is over (5.2.2)."""

from __future__ import annotations

from collections.abc import Iterator

from aggregates.event import Recorded
from aggregates.ids import NATURAL, CreditId, CustomerId
from aggregates.risk.dunning import Level
from aggregates.risk.receivable import CreditStopCalled, DunningStepTaken
from aggregates.text import Text
from projections.credit import CreditRow
from projections.receivable import ReceivableRow
from services.policies.policy import Alarm, Intent, Policy


def stop_after_the_last_step(record: Recorded[DunningStepTaken]) -> Iterator[Intent]:
    """Whoever was reminded for the last time gets no more credit."""
    if record.event.level is Level.FINAL:
        yield _stop(record.event.customer_id, f"The last reminder of {record.stream_id} was sent.")


def stop_when_called(record: Recorded[CreditStopCalled]) -> Iterator[Intent]:
    """Whoever is overdue for so long gets no more credit, whether reminded or not."""
    yield _stop(record.event.customer_id, f"{record.stream_id} is overdue for too long.")


def call_for_a_stop(row: ReceivableRow) -> Intent:
    """It is overdue for so long that the credit stops."""
    return Intent("receivable.call_credit_stop", row.receivable_id, {"due": row.due})


def call_it_expired(row: CreditRow) -> Intent:
    """The assessment behind the limit is too old."""
    return Intent("credit.expire", _credit_of(row.customer_id), {"valid_until": row.valid_until})


def _stop(customer_id: CustomerId, reason: str) -> Intent:
    return Intent("credit.stop", _credit_of(customer_id), {"reason": Text(reason)})


def _credit_of(customer_id: CustomerId) -> str:
    return NATURAL[CreditId].format(customer_id=customer_id)


CREDIT_GATE = Policy(
    name="CreditGate",
    reactions={DunningStepTaken: stop_after_the_last_step, CreditStopCalled: stop_when_called},
    alarms=(
        Alarm(rows=ReceivableRow, at="stop_alarm_at", then=call_for_a_stop),
        Alarm(rows=CreditRow, at="alarm_at", then=call_it_expired),
    ),
    clauses=("5.2.2-a",),
)
