"""What the row of an instalment says, what time will bring, and what the questions make of many."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TypeVar, get_args

import pytest
from msgspec.structs import replace

from aggregates.business.customer import CustomerRegistered, CustomersMerged
from aggregates.event import Envelope, Event, Origin
from aggregates.ids import AnyId, ContractId, CustomerId, EmployeeId, ReceivableId
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
    ReceivableEvent,
    ReceivableRaised,
    ReceivableSettled,
    ReceivableWrittenOff,
    WriteOffRejected,
    WriteOffRequested,
)
from aggregates.text import Code, Text
from infra.read_model.references import References
from projections import receivables
from projections.customers import CustomerRow, customers
from projections.parameters import ParameterRow, parameters
from projections.receivable import ReceivableRow
from projections.receivable import receivables as view
from projections.receivables import Aged, Dunned, ReceivableFigures
from projections.reference import REFERENCE_EVENTS
from projections.row import Row
from projections.rules.credit import DUNNED
from projections.rules.duty import DutyRow
from services.founding_defaults import DEFAULT_PARAMETERS
from tests.given import MONDAY, history, recorded
from tests.projections.rules.cases import FOUNDED, Happened, duty, log_of
from tests.projections.tables import asked, filled

T = TypeVar("T")
ACME, OTHER, DEAL = CustomerId("customer-acme"), CustomerId("customer-other"), ContractId("contract-1")
ANNA, WORDS, MAIL = EmployeeId("employee-anna"), Text("words"), Code("mail")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HUNDRED, DUE = Decimal(100), date(2026, 2, 28)
NOTHING, THIRTY, FORTY, SIXTY = map(Decimal, (0, 30, 40, 60))
OVER = datetime(2026, 2, 28, 16, tzinfo=UTC)
"""The end of the day by which it had to be paid, where we are."""
REFERENCE = References(one for one in log_of() if type(one.event) in REFERENCE_EVENTS).at(1_000)

raised = ReceivableRaised(customer_id=ACME, contract_id=DEAL, instalment=Code("a"), amount=HUNDRED, due=DUE)
paid = PaymentReceived(customer_id=ACME, contract_id=DEAL, amount=Decimal(40), reference=Code("1"))
rest = replace(paid, amount=Decimal(60), reference=Code("2"))
back = PaymentReversed(customer_id=ACME, contract_id=DEAL, amount=Decimal(40), reference=Code("1"), reason=WORDS)
settled, overdue = ReceivableSettled(customer_id=ACME), ReceivableBecameOverdue(customer_id=ACME)
disputed, resolved = ReceivableDisputed(reason=WORDS), DisputeResolved(upheld=True, wording=WORDS)
paused, resumed = DunningPaused(reason=WORDS), DunningResumed()
promised = PaymentPromised(until=date(2026, 3, 6), amount=Decimal(50))
kept, broken = PromiseKept(), PromiseBroken(until=promised.until)
stop, legal = CreditStopCalled(customer_id=ACME), HandedToLegal(customer_id=ACME, grounds=WORDS)
asked_off = WriteOffRequested(amount=Decimal(30), grounds=WORDS, requested_by=(ANNA,))
kept_on = WriteOffRejected(grounds=WORDS)
off = ReceivableWrittenOff(customer_id=ACME, contract_id=DEAL, amount=Decimal(30))
reminded = DunningStepTaken(customer_id=ACME, level=Level.REMINDER, channel=MAIL, wording=WORDS)
last = replace(reminded, level=Level.FINAL)
EVERYTHING = (
    *(raised, paid, back, settled, disputed, resolved, overdue, stop, reminded, promised, kept, broken),
    *(paused, resumed, legal, asked_off, kept_on, off),
)
IMPORTED = Envelope(origin=Origin(source="desk", file="sha256:1", case="1", index=1))


def row_of(*events: Event, number: int = 1, at: datetime = MONDAY, envelope: Envelope | None = None) -> ReceivableRow:
    """The row after events that lie an hour apart."""
    row = view.fold(
        (
            recorded(event, stream_id=f"receivable-{number}", position=n, at=at + n * HOUR, envelope=envelope)
            for n, event in enumerate(events)
        ),
        REFERENCE,
    )
    assert row is not None
    return row


def alarms(row: ReceivableRow) -> tuple[datetime | None, datetime | None, datetime | None]:
    return row.overdue_alarm_at, row.hold_alarm_at, row.stop_alarm_at


# What the row says


def test_the_row_takes_every_event() -> None:
    assert set(view.events) == set(get_args(ReceivableEvent)) == set(map(type, EVERYTHING))


def test_what_is_paid_is_not_open_and_what_was_taken_back_is() -> None:
    row = row_of(raised, paid)
    assert (row.amount, row.paid, row.open) == (HUNDRED, FORTY, SIXTY)
    assert (row.settled_at, row.overdue_at) == (None, OVER)
    assert row_of(raised, paid, rest, settled).settled_at == MONDAY + 3 * HOUR
    again = row_of(raised, paid, rest, settled, back)
    assert (again.paid, again.open, again.settled_at) == (SIXTY, FORTY, None)


def test_5_2_2_b_what_was_settled_and_taken_back_is_dunned_from_the_first_step_again() -> None:
    row = row_of(raised, overdue, last, legal, paid, rest, settled, back)
    assert (row.overdue, row.level, row.at_legal, row.stop_called) == (False, None, False, False)
    assert alarms(row) == (OVER, None, None)


def test_what_is_written_off_is_neither_open_nor_paid() -> None:
    assert row_of(raised, asked_off).write_off_requested == 30
    assert row_of(raised, asked_off, kept_on).write_off_requested is None
    row = row_of(raised, paid, asked_off, off)
    assert (row.paid, row.written_off, row.open, row.write_off_requested) == (FORTY, THIRTY, THIRTY, None)
    assert row_of(raised, paid, asked_off, off, back).open == 70


def test_5_2_2_b_time_brings_overdue_then_the_stop_of_credit() -> None:
    assert alarms(row_of(raised)) == (OVER, None, None)
    assert alarms(row_of(raised, overdue)) == (None, None, OVER + 60 * DAY)
    assert alarms(row_of(raised, overdue, reminded)) == (None, None, OVER + 60 * DAY)
    for more in ((stop,), (last,), (paid, rest, settled)):
        assert alarms(row_of(raised, overdue, *more)) == (None, None, None)


@pytest.mark.parametrize("hold", [disputed, paused, promised])
def test_5_2_2_b_nothing_is_due_to_be_said_while_nobody_is_reminded(hold: Event) -> None:
    assert row_of(raised, hold).overdue_alarm_at is None
    promise = hold is promised  # which puts off the reminders, not the stop
    assert row_of(raised, overdue, hold).stop_alarm_at == (OVER + 60 * DAY if promise else None)


@pytest.mark.parametrize(
    ("hold", "end"), [(disputed, resolved), (paused, resumed), (promised, broken), (promised, kept)]
)
def test_5_2_2_b_a_hold_ends_and_what_waited_is_due(hold: Event, end: Event) -> None:
    assert row_of(raised, hold).hold is not Hold.NONE
    row = row_of(raised, overdue, hold, end)
    assert (row.hold, row.promised, row.promised_until) == (Hold.NONE, None, None)
    assert alarms(row) == (None, None, OVER + 60 * DAY)
    assert alarms(row_of(raised, hold, end)) == (OVER, None, None)


def test_a_promise_is_over_at_the_end_of_its_day_and_counts() -> None:
    row = row_of(raised, promised)
    assert (row.hold, row.promised, row.promised_until) == (Hold.PROMISE, promised.amount, promised.until)
    assert row.hold_alarm_at == datetime(2026, 3, 6, 16, tzinfo=UTC)
    assert row_of(raised, promised, disputed).hold_alarm_at is None
    pause = row_of(raised, replace(paused, until=promised.until))
    assert (pause.paused_until, pause.hold_alarm_at) == (promised.until, row.hold_alarm_at)
    counted = row_of(raised, promised, broken, promised, kept)
    assert (counted.promises_kept, counted.promises_broken) == (1, 1)


def test_no_clock_speaks_of_what_was_imported() -> None:
    for events in ((raised,), (raised, overdue), (raised, promised), (raised, promised, broken)):
        assert alarms(row_of(*events, envelope=IMPORTED)) == (None, None, None)


# The questions


@pytest.fixture
def rows(empty_database: str) -> Callable[..., str]:
    """Puts rows into the tables that the questions are asked of, with P-19 among them, and says where."""

    def put(*given: Row, classes: bool = True) -> str:
        (p_19,) = (parameter for parameter in DEFAULT_PARAMETERS if parameter.number == "P-19")
        known = parameters.fold(history([p_19.defined(FOUNDED)], stream_id="parameter-P-19"))
        assert known is not None
        kinds = (ReceivableRow, ParameterRow, DutyRow, CustomerRow)
        return filled(empty_database, kinds, [*given, *([known] if classes else [])])

    return put


def numbers(found: Iterable[ReceivableRow | Dunned]) -> list[int]:
    return sorted(int(one.receivable_id.rpartition("-")[2]) for one in found)


def file(whose: CustomerId, into: CustomerId | None = None) -> CustomerRow:
    """The file of a customer, which may have been merged into another."""
    events: list[Event] = [CustomerRegistered(name=WORDS, source=Code("fair"))]
    row = customers.fold(history([*events, *([CustomersMerged(into_id=into)] if into else [])], stream_id=whose))
    assert row is not None
    return row


def owing(days: int, amount: int, number: int, customer_id: CustomerId = ACME) -> ReceivableRow:
    """What is overdue for so many whole days on our Monday, and not yet due with none of them."""
    bill = replace(raised, customer_id=customer_id, amount=Decimal(amount))
    return replace(row_of(bill, number=number), overdue_at=MONDAY - days * DAY)


def aged(customer_id: CustomerId, *classes: int) -> Aged:
    not_due, first, second, third, beyond = map(Decimal, classes)
    return Aged(
        customer_id=customer_id, not_due=not_due, first_class=first, second_class=second, third_class=third,
        beyond=beyond, total=Decimal(sum(classes)),
    )  # fmt: skip


def test_5_2_2_b_what_is_open_is_shown_by_age_and_each_class_ends_on_its_day(rows: Callable[..., str]) -> None:
    ages = (-1, 0, 29, 30, 59, 60, 89, 90, 400)
    there = rows(*(owing(days, 1 << n, n) for n, days in enumerate(ages)))
    assert asked(there, receivables.ageing) == [aged(ACME, 1, 2 + 4, 8 + 16, 32 + 64, 128 + 256)]
    a_day_later = asked(there, receivables.ageing, MONDAY + DAY)
    assert a_day_later == [aged(ACME, 0, 1 + 2, 4 + 8, 16 + 32, 64 + 128 + 256)]


def test_5_2_2_b_each_customer_has_its_line_and_only_what_is_open_counts(rows: Callable[..., str]) -> None:
    there = rows(
        row_of(raised, paid),
        row_of(raised, paid, rest, settled, number=2),
        row_of(raised, paid, rest, settled, back, number=3),
        row_of(raised, disputed, number=4),
        row_of(raised, asked_off, off, number=5),
        owing(-5, 7, 6, OTHER),
    )
    found = sorted(asked(there, receivables.ageing), key=lambda one: one.customer_id)
    assert found == [aged(ACME, 0, 60 + 40 + 100 + 70, 0, 0, 0), aged(OTHER, 7, 0, 0, 0, 0)]
    assert asked(there, lambda db: receivables.ageing(db, customer_id=OTHER)) == [aged(OTHER, 7, 0, 0, 0, 0)]
    assert asked(there, lambda db: receivables.ageing(db, customer_id=CustomerId("customer-9"))) == []


def test_3_1_2_c_what_a_merged_customer_owes_is_owed_by_the_one_that_goes_on(rows: Callable[..., str]) -> None:
    there = rows(
        row_of(raised, overdue),
        row_of(raised, paid, rest, settled, number=2),
        owing(-5, 7, 3, OTHER),
        file(ACME, OTHER),
        file(OTHER),
    )
    assert asked(there, receivables.ageing) == [aged(OTHER, 7, 100, 0, 0, 0)]
    assert [one.customer_id for one in asked(there, receivables.dunning)] == [OTHER]
    found = {one.receivable_id[-1]: one.customer_id for one in asked(there, receivables.open_items)}
    assert found == {"1": OTHER, "2": ACME, "3": OTHER}
    assert numbers(asked(there, lambda db: receivables.open_items(db, customer_id=OTHER))) == [1, 3]
    one = asked(there, lambda db: receivables.one(db, ReceivableId("receivable-1")))
    assert one is not None
    assert one.customer_id == OTHER


def test_what_is_older_than_every_parameter_has_no_classes(rows: Callable[..., str]) -> None:
    there = rows(owing(-1, 1, 1), owing(0, 2, 2), owing(400, 4, 3), classes=False)
    assert asked(there, receivables.ageing) == [aged(ACME, 1, 0, 0, 0, 2 + 4)]


def test_receivables_are_found_by_what_they_are(rows: Callable[..., str]) -> None:
    there = rows(
        row_of(raised),
        row_of(raised, paid, rest, settled, number=2),
        row_of(raised, disputed, number=3),
        row_of(raised, overdue, reminded, number=4),
        row_of(raised, asked_off, number=5),
        row_of(raised, asked_off, off, number=6),
        row_of(replace(raised, customer_id=OTHER, contract_id=ContractId("contract-2")), number=7),
    )

    def found(**by: object) -> list[int]:
        return numbers(asked(there, lambda db: receivables.open_items(db, **by)))  # type: ignore[arg-type]  # as named

    assert found() == [1, 2, 3, 4, 5, 6, 7]
    assert found(customer_id=OTHER) == found(contract_id=ContractId("contract-2")) == [7]
    assert found(hold=Hold.DISPUTE) == [3]
    assert found(level=Level.REMINDER) == [4]
    assert found(settled=True) == [2]
    assert found(settled=False) == [1, 3, 4, 5, 6, 7]
    assert found(write_off=True) == [5, 6]
    assert found(write_off=False, settled=True) == [2]
    assert asked(there, lambda db: receivables.one(db, ReceivableId("receivable-4"))) == row_of(
        raised, overdue, reminded, number=4
    )
    assert asked(there, lambda db: receivables.one(db, ReceivableId("receivable-9"))) is None


def owed(*events: Event, number: int) -> DutyRow:
    """What is owed of dunning after an instalment became overdue on our Monday, and this came an hour after."""
    stream = f"receivable-{number}"
    happened = [Happened(overdue, MONDAY, stream_id=stream)]
    happened += [Happened(event, MONDAY + HOUR, stream_id=stream) for event in events]
    return duty(DUNNED, *happened, case=AnyId(stream))


def test_5_2_2_b_the_board_says_by_when_whoever_is_overdue_has_to_be_reminded(rows: Callable[..., str]) -> None:
    there = rows(
        *(row_of(raised, overdue), owed(number=1)),
        *(row_of(raised, overdue, reminded, number=2), owed(reminded, number=2)),
        *(row_of(raised, overdue, disputed, number=3), owed(disputed, number=3)),
        *(row_of(raised, overdue, paid, rest, settled, number=4), owed(settled, number=4)),
        row_of(raised, overdue, number=5),
        row_of(raised, number=6),
    )
    on_wednesday = MONDAY + 2 * DAY
    board = {one.receivable_id[-1]: one for one in asked(there, receivables.dunning, on_wednesday)}
    assert sorted(board) == ["1", "2", "3", "5"]
    assert board["1"] == Dunned(
        receivable_id=ReceivableId("receivable-1"), customer_id=ACME, open=HUNDRED, overdue_at=OVER, hold=Hold.NONE,
        level=None, at_legal=False, step_due_at=MONDAY + DAY, missed=True,
    )  # fmt: skip
    reminded_in_time = board["2"]
    assert (reminded_in_time.level, reminded_in_time.missed) == (Level.REMINDER, False)
    assert reminded_in_time.step_due_at == MONDAY + 15 * DAY
    assert (board["3"].hold, board["3"].step_due_at, board["3"].missed) == (Hold.DISPUTE, None, False)
    assert (board["5"].step_due_at, board["5"].missed) == (None, False)
    of_missed = asked(there, lambda db: receivables.dunning(db, customer_id=ACME, missed=True), on_wednesday)
    assert numbers(of_missed) == [1]
    assert numbers(asked(there, lambda db: receivables.dunning(db, missed=False), on_wednesday)) == [2, 3, 5]
    assert asked(there, lambda db: receivables.dunning(db, missed=True), MONDAY + DAY) == []


def test_5_2_2_b_the_figures_of_everything(rows: Callable[..., str]) -> None:
    there = rows(
        row_of(raised, promised, kept, paid, rest, settled),
        row_of(raised, promised, broken, paid, number=2),
        row_of(raised, promised, kept, asked_off, off, number=3),
        owing(-5, 40, 4),
        row_of(raised, number=5, at=MONDAY - 200 * DAY),
    )
    assert asked(there, receivables.figures, MONDAY + DAY) == ReceivableFigures(
        billed=Decimal(440),
        paid=Decimal(140),
        written_off=Decimal(30),
        open=Decimal(270),
        overdue=Decimal(230),
        overdue_percent=Decimal("85.19"),
        promises_kept=2,
        promises_broken=1,
        promises_kept_percent=Decimal("66.67"),
        days_sales_outstanding=Decimal("71.47"),
    )


@pytest.mark.parametrize(("days", "counted"), [(10, 10), (1, 1), (0, 1), (-7, 1), (10**9, 3660)])
def test_bills_are_outstanding_for_as_many_days_as_they_are_counted(
    rows: Callable[..., str], days: int, counted: int
) -> None:
    there = rows(row_of(raised), row_of(raised, paid, number=2))
    found = asked(there, lambda db: receivables.figures(db, days=days), MONDAY + HOUR)
    assert found.days_sales_outstanding == round(counted * Decimal(160) / 200, 2)


def test_where_there_is_nothing_there_are_no_rates(rows: Callable[..., str]) -> None:
    found = asked(rows(), receivables.figures)
    assert (found.billed, found.open, found.promises_kept) == (NOTHING, NOTHING, 0)
    assert (found.overdue_percent, found.promises_kept_percent, found.days_sales_outstanding) == (None, None, None)
