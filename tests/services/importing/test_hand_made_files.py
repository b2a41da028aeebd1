"""Two files and, written by hand, every event they must become; in memory and in PostgreSQL."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import msgspec
import psycopg
import pytest

from aggregates.event import Event
from infra.codec import Codec
from infra.library.application import LogApplication
from infra.sealing import Plain
from services.importing.importer import bring_in
from services.importing.map_file import read_map
from tests.services.importing.given import KINDS, UP_TO_DATE, LogInMemory, envelope_of

FILES = Path(__file__).parents[2] / "data/import"
NAMESPACE = UUID("5f0f6a0e-6d0c-5d43-9a51-2c1d7b6c9e10")
BOTH = pytest.mark.parametrize(
    ("name", "source"), [("service-desk", "service desk"), ("complaints-book", "投诉登记簿")]
)


def drawn(*parts: str) -> UUID:
    return uuid5(NAMESPACE, "".join(f"{len(part)}:{part}" for part in parts))


def expected(name: str, source: str) -> list[dict[str, Any]]:
    """What was written by hand, with ids in the place of `customer Acme`; those of cases come from the file's hash."""
    file_hash = "sha256:" + hashlib.sha256((FILES / f"{name}.csv").read_bytes()).hexdigest()

    def id_of(somebody: str) -> str:
        kind, _, label = somebody.partition(" ")
        return f"{kind}-{drawn(file_hash, label) if kind == 'complaint' else drawn(source, kind, label)}"

    events = json.loads((FILES / f"{name}.events.json").read_text(encoding="utf-8"))
    for event in events:
        case, index, part, line = event["origin"]
        event["origin"] = {
            "source": file_hash,
            "file": f"{name}.csv",
            "case": case,
            "index": index,
            "part": part,
            "line": line,
        }
        event["on"] = id_of(event["on"])
        event["by"] = id_of(event["by"]) if "by" in event else None
        event["data"] |= {
            field: id_of(text) for field, text in event["data"].items() if field in ("customer_id", "handler_id")
        }
    return list(events)


def told(stream: str, name: str, at: str, data: bytes, meta: bytes) -> dict[str, Any]:
    """A record in the words of the files written by hand."""
    envelope = envelope_of(meta)
    assert envelope.kind == "importer"
    return {
        "on": stream,
        "type": name,
        "at": at,
        "data": json.loads(data),
        "origin": msgspec.to_builtins(envelope.origin),
    } | {"by": envelope.on_behalf_of}


def bring(name: str, log: Any, tmp_path: Path) -> None:
    plan = read_map(FILES / f"{name}.toml", KINDS)
    report = bring_in(
        str(FILES / f"{name}.csv"),
        plan,
        log=log,
        pace=UP_TO_DATE,
        sealer=Plain(),
        rejects=tmp_path / "rejects.csv",
        batch=12,
    )
    assert (report.cases, report.rejected, report.already) == (3, 0, 0)
    again = bring_in(
        str(FILES / f"{name}.csv"), plan, log=log, pace=UP_TO_DATE, sealer=Plain(), rejects=tmp_path / "rejects.csv"
    )
    assert (again.recorded, again.already) == (0, report.read)
    assert not (tmp_path / "rejects.csv").exists()


def by_stream(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Streams may lie in any order, what is on one stream may not."""
    return sorted(events, key=lambda event: str(event["on"]))


@BOTH
def test_every_event_is_as_it_was_written_by_hand(name: str, source: str, tmp_path: Path) -> None:
    log = LogInMemory()
    bring(name, log, tmp_path)
    events = [
        told(
            event.stream_id,
            type(event.event).__name__,
            event.effective_at.isoformat().replace("+00:00", "Z") if event.effective_at else "",
            msgspec.json.encode(event.event),
            msgspec.json.encode(event.envelope),
        )
        for event in log.written
    ]
    assert by_stream(events) == by_stream(expected(name, source))
    assert {event.actor_id for event in log.written} == {"importer"}


@BOTH
def test_and_so_it_lies_in_postgresql(name: str, source: str, tmp_path: Path, database: str) -> None:
    with LogApplication.open(database, Codec(Event.known.values())) as log:
        bring(name, log, tmp_path)
    with psycopg.connect(database) as db:
        rows = db.execute(
            "SELECT stream_id, type, to_char(effective_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),"
            " data, meta FROM yewu.log WHERE type <> 'LegacySourceDescribed' ORDER BY position"
        ).fetchall()
    assert by_stream(told(*row) for row in rows) == by_stream(expected(name, source))


def test_somebody_is_on_file_before_anything_mentions_them(tmp_path: Path) -> None:
    log = LogInMemory()
    bring("service-desk", log, tmp_path)
    codec, seen = Codec(Event.known.values()), set[str]()
    for event in log.written:
        seen.add(event.stream_id)
        assert seen.issuperset(codec.stored(event.stream_id, event.event).tags)
        assert event.envelope.on_behalf_of is None or event.envelope.on_behalf_of in seen
