"""Time makes what is not paid overdue, breaks promises, stops credit and ends limits: once, and not in imports."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from aggregates.business.contract import ContractDrafted, ContractSigned, ContractTerminated
from aggregates.business.negotiation import NegotiationOpened
from aggregates.business.opportunity import OpportunityIdentified, Stage
from aggregates.business.terms import Instalment, Terms
from aggregates.event import Event, Origin
from aggregates.ids import ContractId, CustomerId, EmployeeId, OpportunityId
from aggregates.risk.credit import CreditAssessed, CreditLimitApproved, CreditReleased, Grade
from aggregates.risk.dunning import Level
from aggregates.risk.receivable import (
    DunningPaused,
    DunningStepTaken,
    PaymentPromised,
    PaymentReceived,
    ReceivableBecameOverdue,
    ReceivableDisputed,
    ReceivableRaised,
    ReceivableSettled,
)
from aggregates.text import Code, ContentHash, Text
from services.composition import POLICIES
from services.lags import lags
from services.policies.alarms import Alarms
from services.policies.policy import Intent
from tests.projections.rules.cases import CHINA
from tests.services.policies.test_policies import Desk, at_the_desk
from tests.services.running import Yewu

WORDS = Text("words")
DUE, HUNDRED = date(2026, 3, 31), Decimal(100)
OVERDUE_AT = datetime(2026, 4, 1, tzinfo=CHINA)
BEFORE, LONG_AFTER = OVERDUE_AT - timedelta(seconds=1), OVERDUE_AT + timedelta(days=400)
SIXTY_DAYS = timedelta(days=60)


class Ledger:
    """The receivable of a customer that has a limit."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.customer, self.contract = CustomerId(f"customer-{uuid4()}"), ContractId(f"contract-{uuid4()}")
        self.bill, self.credit = f"receivable-{self.contract}-a", f"credit-{self.customer}"
        self.overdue = ReceivableBecameOverdue(customer_id=self.customer)
        self.settled = ReceivableSettled(customer_id=self.customer)

    async def raised(self, *more: Event, origin: Origin | None = None) -> None:
        event = ReceivableRaised(
            customer_id=self.customer, contract_id=self.contract, instalment=Code("a"), amount=HUNDRED, due=DUE
        )
        await self.desk.put(event, *more, on=self.bill, origin=origin)

    async def limited(self, until: datetime = LONG_AFTER, origin: Origin | None = None) -> None:
        assessed = CreditAssessed(
            customer_id=self.customer, scorecard=Code("P-46"), factors={}, score=90, grade=Grade.A, rationale=WORDS,
            good_until=until, assessed_by=(EmployeeId("employee-anna"),),
        )  # fmt: skip
        limit = CreditLimitApproved(customer_id=self.customer, limit=HUNDRED, payment_days=30, valid_until=until)
        await self.desk.put(assessed, limit, on=self.credit, origin=origin)

    async def signed(self, *, ends: date = date(2027, 3, 31), **due: date) -> None:
        """A contract with an instalment of a hundred for each of these days."""
        payments = tuple(Instalment(number=Code(name), amount=HUNDRED, due=day) for name, day in due.items())
        text, amount = ContentHash("sha256:1"), HUNDRED * len(payments)
        terms = Terms(content=text, amount=amount, begins=DUE, ends=ends, obligations=(), payments=payments)
        drafted = ContractDrafted(customer_id=self.customer, terms=terms, drafted_by=())
        signed = ContractSigned(
            customer_id=self.customer, content=text, amount=amount, signed_by=(EmployeeId("employee-li"),), place=WORDS,
            signed_for_customer=WORDS,
        )  # fmt: skip
        await self.desk.put(drafted, signed, on=self.contract)

    def paid(self) -> PaymentReceived:
        return PaymentReceived(
            customer_id=self.customer, contract_id=self.contract, amount=HUNDRED, reference=Code("bank-1")
        )

    def step(self, level: Level) -> DunningStepTaken:
        return DunningStepTaken(customer_id=self.customer, level=level, channel=Code("mail"), wording=WORDS)

    async def after(self, *, of_credit: bool = False) -> list[str]:
        return await self.desk.types(self.credit if of_credit else self.bill)


