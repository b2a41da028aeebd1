"""What was counsel asked, what did counsel advise, and was it followed?"""

from __future__ import annotations

from datetime import date, datetime

from msgspec.structs import replace

from aggregates.actor import Role
from aggregates.event import Recorded
from aggregates.ids import AnyId, ConsultationId, EmployeeId
from aggregates.readers import Readers
from aggregates.risk.consultation import (
    IN_CONFIDENCE,
    AdviceFollowed,
    AdviceNotFollowed,
    LegalAdviceGiven,
    LegalConsultationAsked,
    Status,
)
from aggregates.text import Text
from projections.question import Database, matching, question, select, select_one
from projections.row import Row, View, its_stream

READERS = Readers(everything=IN_CONFIDENCE.everything, own=frozenset({Role.EMPLOYEE}), restricted=True)


class ConsultationRow(Row):
    """`advice` is what counsel said last; `outcome` what was decided, or why the advice was not followed."""

    indexes = (("asked_by_id",), ("about_id",))
    of_person = ("asked_by_id",)

    consultation_id: ConsultationId
    asked_by_id: EmployeeId
    asked_at: datetime
    due: date
    question: Text
    status: Status = Status.ASKED
    about_id: AnyId | None = None
    facts: Text | None = None
    advice: Text | None = None
    advised_by_id: str | None = None
    advised_at: datetime | None = None
    outcome: Text | None = None
    decided_at: datetime | None = None


def asked(record: Recorded[LegalConsultationAsked]) -> ConsultationRow:
    event = record.event
    return ConsultationRow(
        consultation_id=ConsultationId(record.stream_id),
        asked_by_id=event.asked_by_id,
        asked_at=record.effective_at,
        due=event.due,
        question=event.question,
        about_id=event.about_id,
        facts=event.facts,
    )


def advised(row: ConsultationRow, record: Recorded[LegalAdviceGiven]) -> ConsultationRow:
    return replace(
        row,
        status=Status.ANSWERED,
        advice=record.event.advice,
        advised_by_id=record.person,
        advised_at=record.effective_at,
    )


def followed(row: ConsultationRow, record: Recorded[AdviceFollowed]) -> ConsultationRow:
    return replace(row, status=Status.FOLLOWED, outcome=record.event.decision, decided_at=record.effective_at)


def not_followed(row: ConsultationRow, record: Recorded[AdviceNotFollowed]) -> ConsultationRow:
    return replace(row, status=Status.NOT_FOLLOWED, outcome=record.event.reason, decided_at=record.effective_at)


consultations = View(ConsultationRow, asked, advised, followed, not_followed, key=its_stream(ConsultationId))


@question(path="consultations", readers=READERS, order=("asked_at", "consultation_id"))
async def on_record(
    db: Database,
    asked_by_id: EmployeeId | None = None,
    about_id: AnyId | None = None,
    status: Status | None = None,
) -> list[ConsultationRow]:
    """What counsel was asked, by somebody, about something, or as far as it is; and whether it was followed."""
    where, values = matching(
        {"asked_by_id = %s": asked_by_id, "about_id = %s": about_id, "status = %s": status and status.value}
    )
    return await select(db, ConsultationRow, f"SELECT * FROM consultation_row WHERE {where}", *values)


@question(path="consultations/{consultation_id}", readers=READERS, one_of=consultations)
async def one(db: Database, consultation_id: ConsultationId) -> ConsultationRow | None:
    """One question to counsel, with the answer."""
    return await select_one(
        db, ConsultationRow, "SELECT * FROM consultation_row WHERE consultation_id = %s", consultation_id
    )
