"""Rules of records: regulation 6.2."""

from __future__ import annotations

from aggregates.actor import Role
from aggregates.business.contract import ContractAmended, ContractSigned
from aggregates.ids import ContractId, DocumentId
from aggregates.information.document import DocumentArchived, DocumentRegistered, DocumentVersionAdded
from projections.rules.rule import Mode, Rule
from projections.rules.templates.following import Completeness, ResponseToEach
from projections.rules.term import Limit

CLASSIFIED = Completeness(
    "R-INF-5",
    "No document is filed without class, number, security level, format and place.",
    cases=DocumentId,
    clauses=("6.2.1",),
    mode=Mode.PREVENT,
    on=(DocumentRegistered,),
    parts={
        "class": ((DocumentRegistered,), "record_class_id"),
        "number": ((DocumentRegistered,), "number"),
        "security": ((DocumentRegistered,), "security"),
        "format": ((DocumentVersionAdded,), "format"),
        "place": ((DocumentArchived,), "place"),
    },
    before=(DocumentArchived,),
    owed_by=Role.RECORDS,
)

FILED = ResponseToEach(
    "R-INF-6",
    "What is signed is filed in time, to the byte.",
    cases=ContractId,
    clauses=("2.2.4-c", "6.2.2"),
    mode=Mode.DETECT,
    on=(ContractSigned, ContractAmended),
    then=(DocumentArchived,),
    same=dict.fromkeys((ContractSigned, ContractAmended, DocumentArchived), "content"),
    case_in={DocumentArchived: "about_id"},
    within=Limit(parameter="P-23", value="contract"),
    owed_by=Role.RECORDS,
    ladder=(Role.DEPUTY, Role.MANAGER),
)

RULES: tuple[Rule, ...] = (CLASSIFIED, FILED)
