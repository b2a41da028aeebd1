"""The watchdog: a process that talks to Kafka and does not come back ends, so that another one may take over."""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

log = structlog.get_logger()

TROUBLED = 75
"""The status with which a process ends that has to be started again."""


DEPTH = 12
"""So many lines of where it hangs are told."""


class Watchdog:
    """Ends the process if nobody says in time that it still works: kafka-python can wait for ever."""

    def __init__(self, name: str) -> None:
        self._name, self._deadline, self._working = name, float("inf"), 0
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """The block may take so long."""
        self._working, self._deadline = threading.get_ident(), time.monotonic() + seconds
        try:
            yield
        finally:
            self._deadline = float("inf")

    def wait_longer(self, seconds: float) -> None:
        """The block gets on: it may take so long from now."""
        self._deadline = time.monotonic() + seconds

    def _watch(self) -> None:
        while True:
            time.sleep(0.2)
            if time.monotonic() > self._deadline:
                log.error("it hangs, and ends", who=self._name, where=self._where())
                os._exit(TROUBLED)

    def _where(self) -> list[str]:
        """In which lines it hangs, the innermost last."""
        stack = traceback.extract_stack(sys._current_frames().get(self._working))  # noqa: SLF001  # there is no other
        return [f"{os.path.basename(each.filename)}:{each.lineno} {each.name}" for each in stack[-DEPTH:]]
