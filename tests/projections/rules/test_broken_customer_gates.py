"""What gets through a broken gate of a customer's file or an opportunity is found by the rules all the same."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from aggregates.business.customer import (
    ContactObjectionRecorded,
    Customer,
    CustomerRegistered,
)
from aggregates.business.opportunity import Opportunity, OpportunityIdentified
from aggregates.event import decide, recall
from aggregates.facts import CustomerStanding, Quantity, Setting, Unit
from aggregates.ids import CustomerId
from aggregates.refused import Refused
from aggregates.text import Code, Text
from projections.rules import customers
from projections.rules.duty import Verdict
from tests.projections.rules.cases import Happened, on, verdict

CARL = CustomerId("customer-carl")
WORDS, PHONE = Text("words"), Code("phone")

registered = CustomerRegistered(name=WORDS, source=Code("fair"))
no_phone = ContactObjectionRecorded(channel=PHONE)


def test_a_contact_in_spite_of_an_objection_is_found() -> None:
    state = recall(Customer, [registered, no_phone])
    call = {"channel": PHONE, "outcome": Code("yes"), "wording": WORDS}
    with pytest.raises(Refused):
        decide(state, Customer.contact, **call)  # type: ignore[arg-type]  # each is of its type
    blind = replace(state, objections=frozenset())
    (called,) = decide(blind, Customer.contact, **call)  # type: ignore[arg-type]
    happened = [
        Happened(event, on(2 + day), stream_id=CARL) for day, event in enumerate((registered, no_phone, called))
    ]
    assert verdict(customers.OBJECTIONS_KEPT, *happened, case=CARL) is Verdict.VIOLATED


def test_an_opportunity_qualified_on_a_thin_file_is_found() -> None:
    state = recall(Opportunity, [OpportunityIdentified(customer_id=CARL)])
    complete = Setting(number=Code("P-41"), values={Code("score"): Quantity(amount=Decimal(80), unit=Unit.PERCENT)})
    with pytest.raises(Refused):
        decide(state, Opportunity.qualify, CustomerStanding(customer_id=CARL, file_score=20), complete)
    (qualified,) = decide(state, Opportunity.qualify, CustomerStanding(customer_id=CARL, file_score=100), complete)
    happened = [
        Happened(registered, on(2), stream_id=CARL),
        Happened(qualified, on(3), stream_id="opportunity-1"),
    ]
    assert verdict(customers.COMPLETE_FILE, *happened, case=CARL) is Verdict.VIOLATED