def test_5_2_2_b_what_is_not_paid_becomes_overdue_when_its_day_is_over(yewu: Yewu) -> None:
    async def test(desk: Desk) -> None:
        ledger = Ledger(desk)
        await ledger.raised()
        await ledger.desk.ring(BEFORE)
        assert await ledger.after() == ["ReceivableRaised"]
        await ledger.desk.ring(OVERDUE_AT)
        assert await ledger.after() == ["ReceivableRaised", "ReceivableBecameOverdue"]
        (line,) = (await desk.lines(ledger.bill))[1:]
        assert line.actor_id == "policy-DunningLadder"

    at_the_desk(yewu, test)


def test_what_is_due_and_not_done_is_told(yewu: Yewu) -> None:
    async def test(desk: Desk) -> None:
        async def waiting() -> int:
            return (await lags(desk.runtime))["policy DunningLadder, due"].waiting

        await desk.ring(LONG_AFTER)
        before, ledger = await waiting(), Ledger(desk)
        await ledger.raised()
        assert await waiting() == before + 1
        await desk.ring(OVERDUE_AT)
        assert await waiting() == before

    at_the_desk(yewu, test)


def test_what_is_paid_disputed_or_imported_does_not_become_overdue(yewu: Yewu) -> None:
    async def test(desk: Desk) -> None:
        paid, disputed, imported = Ledger(desk), Ledger(desk), Ledger(desk)
        await paid.raised(paid.paid(), paid.settled)
        await disputed.raised(ReceivableDisputed(reason=WORDS))
        await imported.raised(origin=Origin(source="books", file="sha256:1", case="1", index=1))
        await paid.desk.ring(LONG_AFTER)
        for ledger in (paid, disputed, imported):
            assert "ReceivableBecameOverdue" not in await ledger.after()

    at_the_desk(yewu, test)


def test_what_is_paid_at_the_same_moment_does_not_become_overdue(yewu: Yewu) -> None:
    """The row says that it is due, and the log already that it is paid."""

    async def test(desk: Desk) -> None:
        ledger = Ledger(desk)
        await ledger.raised()
        alarms = Alarms(desk.runtime, next(p for p in POLICIES if p.name == "DunningLadder"), lambda: OVERDUE_AT)
        (alarm, _) = alarms.policy.alarms
        (row,) = [row for row in await alarms._due(alarm, OVERDUE_AT) if alarm.then(row).stream_id == ledger.bill]
        await desk.put(ledger.paid(), ledger.settled, on=ledger.bill)
        assert not await alarms._give(alarm.then(row), OVERDUE_AT)
        assert "ReceivableBecameOverdue" not in await ledger.after()

    at_the_desk(yewu, test)


def test_3_1_3_c_an_opportunity_is_negotiated_once_its_negotiation_is_opened(yewu: Yewu) -> None:
    async def test(desk: Desk) -> None:
        deal, talks = OpportunityId(f"opportunity-{uuid4()}"), f"negotiation-{uuid4()}"
        await desk.put(OpportunityIdentified(customer_id=CustomerId("customer-1")), on=deal)
        await desk.put(NegotiationOpened(opportunity_id=deal), on=talks)
        for _ in range(2):
            await desk.follow()
        assert await desk.types(deal) == ["OpportunityIdentified", "StageChanged"]
        (changed,) = await desk.events(deal, "StageChanged")
        assert changed.stage is Stage.NEGOTIATING

    at_the_desk(yewu, test)


