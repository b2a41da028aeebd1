"""What do we know of each part of the market, how fresh is it, and whom have we got it from?"""

from __future__ import annotations

from datetime import date, datetime

from msgspec.structs import replace

from aggregates.business.segment import IntelligenceRecorded, Reliability, SegmentUnwatched, SegmentWatched
from aggregates.event import Recorded
from aggregates.ids import SegmentId
from aggregates.readers import BUSINESS_TEAM
from aggregates.sealed import index_of
from aggregates.text import Code, Index, Text
from aggregates.value import Value
from projections.question import Database, matching, question, select, select_one
from projections.row import Row, View, its_stream, its_stream_and


class SegmentRow(Row):
    """`last_recorded_at`: when we were told last; `last_observed_on`: the latest day that we were told of."""

    segment_id: SegmentId
    code: Code
    name: Code
    watched_since: datetime | None
    items: int = 0
    last_observed_on: date | None = None
    last_recorded_at: datetime | None = None


class IntelligenceRow(Row):
    """`finding_index`: what is the same in findings of the same words."""

    key = ("segment_id", "number")
    indexes = (("finding_index",), ("competitor",))

    segment_id: SegmentId
    number: Code
    topic: Code
    source: Code
    reliability: Reliability
    observed_on: date
    recorded_at: datetime
    recorded_by: str
    finding: Text
    competitor: Code | None
    confidential: bool
    finding_index: Index | None


def watched(row: SegmentRow | None, record: Recorded[SegmentWatched]) -> SegmentRow:
    if row is not None:
        return replace(row, watched_since=record.effective_at)
    event, segment_id = record.event, SegmentId(record.stream_id)
    return SegmentRow(segment_id=segment_id, code=event.code, name=event.name, watched_since=record.effective_at)


def unwatched(row: SegmentRow, record: Recorded[SegmentUnwatched]) -> SegmentRow:  # noqa: ARG001  # none
    return replace(row, watched_since=None)


def heard_of(row: SegmentRow, record: Recorded[IntelligenceRecorded]) -> SegmentRow:
    day = record.event.observed_on
    latest = day if row.last_observed_on is None else max(row.last_observed_on, day)
    return replace(row, items=row.items + 1, last_observed_on=latest, last_recorded_at=record.effective_at)


def noted(record: Recorded[IntelligenceRecorded]) -> IntelligenceRow:
    event = record.event
    return IntelligenceRow(
        segment_id=SegmentId(record.stream_id),
        number=event.number,
        topic=event.topic,
        source=event.source,
        reliability=event.reliability,
        observed_on=event.observed_on,
        recorded_at=record.effective_at,
        recorded_by=record.person,
        finding=event.finding,
        competitor=event.competitor,
        confidential=event.confidential,
        finding_index=index_of(event.finding),
    )


segments = View(SegmentRow, watched, unwatched, heard_of, key=its_stream(SegmentId))
items = View(IntelligenceRow, noted, key=its_stream_and("number", SegmentId))


class Freshness(Value):
    """A segment, and until when what we know of it is fresh; None while nobody watches it."""

    segment_id: SegmentId
    code: Code
    name: Code
    watched_since: datetime | None
    items: int
    last_observed_on: date | None
    last_recorded_at: datetime | None
    fresh_until: datetime | None
    stale: bool


@question(path="segments", readers=BUSINESS_TEAM, order=("segment_id",), tables=("segment_row", "duty_row"))
async def freshness(db: Database, watched: bool | None = None, stale: bool | None = None) -> list[Freshness]:
    """The segments of the market, those that are watched, or those of which nothing fresh is known."""
    where, values = matching({"(watched_since IS NOT NULL) = %s": watched, "stale = %s": stale})
    query = f"""
        SELECT * FROM (
            SELECT s.*, due_at AS fresh_until, coalesce(due_at < %s, false) AS stale
            FROM segment_row s
            LEFT JOIN duty_row ON rule = 'R-BD-1' AND case_id = segment_id AND watched_since IS NOT NULL) s
        WHERE {where}"""
    return await select(db, Freshness, query, db.moment, *values)


@question(path="segments/{segment_id}", readers=BUSINESS_TEAM, one_of=segments)
async def one(db: Database, segment_id: SegmentId) -> SegmentRow | None:
    """One segment."""
    return await select_one(db, SegmentRow, "SELECT * FROM segment_row WHERE segment_id = %s", segment_id)


@question(path="segments/intelligence", readers=BUSINESS_TEAM, order=("observed_on", "segment_id", "number"))
async def intelligence(
    db: Database,
    segment_id: SegmentId | None = None,
    topic: Code | None = None,
    competitor: Code | None = None,
    source: Code | None = None,
    since: date | None = None,
    until: date | None = None,
    repeated: bool | None = None,
) -> list[IntelligenceRow]:
    """What was observed, by the day: of a segment, a topic, a competitor, from a source; or what was told twice."""
    where, values = matching(
        {
            "segment_id = %s": segment_id,
            "topic = %s": topic,
            "competitor = %s": competitor,
            "source = %s": source,
            "observed_on >= %s": since,
            "observed_on <= %s": until,
            """EXISTS (SELECT 1 FROM intelligence_row o WHERE o.finding_index = i.finding_index
                AND (o.segment_id, o.number) <> (i.segment_id, i.number)) = %s""": repeated,
        }
    )
    return await select(db, IntelligenceRow, f"SELECT * FROM intelligence_row i WHERE {where}", *values)
