"""Which contracts are there, what holds in each, who let which text through, and what waits for project management?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import LiteralString

from msgspec.structs import replace
from psycopg import sql

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
    ContractObligationFulfilled,
    ContractRedrafted,
    ContractReturned,
    ContractSigned,
    ContractTerminated,
    ContractVoided,
    Handover,
)
from aggregates.business.terms import Terms
from aggregates.event import Recorded
from aggregates.facts import ContractStanding, Payable
from aggregates.ids import ContractId, CustomerId, EmployeeId, NegotiationId, OpportunityId
from aggregates.readers import Readers
from aggregates.text import Code, ContentHash, Text
from aggregates.value import Value
from projections.fact import fact
from projections.question import Database, matching, question, select, select_one
from projections.row import Row, View, its_stream
from projections.survivors import with_survivors

READERS = Readers(
    everything=frozenset(
        {
            Role.BUSINESS_DEVELOPMENT,
            Role.BUSINESS_DEVELOPMENT_LEAD,
            Role.DEPUTY,
            Role.MANAGER,
            Role.LEGAL,
            Role.FINANCE,
            Role.PROJECT_LEAD,
            Role.RECORDS,
            Role.AUDITOR,
        }
    )
)


class Stage(StrEnum):
    """How far a contract is, from its draft to one of its ends."""

    __hash__ = str.__hash__  # an enumeration's own is Python, and steps look stages up for each event

    DRAFTED = "drafted"
    RETURNED = "returned"
    APPROVED = "approved"
    SIGNED = "signed"
    VOIDED = "voided"
    TERMINATED = "terminated"
    EXPIRED = "expired"


class ContractRow(Row):
    """`terms` are those in force, or those of the draft while nothing is; amount, end and content are theirs.

    `proposed` is the version that waits for its signature, `authors` whoever wrote any of it. `handover_since` is when
    the hand-over came to where it is; `returns` counts how often project management gave it back.
    """

    indexes = (("customer_id",),)

    contract_id: ContractId
    customer_id: CustomerId
    drafted_at: datetime
    terms: Terms
    amount: Decimal
    ends: date
    content: ContentHash
    proposed: Terms | None
    authors: tuple[EmployeeId, ...]
    opportunity_id: OpportunityId | None = None
    negotiation_id: NegotiationId | None = None
    stage: Stage = Stage.DRAFTED
    versions: int = 1
    approved_at: datetime | None = None
    approver_id: EmployeeId | None = None
    signed_at: datetime | None = None
    signatory_id: EmployeeId | None = None
    amended_at: datetime | None = None
    ended_at: datetime | None = None
    handover: Handover = Handover.NONE
    handover_since: datetime | None = None
    returns: int = 0
    fulfilled: Mapping[Code, datetime] = {}


def drafted(record: Recorded[ContractDrafted]) -> ContractRow:
    event = record.event
    return ContractRow(
        contract_id=ContractId(record.stream_id),
        customer_id=event.customer_id,
        drafted_at=record.effective_at,
        terms=event.terms,
        amount=event.terms.amount,
        ends=event.terms.ends,
        content=event.terms.content,
        proposed=event.terms,
        authors=event.drafted_by,
        opportunity_id=event.opportunity_id,
        negotiation_id=event.negotiation_id,
    )


def redrafted(row: ContractRow, record: Recorded[ContractRedrafted]) -> ContractRow:
    return replace(_holding(_proposing(row, record), record.event.terms), stage=Stage.DRAFTED)


def amendment_drafted(row: ContractRow, record: Recorded[ContractAmendmentDrafted]) -> ContractRow:
    return _proposing(row, record)


def approved(row: ContractRow, record: Recorded[ContractApproved]) -> ContractRow:
    told = replace(row, approved_at=record.effective_at, approver_id=record.event.approved_by[0])
    return told if row.stage is Stage.SIGNED else replace(told, stage=Stage.APPROVED)


def returned(row: ContractRow, record: Recorded[ContractReturned]) -> ContractRow:  # noqa: ARG001  # none
    told = replace(row, approved_at=None, approver_id=None)
    return told if row.stage is Stage.SIGNED else replace(told, stage=Stage.RETURNED)


def voided(row: ContractRow, record: Recorded[ContractVoided]) -> ContractRow:
    return replace(row, stage=Stage.VOIDED, proposed=None, ended_at=record.effective_at)


def signed(row: ContractRow, record: Recorded[ContractSigned]) -> ContractRow:
    at, signatory_id = record.effective_at, record.event.signed_by[0]
    row = replace(row, stage=Stage.SIGNED, signed_at=at, signatory_id=signatory_id, handover_since=at)
    return replace(_holding(row, row.proposed), proposed=None)


def amended(row: ContractRow, record: Recorded[ContractAmended]) -> ContractRow:
    row = replace(row, amended_at=record.effective_at, signatory_id=record.event.signed_by[0])
    return replace(_holding(row, row.proposed), proposed=None)


def handed_over(row: ContractRow, record: Recorded[ContractHandedOver]) -> ContractRow:
    return replace(row, handover=Handover.OFFERED, handover_since=record.effective_at)


def accepted(row: ContractRow, record: Recorded[ContractHandoverAccepted]) -> ContractRow:
    return replace(row, handover=Handover.ACCEPTED, handover_since=record.effective_at)


def given_back(row: ContractRow, record: Recorded[ContractHandoverReturned]) -> ContractRow:
    return replace(row, handover=Handover.NONE, handover_since=record.effective_at, returns=row.returns + 1)


def fulfilled(row: ContractRow, record: Recorded[ContractObligationFulfilled]) -> ContractRow:
    return replace(row, fulfilled={**row.fulfilled, record.event.number: record.effective_at})


def terminated(row: ContractRow, record: Recorded[ContractTerminated]) -> ContractRow:
    return replace(row, stage=Stage.TERMINATED, proposed=None, ended_at=record.effective_at)


def expired(row: ContractRow, record: Recorded[ContractExpired]) -> ContractRow:
    return replace(row, stage=Stage.EXPIRED, proposed=None, ended_at=record.effective_at)


contracts = View(
    ContractRow,
    drafted,
    redrafted,
    amendment_drafted,
    approved,
    returned,
    voided,
    signed,
    amended,
    handed_over,
    accepted,
    given_back,
    fulfilled,
    terminated,
    expired,
    key=its_stream(ContractId),
)


def _proposing(row: ContractRow, record: Recorded[ContractRedrafted | ContractAmendmentDrafted]) -> ContractRow:
    """Another version waits; what was approved before no longer counts."""
    authors = (*row.authors, *record.event.drafted_by)
    return replace(
        row,
        proposed=record.event.terms,
        authors=tuple(dict.fromkeys(authors)),
        versions=row.versions + 1,
        approved_at=None,
        approver_id=None,
    )


def _holding(row: ContractRow, terms: Terms | None) -> ContractRow:
    return (
        row if terms is None else replace(row, terms=terms, amount=terms.amount, ends=terms.ends, content=terms.content)
    )


GOES_ON: LiteralString = "stage IN ('drafted', 'returned', 'approved', 'signed')"
GOING_ON = frozenset({Stage.DRAFTED, Stage.RETURNED, Stage.APPROVED, Stage.SIGNED})
"""The same in two languages."""


def in_the_register() -> sql.Composed:
    """All contracts, to select from: those that go on are with the customer that goes on after a merger."""
    return with_survivors(ContractRow, "contract_row", GOES_ON)


@question(
    path="contracts", readers=READERS, order=("drafted_at", "contract_id"), tables=("contract_row", "customer_row")
)
async def register(
    db: Database,
    stage: Stage | None = None,
    customer_id: CustomerId | None = None,
    opportunity_id: OpportunityId | None = None,
    content: ContentHash | None = None,
) -> list[ContractRow]:
    """The register of contracts in the order in which they were drafted: all, or those of one kind."""
    where, values = matching(
        {
            "stage = %s": stage and stage.value,
            "customer_id = %s": customer_id,
            "opportunity_id = %s": opportunity_id,
            "content = %s": content,
        }
    )
    query = sql.SQL("SELECT * FROM {} WHERE " + where).format(in_the_register())
    return await select(db, ContractRow, query, *values)


@question(
    path="contracts/{contract_id}",
    readers=READERS,
    one_of=contracts,
    goes_on=lambda row: row.stage in GOING_ON,
    tables=("contract_row", "customer_row"),
)
async def one(db: Database, contract_id: ContractId) -> ContractRow | None:
    """One contract as it stands."""
    query = sql.SQL("SELECT * FROM {} WHERE contract_id = %s").format(in_the_register())
    return await select_one(db, ContractRow, query, contract_id)


@fact(contracts)
async def contract_standing(db: Database, contract_id: ContractId) -> ContractStanding:
    """Nothing is known of a contract that nobody has drafted. It is with whom it was made, merged or not."""
    row = await select_one(db, ContractRow, "SELECT * FROM contract_row WHERE contract_id = %s", contract_id)
    if row is None:
        return ContractStanding(contract_id=contract_id)
    return ContractStanding(
        contract_id=contract_id,
        customer_id=row.customer_id,
        opportunity_id=row.opportunity_id,
        negotiation_id=row.negotiation_id,
        amount=row.amount,
        authors=row.authors,
        signed_at=row.signed_at,
        ended_at=row.ended_at,
        content=row.content if row.proposed is None else row.proposed.content,
        payments={one.number: Payable(amount=one.amount, due=one.due) for one in row.terms.payments},
    )


class Obligation(Value):
    """Something promised in a contract that is in force, and when it was done."""

    contract_id: ContractId
    customer_id: CustomerId
    number: Code
    what: Text
    due: date
    fulfilled_at: datetime | None


@question(
    path="contracts/obligations",
    readers=READERS,
    order=("due", "contract_id", "number"),
    tables=("contract_row", "customer_row"),
)
async def obligations(
    db: Database,
    contract_id: ContractId | None = None,
    customer_id: CustomerId | None = None,
    until: date | None = None,
    fulfilled: bool | None = None,
) -> list[Obligation]:
    """What is promised in the contracts in force, by the day on which it is due: all, or up to a day."""
    where, values = matching(
        {
            "contract_id = %s": contract_id,
            "customer_id = %s": customer_id,
            "due <= %s": until,
            "(fulfilled_at IS NOT NULL) = %s": fulfilled,
        }
    )
    query: LiteralString = f"""
        SELECT * FROM (
            SELECT contract_id, customer_id, number, what, due, (fulfilled ->> number)::timestamptz AS fulfilled_at
            FROM {{}}, jsonb_to_recordset(terms -> 'obligations') AS o(number text, what text, due date)
            WHERE stage = 'signed'
        ) calendar WHERE {where}"""
    return await select(db, Obligation, sql.SQL(query).format(in_the_register()), *values)


class Due(Value):
    """A part of the amount of a contract in force, the day by which the customer pays it, and whether it is claimed."""

    contract_id: ContractId
    customer_id: CustomerId
    number: Code
    amount: Decimal
    due: date
    claimed: bool


@question(
    path="contracts/payments",
    readers=READERS,
    order=("due", "contract_id", "number"),
    tables=("contract_row", "customer_row", "billing_row"),
)
async def payments(
    db: Database,
    contract_id: ContractId | None = None,
    customer_id: CustomerId | None = None,
    until: date | None = None,
    claimed: bool | None = None,
) -> list[Due]:
    """What customers pay by the contracts in force, by the day on which it is due: all, or up to a day; what is claimed
    by now, or is not."""
    where, values = matching(
        {
            "contract_id = %s": contract_id,
            "customer_id = %s": customer_id,
            "due <= %s": until,
            "claimed = %s": claimed,
        }
    )
    query: LiteralString = f"""
        SELECT * FROM (
            SELECT contract_id, customer_id, p.number, p.amount, p.due, coalesce(billed ? p.number, false) AS claimed
            FROM {{}} LEFT JOIN billing_row USING (contract_id),
                jsonb_to_recordset(terms -> 'payments') AS p(number text, amount numeric, due date)
            WHERE stage = 'signed'
        ) schedule WHERE {where}"""
    return await select(db, Due, sql.SQL(query).format(in_the_register()), *values)
