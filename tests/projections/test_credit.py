"""What the row of a customer's credit says, what a decision may know of it, and who is near its limit or over it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

import pytest
from msgspec.structs import replace

from aggregates.business.contract import ContractAmended, ContractExpired, ContractSigned, ContractTerminated
from aggregates.business.customer import AccountOwnerAssigned, CustomerRegistered, CustomersMerged
from aggregates.event import Envelope, Event, Origin
from aggregates.facts import CreditStanding, Override
from aggregates.ids import ContractId, CustomerId, EmployeeId
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
from aggregates.text import Code, ContentHash, Text
from infra.fact_reader import RowFact
from projections import credit
from projections.credit import Commitment, CreditRow, Use
from projections.customers import CustomerRow, customers
from projections.scope import Scope
from tests.given import MONDAY, history, recorded
from tests.projections.tables import asked, filled

T = TypeVar("T")
ACME, OTHER, THIRD = (CustomerId(f"customer-{name}") for name in ("acme", "other", "third"))
ONE, TWO = ContractId("contract-1"), ContractId("contract-2")
ANNA, LI, WORDS = EmployeeId("employee-anna"), EmployeeId("employee-li"), Text("words")
DAY, NOTHING, FORTY, SIXTY, HUNDRED = timedelta(days=1), Decimal(0), Decimal(40), Decimal(60), Decimal(100)
UNTIL = MONDAY + 365 * DAY

assessed = CreditAssessed(
    customer_id=ACME, scorecard=Code("P-46"), factors={}, score=70, grade=Grade.B, rationale=WORDS,
    good_until=UNTIL, assessed_by=(ANNA,),
)  # fmt: skip
limited = CreditLimitApproved(customer_id=ACME, limit=HUNDRED, payment_days=30, valid_until=UNTIL)
over = CreditLimitExpired(customer_id=ACME)
let = CreditOverrideApproved(customer_id=ACME, contract_id=TWO, amount=SIXTY, until=MONDAY + DAY)
suspended, released = CreditSuspended(customer_id=ACME, reason=WORDS), CreditReleased(customer_id=ACME, reason=WORDS)
owned = AccountOwnerAssigned(owner_id=ANNA)
signed = ContractSigned(
    customer_id=ACME, content=ContentHash("sha256:a"), amount=HUNDRED, signed_by=(LI,), place=WORDS,
    signed_for_customer=WORDS,
)  # fmt: skip
amended = ContractAmended(customer_id=ACME, content=ContentHash("sha256:b"), amount=SIXTY, signed_by=(LI,))
terminated, expired = ContractTerminated(customer_id=ACME, reason=WORDS), ContractExpired(customer_id=ACME)
billed = ReceivableRaised(customer_id=ACME, contract_id=ONE, instalment=Code("a"), amount=SIXTY, due=MONDAY.date())
paid = PaymentReceived(customer_id=ACME, contract_id=ONE, amount=FORTY, reference=Code("1"))
back = PaymentReversed(customer_id=ACME, contract_id=ONE, amount=FORTY, reference=Code("1"), reason=WORDS)
off = ReceivableWrittenOff(customer_id=ACME, contract_id=ONE, amount=Decimal(20))
EVERYTHING = (
    *(assessed, limited, over, let, suspended, released, owned),
    *(signed, amended, terminated, expired, billed, paid, back, off),
)


def row_of(*events: Event, customer_id: CustomerId = ACME, envelope: Envelope | None = None) -> CreditRow:
    """The row after events, each on the stream where it lies; contracts and bills are those of the first contract."""
    rows: list[CreditRow | None] = [None]
    for position, event in enumerate(events, start=1):
        of_file = isinstance(event, AccountOwnerAssigned)
        record = recorded(
            event if of_file else replace(event, customer_id=customer_id),
            stream_id=customer_id if of_file else ONE,
            position=position,
            envelope=envelope,
        )
        assert credit.credits_.keys[type(event)](record) == customer_id
        rows.append(credit.credits_.folds[type(event)](rows[-1], record))
    assert rows[-1] is not None
    return rows[-1]


def exposure(*events: Event) -> Decimal:
    row = row_of(*events)
    assert row.exposure == sum((one.exposure for one in row.contracts.values()), NOTHING)
    return row.exposure


# What the row says


def test_the_row_takes_what_is_decided_signed_and_owed() -> None:
    assert set(credit.credits_.events) == set(map(type, EVERYTHING))


def test_5_2_2_a_the_row_says_what_was_decided() -> None:
    row = row_of(assessed, limited, let, owned)
    assert (row.grade, row.score, row.limit, row.payment_days, row.valid_until, row.owner_id) == (
        Grade.B, 70, HUNDRED, 30, UNTIL, ANNA,
    )  # fmt: skip
    assert row.overrides == {TWO: Override(amount=SIXTY, until=MONDAY + DAY)}
    assert [row_of(suspended).suspended, row_of(suspended, released).suspended] == [True, False]


def test_5_2_2_a_a_limit_ends_when_its_assessment_is_too_old() -> None:
    assert (row_of(limited).alarm_at, row_of(limited).expired) == (UNTIL, False)
    assert (row_of(limited, over).alarm_at, row_of(limited, over).expired) == (None, True)
    anew = row_of(limited, over, replace(limited, valid_until=UNTIL + DAY))
    assert (anew.alarm_at, anew.expired) == (UNTIL + DAY, False)
    imported = Envelope(origin=Origin(source="desk", file="sha256:1", case="1", index=1))
    assert row_of(limited, envelope=imported).alarm_at is None


def test_5_2_2_a_exposure_is_what_is_open_and_what_is_signed_and_not_billed() -> None:
    assert exposure(signed) == HUNDRED
    assert exposure(signed, billed) == HUNDRED
    assert exposure(signed, billed, paid) == SIXTY
    assert exposure(signed, billed, paid, off) == FORTY
    assert exposure(signed, billed, paid, back) == HUNDRED
    assert row_of(signed, billed, paid).contracts == {ONE: Commitment(signed=HUNDRED, billed=SIXTY, open=SIXTY - FORTY)}


def test_5_2_2_a_what_was_paid_or_given_up_and_is_taken_back_is_owed_again() -> None:
    everything = replace(paid, amount=SIXTY)
    assert exposure(signed, terminated, billed, everything) == NOTHING
    assert exposure(signed, terminated, billed, everything, replace(back, amount=SIXTY)) == SIXTY
    assert exposure(terminated, billed, paid, off, back) == FORTY


def test_5_2_2_a_a_contract_changed_or_over_binds_only_for_what_was_billed() -> None:
    assert exposure(signed, amended) == SIXTY
    assert exposure(signed, billed, amended) == SIXTY
    assert exposure(signed, billed, replace(amended, amount=FORTY)) == SIXTY
    for end in (terminated, expired):
        assert exposure(signed, end) == NOTHING
        assert exposure(signed, billed, end) == SIXTY
        assert exposure(signed, billed, paid, end) == SIXTY - FORTY


@pytest.mark.parametrize(
    ("owed", "use"), [(0, Use.WITHIN), (80, Use.WITHIN), (81, Use.NEAR), (100, Use.NEAR), (101, Use.OVER)]
)
def test_5_2_2_a_somebody_looks_from_four_fifths_of_a_limit_on(owed: int, use: Use) -> None:
    some = replace(signed, amount=Decimal(owed))
    assert row_of(limited, some).use is row_of(some, limited).use is use
    assert row_of(some).use is (Use.OVER if owed else Use.WITHIN)


# What a decision may know, and the questions


@pytest.fixture
def rows(empty_database: str) -> Callable[..., str]:
    """Puts rows into the tables that the questions are asked of, and says where."""
    return lambda *given: filled(empty_database, (CreditRow, CustomerRow), given)


def file(whose: CustomerId, into: CustomerId | None = None) -> CustomerRow:
    """The file of a customer, which may have been merged into another."""
    events: list[Event] = [CustomerRegistered(name=WORDS, source=Code("fair"))]
    row = customers.fold(history([*events, *([CustomersMerged(into_id=into)] if into else [])], stream_id=whose))
    assert row is not None
    return row


def standing(url: str, customer_id: CustomerId = ACME) -> CreditStanding:
    return asked(url, lambda db: credit.credit_standing(db, customer_id))


def test_5_2_2_a_what_a_customer_may_owe_and_owes_is_a_fact(rows: Callable[..., str]) -> None:
    there = rows(row_of(assessed, limited, let, signed, suspended), file(ACME))
    assert standing(there) == CreditStanding(
        customer_id=ACME, limit=HUNDRED, valid_until=UNTIL, exposure=HUNDRED, suspended=True,
        overrides={TWO: Override(amount=SIXTY, until=MONDAY + DAY)},
    )  # fmt: skip
    assert standing(there, OTHER) == CreditStanding(customer_id=OTHER)


def test_3_1_2_c_what_any_file_of_a_customer_owes_uses_up_the_limit_of_each(rows: Callable[..., str]) -> None:
    there = rows(
        row_of(limited, signed),
        row_of(replace(limited, limit=SIXTY), replace(signed, amount=FORTY), customer_id=OTHER),
        row_of(replace(signed, amount=FORTY), suspended, customer_id=THIRD),
        row_of(limited, signed, customer_id=CustomerId("customer-another")),
        *(file(ACME, OTHER), file(OTHER, THIRD), file(THIRD), file(CustomerId("customer-another"))),
    )
    owed = Decimal(180)
    assert standing(there, ACME) == CreditStanding(
        customer_id=ACME, limit=HUNDRED, valid_until=UNTIL, exposure=owed, suspended=True, files=(OTHER, THIRD)
    )
    assert standing(there, OTHER) == CreditStanding(
        customer_id=OTHER, limit=SIXTY, valid_until=UNTIL, exposure=owed, suspended=True, files=(ACME, THIRD)
    )
    assert standing(there, THIRD) == CreditStanding(
        customer_id=THIRD, exposure=owed, suspended=True, files=(ACME, OTHER)
    )
    assert standing(there, CustomerId("customer-another")).exposure == HUNDRED


def test_3_1_2_c_the_fact_is_stale_after_a_merger() -> None:
    fact = RowFact(credit.credit_standing)
    assert "CustomersMerged" in fact.types
    assert fact.others(CreditStanding(customer_id=ACME, files=(OTHER, THIRD))) == (OTHER, THIRD)


def test_3_1_2_c_the_list_says_what_all_files_of_a_customer_owe(rows: Callable[..., str]) -> None:
    there = rows(
        row_of(replace(signed, amount=SIXTY)),
        row_of(limited, replace(signed, amount=Decimal(30)), customer_id=OTHER),
        row_of(limited, replace(signed, amount=FORTY), customer_id=THIRD),
        *(file(ACME, OTHER), file(OTHER), file(THIRD)),
    )
    found = {row.customer_id: (row.exposure, row.use) for row in asked(there, credit.limits)}
    assert found == {OTHER: (Decimal(90), Use.NEAR), THIRD: (FORTY, Use.WITHIN)}
    assert [row.customer_id for row in asked(there, lambda db: credit.limits(db, use=Use.NEAR))] == [OTHER]
    own = asked(there, lambda db: credit.one(db, ACME))
    assert own is not None
    assert own.exposure == SIXTY


def test_a_merged_file_is_listed_while_the_one_that_goes_on_has_no_credit(rows: Callable[..., str]) -> None:
    (only,) = asked(rows(row_of(signed), file(ACME, OTHER), file(OTHER)), credit.limits)
    assert (only.customer_id, only.exposure) == (ACME, HUNDRED)


def test_5_2_2_a_limits_are_found_by_what_they_are(rows: Callable[..., str]) -> None:
    third = row_of(replace(limited, valid_until=UNTIL + DAY), replace(signed, amount=Decimal(90)), customer_id=THIRD)
    there = rows(row_of(assessed, limited, owned), row_of(signed, suspended, customer_id=OTHER), third)

    def found(scope: Scope | None = None, **by: object) -> list[CustomerId]:
        return sorted(row.customer_id for row in asked(there, lambda db: credit.limits(db, **by), scope=scope))  # type: ignore[arg-type]  # as named

    assert found() == [ACME, OTHER, THIRD]
    assert found(use=Use.WITHIN) == found(grade=Grade.B) == found(owner_id=ANNA) == [ACME]
    assert found(use=Use.OVER) == found(suspended=True) == [OTHER]
    assert found(use=Use.NEAR) == [THIRD]
    assert found(suspended=False) == [ACME, THIRD]
    assert found(expires_before=UNTIL + timedelta(seconds=1)) == [ACME]
    assert found(expires_before=datetime.max.replace(tzinfo=UNTIL.tzinfo)) == [ACME, THIRD]
    assert found(Scope(people=frozenset({ANNA}))) == [ACME]
    assert asked(there, lambda db: credit.one(db, THIRD)) == third
    assert asked(there, lambda db: credit.one(db, THIRD), scope=Scope(people=frozenset({ANNA}))) is None
    assert asked(there, lambda db: credit.one(db, CustomerId("customer-9"))) is None
