"""A disk that is really full: PostgreSQL and the keys meet ENOSPC, and go on when there is room again."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.faults.clients import Load
from tests.faults.company import DATABASE, Company
from tests.faults.judge import judge
from tests.faults.test_faults import fill
from tests.folders import reachable_folder

SEED = 20261127
MIB = 1 << 20
ROOM = 300
"""MiB: a new database takes a third of it."""


@pytest.fixture
def disk() -> Iterator[Path]:
    """The home of a company on a file system of its own."""
    home = reachable_folder() / "home"
    home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM}m,mode=755", "yewu", home], check=True)
    try:
        yield home
    finally:
        subprocess.run(["umount", "--lazy", home], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system takes root; CI is")
def test_a_full_disk_loses_nothing_that_was_acknowledged_and_room_is_all_that_is_needed(disk: Path) -> None:
    with Company(disk).running() as company:
        load = Load(company, SEED)
        try:
            with load.at_work():
                load.go_on(10)
                ballast = filled_up(disk)
                with pytest.raises(psycopg.Error):
                    fill(company.url)
                told = told_until_refused(load)
                ballast.unlink()
                if company.server.exit_code() is not None:
                    company.start(DATABASE)
                company.until_ready()
                load.go_on(20)
            assert load.told >= told + 20
            assert refusals(load) <= {500, 503}
            judge(company.url, load.clients)
        finally:
            load.close()


def filled_up(folder: Path) -> Path:
    """Not a byte is left in the file system of this folder; the file that takes the room."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (MIB, 4096):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass
    assert os.statvfs(folder).f_bavail == 0
    return ballast


def told_until_refused(load: Load) -> int:
    """How many commands had been acknowledged when the API said that it cannot take any."""
    deadline = time.monotonic() + 30
    while 503 not in refusals(load):
        assert time.monotonic() < deadline, f"nobody was told 503, but {refusals(load)}"
        time.sleep(0.1)
    return load.told


def refusals(load: Load) -> set[int]:
    """What clients were told who had to ask again."""
    return {status for client in load.clients for status in client.refusals}
