"""Whose id is it? The type checker refuses to put a complaint on a customer's desk, and every id tags its events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NewType, get_args

AnyId = NewType("AnyId", str)
"""Of any kind: what a record of the kernel's is about."""

CalendarId = NewType("CalendarId", str)
CampaignId = NewType("CampaignId", str)
ComplaintId = NewType("ComplaintId", str)
ConsultationId = NewType("ConsultationId", str)
ContractId = NewType("ContractId", str)
CreditId = NewType("CreditId", str)
CustomerId = NewType("CustomerId", str)
DepartmentId = NewType("DepartmentId", str)
DevelopmentPlanId = NewType("DevelopmentPlanId", str)
DocumentId = NewType("DocumentId", str)
EmployeeId = NewType("EmployeeId", str)
ImportId = NewType("ImportId", str)
LegalReviewId = NewType("LegalReviewId", str)
NegotiationId = NewType("NegotiationId", str)
OpportunityId = NewType("OpportunityId", str)
ParameterId = NewType("ParameterId", str)
ParkingId = NewType("ParkingId", str)
ReadingsId = NewType("ReadingsId", str)
ReceivableId = NewType("ReceivableId", str)
RecordClassId = NewType("RecordClassId", str)
RefusalsId = NewType("RefusalsId", str)
ResearchId = NewType("ResearchId", str)
SegmentId = NewType("SegmentId", str)
WaiverId = NewType("WaiverId", str)

KIND_OF_STREAM: Mapping[Any, str] = {
    AnyId: "",
    CalendarId: "calendar",
    CampaignId: "campaign",
    ComplaintId: "complaint",
    ConsultationId: "consultation",
    ContractId: "contract",
    CreditId: "credit",
    CustomerId: "customer",
    DepartmentId: "department",
    DevelopmentPlanId: "plan",
    DocumentId: "document",
    EmployeeId: "employee",
    ImportId: "import",
    LegalReviewId: "review",
    NegotiationId: "negotiation",
    OpportunityId: "opportunity",
    ParameterId: "parameter",
    ParkingId: "parking",
    ReadingsId: "readings",
    ReceivableId: "receivable",
    RecordClassId: "recordclass",
    RefusalsId: "refusals",
    ResearchId: "research",
    SegmentId: "segment",
    WaiverId: "waiver",
}

NATURAL: Mapping[Any, str] = {
    CalendarId: "calendar-{year}",
    CreditId: "credit-{customer_id}",
    DepartmentId: "department",
    ParameterId: "parameter-{number}",
    ParkingId: "parking",
    ReadingsId: "readings-{person}-{day}",
    ReceivableId: "receivable-{contract_id}-{instalment}",
    RecordClassId: "recordclass-{code}",
    RefusalsId: "refusals-{person}-{day}",
    SegmentId: "segment-{code}",
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
