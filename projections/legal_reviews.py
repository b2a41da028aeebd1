"""Which texts lie before counsel, until when, and what did counsel say of each?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import LiteralString

from msgspec.structs import replace

from aggregates.actor import Role
from aggregates.event import Recorded
from aggregates.facts import LegalClearance
from aggregates.ids import ContractId, EmployeeId, LegalReviewId
from aggregates.risk.legal_review import (
    ASKERS,
    Difficulty,
    LegalReviewAssigned,
    LegalReviewPassed,
    LegalReviewPassedWithConditions,
    LegalReviewRejected,
    LegalReviewRequested,
    LegalReviewWithdrawn,
    Status,
)
from aggregates.text import ContentHash, Text
from aggregates.value import Value
from projections.duties import IS_MISSED
from projections.fact import fact
from projections.question import Database, matching, question, select, select_one
from projections.row import Row, View, its_stream, the

READERS = (*ASKERS, Role.LEGAL, Role.DEPUTY, Role.MANAGER, Role.AUDITOR)


class ReviewRow(Row):
    """`content` is the text that was spoken of last. `decided_at`: when counsel spoke last."""

    indexes = (("contract_id",),)

    review_id: LegalReviewId
    contract_id: ContractId
    content: ContentHash
    complexity: Difficulty
    status: Status
    requested_by_id: str
    requested_at: datetime
    counsel_id: EmployeeId | None = None
    conditions: Text | None = None
    grounds: Text | None = None
    decided_by_id: str | None = None
    decided_at: datetime | None = None


class ClearanceRow(Row):
    """Of a contract each text that may be signed as far as the law goes, with those who let it pass."""

    contract_id: ContractId
    passed: Mapping[ContentHash, tuple[EmployeeId, ...]] = {}


def requested(record: Recorded[LegalReviewRequested]) -> ReviewRow:
    event = record.event
    return ReviewRow(
        review_id=LegalReviewId(record.stream_id),
        contract_id=event.contract_id,
        content=event.content,
        complexity=event.complexity,
        status=Status.REQUESTED,
        requested_by_id=record.person,
        requested_at=record.effective_at,
    )


def assigned(row: ReviewRow, record: Recorded[LegalReviewAssigned]) -> ReviewRow:
    return replace(row, counsel_id=record.event.counsel_id)


def passed(row: ReviewRow, record: Recorded[LegalReviewPassed]) -> ReviewRow:
    return replace(_decided(row, record, Status.PASSED), content=record.event.content)


def on_conditions(row: ReviewRow, record: Recorded[LegalReviewPassedWithConditions]) -> ReviewRow:
    return replace(_decided(row, record, Status.ON_CONDITIONS), conditions=record.event.conditions)


def rejected(row: ReviewRow, record: Recorded[LegalReviewRejected]) -> ReviewRow:
    return replace(_decided(row, record, Status.REJECTED), grounds=record.event.grounds)


def withdrawn(row: ReviewRow, record: Recorded[LegalReviewWithdrawn]) -> ReviewRow:  # noqa: ARG001  # its time is no news
    return replace(row, status=Status.WITHDRAWN)


def _decided(
    row: ReviewRow,
    record: Recorded[LegalReviewPassed] | Recorded[LegalReviewPassedWithConditions] | Recorded[LegalReviewRejected],
    status: Status,
) -> ReviewRow:
    return replace(row, status=status, decided_by_id=record.person, decided_at=record.effective_at)


reviews = View(
    ReviewRow, requested, assigned, passed, on_conditions, rejected, withdrawn, key=its_stream(LegalReviewId)
)


def cleared(row: ClearanceRow | None, record: Recorded[LegalReviewPassed]) -> ClearanceRow:
    event = record.event
    row = row or ClearanceRow(contract_id=event.contract_id)
    people = tuple(map(EmployeeId, (record.actor_id, record.person)))
    return replace(row, passed={**row.passed, event.content: tuple(dict.fromkeys(people))})


def not_cleared(
    row: ClearanceRow | None, record: Recorded[LegalReviewPassedWithConditions | LegalReviewRejected]
) -> ClearanceRow:
    """What counsel says last of a text counts."""
    event = record.event
    row = row or ClearanceRow(contract_id=event.contract_id)
    return replace(row, passed={text: who for text, who in row.passed.items() if text != event.content})


clearances = View(ClearanceRow, cleared, not_cleared, key=the("contract_id"))


@fact(clearances)
async def clearance(db: Database, contract_id: ContractId) -> LegalClearance:
    """Nothing of a contract that counsel has never spoken of."""
    rows = await select(db, ClearanceRow, "SELECT * FROM clearance_row WHERE contract_id = %s", contract_id)
    return LegalClearance(contract_id=contract_id, passed=rows[0].passed if rows else {})


@question(path="reviews", readers=READERS, order=("requested_at", "review_id"))
async def on_record(
    db: Database,
    contract_id: ContractId | None = None,
    counsel_id: EmployeeId | None = None,
    status: Status | None = None,
) -> list[ReviewRow]:
    """All reviews, or those of a contract, of a counsel, or that are so far."""
    where, values = matching(
        {"contract_id = %s": contract_id, "counsel_id = %s": counsel_id, "status = %s": status and status.value}
    )
    return await select(db, ReviewRow, f"SELECT * FROM review_row WHERE {where}", *values)


class Waiting(Value):
    """A text that counsel has not spoken of yet. `urgency` is when it is due, or far away while nobody can say."""

    review_id: LegalReviewId
    contract_id: ContractId
    content: ContentHash
    complexity: Difficulty
    counsel_id: EmployeeId | None
    requested_at: datetime
    due_at: datetime | None
    missed: bool
    urgency: datetime


QUEUE: LiteralString = f"""
    SELECT r.review_id, r.contract_id, r.content, r.complexity, r.counsel_id, r.requested_at, d.due_at,
           {IS_MISSED} AS missed, coalesce(d.due_at, timestamptz '9999-12-31 00:00Z') AS urgency
    FROM review_row r JOIN duty_row d ON d.rule = 'R-RSK-8' AND d.case_id = r.review_id AND d.state = 'owed'
    WHERE counsel_id = %s OR %s::text IS NULL"""


@question(
    path="reviews/queue",
    readers=READERS,
    order=("urgency", "review_id"),
    tables=("review_row", "duty_row", "waiver_row"),
)
async def queue(db: Database, counsel_id: EmployeeId | None = None) -> list[Waiting]:
    """What waits for counsel, or for one of them, the most urgent first."""
    at = db.moment
    return await select(db, Waiting, QUEUE, at, at, at, counsel_id, counsel_id)


@question(path="reviews/{review_id}", readers=READERS, one_of=reviews)
async def one(db: Database, review_id: LegalReviewId) -> ReviewRow | None:
    """One review."""
    return await select_one(db, ReviewRow, "SELECT * FROM review_row WHERE review_id = %s", review_id)
