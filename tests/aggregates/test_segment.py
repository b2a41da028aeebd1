"""Segments of the market are watched, and what is found out about them says from whom and when."""

from __future__ import annotations

from datetime import date

import pytest
from msgspec.structs import replace

from aggregates.business.segment import (
    IntelligenceRecorded,
    Reliability,
    Segment,
    SegmentEvent,
    SegmentUnwatched,
    SegmentWatched,
)
from aggregates.text import Code, Text
from tests.given import MONDAY, given

BAKERIES, NAME = Code("bakeries"), Code("Small bakeries")
PRICES, FAIR, WARMTH = Code("prices"), Code("fair"), Code("warmth-ltd")
WORDS, SUNDAY = Text("They ask for less"), date(2026, 3, 1)

watched = SegmentWatched(code=BAKERIES, name=NAME)
unwatched = SegmentUnwatched(reason=WORDS)
told = IntelligenceRecorded(
    number=Code("I-1"),
    topic=PRICES,
    source=FAIR,
    reliability=Reliability.B,
    observed_on=SUNDAY,
    finding=WORDS,
    competitor=WARMTH,
    confidential=True,
)


def test_3_1_1_a_a_segment_is_watched() -> None:
    given(Segment).when(Segment.watch, BAKERIES, NAME).then(watched)


@pytest.mark.parametrize("code", ["", "small bakeries", "面包店", "a/b", "x" * 181])
def test_a_segment_has_a_code_that_an_id_can_be_made_of(code: str) -> None:
    given(Segment).when(Segment.watch, Code(code), NAME).then_refused("consists of letters")


@pytest.mark.parametrize("history", [(watched,), (watched, unwatched, watched)])
def test_what_is_watched_is_not_watched_twice(history: tuple[SegmentEvent, ...]) -> None:
    given(Segment, *history).when(Segment.watch, BAKERIES, NAME).then_refused("watched already")
    given(Segment, *history).when(Segment.watch_again).then_refused("watched already")
    given(Segment, *history).when(Segment.unwatch, WORDS).then(unwatched)


def test_a_segment_that_was_given_up_is_taken_up_again_under_its_name() -> None:
    given(Segment, watched, unwatched).when(Segment.unwatch, WORDS).then_refused("not watched")
    given(Segment, watched, unwatched).when(Segment.watch_again).then(watched)


def test_3_1_1_a_intelligence_says_from_whom_it_is_when_it_was_seen_and_how_far_to_trust_it() -> None:
    said = (PRICES, FAIR, Reliability.B, SUNDAY, WORDS, WARMTH, True)
    given(Segment, watched).when(Segment.record_intelligence, MONDAY, *said).then(told)
    given(Segment, watched, told).when(Segment.record_intelligence, MONDAY, *said).then(
        replace(told, number=Code("I-2"))
    )


def test_nobody_has_seen_what_lies_in_the_future() -> None:
    said = (PRICES, FAIR, Reliability.B)
    given(Segment, watched).when(Segment.record_intelligence, MONDAY, *said, date(2026, 3, 3), WORDS).then_refused(
        "lies in the future"
    )
    given(Segment, watched).when(Segment.record_intelligence, MONDAY, *said, date(2026, 3, 2), WORDS).then(
        replace(told, observed_on=date(2026, 3, 2), competitor=None, confidential=False)
    )
