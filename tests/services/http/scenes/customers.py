"""Business development's part of the stage: customers of whom more or less is known, and opportunities with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from uuid import uuid4

import httpx

from aggregates.actor import Role
from aggregates.business.contract import ContractDrafted, ContractSigned
from aggregates.business.terms import Terms
from aggregates.event import Event
from aggregates.ids import CustomerId, EmployeeId
from aggregates.text import ContentHash, Text
from tests.given import MONDAY
from tests.services.http.stage import Call, Stage
from tests.services.running import Yewu, done, wait_until
from tests.services.seeding import seeded

NEED: Mapping[str, object] = {"need": "A warm house", "intent": "high"}
QUIET: Mapping[str, object] = {"reason": "It has asked for nothing since"}
CALL: Mapping[str, object] = {"channel": "phone", "outcome": "call again", "wording": "Our boilers"}
BEFORE: Mapping[str, tuple[tuple[str, Mapping[str, object]], ...]] = {
    "qualify": (("record-need", NEED),),
    "unblock": (("block", {"reason": "It never pays"}),),
    "withdraw-objection": (("record-objection", {}),),
    "reopen": (("lose", {"reason": "price"}),),
}
"""What happened on the same stream before somebody may do this."""


def signed_contract(yewu: Yewu, customer_id: str) -> str:
    """A contract with a customer as it lies in the log once it is signed: how it came so far is another scene."""
    content, amount, signatory = ContentHash("sha256:" + "0" * 64), Decimal(1000), EmployeeId(yewu.manager_id)
    whose, day = CustomerId(customer_id), MONDAY.date()
    terms = Terms(content=content, amount=amount, begins=day, ends=day, obligations=(), payments=())
    events: tuple[Event, ...] = (
        ContractDrafted(customer_id=whose, terms=terms, drafted_by=(signatory,)),
        ContractSigned(
            customer_id=whose,
            content=content,
            amount=amount,
            signed_by=(signatory,),
            place=Text("Here"),
            signed_for_customer=Text("Lin"),
        ),
    )
    contract_id = f"contract-{uuid4()}"
    seeded(yewu, (contract_id, events))
    wait_until(lambda: yewu.manager.get(f"/contracts/{contract_id}").json().get("stage") == "signed")
    return contract_id


def seller(yewu: Yewu) -> httpx.Client:
    """Somebody of business development."""
    return yewu.as_(yewu.appointed(Role.BUSINESS_DEVELOPMENT, name="Seller"))


def lead(yewu: Yewu) -> httpx.Client:
    """The lead of business development."""
    return yewu.as_(yewu.appointed(Role.BUSINESS_DEVELOPMENT_LEAD, name="Lead"))


def opportunity(yewu: Yewu, customer_id: str | None = None) -> str:
    """An opportunity with a customer of whose file nearly everything is known."""
    whose = customer_id or complete_customer(yewu)
    return str(done(seller(yewu).post("/opportunities", json={"customer_id": whose}))["id"])


def complete_customer(yewu: Yewu) -> str:
    """A customer whose file says enough for an opportunity to be qualified."""
    by, owner = lead(yewu), yewu.appointed(Role.BUSINESS_DEVELOPMENT, name="Owner")
    known = {"name": "Acme", "source": "fair", "region": "north", "segment": "heating"}
    customer_id = str(done(by.post("/customers", json=known))["id"])
    for act, body in (
        ("record-need", NEED),
        ("add-contact", {"name": "Lin"}),
        ("assign-owner", {"owner_id": owner}),
        ("change-profile", {"payment_terms": "net-30"}),
    ):
        done(by.post(f"/customers/{customer_id}/{act}", json=body))
    return customer_id


def _customer(act: str, **body: object) -> Callable[[Stage], Call]:
    def scene(stage: Stage) -> Call:
        for before, said in BEFORE.get(act, ()):
            done(lead(stage.yewu).post(f"/customers/{stage.customer_id}/{before}", json=said))
        return Call(f"/customers/{stage.customer_id}/{act}", body)

    return scene


def _opportunity(act: str, **body: object) -> Callable[[Stage], Call]:
    def scene(stage: Stage) -> Call:
        opportunity_id = opportunity(stage.yewu)
        for before, said in BEFORE.get(act, ()):
            done(lead(stage.yewu).post(f"/opportunities/{opportunity_id}/{before}", json=said))
        return Call(f"/opportunities/{opportunity_id}/{act}", body)

    return scene


def _activate(stage: Stage) -> Call:
    contract_id = signed_contract(stage.yewu, stage.customer_id)
    return Call(f"/customers/{stage.customer_id}/activate", {"contract_id": contract_id})


def _active(act: str, *before: str, **body: object) -> Callable[[Stage], Call]:
    """The customer has bought from us, and this has happened since."""

    def scene(stage: Stage) -> Call:
        begun, address = _activate(stage), f"/customers/{stage.customer_id}"
        done(lead(stage.yewu).post(begun.path, json=begun.body))
        for earlier in before:
            done(lead(stage.yewu).post(f"{address}/{earlier}", json=QUIET))
        return Call(f"{address}/{act}", body)

    return scene


def _win(stage: Stage) -> Call:
    opportunity_id = opportunity(stage.yewu, stage.customer_id)
    contract_id = signed_contract(stage.yewu, stage.customer_id)
    return Call(f"/opportunities/{opportunity_id}/win", {"contract_id": contract_id})


def _move(stage: Stage) -> Call:
    into_id, opportunity_id = stage.yewu.customer(), opportunity(stage.yewu, stage.customer_id)
    done(lead(stage.yewu).post(f"/customers/{stage.customer_id}/merge", json={"into_id": into_id}))
    return Call(f"/opportunities/{opportunity_id}/move", {"into_id": into_id})


SCENARIOS: dict[str, Callable[[Stage], Call]] = {
    "customer.record_need": _customer("record-need", **NEED),
    "customer.qualify": _customer("qualify"),
    "customer.activate": _activate,
    "customer.assign_tier": _customer("assign-tier", tier="A"),
    "customer.mark_dormant": _active("mark-dormant", **QUIET),
    "customer.reactivate": _active("reactivate", "mark-dormant"),
    "customer.lose": _customer("lose", reason="It buys elsewhere"),
    "customer.block": _customer("block", reason="It never pays"),
    "customer.unblock": _customer("unblock", reason="It has paid"),
    "customer.merge": lambda s: Call(f"/customers/{s.customer_id}/merge", {"into_id": s.yewu.customer()}),
    "customer.record_objection": _customer("record-objection", channel="phone"),
    "customer.withdraw_objection": _customer("withdraw-objection", wording="Call us again"),
    "customer.contact": _customer("contact", **CALL),
    "opportunity.identify": lambda s: Call("/opportunities", {"customer_id": s.customer_id, "product": "boiler"}),
    "opportunity.move": _move,
    "opportunity.assign_owner": lambda s: _opportunity("assign-owner", owner_id=s.somebody(Role.BUSINESS_DEVELOPMENT))(
        s
    ),
    "opportunity.confirm_needs": _opportunity("confirm-needs", statement="Two boilers", confirmed_by="Lin"),
    "opportunity.qualify": lambda s: Call(f"/opportunities/{opportunity(s.yewu)}/qualify", {}),
    "opportunity.change_stage": _opportunity("change-stage", stage="contacted", reason="They called back"),
    "opportunity.estimate_value": _opportunity("estimate-value", value="1000"),
    "opportunity.forecast_close": _opportunity("forecast-close", expected="2027-06-30", probability=60),
    "opportunity.win": _win,
    "opportunity.lose": _opportunity("lose", reason="price", competitor="rival"),
    "opportunity.abandon": _opportunity("abandon", reason="They were never serious"),
    "opportunity.reopen": _opportunity("reopen", reason="They called again"),
}
