"""Nobody can do to the database what their part does not need, and a login that could is turned away."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

import psycopg
import pytest

from infra import migrations
from infra.migrations import migrate
from infra.read_model.schema import drop_unused
from infra.roles import DatabaseRole, Unfit, given_to, require_fit
from tests.conftest import new_database
from tests.infra.appending import append, asynchronous, writing
from tests.logins import LOGINS, as_role

MIGRATOR, APP, PROJECTOR, READER, AUDITOR = LOGINS
RUNNING = (APP, PROJECTOR, READER, AUDITOR)

CHANGES_OF_THE_LOG = (
    "UPDATE yewu.log SET actor_id = 'somebody else'",
    "DELETE FROM yewu.log",
    "TRUNCATE yewu.log",
    "INSERT INTO yewu.log SELECT (l).* FROM (SELECT NULL::yewu.log) x(l)",
    "COPY yewu.log FROM STDIN",
    "UPDATE yewu.head SET position = 7",
    "DELETE FROM yewu.head",
    "DELETE FROM yewu.answer",
    "DELETE FROM yewu.reservation",
    "LOCK TABLE yewu.log IN EXCLUSIVE MODE",
    "SELECT yewu.rebuild_answers()",
)
CHANGES_OF_ITS_RULES = (
    "DROP TABLE yewu.log",
    "DROP SCHEMA yewu CASCADE",
    "DROP VIEW yewu.event",
    "ALTER TABLE yewu.log DISABLE TRIGGER ALL",
    "ALTER TABLE yewu.log ADD COLUMN note text",
    "ALTER TABLE yewu.log OWNER TO CURRENT_USER",
    "DROP TRIGGER append_only ON yewu.log",
    "CREATE TRIGGER mine BEFORE INSERT ON yewu.log EXECUTE FUNCTION yewu.refuse_change()",
    "CREATE RULE mine AS ON INSERT TO yewu.log DO INSTEAD NOTHING",
    "CREATE INDEX ON yewu.log (actor_id)",
    "DROP FUNCTION yewu.append",
    "ALTER FUNCTION yewu.append SECURITY INVOKER",
    "CREATE FUNCTION yewu.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TABLE yewu.mine (a int)",
    "CREATE TABLE public.mine (a int)",
    "CREATE TEMPORARY TABLE log (a int)",
    "CALL yewu.hand_over('yewu', CURRENT_USER)",
    "CALL yewu.adopt_read_models()",
    "INSERT INTO public.yewu_migration VALUES ('9999.sql', now())",
    "SET session_replication_role = replica",
)
WAYS_OUT = (
    "COPY (SELECT 1) TO PROGRAM 'cat'",
    "COPY yewu.log FROM PROGRAM 'true'",
    "COPY yewu.log FROM '/etc/passwd'",
    "COPY (SELECT 1) TO '/tmp/yewu'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT lo_import('/etc/passwd')",
    "ALTER SYSTEM SET fsync = off",
    "CREATE PUBLICATION everything FOR ALL TABLES",
    "CREATE ROLE mine SUPERUSER",
    "ALTER ROLE CURRENT_USER CREATEROLE",
    "CREATE DATABASE mine",
    "GRANT yewu_owner TO CURRENT_USER",
)
TABLE_HELD = "SELECT has_table_privilege(%s, %s)"
HELD = {
    "USAGE": "SELECT has_schema_privilege(split_part(%s, ' ', 2), %s)",
    "EXECUTE": "SELECT has_function_privilege(%s::regproc, %s)",
    **dict.fromkeys(("SELECT", "INSERT", "UPDATE", "DELETE"), TABLE_HELD),
}


@pytest.fixture(scope="module")
def desk(postgres: str) -> Iterator[str]:
    """A database with an event in its log and a read model that the projector made."""
    for database in new_database(postgres):
        with psycopg.connect(as_role(database, PROJECTOR)) as db:
            db.execute("CREATE SCHEMA rm_0; CREATE TABLE rm_0.place (position int8); INSERT INTO rm_0.place VALUES (1)")
        fill(database)
        yield database


@asynchronous
async def fill(database: str) -> None:
    async with writing(as_role(database, APP)) as writer:
        await writer.append(append("s-1", 0))


def denied(database: str, role: DatabaseRole, statement: str) -> bool:
    """Is it refused for want of a right, and for nothing else?"""
    whole = statement.startswith(("ALTER SYSTEM", "CREATE DATABASE"))  # no transaction can hold them
    with psycopg.connect(as_role(database, role), autocommit=whole) as db:
        try:
            if statement.endswith("FROM STDIN"):
                with db.cursor() as cursor, cursor.copy(statement.encode()):
                    pass
            else:
                db.execute(statement.encode())
        except psycopg.errors.InsufficientPrivilege:
            return True
        finally:
            db.rollback()
    return False


@pytest.mark.parametrize("statement", [*CHANGES_OF_THE_LOG, *CHANGES_OF_ITS_RULES, *WAYS_OUT])
@pytest.mark.parametrize("role", LOGINS)
def test_no_role_changes_the_log_its_rules_or_the_server(desk: str, role: DatabaseRole, statement: str) -> None:
    assert denied(desk, role, statement)


@pytest.mark.parametrize("other", [*DatabaseRole, "pg_write_server_files", "pg_execute_server_program"])
@pytest.mark.parametrize("role", LOGINS)
def test_no_role_becomes_another_but_the_migrator_the_owner(desk: str, role: DatabaseRole, other: str) -> None:
    allowed = other == role or (role, other) == (MIGRATOR, DatabaseRole.OWNER)
    assert denied(desk, role, f"SET ROLE {other}") is not allowed
    assert denied(desk, role, f"SET SESSION AUTHORIZATION {other}") is not (other == role)


@pytest.mark.parametrize("statement", ["UPDATE yewu.log SET version = 1", "DELETE FROM yewu.log", "TRUNCATE yewu.log"])
def test_even_in_the_owners_name_the_log_is_not_changed(desk: str, statement: str) -> None:
    assert denied(desk, MIGRATOR, f"SET ROLE yewu_owner; {statement}")


@pytest.mark.parametrize(
    ("statement", "readers"),
    [
        ("SELECT * FROM yewu.log", {APP, PROJECTOR, AUDITOR}),
        ("SELECT * FROM yewu.head", {APP, PROJECTOR, AUDITOR}),
        ("SELECT * FROM yewu.event", {AUDITOR}),
        ("SELECT * FROM yewu.answer", {APP}),
        ("SELECT * FROM yewu.reservation", set()),
        ("SELECT * FROM yewu.rebuild", {APP, PROJECTOR}),
        ("SELECT * FROM yewu.build_request", {APP, PROJECTOR}),
        ("UPDATE yewu.build_request SET done = 1", {PROJECTOR}),
        ("SELECT * FROM yewu.request_build('rm_0_0123456789abcdef', '', '{}', null, null, '{}', false)", {APP}),
        ("SELECT * FROM rm_0.place", set(RUNNING)),
        ("UPDATE rm_0.place SET position = 2", {PROJECTOR}),
        ("DROP SCHEMA rm_0 CASCADE", {PROJECTOR}),
        ("CREATE SCHEMA rm_1", {PROJECTOR}),
    ],
)
def test_each_role_reads_and_writes_what_it_needs_and_no_more(
    desk: str, statement: str, readers: set[DatabaseRole]
) -> None:
    assert {role for role in LOGINS if not denied(desk, role, statement)} == readers


@pytest.mark.parametrize("role", [role for role in LOGINS if role is not APP])
@asynchronous
async def test_nobody_appends_but_the_application(desk: str, role: DatabaseRole) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with writing(as_role(desk, role)) as writer:
            await writer.append(append("s-2", 0))


def test_every_function_that_acts_in_the_owners_name_looks_for_names_in_one_place_only(desk: str) -> None:
    with psycopg.connect(desk) as db:
        found = db.execute(
            "SELECT proname, proconfig, pg_get_userbyid(proowner) FROM pg_proc"
            " WHERE prosecdef AND pronamespace = 'yewu'::regnamespace"
        ).fetchall()
    assert {name for name, *_ in found} >= {"append", "request_build"}
    for name, config, owner in found:
        assert "search_path=pg_catalog, pg_temp" in config, name
        assert owner == DatabaseRole.OWNER, name


def test_every_function_that_acts_in_the_owners_name_is_given_to_somebody(desk: str) -> None:
    """Else a migration made one, and rights.sql has no line for it."""
    with psycopg.connect(desk) as db:
        found = db.execute(
            "SELECT p.proname, bool_or(has_function_privilege(r.oid, p.oid, 'EXECUTE'))"
            " FROM pg_proc p, pg_roles r WHERE p.prosecdef AND p.pronamespace = 'yewu'::regnamespace"
            " AND r.rolname = ANY (%s) GROUP BY p.proname",
            ([*RUNNING],),
        ).fetchall()
    assert [name for name, given in found if not given] == []


def test_a_function_that_a_migration_makes_anew_is_given_again(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as db:
        (body,) = db.execute("SELECT pg_get_functiondef('yewu.append'::regproc)").fetchone() or ("",)
        db.execute(f"SET ROLE yewu_owner; DROP FUNCTION yewu.append; {body}".encode())
    assert not may_append(database)
    migrate(as_role(database, MIGRATOR))
    assert may_append(database)


def test_the_append_that_takes_the_place_of_an_older_one_is_the_applications_at_once(database: str) -> None:
    script = files(migrations).joinpath("0014_append.sql").read_text(encoding="utf-8")
    with psycopg.connect(database, autocommit=True) as db:
        db.execute(f"SET ROLE yewu_owner; {script}".encode())
    assert may_append(database)


def may_append(database: str) -> bool:
    with psycopg.connect(database) as db:
        question = "SELECT has_function_privilege('yewu_app', 'yewu.append'::regproc, 'EXECUTE')"
        return db.execute(question).fetchone() == (True,)


def test_everything_in_yewu_belongs_to_the_owner_and_none_of_it_is_for_everybody(desk: str) -> None:
    with psycopg.connect(desk) as db:
        others = db.execute(
            "SELECT relname FROM pg_class"
            " WHERE relnamespace = 'yewu'::regnamespace AND relowner <> 'yewu_owner'::regrole"
            " UNION ALL SELECT proname FROM pg_proc"
            " WHERE pronamespace = 'yewu'::regnamespace AND proowner <> 'yewu_owner'::regrole"
        ).fetchall()
        public = db.execute(
            "SELECT relname FROM pg_class c, aclexplode(c.relacl) a"
            " WHERE relnamespace = 'yewu'::regnamespace AND a.grantee = 0 UNION ALL SELECT proname FROM pg_proc p,"
            " aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a"
            " WHERE pronamespace::regnamespace::text ~ '^(yewu$|rm_)' AND a.grantee = 0"
        ).fetchall()
    assert (others, public) == ([], [])


def fit(database: str, role: DatabaseRole) -> str:
    """What is wrong with a login for the part that this role plays; nothing if all is well."""
    with psycopg.connect(database, autocommit=True) as db:
        try:
            require_fit(db, role, "DATABASE_URL")
        except Unfit as unfit:
            return str(unfit)
    return ""


@pytest.mark.parametrize("role", RUNNING)
def test_what_is_not_too_much_is_what_migrations_give(database: str, role: DatabaseRole) -> None:
    with psycopg.connect(as_role(database, role)) as db:
        held = {
            right
            for right in given_to(role)
            for privilege, thing in [right.split(" ", 1)]
            if db.execute(HELD[privilege], (thing, privilege)).fetchone() == (True,)
        }
    assert held == set(given_to(role))


@pytest.mark.parametrize("role", RUNNING)
def test_a_login_of_the_role_that_is_wanted_is_let_in(database: str, role: DatabaseRole) -> None:
    assert fit(as_role(database, role), role) == ""


def test_whoever_may_do_everything_is_turned_away(database: str) -> None:
    assert fit(database, APP) == (
        "DATABASE_URL connects as yewu, who is a superuser: too much; name the login yewu_app."
    )


def test_whoever_may_become_the_owner_is_turned_away(database: str) -> None:
    assert fit(as_role(database, MIGRATOR), APP) == (
        "DATABASE_URL connects as yewu_migrator, who may become yewu_owner: too much; name the login yewu_app."
    )


def test_the_login_of_another_part_is_turned_away(database: str) -> None:
    assert fit(as_role(database, AUDITOR), READER) == (
        "DATABASE_URL connects as yewu_auditor, who may SELECT yewu.event and may SELECT yewu.head"
        " and may SELECT yewu.log and may SELECT yewu.relay and may SELECT yewu.store and may SELECT yewu.topic:"
        " too much; name the login yewu_reader."
    )
    assert "may create schemas" in fit(as_role(database, PROJECTOR), APP)
    assert "may EXECUTE yewu.append" in fit(as_role(database, APP), PROJECTOR)
    assert fit(as_role(database, READER), APP) == (
        "DATABASE_URL connects as yewu_reader, who lacks the rights of yewu_app: name that login."
    )


@pytest.mark.parametrize(
    ("role", "grant", "what"),
    [
        (APP, "GRANT INSERT, TRUNCATE ON yewu.log TO yewu_app", "may INSERT, TRUNCATE yewu.log"),
        (APP, "GRANT INSERT (position, stream_id) ON yewu.log TO yewu_app", "may INSERT columns of yewu.log"),
        (APP, "GRANT UPDATE ON yewu.head TO yewu_app", "may UPDATE yewu.head"),
        (APP, "GRANT UPDATE (position) ON yewu.head TO PUBLIC", "may UPDATE columns of yewu.head"),
        (APP, "ALTER TABLE yewu.answer OWNER TO yewu_app", "owns yewu.answer"),
        (APP, "ALTER FUNCTION yewu.append OWNER TO yewu_app", "owns yewu.append"),
        (APP, "GRANT EXECUTE ON FUNCTION yewu.rebuild_answers TO yewu_app", "may EXECUTE yewu.rebuild_answers"),
        (APP, "GRANT INSERT, UPDATE, DELETE ON yewu.policy TO yewu_app", "may DELETE, INSERT, UPDATE yewu.policy"),
        (APP, "GRANT INSERT ON public.yewu_migration TO yewu_app", "may INSERT public.yewu_migration"),
        (APP, "GRANT UPDATE, DELETE ON rm_0.place TO yewu_app", "may DELETE, UPDATE rm_0.place"),
        (APP, "GRANT UPDATE (position) ON rm_0.place TO PUBLIC", "may UPDATE columns of rm_0.place"),
        (APP, "ALTER TABLE rm_0.place OWNER TO yewu_app", "owns rm_0.place"),
        (APP, "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO yewu_app", "may EXECUTE pg_read_file(text)"),
        (APP, "GRANT CREATE ON SCHEMA yewu TO yewu_app", "may create things in the schema yewu"),
        (PROJECTOR, "GRANT EXECUTE ON FUNCTION yewu.append TO yewu_projector", "may EXECUTE yewu.append"),
        (AUDITOR, "GRANT UPDATE, DELETE ON yewu.store TO yewu_auditor", "may DELETE, UPDATE yewu.store"),
        (READER, "GRANT SELECT ON yewu.log TO yewu_reader", "may SELECT yewu.log"),
        (READER, "GRANT SELECT ON yewu.log TO PUBLIC", "may SELECT yewu.log"),
        (READER, "GRANT SELECT (position) ON yewu.log TO PUBLIC", "may SELECT columns of yewu.log"),
    ],
)
def test_a_right_that_should_not_be_there_is_named(database: str, role: DatabaseRole, grant: str, what: str) -> None:
    with psycopg.connect(as_role(database, PROJECTOR)) as db:
        db.execute("CREATE SCHEMA rm_0; CREATE TABLE rm_0.place (position int8)")
    with psycopg.connect(database, autocommit=True) as db:
        db.execute(grant.encode())
    assert f"who {what}: too much" in fit(as_role(database, role), role)


def test_of_very_many_rights_that_should_not_be_there_twenty_are_named(database: str) -> None:
    with psycopg.connect(as_role(database, PROJECTOR)) as db:
        db.execute("CREATE SCHEMA rm_0")
        for number in range(25):
            db.execute(f"CREATE TABLE rm_0.t{number:02} (a int); GRANT UPDATE ON rm_0.t{number:02} TO PUBLIC".encode())
    assert fit(as_role(database, READER), READER).endswith(
        "and may UPDATE rm_0.t19 and has 5 rights more: too much; name the login yewu_reader."
    )


@pytest.mark.parametrize("thing", ["TABLE yewu.store", "FUNCTION yewu.append"])
def test_whoever_may_become_the_owner_of_a_thing_is_turned_away(database: str, thing: str) -> None:
    with psycopg.connect(database, autocommit=True) as db:
        db.execute(f"CREATE ROLE clerk; GRANT clerk TO yewu_reader; ALTER {thing} OWNER TO clerk".encode())
        try:
            assert "may become clerk" in fit(as_role(database, READER), READER)
        finally:
            db.execute(f"ALTER {thing} OWNER TO yewu_owner; DROP ROLE clerk".encode())


@pytest.mark.parametrize("attribute", ["CREATEROLE", "CREATEDB", "REPLICATION", "BYPASSRLS"])
def test_an_attribute_that_should_not_be_there_is_named(database: str, attribute: str) -> None:
    with psycopg.connect(database, autocommit=True) as db:
        db.execute(f"ALTER ROLE yewu_reader {attribute}".encode())
        try:
            assert "too much; name the login yewu_reader" in fit(as_role(database, READER), READER)
        finally:
            db.execute(f"ALTER ROLE yewu_reader NO{attribute}".encode())


def test_a_database_that_could_lose_what_is_recorded_is_refused(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as db:
        (name,) = db.execute("SELECT current_database()").fetchone() or ("",)
        db.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())
    assert fit(as_role(database, APP), APP) == (
        "PostgreSQL runs with synchronous_commit off and could lose what is recorded: switch it on."
    )


def test_later_migrations_are_the_migrators(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    later = ("9999_later.sql", "CREATE TABLE yewu.later (a int); GRANT SELECT ON yewu.later TO yewu_app")
    monkeypatch.setattr("infra.migrations._scripts", lambda: iter([later]))
    assert migrate(as_role(database, MIGRATOR)) == ["9999_later.sql"]
    assert not denied(database, APP, "SELECT * FROM yewu.later")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        migrate(as_role(database, APP))


def test_read_models_of_older_code_become_the_projectors(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as db:
        db.execute(
            "CREATE SCHEMA rm_old; CREATE TABLE rm_old.place (position int8 PRIMARY KEY, beat_at timestamptz);"
            " CREATE FUNCTION rm_old.load() RETURNS int LANGUAGE sql AS 'SELECT 1'"
        )
    with psycopg.connect(as_role(database, PROJECTOR), autocommit=True) as projector:
        assert drop_unused(projector, ()) == []  # it is not stopped by what it may not touch yet
        migrate(database)
    assert not denied(database, APP, "SELECT * FROM rm_old.place")
    assert denied(database, APP, "SELECT rm_old.load()")
    with psycopg.connect(as_role(database, PROJECTOR), autocommit=True) as projector:
        assert drop_unused(projector, ()) == ["rm_old"]
