"""Which instalments are open, how old are they, what was promised, who is to be reminded, and how soon are we paid?"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import LiteralString
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from aggregates.actor import Role
from aggregates.event import Recorded
from aggregates.facts import Unit
from aggregates.ids import ContractId, CustomerId, ReceivableId
from aggregates.risk.receivable import (
    COLLECTORS,
    CreditStopCalled,
    DisputeResolved,
    DunningPaused,
    DunningResumed,
    DunningStepTaken,
    HandedToLegal,
    Hold,
    Level,
    PaymentPromised,
    PaymentReceived,
    PaymentReversed,
    PromiseBroken,
    PromiseKept,
    ReceivableBecameOverdue,
    ReceivableDisputed,
    ReceivableRaised,
    ReceivableSettled,
    ReceivableWrittenOff,
    WriteOffRejected,
    WriteOffRequested,
)
from aggregates.text import Code
from aggregates.value import Value
from projections.parameters import ParameterRow
from projections.question import Database, matching, question, select
from projections.reference import Reference
from projections.row import Row, View, its_stream

READERS = (*COLLECTORS, Role.RISK, Role.DEPUTY, Role.MANAGER, Role.AUDITOR)


class ReceivableRow(Row):
    """`overdue_at`: the end of the day by which it had to be paid.

    The alarms: when it has to be said that it is overdue, that a promise is broken, that the credit stops; none where
    that is said, and none of imported history.
    """

    indexes = (("customer_id",), ("overdue_alarm_at",), ("promise_alarm_at",), ("stop_alarm_at",))

    receivable_id: ReceivableId
    customer_id: CustomerId
    contract_id: ContractId
    instalment: Code
    amount: Decimal
    due: date
    raised_at: datetime
    overdue_at: datetime
    open: Decimal
    paid: Decimal = Decimal(0)
    written_off: Decimal = Decimal(0)
    settled_at: datetime | None = None
    overdue: bool = False
    hold: Hold = Hold.NONE
    level: Level | None = None
    at_legal: bool = False
    stop_called: bool = False
    promised_until: date | None = None
    promised: Decimal | None = None
    promises_kept: int = 0
    promises_broken: int = 0
    write_off_requested: Decimal | None = None
    imported: bool = False
    stop_days: int | None = None
    overdue_alarm_at: datetime | None = None
    promise_alarm_at: datetime | None = None
    stop_alarm_at: datetime | None = None


def raised(record: Recorded[ReceivableRaised], reference: Reference) -> ReceivableRow:
    event = record.event
    row = ReceivableRow(
        receivable_id=ReceivableId(record.stream_id),
        customer_id=event.customer_id,
        contract_id=event.contract_id,
        instalment=event.instalment,
        amount=event.amount,
        due=event.due,
        raised_at=record.effective_at,
        overdue_at=_end_of(event.due, reference),
        open=event.amount,
        imported=record.origin is not None,
    )
    return _alarmed(row)


def received(row: ReceivableRow, record: Recorded[PaymentReceived]) -> ReceivableRow:
    amount = record.event.amount
    return _alarmed(replace(row, paid=row.paid + amount, open=row.open - amount))


def reversed_(row: ReceivableRow, record: Recorded[PaymentReversed]) -> ReceivableRow:
    amount = record.event.amount
    return _alarmed(replace(row, paid=row.paid - amount, open=row.open + amount, settled_at=None))


def settled(row: ReceivableRow, record: Recorded[ReceivableSettled]) -> ReceivableRow:
    return _alarmed(
        replace(
            _free(row),
            settled_at=record.effective_at,
            overdue=False,
            stop_called=False,
            level=None,
            at_legal=False,
            write_off_requested=None,
        )
    )


def disputed(row: ReceivableRow, record: Recorded[ReceivableDisputed]) -> ReceivableRow:  # noqa: ARG001  # none
    return _alarmed(replace(_free(row), hold=Hold.DISPUTE))


def paused(row: ReceivableRow, record: Recorded[DunningPaused]) -> ReceivableRow:  # noqa: ARG001  # none
    return _alarmed(replace(_free(row), hold=Hold.PAUSE))


def resumed(row: ReceivableRow, record: Recorded[DisputeResolved | DunningResumed]) -> ReceivableRow:  # noqa: ARG001  # none
    return _alarmed(_free(row))


def promised(row: ReceivableRow, record: Recorded[PaymentPromised], reference: Reference) -> ReceivableRow:
    event = record.event
    held = replace(row, hold=Hold.PROMISE, promised_until=event.until, promised=event.amount)
    at = None if row.imported else _end_of(event.until, reference)
    return replace(_alarmed(held), promise_alarm_at=at)


def kept(row: ReceivableRow, record: Recorded[PromiseKept]) -> ReceivableRow:  # noqa: ARG001  # none
    return _alarmed(replace(_free(row), promises_kept=row.promises_kept + 1))


def broken(row: ReceivableRow, record: Recorded[PromiseBroken]) -> ReceivableRow:  # noqa: ARG001  # none
    return _alarmed(replace(_free(row), promises_broken=row.promises_broken + 1))


def became_overdue(
    row: ReceivableRow, record: Recorded[ReceivableBecameOverdue], reference: Reference
) -> ReceivableRow:
    stop = reference.setting("P-19", record.effective_at)["credit_stop"]
    if stop.unit is not Unit.DAY:
        raise ValueError(f"a credit stops after days, not after {stop.unit}")
    return _alarmed(replace(row, overdue=True, stop_days=int(stop.amount)))


def stopped(row: ReceivableRow, record: Recorded[CreditStopCalled]) -> ReceivableRow:  # noqa: ARG001  # none
    return _alarmed(replace(row, stop_called=True))


def reminded(row: ReceivableRow, record: Recorded[DunningStepTaken]) -> ReceivableRow:
    return _alarmed(replace(row, level=record.event.level))


def handed_over(row: ReceivableRow, record: Recorded[HandedToLegal]) -> ReceivableRow:  # noqa: ARG001  # none
    return _alarmed(replace(row, at_legal=True))


def write_off_requested(row: ReceivableRow, record: Recorded[WriteOffRequested]) -> ReceivableRow:
    return replace(row, write_off_requested=record.event.amount)


def write_off_rejected(row: ReceivableRow, record: Recorded[WriteOffRejected]) -> ReceivableRow:  # noqa: ARG001  # none
    return replace(row, write_off_requested=None)


def written_off(row: ReceivableRow, record: Recorded[ReceivableWrittenOff]) -> ReceivableRow:
    amount = record.event.amount
    gone = replace(row, written_off=row.written_off + amount, open=row.open - amount, write_off_requested=None)
    return _alarmed(gone)


def _free(row: ReceivableRow) -> ReceivableRow:
    return replace(row, hold=Hold.NONE, promised_until=None, promised=None, promise_alarm_at=None)


def _end_of(day: date, reference: Reference) -> datetime:
    """When that day is over where the company's clocks go."""
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(reference.zone)).astimezone(UTC)


