"""An instalment is claimed, paid, disputed, promised, dunned step by step, and at last written off by two people."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from msgspec.structs import replace

from aggregates.actor import Actor, Delegation, Role
from aggregates.facts import ContractStanding, Payable, Quantity, Setting, Unit
from aggregates.ids import ContractId, CustomerId, EmployeeId
from aggregates.risk.dunning import Level
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
    Receivable,
    ReceivableBecameOverdue,
    ReceivableDisputed,
    ReceivableRaised,
    ReceivableSettled,
    ReceivableWrittenOff,
    WriteOffRejected,
    WriteOffRequested,
)
from aggregates.text import Code, Text
from tests.given import MONDAY, given

ANNA, LI = EmployeeId("employee-anna"), EmployeeId("employee-li")
ACME, THIS = CustomerId("customer-acme"), ContractId("contract-1")
MANAGER = Actor(id=LI, roles=frozenset({Role.MANAGER, Role.EMPLOYEE}))
FINANCE = Actor(id=ANNA, roles=frozenset({Role.FINANCE, Role.EMPLOYEE}))
WHY, MAIL, ONE, TWO = Text("because"), Code("mail"), Code("bank-1"), Code("bank-2")
DUE, FRIDAY = date(2026, 3, 1), date(2026, 3, 6)
HUNDRED = Decimal(100)
ladder = Setting(number=Code("P-19"), values={Code("hold"): Quantity(amount=Decimal(30), unit=Unit.DAY)})

contract = ContractStanding(
    contract_id=THIS, customer_id=ACME, amount=Decimal(300), signed_at=MONDAY,
    payments={Code("a"): Payable(amount=HUNDRED, due=DUE)},
)  # fmt: skip
raised = ReceivableRaised(customer_id=ACME, contract_id=THIS, instalment=Code("a"), amount=HUNDRED, due=DUE)
paid = PaymentReceived(customer_id=ACME, contract_id=THIS, amount=HUNDRED, reference=ONE)
part = replace(paid, amount=Decimal(40))
reversed_ = PaymentReversed(customer_id=ACME, contract_id=THIS, amount=HUNDRED, reference=ONE, reason=WHY)
settled = ReceivableSettled(customer_id=ACME)
disputed, resolved = ReceivableDisputed(reason=WHY), DisputeResolved(upheld=False, wording=WHY)
overdue, stop = ReceivableBecameOverdue(customer_id=ACME), CreditStopCalled(customer_id=ACME)
promised, kept, broken = PaymentPromised(until=FRIDAY, amount=HUNDRED), PromiseKept(), PromiseBroken(until=FRIDAY)
paused, resumed = DunningPaused(reason=WHY), DunningResumed()
legal = HandedToLegal(customer_id=ACME, grounds=WHY)
requested = WriteOffRequested(amount=HUNDRED, grounds=WHY, requested_by=(ANNA,))
written_off = ReceivableWrittenOff(customer_id=ACME, contract_id=THIS, amount=HUNDRED)


def step(level: Level) -> DunningStepTaken:
    return DunningStepTaken(customer_id=ACME, level=level, channel=MAIL, wording=WHY)


ALL_STEPS = tuple(map(step, Level))


def test_5_2_2_b_an_instalment_of_a_signed_contract_is_claimed_as_its_schedule_says() -> None:
    given(Receivable).when(Receivable.bill, THIS, Code("a"), contract).then(raised)


def test_and_by_itself_where_nobody_has_done_it() -> None:
    given(Receivable).when(Receivable.fall_due, THIS, Code("a"), contract).then(raised)
    given(Receivable, raised).when(Receivable.fall_due, THIS, Code("a"), contract).then_nothing()
    given(Receivable).when(Receivable.fall_due, THIS, Code("b"), contract).then_refused("no instalment b")


def test_nothing_else_is_claimed() -> None:
    given(Receivable).when(Receivable.bill, THIS, Code("b"), contract).then_refused("no instalment b")
    given(Receivable).when(Receivable.bill, THIS, Code("a/b"), contract).then_refused("numbered by")
    given(Receivable).when(Receivable.bill, THIS, Code("a"), replace(contract, signed_at=None)).then_refused(
        "not signed"
    )


def test_a_payment_never_exceeds_what_is_open() -> None:
    given(Receivable, raised).when(Receivable.receive_payment, Decimal(40), ONE).then(part)
    given(Receivable, raised, part).when(Receivable.receive_payment, Decimal(61), TWO).then_refused("Only 60 is open")
    given(Receivable, raised, part).when(Receivable.receive_payment, Decimal(60), TWO).then(
        replace(paid, amount=Decimal(60), reference=TWO), settled
    )
    given(Receivable, raised, paid, settled).when(Receivable.receive_payment, Decimal(1), TWO).then_refused("Nothing")


def test_one_payment_is_recorded_once() -> None:
    given(Receivable, raised, part).when(Receivable.receive_payment, Decimal(40), ONE).then_refused("already")


@pytest.mark.parametrize("wrong", [Decimal(0), Decimal(-1), Decimal("NaN"), Decimal("Infinity")])
def test_an_amount_is_more_than_nothing(wrong: Decimal) -> None:
    given(Receivable, raised).when(Receivable.receive_payment, wrong, ONE).then_refused("more than zero")
    given(Receivable, raised).when(Receivable.promise_payment, MONDAY, FRIDAY, wrong, ladder).then_refused(
        "more than zero"
    )
    given(Receivable, raised).when(Receivable.request_write_off, FINANCE, wrong, WHY).then_refused("more than zero")


def test_a_payment_taken_back_is_owed_again() -> None:
    gone = (raised, overdue, paid, settled)
    given(Receivable, *gone).when(Receivable.reverse_payment, ONE, WHY).then(reversed_)
    given(Receivable, *gone, reversed_).when(Receivable.reverse_payment, ONE, WHY).then_refused("no payment bank-1")
    given(Receivable, *gone, reversed_).when(Receivable.become_overdue, DUE).then(overdue)
    given(Receivable, *gone, reversed_).when(Receivable.receive_payment, HUNDRED, TWO).then(
        replace(paid, reference=TWO), settled
    )


def test_5_2_2_b_what_is_not_paid_is_overdue_once() -> None:
    given(Receivable, raised).when(Receivable.become_overdue, DUE).then(overdue)
    given(Receivable, raised).when(Receivable.become_overdue, FRIDAY).then_nothing()
    for otherwise in ((overdue,), (paid, settled), (disputed,), (promised,), (paused,)):
        given(Receivable, raised, *otherwise).when(Receivable.become_overdue, DUE).then_nothing()


def test_5_2_2_b_the_ladder_is_climbed_step_by_step() -> None:
    for number, level in enumerate(Level):
        before = (raised, overdue, *ALL_STEPS[:number])
        given(Receivable, *before).when(Receivable.take_dunning_step, level, MAIL, WHY).then(step(level))
    given(Receivable, raised, overdue).when(Receivable.take_dunning_step, Level.FINAL, MAIL, WHY).then_refused(
        "The next step is reminder"
    )
    given(Receivable, raised, overdue, *ALL_STEPS).when(
        Receivable.take_dunning_step, Level.FINAL, MAIL, WHY
    ).then_refused("The last step is taken")


@pytest.mark.parametrize(
    ("history", "because"),
    [
        ((), "not overdue"),
        ((overdue, paid, settled), "Nothing is open"),
        ((overdue, disputed), "just now: dispute"),
        ((overdue, promised), "just now: promise"),
        ((overdue, paused), "just now: pause"),
        ((overdue, *ALL_STEPS, legal), "Legal counsel has it"),
    ],
)
def test_nobody_is_reminded_without_need(history: tuple[object, ...], because: str) -> None:
    given(Receivable, raised, *history).when(  # type: ignore[arg-type]  # events
        Receivable.take_dunning_step, Level.REMINDER, MAIL, WHY
    ).then_refused(because)


def test_what_held_dunning_up_ends() -> None:
    for held in ((disputed, resolved), (promised, broken), (promised, kept), (paused, resumed)):
        given(Receivable, raised, overdue, *held).when(Receivable.take_dunning_step, Level.REMINDER, MAIL, WHY).then(
            step(Level.REMINDER)
        )


def test_a_payment_that_was_taken_back_keeps_no_promise() -> None:
    forty, twenty = replace(promised, amount=Decimal(40)), replace(paid, amount=Decimal(20))
    later = replace(twenty, reference=TWO)
    history = (raised, forty, twenty, replace(reversed_, amount=Decimal(20)))
    given(Receivable, *history).when(Receivable.receive_payment, Decimal(20), TWO).then(later)
    given(Receivable, *history, later).when(Receivable.receive_payment, Decimal(20), ONE).then(twenty, kept)
    before = (raised, twenty, forty, replace(reversed_, amount=Decimal(20)))
    given(Receivable, *before).when(Receivable.receive_payment, Decimal(40), TWO).then(
        replace(paid, amount=Decimal(40), reference=TWO), kept
    )


def test_a_promise_is_kept_by_paying_as_much_as_was_promised() -> None:
    forty = replace(promised, amount=Decimal(40))
    given(Receivable, raised).when(Receivable.promise_payment, MONDAY, FRIDAY, Decimal(40), ladder).then(forty)
    given(Receivable, raised, forty).when(Receivable.receive_payment, Decimal(30), ONE).then(
        replace(part, amount=Decimal(30))
    )
    given(Receivable, raised, forty, replace(part, amount=Decimal(30))).when(
        Receivable.receive_payment, Decimal(10), TWO
    ).then(replace(part, amount=Decimal(10), reference=TWO), kept)
    given(Receivable, raised, promised).when(Receivable.receive_payment, HUNDRED, ONE).then(paid, kept, settled)


def test_a_promise_is_broken_once_and_only_as_it_stands() -> None:
    given(Receivable, raised, promised).when(Receivable.break_promise, FRIDAY).then(broken)
    given(Receivable, raised, promised).when(Receivable.break_promise, DUE).then_nothing()
    for otherwise in ((promised, broken), (promised, part, kept), (promised, disputed)):
        given(Receivable, raised, *otherwise).when(Receivable.break_promise, FRIDAY).then_nothing()


def test_a_promise_makes_sense() -> None:
    given(Receivable, raised).when(Receivable.promise_payment, MONDAY, DUE, HUNDRED, ladder).then_refused("is past")
    given(Receivable, raised).when(Receivable.promise_payment, MONDAY, FRIDAY, Decimal(101), ladder).then_refused(
        "Only 100"
    )
    given(Receivable, raised, disputed).when(Receivable.promise_payment, MONDAY, FRIDAY, HUNDRED, ladder).then_refused(
        "disputed"
    )


def test_one_promise_at_a_time_and_none_after_a_broken_one_until_something_is_paid() -> None:
    next_week, ten = date(2026, 3, 13), Decimal(10)
    for history, because in (((promised,), "runs until 2026-03-06"), ((promised, broken), "last promise was broken")):
        given(Receivable, raised, *history).when(
            Receivable.promise_payment, MONDAY, next_week, ten, ladder
        ).then_refused(because)
    given(Receivable, raised, promised, broken, part).when(
        Receivable.promise_payment, MONDAY, next_week, ten, ladder
    ).then(PaymentPromised(until=next_week, amount=ten))


def test_nobody_is_left_unreminded_for_long() -> None:
    last, too_late = date(2026, 4, 1), date(2026, 4, 2)
    given(Receivable, raised).when(Receivable.promise_payment, MONDAY, last, HUNDRED, ladder).then(
        replace(promised, until=last)
    )
    refused = "more than 30 days"
    given(Receivable, raised).when(Receivable.promise_payment, MONDAY, too_late, HUNDRED, ladder).then_refused(refused)
    given(Receivable, raised).when(Receivable.pause_dunning, MONDAY, WHY, too_late, ladder).then_refused(refused)
    given(Receivable, raised).when(Receivable.pause_dunning, MONDAY, WHY, DUE, ladder).then_refused("is past")


def test_a_pause_ends_by_itself_and_only_as_it_stands() -> None:
    until_friday = replace(paused, until=FRIDAY)
    given(Receivable, raised, until_friday).when(Receivable.end_pause, FRIDAY).then(resumed)
    given(Receivable, raised, until_friday).when(Receivable.end_pause, DUE).then_nothing()
    for otherwise in ((until_friday, resumed), (until_friday, disputed), (paused,)):
        given(Receivable, raised, *otherwise).when(Receivable.end_pause, FRIDAY).then_nothing()


def test_a_dispute_is_settled_by_somebody_and_not_begun_twice() -> None:
    given(Receivable, raised).when(Receivable.dispute, WHY).then(disputed)
    given(Receivable, raised, disputed).when(Receivable.dispute, WHY).then_refused("already")
    given(Receivable, raised, disputed).when(Receivable.resolve_dispute, FINANCE, False, WHY).then(resolved)
    given(Receivable, raised).when(Receivable.resolve_dispute, FINANCE, False, WHY).then_refused("Nothing is disputed")


def test_what_we_concede_in_a_dispute_is_put_to_the_manager() -> None:
    upheld = DisputeResolved(upheld=True, wording=WHY)
    dispute = given(Receivable, raised, disputed)
    dispute.when(Receivable.resolve_dispute, FINANCE, True, WHY, HUNDRED).then(upheld, paused, requested)
    dispute.when(Receivable.resolve_dispute, FINANCE, True, WHY).then_refused("say how much")
    dispute.when(Receivable.resolve_dispute, FINANCE, True, WHY, HUNDRED + 1).then_refused("Only 100")
    dispute.when(Receivable.resolve_dispute, FINANCE, False, WHY, HUNDRED).then_refused("nothing is conceded")
    conceded = (raised, overdue, disputed, upheld, paused, requested)
    given(Receivable, *conceded).when(Receivable.approve_write_off, FINANCE).then_refused("cannot approve")


def test_nobody_is_reminded_of_what_we_concede_until_the_manager_has_decided() -> None:
    upheld = DisputeResolved(upheld=True, wording=WHY)
    half = replace(requested, amount=HUNDRED / 2)
    conceded = (raised, overdue, disputed, upheld, paused)
    waiting = given(Receivable, *conceded, requested)
    waiting.when(Receivable.call_credit_stop, FRIDAY).then_nothing()
    waiting.when(Receivable.take_dunning_step, Level.FIRST, Code("mail"), WHY).then_refused("reminded just now")
    waiting.when(Receivable.reject_write_off, WHY).then(WriteOffRejected(grounds=WHY), DunningResumed())
    given(Receivable, *conceded, half).when(Receivable.approve_write_off, MANAGER).then(
        replace(written_off, amount=HUNDRED / 2), DunningResumed()
    )
    by_hand = (raised, overdue, paused, requested)
    given(Receivable, *by_hand).when(Receivable.reject_write_off, WHY).then(WriteOffRejected(grounds=WHY))


def test_dunning_is_paused_and_taken_up_again() -> None:
    given(Receivable, raised).when(Receivable.pause_dunning, MONDAY, WHY, FRIDAY, ladder).then(
        replace(paused, until=FRIDAY)
    )
    given(Receivable, raised, disputed).when(Receivable.pause_dunning, MONDAY, WHY, FRIDAY, ladder).then_refused(
        "just now: dispute"
    )
    given(Receivable, raised, paused).when(Receivable.resume_dunning).then(resumed)
    given(Receivable, raised).when(Receivable.resume_dunning).then_refused("not paused")


def test_5_2_2_b_the_credit_stop_is_called_for_unless_the_last_step_has() -> None:
    given(Receivable, raised, overdue).when(Receivable.call_credit_stop, DUE).then(stop)
    given(Receivable, raised, overdue, promised).when(Receivable.call_credit_stop, DUE).then(stop)
    for otherwise in ((), (overdue, stop), (overdue, *ALL_STEPS), (overdue, disputed), (overdue, paid, settled)):
        given(Receivable, raised, *otherwise).when(Receivable.call_credit_stop, DUE).then_nothing()


def test_legal_counsel_takes_it_after_every_step() -> None:
    given(Receivable, raised, overdue, *ALL_STEPS).when(Receivable.hand_to_legal, WHY).then(legal)
    given(Receivable, raised, overdue, *ALL_STEPS[:3]).when(Receivable.hand_to_legal, WHY).then_refused("every step")


def test_5_2_2_b_a_write_off_takes_two_people() -> None:
    given(Receivable, raised).when(Receivable.request_write_off, FINANCE, HUNDRED, WHY).then(requested)
    given(Receivable, raised, requested).when(Receivable.approve_write_off, MANAGER).then(written_off, settled)
    given(Receivable, raised, requested).when(Receivable.reject_write_off, WHY).then(WriteOffRejected(grounds=WHY))
    for one in (replace(MANAGER, id=ANNA), replace(MANAGER, delegation=Delegation(number=Code("1"), grantor_id=ANNA))):
        given(Receivable, raised, requested).when(Receivable.approve_write_off, one).then_refused("Whoever ever asked")
        by_another = replace(requested, requested_by=(LI,))
        given(Receivable, raised, requested, by_another).when(Receivable.approve_write_off, one).then_refused("ever")


def test_no_more_is_written_off_than_was_asked_for_and_is_open() -> None:
    given(Receivable, raised).when(Receivable.request_write_off, FINANCE, Decimal(101), WHY).then_refused("Only 100")
    given(Receivable, raised, requested, part).when(Receivable.approve_write_off, MANAGER).then_refused("Only 60")
    given(Receivable, raised).when(Receivable.approve_write_off, MANAGER).then_refused("No write-off")
    some = replace(requested, amount=Decimal(40))
    given(Receivable, raised, some).when(Receivable.approve_write_off, MANAGER).then(
        replace(written_off, amount=Decimal(40))
    )
