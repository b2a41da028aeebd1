"""What a customer owes us by an instalment of a contract, until it is paid or written off: regulation 5.2.2."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, TypeAlias, assert_never

from msgspec.structs import replace

from aggregates.actor import Actor, Role
from aggregates.amounts import is_something
from aggregates.business.terms import check_number
from aggregates.event import Event, command
from aggregates.facts import ContractStanding, Setting, parameter
from aggregates.ids import ContractId, CustomerId, EmployeeId
from aggregates.refused import Refused
from aggregates.risk.dunning import COLLECTORS, LEVELS, Hold, Level
from aggregates.text import Code, Text
from aggregates.value import Value


class ReceivableRaised(Event):
    customer_id: CustomerId
    contract_id: ContractId
    instalment: Code
    amount: Decimal
    due: date


class PaymentReceived(Event):
    customer_id: CustomerId
    contract_id: ContractId
    amount: Decimal
    reference: Code


class PaymentReversed(Event):
    customer_id: CustomerId
    contract_id: ContractId
    amount: Decimal
    reference: Code
    reason: Text


class ReceivableSettled(Event):
    """Nothing is open any more."""

    customer_id: CustomerId


class ReceivableDisputed(Event):
    reason: Text


class DisputeResolved(Event):
    """`upheld`: the customer was right; what it does not owe is asked to be written off with it."""

    upheld: bool
    wording: Text


class ReceivableBecameOverdue(Event):
    customer_id: CustomerId


class CreditStopCalled(Event):
    """It is overdue for so long that nothing more may be signed on credit, though the last step is not taken."""

    customer_id: CustomerId


class DunningStepTaken(Event):
    customer_id: CustomerId
    level: Level
    channel: Code
    wording: Text


class PaymentPromised(Event):
    until: date
    amount: Decimal


class PromiseKept(Event):
    pass


class PromiseBroken(Event):
    until: date


class DunningPaused(Event):
    """Up to the end of a day; while a write-off waits for its decision, up to that."""

    reason: Text
    until: date | None = None

    schema = 2

    @staticmethod
    def upcast_v1_v2(stored: dict[str, Any]) -> dict[str, Any]:
        return {**stored, "until": None}


class DunningResumed(Event):
    pass


class HandedToLegal(Event):
    customer_id: CustomerId
    grounds: Text


class WriteOffRequested(Event):
    """`requested_by`: who asked, and whose power was used for it."""

    amount: Decimal
    grounds: Text
    requested_by: tuple[EmployeeId, ...]


class WriteOffRejected(Event):
    grounds: Text


class ReceivableWrittenOff(Event):
    customer_id: CustomerId
    contract_id: ContractId
    amount: Decimal


ReceivableEvent: TypeAlias = (
    ReceivableRaised
    | PaymentReceived
    | PaymentReversed
    | ReceivableSettled
    | ReceivableDisputed
    | DisputeResolved
    | ReceivableBecameOverdue
    | CreditStopCalled
    | DunningStepTaken
    | PaymentPromised
    | PromiseKept
    | PromiseBroken
    | DunningPaused
    | DunningResumed
    | HandedToLegal
    | WriteOffRequested
    | WriteOffRejected
    | ReceivableWrittenOff
)


class Receivable(Value):
    """`payments` are those not reversed, each under its reference; `toward` are those made since the promise;
    `requesters` all who ever asked to write it off.

    `conceding`: the customer was right, and nobody is reminded until the manager has decided on what we concede.
    """

    raised: ReceivableRaised | None = None
    payments: Mapping[Code, Decimal] = {}
    written_off: Decimal = Decimal(0)
    overdue: bool = False
    stop_called: bool = False
    level: Level | None = None
    at_legal: bool = False
    hold: Hold = Hold.NONE
    promised_until: date | None = None
    promised: Decimal = Decimal(0)
    promise_broken: bool = False
    paused_until: date | None = None
    toward: frozenset[Code] = frozenset()
    request: WriteOffRequested | None = None
    requesters: frozenset[EmployeeId] = frozenset()
    conceding: bool = False

    @command(by=(Role.FINANCE,), clause="5.2.2-b", opens=True)
    def bill(self, contract_id: ContractId, instalment: Code, contract: ContractStanding) -> ReceivableRaised:
        """Claim an instalment of a signed contract before its time comes, as its payment schedule says."""
        return self._claimed(contract_id, instalment, contract)

    @command(by=(Role.CLOCK,), clause="5.2.2-b", opens=True)
    def fall_due(
        self, contract_id: ContractId, instalment: Code, contract: ContractStanding
    ) -> ReceivableRaised | None:
        """The day of an instalment is near: it is claimed, if nobody has done so."""
        return None if self.raised is not None else self._claimed(contract_id, instalment, contract)

    def _claimed(self, contract_id: ContractId, instalment: Code, contract: ContractStanding) -> ReceivableRaised:
        check_number(instalment)
        if contract.customer_id is None or contract.signed_at is None:
            raise Refused("The contract is not signed: nothing is owed by it.")
        if instalment not in contract.payments:
            raise Refused("The contract has no instalment {number}.", number=instalment)
        payable = contract.payments[instalment]
        return ReceivableRaised(
            customer_id=contract.customer_id,
            contract_id=contract_id,
            instalment=instalment,
            amount=payable.amount,
            due=payable.due,
        )

    @command(by=(Role.FINANCE,), clause="5.2.2-b")
    def receive_payment(
        self, amount: Decimal, reference: Code
    ) -> Iterable[PaymentReceived | PromiseKept | ReceivableSettled]:
        """The customer has paid so much; the reference is that of the bank."""
        raised = self._must_be_open()
        _must_be_some(amount)
        if reference in self.payments:
            raise Refused("The payment {reference} is recorded already.", reference=reference)
        if amount > self.open_amount:
            raise Refused("Only {open} is open: more cannot be paid.", open=self.open_amount)
        yield PaymentReceived(
            customer_id=raised.customer_id, contract_id=raised.contract_id, amount=amount, reference=reference
        )
        settled = amount == self.open_amount
        if self.hold is Hold.PROMISE and (settled or amount >= self._still_promised):
            yield PromiseKept()
        if settled:
            yield ReceivableSettled(customer_id=raised.customer_id)

    @command(by=(Role.FINANCE,), clause="5.2.2-b")
    def reverse_payment(self, reference: Code, reason: Text) -> PaymentReversed:
        """The bank has taken a payment back: it is owed again."""
        raised = self._must_be_raised()
        if reference not in self.payments:
            raise Refused("There is no payment {reference} to be reversed.", reference=reference)
        return PaymentReversed(
            customer_id=raised.customer_id,
            contract_id=raised.contract_id,
            amount=self.payments[reference],
            reference=reference,
            reason=reason,
        )

    @command(by=COLLECTORS, clause="5.2.2-b")
    def dispute(self, reason: Text) -> ReceivableDisputed:
        """The customer says that it does not owe this; a promise or a pause ends by that."""
        self._must_be_open()
        if self.hold is Hold.DISPUTE:
            raise Refused("This is disputed already.")
        return ReceivableDisputed(reason=reason)

    @command(by=(Role.FINANCE,), clause="5.2.2-b")
    def resolve_dispute(
        self, by: Actor, upheld: bool, wording: Text, conceded: Decimal | None = None
    ) -> Iterable[DisputeResolved | DunningPaused | WriteOffRequested]:
        """Say whether the customer was right, and what was agreed; what we concede, the manager decides on."""
        self._must_be_raised()
        if self.hold is not Hold.DISPUTE:
            raise Refused("Nothing is disputed here.")
        if upheld and conceded is None:
            raise Refused("The customer was right: say how much of it we concede.")
        if not upheld and conceded is not None:
            raise Refused("The customer was wrong: nothing is conceded.")
        yield DisputeResolved(upheld=upheld, wording=wording)
        if conceded is not None:
            yield DunningPaused(reason=wording)
            yield self.request_write_off(by, conceded, wording)

    @command(by=(Role.CLOCK,), clause="5.2.2-b")
    def become_overdue(self, due: date) -> ReceivableBecameOverdue | None:
        """The day is over by which it had to be paid."""
        raised = self._must_be_raised()
        if self.open_amount <= 0 or self.overdue or self.hold is not Hold.NONE or raised.due != due:
            return None
        return ReceivableBecameOverdue(customer_id=raised.customer_id)

    @command(by=(Role.CLOCK,), clause="5.2.2-b")
    def call_credit_stop(self, due: date) -> CreditStopCalled | None:
        """It is overdue for so long that the customer gets no more credit, whatever it promises; the last step says the
        same."""
        raised = self._must_be_raised()
        dunned = self.overdue and self.hold in {Hold.NONE, Hold.PROMISE} and raised.due == due
        if not dunned or self.stop_called or self.level is Level.FINAL:
            return None
        return CreditStopCalled(customer_id=raised.customer_id)

    @command(by=COLLECTORS, clause="5.2.2-b")
    def take_dunning_step(self, level: Level, channel: Code, wording: Text) -> DunningStepTaken:
        """Remind the customer, each time one step further up the ladder."""
        raised = self._must_be_dunned()
        following = LEVELS[0 if self.level is None else LEVELS.index(self.level) + 1 :]
        if not following:
            raise Refused("The last step is taken: hand it to legal counsel.")
        if level is not following[0]:
            raise Refused("The next step is {level}.", level=following[0])
        return DunningStepTaken(customer_id=raised.customer_id, level=level, channel=channel, wording=wording)

    @command(by=COLLECTORS, clause="5.2.2-b")
    def promise_payment(
        self, at: datetime, until: date, amount: Decimal, ladder: Annotated[Setting, parameter("P-19")]
    ) -> PaymentPromised:
        """The customer promises to pay so much by a day; nobody reminds it until then."""
        self._must_be_open()
        _must_be_some(amount)
        if self.hold is Hold.DISPUTE:
            raise Refused("This is disputed: resolve the dispute first.")
        if self.hold is Hold.PROMISE:
            raise Refused("A promise runs until {until}: until then there is no other.", until=self.promised_until)
        if self.promise_broken:
            raise Refused("The last promise was broken and nothing was paid since: remind the customer instead.")
        _must_end_soon(at, until, ladder)
        if amount > self.open_amount:
            raise Refused("Only {open} is open: more cannot be paid.", open=self.open_amount)
        return PaymentPromised(until=until, amount=amount)

    @command(by=(Role.CLOCK,), clause="5.2.2-b")
    def break_promise(self, until: date) -> PromiseBroken | None:
        """The day is over by which the customer promised to pay, and it has not."""
        return PromiseBroken(until=until) if self.hold is Hold.PROMISE and self.promised_until == until else None

    @command(by=(Role.FINANCE,), clause="5.2.2-b")
    def pause_dunning(
        self, at: datetime, reason: Text, until: date, ladder: Annotated[Setting, parameter("P-19")]
    ) -> DunningPaused:
        """Nobody reminds the customer up to the end of a day."""
        self._must_be_open()
        if self.hold is not Hold.NONE:
            raise Refused("Nobody is reminded just now: {hold}.", hold=self.hold)
        _must_end_soon(at, until, ladder)
        return DunningPaused(reason=reason, until=until)

    @command(by=(Role.CLOCK,), clause="5.2.2-b")
    def end_pause(self, until: date) -> DunningResumed | None:
        """The last day of a pause is over."""
        return DunningResumed() if self.hold is Hold.PAUSE and self.paused_until == until else None

    @command(by=(Role.FINANCE,), clause="5.2.2-b")
    def resume_dunning(self) -> DunningResumed:
        """From now on the customer is reminded again."""
        if self.hold is not Hold.PAUSE:
            raise Refused("Dunning is not paused.")
        return DunningResumed()

    @command(by=(Role.FINANCE, Role.MANAGER), clause="5.2.2-b")
    def hand_to_legal(self, grounds: Text) -> HandedToLegal:
        """All reminders were in vain: legal counsel takes it from here."""
        raised = self._must_be_dunned()
        if self.level is not Level.FINAL:
            raise Refused("Take every step of the ladder before legal counsel does.")
        return HandedToLegal(customer_id=raised.customer_id, grounds=grounds)

    @command(by=(Role.FINANCE,), clause="5.2.2-b")
    def request_write_off(self, by: Actor, amount: Decimal, grounds: Text) -> WriteOffRequested:
        """Ask that we give so much of it up."""
        self._must_be_open()
        _must_be_some(amount)
        if amount > self.open_amount:
            raise Refused("Only {open} is open: more cannot be written off.", open=self.open_amount)
        return WriteOffRequested(amount=amount, grounds=grounds, requested_by=by.people)

    @command(by=(Role.MANAGER,), clause="5.2.2-b")
    def approve_write_off(self, by: Actor) -> Iterable[ReceivableWrittenOff | ReceivableSettled | DunningResumed]:
        """Give up what was asked for."""
        raised, asked = self._must_be_open(), self._must_be_asked()
        if any(map(by.speaks_for, self.requesters)):
            raise Refused("Whoever ever asked for a write-off of this cannot approve it.")
        if asked.amount > self.open_amount:
            raise Refused("Only {open} is still open: have it asked for anew.", open=self.open_amount)
        yield ReceivableWrittenOff(customer_id=raised.customer_id, contract_id=raised.contract_id, amount=asked.amount)
        if asked.amount == self.open_amount:
            yield ReceivableSettled(customer_id=raised.customer_id)
        elif self.conceding:
            yield DunningResumed()

    @command(by=(Role.MANAGER,), clause="5.2.2-b")
    def reject_write_off(self, grounds: Text) -> Iterable[WriteOffRejected | DunningResumed]:
        """It is not given up."""
        self._must_be_asked()
        yield WriteOffRejected(grounds=grounds)
        if self.conceding:
            yield DunningResumed()

    def evolve(self, event: ReceivableEvent, /) -> Receivable:
        match event:
            case ReceivableRaised():
                return replace(self, raised=event)
            case PaymentReceived(reference=reference, amount=amount):
                payments = {**self.payments, reference: amount}
                return replace(self, payments=payments, toward=self.toward | {reference}, promise_broken=False)
            case PaymentReversed(reference=reference):
                return replace(self, payments={ref: paid for ref, paid in self.payments.items() if ref != reference})
            case ReceivableSettled():
                return replace(self._free(), overdue=False, stop_called=False, level=None, at_legal=False, request=None)
            case ReceivableDisputed():
                return replace(self._free(), hold=Hold.DISPUTE)
            case PaymentPromised(until=until, amount=amount):
                return replace(self._free(), hold=Hold.PROMISE, promised_until=until, promised=amount)
            case DunningPaused(until=until):
                return replace(self._free(), hold=Hold.PAUSE, paused_until=until, conceding=self.conceding)
            case DisputeResolved(upheld=upheld):
                return replace(self._free(), conceding=upheld)
            case PromiseBroken():
                return replace(self._free(), promise_broken=True)
            case PromiseKept() | DunningResumed():
                return self._free()
            case ReceivableBecameOverdue():
                return replace(self, overdue=True)
            case CreditStopCalled():
                return replace(self, stop_called=True)
            case DunningStepTaken(level=level):
                return replace(self, level=level)
            case HandedToLegal():
                return replace(self, at_legal=True)
            case WriteOffRequested(requested_by=requested_by):
                return replace(self, request=event, requesters=self.requesters.union(requested_by))
            case WriteOffRejected():
                return replace(self, request=None)
            case ReceivableWrittenOff(amount=amount):
                return replace(self, written_off=self.written_off + amount, request=None)
            case _:
                assert_never(event)

    def _free(self) -> Receivable:
        return replace(
            self,
            hold=Hold.NONE,
            promised_until=None,
            promised=Decimal(0),
            paused_until=None,
            toward=frozenset(),
            conceding=False,
        )

    @property
    def _still_promised(self) -> Decimal:
        return self.promised - sum((self.payments.get(one, Decimal(0)) for one in self.toward), Decimal(0))

    @property
    def open_amount(self) -> Decimal:
        """What is still to be paid."""
        billed = Decimal(0) if self.raised is None else self.raised.amount
        return billed - sum(self.payments.values(), Decimal(0)) - self.written_off

    def _must_be_raised(self) -> ReceivableRaised:
        if self.raised is None:
            raise Refused("Nothing has been claimed here.")
        return self.raised

    def _must_be_asked(self) -> WriteOffRequested:
        if self.request is None:
            raise Refused("No write-off is asked for here.")
        return self.request

    def _must_be_open(self) -> ReceivableRaised:
        raised = self._must_be_raised()
        if self.open_amount <= 0:
            raise Refused("Nothing is open any more.")
        return raised

    def _must_be_dunned(self) -> ReceivableRaised:
        raised = self._must_be_open()
        if not self.overdue:
            raise Refused("This is not overdue: there is nothing to remind of.")
        if self.hold is not Hold.NONE:
            raise Refused("Nobody is reminded just now: {hold}.", hold=self.hold)
        if self.at_legal:
            raise Refused("Legal counsel has it: nobody else reminds the customer.")
        return raised


def _must_end_soon(at: datetime, until: date, ladder: Setting) -> None:
    """Not for ever: what is owed would grow old without anybody being reminded."""
    if until < at.date():
        raise Refused("Name a day to come: {until} is past.", until=until)
    longest = ladder.values.get(Code("hold"))
    if longest is not None and until > at.date() + timedelta(days=int(longest.amount)):
        raise Refused("Nobody is left unreminded for more than {days} days.", days=longest.amount)


def _must_be_some(amount: Decimal) -> None:
    if not is_something(amount):
        raise Refused("This is an amount of more than zero.")
