"""How much may each customer owe us, how much does it, by which contract, and how much of the limit is used?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, LiteralString

from msgspec.structs import replace
from psycopg import sql

from aggregates.actor import Role
from aggregates.business.contract import ContractAmended, ContractExpired, ContractSigned, ContractTerminated
from aggregates.business.customer import AccountOwnerAssigned
from aggregates.event import Recorded
from aggregates.facts import CreditStanding, Override
from aggregates.ids import ContractId, CustomerId, EmployeeId
from aggregates.readers import Readers
from aggregates.risk.credit import (
    CreditAssessed,
    CreditLimitApproved,
    CreditLimitExpired,
    CreditOverrideApproved,
    CreditReleased,
    CreditSuspended,
    Grade,
)
from aggregates.risk.receivable import PaymentReceived, PaymentReversed, ReceivableRaised, ReceivableWrittenOff
from aggregates.value import Value
from projections.customers import customers
from projections.fact import fact
from projections.question import Database, matching, question, select, select_one
from projections.row import Row, View, the
from projections.survivors import SURVIVORS, files_of

NEAR = 80
"""From so much percent of its limit on somebody has to look at a customer."""

READERS = Readers(
    everything=frozenset({Role.FINANCE, Role.RISK, Role.DEPUTY, Role.MANAGER, Role.AUDITOR}),
    own=frozenset({Role.EMPLOYEE}),
)


class Use(StrEnum):
    """How much of a limit is used: near from more than 80 percent on, over from more than all of it."""

    WITHIN = "within"
    NEAR = "near"
    OVER = "over"


class Commitment(Value):
    """One contract: what is signed, how much of that was billed, and what of the bills is open."""

    signed: Decimal = Decimal(0)
    billed: Decimal = Decimal(0)
    open: Decimal = Decimal(0)

    @property
    def exposure(self) -> Decimal:
        """What is open, and what is signed and not billed yet."""
        return self.open + max(self.signed - self.billed, Decimal(0))


class CreditRow(Row):
    """`exposure` is that of all `contracts`; `alarm_at`: when the limit expires."""

    of_person = ("owner_id",)
    indexes = (("alarm_at",), ("use",))

    customer_id: CustomerId
    grade: Grade | None = None
    score: int | None = None
    limit: Decimal = Decimal(0)
    payment_days: int | None = None
    valid_until: datetime | None = None
    expired: bool = False
    suspended: bool = False
    exposure: Decimal = Decimal(0)
    use: Use = Use.WITHIN
    contracts: Mapping[ContractId, Commitment] = {}
    overrides: Mapping[ContractId, Override] = {}
    owner_id: EmployeeId | None = None
    alarm_at: datetime | None = None


def assessed(row: CreditRow | None, record: Recorded[CreditAssessed]) -> CreditRow:
    event = record.event
    return replace(row or CreditRow(customer_id=event.customer_id), grade=event.grade, score=event.score)


def limited(row: CreditRow | None, record: Recorded[CreditLimitApproved]) -> CreditRow:
    event = record.event
    return _used(
        replace(
            row or CreditRow(customer_id=event.customer_id),
            limit=event.limit,
            payment_days=event.payment_days,
            valid_until=event.valid_until,
            expired=False,
            alarm_at=event.valid_until if record.origin is None else None,
        )
    )


def expired(row: CreditRow, record: Recorded[CreditLimitExpired]) -> CreditRow:  # noqa: ARG001  # none
    return replace(row, expired=True, alarm_at=None)


def let_go_beyond(row: CreditRow | None, record: Recorded[CreditOverrideApproved]) -> CreditRow:
    event, row = record.event, row or CreditRow(customer_id=record.event.customer_id)
    leave = Override(amount=event.amount, until=event.until)
    return replace(row, overrides={**row.overrides, event.contract_id: leave})


def suspended(row: CreditRow | None, record: Recorded[CreditSuspended]) -> CreditRow:
    return replace(row or CreditRow(customer_id=record.event.customer_id), suspended=True)


def released(row: CreditRow, record: Recorded[CreditReleased]) -> CreditRow:  # noqa: ARG001  # none
    return replace(row, suspended=False)


def owned(row: CreditRow | None, record: Recorded[AccountOwnerAssigned]) -> CreditRow:
    return replace(row or CreditRow(customer_id=CustomerId(record.stream_id)), owner_id=record.event.owner_id)


def signed(row: CreditRow | None, record: Recorded[ContractSigned | ContractAmended]) -> CreditRow:
    contract_id, amount = ContractId(record.stream_id), record.event.amount
    return _committed(row, record.event.customer_id, contract_id, lambda now: replace(now, signed=amount))


def over(row: CreditRow | None, record: Recorded[ContractTerminated | ContractExpired]) -> CreditRow:
    contract_id = ContractId(record.stream_id)
    return _committed(row, record.event.customer_id, contract_id, lambda now: replace(now, signed=Decimal(0)))


def billed(row: CreditRow | None, record: Recorded[ReceivableRaised]) -> CreditRow:
    event = record.event
    return _committed(
        row,
        event.customer_id,
        event.contract_id,
        lambda now: replace(now, billed=now.billed + event.amount, open=now.open + event.amount),
    )


def reversed_(row: CreditRow | None, record: Recorded[PaymentReversed]) -> CreditRow:
    event = record.event
    return _committed(row, event.customer_id, event.contract_id, lambda now: replace(now, open=now.open + event.amount))


def paid(row: CreditRow | None, record: Recorded[PaymentReceived | ReceivableWrittenOff]) -> CreditRow:
    event = record.event
    return _committed(row, event.customer_id, event.contract_id, lambda now: replace(now, open=now.open - event.amount))


def _committed(row: CreditRow | None, customer_id: CustomerId, contract_id: ContractId, change: Any) -> CreditRow:
    row = row or CreditRow(customer_id=customer_id)
    before = row.contracts.get(contract_id, Commitment())
    after = change(before)
    exposure = row.exposure + after.exposure - before.exposure
    return _used(replace(row, contracts={**row.contracts, contract_id: after}, exposure=exposure))


def _used(row: CreditRow) -> CreditRow:
    use = Use.OVER if row.exposure > row.limit else Use.NEAR if 100 * row.exposure > NEAR * row.limit else Use.WITHIN
    return replace(row, use=use)


credits_ = View(
    CreditRow,
    assessed,
    limited,
    expired,
    let_go_beyond,
    suspended,
    released,
    owned,
    signed,
    over,
    billed,
    reversed_,
    paid,
    key=the("customer_id", or_its_stream=True),
)


@fact(credits_, customers, also_about="files")
async def credit_standing(db: Database, customer_id: CustomerId) -> CreditStanding:
    """Nothing is allowed to a customer whom nobody has assessed.

    A limit stays with the file for which it was approved, but what is owed by any file of a customer uses it up.
    """
    files = await files_of(db, customer_id)
    rows = await select(db, CreditRow, "SELECT * FROM credit_row WHERE customer_id = ANY(%s)", list(files))
    own = next((row for row in rows if row.customer_id == customer_id), CreditRow(customer_id=customer_id))
    return CreditStanding(
        customer_id=customer_id,
        limit=own.limit,
        valid_until=own.valid_until,
        exposure=sum((row.exposure for row in rows), Decimal(0)),
        suspended=any(row.suspended for row in rows),
        overrides=own.overrides,
        files=tuple(file for file in files if file != customer_id),
    )


TOGETHER: LiteralString = f"""
    WITH s AS ({SURVIVORS}),
        whose AS (SELECT c.*, coalesce(survivor_id, customer_id) AS survivor_id
                  FROM credit_row c LEFT JOIN s ON merged_id = customer_id),
        owing AS (SELECT *, sum(exposure) OVER (PARTITION BY survivor_id) AS owed FROM whose)
    SELECT {{columns}} FROM owing
    WHERE survivor_id = customer_id OR survivor_id NOT IN (SELECT customer_id FROM credit_row)"""


def _together() -> sql.Composed:
    """The rows of customers whose file goes on, each with what is owed by all files that were merged into it."""
    anew: Mapping[str, LiteralString] = {
        "exposure": "owed AS exposure",
        "use": f"""CASE WHEN owed > "limit" THEN 'over' WHEN 100 * owed > {NEAR} * "limit" THEN 'near'
                   ELSE 'within' END AS use""",
    }
    columns = [sql.SQL(anew[name]) if name in anew else sql.Identifier(name) for name in CreditRow.__struct_fields__]
    return sql.SQL("(" + TOGETHER + ") t").format(columns=sql.SQL(", ").join(columns))


@question(path="credits", readers=READERS, order=("customer_id",), tables=("credit_row", "customer_row"))
async def limits(
    db: Database,
    use: Use | None = None,
    grade: Grade | None = None,
    suspended: bool | None = None,
    owner_id: EmployeeId | None = None,
    expires_before: datetime | None = None,
) -> list[CreditRow]:
    """Limit and exposure of each customer: all, those near their limit or over it, or whose limit ends soon.

    What is owed by files that were merged is owed by the one that goes on; their contracts are listed at their own.
    """
    where, values = matching(
        {
            "use = %s": use and use.value,
            "grade = %s": grade and grade.value,
            "suspended = %s": suspended,
            "owner_id = %s": owner_id,
            "valid_until < %s": expires_before,
        }
    )
    return await select(db, CreditRow, sql.SQL("SELECT * FROM {} WHERE " + where).format(_together()), *values)


@question(path="credits/{customer_id}", readers=READERS, one_of=credits_)
async def one(db: Database, customer_id: CustomerId) -> CreditRow | None:
    """Limit and exposure of one customer's file, by contract; the list says what is owed by all that were merged."""
    return await select_one(db, CreditRow, "SELECT * FROM credit_row WHERE customer_id = %s", customer_id)
