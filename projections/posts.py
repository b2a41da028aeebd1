"""Who holds which office, and who held it on that day?"""

from __future__ import annotations

from datetime import datetime

from aggregates.actor import INSIDE, Role
from aggregates.event import Recorded
from aggregates.ids import EmployeeId
from aggregates.organisation.department import (
    ActingEnded,
    ActingStarted,
    BusinessAreaAssigned,
    BusinessAreaWithdrawn,
    RoleAssigned,
    RoleEnded,
)
from aggregates.text import Code
from aggregates.value import Value
from projections.question import Database, question, select
from projections.reference import Office, Reference
from projections.row import Row, View, the


class PostRow(Row):
    """All offices that somebody has held, holds or will hold."""

    employee_id: EmployeeId
    offices: tuple[Office, ...]


def changed(
    row: PostRow | None,  # noqa: ARG001  # the reference data say it all
    record: Recorded[
        RoleAssigned | RoleEnded | BusinessAreaAssigned | BusinessAreaWithdrawn | ActingStarted | ActingEnded
    ],
    reference: Reference,
) -> PostRow:
    who = record.event.employee_id
    return PostRow(employee_id=who, offices=reference.offices.get(who, ()))


posts = View(PostRow, changed, key=the("employee_id"))


class Held(Value):
    """One office that somebody holds at the time in question."""

    employee_id: EmployeeId
    role: Role | None
    area: Code | None
    acting: bool
    since: datetime
    until: datetime | None


@question(path="department/posts", readers=INSIDE, tables=("post_row",))
async def held_on(db: Database, day: datetime | None = None) -> list[Held]:
    """The offices held at an instant, now if none is named; by person, then by the beginning of the office."""
    at = day or db.moment
    return [
        Held(
            employee_id=row.employee_id,
            role=office.role,
            area=office.area,
            acting=office.acting,
            since=office.term.since,
            until=office.term.until,
        )
        for row in await select(db, PostRow, "SELECT * FROM post_row ORDER BY employee_id")
        for office in sorted(row.offices, key=lambda office: office.term.since)
        if office.term.holds(at)
    ]
