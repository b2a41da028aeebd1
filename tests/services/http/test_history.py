"""What each event of a stream changed: of an earlier time, what it changed of that time; and one field by itself."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import uuid4

import pytest

from aggregates.actor import Role
from aggregates.business.customer import CustomerProfileChanged, CustomerProfileCorrected, CustomerRegistered
from aggregates.event import Event
from aggregates.ids import ContractId, CustomerId
from aggregates.risk.receivable import PaymentReceived, ReceivableRaised
from aggregates.text import Code, Text
from infra.codec import Codec, Line
from projections.customers import CustomerRow
from projections.receivable import ReceivableRow
from projections.reference import Reference
from services.http.differences import History, fields_of, history_of
from tests.services.running import Yewu, done

CARL = "customer-carl"
REGISTERED = CustomerRegistered(name=Text("Carl"), source=Code("fair"))
CODEC = Codec(Event.known.values())


def on(day: int) -> datetime:
    return datetime(2026, 3, day, 9, tzinfo=UTC)


def told(stream_id: str, *happened: tuple[int, Event]) -> History:
    """Events that are true from a day of March on, recorded one after the other in April."""
    lines = [
        Line(
            version, stream_id, version, type(event).__name__, event.schema, uuid4(), datetime(2026, 4, 1, tzinfo=UTC),
            on(day), "employee-anna", uuid4(), CODEC.stored(stream_id, event).data, b"{}",
        )
        for version, (day, event) in enumerate(happened, 1)
    ]  # fmt: skip
    return history_of(CODEC, stream_id, lines, Reference(zone=Code("Asia/Shanghai")))


def terms(value: str) -> CustomerProfileChanged:
    return CustomerProfileChanged(payment_terms=Code(value))


def corrected(value: str) -> CustomerProfileCorrected:
    return CustomerProfileCorrected(payment_terms=Code(value))


def test_a_correction_that_something_later_overtakes_is_told_by_what_it_changed_of_its_time() -> None:
    found = told(CARL, (2, REGISTERED), (3, terms("net-30")), (9, terms("net-90")), (3, corrected("net-60")))
    assert [change.get("payment_terms") for change in found.changes] == [
        None, (None, "net-30"), ("net-30", "net-90"), ("net-30", "net-60"),
    ]  # fmt: skip
    assert isinstance(found.row, CustomerRow)
    assert found.row.payment_terms == "net-90"


def test_of_two_corrections_the_second_changes_what_the_first_has_said() -> None:
    found = told(CARL, (2, REGISTERED), (9, terms("net-90")), (3, corrected("net-30")), (4, corrected("net-60")))
    assert [change["payment_terms"] for change in found.changes[2:]] == [(None, "net-30"), ("net-30", "net-60")]


def test_a_correction_from_before_the_beginning_is_told_by_what_it_changed_of_today() -> None:
    found = told(CARL, (2, REGISTERED), (1, corrected("net-60")))
    assert found.changes[1]["payment_terms"] == (None, "net-60")


def test_a_thing_whose_rows_take_more_than_its_events_has_its_history_too() -> None:
    customer, contract = CustomerId(CARL), ContractId("contract-1")
    raised = ReceivableRaised(
        customer_id=customer, contract_id=contract, instalment=Code("1"), amount=Decimal(50), due=date(2026, 3, 9)
    )
    paid = PaymentReceived(customer_id=customer, contract_id=contract, amount=Decimal(20), reference=Code("bank-7"))
    found = told("receivable-1", (2, raised), (3, paid))
    assert isinstance(found.row, ReceivableRow)
    assert found.changes[1]["open"] == ("50", "30")


def test_of_a_thing_without_rows_nothing_is_told_but_its_events() -> None:
    assert told("department", (2, REGISTERED)) == History([{}], None)
    assert fields_of("department") == ()


def test_one_field_is_asked_for_by_itself(yewu: Yewu) -> None:
    lead = yewu.as_(yewu.appointed(Role.BUSINESS_DEVELOPMENT_LEAD))
    customer_id = yewu.customer()
    for body in ({"region": "north"}, {"payment_terms": "net-30", "reason": "So it says"}):
        done(lead.post(f"/customers/{customer_id}/change-profile", json=body))
    (change,) = done(lead.get(f"/streams/{customer_id}?field=payment_terms"))["items"]
    assert (change["changes"], change["meta"]["reason"]) == ({"payment_terms": [None, "net-30"]}, "So it says")


@pytest.mark.parametrize("query", ["field=colour", "field=", "feild=payment_terms"])
def test_a_field_that_nothing_has_is_not_passed_over(yewu: Yewu, query: str) -> None:
    answer = yewu.manager.get(f"/streams/{yewu.customer()}?{query}")
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:yewu:problem:malformed")
