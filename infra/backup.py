"""The log in a file and back: all of it up to one position, and what is derived from it made anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from aggregates.value import Value
from infra.backup_file import BLOCK, BackupError, BackupFile, Header, write
from infra.codec import Codec
from infra.migrations import pending
from infra.roles import UNPREPARED

NAME, KIND = "log.yewu", "yewu-log"
COLUMNS = (
    "position", "stream_id", "version", "type", "schema", "event_id", "recorded_at", "effective_at", "actor_id",
    "command_id", "data", "tags", "meta",
)  # fmt: skip
"""Of the log, in the order in which format 1 holds them, as PostgreSQL's binary COPY writes them."""

COLUMN_TYPES = (
    "int8", "text", "int8", "text", "int4", "uuid", "timestamptz", "timestamptz", "text", "uuid", "bytea", "text[]",
    "bytea",
)  # fmt: skip
"""What PostgreSQL calls their types."""

Progress = Callable[[int, int], None]
PAGE = 2_000


class Copied(Value):
    """What was backed up, checked or restored: its file of so many bytes, the last position, and how long it took."""

    file: str
    position: int
    bytes: int
    seconds: float


def back_up(db: psycopg.Connection[Any], folder: Path, progress: Progress = lambda _done, _goal: None) -> Copied:
    """Write the log as it is at this moment to a file in a folder, while others go on appending.

    BackupError if the folder holds a backup already, or if the log is not whole.
    """
    begun = time.monotonic()
    path = folder / NAME
    with db.transaction():
        db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        (position,) = db.execute("SELECT position FROM yewu.head").fetchone() or (0,)
        header = Header(KIND, 1, position, datetime.now(UTC), COLUMNS)
        write(path, header, _rows(db, position, progress))
    return _copied(path, position, begun)


def check(folder: Path, progress: Progress = lambda _done, _goal: None) -> Copied:
    """Read a backup whole, and write nothing; BackupError if anything is wrong with it."""
    begun = time.monotonic()
    file = _open(folder).check(progress)
    return _copied(file.path, file.header.count, begun)


def restore(
    db: psycopg.Connection[Any], folder: Path, codec: Codec, progress: Progress = lambda _done, _goal: None
) -> Copied:
    """Fill an empty log from a backup, and make anew what is derived from it, in one transaction.

    The connection, in autocommit mode, acts as the owner. BackupError if the file is not what was written or the
    database is not an empty one of this version: then nothing is written.
    """
    begun = time.monotonic()
    file = _open(folder).check()
    if pending(db):
        raise BackupError(UNPREPARED)
    with db.transaction():
        require_empty(db)
        _take_in(db, file, progress)
        derive(db, codec)
    return _copied(file.path, file.header.count, begun)


def derive(db: psycopg.Connection[Any], codec: Codec) -> None:
    """Make anew from a log, in the transaction that filled it, what is derived from it: its head first of all."""
    db.execute(
        "UPDATE yewu.head SET (position, recorded_at) = (l.position, l.recorded_at)"
        " FROM (SELECT position, recorded_at FROM yewu.log ORDER BY position DESC LIMIT 1) l"
    )
    db.execute("SELECT yewu.rebuild_answers()")
    rebuild_reservations(db, codec)
    db.execute("ANALYZE yewu.log, yewu.answer, yewu.reservation")


def rebuild_reservations(db: psycopg.Connection[Any], codec: Codec) -> None:
    """Which streams carry which values that no other may carry, made anew from the log: whoever came first has them."""
    db.execute("DELETE FROM yewu.reservation")
    with db.cursor("reserving") as reading, db.cursor() as writing:
        reading.execute(
            "SELECT stream_id, type, schema, data FROM yewu.log WHERE type = ANY(%s) ORDER BY position",
            (codec.reserving,),
        )
        while page := reading.fetchmany(PAGE):
            writing.executemany(
                "INSERT INTO yewu.reservation (scope, value, stream_id) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                [
                    (scope, value, stream_id)
                    for stream_id, name, schema, data in page
                    for scope, value in codec.held(codec.decoder(name, schema)(data))
                ],
            )


def _open(folder: Path) -> BackupFile:
    file = BackupFile(folder / NAME, KIND)
    if file.header.columns != COLUMNS:
        raise BackupError(f"{file.path} has other columns than the log: restore it with the version that made it.")
    return file


def _rows(db: psycopg.Connection[Any], position: int, progress: Progress) -> Iterator[bytes]:
    """The log, which goes up to a position, as binary COPY, in blocks; BackupError if it has gaps."""
    query = f"SELECT {', '.join(COLUMNS)} FROM yewu.log ORDER BY position"
    done, block = 0, bytearray()
    with db.cursor() as cursor:
        with cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT binary)".encode()) as copy:
            for row in copy:
                block += row
                done += 1
                if len(block) >= BLOCK:
                    yield bytes(block)
                    block.clear()
                    progress(min(done, position), position)
            yield bytes(block)
        if cursor.rowcount != position:
            raise BackupError(f"The log is not whole: up to position {position} it has {cursor.rowcount} events.")


def require_empty(db: psycopg.Connection[Any]) -> None:
    """Whoever wants to append waits from here on, for the head is locked first."""
    (position,) = db.execute("SELECT position FROM yewu.head FOR UPDATE").fetchone() or (0,)
    if position or db.execute("SELECT 1 FROM yewu.log LIMIT 1").fetchone() is not None:
        raise BackupError("This log is not empty: restore into a new database, the one in use is left as it is.")


def _take_in(db: psycopg.Connection[Any], file: BackupFile, progress: Progress) -> None:
    with db.cursor() as cursor:
        with cursor.copy(f"COPY yewu.log ({', '.join(COLUMNS)}) FROM STDIN (FORMAT binary)".encode()) as copy:
            for block in file.blocks(progress):
                copy.write(block)
        taken, count = cursor.rowcount, file.header.count
    first, last = db.execute("SELECT min(position), max(position) FROM yewu.log").fetchone() or (None, None)
    if taken != count or (count and (first, last) != (1, count)):
        raise BackupError(f"{file.path} does not hold every event from 1 to {count}.")


def _copied(path: Path, position: int, begun: float) -> Copied:
    return Copied(
        file=str(path), position=position, bytes=path.stat().st_size, seconds=round(time.monotonic() - begun, 3)
    )
