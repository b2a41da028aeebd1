"""Customer: known by a code that checks itself; the file says what changed, what was wrong, and who looks after it."""

from __future__ import annotations

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st

from aggregates.actor import Role
from aggregates.business.customer import (
    AccountOwnerAssigned,
    ContactAdded,
    ContactEnded,
    Customer,
    CustomerEvent,
    CustomerProfileChanged,
    CustomerProfileCorrected,
    CustomerRegistered,
)
from aggregates.event import Event, events_of, recall
from aggregates.facts import Post
from aggregates.ids import EmployeeId
from aggregates.text import Code, Personal, Text
from tests.given import given

ACME = Text("Acme")
FAIR, NORTH, SOUTH = Code("fair"), Code("north"), Code("south")
CODE = Code("91350100M000100Y43")
LIN, WEI = Personal("Lin"), Personal("Wei")
ANNA, BEN = EmployeeId("employee-anna"), EmployeeId("employee-ben")

registered = CustomerRegistered(name=ACME, source=FAIR, credit_code=CODE, region=NORTH)
lin = ContactAdded(contact=Code("C-1"), name=LIN)


def holding(who: EmployeeId, *roles: Role) -> Post:
    return Post(employee_id=who, roles=frozenset(roles))


# The file


def test_a_customer_is_registered() -> None:
    given(Customer).when(Customer.register, ACME, FAIR, CODE, NORTH).then(registered)


def test_but_once() -> None:
    given(Customer, registered).when(Customer.register, ACME, FAIR).then_refused("registered already")


def test_a_customer_abroad_has_no_credit_code() -> None:
    given(Customer).when(Customer.register, ACME, FAIR).then(CustomerRegistered(name=ACME, source=FAIR))


@pytest.mark.parametrize("code", ["91350100M000100Y43", "91110000802100433B", "91440300708461136T"])
def test_a_credit_code_from_a_licence_is_taken(code: str) -> None:
    given(Customer, registered).when(Customer.correct_profile, credit_code=Code(code)).then(
        CustomerProfileCorrected(credit_code=Code(code))
    )


@pytest.mark.parametrize(
    ("code", "what_is_wrong"),
    [
        ("91350100M000100Y44", "the last character does not check the others"),
        ("91350100M001000Y43", "two characters changed places"),
        ("91350100M000100Y4", "a character is missing"),
        ("91350100M000100Y433", "there is one too many"),
        ("91350100m000100y43", "small letters"),
        ("91350100MO00100Y43", "the letter O, which no code has"),
        ("9135A100M000100Y4Y", "a letter in the place of the region"),
        ("9135010٠M000100Y43", "a digit that is not one of ours"),
        ("", "nothing at all"),
    ],
)
def test_a_wrong_one_is_not(code: str, what_is_wrong: str) -> None:
    given(Customer).when(Customer.register, ACME, FAIR, Code(code)).then_refused("compare it with the licence")
    given(Customer, registered).when(Customer.change_profile, credit_code=Code(code)).then_refused("the licence")
    given(Customer, registered).when(Customer.correct_profile, credit_code=Code(code)).then_refused("the licence")


def test_a_change_says_only_what_is_new() -> None:
    given(Customer, registered).when(
        Customer.change_profile, credit_code=CODE, region=SOUTH, payment_terms=Code("net-30")
    ).then(CustomerProfileChanged(region=SOUTH, payment_terms=Code("net-30")))


def test_what_is_on_file_already_is_no_change() -> None:
    moved = CustomerProfileChanged(region=SOUTH)
    given(Customer, registered, moved).when(Customer.change_profile, region=SOUTH, segment=None).then_nothing()


def test_a_fact_may_end_without_another_in_its_place() -> None:
    given(Customer, registered).when(Customer.change_profile, region=None).then(CustomerProfileChanged(region=None))


def test_nobody_looks_into_a_name_so_it_always_counts_as_new() -> None:
    given(Customer, registered).when(Customer.change_profile, name=ACME).then(CustomerProfileChanged(name=ACME))
    given(Customer, registered, CustomerProfileChanged(name=ACME)).when(Customer.change_profile, name=ACME).then(
        CustomerProfileChanged(name=ACME)
    )


