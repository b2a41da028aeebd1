"""Backups as the command line makes and takes them in: each by the role that may."""

from __future__ import annotations

from pathlib import Path

import psycopg

from aggregates.event import Event
from infra import backup
from infra.backup import Copied, Progress
from infra.codec import Codec
from infra.migrations import become_owner
from infra.roles import DatabaseRole, require_durable
from infra.settings import Settings
from services.addresses import address_for, address_for_migrations, database_at_hand


def back_up(settings: Settings, folder: Path, progress: Progress) -> Copied:
    """Write the log to a folder, as an auditor, who can do nothing else to it."""
    with (
        database_at_hand(settings),
        psycopg.connect(address_for(DatabaseRole.AUDITOR, settings), autocommit=True) as db,
    ):
        return backup.back_up(db, folder, progress)


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
