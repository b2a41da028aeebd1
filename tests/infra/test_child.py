"""Programs that we start do not outlive us, however we were started ourselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

from infra.child import wait_until

START = """
import signal, subprocess, sys
from infra.child import end_with_this_thread
if sys.argv[1] == "background":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does for what it runs in the background
child = subprocess.Popen(["sleep", "600"], preexec_fn=end_with_this_thread())
print(child.pid, flush=True)
child.wait()
"""


@pytest.mark.parametrize("where", ["foreground", "background"])
def test_a_child_ends_when_its_starter_is_killed(where: str) -> None:
    starter = subprocess.Popen([sys.executable, "-c", START, where], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    child = psutil.Process(int(starter.stdout.readline()))
    os.kill(starter.pid, signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    assert wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 10)
