"""Our own migrations: numbered SQL files, applied in order by one process at a time; behind them the rights, always."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import psycopg

from infra.roles import DatabaseRole, admit

OWNER = DatabaseRole.OWNER
LOCK = 0x7965_7775  # "yewu"


def pending(db: psycopg.Connection[Any]) -> list[str]:
    """The names of the migrations that this database has not seen, in order."""
    with db.transaction():
        (table,) = db.execute("SELECT to_regclass('public.yewu_migration')").fetchone() or (None,)
        done = set() if table is None else {name for (name,) in db.execute("SELECT name FROM public.yewu_migration")}
    return [name for name, _ in _scripts() if name not in done]


def migrate(conninfo: str) -> list[str]:
    """Bring a database up to date; the names of what was applied. Others who try meanwhile wait.

    From the migration on that makes the roles everything is done in the owner's name.
    """
    with psycopg.connect(conninfo, autocommit=True) as db:
        db.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        become_owner(db)
        if db.execute("SELECT to_regclass('public.yewu_migration')").fetchone() == (None,):
            db.execute("CREATE TABLE public.yewu_migration (name text PRIMARY KEY, at timestamptz NOT NULL)")
        missing = pending(db)
        for name, script in _scripts():
            if name in missing:
                with db.transaction():
                    db.execute("INSERT INTO public.yewu_migration VALUES (%s, now())", (name,))
                    db.execute(script.encode(), prepare=False)
                become_owner(db)
        if db.execute("SELECT to_regprocedure('yewu.adopt_read_models()')").fetchone() != (None,):
            db.execute(files(__name__).joinpath("rights.sql").read_bytes(), prepare=False)
            db.execute("RESET ROLE")
            admit(db)
    return missing


def become_owner(db: psycopg.Connection[Any]) -> None:
    """Go on in the name of the owner of our tables, once there is that role."""
    ours = "SELECT 1 FROM pg_namespace WHERE nspname = 'yewu' AND nspowner = to_regrole(%s)"
    if db.execute(ours, (OWNER,)).fetchone() is not None:
        db.execute(f"SET ROLE {OWNER}".encode())


def _scripts() -> Iterator[tuple[str, str]]:
    for file in sorted(files(__name__).iterdir(), key=lambda file: file.name):
        if re.fullmatch(r"\d{4}_\w+\.sql", file.name):
            yield file.name, file.read_text(encoding="utf-8")
