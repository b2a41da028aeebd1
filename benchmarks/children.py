"""The other processes of a measurement: started, waited for, and how much memory they needed at most."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness import Missing

SECONDS_TO_START = 60
KIB_PER_MIB = 1024


class Child:
    """A module of this project that runs in a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def id(self) -> int:
        return self._process.pid

    def must_run(self) -> None:
        """Missing if it has ended."""
        if self._process.poll() is not None:
            raise Missing(f"A process that is to be measured has ended: {self._process.args!r}.")

    def memory(self) -> float:
        """How much it has needed at most until now, in MiB."""
        return most_memory(self.id)


@contextmanager
def child(*words: str, **environment: str) -> Iterator[Child]:
    """`python -m …` until the end of the block."""
    process = subprocess.Popen(  # noqa: S603  # a module of ours
        [sys.executable, "-m", *words],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Child(process)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def serving(port: int, *words: str, **environment: str) -> Iterator[Child]:
    """The same for one that listens, from the moment when it does."""
    with child(*words, **environment) as server:
        deadline = time.monotonic() + SECONDS_TO_START
        while not _listens(port):
            server.must_run()
            if time.monotonic() > deadline:
                raise Missing(f"Nobody listens on port {port}: {' '.join(words)}.")
            time.sleep(0.05)
        yield server


def answer_of(*words: str, told: bytes = b"", **environment: str) -> bytes:
    """What a module of ours says on standard output, once it has ended."""
    done = subprocess.run(  # noqa: S603  # a module of ours
        [sys.executable, "-m", *words],
        input=told,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        check=True,
    )
    return done.stdout


def most_memory(process_id: int | str = "self") -> float:
    """How much memory a process has needed at most, in MiB; only where the kernel tells, which is Linux."""
    status = Path(f"/proc/{process_id}/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return float("nan") if found is None else int(found[1]) / KIB_PER_MIB


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
