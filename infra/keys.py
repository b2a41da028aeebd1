"""Where data keys are kept, apart from the log: a file beside the embedded database, or a PostgreSQL of its own."""

from __future__ import annotations

import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec
import psycopg

from aggregates.value import Value
from infra.roles import Unfit, require_durable

T = TypeVar("T")
TOGETHER = 500
"""So many keys are asked for, or written, at a time."""

SAID_TOGETHER = 5_000
"""Of so many it is said at a time whose they are: they lie all over the index, and some in the same page of it."""

SECONDS_TO_WAIT = 10
THE_LOGS_OWN = (
    "KEYS_URL names the database of the log, where a thief of one would have both: name another one for the keys."
)
COLUMNS = "ref, subject, wrapped, wrapped_by, made_at, destroyed_at"
TABLES = (
    """
    CREATE TABLE IF NOT EXISTS {schema}data_key (ref text PRIMARY KEY, subject text, wrapped {bytes},
        wrapped_by text NOT NULL, made_at text NOT NULL, destroyed_at text) {by_key}""",
    "CREATE INDEX IF NOT EXISTS data_key_subject ON {schema}data_key (subject) WHERE subject IS NOT NULL",
    "CREATE TABLE IF NOT EXISTS {schema}wrapping (one int PRIMARY KEY CHECK (one = 1), current text NOT NULL)",
)


class Key(Value):
    """One data key as it is kept. No `subject`: nobody has used it yet. No `wrapped`: it has been destroyed.

    `ref` stands in every value sealed with it, `subject` is the person or stream whose it is, `wrapped_by` the id of
    the wrapping key.
    """

    ref: str
    subject: str | None
    wrapped: bytes | None
    wrapped_by: str
    made_at: datetime
    destroyed_at: datetime | None = None


class KeysUnavailable(Exception):
    """The keys cannot be read or written just now; asking again is safe."""


class Rewrapping(Exception):
    """The keys are wrapped by another wrapping key by now; whoever adds some has to use that one."""


class RefTaken(Exception):
    """Another key has this ref already; whoever adds some draws others."""


