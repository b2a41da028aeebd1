"""The watchdog: whoever hangs ends, and says where."""

from __future__ import annotations

import subprocess
import sys

from infra.kafka.watchdog import TROUBLED

HANG = """
import time
from infra.kafka.watchdog import Watchdog
def waits_for_ever():
    time.sleep(600)
watchdog = Watchdog("the relay")
with watchdog.within(5):
    pass
time.sleep(0.5)
with watchdog.within(0.1):
    waits_for_ever()
"""


def test_whoever_takes_too_long_ends_and_names_the_line() -> None:
    ended = subprocess.run([sys.executable, "-c", HANG], check=False, capture_output=True, text=True, timeout=30)
    assert ended.returncode == TROUBLED
    assert "the relay" in ended.stdout
    assert "5 waits_for_ever" in ended.stdout
