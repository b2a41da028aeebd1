"""The database's roles: which there are, what a login may not have beyond its own, how a server must be set."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import psycopg


class DatabaseRole(StrEnum):
    """The roles that migration 0005 makes; each process connects as one of them. Nobody logs in as the owner."""

    OWNER = "yewu_owner"
    MIGRATOR = "yewu_migrator"
    APP = "yewu_app"
    PROJECTOR = "yewu_projector"
    READER = "yewu_reader"
    AUDITOR = "yewu_auditor"


class Unfit(Exception):
    """A database must not be used like this; the sentence says what is wrong and what to do."""


UNPREPARED = "This database has not been prepared for Yewu: run `yewu migrate` first."

UNSAFE = (
    "SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')"
    " AND setting = 'off' ORDER BY name"
)
"""The settings by which what is committed could be lost."""

EXCESS = """
SELECT w.what FROM pg_roles r, LATERAL (VALUES
           (r.rolcreaterole, 'may create roles'), (r.rolcreatedb, 'may create databases'),
           (r.rolreplication, 'may copy the whole server'), (r.rolbypassrls, 'is above row security')) w(so, what)
 WHERE r.rolname = session_user AND w.so
UNION ALL
SELECT 'may become ' || r.rolname FROM pg_roles r
 WHERE r.rolname NOT IN (session_user, %(role)s) AND pg_has_role(session_user, r.oid, 'MEMBER')
   AND (r.rolsuper OR r.rolcreaterole OR r.rolname ~ '^(pg|yewu)_'
        OR r.oid IN (SELECT relowner FROM pg_class WHERE relnamespace = to_regnamespace('yewu')))
UNION ALL
SELECT w.what FROM pg_class c, LATERAL (
           SELECT 'owns ' || c.oid::regclass WHERE pg_get_userbyid(c.relowner) = session_user
           UNION ALL
           SELECT 'may ' || p || ' ' || c.oid::regclass
             FROM unnest('{INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER}'::text[]) p
            WHERE pg_get_userbyid(c.relowner) <> session_user AND has_table_privilege(session_user, c.oid, p)) w(what)
 WHERE c.relnamespace = to_regnamespace('yewu') AND c.relname IN ('log', 'head', 'answer', 'reservation')
UNION ALL
SELECT 'may create things in the schema yewu'
 WHERE has_schema_privilege(session_user, to_regnamespace('yewu'), 'CREATE')
UNION ALL
SELECT 'may create schemas'
 WHERE %(role)s <> 'yewu_projector' AND has_database_privilege(session_user, current_database(), 'CREATE')
UNION ALL
SELECT 'may append to the log' FROM pg_proc p
 WHERE %(role)s <> 'yewu_app' AND p.pronamespace = to_regnamespace('yewu') AND p.proname = 'append'
   AND has_function_privilege(session_user, p.oid, 'EXECUTE')
UNION ALL
SELECT 'may switch triggers off' WHERE has_parameter_privilege(session_user, 'session_replication_role', 'SET')
"""
"""What a login may do that `role` need not; it is not asked of superusers, who may do everything."""


def require_durable(db: psycopg.Connection[Any]) -> None:
    """Unfit unless the server keeps what is committed."""
    if unsafe := [name for (name,) in db.execute(UNSAFE)]:
        raise Unfit(f"PostgreSQL runs with {' and '.join(unsafe)} off and could lose what is recorded: switch it on.")


def require_fit(db: psycopg.Connection[Any], role: DatabaseRole, setting: str) -> None:
    """Unfit unless the server keeps what is committed and this login has the rights of the role and no others.

    `setting` is where the address of the database stands.
    """
    require_durable(db)
    login, is_super, has_role = db.execute(
        "SELECT session_user, rolsuper, pg_has_role(session_user, to_regrole(%s), 'USAGE') FROM pg_roles"
        " WHERE rolname = session_user AND to_regnamespace('yewu') IS NOT NULL",
        (role,),
    ).fetchone() or ("", False, None)
    if has_role is None:
        raise Unfit(UNPREPARED)
    excess = ["is a superuser"] if is_super else [what for (what,) in db.execute(EXCESS, {"role": role})]
    if excess:
        raise Unfit(f"{setting} connects as {login}, who {' and '.join(excess)}: too much; name the login {role}.")
    if not has_role:
        raise Unfit(f"{setting} connects as {login}, who lacks the rights of {role}: name that login.")


def admit(db: psycopg.Connection[Any]) -> None:
    """Let the roles into this database, and hand the read models of older code to the projector.

    Migrations cannot: a copy of a database has none of its rights. Only a superuser can give this; for anybody else it
    is as it is. The connection is in autocommit mode.
    """
    name, is_super = db.execute(
        "SELECT quote_ident(current_database()), rolsuper FROM pg_roles WHERE rolname = session_user"
    ).fetchone() or ("", False)
    if not is_super:
        return
    every = ", ".join(role for role in DatabaseRole if role is not DatabaseRole.OWNER)
    with db.transaction():
        db.execute(
            f"REVOKE ALL ON DATABASE {name} FROM PUBLIC; GRANT CONNECT ON DATABASE {name} TO {every};"
            f" GRANT CREATE ON DATABASE {name} TO {DatabaseRole.OWNER}, {DatabaseRole.PROJECTOR};"
            " CALL yewu.adopt_read_models()".encode()
        )
