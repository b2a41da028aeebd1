"""Who lets a row go on without an event, says which event, whose row, and why."""

from __future__ import annotations

from aggregates.event import EventSkipped
from aggregates.information.parking import Parking
from aggregates.text import Code, Text
from tests.given import given

BOARD, BOILER, WRONG = Code("complaint_row"), Code("complaint-1"), Text("It was recorded by a broken form")
SKIPPED = EventSkipped(event_position=17, row_table=BOARD, row_key=BOILER, reason=WRONG)


def test_an_event_is_skipped_for_one_row_with_a_reason() -> None:
    given(Parking).when(Parking.skip, 17, BOARD, BOILER, WRONG).then(SKIPPED)


def test_what_is_skipped_already_is_not_skipped_again() -> None:
    given(Parking, SKIPPED).when(Parking.skip, 17, BOARD, BOILER, Text("Once more")).then_nothing()


def test_another_row_may_go_on_without_the_same_event_too() -> None:
    handlers = Code("handler_row")
    given(Parking, SKIPPED).when(Parking.skip, 17, handlers, BOILER, WRONG).then(
        EventSkipped(event_position=17, row_table=handlers, row_key=BOILER, reason=WRONG)
    )


def test_there_is_no_event_before_the_first() -> None:
    given(Parking).when(Parking.skip, 0, BOARD, BOILER, WRONG).then_refused(
        "Name the position of the event that the row cannot take."
    )
