"""Connecting to a database of the tests as one of its roles."""

from __future__ import annotations

import os
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from infra.roles import DatabaseRole

PASSWORD = "of the tests alone"  # noqa: S105  # the embedded server asks for none
LOGINS = [role for role in DatabaseRole if role is not DatabaseRole.OWNER]


def as_role(conninfo: str, role: DatabaseRole) -> str:
    """The same database, for somebody who connects as this role."""
    password = {"password": PASSWORD} if "YEWU_TEST_DATABASE_URL" in os.environ else {}
    return make_conninfo(conninfo, user=role, **password)


def addresses(conninfo: str) -> dict[str, str]:
    """The settings that name a database to the processes of a Yewu."""
    return {
        "DATABASE_URL": as_role(conninfo, DatabaseRole.APP),
        "YEWU_MIGRATOR_URL": as_role(conninfo, DatabaseRole.MIGRATOR),
        "YEWU_PROJECTOR_URL": as_role(conninfo, DatabaseRole.PROJECTOR),
        "YEWU_AUDITOR_URL": as_role(conninfo, DatabaseRole.AUDITOR),
    }


def give_passwords(db: psycopg.Connection[Any]) -> None:
    """So that the roles can connect to a server that is not embedded."""
    for role in LOGINS:
        db.execute(f"ALTER ROLE {role} PASSWORD '{PASSWORD}'".encode())
