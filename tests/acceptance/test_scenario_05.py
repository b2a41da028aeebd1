"""Scenario 5: limit and exposure of customer C on 15 March: as it was, as we knew it then, as we know it now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from aggregates.actor import Role
from tests.acceptance.asking import asked, listed
from tests.acceptance.older import going_on, last, noon
from tests.services.http.scenes.credit import FACTORS, WORDS, contract, limited
from tests.services.running import Yewu, done

THE_15TH = last(3, 15)
BEGUN, PAID_ON = THE_15TH - timedelta(days=5), THE_15TH - timedelta(days=1)
LATE = "The bank's statement of March came only now"


class Customer(NamedTuple):
    """A limit of 1000, a contract of 100 signed, half of it billed: all of that on 10 March."""

    customer_id: str
    receivable_id: str
    clerk_id: str


def begin(yewu: Yewu) -> tuple[Customer, Customer]:
    return customer(yewu), customer(yewu)


def customer(yewu: Yewu) -> Customer:
    customer_id, clerk_id = yewu.customer("C"), yewu.appointed(Role.FINANCE, name="Fan")
    limited(yewu, customer_id)
    contract_id, _ = contract(yewu, customer_id, signed=True)
    billed = {"contract_id": contract_id, "instalment": "1"}
    receivable_id = str(done(yewu.as_(clerk_id).post("/receivables", json=billed))["id"])
    return Customer(customer_id, receivable_id, clerk_id)


@pytest.fixture(scope="module")
def march(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Yewu, tuple[Customer, Customer]]]:
    with going_on(postgres, Path(tmp_path_factory.mktemp("home")), BEGUN, begin) as found:
        yield found


def standing(yewu: Yewu, customer_id: str, **moment: object) -> tuple[Decimal, Decimal]:
    """Limit and exposure, as the question about one customer and the list of all have it."""
    one = asked(yewu, f"/credits/{customer_id}", **moment)
    (line,) = (line for line in listed(yewu, "/credits", **moment) if line["customer_id"] == customer_id)
    assert line == one
    return Decimal(one["limit"]), Decimal(one["exposure"])


def pay(by: httpx.Client, customer: Customer, **more: Any) -> httpx.Response:
    body = {"amount": "20", "reference": "bank-7", **more}
    return by.post(f"/receivables/{customer.receivable_id}/receive-payment", json=body)


def test_scenario_05_limit_and_exposure_as_it_was_as_we_knew_it_then_as_we_know_it_now(
    march: tuple[Yewu, tuple[Customer, Customer]],
) -> None:
    yewu, (c, _) = march
    on_the_15th = {"as_of": THE_15TH, "known_at": THE_15TH}
    owed = (Decimal(1000), Decimal(100))
    assert standing(yewu, c.customer_id, as_of=THE_15TH) == owed
    assert standing(yewu, c.customer_id, **on_the_15th) == owed

    at = noon(PAID_ON).isoformat()
    newcomer = yewu.as_(yewu.appointed(Role.FINANCE, name="New"))
    assert pay(newcomer, c, at=at, reason=LATE).status_code == 403
    assert pay(yewu.as_(c.clerk_id), c, at=at).json()["detail"].startswith("Say in `reason` why")
    done(pay(yewu.as_(c.clerk_id), c, at=at, reason=LATE))
    raise_the_limit(yewu, c)

    assert standing(yewu, c.customer_id, known_at=THE_15TH) == owed
    assert standing(yewu, c.customer_id, **on_the_15th) == owed
    assert standing(yewu, c.customer_id, as_of=THE_15TH) == (Decimal(1000), Decimal(80))
    assert standing(yewu, c.customer_id, as_of=PAID_ON - timedelta(days=1)) == owed
    assert standing(yewu, c.customer_id) == (Decimal(2000), Decimal(80))


def raise_the_limit(yewu: Yewu, c: Customer) -> None:
    """Today; of 15 March it changes nothing."""
    officer = yewu.as_(yewu.appointed(Role.RISK, name="Officer"))
    done(officer.post(f"/credits/credit-{c.customer_id}/reassess", json={"factors": FACTORS, "rationale": WORDS}))
    higher = {"limit": "2000", "payment_days": 30}
    done(yewu.manager.post(f"/credits/credit-{c.customer_id}/approve-limit", json=higher))


def test_scenario_05_what_was_learnt_of_that_day_since_is_told_down_to_its_event(
    march: tuple[Yewu, tuple[Customer, Customer]],
) -> None:
    yewu, (_, c) = march
    done(pay(yewu.as_(c.clerk_id), c, at=noon(PAID_ON).isoformat(), reason=LATE))
    moments = {f"{side}_as_of": THE_15TH for side in ("from", "to")} | {"from_known_at": THE_15TH}
    differences = asked(yewu, "/credits/difference", **moments)["items"]
    (learnt,) = (one for one in differences if one["key"] == {"customer_id": c.customer_id})
    assert [Decimal(value) for value in learnt["fields"]["exposure"]] == [100, 80]
    (payment,) = asked(yewu, f"/streams/{c.receivable_id}", field="open")["items"][1:]
    assert (payment["type"], payment["actor_id"]) == ("PaymentReceived", c.clerk_id)
    assert payment["changes"] == {"open": ["50", "30"]}
    assert payment["meta"]["reason"] == LATE
    assert payment["effective_at"][:10] == str(PAID_ON)
    assert payment["recorded_at"][:10] > str(THE_15TH)
