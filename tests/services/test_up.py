"""`yewu up` as whoever starts it meets it: real processes, real signals, real data on disk."""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from infra.child import free_port
from infra.embedded import EmbeddedPostgres
from services.cli.client import WITHOUT_TLS
from tests.folders import reachable_folder
from tests.logins import addresses
from tests.services.running import done, wait_until

ROOT = Path(__file__).parents[2]
YEWU = [sys.executable, "-m", "services.cli"]
DEAD_PROXY = {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}


class Running:
    """One `yewu up`, or another command that stays, with everything it says."""

    def __init__(self, home: Path, port: int, *words: str, **environment: str) -> None:
        self.home, self.port = home, port
        self._said = home.with_suffix(f".said-{free_port()}")
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(
                [*YEWU, *(words or ("up",))],
                cwd=ROOT,
                env=surroundings(home, port, **environment),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self._said.read_text()

    def until_ready(self) -> Running:
        wait_until(lambda: "Yewu is ready" in self.said or self.process.poll() is not None, 60)
        assert self.process.poll() is None, self.said
        return self

    def part(self, name: str) -> psutil.Process | None:
        """The child that serves, projects or builds."""
        with contextlib.suppress(psutil.Error):
            return next((p for p in psutil.Process(self.process.pid).children() if p.cmdline()[-1:] == [name]), None)
        return None

    def family(self) -> list[psutil.Process]:
        """Every process below it."""
        return list(psutil.Process(self.process.pid).children(recursive=True))

    def ended(self) -> int:
        """Its exit status."""
        return self.process.wait(30)

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.ended()

    @contextlib.contextmanager
    def manager(self) -> Iterator[httpx.Client]:
        """A caller with the token that the development issuer gives whoever says no name."""
        with httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=30, verify=WITHOUT_TLS
        ) as client:
            client.headers["Authorization"] = f"Bearer {done(client.post('/development/token', json={}))['token']}"
            yield client

    def ask(self, path: str) -> Any:
        with self.manager() as manager:
            return done(manager.get(path))


def surroundings(home: Path, port: int, **more: str) -> dict[str, str]:
    """An environment without anything that the machine of a developer may have set."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("YEWU_", "KAFKA_")) and name != "DATABASE_URL"
    }
    return kept | {"YEWU_HOME": str(home), "YEWU_PORT": str(port)} | more


def new_home() -> Path:
    return reachable_folder() / "home"


def runs(process: psutil.Process) -> bool:
    """Is it alive? It may well end while we look."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def left_over(family: list[psutil.Process], home: Path) -> list[int]:
    """What still runs of a family, or anywhere on its home."""
    found = set()
    for process in {*family, *psutil.process_iter()}:
        with contextlib.suppress(psutil.Error):  # it has just ended, or is somebody else's
            theirs = str(home) in " ".join(process.cmdline()) or process.environ().get("YEWU_HOME") == str(home)
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE and (process in family or theirs):
                found.add(process.pid)
    return sorted(found)


def refusal(home: Path, port: int, **environment: str) -> str:
    """What a start that must fail says."""
    refused = Running(home, port, **environment)
    assert refused.ended() == 1, refused.said
    assert refused.said.count("\n") == 1, refused.said
    assert "Traceback" not in refused.said
    return refused.said


