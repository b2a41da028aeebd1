"""An import waits for the read model, but not for ever."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aggregates.refused import Refused
from infra.read_model.schema import Lag
from services.importing.pace import Pace


class Time:
    """A clock that only moves while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def a_pace(lag: Callable[[float], Lag]) -> tuple[Pace, Time]:
    time = Time()
    return Pace(lambda: lag(time.now), clock=time.clock, sleep=time.sleep), time


@pytest.mark.parametrize("age", [None, 5.1, 3600.0])
def test_without_a_projector_an_import_does_not_start(age: float | None) -> None:
    pace, _ = a_pace(lambda _: Lag(7, 7, age))
    with pytest.raises(Refused, match=r"^Start the projector first: nobody would see what is imported\.$"):
        pace.start()


def test_with_one_it_does() -> None:
    pace, _ = a_pace(lambda _: Lag(7, 7, 4.9))
    pace.start()


def test_up_to_twenty_thousand_events_behind_nobody_waits() -> None:
    pace, time = a_pace(lambda _: Lag(0, 20_000, 0.1))
    pace.keep_up()
    assert time.now == 0


def test_further_behind_it_waits_for_the_read_model() -> None:
    pace, time = a_pace(lambda now: Lag(int(now) * 100, 25_000, 0.1))
    pace.keep_up()
    assert time.now == pytest.approx(50, abs=0.1)


def test_after_half_a_minute_without_progress_it_gives_up() -> None:
    pace, time = a_pace(lambda now: Lag(min(int(now), 10), 25_000, 0.1))
    with pytest.raises(Refused) as said:
        pace.keep_up()
    assert str(said.value) == (
        "The read model has stood still at 10 of 25000 for 30 seconds:"
        " look after the projector, then run the import again."
    )
    assert time.now == pytest.approx(40, abs=0.2)


def test_at_the_end_it_waits_until_everything_is_visible_but_not_for_what_others_write_meanwhile() -> None:
    pace, time = a_pace(lambda now: Lag(int(now), 12 + int(now), 0.1))
    pace.until_visible()
    assert time.now == pytest.approx(12, abs=0.1)
