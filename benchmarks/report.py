"""What was measured: as a table to read, and as a file for whoever compares."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import psutil

from benchmarks.harness import Measured
from benchmarks.server import Server, fsync_microseconds

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "build/bench.json"
PAGE = ROOT / "docs/performance.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
MOST_MEMORY = 300


class Target(NamedTuple):
    """What a figure is of, and what it is to be: at least so much, or at most.

    `yardstick`: where an absolute figure is wanted of a machine that does so many single-row INSERTs a second; of a
    slower one less is wanted, in proportion.
    """

    work: str
    least: float
    unit: str
    at_most: bool = False
    yardstick: float | None = None

    def wanted(self, found: float | None) -> float:
        """What is wanted of a machine with this yardstick."""
        if self.yardstick is None or found is None:
            return self.least
        return self.least * min(1.0, found / self.yardstick)

    def met(self, median: float, found: float | None) -> bool:
        """Is it?"""
        return median <= self.wanted(found) if self.at_most else median >= self.wanted(found)

    def said(self, found: float | None) -> str:
        """In a cell of a table."""
        scaled = f" ({_said(self.least)} at {_said(self.yardstick)})" if self.yardstick and found else ""
        return f"{'≤' if self.at_most else '≥'} {_said(self.wanted(found))} {self.unit}{scaled}"


TARGETS: Mapping[str, Target] = {
    "append_32_vs_stock": Target("append with tags, 32 callers, against the stock recorder", 15, "×"),
    "append_32_vs_insert": Target("the same against single-row INSERTs of pgbench", 1.1, "×"),
    "append_1_vs_stock": Target("append, 1 caller, against the stock recorder", 2, "×"),
    "command_32_vs_stock": Target("whole command, 32 callers, against the stock library", 12, "×"),
    "sealed_append_cost": Target("whole command with texts, unsealed, against sealed", 1.15, "×", at_most=True),
    "http_vs_empty": Target("command over HTTP, against an empty endpoint that validates", 0.5, "×"),
    "http_vs_stock": Target("command over HTTP, against the stock library behind FastAPI", 8, "×"),
    "rebuild_vs_stock": Target("rebuild of all rows, one core, against the library's ProjectionRunner", 50, "×"),
    "rebuild_events_per_s": Target(
        "rebuild of all rows with all rules, one core", 45_000, "events/s", yardstick=10_000
    ),
    "rebuild_rows_per_s": Target("the same without the rules", 60_000, "events/s", yardstick=10_000),
    "pipeline_events_per_s": Target("import of opportunities, until visible", 4_000, "events/s", yardstick=10_000),
    "import_events_per_s": Target("import of the help desk, until visible", 4_000, "source events/s", yardstick=10_000),
    "lag_p50_ms": Target("commit → visible at 1,000 commands/s, half of all", 10, "ms", at_most=True),
    "lag_p99_ms": Target("commit → visible at 1,000 commands/s, 99 of 100", 50, "ms", at_most=True),
    "append_growth": Target("append to a long log, against a short one", 0.8, "×"),
    "relay_events_per_s": Target(
        "relay, 100,000 events behind, the broker on the same two cores", 10_000, "events/s", yardstick=10_000
    ),
    "relay_lag_p50_ms": Target("append → readable in Kafka at 500 events/s, half of all", 30, "ms", at_most=True),
    "relay_lag_p99_ms": Target("append → readable in Kafka at 500 events/s, 99 of 100", 150, "ms", at_most=True),
    "relay_level_2000": Target("readable within a second at 2,000 events/s", 1, "× all"),
    "restore_events_per_s": Target("restore from Kafka", 15_000, "events/s", yardstick=10_000),
    "subscriber_records_per_s": Target(
        "subscriber, typed, filtered by type", 20_000, "records/s read", yardstick=10_000
    ),
    "evidence_10k_s": Target("evidence of a clause, 10,000 cases under two rules", 5, "s", at_most=True),
}


def machine(server: Server, folder: Path) -> dict[str, Any]:
    """What the figures depend on, and nothing that names the machine."""
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
        "postgresql": server.version,
        "system": f"{platform.system()} {platform.machine()}",
        "fsync_us": round(fsync_microseconds(folder)),
    }


def kept(results: Mapping[str, Measured], about: Mapping[str, Any]) -> dict[str, Any]:
    """Write the figures to build/bench.json; those of works not measured now stay as they were. All that is kept."""
    before: dict[str, Any] = msgspec.json.decode(FILE.read_bytes()) if FILE.exists() else {}
    document = with_results(before, results, about)
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_bytes(msgspec.json.format(msgspec.json.encode(document)) + b"\n")
    return document


def with_results(document: dict[str, Any], results: Mapping[str, Measured], about: Mapping[str, Any]) -> dict[str, Any]:
    """A document with these figures in it, in the place of earlier ones of the same works."""
    for name in ("spread", "yardstick", "python", "rates", "memory_mib"):
        document.setdefault(name, {})
    for measured in results.values():
        for key, figure in measured.figures.items():
            document[key] = _rounded(figure.median)
            document["spread"][key] = [_rounded(figure.least), _rounded(figure.most)]
            document["python"][key] = about["python"]
            if measured.yardstick is not None:
                document["yardstick"][key] = _rounded(measured.yardstick.median)
        for name, rate in measured.rates.items():
            document["rates"][name] = [_rounded(part) for part in rate]
        document["memory_mib"].update({name: round(most, 1) for name, most in measured.memory.items()})
    document["machine"] = about
    return document


def table(document: Mapping[str, Any]) -> str:
    """The tables of all that is kept, in Markdown."""
    about, spread, yardsticks = document["machine"], document["spread"], document["yardstick"]
    lines = [
        (
            f"`make bench` on {about['cores']} cores, {about['memory_gib']} GiB, {about['system']}; PostgreSQL"
            f" {about['postgresql']}; 8 KiB made durable in {about['fsync_us']} µs. Each work as it was measured last."
        ),
        "",
        "| work | key | median | least – most | wanted | | Python |",
        "|---|---|--:|--:|--:|---|---|",
    ]
    for key, target in TARGETS.items():
        if key in document:
            median, yardstick = document[key], yardsticks.get(key)
            met = "met" if target.met(median, yardstick) else "**missed**"
            python = document["python"].get(key, "")  # not known of what an older version of this measured
            cells = target.work, f"`{key}`", _said(median), _between(*spread[key]), target.said(yardstick), met, python
            lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| rate | a second | least – most |", "|---|--:|--:|"]
    lines += [f"| {name} | {_said(rate[0])} | {_between(*rate[1:])} |" for name, rate in document["rates"].items()]
    lines += ["", "| yardstick beside | single-row INSERTs a second |", "|---|--:|"]
    lines += [f"| `{key}` | {_said(yardstick)} |" for key, yardstick in yardsticks.items()]
    lines += ["", f"| process | MiB at most (wanted: ≤ {MOST_MEMORY}) |", "|---|--:|"]
    lines += [f"| {name} | {most:.0f} |" for name, most in document["memory_mib"].items()]
    return "\n".join(lines)


def published(text: str) -> None:
    """Put the tables between the two marks of docs/performance.md."""
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def _rounded(value: float) -> float:
    return round(value, 3 if value < 1000 else 0)


def _said(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _between(least: float, most: float) -> str:
    return f"{_said(least)} – {_said(most)}"
