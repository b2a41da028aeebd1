"""ComplaintClocks: what is missed on a complaint goes up the ladder, the gravest to the manager at once; a customer who
does not answer is left to the lead (3.3.2)."""

from __future__ import annotations

from collections.abc import Iterator

from aggregates.event import ObligationMissed, Recorded
from aggregates.ids import KIND_OF_STREAM, ComplaintId, kind_of
from aggregates.service.complaint import (
    HIGHEST_LEVEL,
    ComplaintAssessed,
    ComplaintReopened,
    ComplaintUnconfirmed,
    Severity,
)
from aggregates.text import Text
from projections.complaints import ComplaintRow
from services.policies.policy import Alarm, Intent, Policy


def call_the_manager(record: Recorded[ComplaintAssessed]) -> Iterator[Intent]:
    """Where people's safety, the law or the whole contract is at stake, the manager knows at once."""
    if record.event.severity is Severity.S1:
        yield _escalation(record.stream_id, HIGHEST_LEVEL, "It was assessed as S1.")


def call_the_manager_again(record: Recorded[ComplaintReopened]) -> Iterator[Intent]:
    """What is taken up again the manager knows at once where that is so."""
    reason = Text("It was reopened, and assessed as S1.")
    yield Intent("complaint.escalate_if_gravest", record.stream_id, {"reason": reason})


def climb(record: Recorded[ObligationMissed]) -> Iterator[Intent]:
    """Each time the clock says so, the next one up the ladder is called."""
    event = record.event
    if kind_of(record.stream_id) == KIND_OF_STREAM[ComplaintId]:
        yield _escalation(record.stream_id, event.told, f"{event.rule} was due at {event.due_at.isoformat()}.")


def call_it_unconfirmed(row: ComplaintRow) -> Intent:
    """The customer was reminded as often as we remind anybody, and has not answered."""
    return Intent("complaint.leave_unconfirmed", row.complaint_id, {"reminders": row.reminders})


def call_the_lead(record: Recorded[ComplaintUnconfirmed]) -> Iterator[Intent]:
    """Silence is no consent: somebody decides what to do."""
    yield _escalation(record.stream_id, 1, f"The customer did not answer {record.event.reminders} reminders.")


def _escalation(complaint_id: str, level: int, reason: str) -> Intent:
    return Intent("complaint.escalate_to", complaint_id, {"level": level, "reason": Text(reason)})


COMPLAINT_CLOCKS = Policy(
    name="ComplaintClocks",
    reactions={
        ComplaintAssessed: call_the_manager,
        ComplaintReopened: call_the_manager_again,
        ComplaintUnconfirmed: call_the_lead,
        ObligationMissed: climb,
    },
    alarms=(Alarm(rows=ComplaintRow, at="unconfirmed_alarm_at", then=call_it_unconfirmed),),
    clauses=("3.3.2-c",),
)
