"""Backups as the command line makes and takes them in: each by the role that may."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from aggregates.event import Event
from aggregates.value import Value
from infra import backup
from infra.backup import Copied, Progress
from infra.backup_file import FORMAT, BackupError, BackupFile, Header, write
from infra.codec import Codec
from infra.migrations import become_owner
from infra.roles import DatabaseRole, require_durable
from infra.settings import Settings
from services.addresses import address_for, address_for_migrations, database_at_hand
from services.keys import keys_of

KEYS, KIND = "keys.yewu", "yewu-keys"


def back_up(settings: Settings, folder: Path, progress: Progress) -> Copied:
    """Write the log to a folder, as an auditor, who can do nothing else to it."""
    with (
        database_at_hand(settings),
        psycopg.connect(address_for(DatabaseRole.AUDITOR, settings), autocommit=True) as db,
    ):
        return backup.back_up(db, folder, progress)


class CopiedKeys(Value):
    """So many keys were backed up or restored: their file of so many bytes, and how long it took."""

    file: str
    keys: int
    bytes: int
    seconds: float


def back_up_keys(settings: Settings, folder: Path) -> CopiedKeys:
    """Write the data keys, still wrapped, to a folder that must not lie beside that of the log."""
    begun = time.monotonic()
    with closing(keys_of(settings)) as store:
        lines = [*store.export()]
    path = folder / KEYS
    write(path, Header(KIND, FORMAT, len(lines), datetime.now(UTC)), lines)
    return _copied_keys(path, len(lines), begun)


def restore_keys(settings: Settings, folder: Path) -> CopiedKeys:
    """Take in the keys of a folder that are not here; those that are destroyed here stay so."""
    begun = time.monotonic()
    file = BackupFile(folder / KEYS, KIND).check()
    lines = b"".join(file.blocks()).splitlines()
    if len(lines) != file.header.count:
        raise BackupError(f"{file.path} holds {len(lines)} keys and says {file.header.count}.")
    with closing(keys_of(settings)) as store:
        store.import_(lines)
    return _copied_keys(file.path, len(lines), begun)


def _copied_keys(path: Path, keys: int, begun: float) -> CopiedKeys:
    seconds = round(time.monotonic() - begun, 3)
    return CopiedKeys(file=str(path), keys=keys, bytes=path.stat().st_size, seconds=seconds)


def check_only(_settings: Settings, folder: Path, progress: Progress) -> Copied:
    """See whether a backup is whole; no database is asked."""
    return backup.check(folder, progress)


def restore(settings: Settings, folder: Path, progress: Progress) -> Copied:
    """Fill an empty database from a folder, in the owner's name; the events are those that have been imported."""
    backup.check(folder)  # before a database is even started
    with database_at_hand(settings), psycopg.connect(address_for_migrations(settings), autocommit=True) as db:
        require_durable(db)
        become_owner(db)
        return backup.restore(db, folder, Codec(Event.known.values()), progress)
