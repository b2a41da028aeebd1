"""Customer: known by a code that checks itself; the file says what changed, what was wrong, and who looks after it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st
from msgspec.structs import replace

from aggregates.actor import Role
from aggregates.business.customer import (
    AccountOwnerAssigned,
    ContactAdded,
    ContactEnded,
    ContactObjectionRecorded,
    ContactObjectionWithdrawn,
    Customer,
    CustomerActivated,
    CustomerBlocked,
    CustomerEvent,
    CustomerLost,
    CustomerMarkedDormant,
    CustomerNeedRecorded,
    CustomerProfileChanged,
    CustomerProfileCorrected,
    CustomerQualified,
    CustomerReactivated,
    CustomerRegistered,
    CustomersMerged,
    CustomerTierAssigned,
    CustomerUnblocked,
    ProspectContacted,
)
from aggregates.business.customer_file import Intent, Tier
from aggregates.event import Decision, Event, decide, events_of, recall
from aggregates.facts import ContractStanding, CustomerStanding, Post
from aggregates.ids import CampaignId, ContractId, CustomerId, EmployeeId
from aggregates.refused import Refused
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


# From prospect to customer

WORDS, PHONE, EMAIL, LATER = Text("words"), Code("phone"), Code("e-mail"), Code("call again")
ACME_ID, OTHER = CustomerId("customer-acme"), CustomerId("customer-other")
DEAL = ContractId("contract-1")
needs = CustomerNeedRecorded(need=WORDS, intent=Intent.HIGH)
file = CustomerStanding(customer_id=ACME_ID)
signed = ContractStanding(contract_id=DEAL, customer_id=ACME_ID, signed_at=datetime(2026, 3, 2, tzinfo=UTC))
activated = CustomerActivated(contract_id=DEAL)


def test_3_1_2_c_what_a_customer_needs_is_recorded_with_how_near_it_is_to_buying() -> None:
    given(Customer, registered).when(Customer.record_need, WORDS, Intent.HIGH).then(needs)
    given(Customer, registered, needs).when(Customer.record_need, WORDS, Intent.HIGH).then(needs)


def test_2_2_3_b_a_prospect_is_qualified_when_it_needs_something() -> None:
    given(Customer, registered).when(Customer.qualify).then_refused("Record what the customer needs")
    given(Customer, registered, needs).when(Customer.qualify).then(CustomerQualified())
    given(Customer, registered, needs, CustomerQualified()).when(Customer.qualify).then_nothing()
    given(Customer, registered, needs, activated).when(Customer.qualify).then_nothing()


def test_2_2_3_b_a_customer_is_active_by_a_signed_contract_with_it() -> None:
    given(Customer, registered).when(Customer.activate, DEAL, signed, file).then(activated)
    given(Customer, registered, activated).when(Customer.activate, DEAL, signed, file).then_nothing()


def test_not_by_a_draft_nor_by_a_contract_with_somebody_else() -> None:
    draft = ContractStanding(contract_id=DEAL, customer_id=ACME_ID)
    given(Customer, registered).when(Customer.activate, DEAL, draft, file).then_refused("contract-1 is not signed")
    theirs = CustomerStanding(customer_id=OTHER)
    given(Customer, registered).when(Customer.activate, DEAL, signed, theirs).then_refused("with another customer")
    over = replace(signed, ended_at=datetime(2026, 3, 3, tzinfo=UTC))
    given(Customer, registered).when(Customer.activate, DEAL, over, file).then_refused("contract-1 is over")
    merged_with_it = replace(theirs, files=(ACME_ID,))
    given(Customer, registered).when(Customer.activate, DEAL, signed, merged_with_it).then(activated)


def test_2_2_3_b_a_customer_falls_dormant_and_is_taken_up_again() -> None:
    dormant = CustomerMarkedDormant(reason=WORDS)
    active = given(Customer, registered, activated)
    active.when(Customer.mark_dormant, WORDS).then(dormant)
    active.when(Customer.reactivate).then_refused("this one is active")
    asleep = given(Customer, registered, activated, dormant)
    asleep.when(Customer.mark_dormant, WORDS).then_nothing()
    asleep.when(Customer.reactivate).then(CustomerReactivated())
    asleep.when(Customer.activate, DEAL, signed, file).then(activated)
    asleep.when(Customer.lose, WORDS).then(CustomerLost(reason=WORDS))
    given(Customer, registered, activated, dormant, needs).when(Customer.qualify).then_nothing()


def test_only_a_customer_that_has_bought_falls_dormant() -> None:
    given(Customer, registered).when(Customer.mark_dormant, WORDS).then_refused("this one is prospect")
    given(Customer, registered, CustomerLost(reason=WORDS)).when(Customer.mark_dormant, WORDS).then_refused("is lost")
    blocked = (registered, activated, CustomerMarkedDormant(reason=WORDS), CustomerBlocked(reason=WORDS))
    given(Customer, *blocked).when(Customer.reactivate).then_refused("blocked")


def test_a_lost_customer_may_be_won_again() -> None:
    lost = CustomerLost(reason=WORDS)
    given(Customer, registered).when(Customer.lose, WORDS).then(lost)
    given(Customer, registered, lost).when(Customer.lose, WORDS).then_nothing()
    given(Customer, registered, needs, lost).when(Customer.qualify).then(CustomerQualified())
    given(Customer, registered, activated, lost).when(Customer.activate, DEAL, signed, file).then(activated)


def test_a_tier_is_assigned_once() -> None:
    given(Customer, registered).when(Customer.assign_tier, Tier.A).then(CustomerTierAssigned(tier=Tier.A))
    given(Customer, registered, CustomerTierAssigned(tier=Tier.A)).when(Customer.assign_tier, Tier.A).then_nothing()


def test_with_a_blocked_customer_no_business_is_done() -> None:
    blocked = CustomerBlocked(reason=WORDS)
    given(Customer, registered).when(Customer.block, WORDS).then(blocked)
    given(Customer, registered, blocked).when(Customer.block, WORDS).then_nothing()
    given(Customer, registered, needs, blocked).when(Customer.qualify).then_refused("is blocked")
    given(Customer, registered, blocked).when(Customer.activate, DEAL, signed, file).then_refused("is blocked")
    given(Customer, registered, blocked).when(Customer.contact, PHONE, LATER, WORDS).then_refused("is blocked")


def test_until_it_is_unblocked() -> None:
    blocked, unblocked = CustomerBlocked(reason=WORDS), CustomerUnblocked(reason=WORDS)
    given(Customer, registered, blocked).when(Customer.unblock, WORDS).then(unblocked)
    given(Customer, registered).when(Customer.unblock, WORDS).then_nothing()
    given(Customer, registered, needs, blocked, unblocked).when(Customer.qualify).then(CustomerQualified())


# Outreach and objections

by_phone = ProspectContacted(channel=PHONE, outcome=LATER, wording=WORDS)
no_phone, no_contact = ContactObjectionRecorded(channel=PHONE), ContactObjectionRecorded()


def test_3_1_2_b_a_prospect_is_contacted_and_what_came_of_it_is_recorded() -> None:
    fair = CampaignId("campaign-fair")
    given(Customer, registered, lin).when(
        Customer.contact, PHONE, LATER, WORDS, Code("C-1"), campaign_id=fair, next_step=WORDS
    ).then(
        ProspectContacted(
            channel=PHONE,
            outcome=LATER,
            wording=WORDS,
            contact=Code("C-1"),
            campaign_id=fair,
            next_step=WORDS,
        )
    )
    given(Customer, registered).when(Customer.contact, PHONE, LATER, WORDS, Code("C-1")).then_refused("no contact C-1")


@pytest.mark.parametrize("written", ["phone", "Phone", "PHONE", " phone ", "ｐｈｏｎｅ", "telephone", "电话"])
def test_3_1_2_b_who_objects_to_a_channel_is_not_contacted_by_it_however_it_is_written(written: str) -> None:
    given(Customer, registered, no_phone).when(Customer.contact, Code(written), LATER, WORDS).then_refused(
        "objects to being contacted by phone"
    )
    given(Customer, registered).when(Customer.record_objection, Code(written)).then(no_phone)
    given(Customer, registered).when(Customer.contact, Code(written), LATER, WORDS).then(by_phone)


@pytest.mark.parametrize("written", ["e-mail", "email", "E Mail", "电子邮件"])
def test_3_1_2_b_one_channel_has_one_name(written: str) -> None:
    no_email = ContactObjectionRecorded(channel=EMAIL)
    given(Customer, registered, no_email).when(Customer.contact, Code(written), LATER, WORDS).then_refused("by e-mail")
    as_once_recorded = ContactObjectionRecorded(channel=Code(written))
    given(Customer, registered, as_once_recorded).when(Customer.contact, EMAIL, LATER, WORDS).then_refused("by e-mail")


def test_but_by_another_channel() -> None:
    given(Customer, registered, no_phone).when(Customer.contact, EMAIL, LATER, WORDS).then(
        ProspectContacted(channel=EMAIL, outcome=LATER, wording=WORDS)
    )


@pytest.mark.parametrize("channel", ["phone", "e-mail", "something new"])
def test_who_objects_to_any_contact_is_contacted_by_no_channel(channel: str) -> None:
    given(Customer, registered, no_contact).when(Customer.contact, Code(channel), LATER, WORDS).then_refused("objects")


def test_an_objection_is_recorded_once_and_withdrawn_as_it_was_recorded() -> None:
    given(Customer, registered).when(Customer.record_objection).then(no_contact)
    given(Customer, registered, no_contact).when(Customer.record_objection).then_nothing()
    given(Customer, registered, no_phone).when(Customer.withdraw_objection, WORDS).then_refused("No such objection")
    given(Customer, registered, no_phone).when(Customer.withdraw_objection, WORDS, Code("Phone")).then(
        ContactObjectionWithdrawn(channel=PHONE, wording=WORDS)
    )


def test_who_withdraws_one_objection_keeps_the_other() -> None:
    withdrawn = ContactObjectionWithdrawn(channel=PHONE)
    given(Customer, registered, no_phone, withdrawn).when(Customer.contact, PHONE, LATER, WORDS).then(by_phone)
    given(Customer, registered, no_contact, no_phone, withdrawn).when(
        Customer.contact, PHONE, LATER, WORDS
    ).then_refused("objects")


# Two files of one customer

other = CustomerStanding(customer_id=OTHER)
merged = CustomersMerged(into_id=OTHER)


def test_3_1_2_c_two_files_of_one_customer_are_merged() -> None:
    given(Customer, registered).when(Customer.merge, OTHER, other, file).then(merged)


@pytest.mark.parametrize(
    ("into", "because"),
    [
        (file, "into itself"),
        (CustomerStanding(customer_id=OTHER, merged_into=ACME_ID), "merged into customer-acme: name that one"),
    ],
)
def test_but_not_with_itself_nor_in_a_circle(into: CustomerStanding, because: str) -> None:
    given(Customer, registered).when(Customer.merge, into.customer_id, into, file).then_refused(because)


def test_the_file_with_the_credit_code_goes_on() -> None:
    with_code, there = replace(file, credit_code=CODE), replace(other, credit_code=CODE)
    given(Customer, registered).when(Customer.merge, OTHER, other, with_code).then_refused(
        "Only this file has a credit"
    )
    given(Customer, registered).when(Customer.merge, OTHER, there, file).then(merged)
    given(Customer, registered).when(Customer.merge, OTHER, there, with_code).then(merged)


def test_no_objection_and_no_block_is_lost_by_a_merger() -> None:
    given(Customer, registered, no_phone).when(Customer.merge, OTHER, other, file).then_refused("the objections")
    for held in ((PHONE,), (None,), (EMAIL, PHONE)):
        objecting = CustomerStanding(customer_id=OTHER, objects_to=held)
        given(Customer, registered, no_phone).when(Customer.merge, OTHER, objecting, file).then(merged)
    partly = CustomerStanding(customer_id=OTHER, objects_to=(PHONE,))
    given(Customer, registered, no_contact).when(Customer.merge, OTHER, partly, file).then_refused("the objections")
    blocked = CustomerBlocked(reason=WORDS)
    given(Customer, registered, blocked).when(Customer.merge, OTHER, other, file).then_refused("block customer-other")


COMMANDS_OF_A_FILE: list[tuple[object, tuple[object, ...]]] = [
    (Customer.change_profile, ()),
    (Customer.correct_profile, ()),
    (Customer.add_contact, (LIN,)),
    (Customer.end_contact, (Code("C-1"),)),
    (Customer.assign_owner, (ANNA, holding(ANNA, Role.CUSTOMER_SERVICE))),
    (Customer.record_need, (WORDS, Intent.LOW)),
    (Customer.qualify, ()),
    (Customer.activate, (DEAL, signed, file)),
    (Customer.assign_tier, (Tier.B,)),
    (Customer.mark_dormant, (WORDS,)),
    (Customer.reactivate, ()),
    (Customer.lose, (WORDS,)),
    (Customer.block, (WORDS,)),
    (Customer.unblock, (WORDS,)),
    (Customer.merge, (OTHER, other, file)),
    (Customer.record_objection, ()),
    (Customer.withdraw_objection, (WORDS,)),
    (Customer.contact, (PHONE, LATER, WORDS)),
]


@pytest.mark.parametrize(("method", "arguments"), COMMANDS_OF_A_FILE, ids=lambda one: getattr(one, "__name__", ""))
def test_a_merged_file_says_where_it_went_whatever_one_wants_of_it(
    method: Callable[..., Decision], arguments: tuple[object, ...]
) -> None:
    state = recall(Customer, [registered, lin, needs, merged])
    with pytest.raises(Refused, match="merged into customer-other: go on there") as refused:
        decide(state, method, *arguments)
    assert refused.value.values == {"id": OTHER}


def test_that_is_every_command_but_the_one_that_opens_a_file() -> None:
    commands = {name for name, method in vars(Customer).items() if "command" in getattr(method, "__dict__", {})}
    assert {getattr(method, "__name__", "") for method, _ in COMMANDS_OF_A_FILE} == commands - {"register"}


@hypothesis.given(st.lists(st.one_of(*map(st.from_type, sorted(events_of(Customer), key=str)))))
def test_a_history_in_any_order_can_be_recalled(history: list[Event]) -> None:
    recall(Customer, history)
