"""Keeps an import from running away from the read model, which everybody else looks at meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable

from aggregates.refused import Refused
from infra.read_model.schema import MOST_SILENT, Lag

MOST_BEHIND = 20_000
PATIENCE = 30.0
NAP = 0.05


class Pace:
    """Waits for the read model where that is needed, but not for ever: `patience` seconds without any progress.

    `lag` says how far the read model is as of now.
    """

    def __init__(
        self,
        lag: Callable[[], Lag],
        *,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._lag, self._patience, self._clock, self._sleep = lag, patience, clock, sleep

    def start(self) -> None:
        """Refused unless somebody builds the read model right now."""
        age = self._lag().beat_age
        if age is None or age > MOST_SILENT:
            raise Refused("Start the projector first: nobody would see what is imported.")

    def keep_up(self) -> None:
        """Wait until the read model is near enough for more to be written."""
        self._wait(lambda lag: lag.head - lag.position <= MOST_BEHIND)

    def until_visible(self) -> None:
        """Wait until the read model shows all that is in the log by now."""
        head = self._lag().head
        self._wait(lambda lag: lag.position >= head)

    def _wait(self, enough: Callable[[Lag], bool]) -> None:
        lag = self._lag()
        reached, since = lag.position, self._clock()
        while not enough(lag):
            if lag.position > reached:
                reached, since = lag.position, self._clock()
            elif self._clock() - since >= self._patience:
                raise Refused(
                    "The read model has stood still at {position} of {head} for {seconds} seconds:"
                    " look after the projector, then run the import again.",
                    position=lag.position,
                    head=lag.head,
                    seconds=round(self._patience),
                )
            self._sleep(NAP)
            lag = self._lag()
