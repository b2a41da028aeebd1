"""A plan for winning customers: goals and strategy from published research, approved by the manager: 3.1.2, 2.2.1."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum, auto
from typing import Annotated, LiteralString, TypeAlias, assert_never

from msgspec.structs import replace

from aggregates.actor import Actor, Role
from aggregates.amounts import is_something
from aggregates.business.channel import channel_of
from aggregates.event import Event, command
from aggregates.facts import PublishedResearch, Setting, parameter
from aggregates.ids import EmployeeId, ResearchId, SegmentId
from aggregates.refused import Refused
from aggregates.term import months_after
from aggregates.text import Code, Text
from aggregates.value import Value

TEAM = (Role.BUSINESS_DEVELOPMENT, Role.BUSINESS_DEVELOPMENT_LEAD)


class Measure(StrEnum):
    """What a goal counts, so that anybody can see how far it is."""

    NEW_CUSTOMERS = "new customers"
    CONTACTS = "contacts"
    OPPORTUNITIES = "opportunities"
    CONTRACTS = "contracts"
    AMOUNT = "amount"


class Goal(Value):
    """So much of it by a day; an amount in the company's currency."""

    measure: Measure
    target: Decimal
    due: date


class DevelopmentPlanDrafted(Event):
    """`authors`: who wrote this version, and whose power was used."""

    research_id: ResearchId
    goals: tuple[Goal, ...]
    strategy: Text
    channels: tuple[Code, ...]
    segment_ids: tuple[SegmentId, ...]
    begins: date
    ends: date
    authors: tuple[EmployeeId, ...]


class DevelopmentPlanSubmitted(Event):
    pass


class DevelopmentPlanApproved(Event):
    approvers: tuple[EmployeeId, ...]


class DevelopmentPlanReturned(Event):
    reason: Text


class StrategyAdjusted(Event):
    strategy: Text
    grounds: Text
    authors: tuple[EmployeeId, ...]


class DevelopmentPlanEvaluated(Event):
    result: Text


DevelopmentPlanEvent: TypeAlias = (
    DevelopmentPlanDrafted
    | DevelopmentPlanSubmitted
    | DevelopmentPlanApproved
    | DevelopmentPlanReturned
    | StrategyAdjusted
    | DevelopmentPlanEvaluated
)


class Status(StrEnum):
    """How far a plan is."""

    BLANK = auto()
    DRAFTED = auto()
    SUBMITTED = auto()
    APPROVED = auto()
    RETURNED = auto()
    EVALUATED = auto()


