"""How scenarios ask: of all that is on record, of a day that has to be built first, and for what rules have found."""

from __future__ import annotations

from typing import Any

from tests.services.running import Yewu, done, wait_until


def asked(yewu: Yewu, path: str, **query: object) -> Any:
    """The answer for the manager, who reads all of it: of today as far as the log is, of the past once it is built."""
    head = done(yewu.manager.get("/events?limit=1"))["head"]
    query = {"min_position": head, **query} if "/difference" not in path and "/streams" not in path else query
    wait_until(lambda: yewu.manager.get(path, params=query).status_code != 202, 60)  # type: ignore[arg-type]
    return done(yewu.manager.get(path, params=query))  # type: ignore[arg-type]


def listed(yewu: Yewu, path: str, **query: object) -> list[dict[str, Any]]:
    """All lines of a list."""
    items: list[dict[str, Any]] = asked(yewu, path, limit=1000, **query)["items"]
    return items


def verdicts(yewu: Yewu, rule: str, verdict: str) -> dict[str, dict[str, Any]]:
    """The cases of which a rule says this, with what it rests on."""
    return {line["case_id"]: line for line in listed(yewu, "/verdicts", rule=rule, verdict=verdict)}
