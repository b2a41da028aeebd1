"""Employee: registered once; changes say only what is new, corrections speak of the past."""

from __future__ import annotations

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st

from aggregates.event import Event, events_of, recall
from aggregates.people.employee import (
    Employee,
    EmployeeDetailsChanged,
    EmployeeDetailsCorrected,
    EmployeeEvent,
    EmployeeRegistered,
)
from aggregates.text import Code, Personal
from tests.given import given

ANNA = Personal("Anna Lin")
POST = Personal("anna@example.com")

registered = EmployeeRegistered(name=ANNA, number=Code("17"))


def test_an_employee_is_registered() -> None:
    given(Employee).when(Employee.register, ANNA, Code("17")).then(registered)


def test_but_once() -> None:
    given(Employee, registered).when(Employee.register, ANNA).then_refused("registered already")


def test_a_change_says_only_what_is_new() -> None:
    given(Employee, registered).when(Employee.change_details, number=Code("17"), email=POST).then(
        EmployeeDetailsChanged(email=POST)
    )


def test_the_number_that_somebody_has_already_is_no_change() -> None:
    given(Employee, registered).when(Employee.change_details, number=Code("17")).then_nothing()


def test_a_detail_may_end_without_another_in_its_place() -> None:
    given(Employee, registered).when(Employee.change_details, number=None).then(EmployeeDetailsChanged(number=None))


def test_nothing_named_is_nothing_corrected() -> None:
    given(Employee, registered).when(Employee.correct_details).then_nothing()


def test_a_correction_says_what_was_right_at_its_time_whatever_holds_now() -> None:
    given(Employee, registered).when(Employee.correct_details, number=Code("17")).then(
        EmployeeDetailsCorrected(number=Code("17"))
    )


def test_after_a_correction_of_the_past_a_change_is_never_taken_for_nothing() -> None:
    corrected = EmployeeDetailsCorrected(number=Code("16"))
    given(Employee, registered, corrected).when(Employee.change_details, number=Code("16")).then(
        EmployeeDetailsChanged(number=Code("16"))
    )


@pytest.mark.parametrize(
    ("event", "stored"),
    [
        (EmployeeDetailsChanged(email=POST), b'{"email":"anna@example.com"}'),
        (EmployeeDetailsChanged(number=None), b'{"number":null}'),
    ],
)
def test_history_tells_what_was_left_out_from_what_was_emptied(event: EmployeeEvent, stored: bytes) -> None:
    assert msgspec.json.encode(event) == stored
    assert msgspec.json.decode(stored, type=type(event)) == event


@hypothesis.given(st.lists(st.one_of(*map(st.from_type, sorted(events_of(Employee), key=str)))))
def test_a_history_in_any_order_can_be_recalled(history: list[Event]) -> None:
    recall(Employee, history)
