"""Which instalments are open, how old are they, what was promised, who is to be reminded, and how soon are we paid?"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import LiteralString

from psycopg import sql

from aggregates.actor import Role
from aggregates.ids import ContractId, CustomerId, ReceivableId
from aggregates.risk.dunning import COLLECTORS, Hold, Level
from aggregates.text import Code
from aggregates.value import Value
from projections.parameters import ParameterRow
from projections.question import Database, matching, question, select, select_one
from projections.receivable import ReceivableRow, receivables
from projections.survivors import with_survivors

READERS = (*COLLECTORS, Role.RISK, Role.DEPUTY, Role.MANAGER, Role.AUDITOR)


LONGEST = 3660
"""So many days' bills are counted at most."""


class Aged(Value):
    """What a customer owes, by how long it is overdue; the classes end where P-19 says."""

    customer_id: CustomerId
    not_due: Decimal
    first_class: Decimal
    second_class: Decimal
    third_class: Decimal
    beyond: Decimal
    total: Decimal


class Dunned(Value):
    """An overdue receivable: the last step taken, and by when the next one has to be."""

    receivable_id: ReceivableId
    customer_id: CustomerId
    open: Decimal
    overdue_at: datetime
    hold: Hold
    level: Level | None
    at_legal: bool
    step_due_at: datetime | None
    missed: bool


class ReceivableFigures(Value):
    """Amounts of all there is; the rates are of all that was decided, None where nothing was. `days_sales_outstanding`:
    for how many days' bills what is open stands, by those of the days asked for."""

    billed: Decimal
    paid: Decimal
    written_off: Decimal
    open: Decimal
    overdue: Decimal
    overdue_percent: Decimal | None
    promises_kept: int
    promises_broken: int
    promises_kept_percent: Decimal | None
    days_sales_outstanding: Decimal | None


def _rows() -> sql.Composed:
    """What is open is owed by the customer that goes on after a merger."""
    return with_survivors(ReceivableRow, "receivable_row", "open > 0")


@question(
    path="receivables",
    readers=READERS,
    order=("due", "receivable_id"),
    tables=("receivable_row", "customer_row"),
)
async def open_items(
    db: Database,
    customer_id: CustomerId | None = None,
    contract_id: ContractId | None = None,
    hold: Hold | None = None,
    level: Level | None = None,
    settled: bool | None = None,
    write_off: bool | None = None,
) -> list[ReceivableRow]:
    """All receivables, or those of one kind; `write_off`: where one was made or is asked for."""
    where, values = matching(
        {
            "customer_id = %s": customer_id,
            "contract_id = %s": contract_id,
            "hold = %s": hold and hold.value,
            "level = %s": level and level.value,
            "(open <= 0) = %s": settled,
            "(written_off > 0 OR write_off_requested IS NOT NULL) = %s": write_off,
        }
    )
    return await select(db, ReceivableRow, sql.SQL("SELECT * FROM {} WHERE " + where).format(_rows()), *values)


@question(
    path="receivables/{receivable_id}",
    readers=READERS,
    one_of=receivables,
    goes_on=lambda row: row.open > 0,
    tables=("receivable_row", "customer_row"),
)
async def one(db: Database, receivable_id: ReceivableId) -> ReceivableRow | None:
    """One receivable as it stands."""
    query = sql.SQL("SELECT * FROM {} WHERE receivable_id = %s").format(_rows())
    return await select_one(db, ReceivableRow, query, receivable_id)


BETWEEN: LiteralString = "overdue_at + make_interval(days => %s) <= %s AND overdue_at + make_interval(days => %s) > %s"


