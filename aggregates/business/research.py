"""Market research, from the question to the segments it recommends: regulation 3.1.1, 2.2.3."""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias, assert_never

from msgspec.structs import replace

from aggregates.actor import Role
from aggregates.amounts import is_amount
from aggregates.event import Event, command
from aggregates.ids import SegmentId
from aggregates.refused import Refused
from aggregates.text import Code, Text
from aggregates.value import Value

TEAM = (Role.BUSINESS_DEVELOPMENT, Role.BUSINESS_DEVELOPMENT_LEAD)


class ResearchOpened(Event):
    topic: Code


class SegmentAnalysed(Event):
    """`fit` and `score` in percent, `size` in money a year."""

    segment_id: SegmentId
    pains: Text
    fit: int
    score: int
    size: Decimal | None = None


class ResearchPublished(Event):
    """`segment_ids`: the target segments."""

    conclusions: Text
    segment_ids: tuple[SegmentId, ...]


ResearchEvent: TypeAlias = ResearchOpened | SegmentAnalysed | ResearchPublished


class Research(Value):
    """Each publication is a version of its own, and rests on what was analysed since the one before."""

    opened: bool = False
    analysed: frozenset[SegmentId] = frozenset()
    news: bool = False

    @command(by=TEAM, clause="3.1.1-b", opens=True)
    def open(self, topic: Code) -> ResearchOpened:
        """Begin to find out what the market needs."""
        if self.opened:
            raise Refused("This research is under way already.")
        return ResearchOpened(topic=topic)

    @command(by=TEAM, clause="3.1.1-b")
    def analyse_segment(
        self, segment_id: SegmentId, pains: Text, fit: int, score: int, size: Decimal | None = None
    ) -> SegmentAnalysed:
        """Say what a segment lacks, how well we fit and how it scores, both in percent; what it spends in a year."""
        if not (0 <= fit <= 100 and 0 <= score <= 100):
            raise Refused("Fit and score lie between 0 and 100.")
        if size is not None and not is_amount(size):
            raise Refused("The size of a segment is zero or more.")
        return SegmentAnalysed(segment_id=segment_id, pains=pains, fit=fit, score=score, size=size)

    @command(by=(Role.BUSINESS_DEVELOPMENT_LEAD,), clause="3.1.1-b")
    def publish(self, conclusions: Text, segment_ids: tuple[SegmentId, ...]) -> ResearchPublished:
        """Conclude with the segments to aim at; from now on plans may cite it."""
        if not self.news:
            raise Refused("Nothing has been analysed that is not published yet.")
        if not segment_ids:
            raise Refused("Name at least one target segment.")
        for segment_id in segment_ids:
            if segment_id not in self.analysed:
                raise Refused("{segment} has not been analysed here.", segment=segment_id)
        return ResearchPublished(conclusions=conclusions, segment_ids=tuple(dict.fromkeys(segment_ids)))

    def evolve(self, event: ResearchEvent, /) -> Research:
        match event:
            case ResearchOpened():
                return replace(self, opened=True)
            case SegmentAnalysed(segment_id=segment_id):
                return replace(self, analysed=self.analysed | {segment_id}, news=True)
            case ResearchPublished():
                return replace(self, news=False)
            case _:
                assert_never(event)