class KeyStore(ABC):
    """What every store does; SQL that both kinds of database understand. Threads may share one.

    Whatever cannot be reached is a KeysUnavailable.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def add(self, keys: Sequence[Key]) -> None:
        """Keep new keys, durably: all or none.

        Rewrapping if they are not wrapped by the current wrapping key, RefTaken if one has a ref of an earlier one.
        """
        with self._transaction() as db:
            if {key.wrapped_by for key in keys} - {self._current(db, to_write=True)}:
                raise Rewrapping
            if self._insert(db, keys) < len(keys):
                raise RefTaken

    def assign(self, subjects: Mapping[str, str]) -> None:
        """Say whose keys these are, by their refs; what has been said once stays."""
        for part in _parts(subjects.items(), SAID_TOGETHER):
            with self._transaction() as db:
                # one statement for many: each time that a thread waits for SQLite, others take the interpreter
                db.run(
                    "UPDATE {schema}data_key SET subject = said.value FROM {json_each}(%s) said"
                    " WHERE ref = said.key AND subject IS NULL",
                    (msgspec.json.encode(dict(part)).decode(),),
                )

    def give_back(self, refs: Iterable[str]) -> None:
        """Forget keys that nobody has used."""
        for part in _parts(refs):
            marks = ", ".join(["%s"] * len(part))
            with self._transaction() as db:
                db.run(f"DELETE FROM {{schema}}data_key WHERE ref IN ({marks}) AND subject IS NULL", part)

    def of_refs(self, refs: Iterable[str]) -> dict[str, Key]:
        """The keys of these refs, as far as there are any."""
        return {key.ref: key for key in self._found("ref", refs)}

    def of_subjects(self, subjects: Iterable[str]) -> dict[str, Key]:
        """The key of each subject that has one: the oldest that is not destroyed, or else one that is."""
        found: dict[str, Key] = {}
        for key in self._found("subject", subjects):
            subject = key.subject or ""
            best = found.get(subject)
            if best is None or _rank(key) < _rank(best):
                found[subject] = key
        return found

    def destroy(self, subject: str) -> int:
        """Make every text sealed for a subject unreadable for ever; how many keys that took."""
        with self._transaction() as db:
            rows = db.run(
                "UPDATE {schema}data_key SET wrapped = NULL, destroyed_at = %s WHERE subject = %s"
                " AND wrapped IS NOT NULL RETURNING ref",
                (datetime.now(UTC).isoformat(), subject),
            )
        self._leave_no_trace()
        return len(rows)

    def wrapping(self) -> str | None:
        """The id of the wrapping key that new keys have to be wrapped by; None while there is no key at all."""
        with self._transaction(reads=True) as db:
            return self._current(db)

    def set_wrapping(self, current: str, *, first: bool = False) -> None:
        """From now on keys are wrapped by this wrapping key. `first`: unless there is one already."""
        otherwise = "NOTHING" if first else "UPDATE SET current = excluded.current"
        with self._transaction() as db:
            db.run(f"INSERT INTO {{schema}}wrapping VALUES (1, %s) ON CONFLICT (one) DO {otherwise}", (current,))

    def wrapped_otherwise(self, current: str) -> list[Key]:
        """Some keys that another wrapping key wraps; none if that was all."""
        with self._transaction(reads=True) as db:
            rows = db.run(
                f"SELECT {COLUMNS} FROM {{schema}}data_key WHERE wrapped_by <> %s AND wrapped IS NOT NULL"
                f" ORDER BY ref LIMIT {TOGETHER}",
                (current,),
            )
        return [_key(row) for row in rows]

    def rewrap(self, keys: Iterable[Key]) -> None:
        """Keep these keys as they are wrapped now; one destroyed meanwhile stays so."""
        with self._transaction() as db:
            for key in keys:
                db.run(
                    "UPDATE {schema}data_key SET wrapped = %s, wrapped_by = %s WHERE ref = %s AND wrapped IS NOT NULL",
                    (key.wrapped, key.wrapped_by, key.ref),
                )

    def export(self) -> Iterator[bytes]:
        """Every key as a line of JSON, still wrapped; for a backup, which must lie apart from that of the log."""
        after = ""
        while True:
            with self._transaction(reads=True) as db:
                rows = db.run(
                    f"SELECT {COLUMNS} FROM {{schema}}data_key WHERE ref > %s ORDER BY ref LIMIT {TOGETHER}", (after,)
                )
            if not rows:
                return
            for row in rows:
                yield msgspec.json.encode(_key(row)) + b"\n"
            after = str(rows[-1][0])

    def import_(self, lines: Iterable[bytes]) -> int:
        """Take in the keys of an export that are not here, all or none; how many. What is destroyed here stays so."""
        taken = 0
        with self._transaction() as db:
            for part in _parts(map(_read, lines)):
                if self._current(db, to_write=True) is None:
                    db.run("INSERT INTO {schema}wrapping VALUES (1, %s)", (part[0].wrapped_by,))
                taken += self._insert(db, part)
        return taken

    @abstractmethod
    def close(self) -> None:
        """Let go of the database."""

    def _insert(self, db: _Session, keys: Iterable[Key]) -> int:
        taken = 0
        for part in _parts(keys):
            rows = ", ".join(["(%s, %s, %s, %s, %s, %s)"] * len(part))
            taken += db.change(
                f"INSERT INTO {{schema}}data_key ({COLUMNS}) VALUES {rows} ON CONFLICT (ref) DO NOTHING",
                [value for key in part for value in _row(key)],
            )
        return taken

    def _found(self, column: str, wanted: Iterable[str]) -> Iterator[Key]:
        for part in _parts(dict.fromkeys(wanted)):
            marks = ", ".join(["%s"] * len(part))
            with self._transaction(reads=True) as db:
                rows = db.run(f"SELECT {COLUMNS} FROM {{schema}}data_key WHERE {column} IN ({marks})", part)
            yield from map(_key, rows)

    def _current(self, db: _Session, *, to_write: bool = False) -> str | None:
        """The wrapping key in use. `to_write`: it stays so until the keys are kept that it wraps."""
        rows = db.run("SELECT current FROM {schema}wrapping" + ("{for_share}" if to_write else ""), ())
        return str(rows[0][0]) if rows else None

    @abstractmethod
    def _transaction(self, *, reads: bool = False) -> AbstractContextManager[_Session]:
        """Everything in it or nothing; one that only reads holds nobody up."""

    @abstractmethod
    def _leave_no_trace(self) -> None:
        """Have what was overwritten vanish from the files as well, as far as the database can be asked to."""


class _Session(Protocol):
    """A transaction in which statements are run."""

    def run(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """What it finds."""

    def change(self, statement: str, values: Sequence[object]) -> int:
        """How many rows it changes: they are not fetched one by one, and so the interpreter changes hands once."""


class SqliteKeys(KeyStore):
    """Keys in one file of its owner's, which several processes may use at the same time."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        self.file = file
        with _sqlite_errors():
            self._db = sqlite3.connect(
                file, timeout=SECONDS_TO_WAIT, isolation_level=None, check_same_thread=False, cached_statements=64
            )
            try:
                self._prepare()
            except sqlite3.Error:
                self._db.close()
                raise

    def _prepare(self) -> None:
        for pragma in ("secure_delete = ON", "journal_mode = WAL", "synchronous = FULL"):
            self._db.execute(f"PRAGMA {pragma}")
        for table in TABLES:
            self._db.execute(table.format(schema="", bytes="blob", by_key="WITHOUT ROWID"))

    def run(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """What a statement of a transaction finds."""
        return self._execute(statement, values).fetchall()

    def change(self, statement: str, values: Sequence[object]) -> int:
        """How many rows a statement of a transaction changes."""
        return self._execute(statement, values).rowcount

    def _execute(self, statement: str, values: Sequence[object]) -> sqlite3.Cursor:
        words = statement.format(schema="", json_each="json_each", for_share="")
        return self._db.execute(words.replace("%s", "?"), values)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def _transaction(self, *, reads: bool = False) -> Iterator[_Session]:
        with self._lock, _sqlite_errors():
            self._db.execute("BEGIN" if reads else "BEGIN IMMEDIATE")
            try:
                yield self
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _leave_no_trace(self) -> None:
        with self._lock, _sqlite_errors():
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


class PostgresKeys(KeyStore):
    """Keys in a PostgreSQL that is not the log's, in the schema `yewu_keys`; Unfit if it is, or could lose them."""

    def __init__(self, conninfo: str) -> None:
        super().__init__()
        self._conninfo = conninfo
        self._db: psycopg.Connection[Any] | None = None
        try:
            self._prepare()
        except Unfit:
            self.close()
            raise

    def _prepare(self) -> None:
        with self._transaction() as db:
            require_durable(self._connection, "The PostgreSQL of KEYS_URL")
            if db.run("SELECT to_regnamespace('yewu')", ()) != [(None,)]:
                raise Unfit(THE_LOGS_OWN)
            # two processes that start together must not both create the tables
            db.run("SELECT pg_advisory_xact_lock(hashtext('yewu_keys'))", ())
            db.run("CREATE SCHEMA IF NOT EXISTS yewu_keys", ())
            for table in TABLES:
                db.run(table.replace("{bytes}", "bytea").replace("{by_key}", ""), ())

    def run(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """What a statement of a transaction finds."""
        cursor = self._execute(statement, values)
        return cursor.fetchall() if cursor.description is not None else []

    def change(self, statement: str, values: Sequence[object]) -> int:
        """How many rows a statement of a transaction changes."""
        return self._execute(statement, values).rowcount

    def _execute(self, statement: str, values: Sequence[object]) -> psycopg.Cursor[Any]:
        words = statement.format(schema="yewu_keys.", json_each="json_each_text", for_share=" FOR SHARE")
        return self._connection.execute(words.encode(), values)

    @property
    def _connection(self) -> psycopg.Connection[Any]:
        assert self._db is not None  # noqa: S101  # connected when the transaction began
        return self._db

    def close(self) -> None:
        with self._lock:
            if self._db is not None:
                self._db.close()

    @contextmanager
    def _transaction(self, *, reads: bool = False) -> Iterator[_Session]:  # noqa: ARG002  # here they never do
        with self._lock:
            try:
                if self._db is None or self._db.closed:
                    self._db = psycopg.connect(
                        self._conninfo, autocommit=True, connect_timeout=5, application_name="yewu-keys"
                    )
                with self._db.transaction():
                    yield self
            except psycopg.OperationalError as error:
                if self._db is not None:
                    self._db.close()
                raise KeysUnavailable(str(error).partition("\n")[0]) from error

    def _leave_no_trace(self) -> None:
        with self._lock:
            if self._db is not None:
                self._db.execute("VACUUM yewu_keys.data_key")


@contextmanager
def _sqlite_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise KeysUnavailable(str(error)) from error


def open_keys(file: Path, url: str | None = None) -> KeyStore:
    """The store at this address, or else in this file; made if it is not there."""
    return SqliteKeys(file) if url is None else PostgresKeys(url)


def _rank(key: Key) -> tuple[bool, datetime, str]:
    return key.wrapped is None, key.made_at, key.ref


def _row(key: Key) -> tuple[object, ...]:
    destroyed_at = None if key.destroyed_at is None else key.destroyed_at.isoformat()
    return key.ref, key.subject, key.wrapped, key.wrapped_by, _written(key.made_at), destroyed_at


_written = lru_cache(100)(datetime.isoformat)  # many keys are made at the same moment


def _key(row: Sequence[Any]) -> Key:
    ref, subject, wrapped, wrapped_by, made_at, destroyed_at = row
    return Key(
        ref=ref,
        subject=subject,
        wrapped=wrapped,
        wrapped_by=wrapped_by,
        made_at=datetime.fromisoformat(made_at),
        destroyed_at=None if destroyed_at is None else datetime.fromisoformat(destroyed_at),
    )


_read = msgspec.json.Decoder(Key).decode


def _parts(all_of: Iterable[T], most: int = TOGETHER) -> Iterator[list[T]]:
    """The same in parts of a size that one statement can take."""
    rest = iter(all_of)
    while part := list(islice(rest, most)):
        yield part
