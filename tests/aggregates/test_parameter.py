"""Parameter: defined once, proposed by one, approved by another, and never changed for the past."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import hypothesis
import pytest
from hypothesis import strategies as st

from aggregates.actor import Actor, Delegation, Role
from aggregates.event import Event, decide, events_of, recall
from aggregates.facts import Quantity, Unit
from aggregates.ids import EmployeeId
from aggregates.organisation.parameter import (
    Parameter,
    PolicyParameterChanged,
    PolicyParameterDefined,
    PolicyParameterProposalRejected,
    PolicyParameterProposed,
)
from aggregates.text import Code, Text
from services.founding_defaults import DEFAULT_PARAMETERS, DefaultParameter
from tests.given import given

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
TUESDAY, WEDNESDAY, FRIDAY = (MONDAY + timedelta(days=n) for n in (1, 2, 4))
ANNA, MEI = EmployeeId("employee-anna"), EmployeeId("employee-mei")
ANALYST = Actor(id=ANNA, roles=frozenset({Role.DATA_ANALYST}))
MANAGER = Actor(id=MEI, roles=frozenset({Role.MANAGER}))
P_05, MEANING = Code("P-05"), Code("Complaint: resolved, by severity")
GROUNDS = Text("Customers wait too long")


def days(s1: int | str, s2: int) -> dict[Code, Quantity]:
    amounts = {Code("S1"): Decimal(s1), Code("S2"): Decimal(s2)}
    return {name: Quantity(amount=amount, unit=Unit.WORKING_DAY) for name, amount in amounts.items()}


defined = PolicyParameterDefined(number=P_05, meaning=MEANING, values=days(2, 5), valid_from=MONDAY)
proposed = PolicyParameterProposed(
    number=P_05, values=days(1, 3), valid_from=WEDNESDAY, grounds=GROUNDS, proposer_id=ANNA
)
changed = PolicyParameterChanged(number=P_05, values=days(1, 3), valid_from=WEDNESDAY)
rejected = PolicyParameterProposalRejected(number=P_05, grounds=GROUNDS)


# Defining


def test_a_parameter_is_defined_with_its_first_values() -> None:
    given(Parameter).when(Parameter.define, MONDAY, P_05, MEANING, days(2, 5)).then(defined)


def test_but_once() -> None:
    given(Parameter, defined).when(Parameter.define, MONDAY, P_05, MEANING, days(2, 5)).then_refused(
        "propose new values instead"
    )


@pytest.mark.parametrize("number", ["P05", "p-05", "P-5", "P-05 "])
def test_its_number_is_spelt_in_one_way(number: str) -> None:
    given(Parameter).when(Parameter.define, MONDAY, Code(number), MEANING, days(2, 5)).then_refused("like P-05")


def test_it_has_a_value() -> None:
    given(Parameter).when(Parameter.define, MONDAY, P_05, MEANING, {}).then_refused("at least one value")


@pytest.mark.parametrize("amount", ["-1", "NaN", "Infinity"])
def test_which_is_an_amount(amount: str) -> None:
    given(Parameter).when(Parameter.define, MONDAY, P_05, MEANING, days(amount, 5)).then_refused("S1 cannot be")


def test_it_may_begin_later_but_not_earlier_than_it_is_defined() -> None:
    given(Parameter).when(Parameter.define, MONDAY, P_05, MEANING, days(2, 5), TUESDAY).then(
        PolicyParameterDefined(number=P_05, meaning=MEANING, values=days(2, 5), valid_from=TUESDAY)
    )
    given(Parameter).when(Parameter.define, TUESDAY, P_05, MEANING, days(2, 5), MONDAY).then_refused("for the past")


# Proposing


def test_other_values_are_proposed_from_a_day_on() -> None:
    given(Parameter, defined).when(Parameter.propose, ANALYST, TUESDAY, days(1, 3), GROUNDS, WEDNESDAY).then(proposed)


def test_or_from_now_on_where_no_day_is_named() -> None:
    given(Parameter, defined).when(Parameter.propose, ANALYST, WEDNESDAY, days(1, 3), GROUNDS).then(proposed)


def test_never_for_the_past() -> None:
    given(Parameter, defined).when(Parameter.propose, ANALYST, TUESDAY, days(1, 3), GROUNDS, MONDAY).then_refused(
        "for the past"
    )


def test_one_proposal_at_a_time() -> None:
    given(Parameter, defined, proposed).when(Parameter.propose, ANALYST, TUESDAY, days(1, 4), GROUNDS).then_refused(
        "A proposal is open"
    )


@pytest.mark.parametrize("decision", [changed, rejected])
def test_the_next_one_after_the_decision(decision: Event) -> None:
    given(Parameter, defined, proposed, decision).when(Parameter.propose, ANALYST, WEDNESDAY, days(1, 3), GROUNDS).then(
        proposed
    )


def test_a_proposal_gives_all_the_values() -> None:
    only_one = {Code("S1"): Quantity(amount=Decimal(1), unit=Unit.WORKING_DAY)}
    given(Parameter, defined).when(Parameter.propose, ANALYST, TUESDAY, only_one, GROUNDS).then_refused(
        "all of them and no others: S1, S2"
    )


def test_in_their_units() -> None:
    in_hours = days(1, 3) | {Code("S2"): Quantity(amount=Decimal(3), unit=Unit.WORKING_HOUR)}
    given(Parameter, defined).when(Parameter.propose, ANALYST, TUESDAY, in_hours, GROUNDS).then_refused(
        "S2 is given in this unit: working day"
    )


def test_and_none_below_zero() -> None:
    given(Parameter, defined).when(Parameter.propose, ANALYST, TUESDAY, days(1, -3), GROUNDS).then_refused(
        "S2 cannot be -3"
    )


# Deciding


def test_the_manager_puts_a_proposal_in_force() -> None:
    given(Parameter, defined, proposed).when(Parameter.approve, MANAGER, TUESDAY).then(changed)


def test_from_the_approval_on_where_its_day_has_passed() -> None:
    given(Parameter, defined, proposed).when(Parameter.approve, MANAGER, FRIDAY).then(
        PolicyParameterChanged(number=P_05, values=days(1, 3), valid_from=FRIDAY)
    )


def test_nobody_approves_what_they_proposed() -> None:
    anna_now_manages = Actor(id=ANNA, roles=frozenset({Role.MANAGER}))
    given(Parameter, defined, proposed).when(Parameter.approve, anna_now_manages, TUESDAY).then_refused(
        "Whoever proposed the values"
    )


def test_not_even_through_a_delegate() -> None:
    lent = Delegation(number=Code("D-1"), grantor_id=ANNA)
    delegate = Actor(id=MEI, roles=frozenset({Role.MANAGER}), delegation=lent)
    given(Parameter, defined, proposed).when(Parameter.approve, delegate, TUESDAY).then_refused(
        "Whoever proposed the values"
    )


def test_a_proposal_is_rejected_on_grounds() -> None:
    given(Parameter, defined, proposed).when(Parameter.reject, GROUNDS).then(rejected)


@pytest.mark.parametrize("decision", [changed, rejected])
def test_without_a_proposal_there_is_nothing_to_decide(decision: Event) -> None:
    nothing_open = given(Parameter, defined, proposed, decision)
    nothing_open.when(Parameter.approve, MANAGER, WEDNESDAY).then_refused("No proposal is open")
    nothing_open.when(Parameter.reject, GROUNDS).then_refused("No proposal is open")


@hypothesis.given(st.lists(st.one_of(*map(st.from_type, sorted(events_of(Parameter), key=str)))))
def test_a_history_in_any_order_can_be_recalled(history: list[Event]) -> None:
    recall(Parameter, history)


# The defaults


def test_every_parameter_of_the_regulation_has_a_default_and_some_are_our_own() -> None:
    assert [default.number for default in DEFAULT_PARAMETERS] == [f"P-{n:02}" for n in range(1, 47)]


@pytest.mark.parametrize("default", DEFAULT_PARAMETERS, ids=lambda default: default.number)
def test_a_default_is_what_the_manager_might_have_defined(default: DefaultParameter) -> None:
    asked = decide(Parameter(), Parameter.define, MONDAY, default.number, default.meaning, default.values)
    assert asked == [default.defined(MONDAY)]
    assert default.meaning


def test_the_defaults_are_those_of_the_table() -> None:
    values = {default.number: default.values for default in DEFAULT_PARAMETERS}
    assert values[P_05] == days(2, 5) | {
        Code("S3"): Quantity(amount=Decimal(10), unit=Unit.WORKING_DAY),
        Code("S4"): Quantity(amount=Decimal(20), unit=Unit.WORKING_DAY),
    }
    assert values[Code("P-38")] == {
        Code("lead"): Quantity(amount=Decimal(1000), unit=Unit.MONEY),
        Code("manager"): Quantity(amount=Decimal(10000), unit=Unit.MONEY),
    }
