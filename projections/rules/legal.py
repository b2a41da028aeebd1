"""Rules of legal risk: regulation 5.2.4, counsel reviews contracts in time and is asked before it is too late."""

from __future__ import annotations

from aggregates.actor import Role
from aggregates.business.contract import ContractAmendmentDrafted, ContractDrafted, ContractRedrafted
from aggregates.ids import ConsultationId, ContractId, LegalReviewId
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
from projections.rules.templates.people import ACTOR, FourEyes
from projections.rules.term import Limit

DRAFTS = (ContractDrafted, ContractRedrafted, ContractAmendmentDrafted)
REVIEWS = (LegalReviewPassed, LegalReviewPassedWithConditions, LegalReviewRejected)

REVIEWED_IN_TIME = Response(
    "R-RSK-8",
    "Counsel speaks of a contract in the time that it takes to read it.",
    cases=LegalReviewId,
    clauses=("5.2.4-a",),
    mode=Mode.DETECT,
    on=(LegalReviewRequested,),
    then=REVIEWS,
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

NOT_BY_ITS_DRAFTER = FourEyes(
    "R-GEN-2.3",
    "Nobody reviews a contract that they drafted, in whichever version.",
    cases=ContractId,
    clauses=("1.3.1", "5.2.4-a"),
    mode=Mode.PREVENT,
    case_in=dict.fromkeys(REVIEWS, "contract_id"),
    first=dict.fromkeys(DRAFTS, ACTOR),
    second=dict.fromkeys(REVIEWS, ACTOR),
    ever=True,
    in_order=True,
    owed_by=Role.LEGAL,
)

NOT_DRAFTED_AFTERWARDS = FourEyes(
    "R-GEN-2.3.text",
    "Nobody drafts a text that they have let pass themselves.",
    cases=ContractId,
    clauses=("1.3.1", "5.2.4-a"),
    mode=Mode.PREVENT,
    case_in={LegalReviewPassed: "contract_id"},
    first=dict.fromkeys(DRAFTS, ACTOR),
    second={LegalReviewPassed: ACTOR},
    version={**dict.fromkeys(DRAFTS, "terms.content"), LegalReviewPassed: "content"},
    ever=True,
    owed_by=Role.LEGAL,
)

RULES: tuple[Rule, ...] = (REVIEWED_IN_TIME, CONSULTED_IN_TIME, NOT_BY_ITS_DRAFTER, NOT_DRAFTED_AFTERWARDS)
