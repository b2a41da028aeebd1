"""Each rule about customers with a history that keeps it, one that breaks it, and one that is still open."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from aggregates.business.customer import (
    AccountOwnerAssigned,
    ContactAdded,
    ContactEnded,
    ContactObjectionRecorded,
    ContactObjectionWithdrawn,
    CustomerNeedRecorded,
    CustomerProfileChanged,
    CustomerProfileCorrected,
    CustomerRegistered,
    CustomersMerged,
    ProspectContacted,
)
from aggregates.business.customer_file import Intent
from aggregates.business.opportunity import OpportunityQualified
from aggregates.event import Event
from aggregates.facts import Quantity, Unit
from aggregates.ids import CustomerId
from aggregates.organisation.parameter import PolicyParameterChanged
from aggregates.text import Code, Personal, Text
from projections.customers import customers as files
from projections.rules import customers
from projections.rules.duty import Verdict
from projections.rules.rule import Rule
from tests.projections.rules.cases import ANNA, LI, Happened, duty, log_of, on, verdict

CARL = CustomerId("customer-carl")
WORDS, PHONE, EMAIL = Text("words"), Code("phone"), Code("e-mail")

registered = CustomerRegistered(name=WORDS, source=Code("fair"), region=Code("north"), segment=Code("heating"))
need = CustomerNeedRecorded(need=WORDS, intent=Intent.HIGH)
contact, another_contact = (ContactAdded(contact=Code(c), name=Personal("Lin")) for c in ("C-1", "C-2"))
owned = AccountOwnerAssigned(owner_id=ANNA)
region_alone = CustomerProfileChanged(region=Code("south"))
terms_told = CustomerProfileChanged(payment_terms=Code("net-30"))
ended = ContactEnded(contact=Code("C-1"))
terms_gone, region_gone = CustomerProfileChanged(payment_terms=None), CustomerProfileChanged(region=None)
qualified = OpportunityQualified(customer_id=CARL)
no_phone, no_contact = ContactObjectionRecorded(channel=PHONE), ContactObjectionRecorded()
phone_again = ContactObjectionWithdrawn(channel=PHONE)
called = ProspectContacted(channel=PHONE, outcome=Code("yes"), wording=WORDS)
mailed = ProspectContacted(channel=EMAIL, outcome=Code("yes"), wording=WORDS)


def of(*events: Event) -> list[Happened]:
    """One after the other on the customer's stream; what is an opportunity's lies on one of that."""
    return [
        Happened(event, on(2 + day), stream_id="opportunity-1" if event is qualified else CARL)
        for day, event in enumerate(events)
    ]


gone_before = Happened(CustomerProfileCorrected(region=None), on(3), recorded_at=on(7), stream_id=CARL)
"""The region was unknown once, which is told only when a later one is known."""

KEPT: list[tuple[Rule, list[Happened]]] = [
    (customers.COMPLETE_FILE, of(registered, need, contact, owned, qualified)),
    (customers.COMPLETE_FILE, of(registered, need, contact, owned, terms_told, terms_gone, qualified)),
    (customers.COMPLETE_FILE, of(registered, need, contact, owned, qualified, terms_told, qualified)),
    (customers.COMPLETE_FILE, of(registered, need, contact, owned, another_contact, ended, qualified)),
    (customers.COMPLETE_FILE, [*of(registered, need, contact, owned, region_alone), gone_before, *of(qualified)]),
    (customers.OBJECTIONS_KEPT, of(registered, called)),
    (customers.OBJECTIONS_KEPT, of(registered, no_phone, mailed)),
    (customers.OBJECTIONS_KEPT, of(registered, no_phone, phone_again, called)),
    (customers.OBJECTIONS_KEPT, of(registered, called, no_contact)),
]

BROKEN: list[tuple[Rule, list[Happened]]] = [
    (customers.COMPLETE_FILE, of(registered, need, contact, qualified)),
    (customers.COMPLETE_FILE, of(registered, need, contact, qualified, owned)),
    (customers.COMPLETE_FILE, of(registered, need, region_alone, contact, qualified)),
    (customers.COMPLETE_FILE, of(registered, need, contact, owned, region_gone, qualified)),
    (customers.COMPLETE_FILE, of(registered, need, contact, owned, qualified, region_gone, qualified)),
    (customers.COMPLETE_FILE, of(registered, need, contact, owned, ended, qualified)),
    (customers.OBJECTIONS_KEPT, of(registered, no_phone, called)),
    (customers.OBJECTIONS_KEPT, of(registered, no_contact, mailed)),
    (customers.OBJECTIONS_KEPT, of(registered, no_contact, phone_again, called)),
    (customers.OBJECTIONS_KEPT, of(registered, no_phone, mailed, called)),
    (customers.OBJECTIONS_KEPT, of(registered, no_phone, called, phone_again, called)),
]

STILL_OPEN: list[tuple[Rule, list[Happened]]] = [
    (customers.COMPLETE_FILE, of(registered, need)),
    (customers.OBJECTIONS_KEPT, of(registered, no_phone)),
]


@pytest.mark.parametrize(("rule", "happened"), KEPT)
def test_a_history_that_keeps_the_rule(rule: Rule, happened: list[Happened]) -> None:
    expected = Verdict.PENDING if happened[-1].event is no_contact else Verdict.CONFORMANT
    assert verdict(rule, *happened, case=CARL) is expected


@pytest.mark.parametrize(("rule", "happened"), BROKEN)
def test_a_history_that_breaks_it(rule: Rule, happened: list[Happened]) -> None:
    assert verdict(rule, *happened, case=CARL) is Verdict.VIOLATED


@pytest.mark.parametrize(("rule", "happened"), STILL_OPEN)
def test_a_history_that_is_still_open(rule: Rule, happened: list[Happened]) -> None:
    assert verdict(rule, *happened, case=CARL) is Verdict.PENDING


def test_each_rule_is_here() -> None:
    for histories in (KEPT, BROKEN, STILL_OPEN):
        assert {rule.number for rule, _ in histories} == {rule.number for rule in customers.RULES}


def test_3_1_2_c_how_much_is_enough_says_the_parameter_in_force_then() -> None:
    all_of_it = {Code("score"): Quantity(amount=Decimal(100), unit=Unit.PERCENT)}
    changed = PolicyParameterChanged(number=Code("P-41"), values=all_of_it, valid_from=on(3))
    stricter = Happened(changed, on(3), LI, stream_id="parameter-P-41")
    happened = of(registered, need, contact, owned, qualified)
    assert verdict(customers.COMPLETE_FILE, *happened[:1], stricter, *happened[1:], case=CARL) is Verdict.VIOLATED


def test_a_merged_file_need_not_be_completed() -> None:
    row = duty(customers.COMPLETE_FILE, *of(registered, CustomersMerged(into_id=CustomerId("customer-2"))), case=CARL)
    assert row.verdict is Verdict.NOT_APPLICABLE


TOLD = st.one_of(
    st.builds(
        CustomerProfileChanged,
        region=st.sampled_from([UNSET, None, Code("south")]),
        segment=st.sampled_from([UNSET, None, Code("heating")]),
        payment_terms=st.sampled_from([UNSET, None, Code("net-30")]),
    ),
    st.builds(CustomerProfileCorrected, credit_code=st.sampled_from([None, Code("9131")]), region=st.none()),
    st.builds(ContactAdded, contact=st.sampled_from([Code("C-1"), Code("C-2")]), name=st.just(Personal("Lin"))),
    st.builds(ContactEnded, contact=st.sampled_from([Code("C-1"), Code("C-2")])),
    st.sampled_from([need, owned, qualified]),
)


@given(st.lists(st.tuples(TOLD, st.integers(3, 9)), max_size=12))
def test_3_1_2_c_the_rule_and_the_file_count_the_same(told: list[tuple[Event, int]]) -> None:
    """Nobody is refused for a score that the rule does not see, and the other way round: whatever is told when, of
    whatever day, in whichever order."""
    happened = [
        Happened(event, on(day), recorded_at=on(10 + n), stream_id="opportunity-1" if event is qualified else CARL)
        for n, (event, day) in enumerate([(registered, 2), *told])
    ]
    row = duty(customers.COMPLETE_FILE, *happened, case=CARL)
    file = files.fold(record for record in log_of(*happened) if record.stream_id == CARL)
    assert file is not None
    assert file.file_score == 100 * len(row.evidence or {}) // len(customers.COMPLETE_FILE.parts)
