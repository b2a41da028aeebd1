"""Each rule of business development with a history that keeps it, one that breaks it, and one that is still open."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from aggregates.actor import Delegation
from aggregates.business.campaign import CampaignStarted
from aggregates.business.development_plan import (
    DevelopmentPlanApproved,
    DevelopmentPlanDrafted,
    DevelopmentPlanEvaluated,
    DevelopmentPlanReturned,
    DevelopmentPlanSubmitted,
    Goal,
    Measure,
    StrategyAdjusted,
)
from aggregates.business.research import ResearchPublished
from aggregates.business.segment import IntelligenceRecorded, Reliability, SegmentUnwatched, SegmentWatched
from aggregates.event import Envelope, Event
from aggregates.facts import Quantity, Unit
from aggregates.ids import DevelopmentPlanId, EmployeeId, ResearchId, SegmentId
from aggregates.organisation.parameter import PolicyParameterChanged
from aggregates.text import Code, Text
from projections.rules import development
from projections.rules.duty import State, Verdict
from projections.rules.rule import Rule
from tests.projections.rules.cases import ANNA, BORIS, CHINA, LI, LONG_AFTER, Happened, duty, on, verdict

WORDS, PHONE, FAIR = Text("words"), Code("phone"), Code("fair")
SEGMENT, RESEARCH, PLAN = SegmentId("segment-bakeries"), ResearchId("research-1"), DevelopmentPlanId("plan-1")
CASE = {"R-BD-1": str(SEGMENT)}

watched = SegmentWatched(code=Code("bakeries"), name=Code("Bakeries"))
unwatched = SegmentUnwatched(reason=WORDS)
told = IntelligenceRecorded(
    number=Code("I-1"),
    topic=Code("prices"),
    source=FAIR,
    reliability=Reliability.B,
    observed_on=date(2026, 3, 1),
    finding=WORDS,
)
published = ResearchPublished(conclusions=WORDS, segment_ids=(SEGMENT,))
drafted = DevelopmentPlanDrafted(
    research_id=RESEARCH,
    goals=(Goal(measure=Measure.CONTACTS, target=Decimal(100), due=date(2026, 8, 31)),),
    strategy=WORDS,
    channels=(PHONE, FAIR),
    segment_ids=(SEGMENT,),
    begins=date(2026, 3, 2),
    ends=date(2026, 8, 31),
    authors=(ANNA,),
)
by_other_research = replace(drafted, research_id=ResearchId("research-2"))
submitted, returned = DevelopmentPlanSubmitted(), DevelopmentPlanReturned(reason=WORDS)
approved = DevelopmentPlanApproved(approvers=(LI,))
adjusted = StrategyAdjusted(strategy=WORDS, grounds=WORDS, authors=(BORIS,))
started = CampaignStarted(plan_id=PLAN, name=Code("spring"), channels=(PHONE,))
at_a_fair = CampaignStarted(plan_id=PLAN, name=Code("fair"), channels=(FAIR,))
by_post_too = CampaignStarted(plan_id=PLAN, name=Code("post"), channels=(PHONE, Code("post")))
evaluated = DevelopmentPlanEvaluated(result=WORDS)

A_YEAR_BEFORE = datetime(2025, 3, 6, 9, tzinfo=CHINA)
STREAMS: dict[type[Event], str] = {
    SegmentWatched: SEGMENT,
    SegmentUnwatched: SEGMENT,
    IntelligenceRecorded: SEGMENT,
    ResearchPublished: RESEARCH,
    CampaignStarted: "campaign-1",
}


def then(event: Event, day: int, hour: int = 9, minute: int = 0, *, by: str = ANNA) -> Happened:
    """It happened on the stream where it belongs, on a day of March."""
    return Happened(event, on(day, hour, minute), by, stream_id=STREAMS.get(type(event), PLAN))


def long_before(event: Event, at: datetime = A_YEAR_BEFORE) -> Happened:
    return then(event, 2)._replace(at=at)


def for_somebody(event: Event, day: int, grantor: str, *, by: str) -> Happened:
    """Done by a power that somebody lent."""
    lent = Delegation(number=Code("D-1"), grantor_id=EmployeeId(grantor))
    return then(event, day, by=by)._replace(envelope=Envelope(delegation=lent, on_behalf_of=grantor))


DRAFT, SUBMISSION, APPROVAL = then(drafted, 4), then(submitted, 5), then(approved, 6, by=LI)

KEPT: list[tuple[Rule, list[Happened]]] = [
    (development.WATCHED, [then(watched, 1), then(told, 31), then(told, 60), then(unwatched, 90)]),
    (development.WATCHED, [then(watched, 1), then(unwatched, 2), then(watched, 200), then(unwatched, 201)]),
    (development.WELL_FOUNDED, [then(published, 3), DRAFT, APPROVAL]),
    (development.WELL_FOUNDED, [long_before(published), DRAFT, APPROVAL]),
    (development.WELL_FOUNDED, [then(published, 3), then(by_other_research, 4), then(drafted, 5), APPROVAL]),
    (development.APPROVED_FIRST, [DRAFT, APPROVAL, then(started, 7)]),
    (development.APPROVED_FIRST, [DRAFT, APPROVAL, then(started, 7), then(drafted, 8)]),
    (development.APPROVED_FIRST, [DRAFT, APPROVAL, then(adjusted, 7), then(approved, 8, by=LI), then(started, 9)]),
    (development.DECIDED, [SUBMISSION, then(returned, 9, 18, by=LI)]),
    (development.DECIDED, [SUBMISSION, APPROVAL]),
    (development.IN_ITS_TIME, [then(drafted, 1), then(started, 2, 0)]),
    (development.IN_ITS_TIME, [then(drafted, 1), then(started, 184, 23, 59)]),
    (development.SEVERAL_WAYS, [DRAFT, then(started, 7), then(at_a_fair, 8), then(evaluated, 90)]),
    (development.APPROVED_BY_ANOTHER, [DRAFT, APPROVAL]),
    (development.APPROVED_BY_THE_MANAGER, [DRAFT, APPROVAL]),
]

BROKEN: list[tuple[Rule, list[Happened]]] = [
    (development.WATCHED, [then(watched, 1), then(told, 31, 9, 1)]),
    (development.WATCHED, [then(watched, 1), then(unwatched, 32)]),
    (development.WATCHED, [then(watched, 1), then(told, 20), then(told, 51)]),
    (development.WELL_FOUNDED, [DRAFT, APPROVAL]),
    (development.WELL_FOUNDED, [DRAFT, APPROVAL, then(published, 7)]),
    (development.WELL_FOUNDED, [long_before(published, A_YEAR_BEFORE - timedelta(seconds=1)), DRAFT, APPROVAL]),
    (development.WELL_FOUNDED, [then(published, 3), then(drafted, 4), then(by_other_research, 5), APPROVAL]),
    (development.WELL_FOUNDED, [then(published, 3), DRAFT, APPROVAL, then(by_other_research, 7), then(approved, 8)]),
    (development.APPROVED_FIRST, [DRAFT, then(started, 7)]),
    (development.APPROVED_FIRST, [DRAFT, SUBMISSION, then(started, 7), then(approved, 8, by=LI)]),
    (development.APPROVED_FIRST, [DRAFT, APPROVAL, then(drafted, 7), then(started, 8)]),
    (development.APPROVED_FIRST, [DRAFT, APPROVAL, then(adjusted, 7), then(started, 8)]),
    (development.DECIDED, [SUBMISSION, APPROVAL, then(adjusted, 9), then(approved, 20, by=LI)]),
    (development.APPROVED_FIRST, [DRAFT, then(approved, 6, by=ANNA), then(started, 7)]),
    (development.DECIDED, [SUBMISSION, then(approved, 9, 18, 1, by=LI)]),
    (development.IN_ITS_TIME, [then(drafted, 1), then(started, 1, 23, 59)]),
    (development.IN_ITS_TIME, [then(drafted, 1), then(started, 185, 0)]),
    (development.IN_ITS_TIME, [then(started, 7)]),
    (development.SEVERAL_WAYS, [DRAFT, then(evaluated, 90)]),
    (development.SEVERAL_WAYS, [DRAFT, then(started, 7), then(by_post_too, 8), then(evaluated, 90)]),
    (development.APPROVED_BY_ANOTHER, [DRAFT, then(approved, 6, by=ANNA)]),
    (development.APPROVED_BY_THE_MANAGER, [DRAFT, then(approved, 6, by=BORIS)]),
    (development.APPROVED_BY_ANOTHER, [DRAFT, for_somebody(approved, 6, ANNA, by=LI)]),
    (development.APPROVED_BY_ANOTHER, [for_somebody(drafted, 4, LI, by=BORIS), APPROVAL]),
    (development.APPROVED_BY_ANOTHER, [then(drafted, 3, by=LI), DRAFT, APPROVAL]),
    (development.APPROVED_BY_ANOTHER, [DRAFT, APPROVAL, then(adjusted, 7, by=LI)]),
]

OPEN: list[tuple[Rule, list[Happened]]] = [
    (development.WATCHED, [then(watched, 1), then(told, 2)]),
    (development.WELL_FOUNDED, [DRAFT]),
    (development.APPROVED_BY_THE_MANAGER, [DRAFT]),
    (development.WELL_FOUNDED, [then(published, 3), DRAFT, APPROVAL, then(drafted, 7)]),
    (development.APPROVED_FIRST, [DRAFT, APPROVAL]),
    (development.DECIDED, [SUBMISSION]),
    (development.IN_ITS_TIME, [DRAFT]),
    (development.SEVERAL_WAYS, [DRAFT, then(started, 7)]),
    (development.APPROVED_BY_ANOTHER, [DRAFT, SUBMISSION]),
]


def case(rule: Rule) -> str:
    return CASE.get(rule.number, PLAN)


@pytest.mark.parametrize(("rule", "happened"), KEPT, ids=lambda p: getattr(p, "number", ""))
def test_a_case_that_keeps_the_rule(rule: Rule, happened: list[Happened]) -> None:
    row = duty(rule, *happened, case=case(rule))
    if row.state is State.DONE:
        assert row.verdict_at(LONG_AFTER) is Verdict.CONFORMANT
    assert row.missed == 0


@pytest.mark.parametrize(("rule", "happened"), BROKEN, ids=lambda p: getattr(p, "number", ""))
def test_a_case_that_breaks_the_rule(rule: Rule, happened: list[Happened]) -> None:
    row = duty(rule, *happened, case=case(rule))
    assert row.verdict_at(LONG_AFTER) is Verdict.VIOLATED
    assert row.missed
    assert row.decided_by is not None


@pytest.mark.parametrize(("rule", "happened"), OPEN, ids=lambda p: getattr(p, "number", ""))
def test_a_case_that_is_still_open(rule: Rule, happened: list[Happened]) -> None:
    assert verdict(rule, *happened, case=case(rule), at=on(5, 10)) is Verdict.PENDING


def test_each_rule_has_its_histories() -> None:
    for histories in (KEPT, BROKEN, OPEN):
        assert {rule.number for rule, _ in histories} == {rule.number for rule in development.RULES}


def test_3_1_1_a_nobody_has_looked_at_a_segment_for_a_month() -> None:
    happened = [then(watched, 1), then(told, 10)]
    assert verdict(development.WATCHED, *happened, case=SEGMENT, at=on(40)) is Verdict.PENDING
    assert verdict(development.WATCHED, *happened, case=SEGMENT, at=on(40, 9, 1)) is Verdict.VIOLATED


def test_how_old_research_may_be_is_what_the_parameter_says_when_the_plan_is_approved() -> None:
    shorter = PolicyParameterChanged(
        number=Code("P-44"),
        values={Code("limit"): Quantity(amount=Decimal(6), unit=Unit.MONTH)},
        valid_from=on(6, 10),
    )
    change = Happened(shorter, on(5), LI, stream_id="parameter-P-44")
    half_a_year_before = long_before(published, datetime(2025, 9, 1, 9, tzinfo=CHINA))
    before = (half_a_year_before, DRAFT, change)
    assert verdict(development.WELL_FOUNDED, *before, then(approved, 6), case=PLAN) is Verdict.CONFORMANT
    late = duty(development.WELL_FOUNDED, *before, then(approved, 6, 10), case=PLAN)
    assert [finding.what for finding in late.findings or ()] == ["too old"]


def test_what_is_wrong_with_the_research_is_named() -> None:
    row = duty(development.WELL_FOUNDED, DRAFT, APPROVAL, case=PLAN)
    assert [finding.what for finding in row.findings or ()] == ["not published"]


def test_research_that_is_published_anew_is_good_again() -> None:
    anew = [long_before(published, A_YEAR_BEFORE - timedelta(days=300)), then(published, 3), DRAFT, APPROVAL]
    assert verdict(development.WELL_FOUNDED, *anew, case=PLAN) is Verdict.CONFORMANT