def test_a_pause_ends_when_its_day_is_over(yewu: Yewu) -> None:
    async def test(desk: Desk) -> None:
        ledger = Ledger(desk)
        await ledger.raised(ledger.overdue, DunningPaused(reason=WORDS, until=date(2026, 4, 9)))
        await ledger.desk.ring(datetime(2026, 4, 9, 23, 59, tzinfo=CHINA))
        assert (await ledger.after())[-1] == "DunningPaused"
        await ledger.desk.ring(datetime(2026, 4, 10, tzinfo=CHINA))
        assert (await ledger.after())[2:] == ["DunningPaused", "DunningResumed"]

    at_the_desk(yewu, test)


def test_5_2_2_b_instalments_are_claimed_thirty_days_before_they_are_due_one_after_the_other(yewu: Yewu) -> None:
    async def test(desk: Desk) -> None:
        ledger = Ledger(desk)
        await ledger.signed(a=date(2026, 6, 30), b=date(2026, 7, 31))
        bill_b = ledger.bill.removesuffix("a") + "b"
        await ledger.desk.ring(datetime(2026, 5, 30, 23, 59, tzinfo=CHINA))
        assert await ledger.after() == await desk.types(bill_b) == []
        await ledger.desk.ring(datetime(2026, 5, 31, tzinfo=CHINA))
        assert (await ledger.after(), await desk.types(bill_b)) == (["ReceivableRaised"], [])
        await ledger.desk.ring(datetime(2026, 7, 1, tzinfo=CHINA))
        assert await desk.types(bill_b) == ["ReceivableRaised"]
        (line,) = await desk.lines(bill_b)
        assert line.actor_id == "policy-PaymentSchedule"

    at_the_desk(yewu, test)


def test_what_finance_has_claimed_or_what_is_terminated_is_not_claimed(yewu: Yewu) -> None:
    async def test(desk: Desk) -> None:
        by_hand, over = Ledger(desk), Ledger(desk)
        for ledger in (by_hand, over):
            await ledger.signed(a=DUE)
        await by_hand.raised()
        await desk.put(ContractTerminated(customer_id=over.customer, reason=WORDS), on=over.contract)
        await over.desk.ring(BEFORE)
        assert (await by_hand.after(), await over.after()) == (["ReceivableRaised"], [])

    at_the_desk(yewu, test)


def test_a_promise_is_broken_when_its_day_is_over(yewu: Yewu) -> None:
    async def test(desk: Desk) -> None:
        ledger = Ledger(desk)
        await ledger.raised(ledger.overdue, PaymentPromised(until=date(2026, 4, 9), amount=HUNDRED))
        await ledger.desk.ring(datetime(2026, 4, 9, 23, 59, tzinfo=CHINA))
        assert (await ledger.after())[-1] == "PaymentPromised"
        await ledger.desk.ring(datetime(2026, 4, 10, tzinfo=CHINA))
        assert (await ledger.after())[2:] == ["PaymentPromised", "PromiseBroken"]

    at_the_desk(yewu, test)


def test_5_2_2_b_credit_stops_after_the_last_step(yewu: Yewu) -> None:
    async def test(desk: Desk) -> None:
        ledger = Ledger(desk)
        await ledger.limited()
        await ledger.raised(ledger.overdue, *map(ledger.step, (Level.REMINDER, Level.FIRST, Level.SECOND)))
        await ledger.desk.ring(OVERDUE_AT)
        assert "CreditSuspended" not in await ledger.after(of_credit=True)
        await desk.put(ledger.step(Level.FINAL), on=ledger.bill)
        await ledger.desk.ring(LONG_AFTER - timedelta(days=1))
        assert (await ledger.after(of_credit=True)).count("CreditSuspended") == 1
        assert "CreditStopCalled" not in await ledger.after()

    at_the_desk(yewu, test)


