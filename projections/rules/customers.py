"""Rules of business development about customers: regulation 2.2.3-b, 3.1.2."""

from __future__ import annotations

from typing import Any

from aggregates.actor import Role
from aggregates.business.customer import (
    AccountOwnerAssigned,
    ContactAdded,
    ContactEnded,
    ContactObjectionRecorded,
    ContactObjectionWithdrawn,
    CustomerNeedRecorded,
    CustomerProfileChanged,
    CustomerProfileCorrected,
    CustomerRegistered,
    CustomersMerged,
    ProspectContacted,
)
from aggregates.business.opportunity import OpportunityQualified
from aggregates.ids import CustomerId
from projections.rules.rule import Mode, Rule
from projections.rules.templates.enough import CompletenessByShare
from projections.rules.templates.objected import AbsenceByKind
from projections.rules.term import Limit

A_CUSTOMER: dict[str, Any] = {
    "cases": CustomerId,
    "owed_by": Role.BUSINESS_DEVELOPMENT,
    "handler": {AccountOwnerAssigned: "owner_id"},
    "ladder": (Role.BUSINESS_DEVELOPMENT_LEAD, Role.DEPUTY, Role.MANAGER),
}

REGISTERED = (CustomerRegistered, CustomerProfileChanged, CustomerProfileCorrected)
CHANGED = (CustomerProfileChanged, CustomerProfileCorrected)

COMPLETE_FILE = CompletenessByShare(
    "R-BD-4",
    "Enough is recorded of a customer and its needs before an opportunity with it is qualified.",
    clauses=("2.2.3-b", "3.1.2-c"),
    mode=Mode.PREVENT,
    on=(CustomerRegistered,),
    parts={
        "name": ((CustomerRegistered,), "name"),
        "source": ((CustomerRegistered,), "source"),
        "credit_code": (REGISTERED, "credit_code"),
        "region": (REGISTERED, "region"),
        "segment": (REGISTERED, "segment"),
        "payment_terms": (CHANGED, "payment_terms"),
        "owner": ((AccountOwnerAssigned,), "owner_id"),
        "contact": ((ContactAdded,), "contact"),
        "need": ((CustomerNeedRecorded,), "need"),
        "intent": ((CustomerNeedRecorded,), "intent"),
    },
    ended={ContactEnded: "contact"},
    before=(OpportunityQualified,),
    share=Limit(parameter="P-41", value="score"),
    case_in={OpportunityQualified: "customer_id"},
    shelved=(CustomersMerged,),
    **A_CUSTOMER,
)

OBJECTIONS_KEPT = AbsenceByKind(
    "R-BD-9",
    "Nobody is approached by a channel to which they object.",
    clauses=("3.1.2-b",),
    mode=Mode.PREVENT,
    of={ProspectContacted: "channel"},
    forbidden={ContactObjectionRecorded: "channel"},
    allowed={ContactObjectionWithdrawn: "channel"},
    **A_CUSTOMER,
)

RULES: tuple[Rule, ...] = (COMPLETE_FILE, OBJECTIONS_KEPT)
