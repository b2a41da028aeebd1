"""What has our research come to, and how do the segments of the market score?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from aggregates.business.research import ResearchOpened, ResearchPublished, SegmentAnalysed
from aggregates.event import Recorded
from aggregates.facts import PublishedResearch
from aggregates.ids import ResearchId, SegmentId
from aggregates.readers import BUSINESS_TEAM
from aggregates.text import Code, Text
from aggregates.value import Value
from projections.fact import fact
from projections.question import Database, matching, question, select, select_one
from projections.row import Row, View, its_stream


class Score(Value):
    """What was found out about a segment last."""

    pains: Text
    fit: int
    score: int
    size: Decimal | None
    analysed_at: datetime


class ResearchRow(Row):
    """`version` counts the publications; what was published last stands in `conclusions` and `segment_ids`."""

    research_id: ResearchId
    topic: Code
    opened_at: datetime
    scores: Mapping[SegmentId, Score] = {}
    version: int = 0
    published_at: datetime | None = None
    conclusions: Text | None = None
    segment_ids: tuple[SegmentId, ...] = ()


def opened(record: Recorded[ResearchOpened]) -> ResearchRow:
    research_id = ResearchId(record.stream_id)
    return ResearchRow(research_id=research_id, topic=record.event.topic, opened_at=record.effective_at)


def analysed(row: ResearchRow, record: Recorded[SegmentAnalysed]) -> ResearchRow:
    event = record.event
    score = Score(pains=event.pains, fit=event.fit, score=event.score, size=event.size, analysed_at=record.effective_at)
    return replace(row, scores={**row.scores, event.segment_id: score})


def published(row: ResearchRow, record: Recorded[ResearchPublished]) -> ResearchRow:
    event = record.event
    return replace(
        row,
        version=row.version + 1,
        published_at=record.effective_at,
        conclusions=event.conclusions,
        segment_ids=event.segment_ids,
    )


research = View(ResearchRow, opened, analysed, published, key=its_stream(ResearchId))


@fact(research)
async def published_research(db: Database, research_id: ResearchId) -> PublishedResearch:
    """Open while nothing is published."""
    row = await one(db, research_id)
    if row is None:
        return PublishedResearch(research_id=research_id)
    return PublishedResearch(research_id=research_id, published_at=row.published_at, segment_ids=row.segment_ids)


@question(path="research", readers=BUSINESS_TEAM, order=("opened_at", "research_id"))
async def on_record(db: Database, topic: Code | None = None, published: bool | None = None) -> list[ResearchRow]:
    """All research, that on a topic, or that which plans may cite."""
    where, values = matching({"topic = %s": topic, "(published_at IS NOT NULL) = %s": published})
    return await select(db, ResearchRow, f"SELECT * FROM research_row WHERE {where}", *values)


@question(path="research/{research_id}", readers=BUSINESS_TEAM, one_of=research)
async def one(db: Database, research_id: ResearchId) -> ResearchRow | None:
    """One piece of research, with what it says of each segment."""
    return await select_one(db, ResearchRow, "SELECT * FROM research_row WHERE research_id = %s", research_id)


class SegmentScore(Value):
    """How a segment scored in one piece of research. `target`: was it recommended in the end?"""

    segment_id: SegmentId
    research_id: ResearchId
    topic: Code
    fit: int
    score: int
    size: Decimal | None
    analysed_at: datetime
    published_at: datetime | None
    target: bool


@question(
    path="research/scores", readers=BUSINESS_TEAM, order=("segment_id", "analysed_at", "research_id"),
    tables=("research_row",),
)  # fmt: skip
async def scores(db: Database, segment_id: SegmentId | None = None, target: bool | None = None) -> list[SegmentScore]:
    """How each segment scored, from one piece of research to the next."""
    where, values = matching({"segment_id = %s": segment_id, "target = %s": target})
    query = f"""
        SELECT * FROM (
            SELECT s.key AS segment_id, research_id, topic,
                (s.value ->> 'fit')::int AS fit, (s.value ->> 'score')::int AS score,
                (s.value ->> 'size')::numeric AS size, (s.value ->> 'analysed_at')::timestamptz AS analysed_at,
                published_at, jsonb_exists(segment_ids, s.key) AS target
            FROM research_row, jsonb_each(scores) s) q
        WHERE {where}"""
    return await select(db, SegmentScore, query, *values)
