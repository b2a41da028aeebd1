"""What was measured, written down: build/bench.json for programs, a table in docs/performance.md for people."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.harness import Figure, Measured

ROOT = Path(__file__).parents[1]
PAGE, RESULTS = ROOT / "docs/performance.md", ROOT / "build/bench.json"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def write(measured: Mapping[str, Measured], postgres: str, command: str) -> None:
    """Keep the figures, and those of works that were not measured this time."""
    RESULTS.parent.mkdir(exist_ok=True)
    known: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for work, result in measured.items():
        known[work] = {
            "figures": {key: figure._asdict() for key, figure in result.figures.items()},
            "rates": {name: figure._asdict() for name, figure in result.rates.items()},
            "memory_mib": dict(result.memory),
            "yardstick": None if result.yardstick is None else result.yardstick._asdict(),
        }
    RESULTS.write_text(json.dumps(known, indent=1) + "\n")
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    table = "\n".join(_table(known, postgres, command))
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")


def _table(known: Mapping[str, Any], postgres: str, command: str) -> Iterator[str]:
    yield ""
    yield (
        f"`{command}`, {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores shared by server and client, "
        f"Python {platform.python_version()}, PostgreSQL {postgres}, fsync on."
    )
    yield ""
    yield "| key | median | least … most | single-row INSERT/s in the same run |"
    yield "|---|---|---|---|"
    for result in known.values():
        yardstick = result["yardstick"]
        beside = "" if yardstick is None else _number(yardstick["median"])
        for key, figure in result["figures"].items():
            yield f"| `{key}` | {_spelt(Figure(**figure))} | {beside} |"
    yield ""
    yield "| what, per second | median | least … most |"
    yield "|---|---|---|"
    for result in known.values():
        for name, figure in result["rates"].items():
            yield f"| {name} | {_spelt(Figure(**figure))} |"
    memory = [(name, mib) for result in known.values() for name, mib in result["memory_mib"].items()]
    if memory:
        yield ""
        yield "| process | MiB at most |"
        yield "|---|---|"
        for name, mib in memory:
            yield f"| {name} | {mib:.0f} |"
    yield ""


def _spelt(figure: Figure) -> str:
    return f"{_number(figure.median)} | {_number(figure.least)} … {_number(figure.most)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
