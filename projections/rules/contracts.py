"""Rules of contracts: regulation 3.1.3 and 3.1.4, from the confirmed needs to the hand-over to project management."""

from __future__ import annotations

from typing import Any

from aggregates.actor import Role
from aggregates.business.contract import (
    ContractAmended,
    ContractAmendmentDrafted,
    ContractApproved,
    ContractDrafted,
    ContractExpired,
    ContractHandedOver,
    ContractHandoverAccepted,
    ContractHandoverReturned,
    ContractRedrafted,
    ContractSigned,
    ContractTerminated,
    ContractVoided,
)
from aggregates.business.negotiation import NegotiationBriefApproved, NegotiationOpened
from aggregates.business.opportunity import NeedsConfirmed, OpportunityAbandoned, OpportunityLost, OpportunityReopened
from aggregates.ids import ContractId, OpportunityId
from aggregates.risk.legal_review import LegalReviewPassed
from projections.rules.rule import Mode, Rule
from projections.rules.templates.following import Stage, Succession
from projections.rules.templates.people import ACTOR, AuthorityAt, ByAmount, FourEyes, InCharge
from projections.rules.templates.preceding import Precedence
from projections.rules.templates.values import Equality
from projections.rules.term import Limit

LADDER = (Role.BUSINESS_DEVELOPMENT_LEAD, Role.DEPUTY, Role.MANAGER)
DRAFTS = (ContractDrafted, ContractRedrafted, ContractAmendmentDrafted)
SIGNATURES = (ContractSigned, ContractAmended)
ENDS = (ContractTerminated, ContractExpired)
BY_AMOUNT = ByAmount(field="amount", parameter="P-39", value="deputy", within=(Role.DEPUTY, Role.MANAGER))

A_CONTRACT: dict[str, Any] = {"cases": ContractId, "owed_by": Role.BUSINESS_DEVELOPMENT, "ladder": LADDER}

KNOWN_AND_BRIEFED = Precedence(
    "R-BD-5",
    "Nobody negotiates before the customer has confirmed what is needed and the brief is approved.",
    cases=OpportunityId,
    clauses=("2.2.3-c", "3.1.3-a", "3.1.3-b"),
    mode=Mode.PREVENT,
    first=(NeedsConfirmed, NegotiationBriefApproved),
    then=(NegotiationOpened,),
    every=True,
    case_in={NegotiationBriefApproved: "opportunity_id", NegotiationOpened: "opportunity_id"},
    shelved=(OpportunityLost, OpportunityAbandoned),
    resumed=(OpportunityReopened,),
    owed_by=Role.BUSINESS_DEVELOPMENT,
    ladder=LADDER,
)

REVIEWED = Precedence(
    "R-BD-6",
    "What is signed has passed legal review, to the byte.",
    clauses=("1.3.4", "2.2.3-c", "3.1.3-c", "5.2.4-a"),
    mode=Mode.PREVENT,
    on=(ContractDrafted,),
    first=(LegalReviewPassed,),
    then=SIGNATURES,
    same={LegalReviewPassed: "content", ContractSigned: "content", ContractAmended: "content"},
    case_in={LegalReviewPassed: "contract_id"},
    shelved=(ContractVoided,),
    **A_CONTRACT,
)

HANDED_OVER = Succession(
    "R-BD-8",
    "A signed contract reaches project management in time, and is taken on there or given back in time.",
    clauses=("3.1.4-a",),
    mode=Mode.DETECT,
    on=(ContractSigned,),
    stages=(
        Stage((ContractHandedOver,), Limit(parameter="P-09", value="handover")),
        Stage((ContractHandoverAccepted,), Limit(parameter="P-09", value="decision")),
    ),
    back=(ContractHandoverReturned,),
    shelved=ENDS,
    **A_CONTRACT,
)

ONE_TEXT = Equality(
    "R-BD-10",
    "What is signed is what was reviewed and approved.",
    clauses=("3.1.3-c",),
    mode=Mode.PREVENT,
    fields={
        LegalReviewPassed: "content",
        ContractApproved: "content",
        ContractSigned: "content",
        ContractAmended: "content",
    },
    ever=(LegalReviewPassed,),
    instead={ContractAmended: ContractSigned},
    then=SIGNATURES,
    case_in={LegalReviewPassed: "contract_id"},
    shelved=(ContractVoided,),
    **A_CONTRACT,
)

NOT_BY_ITS_DRAFTER = FourEyes(
    "R-GEN-2.4",
    "Nobody approves or signs a contract that they drafted, in whichever version.",
    clauses=("1.3.1", "3.1.3-c"),
    mode=Mode.PREVENT,
    on=(ContractDrafted,),
    first=dict.fromkeys(DRAFTS, ACTOR),
    second=dict.fromkeys((ContractApproved, *SIGNATURES), ACTOR),
    ever=True,
    in_order=True,
    over=(*ENDS, ContractVoided),
    **A_CONTRACT,
)

BY_AUTHORITY = AuthorityAt(
    "R-GEN-1.contract",
    "A contract is approved and signed by the deputy, or by the manager where it is about more.",
    clauses=("1.3.1", "2.2.2-a", "3.1.3-c"),
    mode=Mode.PREVENT,
    of=dict.fromkeys((ContractApproved, *SIGNATURES), BY_AMOUNT),
    **A_CONTRACT,
)

IN_THEIR_AREA = InCharge(
    "R-ORG-2.1",
    "A deputy decides on contracts only with business development in their charge.",
    clauses=("2.1", "2.2.2-a"),
    mode=Mode.DETECT,
    of=dict.fromkeys((ContractApproved, *SIGNATURES), "business-development"),
    **A_CONTRACT,
)

RULES: tuple[Rule, ...] = (
    KNOWN_AND_BRIEFED,
    REVIEWED,
    HANDED_OVER,
    ONE_TEXT,
    NOT_BY_ITS_DRAFTER,
    BY_AUTHORITY,
    IN_THEIR_AREA,
)
