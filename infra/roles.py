"""The database's roles: which there are, what a login may not have beyond its own, how a server must be set."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
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

NAMED = 20
"""So many rights that are too much are named one by one."""

GRANT = re.compile(r"^GRANT (.+?)\s+ON (?:FUNCTION )?(.+?)\s+TO (.+?);", re.MULTILINE | re.DOTALL)
"""As rights.sql writes it: what may be done, to what, by whom."""

EXCESS = """
WITH relation AS MATERIALIZED (
    SELECT c.oid, relowner, nspname || '.' || relname AS name, starts_with(nspname, 'rm_') AS is_row,
           c.oid IN (SELECT attrelid FROM pg_attribute WHERE attacl IS NOT NULL) AS by_column
      FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
     WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
       AND (nspname = 'yewu' OR c.oid = to_regclass('public.yewu_migration')
            OR starts_with(nspname, 'rm_') AND %(role)s <> 'yewu_projector')
), routine AS (
    SELECT oid, proowner, 'yewu.' || proname AS name FROM pg_proc WHERE pronamespace = to_regnamespace('yewu')
)
SELECT w.what FROM pg_roles r, LATERAL (VALUES
           (r.rolcreaterole, 'may create roles'), (r.rolcreatedb, 'may create databases'),
           (r.rolreplication, 'may copy the whole server'), (r.rolbypassrls, 'is above row security')) w(so, what)
 WHERE r.rolname = session_user AND w.so
UNION ALL
SELECT 'may become ' || r.rolname FROM pg_roles r
 WHERE r.rolname NOT IN (session_user, %(role)s) AND pg_has_role(session_user, r.oid, 'MEMBER')
   AND (r.rolsuper OR r.rolcreaterole OR r.rolname ~ '^(pg|yewu)_'
        OR r.oid IN (SELECT relowner FROM relation WHERE NOT is_row UNION ALL SELECT proowner FROM routine))
UNION ALL
SELECT 'owns ' || name
  FROM (SELECT relowner, name FROM relation UNION SELECT proowner, name FROM routine) thing(owner, name)
 WHERE pg_get_userbyid(owner) = session_user
UNION ALL
SELECT 'may ' || string_agg(p, ', ' ORDER BY p) || part || name
  FROM relation, unnest('{SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER}'::text[]) p,
       LATERAL (SELECT ' ' WHERE has_table_privilege(session_user, oid, p) UNION ALL
                SELECT ' columns of ' WHERE by_column AND p IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')
                   AND has_any_column_privilege(session_user, oid, p) LIMIT 1) held(part)
 WHERE pg_get_userbyid(relowner) <> session_user AND p || ' ' || name <> ALL (%(given)s)
   AND NOT (is_row AND p = 'SELECT')
 GROUP BY name, part
UNION ALL
SELECT DISTINCT 'may EXECUTE ' || name FROM routine
 WHERE pg_get_userbyid(proowner) <> session_user AND 'EXECUTE ' || name <> ALL (%(given)s)
   AND has_function_privilege(session_user, oid, 'EXECUTE')
UNION ALL
SELECT 'may EXECUTE ' || p.oid::regprocedure
  FROM pg_init_privs i JOIN pg_proc p ON i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid
 WHERE NOT EXISTS (SELECT FROM aclexplode(initprivs) WHERE grantee = 0)
   AND has_function_privilege(session_user, p.oid, 'EXECUTE')
UNION ALL
SELECT 'may create things in the schema yewu'
 WHERE has_schema_privilege(session_user, to_regnamespace('yewu'), 'CREATE')
UNION ALL
SELECT 'may create schemas'
 WHERE %(role)s <> 'yewu_projector' AND has_database_privilege(session_user, current_database(), 'CREATE')
UNION ALL
SELECT 'may switch triggers off' WHERE has_parameter_privilege(session_user, 'session_replication_role', 'SET')
"""
"""What a login may do to things of ours beyond what is `given` to the `role`, rows being there to be read, and with the
server beyond what everybody may. It is not asked of superusers, who may do everything."""


@lru_cache
def given_to(role: DatabaseRole) -> list[str]:
    """What migrations let a role do, such as `SELECT yewu.log`."""
    script = files("infra.migrations").joinpath("rights.sql").read_text(encoding="utf-8")
    return [
        f"{what} {thing}"
        for privileges, things, roles in GRANT.findall(script)
        if role in _listed(roles)
        for what in _listed(privileges)
        for thing in _listed(things)
    ]


def _listed(words: str) -> list[str]:
    return re.split(r",\s*", words)


def require_durable(db: psycopg.Connection[Any], server: str = "PostgreSQL") -> None:
    """Unfit unless the server keeps what is committed; what it is called in the sentence."""
    if unsafe := [name for (name,) in db.execute(UNSAFE)]:
        raise Unfit(f"{server} runs with {' and '.join(unsafe)} off and could lose what is recorded: switch it on.")


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
    asked = {"role": role, "given": given_to(role)}
    excess = ["is a superuser"] if is_super else sorted(what for (what,) in db.execute(EXCESS, asked))
    if excess:
        more = [f"has {len(excess) - NAMED} rights more"] if len(excess) > NAMED else []
        what = " and ".join(excess[:NAMED] + more)
        raise Unfit(f"{setting} connects as {login}, who {what}: too much; name the login {role}.")
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
