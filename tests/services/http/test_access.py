"""Every command by every role: those of the table succeed, all others are refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from aggregates.actor import Role
from services.composition import COMMANDS as ALL_COMMANDS
from tests.conftest import new_database
from tests.services.http.access_table import COMMANDS
from tests.services.http.scenarios import SCENARIOS
from tests.services.http.stage import Stage
from tests.services.running import Yewu, running

APPOINTABLE = [role for role in Role if role not in {Role.CUSTOMER, Role.SERVICE, Role.CLOCK}]
ROLES = [*APPOINTABLE, Role.CUSTOMER]


@pytest.fixture(scope="module")
def department(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yewu]:
    """One department for all cells; each makes what it needs."""
    for database in new_database(postgres):
        with running(database, Path(tmp_path_factory.mktemp("home"))) as yewu:
            yield yewu


def test_the_table_knows_every_command() -> None:
    assert set(COMMANDS) == {command.slug for command in ALL_COMMANDS} == set(SCENARIOS)


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
