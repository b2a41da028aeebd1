"""Commands of business development (3.1.1, 3.1.2), each in a moment in which it succeeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import httpx

from aggregates.actor import Role
from tests.services.http.stage import NUMBERS, Call, Stage
from tests.services.running import Yewu, done


def _today(days: int = 0) -> str:
    return str(datetime.now(UTC).date() + timedelta(days=days))


class Market:
    """Segments, research, plans and campaigns of a lead, as far as a scenario needs them."""

    def __init__(self, yewu: Yewu) -> None:
        self.yewu = yewu
        self.lead: httpx.Client = yewu.as_(yewu.appointed(Role.BUSINESS_DEVELOPMENT_LEAD, name="Lead"))

    def _opened(self, path: str, body: Mapping[str, object]) -> str:
        return str(done(self.lead.post(path, json=body))["id"])

    def segment(self, *, watched: bool = True) -> str:
        segment_id = self._opened("/segments", new_segment())
        if not watched:
            done(self.lead.post(f"/segments/{segment_id}/unwatch", json={"reason": "Too small"}))
        return segment_id

    def research(self, *segment_ids: str, published: bool = True) -> str:
        research_id = self._opened("/research", {"topic": "boilers"})
        for segment_id in segment_ids:
            done(self.lead.post(f"/research/{research_id}/analyse-segment", json=analysis(segment_id)))
        if published:
            body = {"conclusions": "Go there", "segment_ids": list(segment_ids)}
            done(self.lead.post(f"/research/{research_id}/publish", json=body))
        return research_id

    def draft(self) -> dict[str, object]:
        """What a plan by new research says."""
        segment_id = self.segment()
        return {
            "research_id": self.research(segment_id),
            "goals": [{"measure": "new customers", "target": "12", "due": _today(90)}],
            "strategy": "By their neighbours",
            "channels": ["phone", "fair"],
            "segment_ids": [segment_id],
            "begins": _today(),
            "ends": _today(180),
        }

    def plan(self, *acts: str) -> str:
        """A plan to which this has happened."""
        plan_id = self._opened("/plans", self.draft())
        for act in acts:
            by = self.yewu.manager if act == "approve" else self.lead
            done(by.post(f"/plans/{plan_id}/{act}", json={}))
        return plan_id

    def campaign(self) -> str:
        return self._opened("/campaigns", campaign(self.plan("submit", "approve")))


def new_segment() -> dict[str, object]:
    return {"code": f"segment.{next(NUMBERS)}", "name": "Small bakeries"}


def analysis(segment_id: str) -> dict[str, object]:
    return {"segment_id": segment_id, "pains": "Cold ovens", "fit": 80, "score": 70, "size": "900000"}


def campaign(plan_id: str) -> dict[str, object]:
    return {"plan_id": plan_id, "name": "spring", "channels": ["phone"]}


def intelligence() -> dict[str, object]:
    return {
        "topic": "prices",
        "source": "fair",
        "reliability": "B",
        "observed_on": _today(-1),
        "finding": "They ask for less",
        "competitor": "warmth-ltd",
    }


def _on_segment(act: str, body: Mapping[str, object], *, watched: bool = True) -> Callable[[Stage], Call]:
    return lambda stage: Call(f"/segments/{Market(stage.yewu).segment(watched=watched)}/{act}", body)


def _analyse(stage: Stage) -> Call:
    market = Market(stage.yewu)
    return Call(f"/research/{market.research(published=False)}/analyse-segment", analysis(market.segment()))


def _publish(stage: Stage) -> Call:
    market = Market(stage.yewu)
    segment_id = market.segment()
    body = {"conclusions": "Go there", "segment_ids": [segment_id]}
    return Call(f"/research/{market.research(segment_id, published=False)}/publish", body)


def _on_plan(act: str, body: Mapping[str, object], *before: str) -> Callable[[Stage], Call]:
    return lambda stage: Call(f"/plans/{Market(stage.yewu).plan(*before)}/{act}", body)


def _redraft(stage: Stage) -> Call:
    market = Market(stage.yewu)
    return Call(f"/plans/{market.plan()}/redraft", market.draft())


SCENARIOS: dict[str, Callable[[Stage], Call]] = {
    "segment.watch": lambda _: Call("/segments", new_segment()),
    "segment.unwatch": _on_segment("unwatch", {"reason": "Too small"}),
    "segment.watch_again": _on_segment("watch-again", {}, watched=False),
    "segment.record_intelligence": _on_segment("record-intelligence", intelligence()),
    "research.open": lambda _: Call("/research", {"topic": "boilers"}),
    "research.analyse_segment": _analyse,
    "research.publish": _publish,
    "plan.draft": lambda s: Call("/plans", Market(s.yewu).draft()),
    "plan.redraft": _redraft,
    "plan.submit": _on_plan("submit", {}),
    "plan.approve": _on_plan("approve", {}, "submit"),
    "plan.send_back": _on_plan("send-back", {"reason": "How many?"}, "submit"),
    "plan.adjust_strategy": _on_plan(
        "adjust-strategy", {"strategy": "By their bakers", "grounds": "They talk"}, "submit", "approve"
    ),
    "plan.evaluate": _on_plan("evaluate", {"result": "Nine of twelve"}, "submit", "approve"),
    "campaign.start": lambda s: Call("/campaigns", campaign(Market(s.yewu).plan("submit", "approve"))),
    "campaign.end": lambda s: Call(f"/campaigns/{Market(s.yewu).campaign()}/end", {"result": "Two answered"}),
}


def things(yewu: Yewu) -> dict[str, str]:
    """One of each kind, for addresses that name one."""
    market = Market(yewu)
    segment_id = market.segment()
    return {
        "segment": segment_id,
        "research": market.research(segment_id),
        "plan": market.plan("submit"),
        "campaign": market.campaign(),
    }
