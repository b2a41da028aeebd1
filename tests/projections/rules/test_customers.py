"""Each rule about customers with a history that keeps it, one that breaks it, and one that is still open."""

from __future__ import annotations

from decimal import Decimal

import pytest

from aggregates.business.customer import (
    AccountOwnerAssigned,
    ContactAdded,
    ContactObjectionRecorded,
    ContactObjectionWithdrawn,
    CustomerNeedRecorded,
    CustomerProfileChanged,
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
from projections.rules.templates.following import Completeness
from tests.given import history
from tests.projections.rules.cases import ANNA, LI, Happened, duty, on, verdict

CARL = CustomerId("customer-carl")
WORDS, PHONE, EMAIL = Text("words"), Code("phone"), Code("e-mail")

registered = CustomerRegistered(name=WORDS, source=Code("fair"), region=Code("north"), segment=Code("heating"))
need = CustomerNeedRecorded(need=WORDS, intent=Intent.HIGH)
contact = ContactAdded(contact=Code("C-1"), name=Personal("Lin"))
owned = AccountOwnerAssigned(owner_id=ANNA)
region_alone = CustomerProfileChanged(region=Code("south"))
terms_told = CustomerProfileChanged(payment_terms=Code("net-30"))
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


KEPT: list[tuple[Rule, list[Happened]]] = [
    (customers.COMPLETE_FILE, of(registered, need, contact, owned, qualified)),
    (customers.COMPLETE_FILE, of(registered, need, contact, owned, terms_told, terms_gone, qualified)),
    (customers.COMPLETE_FILE, of(registered, need, contact, owned, qualified, terms_told, qualified)),
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


@pytest.mark.parametrize("known", range(5))
def test_the_rule_and_the_file_count_the_same(known: int) -> None:
    """Nobody is refused for a score that the rule does not see, and the other way round."""
    told = [registered, need, contact, owned, terms_told][: known + 1]
    row = duty(customers.COMPLETE_FILE, *of(*told), case=CARL)
    file = files.fold(history(told, stream_id=CARL))
    assert file is not None
    assert isinstance(customers.COMPLETE_FILE, Completeness)
    assert file.file_score == 100 * len(row.evidence or {}) // len(customers.COMPLETE_FILE.parts)
