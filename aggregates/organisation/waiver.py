"""A waiver: for one case a rule does not hold until a day, asked for by one person and granted by another: 1.3.1."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from enum import StrEnum, auto
from typing import Annotated, TypeAlias, assert_never

from msgspec.structs import replace

from aggregates.actor import Actor, Role
from aggregates.event import Event, command
from aggregates.facts import Setting, parameter
from aggregates.ids import AnyId, EmployeeId
from aggregates.refused import Refused
from aggregates.text import Code, Text
from aggregates.value import Value


class WaiverRequested(Event):
    rule: Code
    case_id: AnyId
    expires_at: datetime
    grounds: Text
    requested_by_id: EmployeeId


class WaiverApproved(Event):
    rule: Code
    case_id: AnyId
    expires_at: datetime


class WaiverRejected(Event):
    grounds: Text


class WaiverRevoked(Event):
    rule: Code
    case_id: AnyId
    grounds: Text


WaiverEvent: TypeAlias = WaiverRequested | WaiverApproved | WaiverRejected | WaiverRevoked


class Status(StrEnum):
    """How far a waiver is."""

    BLANK = auto()
    REQUESTED = auto()
    APPROVED = auto()
    REJECTED = auto()
    REVOKED = auto()


class Waiver(Value):
    """Nobody grants what they asked for themselves, and nothing is waived without end."""

    status: Status = Status.BLANK
    asked: WaiverRequested | None = None

    @command(by=(Role.EMPLOYEE,), clause="1.3.1", opens=True)
    def request(
        self, by: Actor, at: datetime, rule: Code, case_id: AnyId, expires_at: datetime, grounds: Text
    ) -> WaiverRequested:
        """Ask that a rule need not be kept on a case until an instant, and say why."""
        if re.fullmatch(r"R-[A-Z]+-\d+(\.[a-z0-9-]+)*", rule) is None:
            raise Refused("A rule is numbered like R-CS-3.")
        if expires_at <= at:
            raise Refused("A waiver ends in the future: name when.")
        return WaiverRequested(
            rule=rule, case_id=case_id, expires_at=expires_at, grounds=grounds, requested_by_id=by.employee
        )

    @command(by=(Role.MANAGER,), clause="1.3.1")
    def approve(self, by: Actor, at: datetime, longest: Annotated[Setting, parameter("P-31")]) -> WaiverApproved:
        """Grant it; what was missed before stays missed."""
        asked = self._open_request()
        if by.speaks_for(asked.requested_by_id):
            raise Refused("Whoever asked for the waiver cannot grant it.")
        days = int(longest["limit"].amount)
        if asked.expires_at > at + timedelta(days=days):
            raise Refused("A waiver holds for {days} days at most: have it asked for anew.", days=days)
        return WaiverApproved(rule=asked.rule, case_id=asked.case_id, expires_at=asked.expires_at)

    @command(by=(Role.MANAGER,), clause="1.3.1")
    def reject(self, grounds: Text) -> WaiverRejected:
        """The rule has to be kept."""
        self._open_request()
        return WaiverRejected(grounds=grounds)

    @command(by=(Role.MANAGER,), clause="1.3.1")
    def revoke(self, grounds: Text) -> WaiverRevoked:
        """From now on the rule has to be kept again."""
        if self.status is not Status.APPROVED or self.asked is None:
            raise Refused("Only a waiver that was granted can be revoked.")
        return WaiverRevoked(rule=self.asked.rule, case_id=self.asked.case_id, grounds=grounds)

    def evolve(self, event: WaiverEvent, /) -> Waiver:
        match event:
            case WaiverRequested():
                return Waiver(status=Status.REQUESTED, asked=event)
            case WaiverApproved():
                return replace(self, status=Status.APPROVED)
            case WaiverRejected():
                return replace(self, status=Status.REJECTED)
            case WaiverRevoked():
                return replace(self, status=Status.REVOKED)
            case _:
                assert_never(event)

    def _open_request(self) -> WaiverRequested:
        if self.status is not Status.REQUESTED or self.asked is None:
            raise Refused("No request for a waiver is open here.")
        return self.asked
