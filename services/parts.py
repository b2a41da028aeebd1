"""The processes that a supervisor starts, starts again when they end, and stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from services.processes import LEASH

SECONDS_TO_STOP = 15


class Interrupted(Exception):
    """A signal came while somebody was being asked something."""


class Signals:
    """INT, TERM and HUP: true once one of them has come."""

    def __init__(self) -> None:
        self._came = self._asking = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._handle)

    def __bool__(self) -> bool:
        return self._came

    def wait(self, seconds: float) -> None:
        """So long, or until a signal comes."""
        if not self._came:
            time.sleep(seconds)

    @contextmanager
    def breaking_off(self) -> Iterator[None]:
        """Within the block a signal raises Interrupted: nobody at a terminal would look at it otherwise."""
        self._asking = True
        try:
            if self._came:
                raise Interrupted
            yield
        finally:
            self._asking = False

    def _handle(self, _number: int, _frame: Any) -> None:
        self._came = True
        if self._asking:
            raise Interrupted


class Part:
    """One child process, started again when it ends of itself, ever more slowly while it fails at once."""

    def __init__(
        self, words: Sequence[str], environment: Mapping[str, str], leash: int, tell: Callable[[str], None]
    ) -> None:
        self._words, self._environment, self._leash, self._tell = words, environment, leash, tell
        self._process: subprocess.Popen[bytes] | None = None
        self._began = self._pause = self._again_at = 0.0

    def start(self) -> None:
        """Start it now."""
        self._began = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, "-m", "services.cli", *self._words],
            env={**self._environment, LEASH: str(self._leash)},
            pass_fds=(self._leash,),
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, who stops its parts in order
        )

    def tend(self) -> None:
        """Start it again if it has ended and has waited long enough."""
        if self._process is None or self._process.poll() is None:
            return
        now = time.monotonic()
        if not self._again_at:
            self._pause = 0.2 if now - self._began > 10 else min(10.0, max(0.2, self._pause * 2))
            self._again_at = now + self._pause
            self._tell(f"`yewu {self._words[0]}` has ended (status {self._process.returncode}) and is started again.")
        elif now >= self._again_at:
            self._again_at = 0.0
            self.start()

    def stop(self) -> None:
        """Ask it to end, and wait."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def supervise(words: Sequence[str], tell: Callable[[str], None]) -> None:
    """Keep one process running until a signal comes."""
    stopping = Signals()
    reading, writing = os.pipe()
    part = Part(words, os.environ, reading, tell)
    try:
        part.start()
        while not stopping:
            time.sleep(0.1)
            part.tend()
    finally:
        part.stop()
        os.close(writing)
