"""How does each instalment stand: what is open of it, what was promised, and what will time bring?"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace

from aggregates.event import Recorded
from aggregates.facts import Unit
from aggregates.ids import ContractId, CustomerId, ReceivableId
from aggregates.risk.dunning import Hold, Level
from aggregates.risk.receivable import (
    CreditStopCalled,
    DisputeResolved,
    DunningPaused,
    DunningResumed,
    DunningStepTaken,
    HandedToLegal,
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
from projections.reference import Reference
from projections.row import Row, View, its_stream


class ReceivableRow(Row):
    """`overdue_at`: the end of the day by which it had to be paid.

    The alarms: when it has to be said that it is overdue, that a promise is broken or a pause over, that the credit
    stops; none where that is said, and none of imported history.
    """

    indexes = (("customer_id",), ("overdue_alarm_at",), ("hold_alarm_at",), ("stop_alarm_at",))

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
    paused_until: date | None = None
    promises_kept: int = 0
    promises_broken: int = 0
    write_off_requested: Decimal | None = None
    imported: bool = False
    stop_days: int | None = None
    overdue_alarm_at: datetime | None = None
    hold_alarm_at: datetime | None = None
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
        overdue_at=reference.end_of(event.due),
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


def paused(row: ReceivableRow, record: Recorded[DunningPaused], reference: Reference) -> ReceivableRow:
    until = record.event.until
    held = replace(_free(row), hold=Hold.PAUSE, paused_until=until)
    at = None if row.imported or until is None else reference.end_of(until)
    return replace(_alarmed(held), hold_alarm_at=at)


def resumed(row: ReceivableRow, record: Recorded[DisputeResolved | DunningResumed]) -> ReceivableRow:  # noqa: ARG001  # none
    return _alarmed(_free(row))


def promised(row: ReceivableRow, record: Recorded[PaymentPromised], reference: Reference) -> ReceivableRow:
    event = record.event
    held = replace(row, hold=Hold.PROMISE, promised_until=event.until, promised=event.amount)
    at = None if row.imported else reference.end_of(event.until)
    return replace(_alarmed(held), hold_alarm_at=at)


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
    return replace(row, hold=Hold.NONE, promised_until=None, promised=None, paused_until=None, hold_alarm_at=None)


def _alarmed(row: ReceivableRow) -> ReceivableRow:
    """What time will bring if nothing else comes."""
    is_open = row.open > 0 and not row.imported
    dunned = row.overdue and row.hold in {Hold.NONE, Hold.PROMISE}
    stops = dunned and not row.stop_called and row.level is not Level.FINAL and row.stop_days is not None
    return replace(
        row,
        overdue_alarm_at=row.overdue_at if is_open and row.hold is Hold.NONE and not row.overdue else None,
        stop_alarm_at=row.overdue_at + timedelta(days=row.stop_days or 0) if is_open and stops else None,
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
