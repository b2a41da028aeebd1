"""Which plans for winning customers are there, who decides on them, and how far are their goals?"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import LiteralString

from msgspec.structs import replace

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
from aggregates.event import Recorded
from aggregates.facts import PlanStanding
from aggregates.ids import DevelopmentPlanId, EmployeeId, ResearchId, SegmentId
from aggregates.readers import BUSINESS_TEAM
from aggregates.text import Code, Text
from aggregates.value import Value
from projections.fact import fact
from projections.question import Database, matching, question, select, select_one
from projections.reference import Reference
from projections.row import Row, View, its_stream


class Due(Value):
    """A goal, and the instant at which its day is over where the company is."""

    goal: Goal
    until: datetime


class PlanRow(Row):
    """`version` counts the drafts; `begins_at` is the first instant of the plan where the company is, `ends_at` the
    first after it."""

    plan_id: DevelopmentPlanId
    status: Status
    version: int
    research_id: ResearchId
    goals: tuple[Due, ...]
    strategy: Text
    channels: tuple[Code, ...]
    segment_ids: tuple[SegmentId, ...]
    begins: date
    ends: date
    begins_at: datetime
    ends_at: datetime
    authors: tuple[EmployeeId, ...]
    submitted_at: datetime | None = None
    decided_at: datetime | None = None
    approved_by_id: EmployeeId | None = None
    returned_because: Text | None = None
    result: Text | None = None


def drafted(row: PlanRow | None, record: Recorded[DevelopmentPlanDrafted], reference: Reference) -> PlanRow:
    event = record.event
    return PlanRow(
        plan_id=DevelopmentPlanId(record.stream_id),
        status=Status.DRAFTED,
        version=1 if row is None else row.version + 1,
        research_id=event.research_id,
        goals=tuple(Due(goal=goal, until=reference.end_of(goal.due)) for goal in event.goals),
        strategy=event.strategy,
        channels=event.channels,
        segment_ids=event.segment_ids,
        begins=event.begins,
        ends=event.ends,
        begins_at=reference.begin_of(event.begins),
        ends_at=reference.end_of(event.ends),
        authors=event.authors,
    )


def submitted(row: PlanRow, record: Recorded[DevelopmentPlanSubmitted]) -> PlanRow:
    return replace(row, status=Status.SUBMITTED, submitted_at=record.effective_at)


def approved(row: PlanRow, record: Recorded[DevelopmentPlanApproved]) -> PlanRow:
    who = record.event.approvers
    return replace(row, status=Status.APPROVED, decided_at=record.effective_at, approved_by_id=who[0] if who else None)


def returned(row: PlanRow, record: Recorded[DevelopmentPlanReturned]) -> PlanRow:
    return replace(row, status=Status.RETURNED, decided_at=record.effective_at, returned_because=record.event.reason)


def adjusted(row: PlanRow, record: Recorded[StrategyAdjusted]) -> PlanRow:
    return replace(row, strategy=record.event.strategy, status=Status.SUBMITTED, submitted_at=record.effective_at)


def evaluated(row: PlanRow, record: Recorded[DevelopmentPlanEvaluated]) -> PlanRow:
    return replace(row, status=Status.EVALUATED, result=record.event.result)


plans = View(PlanRow, drafted, submitted, approved, returned, adjusted, evaluated, key=its_stream(DevelopmentPlanId))


@fact(plans)
async def plan_standing(db: Database, plan_id: DevelopmentPlanId) -> PlanStanding:
    """Not approved while nobody has said so of its latest version, nor once it is closed."""
    row = await one(db, plan_id)
    if row is None:
        return PlanStanding(plan_id=plan_id)
    return PlanStanding(
        plan_id=plan_id,
        approved=row.status is Status.APPROVED,
        begins_at=row.begins_at,
        ends_at=row.ends_at,
        channels=row.channels,
    )


@question(path="plans", readers=BUSINESS_TEAM, order=("begins", "plan_id"))
async def on_record(db: Database, status: Status | None = None, research_id: ResearchId | None = None) -> list[PlanRow]:
    """All development plans, those that are so far, or those that cite a piece of research."""
    where, values = matching({"status = %s": status and status.value, "research_id = %s": research_id})
    return await select(db, PlanRow, f"SELECT * FROM plan_row WHERE {where}", *values)


@question(path="plans/{plan_id}", readers=BUSINESS_TEAM, one_of=plans)
async def one(db: Database, plan_id: DevelopmentPlanId) -> PlanRow | None:
    """One development plan."""
    return await select_one(db, PlanRow, "SELECT * FROM plan_row WHERE plan_id = %s", plan_id)


class Waiting(Value):
    """A plan that waits for the manager's decision: for how long, and until when it may."""

    plan_id: DevelopmentPlanId
    version: int
    authors: tuple[EmployeeId, ...]
    submitted_at: datetime
    waiting_days: float
    due_at: datetime | None
    late: bool


