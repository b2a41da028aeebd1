"""The judge: is everything that was acknowledged on record once, in its place, and is all else what follows from it?"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Any
from uuid import UUID

import psycopg

from aggregates.event import Event
from infra.codec import Codec
from infra.read_model.rebuild import build
from services.composition import POLICIES, read_model
from tests.faults.clients import Client
from tests.infra.appending import Row, whole_log

PATIENCE = 60


def judge(url: str, clients: Iterable[Client]) -> None:
    """AssertionError names what is lost, doubled, reordered or wrong. Nobody may be at work."""
    clients = list(clients)
    _settled(url)
    rows = whole_log(url)
    _judge_commands(rows, clients)
    with psycopg.connect(url, autocommit=True) as db:
        _judge_answers(db, rows)
        _judge_policies(db, rows)
        _judge_rows(url, db)


def _settled(url: str) -> None:
    """Wait until everybody has come to the head of the log, policies and projector, and nothing is added any more."""
    schema = read_model(Codec(Event.known.values())).schema
    query = f"SELECT h.position, p.position FROM yewu.head h, {schema}.place p".encode()
    deadline, before = time.monotonic() + PATIENCE, -1
    with psycopg.connect(url, autocommit=True) as db:
        while True:
            head, *places = db.execute(query).fetchone() or (0, 0)
            places += [row[0] for row in db.execute("SELECT position FROM yewu.policy").fetchall()]
            if len(places) > len(POLICIES) and {*places, before} == {head}:
                return
            assert time.monotonic() < deadline, f"at {places}, the log at {head}: somebody does not go on"
            before = head
            time.sleep(0.3)


def _judge_commands(rows: list[Row], clients: list[Client]) -> None:
    written: defaultdict[UUID, list[Row]] = defaultdict(list)
    for row in rows:
        written[row.command_id].append(row)
    for client in clients:
        for told in client.told:
            lines = written[told.command_id]
            assert lines, f"lost: {told}"
            assert tuple(line.type for line in lines) == told.events, f"not as it was told, or doubled: {told} {lines}"
            last = lines[-1]
            assert (last.stream_id, last.version, last.position) == (told.stream_id, told.version, told.position)
            assert last.position - lines[0].position == len(lines) - 1, f"torn apart: {lines}"
        assert all(a.position < b.position for a, b in pairwise(client.told)), f"reordered: {client.told}"


def _judge_answers(db: psycopg.Connection[Any], rows: list[Row]) -> None:
    places: dict[UUID, list[int]] = defaultdict(list)
    for row in rows:
        places[row.command_id].append(row.position)
    answers = db.execute("SELECT command_id, first_position, last_position FROM yewu.answer").fetchall()
    for command_id, first, last in answers:
        assert places[command_id] == list(range(first, last + 1)), f"the answer of {command_id} is wrong"
    (keyed,) = db.execute(
        "SELECT count(DISTINCT command_id) FROM yewu.log WHERE convert_from(meta, 'UTF8')::jsonb ? 'body_hash'"
        " AND convert_from(meta, 'UTF8')::jsonb ->> 'body_hash' IS NOT NULL"
    ).fetchone() or (0,)
    assert len(answers) == keyed, "some answers are missing"


def _judge_policies(db: psycopg.Connection[Any], rows: list[Row]) -> None:
    grave = db.execute(
        "SELECT event_id FROM yewu.log WHERE type = 'ComplaintAssessed'"
        " AND convert_from(data, 'UTF8')::jsonb ->> 'severity' = 'S1'"
    ).fetchall()
    followed = db.execute(
        "SELECT (convert_from(meta, 'UTF8')::jsonb ->> 'causation')::uuid FROM yewu.log"
        " WHERE type = 'ComplaintEscalated' AND actor_id LIKE 'policy-%'"
    ).fetchall()
    missing, more = Counter(grave) - Counter(followed), Counter(followed) - Counter(grave)
    assert not missing, f"nothing follows from {list(missing)}"
    assert not more, f"it follows more than once from {list(more)}"
    assert not [row for row in rows if row.type == "ObligationMissed"], "the clock calls missed what is not due yet"


def _judge_rows(url: str, db: psycopg.Connection[Any]) -> None:
    """Every table of the live schema equals one that is built anew."""
    model, anew = read_model(Codec(Event.known.values())), "rm_judged"
    with psycopg.connect(url, autocommit=True) as reader:
        build(reader, db, model, schema=anew)
    try:
        for name in (*(table.name for table in (*model.tables, model.parked)), "trail_tag"):
            live, built = f"{model.schema}.{name}", f"{anew}.{name}"
            query = (
                f"(SELECT to_jsonb(t) FROM {live} t EXCEPT ALL SELECT to_jsonb(t) FROM {built} t)"
                f" UNION ALL (SELECT to_jsonb(t) FROM {built} t EXCEPT ALL SELECT to_jsonb(t) FROM {live} t)"
            )
            other = db.execute(query.encode()).fetchall()
            assert not other, f"{name} is not what a rebuild makes of the log: {other[:4]}"
        assert not db.execute(f"SELECT FROM {model.schema}.parked".encode()).fetchall()
    finally:
        db.execute(f"DROP SCHEMA {anew} CASCADE".encode())
