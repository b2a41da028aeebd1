"""Each rule of credit with a history that keeps it, one that breaks it, and one with nothing to judge or still open."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from aggregates.actor import Delegation, Role
from aggregates.business.contract import ContractAmended, ContractSigned, ContractTerminated
from aggregates.business.customer import AccountOwnerAssigned
from aggregates.event import Envelope, Event
from aggregates.ids import ContractId, CustomerId
from aggregates.organisation.department import RoleAssigned
from aggregates.risk.credit import (
    CreditAssessed,
    CreditLimitApproved,
    CreditOverrideApproved,
    CreditOverrideRequested,
    CreditReleased,
    CreditSuspended,
    Grade,
)
from aggregates.risk.dunning import Level
from aggregates.risk.receivable import (
    DisputeResolved,
    DunningStepTaken,
    HandedToLegal,
    PaymentPromised,
    PaymentReceived,
    PromiseBroken,
    ReceivableBecameOverdue,
    ReceivableDisputed,
    ReceivableRaised,
    ReceivableSettled,
    ReceivableWrittenOff,
)
from aggregates.text import Code, ContentHash, Text
from projections.rules import credit
from projections.rules.duty import State, Verdict
from projections.rules.rule import Rule
from tests.projections.rules.cases import ANNA, BORIS, FOUNDED, LI, MONDAY_NINE, Happened, duty, on, verdict

ACME, CREDIT, DEAL, OTHER = "customer-acme", "credit-customer-acme", "contract-1", "contract-2"
BILL = "receivable-contract-1-a"
WORDS, MAIL = Text("words"), Code("mail")
CUSTOMER, THE_DEAL = CustomerId(ACME), ContractId(DEAL)
HUNDRED, AS_ONESELF = Decimal(100), Envelope()
LATE, AUTUMN = (datetime(2026, month, 2, 9, tzinfo=MONDAY_NINE.tzinfo) for month in (9, 10))
"""When what was assessed in March is good no longer, and a month after that."""


assessed = CreditAssessed(
    customer_id=CUSTOMER, scorecard=Code("P-46"), factors={}, score=50, grade=Grade.C, rationale=WORDS,
    good_until=datetime(2099, 1, 1, tzinfo=MONDAY_NINE.tzinfo), assessed_by=(ANNA,),
)  # fmt: skip
limited = CreditLimitApproved(
    customer_id=CUSTOMER, limit=HUNDRED, payment_days=30, valid_until=datetime(2099, 1, 1, tzinfo=MONDAY_NINE.tzinfo)
)
requested = CreditOverrideRequested(
    customer_id=CUSTOMER, contract_id=THE_DEAL, amount=HUNDRED, until=on(20), grounds=WORDS, requested_by=(ANNA,)
)
let = CreditOverrideApproved(customer_id=CUSTOMER, contract_id=THE_DEAL, amount=HUNDRED, until=on(20))
suspended = CreditSuspended(customer_id=CUSTOMER, reason=WORDS)
released = CreditReleased(customer_id=CUSTOMER, reason=WORDS)
overdue = ReceivableBecameOverdue(customer_id=CUSTOMER)
settled, legal = ReceivableSettled(customer_id=CUSTOMER), HandedToLegal(customer_id=CUSTOMER, grounds=WORDS)
disputed, resolved = ReceivableDisputed(reason=WORDS), DisputeResolved(upheld=False, wording=WORDS)


def signed(amount: int, at: datetime, contract: str = DEAL) -> Happened:
    event = ContractSigned(
        customer_id=CUSTOMER, content=ContentHash("sha256:1"), amount=Decimal(amount), signed_by=(LI,), place=WORDS,
        signed_for_customer=WORDS,
    )  # fmt: skip
    return Happened(event, at, LI, stream_id=contract)


def amended(amount: int, at: datetime) -> Happened:
    event = ContractAmended(
        customer_id=CUSTOMER, content=ContentHash("sha256:2"), amount=Decimal(amount), signed_by=(LI,)
    )
    return Happened(event, at, LI, stream_id=DEAL)


def of_credit(event: Event, at: datetime | None = None, by: str = ANNA, envelope: Envelope = AS_ONESELF) -> Happened:
    return Happened(event, at or on(2), by, envelope, stream_id=CREDIT)


def billed(event: Event, at: datetime) -> Happened:
    return Happened(event, at, stream_id=BILL)


def paid(amount: int, at: datetime) -> Happened:
    event = PaymentReceived(
        customer_id=CUSTOMER, contract_id=THE_DEAL, amount=Decimal(amount), reference=Code(f"bank-{at:%d}")
    )
    return billed(event, at)


def raised(amount: int, at: datetime) -> Happened:
    event = ReceivableRaised(
        customer_id=CUSTOMER, contract_id=THE_DEAL, instalment=Code("a"), amount=Decimal(amount), due=date(2026, 3, 31)
    )
    return billed(event, at)


def step(level: Level, at: datetime) -> Happened:
    return billed(DunningStepTaken(customer_id=CUSTOMER, level=level, channel=MAIL, wording=WORDS), at)


CHECKED = (of_credit(assessed), of_credit(limited, by=LI))

CREDIT_CHECKED: list[tuple[str, list[Happened], Verdict]] = [
    ("inside the limit", [*CHECKED, signed(100, on(3))], Verdict.CONFORMANT),
    ("by leave", [*CHECKED, of_credit(let, by=LI), signed(100, on(3)), ], Verdict.CONFORMANT),
    ("by leave, without any limit", [of_credit(let, by=LI), signed(100, on(3))], Verdict.CONFORMANT),
    ("released again", [*CHECKED, of_credit(suspended), of_credit(released), signed(9, on(3))], Verdict.CONFORMANT),
    ("the last day of six months", [*CHECKED, signed(100, datetime(2026, 9, 2, 8, tzinfo=on(2).tzinfo))],
     Verdict.CONFORMANT),
    ("a day later", [*CHECKED, signed(100, datetime(2026, 9, 2, 9, tzinfo=on(2).tzinfo))], Verdict.VIOLATED),
    ("beyond the limit", [*CHECKED, signed(101, on(3))], Verdict.VIOLATED),
    ("without a limit", [of_credit(assessed), signed(1, on(3))], Verdict.VIOLATED),
    ("without an assessment", [of_credit(limited), signed(1, on(3))], Verdict.VIOLATED),
    ("suspended", [*CHECKED, of_credit(suspended), signed(1, on(3))], Verdict.VIOLATED),
    ("leave that is over", [of_credit(let, by=LI), signed(100, on(20))], Verdict.VIOLATED),
    ("leave for another contract", [of_credit(let, by=LI), signed(100, on(3), OTHER)], Verdict.VIOLATED),
    ("more than the leave", [of_credit(let, by=LI), signed(101, on(3))], Verdict.VIOLATED),
    ("as far beyond as the leave goes", [*CHECKED, of_credit(let, by=LI), signed(200, on(3))], Verdict.CONFORMANT),
    ("further beyond", [*CHECKED, of_credit(let, by=LI), signed(201, on(3))], Verdict.VIOLATED),
    ("amended while suspended", [*CHECKED, signed(60, on(3)), of_credit(suspended, on(3)), amended(61, on(4))],
     Verdict.VIOLATED),
    ("less while suspended", [*CHECKED, signed(60, on(3)), of_credit(suspended, on(3)), amended(60, on(4))],
     Verdict.CONFORMANT),
    ("nothing signed", [*CHECKED], Verdict.NOT_APPLICABLE),
]  # fmt: skip


@pytest.mark.parametrize(("history", "expected"), [case[1:] for case in CREDIT_CHECKED],
                         ids=[case[0] for case in CREDIT_CHECKED])  # fmt: skip
def test_1_3_4_a_contract_is_signed_inside_a_good_limit_or_by_leave(history: list[Happened], expected: Verdict) -> None:
    assert verdict(credit.CREDIT_CHECKED, *history, case=ACME) is expected


INSIDE: list[tuple[str, list[Happened], Verdict]] = [
    ("both inside", [*CHECKED, signed(60, on(3)), signed(40, on(3), OTHER)], Verdict.CONFORMANT),
    ("together beyond", [*CHECKED, signed(60, on(3)), signed(41, on(3), OTHER)], Verdict.VIOLATED),
    ("billed twice is owed once", [*CHECKED, signed(60, on(3)), raised(60, on(4)), signed(40, on(5), OTHER)],
     Verdict.CONFORMANT),
    ("billed is still owed", [*CHECKED, signed(60, on(3)), raised(60, on(4)), signed(41, on(5), OTHER)],
     Verdict.VIOLATED),
    ("paid makes room", [*CHECKED, signed(60, on(3)), raised(60, on(4)), paid(20, on(5)), signed(60, on(6), OTHER)],
     Verdict.CONFORMANT),
    ("written off makes room", [
        *CHECKED, signed(60, on(3)), raised(60, on(4)),
        billed(ReceivableWrittenOff(customer_id=CUSTOMER, contract_id=THE_DEAL, amount=Decimal(20)), on(5)),
        signed(60, on(6), OTHER)], Verdict.CONFORMANT),
    ("terminated makes room", [
        *CHECKED, signed(60, on(3)),
        Happened(ContractTerminated(customer_id=CUSTOMER, reason=WORDS), on(4), stream_id=DEAL),
        signed(100, on(5), OTHER)], Verdict.CONFORMANT),
    ("amended beyond", [*CHECKED, signed(60, on(3)), amended(101, on(4))], Verdict.VIOLATED),
    ("amended by leave", [*CHECKED, signed(60, on(3)), of_credit(let, by=LI), amended(160, on(4))],
     Verdict.CONFORMANT),
    ("by leave once more", [*CHECKED, signed(60, on(3)), of_credit(let, by=LI), amended(200, on(4)),
                            amended(201, on(5))], Verdict.VIOLATED),
    ("less than before", [
        *CHECKED, signed(60, on(3)), of_credit(replace(limited, limit=Decimal(10)), on(4), LI), amended(50, on(5))],
     Verdict.CONFORMANT),
    ("leave, and what is owed besides, while suspended", [
        *CHECKED, signed(50, on(3), OTHER), of_credit(suspended, on(3)), of_credit(let, on(3), LI), signed(51, on(4))],
     Verdict.VIOLATED),
    ("leave for all that is owed, while suspended", [
        *CHECKED, signed(50, on(3), OTHER), of_credit(suspended, on(3)), of_credit(let, on(3), LI), signed(50, on(4))],
     Verdict.CONFORMANT),
    ("leave, and what is owed besides, beside a limit that is over", [
        *CHECKED, signed(50, on(3), OTHER), of_credit(replace(let, until=AUTUMN), on(3), LI), signed(51, LATE)],
     Verdict.VIOLATED),
    ("the same beside a limit that is good", [
        *CHECKED, signed(50, on(3), OTHER), of_credit(let, on(3), LI), signed(51, on(4))], Verdict.CONFORMANT),
    ("without a limit", [signed(1, on(3))], Verdict.VIOLATED),
    ("nothing signed", [*CHECKED], Verdict.NOT_APPLICABLE),
]  # fmt: skip


@pytest.mark.parametrize(("history", "expected"), [case[1:] for case in INSIDE], ids=[case[0] for case in INSIDE])
def test_5_2_2_a_no_contract_brings_a_customer_beyond_the_limit_without_leave(
    history: list[Happened], expected: Verdict
) -> None:
    assert verdict(credit.INSIDE_THE_LIMIT, *history, case=ACME) is expected


def test_the_finding_says_when_and_what() -> None:
    row = duty(credit.INSIDE_THE_LIMIT, *CHECKED, signed(101, on(3)), case=ACME)
    assert [(f.what, f.since) for f in row.findings or ()] == [("exposure beyond the limit", on(3))]


OVERDUE = billed(overdue, on(1, 0))
"""Due on the last day of February, so March the n-th is n days later."""

ALL_STEPS = (
    step(Level.REMINDER, on(1)), step(Level.FIRST, on(10)), step(Level.SECOND, on(29)), step(Level.FINAL, on(60)),
)  # fmt: skip

DUNNED: list[tuple[str, list[Happened], Verdict, datetime]] = [
    ("every step to the last", [OVERDUE, *ALL_STEPS, billed(legal, on(90))], Verdict.CONFORMANT, on(200)),
    ("paid before the first", [OVERDUE, billed(settled, on(1, 12))], Verdict.CONFORMANT, on(200)),
    ("paid in between", [OVERDUE, step(Level.REMINDER, on(1)), billed(settled, on(15))], Verdict.CONFORMANT, on(200)),
    ("no reminder", [OVERDUE], Verdict.VIOLATED, on(2, 1)),
    ("a late reminder", [OVERDUE, step(Level.REMINDER, on(2, 1)), billed(settled, on(3))], Verdict.VIOLATED, on(200)),
    ("paid after a step was missed", [OVERDUE, billed(settled, on(2, 1))], Verdict.VIOLATED, on(200)),
    ("no first letter", [OVERDUE, step(Level.REMINDER, on(1))], Verdict.VIOLATED, on(16, 1)),
    ("counted from the beginning", [OVERDUE, *ALL_STEPS[:2]], Verdict.VIOLATED, on(31, 1)),
    ("never to legal counsel", [OVERDUE, *ALL_STEPS], Verdict.VIOLATED, on(91, 1)),
    ("still time", [OVERDUE, step(Level.REMINDER, on(1))], Verdict.PENDING, on(15, 23)),
    ("while it is disputed", [OVERDUE, step(Level.REMINDER, on(1)), billed(disputed, on(3))],
     Verdict.NOT_APPLICABLE, on(200)),
    ("a dispute stops the time", [OVERDUE, step(Level.REMINDER, on(1)), billed(disputed, on(3)),
                                  billed(resolved, on(13))], Verdict.PENDING, on(25, 8)),
    ("and no longer", [OVERDUE, step(Level.REMINDER, on(1)), billed(disputed, on(3)), billed(resolved, on(13))],
     Verdict.VIOLATED, on(26, 1)),
    ("for the steps after it too", [OVERDUE, step(Level.REMINDER, on(1)), billed(disputed, on(3)),
                                    billed(resolved, on(13)), step(Level.FIRST, on(20))], Verdict.PENDING, on(40, 8)),
    ("and for them no longer", [OVERDUE, step(Level.REMINDER, on(1)), billed(disputed, on(3)),
                                billed(resolved, on(13)), step(Level.FIRST, on(20))], Verdict.VIOLATED, on(41, 1)),
    ("a broken promise", [OVERDUE, step(Level.REMINDER, on(1)),
                          billed(PaymentPromised(until=date(2026, 3, 12), amount=HUNDRED), on(3)),
                          billed(PromiseBroken(until=date(2026, 3, 12)), on(13))], Verdict.PENDING, on(25, 8)),
    ("disputed and paid", [OVERDUE, billed(disputed, on(1, 5)), billed(settled, on(90))], Verdict.CONFORMANT, on(200)),
]  # fmt: skip


@pytest.mark.parametrize(("history", "expected", "at"), [case[1:] for case in DUNNED],
                         ids=[case[0] for case in DUNNED])  # fmt: skip
def test_5_2_2_b_the_ladder_is_followed_in_time(history: list[Happened], expected: Verdict, at: datetime) -> None:
    assert verdict(credit.DUNNED, *history, at=at, case=BILL) is expected


def test_what_is_paid_and_taken_back_is_dunned_anew() -> None:
    again = billed(overdue, on(20, 0))
    row = duty(credit.DUNNED, OVERDUE, billed(settled, on(1, 12)), again, case=BILL)
    assert (row.state, row.due_at) == (State.OWED, on(21, 0))


def power_of(grantor: str) -> Envelope:
    return Envelope(delegation=Delegation(number=Code("1"), grantor_id=LI), on_behalf_of=grantor)


owner_anna = Happened(AccountOwnerAssigned(owner_id=ANNA), on(2), LI, stream_id=ACME)
owner_boris = Happened(AccountOwnerAssigned(owner_id=BORIS), on(4), LI, stream_id=ACME)

SEPARATED: list[tuple[Rule, str, list[Happened], Verdict]] = [
    (credit.NOT_THE_OWNER, ACME, [owner_anna, of_credit(limited, by=LI)], Verdict.CONFORMANT),
    (credit.NOT_THE_OWNER, ACME, [owner_anna, of_credit(limited, by=ANNA)], Verdict.VIOLATED),
    (credit.NOT_THE_OWNER, ACME, [owner_anna, of_credit(limited, by=LI, envelope=power_of(ANNA))], Verdict.VIOLATED),
    (credit.NOT_THE_OWNER, ACME, [owner_anna, owner_boris, of_credit(limited, by=ANNA)], Verdict.VIOLATED),
    (credit.NOT_THE_OWNER, ACME, [owner_anna, of_credit(let, by=ANNA)], Verdict.VIOLATED),
    (credit.NOT_THE_OWNER, ACME, [owner_anna, of_credit(released, by=ANNA)], Verdict.VIOLATED),
    (credit.NOT_THE_OWNER, ACME, [owner_anna, of_credit(limited, by=BORIS), owner_boris], Verdict.CONFORMANT),
    (credit.NOT_THE_OWNER, ACME, [owner_anna], Verdict.PENDING),
    (credit.NOT_THE_ASSESSOR, CREDIT, [of_credit(assessed), of_credit(limited, by=LI)], Verdict.CONFORMANT),
    (credit.NOT_THE_ASSESSOR, CREDIT, [of_credit(assessed), of_credit(limited, by=ANNA)], Verdict.VIOLATED),
    (credit.NOT_THE_ASSESSOR, CREDIT, [of_credit(assessed, by=LI), of_credit(assessed), of_credit(limited, by=LI)],
     Verdict.VIOLATED),
    (credit.NOT_THE_ASSESSOR, CREDIT, [of_credit(assessed), of_credit(limited, by=LI), of_credit(assessed, by=LI)],
     Verdict.CONFORMANT),
    (credit.NOT_THE_ASSESSOR, CREDIT, [of_credit(assessed)], Verdict.PENDING),
    (credit.NOT_THE_REQUESTER, DEAL, [of_credit(requested), of_credit(let, by=LI)], Verdict.CONFORMANT),
    (credit.NOT_THE_REQUESTER, DEAL, [of_credit(requested), of_credit(let)], Verdict.VIOLATED),
    (credit.NOT_THE_REQUESTER, DEAL, [of_credit(requested), of_credit(requested, by=BORIS), of_credit(let)],
     Verdict.VIOLATED),
    (credit.NOT_THE_REQUESTER, DEAL, [
        of_credit(requested), of_credit(replace(requested, contract_id=ContractId(OTHER)), by=LI),
        of_credit(let, by=LI)], Verdict.CONFORMANT),
    (credit.NOT_THE_REQUESTER, DEAL, [of_credit(requested)], Verdict.PENDING),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "case", "history", "expected"), SEPARATED)
def test_5_2_2_a_the_two_are_different_people(
    rule: Rule, case: str, history: list[Happened], expected: Verdict
) -> None:
    assert verdict(rule, *history, case=case) is expected


DEPUTY = Happened(
    RoleAssigned(employee_id=BORIS, role=Role.DEPUTY, unit=Code("business"), valid_from=FOUNDED),
    FOUNDED,
    "founder",
    stream_id="department",
)
LARGE = replace(limited, limit=Decimal(300_001))


@pytest.mark.parametrize(
    ("decided", "expected"),
    [
        (of_credit(replace(limited, limit=Decimal(300_000)), by=BORIS), Verdict.CONFORMANT),
        (of_credit(LARGE, by=BORIS), Verdict.VIOLATED),
        (of_credit(LARGE, by=LI), Verdict.CONFORMANT),
        (of_credit(limited, by=ANNA), Verdict.VIOLATED),
        (of_credit(let, by=BORIS), Verdict.CONFORMANT),
        (of_credit(replace(let, amount=Decimal(300_001)), by=BORIS), Verdict.VIOLATED),
    ],
)
def test_a_limit_is_approved_by_whoever_its_amount_asks_for(decided: Happened, expected: Verdict) -> None:
    assert verdict(credit.BY_AUTHORITY, DEPUTY, decided, case=CREDIT) is expected


def test_the_time_of_a_dispute_is_not_counted_twice() -> None:
    twice = [
        OVERDUE, step(Level.REMINDER, on(1)), billed(disputed, on(3)), billed(resolved, on(5)),
        billed(disputed, on(6)), billed(resolved, on(9)),
    ]  # fmt: skip
    assert duty(credit.DUNNED, *twice, case=BILL).due_at == on(16, 0) + timedelta(days=5)
