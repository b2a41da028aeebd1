"""A backup holds the log exactly; what is not exactly a backup is refused before anything is written."""

from __future__ import annotations

import asyncio
import gzip
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from aggregates.event import Event
from aggregates.people.employee import EmployeeRegistered
from aggregates.text import Code, Personal
from benchmarks.history import fill
from infra import backup_file
from infra.append import Append, Entry, Taken
from infra.backup import NAME, back_up, check, restore
from infra.backup_file import BackupError
from infra.codec import Codec
from infra.migrations import become_owner
from infra.roles import DatabaseRole
from services.composition import AGGREGATES
from tests.conftest import new_database
from tests.infra.appending import append, asynchronous, entry, whole_log, writing
from tests.logins import as_role

CODEC = Codec(Event.known.values())
EVENTS = 3_000
EVERYTHING = "SELECT * FROM yewu.log ORDER BY position"
ANSWERED = "SELECT * FROM yewu.answer ORDER BY command_id"
RESERVED = "SELECT scope, value, stream_id FROM yewu.reservation ORDER BY scope, value"


@pytest.fixture(scope="module")
def history(postgres: str) -> Iterator[str]:
    """A department with years of work on record."""
    assert AGGREGATES
    for database in new_database(postgres):
        fill(database, EVENTS)
        yield database


