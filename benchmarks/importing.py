"""The import of a help desk's history and of a seller's opportunities, until every row of it is visible."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import psycopg

from benchmarks.harness import Bench, Measured, figures, take_turns
from benchmarks.once import IMPORT, Spent, in_a_process
from benchmarks.projector import projecting
from benchmarks.yardstick import single_row_inserts
from infra.sealing import Plain
from services.demo import write_help_desk
from services.founding import Foundation
from services.importing import HELP_DESK
from services.up import found_now

DATA = Path(__file__).resolve().parents[2] / "shared/data"
"""Real files, where they lie beside the project; else some of the same size are made up."""
COLUMNS = "opportunity_id,sales_agent,product,account,deal_stage,engage_date,close_date,close_value"
QUARTERS = ",engage_quarter,close_quarter"


def measure(bench: Bench) -> Measured:
    """The help desk; each round imports into a new database, with a projector in a process of its own."""
    file = DATA / "helpdesk.xes.gz"
    if not file.exists() or bench.size.cases < 4_580:
        file = write_help_desk(bench.folder / "help-desk.xes.gz", bench.size.cases)
    return _measured(bench, file, HELP_DESK, "import_events_per_s", lambda spent, _head: spent.events)


def pipeline(bench: Bench) -> Measured:
    """The opportunities, of which each row becomes several events; these are counted."""
    file = DATA / "sales_pipeline.csv"
    if not file.exists() or bench.size.cases < 4_580:
        file = _write_pipeline(bench.folder / "sales_pipeline.csv", 2 * bench.size.cases)
    return _measured(bench, file, "sales-pipeline", "pipeline_events_per_s", lambda _spent, head: head)


def _measured(bench: Bench, file: Path, map_: str, key: str, events: Callable[[Spent, int], int]) -> Measured:
    work = f"import, {map_}"
    importer, projector = [0.0], [0.0]

    def import_() -> float:
        with bench.server.database() as conninfo:
            found_now(conninfo, Foundation(manager="Max"), Plain())
            before = _head(conninfo)
            with projecting(conninfo) as process:
                spent = in_a_process(IMPORT, conninfo, file, map_)
                importer.append(spent.memory)
                projector.append(process.memory())
            return events(spent, _head(conninfo) - before) / spent.seconds

    with bench.server.database() as other, single_row_inserts(other, bench.size.seconds) as insert:
        rounds = take_turns(bench.size.rounds, {work: import_, "single-row INSERT, 32 callers": insert})
    found = figures(rounds)
    return Measured(
        {key: found[work]},
        found,
        {"importer": max(importer), "projector during an import": max(projector)},
        found["single-row INSERT, 32 callers"],
    )


def _head(conninfo: str) -> int:
    with psycopg.connect(conninfo) as db:
        row = db.execute("SELECT position FROM yewu.head").fetchone()
    return int(row[0]) if row else 0


def _write_pipeline(file: Path, rows: int) -> Path:
    """Opportunities as a seller exports them: half of them won, some lost, some open, a few without a date."""
    drawn, first = random.Random(17), date(2016, 10, 20)  # noqa: S311
    with file.open("w", encoding="utf-8", newline="") as out:
        lines = csv.writer(out)
        lines.writerow((COLUMNS + QUARTERS).split(","))
        for number in range(rows):
            (stage,) = drawn.choices(("Won", "Lost", "Engaging", "Prospecting"), (48, 28, 18, 6))
            engaged = first + timedelta(days=drawn.randrange(420))
            closed = engaged + timedelta(days=drawn.randrange(1, 139))
            ended = stage in ("Won", "Lost")
            lines.writerow((
                f"O{number:07}",
                f"Agent {drawn.randrange(30)}",
                drawn.choice(("GTXPro", "GTX Basic", "MG Special", "MG Advanced")),
                f"Account {drawn.randrange(85)}" if ended else "",
                stage,
                "" if stage == "Prospecting" else f"{engaged:%d-%m-%y}",
                f"{closed:%d-%m-%y}" if ended else "",
                ("0" if stage == "Lost" else str(drawn.randrange(50, 30_000))) if ended else "",
                "",
                "",
            ))  # fmt: skip
    return file
