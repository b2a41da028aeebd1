"""Which rules do not hold for which cases, until when, and who asked for it?"""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from aggregates.actor import INSIDE
from aggregates.event import Recorded
from aggregates.ids import AnyId, EmployeeId, WaiverId
from aggregates.organisation.waiver import Status, WaiverApproved, WaiverRejected, WaiverRequested, WaiverRevoked
from aggregates.text import Code, Text
from projections.question import Database, matching, question, select, select_one
from projections.row import Row, View, its_stream


class WaiverRow(Row):
    """`holds_from` and `holds_until`: while the rule does not hold; nothing unless it was granted."""

    waiver_id: WaiverId
    rule: Code
    case_id: AnyId
    status: Status
    requested_by_id: EmployeeId
    grounds: Text
    expires_at: datetime
    holds_from: datetime | None = None
    holds_until: datetime | None = None


def requested(record: Recorded[WaiverRequested]) -> WaiverRow:
    event = record.event
    return WaiverRow(
        waiver_id=WaiverId(record.stream_id),
        rule=event.rule,
        case_id=event.case_id,
        status=Status.REQUESTED,
        requested_by_id=event.requested_by_id,
        grounds=event.grounds,
        expires_at=event.expires_at,
    )


def approved(row: WaiverRow, record: Recorded[WaiverApproved]) -> WaiverRow:
    until = record.event.expires_at
    return replace(row, status=Status.APPROVED, holds_from=record.effective_at, holds_until=until)


def rejected(row: WaiverRow, record: Recorded[WaiverRejected]) -> WaiverRow:  # noqa: ARG001  # none
    return replace(row, status=Status.REJECTED)


def revoked(row: WaiverRow, record: Recorded[WaiverRevoked]) -> WaiverRow:
    return replace(row, status=Status.REVOKED, holds_until=record.effective_at)


waivers = View(WaiverRow, requested, approved, rejected, revoked, key=its_stream(WaiverId))


@question(path="waivers", readers=INSIDE, order=("waiver_id",))
async def on_record(
    db: Database, rule: Code | None = None, case_id: AnyId | None = None, status: Status | None = None
) -> list[WaiverRow]:
    """All waivers, or those of a rule, of a case, or that are so far."""
    where, values = matching(
        {
            "rule = %s": rule,
            "case_id = %s": case_id,
            "status = %s": status and status.value,
        }
    )
    return await select(db, WaiverRow, f"SELECT * FROM waiver_row WHERE {where}", *values)


@question(path="waivers/{waiver_id}", readers=INSIDE, one_of=waivers)
async def one(db: Database, waiver_id: WaiverId) -> WaiverRow | None:
    """One waiver."""
    return await select_one(db, WaiverRow, "SELECT * FROM waiver_row WHERE waiver_id = %s", waiver_id)
