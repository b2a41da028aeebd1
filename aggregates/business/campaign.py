"""A campaign, which carries a part of an approved plan to people: regulation 3.1.2."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum, auto
from typing import TypeAlias, assert_never

from msgspec.structs import replace

from aggregates.actor import Role
from aggregates.business.channel import channel_of
from aggregates.event import Event, command
from aggregates.facts import PlanStanding
from aggregates.ids import DevelopmentPlanId
from aggregates.refused import Refused
from aggregates.text import Code, Text
from aggregates.value import Value

TEAM = (Role.BUSINESS_DEVELOPMENT, Role.BUSINESS_DEVELOPMENT_LEAD)


class CampaignStarted(Event):
    plan_id: DevelopmentPlanId
    name: Code
    channels: tuple[Code, ...]


class CampaignEnded(Event):
    result: Text


CampaignEvent: TypeAlias = CampaignStarted | CampaignEnded


class Status(StrEnum):
    """How far a campaign is."""

    BLANK = auto()
    STARTED = auto()
    ENDED = auto()


class Campaign(Value):
    """It goes no other ways than those that the plan allows, and at no other time."""

    status: Status = Status.BLANK

    @command(by=TEAM, clause="3.1.2-b", opens=True)
    def start(
        self, at: datetime, plan_id: DevelopmentPlanId, name: Code, channels: tuple[Code, ...], plan: PlanStanding
    ) -> CampaignStarted:
        """Begin to reach people under a plan, through some of its channels."""
        if self.status is not Status.BLANK:
            raise Refused("This campaign has started already.")
        if not plan.approved:
            raise Refused("Only under an approved plan may a campaign start.")
        if plan.begins_at is None or plan.ends_at is None or not plan.begins_at <= at < plan.ends_at:
            raise Refused("The plan does not run at this time: choose one that does, or have its dates changed.")
        if not channels:
            raise Refused("Name at least one channel.")
        planned = {channel_of(channel): channel for channel in plan.channels}
        used = tuple(dict.fromkeys(map(channel_of, channels)))
        for channel in used:
            if channel not in planned:
                raise Refused("{channel} is no channel of the plan.", channel=channel)
        # as the plan has it: what was planned of old may be written otherwise
        return CampaignStarted(plan_id=plan_id, name=name, channels=tuple(planned[channel] for channel in used))

    @command(by=TEAM, clause="3.1.2-b")
    def end(self, result: Text) -> CampaignEnded:
        """Say what it has brought."""
        if self.status is not Status.STARTED:
            raise Refused("This campaign is not running.")
        return CampaignEnded(result=result)

    def evolve(self, event: CampaignEvent, /) -> Campaign:
        match event:
            case CampaignStarted():
                return replace(self, status=Status.STARTED)
            case CampaignEnded():
                return replace(self, status=Status.ENDED)
            case _:
                assert_never(event)
