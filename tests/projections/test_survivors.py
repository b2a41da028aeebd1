"""Which file goes on for a customer; and what goes on with it is the same in Python and in SQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from typing import LiteralString

import psycopg
import pytest

from aggregates.business import opportunity
from aggregates.ids import CustomerId
from projections import complaints, contracts, opportunities
from projections.survivors import survivor_of

A, B, C = (CustomerId(f"customer-{name}") for name in "abc")


@pytest.mark.parametrize(
    ("mergers", "survivor"),
    [({}, A), ({A: B}, B), ({A: B, B: C}, C), ({B: C}, A), ({A: B, B: A}, A), ({A: B, B: C, C: B}, A)],
)
def test_a_customer_goes_on_where_all_its_mergers_end_if_they_do(
    mergers: Mapping[CustomerId, CustomerId], survivor: CustomerId
) -> None:
    async def merged_into(file: CustomerId) -> CustomerId | None:
        return mergers.get(file)

    assert asyncio.run(survivor_of(A, merged_into)) == survivor


@pytest.mark.parametrize(
    ("field", "said", "stages", "goes_on"),
    [
        ("status", complaints.IS_OPEN, complaints.Stage, lambda stage: stage not in complaints.ENDED),
        ("stage", opportunities.IS_OPEN, opportunity.Stage, lambda stage: stage not in opportunity.ENDED),
        ("stage", contracts.GOES_ON, contracts.Stage, lambda stage: stage in contracts.GOING_ON),
    ],
)
def test_what_goes_on_is_the_same_in_both_languages(
    database: str,
    field: LiteralString,
    said: LiteralString,
    stages: Collection[StrEnum],
    goes_on: Callable[[StrEnum], bool],
) -> None:
    query: LiteralString = f"SELECT {field} FROM unnest(%s::text[]) AS each({field}) WHERE {said}"
    with psycopg.connect(database) as db:
        found = {value for (value,) in db.execute(query, ([str(stage) for stage in stages],))}
    assert found == {str(stage) for stage in stages if goes_on(stage)}
