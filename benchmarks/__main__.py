"""`python -m benchmarks [names…] [--rounds 5] [--quick]`: measure, show, and write down."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable, Mapping

from benchmarks import append, command, growth, importing, lag, rebuild, report, web
from benchmarks.harness import FULL, QUICK, Bench, Measured
from benchmarks.server import own_server

WORKS: Mapping[str, Callable[[Bench], Measured]] = {
    "append": append.measure,
    "command": command.measure,
    "http": web.measure,
    "rebuild": rebuild.measure,
    "import": importing.measure,
    "lag": lag.measure,
    "growth": growth.measure,
}


def main() -> None:
    """Run what is asked for; a whole run also writes the table in docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *WORKS], help="what to measure; nothing: everything")
    parser.add_argument("--rounds", type=int, help="how many rounds each contestant has")
    parser.add_argument("--quick", action="store_true", help="one short round of everything; its figures say little")
    asked = parser.parse_args()
    size = QUICK if asked.quick else FULL
    if asked.rounds:
        size = size._replace(rounds=asked.rounds)
    gc.set_threshold(20_000, 50, 100)  # as the API does
    with own_server() as (server, folder):
        measured: dict[str, Measured] = {}
        for name in asked.names or WORKS:
            sys.stdout.write(f"{name} …\n")
            measured[name] = WORKS[name](Bench(server, size, folder))
            for key, figure in measured[name].figures.items():
                sys.stdout.write(f"  {key} {figure.median:,.2f} ({figure.least:,.2f} … {figure.most:,.2f})\n")
            if not asked.quick:
                report.write(measured, server.version, "python -m benchmarks")


main()