class DevelopmentPlan(Value):
    """Nobody approves what they had a hand in, in this version or an earlier one."""

    status: Status = Status.BLANK
    research_id: ResearchId | None = None
    authors: frozenset[EmployeeId] = frozenset()
    approvers: frozenset[EmployeeId] = frozenset()

    @command(by=TEAM, clause="3.1.2-a", opens=True)
    def draft(
        self,
        by: Actor,
        research_id: ResearchId,
        goals: tuple[Goal, ...],
        strategy: Text,
        channels: tuple[Code, ...],
        segment_ids: tuple[SegmentId, ...],
        begins: date,
        ends: date,
        research: PublishedResearch,
    ) -> DevelopmentPlanDrafted:
        """Say by what research whom to win, how many by when, how, and through which channels."""
        self._require("This plan is drafted already.", Status.BLANK)
        drafted = DevelopmentPlanDrafted(
            research_id=research_id,
            goals=goals,
            strategy=strategy,
            channels=tuple(map(channel_of, channels)),
            segment_ids=segment_ids,
            begins=begins,
            ends=ends,
            authors=self._author(by),
        )
        _check(drafted, research)
        return drafted

    @command(by=TEAM, clause="3.1.2-a")
    def redraft(
        self,
        by: Actor,
        research_id: ResearchId,
        goals: tuple[Goal, ...],
        strategy: Text,
        channels: tuple[Code, ...],
        segment_ids: tuple[SegmentId, ...],
        begins: date,
        ends: date,
        research: PublishedResearch,
    ) -> DevelopmentPlanDrafted:
        """Write another version in place of the last; it has to be approved anew."""
        self._require(
            "The plan is with the manager, or closed: it cannot be written anew now.",
            Status.DRAFTED,
            Status.RETURNED,
            Status.APPROVED,
        )
        blank = DevelopmentPlan(approvers=self.approvers)
        return blank.draft(by, research_id, goals, strategy, channels, segment_ids, begins, ends, research)

    @command(by=TEAM, clause="3.1.2-a")
    def submit(self) -> DevelopmentPlanSubmitted:
        """Lay it before the manager."""
        self._require("Only a draft is submitted: write it anew first.", Status.DRAFTED)
        return DevelopmentPlanSubmitted()

    @command(by=(Role.MANAGER,), clause="3.1.2-a")
    def approve(
        self, by: Actor, at: datetime, research: PublishedResearch, age: Annotated[Setting, parameter("P-44")]
    ) -> DevelopmentPlanApproved:
        """Let it be worked by, if the research it cites is still good."""
        self._require("Only a plan that was submitted is approved.", Status.SUBMITTED)
        if any(map(by.speaks_for, self.authors)):
            raise Refused("Whoever had a hand in the plan cannot approve it.")
        published, months = research.published_at, int(age["limit"].amount)
        if published is None or published > at:
            raise Refused("The research that the plan cites is not published.")
        if at > months_after(published, months):
            raise Refused("The research that the plan cites is older than {months} months.", months=months)
        return DevelopmentPlanApproved(approvers=by.people)

    @command(by=(Role.MANAGER,), clause="3.1.2-a")
    def send_back(self, reason: Text) -> DevelopmentPlanReturned:
        """It has to be written anew; say why."""
        self._require("Only a plan that was submitted is sent back.", Status.SUBMITTED)
        return DevelopmentPlanReturned(reason=reason)

    @command(by=(Role.BUSINESS_DEVELOPMENT_LEAD,), clause="3.1.2-a")
    def adjust_strategy(self, by: Actor, strategy: Text, grounds: Text) -> StrategyAdjusted:
        """Reach the same goals, segments and channels in another way, if the manager approves the plan anew."""
        self._require("Only the strategy of an approved plan is adjusted.", Status.APPROVED)
        return StrategyAdjusted(strategy=strategy, grounds=grounds, authors=self._author(by))

    @command(by=(Role.BUSINESS_DEVELOPMENT_LEAD, Role.MANAGER), clause="3.1.2-a")
    def evaluate(self, result: Text) -> DevelopmentPlanEvaluated:
        """Say what has come of it; the plan is closed."""
        self._require("Only an approved plan is evaluated.", Status.APPROVED)
        return DevelopmentPlanEvaluated(result=result)

    def evolve(self, event: DevelopmentPlanEvent, /) -> DevelopmentPlan:
        match event:
            case DevelopmentPlanDrafted(research_id=research_id, authors=authors):
                return replace(
                    self, status=Status.DRAFTED, research_id=research_id, authors=self.authors | set(authors)
                )
            case DevelopmentPlanSubmitted():
                return replace(self, status=Status.SUBMITTED)
            case DevelopmentPlanApproved(approvers=approvers):
                return replace(self, status=Status.APPROVED, approvers=self.approvers | set(approvers))
            case DevelopmentPlanReturned():
                return replace(self, status=Status.RETURNED)
            case StrategyAdjusted(authors=authors):
                return replace(self, status=Status.SUBMITTED, authors=self.authors | set(authors))
            case DevelopmentPlanEvaluated():
                return replace(self, status=Status.EVALUATED)
            case _:
                assert_never(event)

    def _author(self, by: Actor) -> tuple[EmployeeId, ...]:
        if any(map(by.speaks_for, self.approvers)):
            raise Refused("Whoever approved an earlier version of the plan cannot write in it.")
        return by.people

    def _require(self, otherwise: LiteralString, *allowed: Status) -> None:
        if self.status not in allowed:
            raise Refused(otherwise)


def _check(plan: DevelopmentPlanDrafted, research: PublishedResearch) -> None:
    if research.published_at is None:
        raise Refused("Cite research that is published.")
    if plan.begins >= plan.ends:
        raise Refused("A plan ends after it begins.")
    if not plan.goals:
        raise Refused("Set at least one goal.")
    for goal in plan.goals:
        if not is_something(goal.target):
            raise Refused("A goal is more than zero.")
        if not plan.begins <= goal.due <= plan.ends:
            raise Refused("{day} does not lie within the plan.", day=goal.due)
    if len(plan.channels) < 2 or _twice(plan.channels):
        raise Refused("Plan two channels or more, each once.")
    if not plan.segment_ids or _twice(plan.segment_ids):
        raise Refused("Name the segments that the plan aims at, each once.")
    for segment_id in plan.segment_ids:
        if segment_id not in research.segment_ids:
            raise Refused("{segment} is no target of the research cited.", segment=segment_id)


def _twice(values: Iterable[str]) -> bool:
    values = tuple(values)
    return len(set(values)) < len(values)