def test_credit_stops_when_the_last_step_was_not_taken_and_who_released_it_is_not_overruled(yewu: Yewu) -> None:
    async def test(desk: Desk) -> None:
        ledger = Ledger(desk)
        await ledger.limited()
        await ledger.raised(ledger.overdue)
        await ledger.desk.ring(OVERDUE_AT + SIXTY_DAYS - timedelta(seconds=1))
        assert "CreditStopCalled" not in await ledger.after()
        await ledger.desk.ring(OVERDUE_AT + SIXTY_DAYS)
        assert (await ledger.after()).count("CreditStopCalled") == 1
        assert (await ledger.after(of_credit=True))[-1] == "CreditSuspended"
        await desk.put(CreditReleased(customer_id=ledger.customer, reason=WORDS), on=ledger.credit)
        await ledger.desk.ring(OVERDUE_AT + SIXTY_DAYS)
        assert (await ledger.after(of_credit=True))[-1] == "CreditReleased"

    at_the_desk(yewu, test)


def test_credit_that_nobody_granted_is_not_stopped(yewu: Yewu) -> None:
    async def test(desk: Desk) -> None:
        ledger = Ledger(desk)
        await ledger.raised(ledger.overdue)
        await ledger.desk.ring(OVERDUE_AT + SIXTY_DAYS)
        assert await ledger.after(of_credit=True) == []

    at_the_desk(yewu, test)


def test_5_2_2_a_a_limit_expires_with_its_assessment(yewu: Yewu) -> None:
    async def test(desk: Desk) -> None:
        ledger, imported = Ledger(desk), Ledger(desk)
        await ledger.limited(OVERDUE_AT)
        await imported.limited(OVERDUE_AT, Origin(source="books", file="sha256:1", case="1", index=1))
        await ledger.desk.ring(BEFORE)
        assert (await ledger.after(of_credit=True))[-1] == "CreditLimitApproved"
        await ledger.desk.ring(OVERDUE_AT)
        assert (await ledger.after(of_credit=True))[1:] == ["CreditLimitApproved", "CreditLimitExpired"]
        assert (await imported.after(of_credit=True))[-1] == "CreditLimitApproved"

    at_the_desk(yewu, test)


def test_policies_that_are_ended_after_any_act_do_it_once(yewu: Yewu, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is started after them knows nothing of what was done, nor do rows that are behind."""

    class Killed(Exception):
        pass

    async def test(desk: Desk) -> None:
        signed, overdue = [Ledger(desk) for _ in range(2)], [Ledger(desk) for _ in range(2)]
        for ledger in signed:
            await ledger.signed(ends=DUE, a=DUE)
            await ledger.limited(OVERDUE_AT)
        for ledger in overdue:
            await ledger.raised(ledger.overdue, PaymentPromised(until=date(2026, 4, 9), amount=HUNDRED))
            await ledger.limited()
        given = Alarms._give
        for policy in POLICIES:
            for many in (1, 2, 3, 4):
                left = many

                async def give(self: Alarms, intent: Intent, due: datetime) -> bool:
                    nonlocal left
                    done = await given(self, intent, due)
                    left -= done
                    if not left:
                        raise Killed
                    return done

                with monkeypatch.context() as patch, suppress(Killed):
                    patch.setattr(Alarms, "_give", give)
                    await Alarms(desk.runtime, policy, lambda: LONG_AFTER).ring()
        for _ in range(2):  # what one policy does is what another waits for
            await desk.ring(LONG_AFTER)
        for ledger in signed:
            assert await desk.types(ledger.contract) == ["ContractDrafted", "ContractSigned", "ContractExpired"]
            assert await ledger.after() == ["ReceivableRaised", "ReceivableBecameOverdue", "CreditStopCalled"]
            assert (await ledger.after(of_credit=True)).count("CreditLimitExpired") == 1
        for ledger in overdue:
            assert sorted((await ledger.after())[3:]) == ["CreditStopCalled", "PromiseBroken"]
            assert (await ledger.after(of_credit=True)).count("CreditSuspended") == 1

    at_the_desk(yewu, test)
