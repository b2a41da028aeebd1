"""A help desk that never was: files of the same shape as a real one's history, for newcomers and for measuring."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.sax.saxutils import quoteattr

BEGIN = datetime(2024, 1, 8, 8, tzinfo=UTC)
PEOPLE = [f"Agent {name}" for name in ("An", "Bo", "Chen", "Dai", "Fang", "Gu", "Han", "Lin", "Ma", "Wu")]
CUSTOMERS = [f"Customer {number}" for number in range(1, 61)]
HEAD = """<?xml version="1.0" encoding="utf-8" ?>
<log xes.version="1849-2016" xmlns="http://www.xes-standard.org/">
"""


def write_help_desk(path: Path, cases: int, seed: int = 1) -> Path:
    """Write an XES file of so many cases, gzipped if its name says so; the same seed gives the same file."""
    text = "".join((HEAD, *_traces(cases, random.Random(seed)), "</log>\n"))  # noqa: S311  # no secret
    data = text.encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def _traces(cases: int, dice: random.Random) -> Iterator[str]:
    for number in range(1, cases + 1):
        yield f'<trace><string key="concept:name" value="Case {number}"/>\n'
        at = BEGIN + timedelta(minutes=dice.randrange(360 * 24 * 60))
        always = {
            "customer": dice.choice(CUSTOMERS),
            "product": f"Product {dice.randrange(1, 15)}",
            "seriousness_2": f"Value {dice.choices((1, 2, 4, 3), (57, 38, 4, 1))[0]}",
            "service_type": f"Value {dice.choices((1, 2, 3, 4), (85, 14, 1, 1))[0]}",
            "service_level": f"Value {dice.randrange(1, 5)}",
            "support_section": f"Value {dice.choices((1, 2, 3), (96, 2, 2))[0]}",
            "responsible_section": "Value 1",
            "workgroup": f"Value {dice.choices((1, 2), (88, 12))[0]}",
            "seriousness": "Value 1",
        }
        for activity in _story(dice):
            yield _event(activity, dice.choice(PEOPLE), at, always)
            at += timedelta(seconds=dice.randrange(60, 6 * 24 * 3600))
        yield "</trace>\n"


def _story(dice: random.Random) -> Iterator[str]:
    """What happens to one case: mostly the short way, now and then a wait, a rejection, another round."""
    yield dice.choices(("Assign seriousness", "Insert ticket"), (97, 3))[0]
    yield "Take in charge ticket"
    while dice.random() < 0.25:
        yield dice.choice(("Wait", "Require upgrade", "Take in charge ticket", "Create SW anomaly"))
    yield "Resolve ticket"
    if dice.random() < 0.97:
        yield "Closed"


def _event(activity: str, person: str, at: datetime, always: dict[str, str]) -> str:
    fields = {"concept:name": activity, "org:resource": person, **always}
    strings = "".join(f"<string key={quoteattr(key)} value={quoteattr(value)}/>" for key, value in fields.items())
    return f'<event>{strings}<date key="time:timestamp" value="{at.isoformat()}"/></event>\n'