def test_nothing_named_is_nothing_corrected() -> None:
    given(Customer, registered).when(Customer.correct_profile).then_nothing()


def test_a_correction_says_what_was_right_at_its_time_whatever_holds_now() -> None:
    given(Customer, registered, CustomerProfileChanged(region=SOUTH)).when(Customer.correct_profile, region=SOUTH).then(
        CustomerProfileCorrected(region=SOUTH)
    )


def test_after_a_correction_of_the_past_a_change_is_never_taken_for_nothing() -> None:
    given(Customer, registered, CustomerProfileCorrected(region=SOUTH)).when(
        Customer.change_profile, region=SOUTH
    ).then(CustomerProfileChanged(region=SOUTH))


@pytest.mark.parametrize(
    ("event", "stored"),
    [
        (CustomerProfileChanged(payment_terms=Code("net-30")), b'{"payment_terms":"net-30"}'),
        (CustomerProfileCorrected(region=None), b'{"region":null}'),
    ],
)
def test_history_tells_what_was_left_out_from_what_was_emptied(event: CustomerEvent, stored: bytes) -> None:
    assert msgspec.json.encode(event) == stored
    assert msgspec.json.decode(stored, type=type(event)) == event


# Contacts


def test_contacts_are_numbered_in_order() -> None:
    given(Customer, registered).when(Customer.add_contact, LIN).then(lin)
    given(Customer, registered, lin).when(Customer.add_contact, WEI, position=Code("buyer")).then(
        ContactAdded(contact=Code("C-2"), name=WEI, position=Code("buyer"))
    )


def test_a_number_is_not_given_again() -> None:
    given(Customer, registered, lin, ContactEnded(contact=Code("C-1"))).when(Customer.add_contact, WEI).then(
        ContactAdded(contact=Code("C-2"), name=WEI)
    )


def test_a_contact_ends() -> None:
    given(Customer, registered, lin).when(Customer.end_contact, Code("C-1")).then(ContactEnded(contact=Code("C-1")))


def test_ending_a_contact_twice_changes_nothing() -> None:
    given(Customer, registered, lin, ContactEnded(contact=Code("C-1"))).when(
        Customer.end_contact, Code("C-1")
    ).then_nothing()


def test_a_contact_nobody_added_cannot_end() -> None:
    given(Customer, registered).when(Customer.end_contact, Code("C-1")).then_refused("There is no contact C-1")


# Who looks after it


@pytest.mark.parametrize(
    "role",
    [
        Role.BUSINESS_DEVELOPMENT,
        Role.BUSINESS_DEVELOPMENT_LEAD,
        Role.CUSTOMER_SERVICE,
        Role.CUSTOMER_SERVICE_LEAD,
    ],
)
def test_whoever_speaks_with_customers_may_look_after_one(role: Role) -> None:
    given(Customer, registered).when(Customer.assign_owner, ANNA, holding(ANNA, role)).then(
        AccountOwnerAssigned(owner_id=ANNA)
    )


def test_nobody_else_may() -> None:
    given(Customer, registered).when(
        Customer.assign_owner, ANNA, holding(ANNA, Role.FINANCE, Role.EMPLOYEE)
    ).then_refused("Choose somebody from business development or customer service")


def test_the_same_owner_again_changes_nothing() -> None:
    given(Customer, registered, AccountOwnerAssigned(owner_id=ANNA)).when(
        Customer.assign_owner, ANNA, holding(ANNA, Role.CUSTOMER_SERVICE)
    ).then_nothing()


def test_another_owner_takes_over() -> None:
    given(Customer, registered, AccountOwnerAssigned(owner_id=ANNA)).when(
        Customer.assign_owner, BEN, holding(BEN, Role.CUSTOMER_SERVICE)
    ).then(AccountOwnerAssigned(owner_id=BEN))


@hypothesis.given(st.lists(st.one_of(*map(st.from_type, sorted(events_of(Customer), key=str)))))
def test_a_history_in_any_order_can_be_recalled(history: list[Event]) -> None:
    recall(Customer, history)
