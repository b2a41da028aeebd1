"""A campaign runs under an approved plan, through the plan's channels."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from aggregates.business.campaign import Campaign, CampaignEnded, CampaignStarted
from aggregates.facts import PlanStanding
from aggregates.ids import DevelopmentPlanId
from aggregates.text import Code, Text
from tests.given import given

PLAN, SPRING, WORDS = DevelopmentPlanId("plan-1"), Code("spring"), Text("Two answered")
PHONE, FAIR, POST = Code("phone"), Code("fair"), Code("post")
BEGIN, MAY, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 9, 1, tzinfo=UTC)
APPROVED = PlanStanding(plan_id=PLAN, approved=True, begins_at=BEGIN, ends_at=END, channels=(PHONE, FAIR))
NOT_APPROVED = replace(APPROVED, approved=False)

started = CampaignStarted(plan_id=PLAN, name=SPRING, channels=(PHONE,))
ended = CampaignEnded(result=WORDS)


def test_3_1_2_b_a_campaign_starts_under_an_approved_plan() -> None:
    given(Campaign).when(Campaign.start, MAY, PLAN, SPRING, (PHONE, Code("电话")), APPROVED).then(started)
    given(Campaign).when(Campaign.start, MAY, PLAN, SPRING, (PHONE,), NOT_APPROVED).then_refused(
        "Only under an approved"
    )


def test_3_1_2_b_a_campaign_goes_the_ways_that_were_planned() -> None:
    given(Campaign).when(Campaign.start, MAY, PLAN, SPRING, (PHONE, POST), APPROVED).then_refused("post is no channel")
    given(Campaign).when(Campaign.start, MAY, PLAN, SPRING, (), APPROVED).then_refused("at least one channel")


@pytest.mark.parametrize(
    ("at", "runs"),
    [(BEGIN - timedelta(seconds=1), False), (BEGIN, True), (END - timedelta(seconds=1), True), (END, False)],
)
def test_3_1_2_b_a_campaign_starts_while_its_plan_runs(at: datetime, runs: bool) -> None:
    attempt = given(Campaign).when(Campaign.start, at, PLAN, SPRING, (PHONE,), APPROVED)
    if runs:
        attempt.then(started)
    else:
        attempt.then_refused("does not run at this time")


def test_a_campaign_starts_and_ends_once() -> None:
    given(Campaign).when(Campaign.end, WORDS).then_refused("not running")
    given(Campaign, started).when(Campaign.start, MAY, PLAN, SPRING, (PHONE,), APPROVED).then_refused("started already")
    given(Campaign, started).when(Campaign.end, WORDS).then(ended)
    given(Campaign, started, ended).when(Campaign.end, WORDS).then_refused("not running")
