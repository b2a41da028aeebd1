"""How long is the evidence of a clause to come, case by case and event by event?"""

from __future__ import annotations

import time

import psycopg

from benchmarks.children import answer_of
from benchmarks.harness import Bench, Figure, Measured, Missing
from benchmarks.history import fill
from benchmarks.projector import projecting
from benchmarks.web import api_process
from benchmarks.yardstick import single_row_inserts
from infra.settings import Settings
from services.http.development_issuer import DevelopmentIssuer

CLAUSE = "3.3.2-a"
CASES = 10_000
EVENTS_FOR_EACH = 15
"""A made-up history has a complaint for so many events at most."""


def measure(bench: Bench) -> Measured:
    """`yewu regulation evidence` of a clause with two rules, as somebody types it: the whole process, over HTTP."""
    seconds = list[float]()
    with bench.server.database() as conninfo, single_row_inserts(conninfo, bench.size.seconds) as insert:
        inserts = [insert()]
        fill(conninfo, min(CASES * EVENTS_FOR_EACH, bench.size.events))
        with projecting(conninfo), api_process(conninfo, bench.folder) as (api, port):
            settings = Settings.read({"YEWU_HOME": str(bench.folder)})
            token = DevelopmentIssuer(bench.folder, settings).token(_manager(conninfo))
            for _ in range(bench.size.rounds):
                seconds.append(_round(port, token))
            memory = {"API, evidence": api.memory()}
        inserts.append(insert())
    return Measured({"evidence_10k_s": Figure.of(seconds)}, {}, memory, Figure.of(inserts))


def _manager(conninfo: str) -> str:
    """Who was there first."""
    with psycopg.connect(conninfo) as db:
        found = db.execute("SELECT stream_id FROM yewu.log WHERE type = 'EmployeeRegistered' ORDER BY position LIMIT 1")
        (manager_id,) = found.fetchone() or ("",)
    return str(manager_id)


def _round(port: int, token: str) -> float:
    """Seconds for ten thousand cases, each under both rules."""
    begun = time.perf_counter()
    told = answer_of(
        "services.cli", "regulation", "evidence", CLAUSE,
        YEWU_URL=f"http://127.0.0.1:{port}", YEWU_TOKEN=token, LANG="en_US.UTF-8",
    )  # fmt: skip
    took = time.perf_counter() - begun
    cases = {line.split()[1] for line in told.decode().splitlines() if " complaint-" in line}
    if not cases:
        raise Missing("No case of the clause was found.")
    return took * CASES / len(cases)
