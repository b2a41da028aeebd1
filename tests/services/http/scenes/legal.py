"""Counsel's part of the stage: contracts to review, and questions to answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from aggregates.actor import Role
from tests.services.http.stage import Call, Stage
from tests.services.running import Yewu, done

WORDS = "So it is"


def contract(yewu: Yewu, content: str) -> str:
    """A contract that says what stands in this file."""
    seller = yewu.as_(yewu.appointed(Role.BUSINESS_DEVELOPMENT, name="Seller"))
    today = datetime.now(UTC).date()
    body = {
        "customer_id": yewu.customer(),
        "terms": {
            "content": content,
            "amount": "100",
            "begins": str(today),
            "ends": str(today + timedelta(days=90)),
            "obligations": [],
            "payments": [{"number": "1", "amount": "100", "due": str(today + timedelta(days=60))}],
        },
    }
    return str(done(seller.post("/contracts", json=body))["id"])


def review(yewu: Yewu, content: str) -> str:
    """A review of a contract's text that nobody has spoken of yet."""
    asker = yewu.as_(yewu.appointed(Role.PROJECT_MANAGER, name="Asker"))
    body = {"contract_id": contract(yewu, content), "content": content, "complexity": "simple"}
    return str(done(asker.post("/reviews", json=body))["id"])


def consultation(yewu: Yewu, asker_id: str | None = None, *, advised: bool = False) -> str:
    """A question to counsel, answered or not; somebody else's if nobody is named."""
    asker = yewu.as_(asker_id or yewu.appointed(Role.MEMBER, name="Asker"))
    due = str(datetime.now(UTC).date() + timedelta(days=5))
    consultation_id = str(done(asker.post("/consultations", json={"question": "May we?", "due": due}))["id"])
    if advised:
        counsel = yewu.as_(yewu.appointed(Role.LEGAL, name="Counsel"))
        done(counsel.post(f"/consultations/{consultation_id}/advise", json={"advice": WORDS}))
    return consultation_id


def _request(stage: Stage) -> Call:
    content = stage.yewu.file()
    body = {"contract_id": contract(stage.yewu, content), "content": content, "complexity": "complex"}
    return Call("/reviews", body)


def _reviewed(act: str, **body: object) -> Callable[[Stage], Call]:
    return lambda stage: Call(f"/reviews/{review(stage.yewu, stage.yewu.file())}/{act}", body)


def _let_pass(stage: Stage) -> Call:
    content = stage.yewu.file()
    return Call(f"/reviews/{review(stage.yewu, content)}/let-pass", {"content": content})


def _assign(stage: Stage) -> Call:
    return Call(f"/reviews/{review(stage.yewu, stage.yewu.file())}/assign", {"counsel_id": stage.somebody(Role.LEGAL)})


def _ask(stage: Stage) -> Call:
    due = str(datetime.now(UTC).date() + timedelta(days=5))
    return Call("/consultations", {"question": "May we?", "due": due, "about_id": stage.customer_id})


def _answered(act: str, **body: object) -> Callable[[Stage], Call]:
    """Whoever acts has asked, and was answered."""
    return lambda stage: Call(f"/consultations/{consultation(stage.yewu, _asker(stage), advised=True)}/{act}", body)


def _asker(stage: Stage) -> str | None:
    return None if stage.role is Role.CUSTOMER else stage.actor_id


SCENARIOS: dict[str, Callable[[Stage], Call]] = {
    "review.request": _request,
    "review.assign": _assign,
    "review.let_pass": _let_pass,
    "review.let_pass_on_conditions": _reviewed("let-pass-on-conditions", conditions=WORDS),
    "review.reject": _reviewed("reject", grounds=WORDS),
    "review.withdraw": _reviewed("withdraw", reason=WORDS),
    "consultation.ask": _ask,
    "consultation.advise": lambda stage: Call(f"/consultations/{consultation(stage.yewu)}/advise", {"advice": WORDS}),
    "consultation.follow": _answered("follow", decision=WORDS),
    "consultation.not_follow": _answered("not-follow", reason=WORDS),
}


def things(yewu: Yewu) -> dict[str, str]:
    """One of each kind of this part."""
    return {"review": review(yewu, yewu.file()), "consultation": consultation(yewu)}