@pytest.fixture(scope="module")
def folder(history: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of it."""
    folder = tmp_path_factory.mktemp("backup") / "today"
    back_up_of(history, folder)
    return folder


def back_up_of(database: str, folder: Path) -> int:
    with psycopg.connect(as_role(database, DatabaseRole.AUDITOR), autocommit=True) as db:
        return back_up(db, folder).position


def restore_to(database: str, folder: Path) -> int:
    with psycopg.connect(as_role(database, DatabaseRole.MIGRATOR), autocommit=True) as db:
        become_owner(db)
        return restore(db, folder, CODEC).position


def rows(database: str, query: str) -> list[Any]:
    with psycopg.connect(database) as db:
        return db.execute(query.encode(), binary=True).fetchall()


def test_what_is_restored_is_the_same_in_every_column(history: str, folder: Path, database: str) -> None:
    assert restore_to(database, folder) == EVENTS
    assert rows(database, EVERYTHING) == rows(history, EVERYTHING)
    assert rows(database, ANSWERED) == rows(history, ANSWERED) != []
    (last,) = rows(history, "SELECT position, recorded_at FROM yewu.log ORDER BY position DESC LIMIT 1")
    assert rows(database, "SELECT position, recorded_at FROM yewu.head") == [last]


def test_a_log_without_events_is_a_backup_too(database: str, postgres: str, tmp_path: Path) -> None:
    assert back_up_of(database, tmp_path) == 0
    for other in new_database(postgres):
        assert restore_to(other, tmp_path) == 0
        assert rows(other, "SELECT position, recorded_at::text FROM yewu.head") == [(0, "-infinity")]


def test_a_backup_under_load_ends_at_one_position_and_those_who_append_do_not_wait(
    history: str, database: str, postgres: str, tmp_path: Path
) -> None:
    begun, stop = threading.Event(), threading.Event()

    async def work() -> None:
        async with writing(as_role(database, DatabaseRole.APP)) as writer:
            for n in range(100_000):
                await writer.append(
                    append(f"s-{n % 7}", None, entry(f"s-{n % 7}", data=os.urandom(300).hex().encode()))
                )
                begun.set()
                if stop.is_set():
                    return

    worker = threading.Thread(target=asyncio.run, args=(work(),))
    worker.start()
    assert begun.wait(30)
    before = rows(database, "SELECT position FROM yewu.head")[0][0]
    try:
        positions = [back_up_of(database, tmp_path / str(n)) for n in range(3)]
        after = rows(database, "SELECT position FROM yewu.head")[0][0]
    finally:
        stop.set()
        worker.join()
    assert before <= positions[0] < positions[1] < positions[2] <= after
    for other in new_database(postgres):
        restore_to(other, tmp_path / "1")
        assert whole_log(other) == whole_log(database)[: positions[1]]


def registered(stream_id: str, version: int, number: str) -> Append:
    event = EmployeeRegistered(name=Personal("Anna"), number=Code(number))
    return append(stream_id, version, Entry(CODEC.stored(stream_id, event), b"{}"))


@asynchronous
async def test_values_that_only_one_stream_may_carry_stay_with_whoever_carries_them(
    database: str, postgres: str, tmp_path: Path
) -> None:
    async with writing(as_role(database, DatabaseRole.APP)) as writer:
        for stream_id, version, number in (("employee-a", 0, "1"), ("employee-b", 0, "2"), ("employee-a", 1, "3")):
            await writer.append(registered(stream_id, version, number))
    back_up_of(database, tmp_path)
    reserved = rows(database, RESERVED)
    assert {(value, stream_id) for _, value, stream_id in reserved} == {
        ("1", "employee-a"), ("2", "employee-b"), ("3", "employee-a"),
    }  # fmt: skip
    for other in new_database(postgres):
        restore_to(other, tmp_path)
        assert rows(other, RESERVED) == reserved
        async with writing(as_role(other, DatabaseRole.APP)) as writer:
            with pytest.raises(Taken, match="held by employee-a"):
                await writer.append(registered("employee-c", 0, "3"))


def test_only_an_empty_log_is_filled(history: str, folder: Path, database: str) -> None:
    with refused("This log is not empty: restore into a new database"):
        restore_to(history, folder)
    restore_to(database, folder)
    with refused("This log is not empty"):
        restore_to(database, folder)
    assert len(rows(database, EVERYTHING)) == EVENTS


def test_whoever_would_append_meanwhile_waits(folder: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def somebody_appends(*_: Any) -> None:
        with psycopg.connect(database, options="-c lock_timeout=100ms") as db:
            db.execute("UPDATE yewu.head SET position = 1")  # what every append begins with

    monkeypatch.setattr("infra.backup._take_in", somebody_appends)
    with pytest.raises(psycopg.errors.LockNotAvailable):
        restore_to(database, folder)


def test_an_unprepared_database_is_not_filled(empty_database: str, folder: Path) -> None:
    with psycopg.connect(empty_database, autocommit=True) as db, refused("run `yewu migrate` first"):
        restore(db, folder, CODEC)


def test_a_backup_is_never_written_over_and_is_its_owners_alone(history: str, folder: Path) -> None:
    before = (folder / NAME).read_bytes()
    with refused("is there already"):
        back_up_of(history, folder)
    assert (folder / NAME).read_bytes() == before
    assert [file.name for file in folder.iterdir()] == [NAME]
    assert (folder / NAME).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_backup_that_breaks_off_leaves_nothing(history: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_number: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk, refused("cannot be written (No space left on device)."):
        disk.setattr(os, "fsync", full)
        back_up_of(history, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_log_with_a_gap_is_not_backed_up(database: str, tmp_path: Path) -> None:
    fill(database, 100)
    with psycopg.connect(database) as db:
        db.execute("ALTER TABLE yewu.log DISABLE TRIGGER append_only; DELETE FROM yewu.log WHERE position = 50")
    with refused("The log is not whole: up to position 100 it has 99 events."):
        back_up_of(database, tmp_path)
    assert list(tmp_path.iterdir()) == []


def flip(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def of_other_contents(content: bytes) -> bytes:
    """Packed anew with one event altered, under the old first line."""
    line, _, packed = content.partition(b"\n")
    return (
        line + b"\n" + gzip.compress(gzip.decompress(packed).replace(b"EmployeeRegistered", b"EmployeeUnmasked!!", 1))
    )


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda c: b"", "is no backup of Yewu's."),
        (lambda c: b"PK\x03\x04" + c, "is no backup of Yewu's."),
        (lambda c: b'{"kind":"yewu-log"}\n', "is no backup of Yewu's."),
        (lambda c: b'[1, "yewu-log"]\n', "is no backup of Yewu's."),
        (lambda c: c.replace(b"yewu-log", b"yewu-keys", 1), "is a backup of something else (yewu-keys, not yewu-log)."),
        (lambda c: c.replace(b'"format":1', b'"format":2', 1), "is of format 2: restore it with the version"),
        (lambda c: c.replace(b'"count":3000', b'"count":2999', 1), "is not as it was written"),
        (lambda c: c.replace(b'"count":3000', b'"count":"all"', 1), "is not as it was written"),
        (lambda c: c.replace(b'"meta"]', b'"mate"]', 1), "has other columns than the log"),
        (lambda c: c.partition(b"\n")[0] + b"\n", "is cut off: its end is missing."),
        (lambda c: c[: len(c) // 2], "is cut off: its end is missing."),
        (lambda c: c[:-1], "is cut off: its end is missing."),
        (lambda c: c + b"\0", "goes on behind its end"),
        (lambda c: c + gzip.compress(b"more"), "goes on behind its end"),
        (lambda c: flip(c, len(c) // 2), "is not as it was written"),
        (lambda c: flip(c, len(c) - 6), "is not as it was written"),
        (of_other_contents, "is not as it was written"),
    ],
)
def test_a_file_that_is_not_what_was_written_is_refused_by_name_and_nothing_is_written(
    folder: Path, history: str, tmp_path: Path, damage: Callable[[bytes], bytes], said: str
) -> None:
    content = (folder / NAME).read_bytes()
    damaged = damage(content)
    assert damaged != content
    (tmp_path / NAME).write_bytes(damaged)
    with refused(said), pytest.MonkeyPatch.context() as watched:
        watched.setattr("infra.backup.pending", lambda _db: pytest.fail("the database was asked"))
        restore_to(history, tmp_path)
    with refused(said):
        check(tmp_path)


def test_every_byte_counts(folder: Path, tmp_path: Path) -> None:
    content = (folder / NAME).read_bytes()
    end_of_header = content.index(b"\n")
    for at in [*range(end_of_header + 20), *range(end_of_header, len(content), max(1, len(content) // 150))]:
        (tmp_path / NAME).write_bytes(flip(content, at))
        with pytest.raises(BackupError):
            check(tmp_path)


def test_a_backup_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with refused(f"{tmp_path / NAME} cannot be read (No such file or directory)."):
        check(tmp_path)


def test_a_backup_whose_contents_are_not_a_whole_log_leaves_the_database_empty(
    folder: Path, database: str, tmp_path: Path
) -> None:
    """Its first line agrees with its contents, so that only the database can see it."""
    source = backup_file.BackupFile(folder / NAME, "yewu-log")
    header = msgspec.structs.replace(source.header, count=EVENTS + 1, sha256=backup_file.UNKNOWN)
    backup_file.write(tmp_path / NAME, header, source.blocks())
    with refused(f"does not hold every event from 1 to {EVENTS + 1}."):
        restore_to(database, tmp_path)
    assert rows(database, EVERYTHING) == []
    assert rows(database, "SELECT position FROM yewu.head") == [(0,)]


def refused(because: str) -> pytest.RaisesExc[BackupError]:
    return pytest.raises(BackupError, match=re.escape(because))