def _alarmed(row: ReceivableRow) -> ReceivableRow:
    """What time will bring if nothing else comes."""
    waits = row.open > 0 and row.hold is Hold.NONE and not row.imported
    stops = row.overdue and not row.stop_called and row.level is not Level.FINAL and row.stop_days is not None
    return replace(
        row,
        overdue_alarm_at=row.overdue_at if waits and not row.overdue else None,
        stop_alarm_at=row.overdue_at + timedelta(days=row.stop_days or 0) if waits and stops else None,
    )


receivables = View(
    ReceivableRow,
    raised,
    received,
    reversed_,
    settled,
    disputed,
    paused,
    resumed,
    promised,
    kept,
    broken,
    became_overdue,
    stopped,
    reminded,
    handed_over,
    write_off_requested,
    write_off_rejected,
    written_off,
    key=its_stream(ReceivableId),
)


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


@question(path="receivables", readers=READERS, order=("due", "receivable_id"))
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
    return await select(db, ReceivableRow, f"SELECT * FROM receivable_row WHERE {where}", *values)


@question(path="receivables/{receivable_id}", readers=READERS, one_of=receivables)
async def one(db: Database, receivable_id: ReceivableId) -> ReceivableRow | None:
    """One receivable as it stands."""
    rows = await select(db, ReceivableRow, "SELECT * FROM receivable_row WHERE receivable_id = %s", receivable_id)
    return rows[0] if rows else None


BETWEEN: LiteralString = "overdue_at + make_interval(days => %s) <= %s AND overdue_at + make_interval(days => %s) > %s"


@question(
    path="receivables/ageing", readers=READERS, order=("customer_id",), tables=("receivable_row", "parameter_row")
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
        FROM receivable_row
        WHERE open > 0 AND {where}
        GROUP BY customer_id"""
    spans = (at, 0, at, first, at, first, at, second, at, second, at, third, at, third, at)
    return await select(db, Aged, query, *spans, *values)


async def _classes(db: Database) -> tuple[int, int, int]:
    """Where the classes of P-19 end, in days."""
    (row,) = await select(
        Database(db.connection), ParameterRow, "SELECT * FROM parameter_row WHERE parameter_id = 'parameter-P-19'"
    )
    first, second, third = (int(row.values[Code(f"{name}_class")].amount) for name in ("first", "second", "third"))
    return first, second, third


@question(
    path="receivables/dunning",
    readers=READERS,
    order=("overdue_at", "receivable_id"),
    tables=("receivable_row", "duty_row"),
)
async def dunning(db: Database, customer_id: CustomerId | None = None, missed: bool | None = None) -> list[Dunned]:
    """What is overdue: which step was taken, and by when the next has to be."""
    where, values = matching({"customer_id = %s": customer_id, "missed = %s": missed})
    return await select(
        db,
        Dunned,
        f"""
        SELECT * FROM (
            SELECT
                receivable_id, customer_id, open, overdue_at, hold, level, at_legal,
                CASE state WHEN 'owed' THEN due_at END AS step_due_at,
                coalesce(state = 'owed' AND due_at < %s, false) AS missed
            FROM receivable_row LEFT JOIN duty_row ON rule = 'R-RSK-5' AND case_id = receivable_id
            WHERE overdue AND open > 0) board
        WHERE {where}""",
        db.moment,
        *values,
    )


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
    at = db.moment
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
            coalesce(sum(amount) FILTER (WHERE raised_at > %s), 0) AS billed_lately
        FROM receivable_row""",
        at,
        at - timedelta(days=min(max(days, 1), 3660)),
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
