"""Programs that we start: they must not outlive us, are waited for, and find a port that is free."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import Callable


def end_with_this_thread() -> Callable[[], None] | None:
    """A promise the child makes before it becomes the program; the kernel keeps it even if we are killed."""
    if sys.platform != "linux":
        return None
    parent, set_parent_death_signal = os.getpid(), 1
    prctl = ctypes.CDLL(None).prctl

    def promise() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # what ran in the background ignores it, and so would the child
        prctl(set_parent_death_signal, int(signal.SIGINT))
        if os.getppid() != parent:  # it died before the promise
            os._exit(1)

    return promise


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Has it come true within so many seconds?"""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def free_port(*, other_than: int = 0) -> int:
    """A port of this machine that nobody listens on just now."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port != other_than:
            return port
