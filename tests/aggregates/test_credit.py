"""What a customer may owe us is assessed by one, approved by another, and gone beyond by leave for one contract."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from aggregates.actor import Actor, Delegation, Role
from aggregates.facts import CreditStanding, CustomerStanding, Override, Setting
from aggregates.ids import ContractId, CustomerId, EmployeeId
from aggregates.risk.credit import (
    Credit,
    CreditAssessed,
    CreditLimitApproved,
    CreditLimitExpired,
    CreditOverrideApproved,
    CreditOverrideRejected,
    CreditOverrideRequested,
    CreditReleased,
    CreditSuspended,
    Grade,
)
from aggregates.term import months_after
from aggregates.text import Code, Text
from services.founding_defaults import DEFAULT_PARAMETERS
from tests.given import MONDAY, given

ANNA, BORIS, LI, OLGA = (EmployeeId(f"employee-{name}") for name in ("anna", "boris", "li", "olga"))
ACME, THIS = CustomerId("customer-acme"), ContractId("contract-1")
WHY = Text("They pay.")


def somebody(who: EmployeeId, *roles: Role, power_of: EmployeeId | None = None) -> Actor:
    delegation = None if power_of is None else Delegation(number=Code("1"), grantor_id=power_of)
    return Actor(id=who, roles=frozenset({*roles, Role.EMPLOYEE}), delegation=delegation)


FINANCE, DEPUTY, MANAGER = somebody(ANNA, Role.FINANCE), somebody(BORIS, Role.DEPUTY), somebody(LI, Role.MANAGER)


def setting(number: str) -> Setting:
    """A parameter as it is founded."""
    (found,) = (p for p in DEFAULT_PARAMETERS if p.number == number)
    return Setting(number=found.number, values=found.values)


SCORECARD, MONTHS, AUTHORITY = setting("P-46"), setting("P-18"), setting("P-40")


def points(*given: int) -> Mapping[Code, int]:
    factors = ("payment_history", "financial_strength", "relationship", "market_standing")
    return {Code(factor): of for factor, of in zip(factors, given, strict=True)}


A_YEAR_ON = months_after(MONDAY, 12)
assessed = CreditAssessed(
    customer_id=ACME, scorecard=Code("P-46"), factors=points(90, 80, 70, 70), score=81, grade=Grade.A, rationale=WHY,
    good_until=A_YEAR_ON, assessed_by=(ANNA,),
)  # fmt: skip
limited = CreditLimitApproved(customer_id=ACME, limit=Decimal(200_000), payment_days=30, valid_until=A_YEAR_ON)
UNTIL = MONDAY + timedelta(days=30)
requested = CreditOverrideRequested(
    customer_id=ACME, contract_id=THIS, amount=Decimal(250_000), until=UNTIL, grounds=WHY, requested_by=(ANNA,)
)
let = CreditOverrideApproved(customer_id=ACME, contract_id=THIS, amount=Decimal(250_000), until=UNTIL)
rejected = CreditOverrideRejected(customer_id=ACME, contract_id=THIS, grounds=WHY)
suspended = CreditSuspended(customer_id=ACME, reason=WHY)
released = CreditReleased(customer_id=ACME, reason=WHY)
OWNED = CustomerStanding(customer_id=ACME, owner_id=OLGA, owners=(OLGA,))


def limit(amount: int = 200_000, by: Actor = DEPUTY, at: datetime = MONDAY, days: int = 30) -> dict[str, Any]:
    """The arguments of `approve_limit`."""
    return {
        "by": by, "at": at, "limit": Decimal(amount), "payment_days": days, "customer": OWNED, "authority": AUTHORITY,
    }  # fmt: skip


def leave(by: Actor = DEPUTY, at: datetime = MONDAY) -> dict[str, Any]:
    """The arguments of `approve_override`."""
    return {"by": by, "at": at, "contract_id": THIS, "customer": OWNED, "authority": AUTHORITY}


@pytest.mark.parametrize(
    ("given_", "score", "grade", "months"),
    [
        (points(90, 80, 70, 70), 81, Grade.A, 12),
        (points(70, 65, 60, 60), 65, Grade.B, 12),
        (points(50, 50, 50, 50), 50, Grade.C, 6),
        (points(49, 50, 50, 50), 49, Grade.D, 3),
    ],
)
def test_5_2_2_a_the_scorecard_gives_the_grade_and_the_grade_how_long_it_is_good(
    given_: Mapping[Code, int], score: int, grade: Grade, months: int
) -> None:
    given(Credit).when(Credit.assess, FINANCE, MONDAY, ACME, given_, WHY, SCORECARD, MONTHS).then(
        replace(assessed, factors=given_, score=score, grade=grade, good_until=months_after(MONDAY, months))
    )


@pytest.mark.parametrize(
    ("factors", "because"),
    [
        ({Code("payment_history"): 90}, "each factor"),
        ({**points(90, 80, 70, 70), Code("luck"): 100}, "each factor"),
        (points(101, 80, 70, 70), "0 to 100"),
        (points(-1, 80, 70, 70), "0 to 100"),
    ],
)
def test_each_factor_of_the_scorecard_is_judged_and_no_other(factors: Mapping[Code, int], because: str) -> None:
    given(Credit).when(Credit.assess, FINANCE, MONDAY, ACME, factors, WHY, SCORECARD, MONTHS).then_refused(because)


def test_a_customer_is_assessed_anew() -> None:
    given(Credit, assessed, limited).when(
        Credit.reassess, FINANCE, MONDAY, points(0, 0, 0, 0), WHY, SCORECARD, MONTHS
    ).then(replace(assessed, factors=points(0, 0, 0, 0), score=0, grade=Grade.D, good_until=months_after(MONDAY, 3)))


def test_5_2_2_a_somebody_else_approves_the_limit_with_its_terms_for_as_long_as_the_assessment_is_good() -> None:
    given(Credit, assessed).when(Credit.approve_limit, **limit()).then(limited)


@pytest.mark.parametrize(
    "approver",
    [
        somebody(ANNA, Role.DEPUTY),
        somebody(ANNA, Role.MANAGER),
        somebody(BORIS, Role.MANAGER, power_of=ANNA),
    ],
)
def test_5_2_2_a_the_assessor_never_approves_the_limit_nor_does_anybody_by_that_power(approver: Actor) -> None:
    given(Credit, assessed).when(Credit.approve_limit, **limit(by=approver)).then_refused("assessed")


def test_whose_power_was_lent_for_the_assessment_does_not_approve_either() -> None:
    lent = replace(assessed, assessed_by=(ANNA, BORIS))
    given(Credit).when(
        Credit.assess, somebody(ANNA, Role.RISK, power_of=BORIS), MONDAY, ACME, assessed.factors, WHY, SCORECARD, MONTHS
    ).then(lent)
    given(Credit, lent).when(Credit.approve_limit, **limit(by=DEPUTY)).then_refused("assessed")


def test_an_earlier_version_of_the_assessment_counts_as_well() -> None:
    by_li = replace(assessed, assessed_by=(LI,))
    given(Credit, by_li, assessed).when(Credit.approve_limit, **limit(by=MANAGER)).then_refused("assessed")


@pytest.mark.parametrize("approver", [somebody(OLGA, Role.MANAGER), somebody(BORIS, Role.MANAGER, power_of=OLGA)])
def test_5_2_2_a_whoever_looks_after_the_customer_decides_nothing_of_its_credit(approver: Actor) -> None:
    given(Credit, assessed).when(Credit.approve_limit, **limit(by=approver)).then_refused("looks after")
    given(Credit, assessed, requested).when(Credit.approve_override, **leave(by=approver)).then_refused("looks after")
    given(Credit, assessed, suspended).when(Credit.release, approver, WHY, OWNED).then_refused("looks after")


def test_nor_whoever_ever_did() -> None:
    olga, handed_over = somebody(OLGA, Role.MANAGER), replace(OWNED, owner_id=ANNA, owners=(OLGA, ANNA))
    given(Credit, assessed, suspended).when(Credit.release, olga, WHY, handed_over).then_refused("has done so")


def test_a_deputy_approves_up_to_an_amount_and_the_manager_beyond_it() -> None:
    given(Credit, assessed).when(Credit.approve_limit, **limit(300_000)).then(replace(limited, limit=Decimal(300_000)))
    given(Credit, assessed).when(Credit.approve_limit, **limit(300_001)).then_refused("Only the manager")
    given(Credit, assessed).when(Credit.approve_limit, **limit(300_001, by=MANAGER)).then(
        replace(limited, limit=Decimal(300_001))
    )


@pytest.mark.parametrize("wrong", [Decimal(-1), Decimal("NaN"), Decimal("Infinity")])
def test_a_limit_is_an_amount(wrong: Decimal) -> None:
    given(Credit, assessed).when(Credit.approve_limit, **{**limit(), "limit": wrong}).then_refused("zero or more")


def test_payment_terms_are_so_many_days() -> None:
    given(Credit, assessed).when(Credit.approve_limit, **limit(days=366)).then_refused("0 to 365 days")
    given(Credit, assessed).when(Credit.approve_limit, **limit(days=-1)).then_refused("0 to 365 days")


def test_no_limit_rests_on_an_assessment_that_is_too_old() -> None:
    given(Credit, assessed).when(Credit.approve_limit, **limit(at=A_YEAR_ON)).then_refused("too old")
    given(Credit).when(Credit.approve_limit, **limit()).then_refused("Nobody has assessed")


def test_a_limit_expires_once_and_only_as_it_stands() -> None:
    over = CreditLimitExpired(customer_id=ACME)
    given(Credit, assessed, limited).when(Credit.expire, A_YEAR_ON).then(over)
    given(Credit, assessed, limited, over).when(Credit.expire, A_YEAR_ON).then_nothing()
    later = replace(limited, valid_until=A_YEAR_ON + timedelta(days=1))
    given(Credit, assessed, limited, later).when(Credit.expire, A_YEAR_ON).then_nothing()


def test_5_2_2_a_leave_to_go_beyond_the_limit_is_asked_for_by_one_and_given_by_another() -> None:
    given(Credit, assessed).when(Credit.request_override, FINANCE, MONDAY, THIS, Decimal(250_000), UNTIL, WHY).then(
        requested
    )
    given(Credit, assessed, requested).when(Credit.approve_override, **leave()).then(let)
    given(Credit, assessed, requested).when(Credit.reject_override, THIS, WHY).then(rejected)


@pytest.mark.parametrize("approver", [somebody(ANNA, Role.MANAGER), somebody(LI, Role.MANAGER, power_of=ANNA)])
def test_whoever_asked_for_it_does_not_give_it(approver: Actor) -> None:
    given(Credit, assessed, requested).when(Credit.approve_override, **leave(by=approver)).then_refused("asked to go")
    by_another = replace(requested, requested_by=(OLGA,))
    for history in ((requested, by_another), (requested, rejected, by_another)):
        given(Credit, assessed, *history).when(Credit.approve_override, **leave(by=approver)).then_refused("ever asked")


def test_leave_takes_authority_for_its_amount_and_ends_in_the_future() -> None:
    large = replace(requested, amount=Decimal(300_001))
    given(Credit, assessed, large).when(Credit.approve_override, **leave()).then_refused("Only the manager")
    given(Credit, assessed, requested).when(Credit.approve_override, **leave(at=UNTIL)).then_refused("is over")
    given(Credit, assessed).when(Credit.request_override, FINANCE, MONDAY, THIS, Decimal(1), MONDAY, WHY).then_refused(
        "in the future"
    )


def test_what_is_decided_is_not_decided_again() -> None:
    for decided in (let, rejected):
        given(Credit, assessed, requested, decided).when(Credit.approve_override, **leave()).then_refused("Nobody has")


def test_credit_is_suspended_and_released() -> None:
    given(Credit, assessed).when(Credit.suspend, WHY).then(suspended)
    given(Credit, assessed, suspended).when(Credit.suspend, WHY).then_refused("already")
    given(Credit, assessed, suspended).when(Credit.stop, WHY).then_nothing()
    given(Credit, assessed).when(Credit.stop, WHY).then(suspended)
    given(Credit, assessed, suspended).when(Credit.release, DEPUTY, WHY, OWNED).then(released)
    given(Credit, assessed, suspended, released).when(Credit.release, DEPUTY, WHY, OWNED).then_refused("not suspended")


def test_1_3_4_a_contract_is_covered_by_a_good_limit_or_by_leave_for_it() -> None:
    good = CreditStanding(customer_id=ACME, limit=Decimal(100), valid_until=UNTIL, exposure=Decimal(60))
    assert good.covers(THIS, Decimal(40), MONDAY)
    assert not good.covers(THIS, Decimal(41), MONDAY)
    assert not good.covers(THIS, Decimal(40), UNTIL)
    assert not replace(good, suspended=True).covers(THIS, Decimal(40), MONDAY)
    let_go = replace(good, overrides={THIS: Override(amount=Decimal(50), until=UNTIL)})
    assert let_go.covers(THIS, Decimal(90), MONDAY)
    assert not let_go.covers(ContractId("contract-2"), Decimal(90), MONDAY)
    assert not let_go.covers(THIS, Decimal(91), MONDAY)
    assert not let_go.covers(THIS, Decimal(50), UNTIL)
