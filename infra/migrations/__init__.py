"""Our own migrations: numbered SQL files, applied in order by one process at a time."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import psycopg

LOCK = 0x7965_7775  # "yewu"


def pending(db: psycopg.Connection[Any]) -> list[str]:
    """The names of the migrations that this database has not seen, in order."""
    with db.transaction():
        (table,) = db.execute("SELECT to_regclass('public.yewu_migration')").fetchone() or (None,)
        done = set() if table is None else {name for (name,) in db.execute("SELECT name FROM public.yewu_migration")}
    return [name for name, _ in _scripts() if name not in done]


def migrate(conninfo: str) -> list[str]:
    """Bring a database up to date; the names of what was applied. Others who try meanwhile wait."""
    with psycopg.connect(conninfo, autocommit=True) as db:
        db.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        db.execute("CREATE TABLE IF NOT EXISTS public.yewu_migration (name text PRIMARY KEY, at timestamptz NOT NULL)")
        missing = pending(db)
        for name, script in _scripts():
            if name in missing:
                with db.transaction():
                    db.execute(script.encode(), prepare=False)
                    db.execute("INSERT INTO public.yewu_migration VALUES (%s, now())", (name,))
    return missing


def _scripts() -> Iterator[tuple[str, str]]:
    for file in sorted(files(__name__).iterdir(), key=lambda file: file.name):
        if file.name.endswith(".sql"):
            yield file.name, file.read_text(encoding="utf-8")
