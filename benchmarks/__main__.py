"""`python -m benchmarks [names…] [--rounds 6] [--quick]`: measure, show, and write down."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable, Mapping

from benchmarks import append, command, evidence, growth, importing, lag, publishing, rebuild, report, sealed, web
from benchmarks.harness import FULL, QUICK, Bench, Measured, Missing, Size
from benchmarks.server import own_server
from services.processes import SELDOM

WORKS: Mapping[str, Callable[[Bench], Measured]] = {
    "append": append.measure,
    "command": command.measure,
    "sealed": sealed.measure,
    "http": web.measure,
    "rebuild": rebuild.measure,
    "import": importing.measure,
    "pipeline": importing.pipeline,
    "lag": lag.measure,
    "growth": growth.measure,
    "kafka": publishing.measure,
    "evidence": evidence.measure,
}


def main() -> None:
    """Run what is asked for; rounds of full length also go into the tables of docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="name", help=f"what to measure of {', '.join(WORKS)}; else everything"
    )
    parser.add_argument("--rounds", type=int, help="how many rounds each contestant has")
    parser.add_argument("--quick", action="store_true", help="one short round of everything; its figures say little")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(WORKS):
        parser.error(f"there is no {', '.join(sorted(unknown))}: choose from {', '.join(WORKS)}")
    size = QUICK if asked.quick else FULL
    gc.set_threshold(*SELDOM)  # as the API does
    try:
        run(asked.names or list(WORKS), size._replace(rounds=asked.rounds or size.rounds), in_earnest=not asked.quick)
    except Missing as missing:
        parser.exit(1, f"{missing}\n")


def run(names: list[str], size: Size, *, in_earnest: bool) -> None:
    """Measure these works, one after the other, each in databases of its own."""
    results: dict[str, Measured] = {}
    with own_server() as (server, folder):
        about = report.machine(server, folder)
        for name in names:
            sys.stderr.write(f"{name} …\n")
            results[name] = WORKS[name](Bench(server, size, folder))
            if in_earnest:
                report.kept({name: results[name]}, about)
    text = report.table(report.kept({}, about) if in_earnest else report.with_results({}, results, about))
    sys.stdout.write(text + "\n")
    if in_earnest:
        report.published(text)


if __name__ == "__main__":
    main()
