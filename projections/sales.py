"""What is the pipeline worth, how long does a stage take, what did we win, and how good were our forecasts?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum, auto
from typing import LiteralString

from aggregates.business.opportunity import Stage
from aggregates.ids import EmployeeId
from aggregates.text import Code
from aggregates.value import Value
from projections.opportunities import IS_OPEN, TEAM
from projections.question import Database, matching, question, select

QUARTER: LiteralString = """to_char({}, 'YYYY"Q"Q')"""


class Dimension(StrEnum):
    """By what results are told apart."""

    QUARTER = auto()
    OWNER = auto()
    PRODUCT = auto()
    REASON = auto()
    COMPETITOR = auto()


COLUMN_OF: Mapping[Dimension, LiteralString] = {
    Dimension.QUARTER: "quarter",
    Dimension.OWNER: "owner_id",
    Dimension.PRODUCT: "product",
    Dimension.REASON: "lost_reason",
    Dimension.COMPETITOR: "competitor",
}


class StageFigures(Value):
    """How many opportunities are at a stage, and what they are worth: as estimated, and by how likely each is; those
    that are won, what they brought. `undated`: how many of them are there nobody knows since when."""

    stage: Stage
    opportunities: int
    undated: int
    value: Decimal
    weighted: Decimal


class StageTime(Value):
    """How long opportunities stay at a stage, in days, with those that are still there as long as they have been."""

    stage: Stage
    opportunities: int
    median: float
    p90: float


class Result(Value):
    """What became of opportunities that ended, of one quarter (2017Q1), owner, product, reason for which they were lost
    or competitor to whom, or of none that is known.

    `win_rate`: of those that were won or lost. Days are from the first contact to the contract.
    """

    of: str | None
    won: int
    lost: int
    abandoned: int
    win_rate: Decimal | None
    value: Decimal
    mean_days: float | None
    median_days: float | None


class ForecastResult(Value):
    """What was expected of the opportunities that would close in a quarter, and what has become of the same ones."""

    quarter: str
    opportunities: int
    value: Decimal
    weighted: Decimal
    won: int
    won_value: Decimal
    lost: int
    open: int


@question(path="opportunities/stages", readers=TEAM, tables=("opportunity_row",))
async def stages(db: Database, owner_id: EmployeeId | None = None, product: Code | None = None) -> list[StageFigures]:
    """How many opportunities are at each stage, and their value."""
    where, values = matching({"owner_id = %s": owner_id, "product = %s": product})
    found = await select(
        db,
        StageFigures,
        f"""
        SELECT stage, count(*) AS opportunities, count(*) FILTER (WHERE undated) AS undated,
               coalesce(sum(coalesce(won_value, value)), 0) AS value,
               coalesce(sum(CASE WHEN stage = 'won' THEN won_value
                                 WHEN {IS_OPEN} THEN value * probability / 100 END), 0) AS weighted
        FROM opportunity_row WHERE {where} GROUP BY stage""",
        *values,
    )
    of = {figures.stage: figures for figures in found}
    none = Decimal(0)
    return [
        of.get(stage, StageFigures(stage=stage, opportunities=0, undated=0, value=none, weighted=none))
        for stage in Stage
    ]


@question(path="opportunities/time-in-stage", readers=TEAM, tables=("opportunity_row",))
async def time_in_stage(
    db: Database, owner_id: EmployeeId | None = None, product: Code | None = None
) -> list[StageTime]:
    """How long opportunities stay at each stage; those without a date of their own are left out."""
    where, values = matching({"owner_id = %s": owner_id, "product = %s": product})
    found = await select(
        db,
        StageTime,
        f"""
        WITH stayed AS (
            SELECT opportunity_id, s.key AS stage, s.value::bigint AS seconds
            FROM opportunity_row, jsonb_each_text(seconds_in) s WHERE NOT undated AND {where}
            UNION ALL
            SELECT opportunity_id, stage, extract(epoch FROM %s - stage_since)::bigint
            FROM opportunity_row WHERE {IS_OPEN} AND NOT undated AND {where}),
        whole AS (SELECT opportunity_id, stage, sum(seconds) / 86400.0 AS days FROM stayed GROUP BY 1, 2)
        SELECT stage, count(*) AS opportunities,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY days::float8) AS median,
               percentile_cont(0.9) WITHIN GROUP (ORDER BY days::float8) AS p90
        FROM whole GROUP BY stage""",
        *values,
        db.moment,
        *values,
    )
    of = {time.stage: time for time in found}
    return [of[stage] for stage in Stage if stage in of]


@question(path="opportunities/results", readers=TEAM, tables=("opportunity_row",))
async def results(
    db: Database,
    by: Dimension = Dimension.QUARTER,
    quarter: Code | None = None,
    owner_id: EmployeeId | None = None,
    product: Code | None = None,
) -> list[Result]:
    """What was won and lost, by quarter, owner or product, or why and to whom; of one quarter, owner or product if they
    are named."""
    where, values = matching({"quarter = %s": quarter, "owner_id = %s": owner_id, "product = %s": product})
    of, quarter_of = COLUMN_OF[by], QUARTER.format("closed_on")
    return await select(
        db,
        Result,
        f"""
        WITH ended AS (SELECT *, {quarter_of} AS quarter FROM opportunity_row WHERE closed_on IS NOT NULL)
        SELECT {of} AS of,
               count(*) FILTER (WHERE stage = 'won') AS won,
               count(*) FILTER (WHERE stage = 'lost') AS lost,
               count(*) FILTER (WHERE stage = 'abandoned') AS abandoned,
               round(count(*) FILTER (WHERE stage = 'won')::numeric
                     / nullif(count(*) FILTER (WHERE stage IN ('won', 'lost')), 0), 4) AS win_rate,
               coalesce(sum(won_value), 0) AS value,
               avg(closed_on - engaged_on) FILTER (WHERE stage = 'won')::float8 AS mean_days,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY (closed_on - engaged_on)::float8)
                   FILTER (WHERE stage = 'won') AS median_days
        FROM ended WHERE {where} GROUP BY 1 ORDER BY 1 NULLS LAST""",
        *values,
    )


@question(path="opportunities/forecasts", readers=TEAM, tables=("opportunity_row",))
async def forecasts(
    db: Database, made_by: date | None = None, owner_id: EmployeeId | None = None
) -> list[ForecastResult]:
    """What was expected at the end of a day, or is now, of the opportunities open then, by quarter, and their fate."""
    day = made_by or date.max
    where, values = matching({"owner_id = %s": owner_id})
    quarter = QUARTER.format("f.expected")
    return await select(
        db,
        ForecastResult,
        f"""
        SELECT {quarter} AS quarter, count(*) AS opportunities,
               coalesce(sum(f.value), 0) AS value,
               coalesce(sum(f.value * f.probability / 100), 0) AS weighted,
               count(*) FILTER (WHERE stage = 'won') AS won,
               coalesce(sum(won_value), 0) AS won_value,
               count(*) FILTER (WHERE stage IN ('lost', 'abandoned')) AS lost,
               count(*) FILTER (WHERE {IS_OPEN}) AS open
        FROM opportunity_row CROSS JOIN LATERAL (
            SELECT (made ->> 'expected')::date AS expected, (made ->> 'probability')::bigint AS probability,
                   (made ->> 'value')::numeric AS value
            FROM jsonb_array_elements(forecasts) WITH ORDINALITY made_in_turn (made, turn)
            WHERE (made ->> 'on')::date <= %s ORDER BY turn DESC LIMIT 1) f
        WHERE (closed_on IS NULL OR closed_on > %s) AND {where}
        GROUP BY 1 ORDER BY 1""",
        day,
        day,
        *values,
    )
