"""Who works here?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from msgspec import UNSET
from msgspec.structs import asdict, replace

from aggregates.actor import INSIDE
from aggregates.event import Recorded
from aggregates.ids import EmployeeId
from aggregates.people.employee import EmployeeDetailsChanged, EmployeeDetailsCorrected, EmployeeRegistered
from aggregates.sealed import index_of
from aggregates.text import Code, Index, Personal, findable, personal
from projections.question import Database, question, select, select_one
from projections.row import Row, View, its_stream, still_news


class EmployeeRow(Row):
    """`since` says from when each detail holds, `name_index` what the name is found by."""

    indexes = (("name_index",),)

    of_person = ("employee_id",)

    employee_id: EmployeeId
    name: Annotated[Personal, personal("employee_id")]
    registered_at: datetime
    number: Code | None = None
    email: Annotated[Personal, personal("employee_id", restricted=True)] | None = None
    name_index: Index | None = None
    since: Mapping[str, datetime] = {}


def registered(record: Recorded[EmployeeRegistered]) -> EmployeeRow:
    event = record.event
    return EmployeeRow(
        employee_id=EmployeeId(record.stream_id),
        name=event.name,
        registered_at=record.effective_at,
        number=event.number,
        email=event.email,
        name_index=index_of(event.name),
    )


def told(row: EmployeeRow, record: Recorded[EmployeeDetailsChanged | EmployeeDetailsCorrected]) -> EmployeeRow:
    details = {name: detail for name, detail in asdict(record.event).items() if detail is not UNSET}
    news: dict[str, Any] = still_news(row.since, details, record.effective_at)
    since = {**row.since, **dict.fromkeys(news, record.effective_at)}
    if "name" in news:
        news["name_index"] = index_of(news["name"])
    return replace(row, **news, since=since)


employees = View(EmployeeRow, registered, told, key=its_stream(EmployeeId))


@question(path="employees", readers=INSIDE, order=("registered_at", "employee_id"))
async def on_record(
    db: Database, number: Code | None = None, name: Annotated[Index, findable("employee-name")] | None = None
) -> list[EmployeeRow]:
    """Employees in the order in which they were registered; a name is the whole name, but for case and spaces."""
    return await select(
        db,
        EmployeeRow,
        """
        SELECT * FROM employee_row
        WHERE (number = %s OR %s::text IS NULL) AND (name_index = %s OR %s::text IS NULL)""",
        number, number, name, name,
    )  # fmt: skip


@question(path="employees/{employee_id}", readers=INSIDE, one_of=employees)
async def one(db: Database, employee_id: EmployeeId) -> EmployeeRow | None:
    """One employee."""
    return await select_one(db, EmployeeRow, "SELECT * FROM employee_row WHERE employee_id = %s", employee_id)
