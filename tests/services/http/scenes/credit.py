"""The part of credit on the stage: customers assessed and limited, contracts signed, instalments claimed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from aggregates.actor import ActorKind, Role
from infra.dispatcher import Order, Principal
from infra.roles import DatabaseRole
from infra.sealing import Plain
from services.composition import INNER_COMMANDS
from services.runtime import Runtime
from tests.logins import as_role
from tests.services.http.stage import Call, Stage
from tests.services.running import Yewu, done

Scenario: TypeAlias = Callable[[Stage], Call]
Act: TypeAlias = tuple[str, dict[str, object]]

WORDS = "So it is"
FACTORS = {"payment_history": 90, "financial_strength": 80, "relationship": 70, "market_standing": 70}
LIMIT = {"limit": "1000", "payment_days": 30}
LEVELS = ("reminder", "first", "second", "final")


def assessed(yewu: Yewu, customer_id: str) -> str:
    """The credit of a customer that risk management has assessed."""
    officer = yewu.as_(yewu.appointed(Role.RISK, name="Officer"))
    body = {"customer_id": customer_id, "factors": FACTORS, "rationale": WORDS}
    return str(done(officer.post("/credits", json=body))["id"])


def limited(yewu: Yewu, customer_id: str) -> str:
    """The credit of a customer that may owe us something."""
    credit_id = assessed(yewu, customer_id)
    done(yewu.manager.post(f"/credits/{credit_id}/approve-limit", json=LIMIT))
    return credit_id


def contract(yewu: Yewu, customer_id: str, *, signed: bool = False, begins: date | None = None) -> tuple[str, str]:
    """A contract of two instalments, 30 and 60 days after it begins, which is drafted or signed, and the file that it
    stands in."""
    content, today = yewu.file(), begins or datetime.now(UTC).date()
    seller = yewu.as_(yewu.appointed(Role.BUSINESS_DEVELOPMENT, name="Seller"))
    payments = [
        {"number": number, "amount": "50", "due": str(today + timedelta(days=days))}
        for number, days in (("1", 30), ("2", 60))
    ]
    terms = {
        "content": content, "amount": "100", "begins": str(today), "ends": str(today + timedelta(days=90)),
        "obligations": [], "payments": payments,
    }  # fmt: skip
    body = {"customer_id": customer_id, "terms": terms}
    contract_id = str(done(seller.post("/contracts", json=body))["id"])
    if signed:
        prepare(yewu, contract_id, content)
        done(yewu.manager.post(f"/contracts/{contract_id}/sign", json=signature(content)))
    return contract_id, content


def signature(content: str) -> dict[str, object]:
    """What is sent to sign a contract."""
    return {"content": content, "place": "here", "signed_for_customer": "them"}


def prepare(yewu: Yewu, contract_id: str, content: str) -> None:
    """Have it reviewed and approved: only its signature is missing."""
    asker, counsel = (yewu.as_(yewu.appointed(role, name="Counsel")) for role in (Role.PROJECT_MANAGER, Role.LEGAL))
    body = {"contract_id": contract_id, "content": content, "complexity": "simple"}
    review_id = done(asker.post("/reviews", json=body))["id"]
    done(counsel.post(f"/reviews/{review_id}/let-pass", json={"content": content}))
    done(yewu.manager.post(f"/contracts/{contract_id}/approve", json={"content": content}))


def receivable(yewu: Yewu, *acts: Act, overdue: bool = False) -> str:
    """An instalment just claimed, to which finance has done this."""
    customer_id = yewu.customer()
    limited(yewu, customer_id)
    contract_id, _ = contract(yewu, customer_id, signed=True)
    clerk = yewu.as_(yewu.appointed(Role.FINANCE, name="Clerk"))
    receivable_id = str(done(clerk.post("/receivables", json={"contract_id": contract_id, "instalment": "1"}))["id"])
    if overdue:
        due = datetime.now(UTC).date() + timedelta(days=30)
        by_the_clock(yewu, "receivable.become_overdue", receivable_id, due=due)
    for act, body in acts:
        done(clerk.post(f"/receivables/{receivable_id}/{act}", json=body))
    return receivable_id


def by_the_clock(yewu: Yewu, slug: str, stream_id: str, **said: object) -> None:
    """What only time brings."""

    async def give() -> None:
        database = as_role(yewu.database, DatabaseRole.APP)
        async with Runtime(database, ZoneInfo("Asia/Shanghai"), Plain()).running() as runtime:
            command = INNER_COMMANDS[slug]
            order = Order(command, stream_id, command.body(**said), Principal("policy-test", ActorKind.POLICY))
            answer = await runtime.dispatcher.give(order)
            assert answer.events

    asyncio.run(give())


PAID: Act = ("receive-payment", {"amount": "20", "reference": "bank-1"})
DISPUTED: Act = ("dispute", {"reason": WORDS})
SOON = str(datetime.now(UTC).date() + timedelta(days=9))
PAUSED: Act = ("pause-dunning", {"reason": WORDS, "until": SOON})
PROMISED: Act = ("promise-payment", {"until": SOON, "amount": "50"})
ASKED: Act = ("request-write-off", {"amount": "50", "grounds": WORDS})
STEPS: tuple[Act, ...] = tuple(
    ("take-dunning-step", {"level": level, "channel": "mail", "wording": WORDS}) for level in LEVELS
)


def _of(act: Act, *before: Act, overdue: bool = False) -> Scenario:
    """An act on a receivable to which something has happened before."""
    name, body = act
    return lambda stage: Call(f"/receivables/{receivable(stage.yewu, *before, overdue=overdue)}/{name}", body)


def _bill(stage: Stage) -> Call:
    limited(stage.yewu, stage.customer_id)
    contract_id, _ = contract(stage.yewu, stage.customer_id, signed=True)
    return Call("/receivables", {"contract_id": contract_id, "instalment": "2"})


def _credit(act: str, **body: object) -> Scenario:
    return lambda stage: Call(f"/credits/{assessed(stage.yewu, stage.customer_id)}/{act}", body)


def _asked_for(stage: Stage) -> dict[str, object]:
    contract_id, _ = contract(stage.yewu, stage.customer_id)
    until = (datetime.now(UTC) + timedelta(days=9)).isoformat()
    return {"contract_id": contract_id, "amount": "5000", "until": until, "grounds": WORDS}


def _request_override(stage: Stage) -> Call:
    return Call(f"/credits/{assessed(stage.yewu, stage.customer_id)}/request-override", _asked_for(stage))


def _override(act: str, **more: object) -> Scenario:
    """Somebody else has asked for leave."""

    def call(stage: Stage) -> Call:
        path, asked = _request_override(stage)
        done(stage.lead.post(path, json=asked))
        return Call(path.replace("request-override", act), {"contract_id": asked["contract_id"], **more})

    return call


def _release(stage: Stage) -> Call:
    path = f"/credits/{assessed(stage.yewu, stage.customer_id)}"
    done(stage.yewu.manager.post(f"{path}/suspend", json={"reason": WORDS}))
    return Call(f"{path}/release", {"reason": WORDS})


SCENARIOS: dict[str, Scenario] = {
    "credit.assess": lambda s: Call("/credits", {"customer_id": s.customer_id, "factors": FACTORS, "rationale": WORDS}),
    "credit.reassess": _credit("reassess", factors=FACTORS, rationale=WORDS),
    "credit.approve_limit": _credit("approve-limit", **LIMIT),
    "credit.request_override": _request_override,
    "credit.approve_override": _override("approve-override"),
    "credit.reject_override": _override("reject-override", grounds=WORDS),
    "credit.suspend": _credit("suspend", reason=WORDS),
    "credit.release": _release,
    "receivable.bill": _bill,
    "receivable.receive_payment": _of(PAID),
    "receivable.reverse_payment": _of(("reverse-payment", {"reference": "bank-1", "reason": WORDS}), PAID),
    "receivable.dispute": _of(DISPUTED),
    "receivable.resolve_dispute": _of(
        ("resolve-dispute", {"upheld": True, "wording": WORDS, "conceded": "5"}), DISPUTED
    ),
    "receivable.promise_payment": _of(PROMISED),
    "receivable.pause_dunning": _of(PAUSED),
    "receivable.resume_dunning": _of(("resume-dunning", {}), PAUSED),
    "receivable.take_dunning_step": _of(STEPS[0], overdue=True),
    "receivable.hand_to_legal": _of(("hand-to-legal", {"grounds": WORDS}), *STEPS, overdue=True),
    "receivable.request_write_off": _of(ASKED),
    "receivable.approve_write_off": _of(("approve-write-off", {}), ASKED),
    "receivable.reject_write_off": _of(("reject-write-off", {"grounds": WORDS}), ASKED),
}


def things(yewu: Yewu) -> dict[str, str]:
    """One of each kind of this part."""
    receivable_id = receivable(yewu)
    return {"credit": assessed(yewu, yewu.customer()), "receivable": receivable_id}
