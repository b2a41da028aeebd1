"""Rules of contracts: regulation 3.1.3 and 3.1.4, from the confirmed needs to the hand-over to project management."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any

from msgspec.json import encode as to_json

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
from aggregates.business.customer import CustomerBlocked, CustomerUnblocked
from aggregates.business.negotiation import (
    BelowFloorApproved,
    NegotiationBriefApproved,
    NegotiationBriefPrepared,
    NegotiationBriefReturned,
    NegotiationBrokenOff,
    NegotiationOpened,
    TermsAgreed,
)
from aggregates.business.opportunity import (
    NeedsConfirmed,
    OpportunityAbandoned,
    OpportunityLost,
    OpportunityReopened,
    OpportunityWon,
)
from aggregates.event import Recorded
from aggregates.ids import ContractId, CustomerId, NegotiationId, OpportunityId
from aggregates.risk.legal_review import LegalReviewPassed, LegalReviewRejected
from projections.reference import Reference
from projections.rules.rule import Mode, Rule
from projections.rules.templates.following import Stage, Succession
from projections.rules.templates.people import ACTOR, AuthorityAt, ByAmount, FourEyes, InCharge
from projections.rules.templates.preceding import Precedence
from projections.rules.templates.values import Equality, Threshold
from projections.rules.term import Limit

LADDER = (Role.BUSINESS_DEVELOPMENT_LEAD, Role.DEPUTY, Role.MANAGER)
DRAFTS = (ContractDrafted, ContractRedrafted, ContractAmendmentDrafted)
SIGNATURES = (ContractSigned, ContractAmended)
ENDS = (ContractTerminated, ContractExpired)
BY_AMOUNT = ByAmount(field="amount", parameter="P-39", value="deputy", within=(Role.DEPUTY, Role.MANAGER))

A_CONTRACT: dict[str, Any] = {"cases": ContractId, "owed_by": Role.BUSINESS_DEVELOPMENT, "ladder": LADDER}

Known = Mapping[str, str]


def _agreed(known: Known, record: Recorded[Any]) -> Known:
    event = record.event
    if isinstance(event, ContractDrafted) and event.agreed_price is not None:
        return {**known, "agreed": str(event.agreed_price)}
    return known


def _less_than_agreed(known: Known, record: Recorded[Any], _reference: Reference) -> str | None:
    return "less than agreed" if record.event.terms.amount < Decimal(known.get("agreed", "0")) else None


def _negotiated(known: Known, record: Recorded[Any]) -> Known:
    match record.event:
        case NegotiationOpened():
            return {**known, record.stream_id: "opened"}
        case ContractDrafted(negotiation_id=negotiation_id):
            return {**known, record.stream_id: negotiation_id or ""}
        case _:
            return known


def _past_the_talks(known: Known, record: Recorded[Any], _reference: Reference) -> str | None:
    rests_on = known.get(record.event.contract_id, "")
    return "past its negotiation" if "opened" in known.values() and known.get(rests_on) != "opened" else None


def _texts(known: Known, record: Recorded[Any]) -> Known:
    """What each file says, by a hash of its terms; and whether the last one said something else before."""
    terms = record.event.terms
    now = sha256(to_json(terms)).hexdigest()
    return {**known, terms.content: now, "otherwise": "" if known.get(terms.content, now) == now else "yes"}


def _said_otherwise(known: Known, _record: Recorded[Any], _reference: Reference) -> str | None:
    return "one file with two sets of terms" if known["otherwise"] else None


def _blocked(known: Known, record: Recorded[Any]) -> Known:
    if isinstance(record.event, CustomerBlocked | CustomerUnblocked):
        return {"blocked": "yes"} if isinstance(record.event, CustomerBlocked) else {}
    return known


def _while_blocked(known: Known, _record: Recorded[Any], _reference: Reference) -> str | None:
    return "customer blocked" if known else None


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

BRIEFED = Precedence(
    "R-BD-5.1",
    "Each negotiation has a brief of its own that is approved as it stands.",
    cases=NegotiationId,
    clauses=("2.2.3-c", "3.1.3-b"),
    mode=Mode.PREVENT,
    on=(NegotiationBriefPrepared, NegotiationBriefReturned),
    first=(NegotiationBriefApproved,),
    then=(NegotiationOpened,),
    owed_by=Role.BUSINESS_DEVELOPMENT,
    ladder=LADDER,
)

BRIEF_OF_ANOTHER = FourEyes(
    "R-GEN-2.brief",
    "Nobody approves a brief that they wrote, in whichever version.",
    cases=NegotiationId,
    clauses=("1.3.1", "3.1.3-b"),
    mode=Mode.PREVENT,
    first={NegotiationBriefPrepared: "authors"},
    second={NegotiationBriefApproved: ACTOR},
    ever=True,
    in_order=True,
    owed_by=Role.BUSINESS_DEVELOPMENT,
)

FLOOR_OF_ANOTHER = FourEyes(
    "R-GEN-2.floor",
    "Nobody who negotiates approves terms below the floor.",
    cases=NegotiationId,
    clauses=("1.3.1", "3.1.3-c"),
    mode=Mode.PREVENT,
    first={NegotiationBriefPrepared: "team"},
    second={BelowFloorApproved: ACTOR},
    ever=True,
    in_order=True,
    over=(NegotiationBrokenOff, TermsAgreed),
    owed_by=Role.BUSINESS_DEVELOPMENT,
)

AT_STAKE = ByAmount("amount", "P-45", "deputy", (Role.DEPUTY, Role.MANAGER))

BRIEF_BY_AUTHORITY = AuthorityAt(
    "R-GEN-1.brief",
    "A brief, and terms below its floor, are approved by the deputy, or by the manager where more is at stake.",
    cases=NegotiationId,
    clauses=("1.3.1", "2.2.2-a", "3.1.3-b", "3.1.3-c"),
    mode=Mode.PREVENT,
    of={
        NegotiationBriefApproved: AT_STAKE,
        BelowFloorApproved: AT_STAKE._replace(told_by=(NegotiationBriefApproved,)),
    },
)

AS_AGREED = Threshold(
    "R-BD-5.2",
    "A contract is over no less than what its negotiation came to.",
    clauses=("3.1.3-c",),
    mode=Mode.PREVENT,
    at=(ContractDrafted, ContractRedrafted),
    learn=_agreed,
    breach=_less_than_agreed,
    **A_CONTRACT,
)

NOT_PAST_THE_TALKS = Threshold(
    "R-BD-5.3",
    "An opportunity that was negotiated is won by a contract that rests on a negotiation.",
    cases=OpportunityId,
    clauses=("2.2.3-c", "3.1.3-c"),
    mode=Mode.PREVENT,
    on=(NegotiationOpened,),
    known=(ContractDrafted,),
    at=(OpportunityWon,),
    case_in={NegotiationOpened: "opportunity_id", ContractDrafted: "opportunity_id"},
    learn=_negotiated,
    breach=_past_the_talks,
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
    same=dict.fromkeys((LegalReviewPassed, LegalReviewRejected, *SIGNATURES), "content"),
    revoked=(LegalReviewRejected,),
    case_in={LegalReviewPassed: "contract_id", LegalReviewRejected: "contract_id"},
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

ONE_FILE_ONE_THING = Threshold(
    "R-BD-10.1",
    "Each file of a contract says one thing: whoever names the file has named the terms.",
    clauses=("3.1.3-c",),
    mode=Mode.PREVENT,
    at=DRAFTS,
    learn=_texts,
    breach=_said_otherwise,
    **A_CONTRACT,
)

NOT_WITH_THE_BLOCKED = Threshold(
    "R-BD-10.2",
    "With a blocked customer no contract is drafted, approved or signed.",
    clauses=("3.1.2-c", "3.1.3-c"),
    mode=Mode.PREVENT,
    cases=CustomerId,
    known=(CustomerBlocked, CustomerUnblocked),
    at=(ContractDrafted, ContractApproved, *SIGNATURES),
    case_in=dict.fromkeys((ContractDrafted, ContractApproved, *SIGNATURES), "customer_id"),
    learn=_blocked,
    breach=_while_blocked,
    owed_by=Role.BUSINESS_DEVELOPMENT,
    ladder=LADDER,
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
    "A contract is approved, signed and terminated by the deputy, or by the manager where it is about more.",
    clauses=("1.3.1", "2.2.2-a", "3.1.3-c"),
    mode=Mode.PREVENT,
    of={
        **dict.fromkeys((ContractApproved, *SIGNATURES), BY_AMOUNT),
        ContractTerminated: BY_AMOUNT._replace(told_by=SIGNATURES),
    },
    **A_CONTRACT,
)

IN_THEIR_AREA = InCharge(
    "R-ORG-2.1",
    "A deputy decides on contracts only with business development in their charge.",
    clauses=("2.1", "2.2.2-a"),
    mode=Mode.DETECT,
    of=dict.fromkeys((ContractApproved, *SIGNATURES, ContractTerminated), "business-development"),
    **A_CONTRACT,
)

TALKS_IN_THEIR_AREA = InCharge(
    "R-ORG-2.2",
    "A deputy decides on negotiations only with business development in their charge.",
    cases=NegotiationId,
    clauses=("2.1", "2.2.2-a"),
    mode=Mode.DETECT,
    of=dict.fromkeys((NegotiationBriefApproved, BelowFloorApproved), "business-development"),
    owed_by=Role.BUSINESS_DEVELOPMENT,
    ladder=LADDER,
)

RULES: tuple[Rule, ...] = (
    KNOWN_AND_BRIEFED,
    BRIEFED,
    AS_AGREED,
    NOT_PAST_THE_TALKS,
    REVIEWED,
    HANDED_OVER,
    ONE_TEXT,
    ONE_FILE_ONE_THING,
    NOT_WITH_THE_BLOCKED,
    BRIEF_OF_ANOTHER,
    FLOOR_OF_ANOTHER,
    BRIEF_BY_AUTHORITY,
    NOT_BY_ITS_DRAFTER,
    BY_AUTHORITY,
    IN_THEIR_AREA,
    TALKS_IN_THEIR_AREA,
)
