"""What business development is told of its market, its plans and its campaigns, out of rows that histories made."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import psycopg
import pytest
from msgspec.structs import replace

from aggregates.business.campaign import CampaignEnded, CampaignStarted
from aggregates.business.development_plan import (
    DevelopmentPlanApproved,
    DevelopmentPlanDrafted,
    DevelopmentPlanEvaluated,
    DevelopmentPlanReturned,
    DevelopmentPlanSubmitted,
    Goal,
    Measure,
    Status,
    StrategyAdjusted,
)
from aggregates.business.research import ResearchOpened, ResearchPublished, SegmentAnalysed
from aggregates.business.segment import IntelligenceRecorded, Reliability, SegmentUnwatched, SegmentWatched
from aggregates.event import Event
from aggregates.facts import PlanStanding, PublishedResearch
from aggregates.ids import AnyId, ContractId, CustomerId, DevelopmentPlanId, OpportunityId, ResearchId, SegmentId
from aggregates.text import Code, Text
from infra.read_model.references import References
from infra.read_model.tables import Table
from projections import campaigns, plans, research, segments
from projections.campaigns import CampaignRow
from projections.customers import CustomerRow
from projections.opportunities import OpportunityRow
from projections.outreach import OutreachRow, TouchRow
from projections.plans import PlanRow
from projections.question import Database
from projections.reference import REFERENCE_EVENTS
from projections.research import ResearchRow
from projections.row import Row, View
from projections.rules import development
from projections.rules.duty import DutyRow
from projections.segments import IntelligenceRow, SegmentRow
from tests.projections.rules.cases import ANNA, LI, Happened, log_of, on

T = TypeVar("T")
BAKERIES, HOTELS = SegmentId("segment-bakeries"), SegmentId("segment-hotels")
RESEARCH, OTHER, PLAN = ResearchId("research-1"), ResearchId("research-2"), DevelopmentPlanId("plan-1")
WORDS, PHONE, FAIR, POST = Text("words"), Code("phone"), Code("fair"), Code("post")
SEALED = [Text(f"~s1T.AAAAAAAAAAA.finding.{secret}.{'x' * 22}") for secret in ("abc", "def")]
"""The same words, sealed twice: only what they are found by is the same."""

watched, unwatched = SegmentWatched(code=Code("bakeries"), name=Code("Bakeries")), SegmentUnwatched(reason=WORDS)
told = IntelligenceRecorded(
    number=Code("I-1"), topic=Code("prices"), source=FAIR, reliability=Reliability.B,
    observed_on=date(2026, 3, 1), finding=SEALED[0], competitor=Code("warmth-ltd"),
)  # fmt: skip
again = replace(told, number=Code("I-2"), observed_on=date(2026, 2, 20), finding=SEALED[1], competitor=None)
other = replace(told, number=Code("I-3"), observed_on=date(2026, 3, 3), finding=WORDS, topic=Code("law"))
analysed = SegmentAnalysed(segment_id=BAKERIES, pains=WORDS, fit=80, score=70, size=Decimal("900000.50"))
published = ResearchPublished(conclusions=WORDS, segment_ids=(BAKERIES,))
drafted = DevelopmentPlanDrafted(
    research_id=RESEARCH,
    goals=(
        Goal(measure=Measure.NEW_CUSTOMERS, target=Decimal(12), due=date(2026, 3, 10)),
        Goal(measure=Measure.AMOUNT, target=Decimal(5000), due=date(2026, 4, 1)),
    ),
    strategy=WORDS, channels=(PHONE, FAIR), segment_ids=(BAKERIES,), begins=date(2026, 3, 3), ends=date(2026, 4, 1),
    authors=(ANNA,),
)  # fmt: skip
submitted, approved = DevelopmentPlanSubmitted(), DevelopmentPlanApproved(approvers=(LI,))
returned, evaluated = DevelopmentPlanReturned(reason=WORDS), DevelopmentPlanEvaluated(result=WORDS)
adjusted = StrategyAdjusted(strategy=Text("other words"), grounds=WORDS, authors=(ANNA,))
started = CampaignStarted(plan_id=PLAN, name=Code("spring"), channels=(PHONE, POST))


def happened(stream_id: str, *events: tuple[Event, datetime]) -> list[Happened]:
    return [Happened(event, at, stream_id=stream_id) for event, at in events]


def folded(view: View[Any], key: str | tuple[str, ...], story: Iterable[Happened]) -> Row:
    """The row of a key after all that happened, with the reference data of each position."""
    log = log_of(*story)
    references = References(record for record in log if type(record.event) in REFERENCE_EVENTS)
    row: Row | None = None
    for record in log:
        fold = view.folds.get(type(record.event))
        if fold is not None and view.keys[type(record.event)](record) == key:
            row = fold(row, record, references.at(record.position))
    assert row is not None
    return row


@pytest.fixture
def rows(empty_database: str) -> Callable[..., str]:
    """Puts rows into the tables that the questions are asked of, and says where."""
    kinds: tuple[type[Row], ...] = (
        SegmentRow, IntelligenceRow, ResearchRow, PlanRow, CampaignRow, CustomerRow, OpportunityRow, OutreachRow,
        TouchRow, DutyRow,
    )  # fmt: skip

    def put(*given: Row) -> str:
        with psycopg.connect(empty_database) as db:
            for table in [Table(kind) for kind in kinds]:
                db.execute(table.create("public").encode())
                marks = ", ".join(["%s"] * len(table.fields))
                for row in given:
                    if type(row) is table.row:
                        db.execute(f"INSERT INTO {table.name} VALUES ({marks})".encode(), table.line(row))
        return empty_database

    return put


def answer(url: str, question: Callable[[Database], Awaitable[T]], at: datetime | None = None) -> T:
    async def ask() -> T:
        async with await psycopg.AsyncConnection.connect(url) as db:
            return await question(Database(db, at=at))

    return asyncio.run(ask())


def segment_of(*events: tuple[Event, datetime]) -> tuple[Row, Row]:
    """A segment and what is owed on it."""
    story = happened(BAKERIES, *events)
    return folded(segments.segments, BAKERIES, story), folded(development.WATCHED.view, (BAKERIES, "R-BD-1"), story)


LOOKED_AT = ((watched, on(1)), (told, on(3)), (again, on(5)))


def test_3_1_1_a_a_segment_says_how_fresh_what_is_known_of_it_is(rows: Callable[..., str]) -> None:
    url = rows(*segment_of(*LOOKED_AT))
    (fresh,) = answer(url, segments.freshness, on(20))
    assert (fresh.items, fresh.last_observed_on, fresh.last_recorded_at) == (2, date(2026, 3, 1), on(5))
    assert (fresh.fresh_until, fresh.stale) == (on(35), False)
    (stale,) = answer(url, lambda db: segments.freshness(db, stale=True), on(36))
    assert stale.stale
    assert answer(url, lambda db: segments.freshness(db, stale=True), on(20)) == []


def test_nothing_goes_stale_that_nobody_watches(rows: Callable[..., str]) -> None:
    url = rows(*segment_of(*LOOKED_AT, (unwatched, on(6))))
    (given_up,) = answer(url, lambda db: segments.freshness(db, watched=False), on(90))
    assert (given_up.watched_since, given_up.fresh_until, given_up.stale) == (None, None, False)
    assert answer(url, lambda db: segments.freshness(db, watched=True), on(90)) == []


def test_a_segment_taken_up_again_keeps_what_was_known() -> None:
    row, _ = segment_of(*LOOKED_AT, (unwatched, on(6)), (watched, on(8)))
    assert isinstance(row, SegmentRow)
    assert (row.watched_since, row.items) == (on(8), 2)


def test_2_2_3_d_intelligence_is_found_by_what_it_is_about_and_what_is_told_twice(rows: Callable[..., str]) -> None:
    story = happened(BAKERIES, (watched, on(1)), (told, on(3)), (again, on(5)), (other, on(6)))
    url = rows(*(folded(segments.items, (BAKERIES, number), story) for number in ("I-1", "I-2", "I-3")))

    def found(**asked: object) -> set[str]:
        return {str(i.number) for i in answer(url, lambda db: segments.intelligence(db, **asked))}  # type: ignore[arg-type]

    assert found() == found(segment_id=BAKERIES) == {"I-1", "I-2", "I-3"}
    assert found(repeated=True) == {"I-1", "I-2"}
    assert found(repeated=False) == {"I-3"}
    assert found(topic=Code("law")) == {"I-3"}
    assert found(competitor=Code("warmth-ltd")) == {"I-1", "I-3"}
    assert found(since=date(2026, 3, 1), until=date(2026, 3, 2)) == {"I-1"}
    assert found(source=PHONE) == found(segment_id=HOTELS) == set()


def researched(*more: tuple[Event, datetime]) -> Row:
    opened = ResearchOpened(topic=Code("boilers"))
    return folded(research.research, RESEARCH, happened(RESEARCH, (opened, on(1)), (analysed, on(2)), *more))


def test_3_1_1_b_segments_are_scored_and_some_are_targets(rows: Callable[..., str]) -> None:
    hotels = replace(analysed, segment_id=HOTELS, score=20, size=None)
    url = rows(researched((hotels, on(2, 10)), (published, on(3))))
    one, two = sorted(answer(url, research.scores), key=lambda score: score.segment_id)
    assert (one.segment_id, one.score, one.fit, one.size, one.target) == (BAKERIES, 70, 80, Decimal("900000.5"), True)
    assert (two.segment_id, two.score, two.size, two.target) == (HOTELS, 20, None, False)
    assert (one.analysed_at, one.published_at) == (on(2), on(3))
    assert [s.segment_id for s in answer(url, lambda db: research.scores(db, target=True))] == [BAKERIES]


def test_research_is_cited_once_it_is_published(rows: Callable[..., str]) -> None:
    hotels = replace(analysed, segment_id=HOTELS)
    again = replace(published, segment_ids=(HOTELS,))
    url = rows(researched((published, on(3)), (hotels, on(4)), (again, on(5))))
    fact = answer(url, lambda db: research.published_research(db, RESEARCH))
    assert fact == PublishedResearch(research_id=RESEARCH, published_at=on(5), segment_ids=(HOTELS,))
    (row,) = answer(url, lambda db: research.on_record(db, published=True))
    assert row.version == 2
    assert answer(url, lambda db: research.on_record(db, published=False)) == []
    nothing = answer(url, lambda db: research.published_research(db, OTHER))
    assert nothing == PublishedResearch(research_id=OTHER)


def test_research_that_is_under_way_is_not_published(rows: Callable[..., str]) -> None:
    fact = answer(rows(researched()), lambda db: research.published_research(db, RESEARCH))
    assert (fact.published_at, fact.segment_ids) == (None, ())


def planned(*events: Event) -> tuple[Row, ...]:
    """A plan and what is owed on it; one event a day from the second on."""
    story = happened(PLAN, *((event, on(day)) for day, event in enumerate(events, start=2)))
    duty = folded(development.DECIDED.view, (PLAN, "R-BD-3.1"), story) if submitted in events else None
    return tuple(row for row in (folded(plans.plans, PLAN, story), duty) if row is not None)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ((drafted,), False),
        ((drafted, submitted), False),
        ((drafted, submitted, returned), False),
        ((drafted, submitted, approved), True),
        ((drafted, submitted, approved, adjusted), False),
        ((drafted, submitted, approved, adjusted, approved), True),
        ((drafted, submitted, approved, drafted), False),
        ((drafted, submitted, approved, evaluated), False),
    ],
)
def test_2_2_1_c_only_a_plan_that_the_manager_has_approved_is_worked_by(
    rows: Callable[..., str], events: tuple[Event, ...], expected: bool
) -> None:
    url = rows(*planned(*events))
    standing = answer(url, lambda db: plans.plan_standing(db, PLAN))
    assert standing == PlanStanding(
        plan_id=PLAN, approved=expected, begins_at=on(3, 0), ends_at=on(33, 0), channels=(PHONE, FAIR)
    )
    nothing = DevelopmentPlanId("plan-2")
    assert answer(url, lambda db: plans.plan_standing(db, nothing)) == PlanStanding(plan_id=nothing)


def test_a_plan_says_what_has_become_of_it(rows: Callable[..., str]) -> None:
    url = rows(*planned(drafted, submitted, returned, drafted, submitted, approved, adjusted, approved, evaluated))
    (row,) = answer(url, lambda db: plans.on_record(db, status=Status.EVALUATED, research_id=RESEARCH))
    assert (row.version, row.approved_by_id, row.decided_at) == (2, LI, on(9))
    assert (row.strategy, row.result) == (Text("other words"), WORDS)
    assert answer(url, lambda db: plans.on_record(db, status=Status.DRAFTED)) == []


def test_3_1_2_a_a_plan_before_the_manager_says_how_long_it_has_waited(rows: Callable[..., str]) -> None:
    url = rows(*planned(drafted, submitted))  # on Tuesday at nine: until Thursday evening
    (waiting,) = answer(url, plans.gate, on(4, 21))
    assert (waiting.authors, waiting.submitted_at, waiting.waiting_days) == ((ANNA,), on(3), 1.5)
    assert (waiting.due_at, waiting.late) == (on(5, 18), False)
    assert answer(url, lambda db: plans.gate(db, late=True), on(5, 18)) == []
    (late,) = answer(url, lambda db: plans.gate(db, late=True), on(5, 18, 1))
    assert late.late


def test_a_plan_that_is_decided_waits_no_longer(rows: Callable[..., str]) -> None:
    assert answer(rows(*planned(drafted, submitted, approved)), plans.gate, on(9)) == []


def customer(number: int, at: datetime, segment: str | None) -> Row:
    return CustomerRow(
        customer_id=CustomerId(f"customer-{number}"),
        name=WORDS,
        registered_at=at,
        source=FAIR,
        segment=None if segment is None else Code(segment),
    )


def test_3_1_2_a_how_far_a_goal_is_is_counted_from_what_happened(rows: Callable[..., str]) -> None:
    first, last = on(3, 0), on(10, 23, 59)  # of the company's days, not of Greenwich's
    url = rows(
        *planned(drafted),
        customer(1, first, "bakeries"),
        customer(2, last, "bakeries"),
        customer(3, first - timedelta(seconds=1), "bakeries"),
        customer(4, on(11, 0), "bakeries"),
        customer(5, on(5), "hotels"),
        customer(6, on(5), None),
        replace(customer(7, on(5), "bakeries"), merged_into=CustomerId("customer-1")),
        customer(8, on(5), "bakeries"),
        replace(customer(9, first - timedelta(days=1), "bakeries"), merged_into=CustomerId("customer-8")),
    )
    of_customers, of_money = sorted(answer(url, plans.goals), key=lambda goal: goal.number)
    assert (of_customers.measure, of_customers.target, of_customers.reached) == (
        Measure.NEW_CUSTOMERS,
        Decimal(12),
        Decimal(2),
    )
    assert (of_money.measure, of_money.due, of_money.reached) == (
        Measure.AMOUNT,
        date(2026, 4, 1),
        Decimal(0),
    )
    assert [g.number for g in answer(url, lambda db: plans.goals(db, plan_id=PLAN, measure=Measure.AMOUNT))] == [2]


def test_3_1_2_b_the_channels_that_were_planned_stand_beside_those_used(rows: Callable[..., str]) -> None:
    story = happened("campaign-1", (started, on(4)), (CampaignEnded(result=WORDS), on(9)))
    row = folded(campaigns.campaigns, "campaign-1", story)
    second = folded(campaigns.campaigns, "campaign-2", happened("campaign-2", (started, on(5))))
    url = rows(*planned(drafted, submitted, approved), row, second)
    used = {(str(use.channel), use.planned, use.campaigns) for use in answer(url, campaigns.channels)}
    assert used == {("phone", True, 2), ("fair", True, 0), ("post", False, 2)}
    unused = answer(url, lambda db: campaigns.channels(db, plan_id=PLAN, used=False))
    assert [use.channel for use in unused] == [FAIR]
    (running,) = answer(url, lambda db: campaigns.on_record(db, plan_id=PLAN, running=True))
    (ended,) = answer(url, lambda db: campaigns.on_record(db, running=False))
    assert (running.campaign_id, running.ended_at) == ("campaign-2", None)
    assert (ended.campaign_id, ended.ended_at, ended.result) == ("campaign-1", on(9), WORDS)


def test_3_1_2_b_what_each_channel_of_a_plan_yields_is_counted_from_contacts(rows: Callable[..., str]) -> None:
    def approached(number: int, channel: Code, campaign: str, **outcomes: int) -> Row:
        return OutreachRow(
            customer_id=CustomerId(f"customer-{number}"),
            channel=channel,
            campaign=campaign,
            contacts=sum(outcomes.values()),
            outcomes={Code(outcome): times for outcome, times in outcomes.items()},
        )

    url = rows(
        *planned(drafted, submitted, approved),
        folded(campaigns.campaigns, "campaign-1", happened("campaign-1", (started, on(4)))),
        approached(1, PHONE, "campaign-1", interested=1, silent=2),
        approached(2, PHONE, "campaign-1", silent=1),
        approached(2, FAIR, "campaign-1", interested=1),
        approached(3, PHONE, "", interested=5),
    )
    by_channel = {use.channel: use for use in answer(url, campaigns.channels)}
    assert by_channel.keys() == {PHONE, FAIR, POST}
    assert (by_channel[PHONE].campaigns, by_channel[PHONE].contacts, by_channel[PHONE].customers) == (1, 4, 2)
    assert by_channel[PHONE].outcomes == {"interested": 1, "silent": 3}
    assert (by_channel[FAIR].campaigns, by_channel[FAIR].contacts) == (0, 1)
    assert (by_channel[POST].contacts, by_channel[POST].customers, by_channel[POST].outcomes) == (0, 0, {})
    unused = answer(url, lambda db: campaigns.channels(db, used=False))
    assert unused == []


def test_2_2_3_a_opportunities_and_what_they_come_to_count_for_the_plans_segments(rows: Callable[..., str]) -> None:
    def opportunity(number: int, at: datetime, closed_on: date | None, whose: int = 1, *, signed: bool = True) -> Row:
        return OpportunityRow(
            opportunity_id=OpportunityId(f"opportunity-{number}"),
            identified_at=at,
            stage_since=at,
            customer_id=CustomerId(f"customer-{whose}"),
            closed_on=closed_on,
            won_value=None if closed_on is None else Decimal(100),
            contract_id=ContractId(f"contract-{number}") if closed_on is not None and signed else None,
        )

    def touch(number: int, at: datetime, whose: int = 1) -> Row:
        return TouchRow(
            customer_id=CustomerId(f"customer-{whose}"),
            position=Code(str(number)),
            number=number,
            at=at,
            by_id=AnyId(ANNA),
            channel=PHONE,
            outcome=Code("interested"),
            next_step=None,
            campaign_id=None,
        )

    measures = (Measure.OPPORTUNITIES, Measure.CONTRACTS, Measure.AMOUNT, Measure.CONTACTS)
    goals = tuple(Goal(measure=measure, target=Decimal(9), due=date(2026, 3, 10)) for measure in measures)
    url = rows(
        *planned(replace(drafted, goals=goals)),
        customer(1, on(1), "bakeries"),
        customer(2, on(1), "hotels"),
        opportunity(1, on(3, 0), date(2026, 3, 3)),
        opportunity(2, on(10, 23), date(2026, 3, 10)),
        opportunity(3, on(2), date(2026, 3, 2)),
        opportunity(4, on(11), date(2026, 3, 11)),
        opportunity(5, on(5), None),
        opportunity(6, on(5), date(2026, 3, 6), signed=False),
        opportunity(7, on(5), date(2026, 3, 6), whose=2),
        *(touch(number, at) for number, at in enumerate((on(3, 0), on(10, 23, 59), on(2), on(11, 0)))),
        touch(5, on(5), whose=2),
    )
    reached = {goal.measure: goal.reached for goal in answer(url, plans.goals)}
    assert reached == {
        Measure.OPPORTUNITIES: Decimal(4),
        Measure.CONTRACTS: Decimal(2),
        Measure.AMOUNT: Decimal(200),
        Measure.CONTACTS: Decimal(2),
    }
