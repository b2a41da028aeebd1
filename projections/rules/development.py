"""Rules of business development: regulation 3.1.1 and 3.1.2, from watching the market to a campaign under a plan."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any
from zoneinfo import ZoneInfo

from aggregates.actor import Role
from aggregates.business.campaign import CampaignStarted
from aggregates.business.development_plan import (
    DevelopmentPlanApproved,
    DevelopmentPlanDrafted,
    DevelopmentPlanEvaluated,
    DevelopmentPlanReturned,
    DevelopmentPlanSubmitted,
    StrategyAdjusted,
)
from aggregates.business.segment import IntelligenceRecorded, SegmentUnwatched, SegmentWatched
from aggregates.event import Recorded
from aggregates.ids import DevelopmentPlanId, ResearchId, SegmentId
from aggregates.term import months_after
from projections.reference import Reference
from projections.rules.rule import Mode, Rule
from projections.rules.templates.following import Cadence, Response
from projections.rules.templates.people import ACTOR, AuthorityAt, FourEyes
from projections.rules.templates.preceding import Precedence
from projections.rules.templates.values import Threshold
from projections.rules.term import Limit

CITED_FOR = Limit(parameter="P-44")


def _cited(known: Mapping[str, str], record: Recorded[Any]) -> Mapping[str, str]:
    if isinstance(record.event, DevelopmentPlanDrafted):
        return {"research": record.event.research_id}
    return known


def _not_good(known: Mapping[str, str], record: Recorded[Any], reference: Reference) -> str | None:
    at = record.effective_at
    published = reference.published.get(ResearchId(known.get("research", "")))
    if published is None or published > at:
        return "not published"
    months = CITED_FOR.quantity(CITED_FOR.version(reference, at), CITED_FOR.value)
    too_old = months is not None and at > months_after(published, int(months.amount))
    return "too old" if too_old else None


def _planned_days(known: Mapping[str, str], record: Recorded[Any]) -> Mapping[str, str]:
    event = record.event
    if isinstance(event, DevelopmentPlanDrafted):
        return {"begins": event.begins.isoformat(), "ends": event.ends.isoformat()}
    return known


def _not_running(known: Mapping[str, str], record: Recorded[Any], reference: Reference) -> str | None:
    day = record.effective_at.astimezone(ZoneInfo(reference.zone)).date().isoformat()
    return None if known and known["begins"] <= day <= known["ends"] else "outside the plan"


def _ways(known: Mapping[str, str], record: Recorded[Any]) -> Mapping[str, str]:
    event = record.event
    if isinstance(event, DevelopmentPlanDrafted):
        return {**known, "planned": "\n".join(event.channels)}
    if isinstance(event, CampaignStarted):
        return {**known, "used": "\n".join({**dict.fromkeys(_lines(known, "used")), **dict.fromkeys(event.channels)})}
    return known


def _one_way_only(known: Mapping[str, str], _record: Recorded[Any], _reference: Reference) -> str | None:
    used = _lines(known, "planned") & _lines(known, "used")
    return None if len(used) >= 2 else "not two channels"


def _lines(known: Mapping[str, str], name: str) -> Set[str]:
    return dict.fromkeys(known.get(name, "").splitlines()).keys()


WATCHED = Cadence(
    "R-BD-1",
    "Of each segment that is watched there is fresh intelligence.",
    cases=SegmentId,
    clauses=("2.2.3-a", "2.2.3-d", "3.1.1-a"),
    mode=Mode.DETECT,
    on=(SegmentWatched,),
    each=(IntelligenceRecorded,),
    over=(SegmentUnwatched,),
    within=Limit(parameter="P-34"),
    owed_by=Role.BUSINESS_DEVELOPMENT,
    ladder=(Role.BUSINESS_DEVELOPMENT_LEAD, Role.MANAGER),
)

WELL_FOUNDED = Threshold(
    "R-BD-2",
    "A plan is approved only if the research it cites is published and not too old.",
    cases=DevelopmentPlanId,
    clauses=("2.2.3-a", "3.1.1-b", "3.1.2-a"),
    mode=Mode.PREVENT,
    on=(DevelopmentPlanDrafted,),
    at=(DevelopmentPlanApproved,),
    learn=_cited,
    breach=_not_good,
    reads=(CITED_FOR.parameter,),
)

APPROVED_FIRST = Precedence(
    "R-BD-3",
    "A campaign starts only under a plan that the manager has approved.",
    cases=DevelopmentPlanId,
    case_in={CampaignStarted: "plan_id"},
    clauses=("2.2.1-c", "3.1.2-a", "3.1.2-b"),
    mode=Mode.PREVENT,
    on=(DevelopmentPlanDrafted, StrategyAdjusted),
    first=(DevelopmentPlanApproved,),
    then=(CampaignStarted,),
    by={DevelopmentPlanApproved: Role.MANAGER},
)

DECIDED = Response(
    "R-BD-3.1",
    "A plan that was submitted is approved or returned in time.",
    cases=DevelopmentPlanId,
    clauses=("2.2.1-c", "3.1.2-a"),
    mode=Mode.DETECT,
    on=(DevelopmentPlanSubmitted, StrategyAdjusted),
    then=(DevelopmentPlanApproved, DevelopmentPlanReturned),
    within=Limit(parameter="P-27"),
    owed_by=Role.MANAGER,
)

IN_ITS_TIME = Threshold(
    "R-BD-3.2",
    "A campaign starts while its plan runs.",
    cases=DevelopmentPlanId,
    case_in={CampaignStarted: "plan_id"},
    clauses=("3.1.2-b",),
    mode=Mode.PREVENT,
    on=(DevelopmentPlanDrafted,),
    at=(CampaignStarted,),
    learn=_planned_days,
    breach=_not_running,
)

SEVERAL_WAYS = Threshold(
    "R-BD-9.1",
    "By the time a plan is evaluated, campaigns were begun through two of its channels or more, in whichever version.",
    cases=DevelopmentPlanId,
    case_in={CampaignStarted: "plan_id"},
    clauses=("3.1.2-b",),
    mode=Mode.DETECT,
    on=(DevelopmentPlanDrafted,),
    known=(CampaignStarted,),
    at=(DevelopmentPlanEvaluated,),
    learn=_ways,
    breach=_one_way_only,
    owed_by=Role.BUSINESS_DEVELOPMENT_LEAD,
)

APPROVED_BY_ANOTHER = FourEyes(
    "R-GEN-2.1",
    "Nobody approves a plan that they had a hand in.",
    cases=DevelopmentPlanId,
    clauses=("1.3.1", "3.1.2-a"),
    mode=Mode.PREVENT,
    first={DevelopmentPlanDrafted: ACTOR, StrategyAdjusted: ACTOR},
    second={DevelopmentPlanApproved: ACTOR},
    ever=True,
)

APPROVED_BY_THE_MANAGER = AuthorityAt(
    "R-GEN-1.plan",
    "Only the manager approves a plan.",
    cases=DevelopmentPlanId,
    clauses=("1.3.1", "2.2.1-c", "3.1.2-a"),
    mode=Mode.PREVENT,
    on=(DevelopmentPlanDrafted,),
    of={DevelopmentPlanApproved: Role.MANAGER},
)

RULES: tuple[Rule, ...] = (
    WATCHED,
    WELL_FOUNDED,
    APPROVED_FIRST,
    DECIDED,
    IN_ITS_TIME,
    SEVERAL_WAYS,
    APPROVED_BY_ANOTHER,
    APPROVED_BY_THE_MANAGER,
)
