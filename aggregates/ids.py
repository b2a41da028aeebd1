"""Whose id is it? The type checker refuses to put a complaint on a customer's desk, and every id tags its events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NewType, get_args

AnyId = NewType("AnyId", str)
"""Of any kind: what a record of the kernel's is about."""

CalendarId = NewType("CalendarId", str)
ComplaintId = NewType("ComplaintId", str)
CustomerId = NewType("CustomerId", str)
DepartmentId = NewType("DepartmentId", str)
EmployeeId = NewType("EmployeeId", str)
ImportId = NewType("ImportId", str)
ParameterId = NewType("ParameterId", str)
ParkingId = NewType("ParkingId", str)
ReadingsId = NewType("ReadingsId", str)
RefusalsId = NewType("RefusalsId", str)
WaiverId = NewType("WaiverId", str)

KIND_OF_STREAM: Mapping[Any, str] = {
    AnyId: "",
    CalendarId: "calendar",
    ComplaintId: "complaint",
    CustomerId: "customer",
    DepartmentId: "department",
    EmployeeId: "employee",
    ImportId: "import",
    ParameterId: "parameter",
    ParkingId: "parking",
    ReadingsId: "readings",
    RefusalsId: "refusals",
    WaiverId: "waiver",
}

NATURAL: Mapping[Any, str] = {
    CalendarId: "calendar-{year}",
    DepartmentId: "department",
    ParameterId: "parameter-{number}",
    ParkingId: "parking",
    ReadingsId: "readings-{person}-{day}",
    RefusalsId: "refusals-{person}-{day}",
}
"""Ids that say themselves what they are of, filled in from the arguments of the command that opens the stream."""

SYNTAX = r"[a-z]+(-[A-Za-z0-9._-]{1,180})?"
"""What an id looks like: its kind, a hyphen, and what tells it from others of its kind."""

THE_DEPARTMENT = DepartmentId("department")
THE_PARKING = ParkingId("parking")


def kind_of(stream_id: str) -> str:
    """The kind of a stream, which every id begins with."""
    return stream_id.partition("-")[0]


def id_types_in(annotation: Any) -> Iterator[Any]:
    """The id types an annotation mentions: of `EmployeeId`, `EmployeeId | None`, `tuple[EmployeeId, ...]`."""
    if annotation in KIND_OF_STREAM:
        yield annotation
    for part in get_args(annotation):
        yield from id_types_in(part)


def syntax_of(kind: str) -> str:
    """What an id of this kind looks like; of any kind, if it is empty."""
    return SYNTAX.replace("[a-z]+", kind, 1) if kind else SYNTAX
