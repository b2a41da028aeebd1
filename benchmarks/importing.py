"""The import of a help desk's history, until every row of it is visible."""

from __future__ import annotations

from pathlib import Path

from benchmarks.harness import Bench, Measured, figures, take_turns
from benchmarks.once import IMPORT, in_a_process
from benchmarks.projector import projecting
from benchmarks.yardstick import single_row_inserts
from infra.sealing import Plain
from services.demo import write_help_desk
from services.founding import Foundation
from services.up import found_now

REAL = Path(__file__).resolve().parents[2] / "shared/data/helpdesk.xes.gz"
"""A real help desk, where it lies beside the project; else one of the same size is made up."""


def measure(bench: Bench) -> Measured:
    """Each round imports into a new database, with a projector in a process of its own."""
    file = REAL
    if not REAL.exists() or bench.size.cases < 4_580:
        file = write_help_desk(bench.folder / "help-desk.xes.gz", bench.size.cases)
    importer, projector = [0.0], [0.0]

    def import_() -> float:
        with bench.server.database() as conninfo:
            found_now(conninfo, Foundation(manager="Max"), Plain())
            with projecting(conninfo) as process:
                spent = in_a_process(IMPORT, conninfo, file)
                importer.append(spent.memory)
                projector.append(process.memory())
        return spent.events / spent.seconds

    with bench.server.database() as other, single_row_inserts(other, bench.size.seconds) as insert:
        rounds = take_turns(bench.size.rounds, {"import": import_, "single-row INSERT, 32 callers": insert})
    found = figures(rounds)
    return Measured(
        {"import_events_per_s": found["import"]},
        found,
        {"importer": max(importer), "projector during an import": max(projector)},
        found["single-row INSERT, 32 callers"],
    )
