"""On bad days nothing acknowledged is lost, doubled or out of order, and every view is what a rebuild makes of it."""

from __future__ import annotations

import resource
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import psycopg
import pytest

from aggregates.actor import Role
from infra.child import free_port
from tests.faults.clients import Client, Load
from tests.faults.company import DATABASE, ROOT, Company
from tests.faults.judge import judge
from tests.faults.killing import KILLED, failing_seeds, kill_again_and_again
from tests.folders import reachable_folder
from tests.infra.tcp_proxy import Fault

SEED = 20260302
A_MONTH, A_MOMENT = 30 * 86_400, 3


@pytest.fixture(scope="module")
def company() -> Iterator[Company]:
    """One for all bad days, so that each is judged with all that came before it."""
    with Company(reachable_folder() / "home").running() as company:
        yield company


@pytest.fixture(scope="module")
def load(company: Company) -> Iterator[Load]:
    load = Load(company, SEED)
    try:
        yield load
    finally:
        load.close()


@pytest.fixture
def under_load(company: Company, load: Load) -> Iterator[Load]:
    """Whatever a test does happens while clients are at work; afterwards it is judged."""
    with load.at_work():
        load.go_on(10)
        yield load
        load.go_on(10)
    judge(company.url, load.clients)


@pytest.mark.parametrize("name", KILLED)
def test_killed_at_any_moment_nothing_is_lost_or_doubled(company: Company, under_load: Load, name: str) -> None:
    company.kill(name)
    company.start(name)
    company.until_ready()


@pytest.mark.parametrize("seed", [SEED, *failing_seeds()])
def test_killed_again_and_again_two_at_a_time(company: Company, under_load: Load, seed: int) -> None:
    assert kill_again_and_again(company, under_load, Random(seed), 2, double=1.0) == 2


@pytest.mark.parametrize("name", KILLED)
def test_who_stood_still_for_a_while_goes_on_as_if_nothing_had_been(
    company: Company, under_load: Load, name: str
) -> None:
    with company.stopped(name):
        time.sleep(1)


@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.LOSE_REPLY, Fault.LOSE_REPLY_SILENTLY])
def test_what_gets_lost_on_the_way_to_the_database_is_asked_again(
    company: Company, under_load: Load, fault: Fault
) -> None:
    """The last of them leaves the connection half open: it takes the patience of the writer to notice."""
    company.wire.proxy.next_appends(fault)
    under_load.go_on(5)
    assert company.wire.proxy.next_fault() is None, "it has not happened"


def test_a_connection_that_is_cut_is_made_again(company: Company, under_load: Load) -> None:
    company.wire.cut()
    time.sleep(1)
    company.wire.mend()


def test_a_database_that_was_away_is_there_again_for_everybody(company: Company, under_load: Load) -> None:
    company.away()
    time.sleep(1)
    company.start(DATABASE)
    company.until_ready()


def test_a_disk_that_is_full_loses_nothing_that_was_acknowledged(company: Company, under_load: Load) -> None:
    """No file may grow beyond half a segment of the write-ahead log, as if there were no room for it."""
    company.away()
    with no_file_longer_than(8 << 20):
        company.start(DATABASE)
    with pytest.raises(psycopg.Error):
        fill(company.url)
    time.sleep(1)
    company.kill(DATABASE)
    company.start(DATABASE)
    company.until_ready()


