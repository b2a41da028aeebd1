"""Which signed contracts wait for project management, and which are over soon?"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from msgspec.structs import replace
from psycopg import sql

from aggregates.actor import Role
from aggregates.business.contract import (
    ContractAmended,
    ContractAmendmentDrafted,
    ContractDrafted,
    ContractExpired,
    ContractRedrafted,
    ContractSigned,
    ContractTerminated,
    ContractVoided,
    Handover,
)
from aggregates.event import Recorded
from aggregates.ids import ContractId, CustomerId
from aggregates.value import Value
from projections.contracts import READERS, in_the_register
from projections.question import Database, question, select
from projections.reference import Reference
from projections.row import Row, View, the
from projections.rules.contracts import HANDED_OVER

BANDS = (30, 60, 90)
"""Days before its end by which a contract is on the list of those that are over soon."""


class TermRow(Row):
    """`over_at`: when the last day of a contract is over in the company's zone, None while it is not in force.

    `alarm_at` is the same, but for imported history; `proposed_over_at` that of the version that waits.
    """

    indexes = (("alarm_at",),)

    contract_id: ContractId
    proposed_over_at: datetime
    over_at: datetime | None = None
    alarm_at: datetime | None = None


def proposed(
    row: TermRow | None,
    record: Recorded[ContractDrafted | ContractRedrafted | ContractAmendmentDrafted],
    reference: Reference,
) -> TermRow:
    over_at = reference.end_of(record.event.terms.ends)
    row = row or TermRow(contract_id=ContractId(record.stream_id), proposed_over_at=over_at)
    return replace(row, proposed_over_at=over_at)


def in_force(row: TermRow, record: Recorded[ContractSigned | ContractAmended]) -> TermRow:
    over_at = row.proposed_over_at
    return replace(row, over_at=over_at, alarm_at=over_at if record.origin is None else None)


def over(row: TermRow, record: Recorded[ContractVoided | ContractTerminated | ContractExpired]) -> None:  # noqa: ARG001  # none
    return None


terms = View(TermRow, proposed, in_force, over, key=the("contract_id", or_its_stream=True))


class Ending(Value):
    """A contract in force that is over soon; `band` is 30, 60 or 90 where so many days or fewer are left."""

    contract_id: ContractId
    customer_id: CustomerId
    amount: Decimal
    ends: date
    over_at: datetime
    days_left: int
    band: int | None


@question(
    path="contracts/expiring",
    readers=READERS,
    order=("over_at", "contract_id"),
    tables=("contract_row", "term_row", "customer_row"),
)
async def expiring(db: Database, days: int = max(BANDS), customer_id: CustomerId | None = None) -> list[Ending]:
    """Contracts in force that are over in so many days or fewer, the next one first."""
    return await select(
        db,
        Ending,
        sql.SQL("""
        SELECT *, (SELECT min(band) FROM unnest(%s::bigint[]) AS band WHERE days_left <= band) AS band
        FROM (
            SELECT contract_id, customer_id, amount, ends, over_at,
                ceil(extract(epoch FROM over_at - %s::timestamptz) / 86400)::bigint AS days_left
            FROM {} JOIN term_row USING (contract_id) WHERE over_at IS NOT NULL
        ) of_all
        WHERE days_left <= %s AND (customer_id = %s OR %s::text IS NULL)""").format(in_the_register()),
        list(BANDS), db.moment, days, customer_id, customer_id,
    )  # fmt: skip


class Waiting(Value):
    """A signed contract that project management has not taken on. `handover` says at whom it lies: at business
    development while it is not handed over, then at project management, since `since`.

    `due_at` is when the next step is due, None where no calendar says so; `told` is who up the ladder knows that it is
    late.
    """

    contract_id: ContractId
    customer_id: CustomerId
    amount: Decimal
    signed_at: datetime
    age_days: int
    handover: Handover
    since: datetime
    returns: int
    due_at: datetime | None
    missed: bool
    told: Role | None


class _Waiting(Value):
    contract_id: ContractId
    customer_id: CustomerId
    amount: Decimal
    signed_at: datetime
    age_days: int
    handover: Handover
    since: datetime
    returns: int
    due_at: datetime | None
    missed: bool
    level: int

    @property
    def told(self) -> Waiting:
        """The same with the office in place of its rung."""
        return Waiting(
            contract_id=self.contract_id,
            customer_id=self.customer_id,
            amount=self.amount,
            signed_at=self.signed_at,
            age_days=self.age_days,
            handover=self.handover,
            since=self.since,
            returns=self.returns,
            due_at=self.due_at,
            missed=self.missed,
            told=HANDED_OVER.told_at(self.level),
        )


@question(
    path="contracts/handovers",
    readers=READERS,
    order=("signed_at", "contract_id"),
    tables=("contract_row", "duty_row", "customer_row"),
)
async def queue(db: Database, missed: bool | None = None, handover: Handover | None = None) -> list[Waiting]:
    """Signed contracts that project management has not taken on, the oldest signature first."""
    at = db.moment
    found = await select(
        db,
        _Waiting,
        sql.SQL(
            """
        SELECT * FROM (
            SELECT contract_id, customer_id, amount, signed_at, handover, handover_since AS since, returns, due_at,
                floor(extract(epoch FROM %s::timestamptz - signed_at) / 86400)::bigint AS age_days,
                coalesce(missed > 0 OR due_at < %s, false) AS missed, coalesce(level, 0) AS level
            FROM {} LEFT JOIN duty_row ON rule = %s AND case_id = contract_id
            WHERE stage = 'signed' AND handover <> 'accepted'
        ) waiting
        WHERE (missed = %s OR %s::boolean IS NULL) AND (handover = %s OR %s::text IS NULL)"""
        ).format(in_the_register()),
        at, at, HANDED_OVER.number, missed, missed, handover and handover.value, handover and handover.value,
    )  # fmt: skip
    return [one.told for one in found]
