"""A plan cites good research, and is approved by somebody who had no hand in it."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given as whatever
from hypothesis import strategies as st
from msgspec.structs import replace

from aggregates.actor import Actor, Delegation, Role
from aggregates.business.development_plan import (
    DevelopmentPlan,
    DevelopmentPlanApproved,
    DevelopmentPlanDrafted,
    DevelopmentPlanEvaluated,
    DevelopmentPlanEvent,
    DevelopmentPlanReturned,
    DevelopmentPlanSubmitted,
    Goal,
    Measure,
    StrategyAdjusted,
)
from aggregates.event import Event, recall
from aggregates.facts import PublishedResearch, Quantity, Setting, Unit
from aggregates.ids import EmployeeId, ResearchId, SegmentId
from aggregates.text import Code, Text
from tests.given import MONDAY, given

ANNA, BORIS, LI = EmployeeId("employee-anna"), EmployeeId("employee-boris"), EmployeeId("employee-li")
AUTHOR = Actor(id=ANNA, roles=frozenset({Role.BUSINESS_DEVELOPMENT, Role.EMPLOYEE}))
LEAD = Actor(id=BORIS, roles=frozenset({Role.BUSINESS_DEVELOPMENT_LEAD, Role.EMPLOYEE}))
MANAGER = Actor(id=LI, roles=frozenset({Role.MANAGER, Role.EMPLOYEE}))
FOR_ANNA, FOR_LI = (Delegation(number=Code("D-1"), grantor_id=who) for who in (ANNA, LI))

RESEARCH, BAKERIES, HOTELS = ResearchId("research-1"), SegmentId("segment-bakeries"), SegmentId("segment-hotels")
PHONE, FAIR, WORDS = Code("phone"), Code("fair"), Text("By their neighbours")
BEGINS, ENDS = date(2026, 3, 2), date(2026, 8, 31)
A_DOZEN = Goal(measure=Measure.NEW_CUSTOMERS, target=Decimal(12), due=ENDS)
A_YEAR = Setting(number=Code("P-44"), values={Code("limit"): Quantity(amount=Decimal(12), unit=Unit.MONTH)})
OPEN = PublishedResearch(research_id=RESEARCH)
GOOD = PublishedResearch(research_id=RESEARCH, published_at=MONDAY - timedelta(days=60), segment_ids=(BAKERIES,))

drafted = DevelopmentPlanDrafted(
    research_id=RESEARCH,
    goals=(A_DOZEN,),
    strategy=WORDS,
    channels=(PHONE, FAIR),
    segment_ids=(BAKERIES,),
    begins=BEGINS,
    ends=ENDS,
    authors=(ANNA,),
)
submitted = DevelopmentPlanSubmitted()
approved = DevelopmentPlanApproved(approvers=(LI,))
returned = DevelopmentPlanReturned(reason=WORDS)
adjusted = StrategyAdjusted(strategy=WORDS, grounds=WORDS, authors=(BORIS,))
evaluated = DevelopmentPlanEvaluated(result=WORDS)
SAID: dict[str, Any] = {name: getattr(drafted, name) for name in drafted.__struct_fields__ if name != "authors"}

TO_SUBMITTED = (drafted, submitted)
TO_APPROVED = (*TO_SUBMITTED, approved)


def test_3_1_2_a_a_plan_says_by_which_research_whom_how_many_and_how() -> None:
    given(DevelopmentPlan).when(DevelopmentPlan.draft, AUTHOR, **SAID, research=GOOD).then(drafted)
    given(DevelopmentPlan, drafted).when(DevelopmentPlan.draft, AUTHOR, **SAID, research=GOOD).then_refused(
        "drafted already"
    )


def test_whoever_drafts_for_somebody_else_makes_both_authors() -> None:
    for_anna = replace(LEAD, delegation=FOR_ANNA)
    given(DevelopmentPlan).when(DevelopmentPlan.draft, for_anna, **SAID, research=GOOD).then(
        replace(drafted, authors=(BORIS, ANNA))
    )


@pytest.mark.parametrize(
    ("otherwise", "why"),
    [
        ({"research": OPEN}, "research that is published"),
        ({"goals": ()}, "at least one goal"),
        ({"goals": (replace(A_DOZEN, target=Decimal(0)),)}, "more than zero"),
        ({"goals": (replace(A_DOZEN, target=Decimal("NaN")),)}, "more than zero"),
        ({"goals": (replace(A_DOZEN, due=date(2026, 9, 1)),)}, "2026-09-01 does not lie within"),
        ({"goals": (replace(A_DOZEN, due=date(2026, 3, 1)),)}, "2026-03-01 does not lie within"),
        ({"channels": (PHONE,)}, "two channels"),
        ({"channels": (PHONE, Code("Telephone"))}, "two channels"),
        ({"channels": (PHONE, FAIR, PHONE)}, "each once"),
        ({"segment_ids": ()}, "the segments"),
        ({"segment_ids": (BAKERIES, BAKERIES)}, "each once"),
        ({"segment_ids": (BAKERIES, HOTELS)}, "segment-hotels is no target"),
        ({"ends": BEGINS}, "ends after it begins"),
    ],
)
def test_3_1_2_a_a_plan_has_goals_that_can_be_measured_and_aims_where_research_points(
    otherwise: dict[str, Any], why: str
) -> None:
    said = {**SAID, "research": GOOD, **otherwise}
    given(DevelopmentPlan).when(DevelopmentPlan.draft, AUTHOR, **said).then_refused(why)
    given(DevelopmentPlan, drafted).when(DevelopmentPlan.redraft, AUTHOR, **said).then_refused(why)


def test_only_a_draft_is_submitted() -> None:
    given(DevelopmentPlan, drafted).when(DevelopmentPlan.submit).then(submitted)
    for history in ((), TO_SUBMITTED, (*TO_SUBMITTED, returned), TO_APPROVED, (*TO_APPROVED, evaluated)):
        given(DevelopmentPlan, *history).when(DevelopmentPlan.submit).then_refused("Only a draft")


def test_3_1_2_a_the_manager_approves_the_plan() -> None:
    given(DevelopmentPlan, *TO_SUBMITTED).when(DevelopmentPlan.approve, MANAGER, MONDAY, GOOD, A_YEAR).then(approved)


def test_a_power_of_the_manager_is_used_by_two() -> None:
    for_li = replace(LEAD, roles=LEAD.roles | {Role.MANAGER}, delegation=FOR_LI)
    given(DevelopmentPlan, *TO_SUBMITTED).when(DevelopmentPlan.approve, for_li, MONDAY, GOOD, A_YEAR).then(
        DevelopmentPlanApproved(approvers=(BORIS, LI))
    )


@pytest.mark.parametrize(
    "approver",
    [
        replace(MANAGER, id=ANNA),  # who may be acting
        replace(MANAGER, delegation=FOR_ANNA),
        replace(MANAGER, id=ANNA, delegation=FOR_LI),
    ],
)
def test_3_1_2_a_no_author_approves_neither_acting_nor_through_somebody(approver: Actor) -> None:
    given(DevelopmentPlan, *TO_SUBMITTED).when(DevelopmentPlan.approve, approver, MONDAY, GOOD, A_YEAR).then_refused(
        "had a hand in"
    )


@pytest.mark.parametrize(
    "before",
    [
        (replace(drafted, authors=(LI,)), submitted, returned),
        (replace(drafted, authors=(BORIS, LI)), submitted, returned),
        (*TO_APPROVED, replace(adjusted, authors=(LI,))),
    ],
)
def test_a_hand_in_an_earlier_version_is_one_in_the_plan(before: tuple[DevelopmentPlanEvent, ...]) -> None:
    given(DevelopmentPlan, *before, *TO_SUBMITTED).when(
        DevelopmentPlan.approve, MANAGER, MONDAY, GOOD, A_YEAR
    ).then_refused("had a hand in")


@pytest.mark.parametrize("author", [replace(LEAD, id=LI), replace(LEAD, delegation=FOR_LI)])
def test_whoever_approved_a_version_writes_in_none(author: Actor) -> None:
    approved_once = given(DevelopmentPlan, *TO_APPROVED)
    approved_once.when(DevelopmentPlan.redraft, author, **SAID, research=GOOD).then_refused("approved an earlier")
    approved_once.when(DevelopmentPlan.adjust_strategy, author, WORDS, WORDS).then_refused("approved an earlier")
    given(DevelopmentPlan, *TO_APPROVED, drafted).when(
        DevelopmentPlan.redraft, author, **SAID, research=GOOD
    ).then_refused("approved an earlier")


@pytest.mark.parametrize(
    ("published_at", "why"),
    [
        (None, "not published"),
        (MONDAY + timedelta(seconds=1), "not published"),
        (datetime(2025, 3, 2, 8, 59, 59, tzinfo=MONDAY.tzinfo), "older than 12 months"),
    ],
)
def test_3_1_1_b_only_published_research_of_late_carries_a_plan(published_at: datetime | None, why: str) -> None:
    research = replace(GOOD, published_at=published_at)
    given(DevelopmentPlan, *TO_SUBMITTED).when(DevelopmentPlan.approve, MANAGER, MONDAY, research, A_YEAR).then_refused(
        why
    )


def test_research_is_good_to_the_last_instant_of_its_time() -> None:
    oldest = replace(GOOD, published_at=datetime(2025, 3, 2, 9, tzinfo=MONDAY.tzinfo))
    given(DevelopmentPlan, *TO_SUBMITTED).when(DevelopmentPlan.approve, MANAGER, MONDAY, oldest, A_YEAR).then(approved)


@pytest.mark.parametrize("history", [(), (drafted,), TO_APPROVED, (*TO_SUBMITTED, returned)])
def test_only_what_was_submitted_is_decided(history: tuple[DevelopmentPlanEvent, ...]) -> None:
    plan = given(DevelopmentPlan, *history)
    plan.when(DevelopmentPlan.approve, MANAGER, MONDAY, GOOD, A_YEAR).then_refused("Only a plan that was submitted")
    plan.when(DevelopmentPlan.send_back, WORDS).then_refused("Only a plan that was submitted")


def test_a_plan_that_is_sent_back_is_written_anew() -> None:
    given(DevelopmentPlan, *TO_SUBMITTED).when(DevelopmentPlan.send_back, WORDS).then(returned)
    given(DevelopmentPlan, *TO_SUBMITTED, returned).when(DevelopmentPlan.redraft, AUTHOR, **SAID, research=GOOD).then(
        drafted
    )


def test_another_version_has_to_be_approved_anew() -> None:
    given(DevelopmentPlan, *TO_APPROVED).when(DevelopmentPlan.redraft, AUTHOR, **SAID, research=GOOD).then(drafted)
    given(DevelopmentPlan, *TO_APPROVED, drafted).when(DevelopmentPlan.evaluate, WORDS).then_refused("Only an approved")


@pytest.mark.parametrize("history", [TO_SUBMITTED, (*TO_APPROVED, evaluated)])
def test_what_lies_before_the_manager_or_is_closed_stays_as_it_is(history: tuple[DevelopmentPlanEvent, ...]) -> None:
    given(DevelopmentPlan, *history).when(DevelopmentPlan.redraft, AUTHOR, **SAID, research=GOOD).then_refused(
        "cannot be written anew"
    )


def test_the_strategy_of_an_approved_plan_is_adjusted_and_its_result_told() -> None:
    running = given(DevelopmentPlan, *TO_APPROVED)
    running.when(DevelopmentPlan.adjust_strategy, LEAD, WORDS, WORDS).then(adjusted)
    anew = given(DevelopmentPlan, *TO_APPROVED, adjusted)
    anew.when(DevelopmentPlan.approve, MANAGER, MONDAY, GOOD, A_YEAR).then(approved)
    anew.when(DevelopmentPlan.evaluate, WORDS).then_refused("Only an approved plan")
    running.when(DevelopmentPlan.evaluate, WORDS).then(evaluated)
    for history in (TO_SUBMITTED, (*TO_APPROVED, evaluated)):
        other = given(DevelopmentPlan, *history)
        other.when(DevelopmentPlan.adjust_strategy, LEAD, WORDS, WORDS).then_refused("of an approved plan")
        other.when(DevelopmentPlan.evaluate, WORDS).then_refused("Only an approved plan")


EVENTS: list[Event] = [drafted, submitted, approved, returned, adjusted, evaluated]


@whatever(history=st.lists(st.sampled_from(EVENTS), max_size=12))
def test_a_history_in_any_order_can_be_recalled(history: list[Event]) -> None:
    assert {type(event) for event in EVENTS} == set(get_args(DevelopmentPlanEvent))
    recall(DevelopmentPlan, history)
