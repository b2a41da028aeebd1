"""What /ready and /metrics say of a process, put together for people; nothing is counted here anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

Samples = dict[str, dict[str, float]]
"""Values by the name of the sample, then by its label; a sample without one has the label ''."""


def status_of(ready: Mapping[str, Any], metrics: str) -> dict[str, Any]:
    """The answer of /ready with what the counters of the same process say."""
    told = _samples(metrics)
    batches, events = _one(told, "yewu_append_batches_total"), _one(told, "yewu_appended_events_total")
    refused = {reason: int(times) for reason, times in told.get("yewu_append_refused_total", {}).items()}
    took = told.get("yewu_append_commit_seconds_bucket", {})
    return {
        **ready,
        "up_seconds": round(_one(told, "yewu_up_seconds")),
        "appended_events": int(events),
        "events_per_batch": round(events / batches, 2) if batches else None,
        "half_committed_within_ms": _within(took, 0.5),
        "99_percent_committed_within_ms": _within(took, 0.99),
        "conflicts": refused.pop("VersionConflict", 0),
        "moved_facts": refused.pop("FactsMoved", 0),
        "other_refusals": refused,
        "lag": {
            name: {"waiting": int(waiting), "seconds": told.get("yewu_lag_seconds", {}).get(name)}
            for name, waiting in told.get("yewu_lag_waiting", {}).items()
        },
        "states_remembered": _share(told, "yewu_state_hits_total", "yewu_state_loads_total"),
        "facts_remembered": _share(told, "yewu_fact_hits_total", "yewu_fact_reads_total"),
    }


def status_lines(status: Mapping[str, Any]) -> dict[str, Any]:
    """The same for a terminal: a line for each reader of the log, and none for what there is nothing of."""
    lines: dict[str, Any] = {}
    for name, value in status.items():
        match name, value:
            case "lag", _:
                lines |= {f"lag of {who}": _waiting(**lag) for who, lag in value.items()}
            case "problems" | "other_refusals", _ if value:
                lines[name.replace("_", " ")] = "\n".join(_spelt(value))
            case "relays", _:
                lines |= {f"relay {each['name']}": f"{each['state']} {each['detail']}".strip() for each in value}
            case "states_remembered" | "facts_remembered", float():
                lines[name.replace("_", " ")] = f"{value:.1%}"
            case _ if value is not None and value not in ([], {}):
                lines[name.replace("_", " ")] = value
            case _:
                pass
    return lines


def _waiting(waiting: int, seconds: float | None) -> str:
    return f"{waiting} waiting" + ("" if seconds is None else f", the first for {seconds:.3f} s")


def _spelt(values: Iterable[str] | Mapping[str, int]) -> list[str]:
    return [f"{name}: {times}" for name, times in values.items()] if isinstance(values, Mapping) else list(values)


def _samples(metrics: str) -> Samples:
    found: Samples = {}
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            found.setdefault(sample.name, {})[next(iter(sample.labels.values()), "")] = sample.value
    return found


def _one(told: Samples, name: str) -> float:
    return told.get(name, {}).get("", 0.0)


def _within(buckets: Mapping[str, float], part: float) -> float | None:
    """The milliseconds of the first bucket that holds so large a part of all; None if there are none, or none does."""
    whole = buckets.get("+Inf", 0.0)
    bounds = sorted(float(bound) for bound in buckets if bound != "+Inf")
    counts = {float(bound): count for bound, count in buckets.items()}
    return next((bound * 1000 for bound in bounds if whole and counts[bound] >= part * whole), None)


def _share(told: Samples, hits: str, misses: str) -> float | None:
    found, read = _one(told, hits), _one(told, misses)
    return round(found / (found + read), 4) if found + read else None
