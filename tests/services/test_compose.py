"""`docker-compose.yml` starts what exists, and its issuer's tokens are those that the API believes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import jwt
import typer
import yaml  # type: ignore[import-untyped]  # it comes without types
from httpx import ASGITransport, AsyncClient

from infra.settings import Settings
from services.cli.main import app
from services.demonstration_issuer import create_issuer

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if "build" in service}


def test_every_container_runs_a_command_that_exists_with_options_that_exist() -> None:
    known = getattr(typer.main.get_command(app), "commands", {})
    assert set(OURS) == {"migrate", "found", "projector", "builder", "policies", "api", "issuer"}
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
