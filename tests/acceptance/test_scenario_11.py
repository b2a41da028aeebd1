"""Scenario 11: a customer's payment terms: the reason for each change, what was true when, what was believed when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from aggregates.actor import Role
from tests.acceptance.asking import asked, listed
from tests.acceptance.older import going_on, last, noon
from tests.services.http.scenes.credit import contract, limited
from tests.services.running import Yewu, done

THE_15TH = last(3, 15)
BEGUN, DUE, PAID_ON = THE_15TH - timedelta(days=5), THE_15TH - timedelta(days=3), THE_15TH - timedelta(days=2)
AS_WE_BELIEVED = {"as_of": THE_15TH, "known_at": THE_15TH}
TOLD, RENEWED, WRONG, LATE = (
    "As the framework contract says", "The contract was renewed", "The contract says sixty: a slip of the pen",
    "The bank's statement came late",
)  # fmt: skip


class Customer(NamedTuple):
    """Somebody whose terms were noted wrongly on 10 March, and who owes us 50, due on the 12th."""

    id: str
    lead_id: str
    clerk_id: str
    receivable_id: str


def begin(yewu: Yewu) -> Customer:
    lead_id, clerk_id = yewu.appointed(Role.BUSINESS_DEVELOPMENT_LEAD), yewu.appointed(Role.FINANCE)
    customer_id = yewu.customer("C")
    tell(yewu, customer_id, lead_id, "change", "net-30", reason=TOLD)
    limited(yewu, customer_id)
    contract_id, _ = contract(yewu, customer_id, signed=True, begins=DUE - timedelta(days=30))
    billed = {"contract_id": contract_id, "instalment": "1"}
    receivable_id = str(done(yewu.as_(clerk_id).post("/receivables", json=billed))["id"])
    return Customer(customer_id, lead_id, clerk_id, receivable_id)


def tell(yewu: Yewu, customer_id: str, by: str, how: str, terms: str, **why: str) -> None:
    done(yewu.as_(by).post(f"/customers/{customer_id}/{how}-profile", json={"payment_terms": terms, **why}))


@pytest.fixture(scope="module")
def march(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Yewu, Customer]]:
    with going_on(postgres, Path(tmp_path_factory.mktemp("home")), BEGUN, begin) as found:
        yield found


def terms(yewu: Yewu, customer_id: str, **moment: object) -> str:
    """The payment terms, as the file of the customer and the list of all have them."""
    one = asked(yewu, f"/customers/{customer_id}", **moment)
    (line,) = (line for line in listed(yewu, "/customers", **moment) if line["customer_id"] == customer_id)
    assert line == one
    return str(one["payment_terms"])


def history(yewu: Yewu, customer_id: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = asked(yewu, f"/streams/{customer_id}", field="payment_terms")["items"]
    return items


def test_scenario_11_every_change_of_the_payment_terms_has_its_reason_and_the_old_belief_stays(
    march: tuple[Yewu, Customer],
) -> None:
    yewu, c = march
    (first,) = history(yewu, c.id)
    assert terms(yewu, c.id, as_of=THE_15TH) == "net-30"

    tell(yewu, c.id, c.lead_id, "change", "net-90", reason=RENEWED)
    tell(yewu, c.id, c.lead_id, "correct", "net-60", reason=WRONG, at=first["effective_at"])

    told = [(e["type"], e["changes"]["payment_terms"], e["meta"]["reason"], e["actor_id"]) for e in history(yewu, c.id)]
    assert told == [
        ("CustomerProfileChanged", [None, "net-30"], TOLD, c.lead_id),
        ("CustomerProfileChanged", ["net-30", "net-90"], RENEWED, c.lead_id),
        ("CustomerProfileCorrected", ["net-30", "net-60"], WRONG, c.lead_id),
    ]
    assert history(yewu, c.id)[-1]["effective_at"] == first["effective_at"]
    assert terms(yewu, c.id) == "net-90"
    assert terms(yewu, c.id, as_of=THE_15TH) == "net-60"
    assert terms(yewu, c.id, **AS_WE_BELIEVED) == terms(yewu, c.id, known_at=THE_15TH) == "net-30"
    moments = {"from_as_of": THE_15TH, "from_known_at": THE_15TH, "to_as_of": THE_15TH}
    (learnt,) = asked(yewu, "/customers/difference", **moments)["items"]
    assert learnt["fields"]["payment_terms"] == ["net-30", "net-60"]


def test_scenario_11_ageing_of_that_day_is_computed_anew_from_what_is_known_since(
    march: tuple[Yewu, Customer],
) -> None:
    yewu, c = march
    old = {"customer_id": c.id, "first_class": Decimal(50), "total": Decimal(50)}
    assert ageing(yewu, as_of=THE_15TH) == ageing(yewu, **AS_WE_BELIEVED) == [old]

    paid = {"amount": "30", "reference": "bank-7", "at": noon(PAID_ON).isoformat(), "reason": LATE}
    done(yewu.as_(c.clerk_id).post(f"/receivables/{c.receivable_id}/receive-payment", json=paid))

    assert ageing(yewu, as_of=THE_15TH) == [{**old, "first_class": Decimal(20), "total": Decimal(20)}]
    assert ageing(yewu, as_of=DUE) == [{"customer_id": c.id, "not_due": Decimal(50), "total": Decimal(50)}]
    assert ageing(yewu, **AS_WE_BELIEVED) == [old]


def ageing(yewu: Yewu, **moment: object) -> list[dict[str, Any]]:
    """What each customer owes, without the classes in which there is nothing."""
    return [
        {name: value if name == "customer_id" else Decimal(value) for name, value in line.items() if value != "0"}
        for line in listed(yewu, "/receivables/ageing", **moment)
    ]
