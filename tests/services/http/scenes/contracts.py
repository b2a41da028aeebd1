"""Negotiations and contracts on the stage: prepared, approved, opened; drafted, reviewed, signed, handed over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import httpx

from aggregates.actor import Role
from tests.files import PDF
from tests.services.http.scenes.credit import limited
from tests.services.http.scenes.customers import opportunity
from tests.services.http.stage import NUMBERS, Call, Stage
from tests.services.running import Yewu, done

Scenario: TypeAlias = Callable[[Stage], Call]

WORDS = "So it is"
SELLERS = frozenset({Role.BUSINESS_DEVELOPMENT, Role.BUSINESS_DEVELOPMENT_LEAD})
OFFER = {"price": "120", "payment_days": 30}
BELOW = {"price": "90", "payment_days": 30}
BRIEF = {"aims": WORDS, "floor_price": "100", "payment_days": 60, "concessions": WORDS, "amount": "150"}


def seller_of(stage: Stage) -> httpx.Client:
    """Whoever acts if they sell, or else somebody who does."""
    return stage.actor if stage.role in SELLERS else a(stage.yewu, Role.BUSINESS_DEVELOPMENT)


def a(yewu: Yewu, role: Role) -> httpx.Client:
    """Somebody new of an office."""
    return yewu.as_(yewu.appointed(role, name=str(role)))


def file(yewu: Yewu) -> str:
    """The hash of a file that nobody has sent before."""
    data = PDF + f"{next(NUMBERS)}".encode()
    return str(done(yewu.manager.post("/contents", content=data))["content"])


def negotiation(yewu: Yewu, seller: httpx.Client, *, approved: bool = False, begun: bool = False) -> str:
    """A negotiation that somebody has prepared: its brief approved or not, begun or not."""
    opportunity_id = opportunity(yewu)
    needs = {"statement": WORDS, "confirmed_by": WORDS}
    done(seller.post(f"/opportunities/{opportunity_id}/confirm-needs", json=needs))
    negotiation_id = str(done(seller.post("/negotiations", json={"opportunity_id": opportunity_id, **BRIEF}))["id"])
    if approved or begun:
        done(yewu.manager.post(f"/negotiations/{negotiation_id}/approve-brief", json={}))
    if begun:
        done(seller.post(f"/negotiations/{negotiation_id}/open", json={}))
    return negotiation_id


def _negotiation(act: str, body: Mapping[str, object], *, approved: bool = False, begun: bool = False) -> Scenario:
    def scene(stage: Stage) -> Call:
        whose = negotiation(stage.yewu, seller_of(stage), approved=approved, begun=begun)
        return Call(f"/negotiations/{whose}/{act}", body)

    return scene


def _prepare(stage: Stage) -> Call:
    return Call("/negotiations", {"opportunity_id": opportunity(stage.yewu), **BRIEF})


def terms(content: str) -> Mapping[str, object]:
    """What a contract says, besides its file."""
    today = datetime.now(UTC).date()
    return {
        "content": content,
        "amount": "100",
        "begins": str(today),
        "ends": str(today + timedelta(days=80)),
        "obligations": [{"number": "1", "what": WORDS, "due": str(today + timedelta(days=30))}],
        "payments": [{"number": "a", "amount": "100", "due": str(today + timedelta(days=60))}],
    }


class Deal:
    """A contract with a customer who may owe us enough, as far as one of these steps."""

    STEPS = ("drafted", "reviewed", "approved", "signed", "offered")

    def __init__(self, yewu: Yewu, until: str, customer_id: str | None = None) -> None:
        self.yewu, self.content, customer_id = yewu, file(yewu), customer_id or yewu.customer()
        drafted = {"customer_id": customer_id, "terms": terms(self.content)}
        self.id = str(done(a(yewu, Role.BUSINESS_DEVELOPMENT).post("/contracts", json=drafted))["id"])
        for step in self.STEPS[1 : self.STEPS.index(until) + 1]:
            getattr(self, step)(customer_id)

    def reviewed(self, _customer_id: str) -> None:
        asked = {"contract_id": self.id, "content": self.content, "complexity": "simple"}
        review_id = done(a(self.yewu, Role.PROJECT_MANAGER).post("/reviews", json=asked))["id"]
        done(a(self.yewu, Role.LEGAL).post(f"/reviews/{review_id}/let-pass", json={"content": self.content}))

    def approved(self, _customer_id: str) -> None:
        done(self.yewu.manager.post(f"/contracts/{self.id}/approve", json={"content": self.content}))

    def signed(self, customer_id: str) -> None:
        limited(self.yewu, customer_id)
        done(self.yewu.manager.post(f"/contracts/{self.id}/sign", json=self.signature))

    def offered(self, _customer_id: str) -> None:
        seller = a(self.yewu, Role.BUSINESS_DEVELOPMENT)
        done(seller.post(f"/contracts/{self.id}/hand-over", json={"wording": WORDS}))

    @property
    def signature(self) -> Mapping[str, object]:
        return {"content": self.content, "place": "Shanghai", "signed_for_customer": "Lin"}


def _contract(act: str, until: str, **body: object) -> Scenario:
    return lambda stage: Call(f"/contracts/{Deal(stage.yewu, until).id}/{act}", body)


def _draft(stage: Stage) -> Call:
    return Call("/contracts", {"customer_id": stage.customer_id, "terms": terms(file(stage.yewu))})


def _anew(act: str, until: str) -> Scenario:
    return lambda stage: Call(f"/contracts/{Deal(stage.yewu, until).id}/{act}", {"terms": terms(file(stage.yewu))})


def _approve(stage: Stage) -> Call:
    deal = Deal(stage.yewu, "reviewed")
    return Call(f"/contracts/{deal.id}/approve", {"content": deal.content})


def _sign(stage: Stage) -> Call:
    customer_id = stage.yewu.customer()
    limited(stage.yewu, customer_id)
    deal = Deal(stage.yewu, "approved", customer_id)
    return Call(f"/contracts/{deal.id}/sign", deal.signature)


SCENARIOS: dict[str, Scenario] = {
    "negotiation.prepare_brief": _prepare,
    "negotiation.revise_brief": _negotiation("revise-brief", BRIEF),
    "negotiation.approve_brief": _negotiation("approve-brief", {}),
    "negotiation.return_brief": _negotiation("return-brief", {"reason": WORDS}),
    "negotiation.open": _negotiation("open", {}, approved=True),
    "negotiation.record_round": _negotiation(
        "record-round", {"held_on": "2026-01-31", "channel": "phone", "wording": WORDS}, begun=True
    ),
    "negotiation.offer_terms": _negotiation("offer-terms", OFFER, begun=True),
    "negotiation.receive_counter_offer": _negotiation("receive-counter-offer", BELOW, begun=True),
    "negotiation.approve_below_floor": _negotiation("approve-below-floor", BELOW, begun=True),
    "negotiation.agree_terms": _negotiation("agree-terms", OFFER, begun=True),
    "negotiation.break_off": _negotiation("break-off", {"reason": WORDS}, begun=True),
    "contract.draft": _draft,
    "contract.redraft": _anew("redraft", "drafted"),
    "contract.amend": _anew("amend", "signed"),
    "contract.approve": _approve,
    "contract.return_draft": _contract("return-draft", "drafted", reason=WORDS),
    "contract.void": _contract("void", "drafted", reason=WORDS),
    "contract.sign": _sign,
    "contract.hand_over": _contract("hand-over", "signed", wording=WORDS),
    "contract.accept_handover": _contract("accept-handover", "offered"),
    "contract.return_handover": _contract("return-handover", "offered", reason=WORDS),
    "contract.fulfil_obligation": _contract("fulfil-obligation", "signed", number="1", evidence=WORDS),
    "contract.terminate": _contract("terminate", "signed", reason=WORDS),
}


def things(yewu: Yewu) -> dict[str, str]:
    """One of each kind of this part."""
    return {
        "negotiation": negotiation(yewu, a(yewu, Role.BUSINESS_DEVELOPMENT)),
        "contract": Deal(yewu, "drafted").id,
    }
