"""A segment of the market that is watched, and what is found out about it: regulation 3.1.1, 2.2.3."""

from __future__ import annotations

import re
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, TypeAlias, assert_never

from msgspec.structs import replace

from aggregates.actor import Role
from aggregates.event import Event, command
from aggregates.refused import Refused
from aggregates.text import Code, Text, findable
from aggregates.value import Value

TEAM = (Role.BUSINESS_DEVELOPMENT, Role.BUSINESS_DEVELOPMENT_LEAD)

Finding: TypeAlias = Annotated[Text, findable("intelligence")]
"""The same finding reported twice is found by its index."""


class Reliability(StrEnum):
    """How far a source can be trusted, from A, completely, to E, not at all; of F nobody can say."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"
    F = "F"


class SegmentWatched(Event):
    code: Code
    name: Code


class SegmentUnwatched(Event):
    reason: Text


class IntelligenceRecorded(Event):
    """`confidential`: not to be told to anybody outside the team."""

    number: Code
    topic: Code
    source: Code
    reliability: Reliability
    observed_on: date
    finding: Finding
    competitor: Code | None = None
    confidential: bool = False


SegmentEvent: TypeAlias = SegmentWatched | SegmentUnwatched | IntelligenceRecorded


class Segment(Value):
    """While a segment is watched, somebody looks at it again and again."""

    code: Code = Code("")
    name: Code = Code("")
    watched: bool = False
    items: int = 0

    @command(by=TEAM, clause="3.1.1-a", opens=True)
    def watch(self, code: Code, name: Code) -> SegmentWatched:
        """Begin to watch a part of the market; customers of this segment carry its code."""
        if self.watched:
            raise Refused("This segment is watched already.")
        if re.fullmatch(r"[A-Za-z0-9._-]{1,180}", code) is None:
            raise Refused("The code of a segment consists of letters, digits, dots, hyphens and underscores.")
        return SegmentWatched(code=code, name=name)

    @command(by=(Role.BUSINESS_DEVELOPMENT_LEAD,), clause="3.1.1-a")
    def unwatch(self, reason: Text) -> SegmentUnwatched:
        """Nobody needs to look at it any more."""
        if not self.watched:
            raise Refused("This segment is not watched.")
        return SegmentUnwatched(reason=reason)

    @command(by=TEAM, clause="3.1.1-a")
    def watch_again(self) -> SegmentWatched:
        """Take up a segment that was given up."""
        if self.watched:
            raise Refused("This segment is watched already.")
        return SegmentWatched(code=self.code, name=self.name)

    @command(by=TEAM, clause="3.1.1-a")
    def record_intelligence(
        self,
        at: datetime,
        topic: Code,
        source: Code,
        reliability: Reliability,
        observed_on: date,
        finding: Finding,
        competitor: Code | None = None,
        confidential: bool = False,
    ) -> IntelligenceRecorded:
        """Note something about the market or a competitor, from whom, and when it was seen."""
        if observed_on > at.date():
            raise Refused("{day} lies in the future: nobody can have observed it yet.", day=observed_on)
        return IntelligenceRecorded(
            number=Code(f"I-{self.items + 1}"),
            topic=topic,
            source=source,
            reliability=reliability,
            observed_on=observed_on,
            finding=finding,
            competitor=competitor,
            confidential=confidential,
        )

    def evolve(self, event: SegmentEvent, /) -> Segment:
        match event:
            case SegmentWatched(code=code, name=name):
                return replace(self, code=code, name=name, watched=True)
            case SegmentUnwatched():
                return replace(self, watched=False)
            case IntelligenceRecorded():
                return replace(self, items=self.items + 1)
            case _:
                assert_never(event)
