"""Rules of legal risk: regulation 5.2.4, counsel reviews contracts in time and is asked before it is too late."""

from __future__ import annotations

from aggregates.actor import Role
from aggregates.ids import ConsultationId, LegalReviewId
from aggregates.risk.consultation import LegalAdviceGiven, LegalConsultationAsked
from aggregates.risk.legal_review import (
    LegalReviewAssigned,
    LegalReviewPassed,
    LegalReviewPassedWithConditions,
    LegalReviewRejected,
    LegalReviewRequested,
    LegalReviewWithdrawn,
)
from projections.rules.rule import Mode, Rule
from projections.rules.templates.following import Response
from projections.rules.term import Limit

REVIEWED_IN_TIME = Response(
    "R-RSK-8",
    "Counsel speaks of a contract in the time that it takes to read it.",
    cases=LegalReviewId,
    clauses=("5.2.4-a",),
    mode=Mode.DETECT,
    on=(LegalReviewRequested,),
    then=(LegalReviewPassed, LegalReviewPassedWithConditions, LegalReviewRejected),
    shelved=(LegalReviewWithdrawn,),
    within=Limit(parameter="P-42", value=None, named_by=(LegalReviewRequested, "complexity")),
    owed_by=Role.LEGAL,
    handler={LegalReviewAssigned: "counsel_id"},
    ladder=(Role.MANAGER,),
)

CONSULTED_IN_TIME = Response(
    "R-RSK-9",
    "Whoever asks counsel is answered in time.",
    cases=ConsultationId,
    clauses=("5.2.4-b",),
    mode=Mode.DETECT,
    on=(LegalConsultationAsked,),
    then=(LegalAdviceGiven,),
    within=Limit(parameter="P-43"),
    owed_by=Role.LEGAL,
    ladder=(Role.MANAGER,),
)

RULES: tuple[Rule, ...] = (REVIEWED_IN_TIME, CONSULTED_IN_TIME)