@question(path="plans/gate", readers=BUSINESS_TEAM, order=("submitted_at", "plan_id"), tables=("plan_row", "duty_row"))
async def gate(db: Database, late: bool | None = None) -> list[Waiting]:
    """The plans that wait for the manager, the oldest first."""
    where, values = matching({"late = %s": late})
    query = f"""
        SELECT * FROM (
            SELECT plan_id, p.version, authors, submitted_at, due_at, coalesce(due_at < %s, false) AS late,
                extract(epoch FROM %s - submitted_at)::double precision / 86400 AS waiting_days
            FROM plan_row p LEFT JOIN duty_row ON rule = 'R-BD-3.1' AND case_id = plan_id
            WHERE p.status = 'submitted') q
        WHERE {where}"""
    return await select(db, Waiting, query, db.moment, db.moment, *values)


WON: LiteralString = """
    FROM opportunity_row o JOIN customer_row c USING (customer_id)
    WHERE jsonb_exists(p.segment_ids, 'segment-' || c.segment) AND o.contract_id IS NOT NULL
      AND o.closed_on BETWEEN p.begins AND (g -> 'goal' ->> 'due')::date"""

REACHED: LiteralString = f"""
    CASE g -> 'goal' ->> 'measure'
        WHEN 'new customers' THEN (
            SELECT count(*) FROM customer_row c
            WHERE jsonb_exists(p.segment_ids, 'segment-' || c.segment) AND c.merged_into IS NULL AND NOT EXISTS (
                SELECT FROM customer_row m WHERE m.merged_into = c.customer_id AND m.registered_at < p.begins_at)
              AND c.registered_at >= p.begins_at AND c.registered_at < (g ->> 'until')::timestamptz)
        WHEN 'contacts' THEN (
            SELECT count(*) FROM touch_row t JOIN customer_row c USING (customer_id)
            WHERE jsonb_exists(p.segment_ids, 'segment-' || c.segment)
              AND t.at >= p.begins_at AND t.at < (g ->> 'until')::timestamptz)
        WHEN 'opportunities' THEN (
            SELECT count(*) FROM opportunity_row o JOIN customer_row c USING (customer_id)
            WHERE jsonb_exists(p.segment_ids, 'segment-' || c.segment)
              AND o.identified_at >= p.begins_at AND o.identified_at < (g ->> 'until')::timestamptz)
        WHEN 'contracts' THEN (SELECT count(*) {WON})
        WHEN 'amount' THEN (SELECT coalesce(sum(o.won_value), 0) {WON})
    END"""
"""What a goal counts among the customers of the plan's segments, from the plan's first day to the goal's last; a file
that turned out to be of a customer whom we had is no new one."""


class GoalProgress(Value):
    """How far a goal is."""

    plan_id: DevelopmentPlanId
    status: Status
    number: int
    measure: Measure
    target: Decimal
    due: date
    reached: Decimal


@question(
    path="plans/goals",
    readers=BUSINESS_TEAM,
    order=("plan_id", "number"),
    tables=("plan_row", "customer_row", "opportunity_row", "touch_row"),
)
async def goals(
    db: Database, plan_id: DevelopmentPlanId | None = None, measure: Measure | None = None
) -> list[GoalProgress]:
    """How far each goal is, counted from what has happened from the plan's first day to the goal's last."""
    where, values = matching({"plan_id = %s": plan_id, "measure = %s": measure and measure.value})
    query = f"""
        SELECT * FROM (
            SELECT plan_id, status, number::int AS number, g -> 'goal' ->> 'measure' AS measure,
                (g -> 'goal' ->> 'target')::numeric AS target, (g -> 'goal' ->> 'due')::date AS due,
                {REACHED} AS reached
            FROM plan_row p, jsonb_array_elements(goals) WITH ORDINALITY AS of_plan (g, number)) q
        WHERE {where}"""
    return await select(db, GoalProgress, query, *values)