@question(
    path="receivables/ageing",
    readers=READERS,
    order=("customer_id",),
    tables=("receivable_row", "parameter_row", "customer_row"),
)
async def ageing(db: Database, customer_id: CustomerId | None = None) -> list[Aged]:
    """What is open by how long it is overdue, of each customer."""
    at, (first, second, third) = db.moment, await _classes(db)
    where, values = matching({"customer_id = %s": customer_id})
    query: LiteralString = f"""
        SELECT
            customer_id,
            coalesce(sum(open) FILTER (WHERE overdue_at > %s), 0) AS not_due,
            coalesce(sum(open) FILTER (WHERE {BETWEEN}), 0) AS first_class,
            coalesce(sum(open) FILTER (WHERE {BETWEEN}), 0) AS second_class,
            coalesce(sum(open) FILTER (WHERE {BETWEEN}), 0) AS third_class,
            coalesce(sum(open) FILTER (WHERE overdue_at + make_interval(days => %s) <= %s), 0) AS beyond,
            sum(open) AS total
        FROM {{}}
        WHERE open > 0 AND {where}
        GROUP BY customer_id"""
    spans = (at, 0, at, first, at, first, at, second, at, second, at, third, at, third, at)
    return await select(db, Aged, sql.SQL(query).format(_rows()), *spans, *values)


async def _classes(db: Database) -> tuple[int, int, int]:
    """Where the classes of P-19 end, in days; before they are on record all that is overdue is beyond them."""
    rows = await select(
        Database(db.connection), ParameterRow, "SELECT * FROM parameter_row WHERE parameter_id = 'parameter-P-19'"
    )
    if not rows:
        return 0, 0, 0
    (row,) = rows
    first, second, third = (int(row.values[Code(f"{name}_class")].amount) for name in ("first", "second", "third"))
    return first, second, third


@question(
    path="receivables/dunning",
    readers=READERS,
    order=("overdue_at", "receivable_id"),
    tables=("receivable_row", "duty_row", "customer_row"),
)
async def dunning(db: Database, customer_id: CustomerId | None = None, missed: bool | None = None) -> list[Dunned]:
    """What is overdue: which step was taken, and by when the next has to be."""
    where, values = matching({"customer_id = %s": customer_id, "missed = %s": missed})
    query: LiteralString = f"""
        SELECT * FROM (
            SELECT
                receivable_id, customer_id, open, overdue_at, hold, t.level, at_legal,
                CASE state WHEN 'owed' THEN due_at END AS step_due_at,
                coalesce(state = 'owed' AND due_at < %s, false) AS missed
            FROM {{}} LEFT JOIN duty_row ON rule = 'R-RSK-5' AND case_id = receivable_id
            WHERE overdue AND open > 0) board
        WHERE {where}"""
    return await select(db, Dunned, sql.SQL(query).format(_rows()), db.moment, *values)


class _Totals(Value):
    billed: Decimal
    paid: Decimal
    written_off: Decimal
    open: Decimal
    overdue: Decimal
    promises_kept: int
    promises_broken: int
    billed_lately: Decimal


@question(path="receivables/figures", readers=READERS, tables=("receivable_row",))
async def figures(db: Database, days: int = 90) -> ReceivableFigures:
    """How much is open and overdue, how many promises are kept, and how soon we are paid, by the bills of some days."""
    at, days = db.moment, min(max(days, 1), LONGEST)
    (total,) = await select(
        db,
        _Totals,
        """
        SELECT
            coalesce(sum(amount), 0) AS billed,
            coalesce(sum(paid), 0) AS paid,
            coalesce(sum(written_off), 0) AS written_off,
            coalesce(sum(open), 0) AS open,
            coalesce(sum(open) FILTER (WHERE overdue_at <= %s), 0) AS overdue,
            coalesce(sum(promises_kept), 0)::bigint AS promises_kept,
            coalesce(sum(promises_broken), 0)::bigint AS promises_broken,
            coalesce(sum(amount) FILTER (WHERE raised_at > %s - make_interval(days => %s)), 0) AS billed_lately
        FROM receivable_row""",
        at,
        at,
        days,
    )
    decided = total.promises_kept + total.promises_broken
    return ReceivableFigures(
        billed=total.billed,
        paid=total.paid,
        written_off=total.written_off,
        open=total.open,
        overdue=total.overdue,
        overdue_percent=_part(100 * total.overdue, total.open),
        promises_kept=total.promises_kept,
        promises_broken=total.promises_broken,
        promises_kept_percent=_part(100 * Decimal(total.promises_kept), Decimal(decided)),
        days_sales_outstanding=_part(days * total.open, total.billed_lately),
    )


def _part(of: Decimal, whole: Decimal) -> Decimal | None:
    return round(of / whole, 2) if whole else None
