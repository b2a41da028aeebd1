"""Every command and every question by every role: those of the table succeed, all others are refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from aggregates.actor import Role
from services.composition import COMMANDS as ALL_COMMANDS
from services.composition import QUESTIONS as ALL_QUESTIONS
from tests.conftest import new_database
from tests.services.http.access_table import COMMANDS, READS
from tests.services.http.scenarios import SCENARIOS, Stage, things
from tests.services.running import Yewu, running, wait_until

APPOINTABLE = [role for role in Role if role not in {Role.CUSTOMER, Role.SERVICE, Role.CLOCK}]
ROLES = [*APPOINTABLE, Role.CUSTOMER]


@pytest.fixture(scope="module")
def department(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yewu]:
    """One department for all cells; each makes what it needs."""
    for database in new_database(postgres):
        with running(database, Path(tmp_path_factory.mktemp("home"))) as yewu:
            yield yewu


def test_the_table_knows_every_command_and_every_question() -> None:
    assert set(COMMANDS) == {command.slug for command in ALL_COMMANDS} == set(SCENARIOS)
    asked = {asked.route.replace("_id}", "}") for asked in ALL_QUESTIONS}
    natural = {"parameter-P-05": "{parameter}", "calendar-2026": "{calendar}"}
    assert {"/".join(natural.get(part, part) for part in path.split("/")) for path in READS} >= asked


@pytest.mark.parametrize("slug", COMMANDS)
def test_whoever_may_does_and_nobody_else(department: Yewu, slug: str) -> None:
    allowed = COMMANDS[slug].split()
    call = SCENARIOS[slug](Stage(department, Role(allowed[0])))
    for role in ROLES:
        if role not in allowed:
            actor = department.as_(_somebody(department, role))
            refused = actor.post(call.path, json=call.body)
            assert refused.status_code == 403, f"{role}: {refused.status_code} {refused.text}"
    nobody = department.as_(None).post(call.path, json=call.body)
    assert nobody.status_code == 401
    for name in allowed:
        stage = Stage(department, Role(name))
        call = SCENARIOS[slug](stage)
        _succeeds(stage.actor.post(call.path, json=call.body), name)


@pytest.mark.parametrize("path", READS)
def test_whoever_may_reads_and_nobody_else(department: Yewu, path: str) -> None:
    path = path.format(**things(department))
    wait_until(lambda: department.manager.get(path).status_code != 404)
    for role in ROLES:
        status = department.as_(_somebody(department, role)).get(path).status_code
        assert status == (200 if role in READS[_template(path)].split() else 403), role
    assert department.as_(None).get(path).status_code == 401


def _template(path: str) -> str:
    """The line of the table that an address belongs to."""
    kinds = ("complaint", "customer", "employee", "waiver")
    first, *rest = path.strip("/").split("/")
    for kind in kinds:
        if rest and rest[0].startswith(kind + "-"):
            return f"/{first}/{{{kind}}}"
    return path


_people: dict[tuple[str, Role], str] = {}


def _somebody(department: Yewu, role: Role) -> str:
    """The same person of a role again and again: who is refused changes nothing."""
    key = (department.address, role)
    if key not in _people:
        _people[key] = department.customer() if role is Role.CUSTOMER else department.appointed(role, name=str(role))
    return _people[key]


def _succeeds(response: httpx.Response, role: str) -> None:
    assert response.is_success, f"{role}: {response.status_code} {response.text}"
    assert response.json()["events"], f"{role}: nothing happened"
