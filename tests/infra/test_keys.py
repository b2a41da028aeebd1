"""Keys are kept alike in a file and in a PostgreSQL: durable, each said once whose it is, and gone when destroyed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from msgspec.structs import replace

from infra.keys import Key, KeyStore, KeysUnavailable, PostgresKeys, RefTaken, Rewrapping, SqliteKeys
from infra.roles import Unfit
from tests.infra.conftest import Open

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
ANNA, BEN = "employee-anna", "employee-ben"


@pytest.fixture
def store(again: Open) -> KeyStore:
    store = again()
    store.set_wrapping("first")
    return store


def a_key(ref: str, subject: str | None = None, made_at: datetime = MONDAY) -> Key:
    return Key(ref=ref, subject=subject, wrapped=f"secret of {ref}".encode(), wrapped_by="first", made_at=made_at)


def test_what_was_added_is_found_by_whoever_opens_the_store_next(store: KeyStore, again: Open) -> None:
    store.add([a_key("r1"), a_key("r2")])
    assert again().of_refs(["r1", "r2", "r3"]) == {"r1": a_key("r1"), "r2": a_key("r2")}


def test_a_key_belongs_to_whom_it_was_assigned_first(store: KeyStore) -> None:
    store.add([a_key("r1")])
    store.assign({"r1": ANNA})
    store.assign({"r1": BEN})
    assert store.of_subjects([ANNA, BEN]) == {ANNA: a_key("r1", ANNA)}


def test_of_two_keys_of_one_person_the_older_is_used(store: KeyStore) -> None:
    store.add([a_key("r1", made_at=MONDAY + timedelta(days=1)), a_key("r2")])
    store.assign({"r1": ANNA, "r2": ANNA})
    assert store.of_subjects([ANNA])[ANNA].ref == "r2"


def test_only_unused_keys_are_given_back(store: KeyStore) -> None:
    store.add([a_key("r1"), a_key("r2")])
    store.assign({"r1": ANNA})
    store.give_back(["r1", "r2"])
    assert set(store.of_refs(["r1", "r2"])) == {"r1"}


def test_of_a_destroyed_key_nothing_is_left_but_that_it_was(store: KeyStore) -> None:
    store.add([a_key("r1"), a_key("r2"), a_key("r3")])
    store.assign({"r1": ANNA, "r2": ANNA, "r3": BEN})
    assert store.destroy(ANNA) == 2
    assert store.destroy(ANNA) == 0
    gone = store.of_subjects([ANNA])[ANNA]
    assert gone.wrapped is None
    assert gone.destroyed_at is not None
    assert store.of_subjects([BEN])[BEN].wrapped is not None


def test_keys_wrapped_by_an_earlier_wrapping_key_are_not_taken(store: KeyStore) -> None:
    store.set_wrapping("second")
    with pytest.raises(Rewrapping):
        store.add([a_key("r1")])
    assert store.of_refs(["r1"]) == {}


def test_a_ref_is_given_to_one_key_and_of_keys_added_together_all_are_kept_or_none(store: KeyStore) -> None:
    store.add([a_key("r1")])
    with pytest.raises(RefTaken):
        store.add([a_key("r2"), replace(a_key("r1"), wrapped=b"another")])
    assert store.of_refs(["r1", "r2"]) == {"r1": a_key("r1")}


def test_many_are_assigned_and_given_back_at_once(store: KeyStore) -> None:
    refs = [f"r{number:04}" for number in range(1200)]
    store.add([a_key(ref) for ref in refs])
    store.assign({ref: f"of {ref}" for ref in refs[:700]})
    store.give_back(refs)
    assert {ref: key.subject for ref, key in store.of_refs(refs).items()} == {ref: f"of {ref}" for ref in refs[:700]}


def test_the_first_wrapping_key_is_named_once(store: KeyStore) -> None:
    store.set_wrapping("second", first=True)
    assert store.wrapping() == "first"


def test_rewrapping_does_not_revive_a_destroyed_key(store: KeyStore) -> None:
    store.add([a_key("r1")])
    store.assign({"r1": ANNA})
    (before,) = store.wrapped_otherwise("second")
    store.destroy(ANNA)
    store.rewrap([replace(before, wrapped=b"anew", wrapped_by="second")])
    assert store.of_refs(["r1"])["r1"].wrapped is None
    assert store.wrapped_otherwise("second") == []


def test_an_export_can_be_taken_in_elsewhere_and_does_not_revive_anything(store: KeyStore, tmp_path: Path) -> None:
    store.add([a_key(f"r{number:04}") for number in range(1200)])
    store.assign({"r0001": ANNA})
    lines = list(store.export())
    store.destroy(ANNA)
    assert store.import_(lines) == 0
    assert store.of_refs(["r0001"])["r0001"].wrapped is None
    other = SqliteKeys(tmp_path / "other" / "keys.sqlite")
    assert other.import_(lines) == 1200
    assert list(other.export()) == lines
    assert other.wrapping() == "first"
    other.close()


def test_threads_may_share_a_store(store: KeyStore, again: Open) -> None:
    stores = [store, again()]

    def work(number: int) -> None:
        for turn in range(10):
            ref = f"{number}-{turn}"
            stores[number % 2].add([a_key(ref)])
            stores[(number + 1) % 2].assign({ref: ANNA})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(b'"subject":"employee-anna"' in line for line in store.export()) == 60


def test_processes_may_share_the_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.sqlite"
    program = (
        "import sys; from pathlib import Path; from tests.infra.test_keys import a_key, SqliteKeys\n"
        "store = SqliteKeys(Path(sys.argv[1])); store.set_wrapping('first', first=True)\n"
        "for turn in range(20): store.add([a_key(f'{sys.argv[2]}-{turn}')])\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, file, str(number)]) for number in range(3)]
    assert [one.wait() for one in running] == [0, 0, 0]
    store = SqliteKeys(file)
    assert len(list(store.export())) == 60
    store.close()


def test_the_file_is_its_owners_alone_and_keeps_nothing_of_what_was_destroyed(tmp_path: Path) -> None:
    file = tmp_path / "keys.sqlite"
    store = SqliteKeys(file)
    store.set_wrapping("first")
    store.add([a_key("r1")])
    store.assign({"r1": ANNA})
    store.destroy(ANNA)
    left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    store.close()
    assert b"secret of r1" not in left
    assert b"employee-anna" in left
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}


def test_a_store_that_does_not_answer_says_so(tmp_path: Path) -> None:
    with pytest.raises(KeysUnavailable):
        PostgresKeys(f"host={tmp_path} dbname=none")
    (tmp_path / "no-database").write_bytes(os.urandom(4096))
    with pytest.raises(KeysUnavailable):
        SqliteKeys(tmp_path / "no-database")


@pytest.mark.parametrize("where", ["DATABASE", "ROLE"])
def test_a_database_that_could_lose_keys_is_refused(empty_database: str, where: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as db:
        name, user = db.execute("SELECT current_database(), current_user").fetchone() or ("", "")
        whose = {"DATABASE": f"DATABASE {name}", "ROLE": f"ROLE {user} IN DATABASE {name}"}[where]
        db.execute(f"ALTER {whose} SET synchronous_commit = off".encode())
    with pytest.raises(Unfit) as unfit:
        PostgresKeys(empty_database)
    assert str(unfit.value) == (
        "The PostgreSQL of KEYS_URL runs with synchronous_commit off and could lose what is recorded: switch it on."
    )


def test_keys_do_not_lie_in_the_database_of_the_log(database: str) -> None:
    with pytest.raises(Unfit) as unfit:
        PostgresKeys(database)
    assert str(unfit.value) == (
        "KEYS_URL names the database of the log, where a thief of one would have both: name another one for the keys."
    )
    with psycopg.connect(database) as db:
        assert db.execute("SELECT to_regnamespace('yewu_keys')").fetchone() == (None,)


def test_a_lost_connection_is_made_anew(empty_database: str) -> None:
    store = PostgresKeys(empty_database)
    with psycopg.connect(empty_database, autocommit=True) as db:
        db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'yewu-keys'")
    with pytest.raises(KeysUnavailable):
        store.wrapping()
    assert store.wrapping() is None
    store.close()
