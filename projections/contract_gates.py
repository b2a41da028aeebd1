"""Who drafted, reviewed, approved and signed which text of a contract, and when?"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec.structs import replace

from aggregates.business.contract import (
    ContractAmended,
    ContractAmendmentDrafted,
    ContractApproved,
    ContractDrafted,
    ContractRedrafted,
    ContractSigned,
)
from aggregates.event import Recorded
from aggregates.ids import ContractId, EmployeeId
from aggregates.risk.legal_review import LegalReviewPassed, LegalReviewPassedWithConditions, LegalReviewRejected
from aggregates.text import ContentHash
from aggregates.value import Value
from projections.contracts import READERS
from projections.question import Database, matching, question, select
from projections.row import Row, View, the


class Gate(StrEnum):
    """What is said of a text on its way to the signature."""

    DRAFTED = "drafted"
    REVIEWED = "reviewed"
    ON_CONDITIONS = "reviewed on conditions"
    REJECTED = "rejected by counsel"
    APPROVED = "approved"
    SIGNED = "signed"


class Passage(Value):
    """Somebody said something of one text; `on_behalf_of` is whose power was used, if not their own."""

    gate: Gate
    content: ContentHash
    person_id: EmployeeId
    on_behalf_of_id: EmployeeId | None
    at: datetime
    position: int


class GateRow(Row):
    """All that was said of the texts of one contract, one after the other."""

    contract_id: ContractId
    passages: tuple[Passage, ...] = ()


def drafted(
    row: GateRow | None, record: Recorded[ContractDrafted | ContractRedrafted | ContractAmendmentDrafted]
) -> GateRow:
    return _said(row, ContractId(record.stream_id), record, Gate.DRAFTED, record.event.terms.content)


def reviewed(row: GateRow | None, record: Recorded[LegalReviewPassed]) -> GateRow:
    return _said(row, record.event.contract_id, record, Gate.REVIEWED, record.event.content)


def on_conditions(row: GateRow | None, record: Recorded[LegalReviewPassedWithConditions]) -> GateRow:
    return _said(row, record.event.contract_id, record, Gate.ON_CONDITIONS, record.event.content)


def rejected(row: GateRow | None, record: Recorded[LegalReviewRejected]) -> GateRow:
    return _said(row, record.event.contract_id, record, Gate.REJECTED, record.event.content)


def approved(row: GateRow | None, record: Recorded[ContractApproved]) -> GateRow:
    return _said(row, ContractId(record.stream_id), record, Gate.APPROVED, record.event.content)


def signed(row: GateRow | None, record: Recorded[ContractSigned | ContractAmended]) -> GateRow:
    return _said(row, ContractId(record.stream_id), record, Gate.SIGNED, record.event.content)


passages = View(
    GateRow,
    drafted,
    reviewed,
    on_conditions,
    rejected,
    approved,
    signed,
    key=the("contract_id", or_its_stream=True),
)


def _said(
    row: GateRow | None, contract_id: ContractId, record: Recorded[Any], gate: Gate, content: ContentHash
) -> GateRow:
    passage = Passage(
        gate=gate,
        content=content,
        person_id=EmployeeId(record.actor_id),
        on_behalf_of_id=None if record.person == record.actor_id else EmployeeId(record.person),
        at=record.effective_at,
        position=record.position,
    )
    row = row or GateRow(contract_id=contract_id)
    return replace(row, passages=(*row.passages, passage))


class PassedGate(Value):
    """One line of the report of gates."""

    contract_id: ContractId
    gate: Gate
    content: ContentHash
    person_id: EmployeeId
    on_behalf_of_id: EmployeeId | None
    at: datetime
    position: int


@question(path="contracts/gates", readers=READERS, order=("position",), tables=("gate_row",))
async def gates(
    db: Database,
    contract_id: ContractId | None = None,
    content: ContentHash | None = None,
    person_id: EmployeeId | None = None,
    gate: Gate | None = None,
) -> list[PassedGate]:
    """Who drafted, reviewed, approved and signed which text when, in the order in which it was recorded."""
    where, values = matching(
        {
            "contract_id = %s": contract_id,
            "content = %s": content,
            "%s IN (person_id, on_behalf_of_id)": person_id,
            "gate = %s": gate and gate.value,
        }
    )
    return await select(
        db,
        PassedGate,
        f"""
        SELECT * FROM (
            SELECT contract_id, p.* FROM gate_row, jsonb_to_recordset(passages) AS
                p(gate text, content text, person_id text, on_behalf_of_id text, at timestamptz, position bigint)
        ) report WHERE {where}""",
        *values,
    )