class Office:
    """A department with one employee, founded by a first start that has ended again."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, free_port()
        first = Running(home, self.port).until_ready()
        try:
            with first.manager() as manager:
                self.anna = done(manager.post("/employees", json={"name": "Anna"}))["id"]
            self.manager = first.ask("/department/posts")["items"][0]["employee_id"]
            self.family = first.family()
        finally:
            self.status = first.end(signal.SIGINT)
        self.said = first.said

    def start(self) -> Running:
        return Running(self.home, self.port).until_ready()


@pytest.fixture(scope="module")
def office() -> Office:
    return Office(new_home())


@pytest.fixture(scope="module")
def at_work() -> Iterator[Running]:
    """A Yewu that stays, on a machine whose way out is a proxy that knows nothing of it."""
    running = Running(new_home(), free_port(), **DEAD_PROXY)
    try:
        yield running.until_ready()
    finally:
        running.end()


def test_the_first_start_founds_the_department_with_a_manager_who_is_a_stand_in(office: Office) -> None:
    assert f"The department is founded; its manager is Manager 经理 ({office.manager})." in office.said
    assert office.said.index("is founded") < office.said.index("Yewu is ready")
    assert office.status == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything_and_the_next_start_finds_its_data(office: Office, number: int) -> None:
    again = office.start()
    family = again.family()
    try:
        assert "is founded" not in again.said
        assert [post["employee_id"] for post in again.ask("/department/posts")["items"]] == [office.manager]
        assert again.ask(f"/employees/{office.anna}")["name"] == "Anna"
        assert {"serve", "project", "build", "policies"} <= {p.cmdline()[-1] for p in family if p.cmdline()}
    finally:
        status = again.end(number)
    assert status == 0
    assert again.said.rstrip().endswith("Yewu stops.")
    assert "Traceback" not in again.said
    assert left_over(family, office.home) == []


def test_killed_it_leaves_no_orphan(office: Office) -> None:
    killed = office.start()
    family = killed.family()
    assert any("postgres" in p.name() for p in family)
    assert killed.end(signal.SIGKILL) == -signal.SIGKILL
    wait_until(lambda: not left_over(family, office.home), 10)


def test_a_second_start_on_the_same_data_is_refused(at_work: Running) -> None:
    said = refusal(at_work.home, free_port())
    assert said.startswith(f"Another Yewu already runs on {at_work.home}: ")


def told(home: Path, *words: str) -> Any:
    """What a command that must succeed answers with --json."""
    words = (*YEWU, *words, "--json")
    done = subprocess.run(words, cwd=ROOT, env=surroundings(home, free_port()), capture_output=True, check=False)
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def test_what_was_backed_up_goes_on_in_another_home(office: Office) -> None:
    folder, home = reachable_folder() / "backup", new_home()
    keys = reachable_folder() / "keys"
    copied = told(office.home, "backup", str(folder), "--keys", str(keys))
    home.mkdir(parents=True)
    shutil.copy(office.home / "wrapping.key", home)  # it goes its own way
    restored = told(home, "restore", str(folder), "--keys", str(keys))
    assert restored["position"] == copied["position"] > 0
    assert restored["keys"] == copied["keys"] > 0
    running = Running(home, free_port()).until_ready()
    try:
        assert "is founded" not in running.said
        assert running.ask(f"/employees/{office.anna}")["name"] == "Anna"
        assert told(home, "backup", str(folder / "while it runs"))["position"] == copied["position"]
    finally:
        running.end()


def test_a_second_start_on_the_same_port_is_refused(at_work: Running, office: Office) -> None:
    assert refusal(office.home, at_work.port) == (
        f"Port {at_work.port} of 127.0.0.1 is in use: stop what uses it or set YEWU_PORT to another.\n"
    )


@pytest.mark.parametrize("name", ["serve", "project", "policies"])
def test_a_part_that_dies_is_started_again(at_work: Running, name: str) -> None:
    before = at_work.part(name)
    assert before is not None
    before.kill()
    wait_until(lambda: (now := at_work.part(name)) is not None and now.pid != before.pid)
    assert f"`yewu {name}` has ended (status -9) and is started again." in at_work.said

    def visible() -> bool:
        with contextlib.suppress(httpx.TransportError), at_work.manager() as manager:
            registered = done(manager.post("/employees", json={"name": "Lea"}))
            sees = {"min_position": registered["position"]}
            return manager.get(f"/employees/{registered['id']}", params=sees).is_success
        return False

    wait_until(visible)


def test_the_database_that_is_named_is_used_and_nobody_hands_out_tokens_beside_it(
    database: str,
) -> None:
    home, keys = new_home(), "http://127.0.0.1:9/jwks.json"
    running = Running(
        home, free_port(), **addresses(database), YEWU_JWKS_URL=keys, YEWU_DEVELOPMENT_ISSUER="on"
    ).until_ready()
    try:
        assert httpx.post(f"http://127.0.0.1:{running.port}/development/token", trust_env=False).status_code == 404
        assert httpx.get(f"http://127.0.0.1:{running.port}/ready", trust_env=False).json()["head"] > 0
        assert not (home / "pg").exists()
        family = running.family()
    finally:
        status = running.end()
    assert status == 0
    assert left_over(family, home) == []


def test_every_part_connects_to_the_embedded_database_as_its_own_role(at_work: Running) -> None:
    with psycopg.connect(EmbeddedPostgres(at_work.home).url) as db:
        found = db.execute(
            "SELECT DISTINCT usename, split_part(application_name, ' ', 1) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        ).fetchall()
    assert {login for login, _ in found} == {"yewu_app", "yewu_projector"}
    assert {name for login, name in found if login == "yewu_projector"} >= {"yewu-projector", "yewu-builder"}


def test_beside_a_database_of_ones_own_an_issuer_must_be_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "home", free_port(), DATABASE_URL="postgresql://postgres/yewu") == (
        "Nobody could sign in: set YEWU_JWKS_URL to the address of your issuer's keys.\n"
    )


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("YEWU_PORT", "eighty", "YEWU_PORT=eighty: write a whole number from 1 to 65535."),
        ("YEWU_ZONE", "Moon", "YEWU_ZONE=Moon: write the name of a time zone, such as Asia/Shanghai."),
        ("DATABASE_URL", "secret", "DATABASE_URL: write an address such as postgresql://user@host/database."),
    ],
)
def test_a_setting_that_makes_no_sense_is_said_so(tmp_path: Path, setting: str, value: str, sentence: str) -> None:
    assert refusal(tmp_path / "home", free_port(), **{setting: value}) == sentence + "\n"


def test_an_address_that_is_not_of_this_machine_is_said_so(office: Office) -> None:
    said = refusal(office.home, office.port, YEWU_HOST="192.0.2.1")
    assert said.startswith(f"Nobody can listen at 192.0.2.1, port {office.port} (")


class Terminal:
    """Somebody sits there."""

    def __init__(self, home: Path) -> None:
        self._ours, theirs = pty.openpty()
        environment = surroundings(home, free_port())
        self.process = subprocess.Popen(
            [*YEWU, "up"], cwd=ROOT, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self.said = ""

    def until(self, words: str) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")()
        while words not in self.said:
            assert select.select([self._ours], [], [], 30)[0], self.said
            self.said += decoder.decode(os.read(self._ours, 10_000))  # OSError if nobody speaks any more

    def type(self, words: str) -> None:
        os.write(self._ours, words.encode())

    def end(self) -> int:
        """Press Ctrl-C as people do: again, if the first came before the program had begun to listen."""
        try:
            while self.process.poll() is None:
                self.process.send_signal(signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(5)
            return self.process.returncode
        finally:
            os.close(self._ours)


def test_at_a_terminal_the_first_manager_is_asked_for_and_asking_can_be_broken_off() -> None:
    home = new_home()
    hesitating = Terminal(home)
    hesitating.until("Who is the department's first manager?")
    assert hesitating.end() == 0
    assert left_over([], home) == []

    decided = Terminal(home)
    try:
        decided.until("Who is the department's first manager?")
        decided.type("Lin\n")
        decided.until("Yewu is ready")
        assert "The department is founded; its manager is Lin (employee-" in decided.said
    finally:
        assert decided.end() == 0
