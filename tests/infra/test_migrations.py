"""However many processes start at once on an empty database: each migration is applied once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import RFC_4122

import psycopg
import pytest
from psycopg.pq import ExecStatus, Format

from infra import migrations
from infra.append_call import packed, parameters
from infra.guard_memory import GuardMemory
from infra.migrations import migrate, pending
from tests.infra.appending import append, processes, whole_log, writing


def start(conninfo: str, number: int) -> list[str]:
    """A process that starts: migrates, then writes."""
    applied = migrate(conninfo)

    async def write() -> None:
        async with writing(conninfo) as writer:
            await writer.append(append(f"s-{number}", 0))

    asyncio.run(write())
    return applied


def test_eight_processes_start_at_once_on_an_empty_database(empty_database: str) -> None:
    with processes(8) as pool:
        applied = [job.result(timeout=60) for job in [pool.submit(start, empty_database, n) for n in range(8)]]
    every = sorted(file.name for file in Path(migrations.__file__).parent.glob("[0-9]*.sql"))
    assert sorted(name for names in applied for name in names) == every
    assert [bool(names) for names in applied].count(True) == 1
    assert len(whole_log(empty_database)) == 8


def test_what_was_applied_is_not_applied_again(empty_database: str) -> None:
    with psycopg.connect(empty_database) as db:
        missing = pending(db)
    assert missing[0] == "0001_log.sql"
    assert migrate(empty_database) == missing
    assert migrate(empty_database) == []
    with psycopg.connect(empty_database) as db:
        assert pending(db) == []


def test_a_log_that_was_begun_with_an_older_append_goes_on(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [script for script in migrations._scripts() if script[0] < "0004"]
    with monkeypatch.context() as then:
        then.setattr(migrations, "_scripts", lambda: iter(before))
        migrate(empty_database)
    with psycopg.connect(empty_database) as db:
        db.execute("CREATE FUNCTION yewu.append(int, text) RETURNS int LANGUAGE sql AS 'SELECT $1'")
    start(empty_database, 1)
    with psycopg.connect(empty_database) as db:
        assert db.execute("SELECT count(*) FROM pg_proc WHERE oid = 'yewu.append'::regproc").fetchone() == (1,)
    assert len(whole_log(empty_database)) == 1


def test_code_of_before_that_runs_beside_and_names_no_ids_of_events_is_served(database: str) -> None:
    words = parameters([packed(append("s-1", 0))], GuardMemory(), 10)[:-1]
    call = f"SELECT * FROM yewu.append({', '.join(f'${n}' for n in range(1, len(words) + 1))})"
    with psycopg.connect(database, autocommit=True) as db:
        done = db.pgconn.exec_params(call.encode(), words, None, [Format.BINARY] * len(words))
        assert done.status == ExecStatus.TUPLES_OK, done.error_message
        (event_id,) = db.execute("SELECT event_id FROM yewu.log").fetchone() or ()
    assert (event_id.version, event_id.variant) == (4, RFC_4122)


def test_a_migration_that_fails_leaves_nothing_of_itself(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = [("1.sql", "CREATE TABLE a (); CREATE TABLE b ();"), ("2.sql", "CREATE TABLE c (); SELECT 1/0;")]
    monkeypatch.setattr(migrations, "_scripts", lambda: iter(scripts))
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(empty_database)
    with psycopg.connect(empty_database) as db:
        assert pending(db) == ["2.sql"]
        assert db.execute("SELECT to_regclass('a'), to_regclass('b'), to_regclass('c')").fetchone() == ("a", "b", None)
