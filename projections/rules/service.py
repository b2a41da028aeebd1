"""Rules of customer service: regulation 3.3, as far as complaints go."""

from __future__ import annotations

from typing import Any

from aggregates.actor import Role
from aggregates.ids import ComplaintId
from aggregates.service.complaint import (
    ComplaintAcknowledged,
    ComplaintAssessed,
    ComplaintAssigned,
    ComplaintClosed,
    ComplaintConverted,
    ComplaintDetailsRecorded,
    ComplaintEscalated,
    ComplaintReceived,
    ComplaintReopened,
    ComplaintWithdrawn,
    CustomerReminded,
    CustomerSatisfactionConfirmed,
    DecisionCommunicated,
    InvestigationFindingRecorded,
    MeasuresDecided,
    ProgressReportedToCustomer,
    RecourseExhaustedDeclared,
    RemedyApproved,
    ResolutionProposed,
    ResolutionRejectedByCustomer,
    ResponsibleDepartmentAssigned,
)
from projections.rules.rule import Mode, Rule
from projections.rules.templates.escalating import Escalation
from projections.rules.templates.following import Cadence, Completeness, Response
from projections.rules.templates.people import FourEyes
from projections.rules.templates.preceding import Absence
from projections.rules.term import Limit

TAKEN_BACK = (ComplaintWithdrawn, ComplaintConverted)
LADDER = (Role.CUSTOMER_SERVICE_LEAD, Role.DEPUTY, Role.MANAGER)

A_COMPLAINT: dict[str, Any] = {"cases": ComplaintId, "owed_by": Role.CUSTOMER_SERVICE, "ladder": LADDER}
WHILE_OPEN: dict[str, Any] = {"over": (ComplaintClosed,), "shelved": TAKEN_BACK, "resumed": (ComplaintReopened,)}
BY_ITS_HANDLER: dict[str, Any] = {
    "handler": {ComplaintAssigned: "handler_id"},
    "unit": {ResponsibleDepartmentAssigned: "unit"},
}

RECORDED = Completeness(
    "R-CS-2",
    "What happened and what the customer asks for is recorded, before anybody judges it.",
    clauses=("3.3.2-a",),
    mode=Mode.PREVENT,
    on=(ComplaintReceived,),
    parts={
        "facts": ((ComplaintReceived, ComplaintDetailsRecorded), "facts"),
        "remedy_sought": ((ComplaintReceived, ComplaintDetailsRecorded), "remedy_sought"),
    },
    before=(ComplaintAssessed,),
    within=Limit(parameter="P-02"),
    **A_COMPLAINT,
    **WHILE_OPEN,
)

ACKNOWLEDGED = Response(
    "R-CS-3",
    "The customer is told in time that the complaint has arrived.",
    clauses=("1.3.2", "2.2.5-a", "3.3.2-a"),
    mode=Mode.DETECT,
    on=(ComplaintReceived,),
    then=(ComplaintAcknowledged,),
    within=Limit(parameter="P-02"),
    **A_COMPLAINT,
    **WHILE_OPEN,
)

CLASSIFIED = Response(
    "R-CS-4",
    "The complaint is assessed, a department is responsible, and measures are decided, all in time.",
    clauses=("1.3.2", "2.2.5-a", "3.3.2-b"),
    mode=Mode.DETECT,
    on=(ComplaintReceived,),
    then=(ComplaintAssessed, ResponsibleDepartmentAssigned, MeasuresDecided),
    every=True,
    within=Limit(parameter="P-03"),
    **A_COMPLAINT,
    **WHILE_OPEN,
)

NEVER_SILENT = Cadence(
    "R-CS-5",
    "While the complaint is open the customer never waits too long for word from us.",
    clauses=("3.3.2-c",),
    mode=Mode.DETECT,
    on=(ComplaintReceived, ComplaintReopened),
    each=(ComplaintAcknowledged, ProgressReportedToCustomer, DecisionCommunicated, CustomerReminded),
    within=Limit(parameter="P-04"),
    **A_COMPLAINT,
    **WHILE_OPEN,
    **BY_ITS_HANDLER,
)

RESOLVED = Response(
    "R-CS-6",
    "A resolution is proposed in the time its severity allows.",
    clauses=("3.3.2-c",),
    mode=Mode.DETECT,
    on=(ComplaintReceived, ComplaintReopened),
    then=(ResolutionProposed,),
    within=Limit(parameter="P-05", value=None, named_by=(ComplaintAssessed, "severity")),
    level={ComplaintEscalated: "level"},
    **A_COMPLAINT,
    **WHILE_OPEN,
    **BY_ITS_HANDLER,
)

ESCALATED = Escalation(
    "R-CS-6.2",
    "What is missed on a complaint goes up the ladder, one office after the other.",
    clauses=("3.3.2-c",),
    mode=Mode.DETECT,
    level={ComplaintEscalated: "level"},
    anew=(ComplaintReopened,),
    over=(ComplaintClosed, *TAKEN_BACK),
    **A_COMPLAINT,
)

UNTIL_SATISFIED = Absence(
    "R-CS-7",
    "No complaint is closed before the customer is satisfied, or the manager has declared recourse exhausted.",
    clauses=("3.3.2-c",),
    mode=Mode.PREVENT,
    of=(ComplaintClosed,),
    forbidden=(ComplaintReceived, ResolutionRejectedByCustomer, ComplaintReopened),
    allowed=(CustomerSatisfactionConfirmed, RecourseExhaustedDeclared),
    by={RecourseExhaustedDeclared: Role.MANAGER},
    shelved=TAKEN_BACK,
    **A_COMPLAINT,
)

ASKED_AGAIN = Cadence(
    "R-CS-7.1",
    "The customer is told what is offered, and asked again in time until it answers or was asked often enough.",
    clauses=("3.3.2-c",),
    mode=Mode.DETECT,
    on=(ResolutionProposed,),
    each=(DecisionCommunicated, CustomerReminded),
    times=((CustomerReminded,), Limit(parameter="P-06", value="reminders")),
    within=Limit(parameter="P-06", value="wait"),
    over=(CustomerSatisfactionConfirmed, ResolutionRejectedByCustomer, RecourseExhaustedDeclared, ComplaintClosed),
    shelved=TAKEN_BACK,
    **A_COMPLAINT,
)

IMPARTIAL = FourEyes(
    "R-CS-8",
    "Whoever is complained about does not handle the complaint.",
    clauses=("3.3.2-b",),
    mode=Mode.PREVENT,
    on=(ComplaintReceived,),
    first={ComplaintAssigned: "handler_id"},
    second={ComplaintAssessed: "complained_about_id"},
    acts=(
        ComplaintAssessed,
        ComplaintAssigned,
        InvestigationFindingRecorded,
        MeasuresDecided,
        ProgressReportedToCustomer,
        RemedyApproved,
        ResolutionProposed,
        DecisionCommunicated,
        CustomerReminded,
        CustomerSatisfactionConfirmed,
        RecourseExhaustedDeclared,
        ComplaintClosed,
        *TAKEN_BACK,
    ),
    over=(ComplaintClosed, *TAKEN_BACK),
    **A_COMPLAINT,
)

RULES: tuple[Rule, ...] = (
    RECORDED,
    ACKNOWLEDGED,
    CLASSIFIED,
    NEVER_SILENT,
    RESOLVED,
    ESCALATED,
    UNTIL_SATISFIED,
    ASKED_AGAIN,
    IMPARTIAL,
)
