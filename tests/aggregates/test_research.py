"""Research analyses segments and concludes with those to aim at."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from aggregates.business.research import Research, ResearchOpened, ResearchPublished, SegmentAnalysed
from aggregates.ids import SegmentId
from aggregates.text import Code, Text
from tests.given import given

BAKERIES, HOTELS = SegmentId("segment-bakeries"), SegmentId("segment-hotels")
TOPIC, WORDS = Code("boilers"), Text("Cold ovens")

opened = ResearchOpened(topic=TOPIC)
bakeries = SegmentAnalysed(segment_id=BAKERIES, pains=WORDS, fit=80, score=70, size=Decimal(900000))
hotels = replace(bakeries, segment_id=HOTELS)
published = ResearchPublished(conclusions=WORDS, segment_ids=(BAKERIES,))


def test_research_is_opened_once() -> None:
    given(Research).when(Research.open, TOPIC).then(opened)
    given(Research, opened).when(Research.open, TOPIC).then_refused("under way already")


def test_3_1_1_b_a_segment_is_analysed_for_what_it_lacks_and_how_we_fit() -> None:
    given(Research, opened).when(Research.analyse_segment, BAKERIES, WORDS, 80, 70, Decimal(900000)).then(bakeries)
    given(Research, opened).when(Research.analyse_segment, BAKERIES, WORDS, 0, 100).then(
        replace(bakeries, fit=0, score=100, size=None)
    )


@pytest.mark.parametrize(
    ("fit", "score", "size", "why"),
    [
        (101, 1, None, "between 0 and 100"),
        (1, -1, None, "between 0 and 100"),
        (1, 1, Decimal(-1), "zero or more"),
        (1, 1, Decimal("NaN"), "zero or more"),
        (1, 1, Decimal("Infinity"), "zero or more"),
    ],
)
def test_what_is_counted_has_bounds(fit: int, score: int, size: Decimal | None, why: str) -> None:
    given(Research, opened).when(Research.analyse_segment, BAKERIES, WORDS, fit, score, size).then_refused(why)


def test_3_1_1_b_research_concludes_with_segments_that_it_analysed() -> None:
    done = given(Research, opened, bakeries)
    done.when(Research.publish, WORDS, (BAKERIES, BAKERIES)).then(published)
    done.when(Research.publish, WORDS, (BAKERIES, HOTELS)).then_refused("segment-hotels has not been analysed")
    done.when(Research.publish, WORDS, ()).then_refused("at least one target")


def test_a_new_version_rests_on_a_new_analysis() -> None:
    given(Research, opened).when(Research.publish, WORDS, (BAKERIES,)).then_refused("Nothing has been analysed")
    before = (opened, bakeries, published)
    given(Research, *before).when(Research.publish, WORDS, (BAKERIES,)).then_refused("Nothing has been analysed")
    given(Research, *before, hotels).when(Research.publish, WORDS, (BAKERIES,)).then(published)
