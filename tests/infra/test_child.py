"""Programs that we start do not outlive us, however we were started ourselves."""

from __future__ import annotations

import contextlib
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
ignored = sys.argv[1] == "background"  # a shell has such programs ignore it
signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.SIG_DFL)
child = subprocess.Popen(["sleep", "600"], preexec_fn=end_with_this_thread())
print(child.pid, flush=True)
child.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only the kernel of Linux keeps the promise")
@pytest.mark.parametrize("where", ["foreground", "background"])
def test_a_child_ends_when_its_starter_is_killed(where: str) -> None:
    starter = subprocess.Popen([sys.executable, "-c", START, where], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    child = psutil.Process(int(starter.stdout.readline()))
    os.kill(starter.pid, signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    try:
        assert wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 10)
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
