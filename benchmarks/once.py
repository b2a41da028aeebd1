"""One piece of work in a process of its own, and what it cost: `python -m benchmarks.once rebuild|…`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import msgspec

from benchmarks.children import answer_of, most_memory
from infra.read_model.tables import table_name
from infra.settings import Settings
from projections.rules.duty import DutyRow
from services.importing import run_import
from services.keys import sealing_of
from services.processes import rebuild

REBUILD, REBUILD_ROWS, IMPORT = "rebuild", "rebuild-rows", "import"


class Spent(msgspec.Struct, frozen=True):
    """How many events, in how many seconds, for how much processor time, and with how many MiB of memory at most."""

    events: int
    seconds: float
    cpu_seconds: float
    memory: float


def in_a_process(work: str, *arguments: str | Path) -> Spent:
    """Have it done by a new process."""
    told = answer_of("benchmarks.once", work, *map(str, arguments))
    return msgspec.json.decode(told, type=Spent)


def _do(work: str, conninfo: str, *arguments: str) -> int:
    """How many events it was."""
    if work == REBUILD:
        return rebuild(conninfo)
    if work == REBUILD_ROWS:
        return rebuild(conninfo, without={table_name(DutyRow)})
    file, map_ = arguments
    with sealing_of(Settings.read({"YEWU_HOME": str(Path(file).parent)}), block=2000) as sealer:
        return run_import(conninfo, file, map_, sealer).recorded


if __name__ == "__main__":
    begun, used = time.perf_counter(), time.process_time()
    events = _do(*sys.argv[1:])
    spent = Spent(events, time.perf_counter() - begun, time.process_time() - used, most_memory())
    sys.stdout.buffer.write(msgspec.json.encode(spent))
