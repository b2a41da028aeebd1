"""The founding: everything a department needs on its first day, in one append, once."""

from __future__ import annotations

import json

import psycopg
import pytest

from infra.sealing import Plain
from services.founding import TEAMS, AlreadyFounded, Foundation
from services.founding_defaults import DEFAULT_PARAMETERS
from services.up import found_now


def events(database: str) -> list[tuple[str, str, dict[str, object], dict[str, object]]]:
    """(stream, type, data, meta) in the order of the log."""
    with psycopg.connect(database) as db:
        rows = db.execute("SELECT stream_id, type, data, meta FROM yewu.log ORDER BY position").fetchall()
    return [(stream, type_, json.loads(data), json.loads(meta)) for stream, type_, data, meta in rows]


def test_the_first_manager_the_teams_and_the_parameters_are_there_at_once(database: str) -> None:
    manager_id = found_now(database, Foundation(manager="Max", currency="EUR", zone="Europe/Berlin"), Plain())
    log = events(database)

    assert (log[0][0], log[0][1], log[0][2]["name"]) == (manager_id, "EmployeeRegistered", "Max")
    (founded,) = [data for _, type_, data, _ in log if type_ == "DepartmentFounded"]
    assert (founded["currency"], founded["zone"]) == ("EUR", "Europe/Berlin")
    units = [data["unit"] for _, type_, data, _ in log if type_ == "UnitEstablished"]
    assert units == ["department", *(unit for unit, _ in TEAMS)]
    (office,) = [data for _, type_, data, _ in log if type_ == "RoleAssigned"]
    assert (office["employee_id"], office["role"], office["unit"]) == (manager_id, "MGR", "department")
    parameters = [stream for stream, *_ in log if stream.startswith("parameter-")]
    assert parameters == [f"parameter-{parameter.number}" for parameter in DEFAULT_PARAMETERS]


def test_the_founder_acts_and_names_the_clause(database: str) -> None:
    found_now(database, Foundation(manager="Max"), Plain())
    assert {(meta["kind"], meta["clause"]) for *_, meta in events(database)} == {("founder", "2.1")}


def test_a_department_is_not_founded_twice(database: str) -> None:
    found_now(database, Foundation(manager="Max"), Plain())
    before = events(database)
    with pytest.raises(AlreadyFounded):
        found_now(database, Foundation(manager="Wu"), Plain())
    assert events(database) == before
