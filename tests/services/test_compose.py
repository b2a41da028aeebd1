"""`docker-compose.yml` starts what exists, and its issuer's tokens are those that the API believes."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import jwt
import psycopg
import typer
import yaml  # type: ignore[import-untyped]  # it comes without types
from httpx import ASGITransport, AsyncClient

from infra.embedded import EmbeddedPostgres, find_binaries
from infra.migrations import migrate
from infra.settings import DATABASE, OWN_ADDRESSES, Settings
from services.cli.main import app
from services.demonstration_issuer import create_issuer
from tests.folders import reachable_folder

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if "build" in service}


def test_every_container_runs_a_command_that_exists_with_options_that_exist() -> None:
    known = getattr(typer.main.get_command(app), "commands", {})
    assert set(OURS) == {"migrate", "found", "projector", "builder", "policies", "api", "relay", "issuer"}
    for name, service in OURS.items():
        command, *options = service["command"]
        assert command in known, name
        taken = {option for parameter in known[command].params for option in parameter.opts}
        assert set(options) <= taken, name


def test_every_container_waits_for_one_that_exists() -> None:
    for service in COMPOSE["services"].values():
        assert set(service.get("depends_on", {})) <= set(COMPOSE["services"])


def test_the_settings_of_the_containers_make_sense() -> None:
    environment = {
        name: value.partition(":-")[2].rstrip("}") if value.startswith("${") else value
        for name, value in OURS["api"]["environment"].items()
    }
    settings = Settings.read(environment)
    assert settings.jwks_url == "http://issuer:8080/jwks.json"
    assert not settings.development_issuer


def test_each_container_connects_as_its_own_role() -> None:
    logins = {}
    for name, service in OURS.items():
        addresses = [
            value for key, value in service["environment"].items() if key in {DATABASE, *OWN_ADDRESSES.values()}
        ]
        logins[name] = [str(re.sub(r"\$\{\w+:-(\w+)\}", r"\1", address)) for address in addresses]
    assert logins == {
        "migrate": ["postgresql://yewu:yewu@postgres/yewu"],
        "found": ["postgresql://yewu_app:yewu@postgres/yewu"],
        "api": ["postgresql://yewu_app:yewu@postgres/yewu"],
        "projector": ["postgresql://yewu_projector:yewu@postgres/yewu"],
        "relay": ["postgresql://yewu_projector:yewu@postgres/yewu"],
        "builder": ["postgresql://yewu_projector:yewu@postgres/yewu"],
        "policies": ["postgresql://yewu_app:yewu@postgres/yewu"],
        "issuer": [],
    }


def test_the_logins_that_the_container_of_postgresql_makes_are_those_that_the_migrations_want() -> None:
    passwords = {name: "s'ecret" for name in COMPOSE["services"]["postgres"]["environment"] if name.startswith("YEWU_")}
    with EmbeddedPostgres(reachable_folder() / "postgres") as server:
        psql = [
            str(find_binaries() / "psql"),
            "--no-psqlrc",
            "--set=ON_ERROR_STOP=1",
            "-f",
            str(ROOT / "docker/logins.sql"),
        ]
        subprocess.run([*psql, server.url], env={**os.environ, **passwords}, check=True, capture_output=True)
        migrate(server.url)
        with psycopg.connect(server.url) as db:
            found = db.execute(
                "SELECT rolname, rolpassword IS NOT NULL, rolcanlogin, rolinherit FROM pg_authid"
                " WHERE rolname ~ '^yewu_'"
            ).fetchall()
    assert sorted(found) == [
        ("yewu_app", True, True, False),
        ("yewu_auditor", True, True, False),
        ("yewu_migrator", True, True, False),
        ("yewu_owner", False, False, False),
        ("yewu_projector", True, True, False),
        ("yewu_reader", False, True, False),
    ]


def test_the_demonstration_issuer_signs_with_the_key_it_publishes() -> None:
    settings = Settings.read({"YEWU_ISSUER": "yewu-demonstration"})

    async def ask() -> tuple[str, Any]:
        way = ASGITransport(create_issuer(settings))
        async with AsyncClient(transport=way, base_url="http://issuer") as issuer:
            token = (await issuer.post("/token", params={"subject": "employee-anna"})).json()["token"]
            return token, (await issuer.get("/jwks.json")).json()

    token, published = asyncio.run(ask())
    (key,) = jwt.PyJWKSet.from_dict(published).keys
    claims = jwt.decode(token, key, ["EdDSA"], audience=settings.audience, issuer="yewu-demonstration")
    assert claims["sub"] == "employee-anna"
    assert jwt.get_unverified_header(token)["kid"] == key.key_id