def fill(url: str) -> None:
    """Write 20 MB into the write-ahead log, which needs the second half of a segment."""
    with psycopg.connect(url, autocommit=True) as db:
        for _ in range(20):
            db.execute("SELECT pg_logical_emit_message(false, 'full', repeat('x', 1000000), true)")


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """Whoever is started in this block gets no more; no rights are needed for that, nor a file system of one's own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_of_two_projectors_one_works_and_the_other_takes_over(company: Company, under_load: Load) -> None:
    company.start("project 2")
    under_load.go_on(20)
    company.kill("project")
    seen(under_load)
    company.start("project")
    company.end("project 2")
    seen(under_load)


def test_without_a_projector_commands_go_on_and_whoever_wants_to_see_them_is_told_when_to_ask_again(
    company: Company, under_load: Load
) -> None:
    company.kill("project")
    under_load.go_on(20)
    manager, newest = under_load.clients[0], under_load.clients[1].told[-1]
    refused = manager.ask(f"/complaints/{newest.stream_id}", min_position=newest.position)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    company.start("project")
    seen(under_load)


def test_a_command_about_what_no_row_shows_yet_waits_is_told_to_come_back_and_is_done_once(
    company: Company, under_load: Load
) -> None:
    manager = under_load.clients[0]
    with hired(company, manager, Role.BUSINESS_DEVELOPMENT) as seller:
        customer = seller.give("/customers", {"name": "Bolt", "source": "fair"})["id"]
        seller.give("/opportunities", {"customer_id": customer})  # how the customer stands is remembered from here on
        company.kill("project")
        seller.give(f"/customers/{customer}/change-profile", {"region": "north"})
        under_load.go_on(20)
        wanted = {"customer_id": customer, "product": "boiler"}
        begun = time.monotonic()
        refused = seller.try_("/opportunities", wanted, "the-boiler")
        waited = time.monotonic() - begun
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1"), refused.text
        assert 2 <= waited < 10
        company.start("project")
        seen(under_load)
        first, again = [seller.try_("/opportunities", wanted, "the-boiler") for _ in range(2)]
    assert (first.status_code, first.json()["id"]) == (201, again.json()["id"])
    with psycopg.connect(company.url) as db:
        found = db.execute("SELECT count(*) FROM yewu.log WHERE stream_id = %s", (first.json()["id"],)).fetchone()
    assert found == (1,)


@contextmanager
def hired(company: Company, manager: Client, role: Role) -> Iterator[Client]:
    """Somebody new in an office."""
    employee_id = manager.give("/employees", {"name": "Anna"})["id"]
    manager.give("/department/appoint", {"employee_id": employee_id, "role": role, "unit": "business-development"})
    client = Client(company, employee_id, Random(SEED))
    try:
        yield client
    finally:
        client.close()


def seen(load: Load) -> None:
    """What was acknowledged last can be seen within a moment."""
    newest, deadline = load.clients[1].told[-1], time.monotonic() + 30
    while not (
        answer := load.clients[0].ask(f"/complaints/{newest.stream_id}", min_position=newest.position)
    ).is_success:
        assert answer.status_code == 503, answer.text
        assert time.monotonic() < deadline, answer.text


@pytest.mark.parametrize("seconds", [A_MONTH, -A_MOMENT], ids=["a month ahead", "a moment behind"])
def test_whatever_the_clocks_of_processes_say_the_log_goes_by_that_of_the_database(
    company: Company, under_load: Load, seconds: int
) -> None:
    for name in ("policies", "serve"):
        company.end(name)
        company.start(name, "tests.faults.shifted", str(seconds), name)
    company.until_ready()
    time.sleep(2)  # the clock has begun, and has looked
    under_load.go_on(20)
    for name in ("policies", "serve"):
        company.end(name)
        company.start(name)
    company.until_ready()
    with psycopg.connect(company.url) as db:
        dated = db.execute("SELECT count(*) FROM yewu.log WHERE effective_at <> recorded_at").fetchone()
    assert dated == (0,), "an act of now has another time than that of its record"


def test_two_versions_of_the_code_work_side_by_side_until_the_old_one_goes(company: Company, under_load: Load) -> None:
    newer, port = another_version(), free_port()
    company.start("project 2", root=newer)
    company.start("serve 2", root=newer, YEWU_PORT=str(port))
    company.until_ready(port)
    first, *others = under_load.clients[1:]
    first.port = port
    under_load.go_on(20)
    for client in others:
        client.port = port
    company.end("serve")
    under_load.go_on(20)
    company.start("serve")
    company.until_ready()
    for client in under_load.clients:
        client.port = company.port
    company.end("serve 2")
    company.end("project 2")
    with psycopg.connect(company.url) as db:
        schemas = db.execute("SELECT FROM pg_namespace WHERE nspname ~ '^rm_[0-9a-f]{16}$'").fetchall()
    assert len(schemas) == 2


def another_version() -> Path:
    """A copy of the code with one view changed, and so with a read model of its own."""
    root = reachable_folder()
    for folder in ("aggregates", "projections", "infra", "services"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    view = root / "projections/complaints.py"
    view.write_text(view.read_text() + "\n\nEDITION = 2\n")
    return root
