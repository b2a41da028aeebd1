"""Whoever watches over a process learns what is wrong with it, and nothing about anybody."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import structlog
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from psycopg.conninfo import conninfo_to_dict

from aggregates.actor import Role
from aggregates.event import Event
from infra.codec import Codec
from infra.dispatcher import Dispatcher, Order
from infra.read_model.as_of import AsOfBuilder
from infra.read_model.rebuild import build
from infra.settings import Settings
from services.composition import read_model
from services.http.app import create_app
from services.lags import LAGS, Lag
from services.runtime import Runtime
from tests.services.running import Yewu, at_rest, done, wait_until

NAME = "Zenobia Unmistakable"
DASHBOARD = Path(__file__).parents[3] / "docs/grafana-dashboard.json"


@asynccontextmanager
async def api_alone(database: str, home: Path) -> AsyncIterator[httpx.AsyncClient]:
    """An API to which no projector belongs."""
    app = create_app(database, Settings.read({"YEWU_HOME": str(home), "YEWU_DEVELOPMENT_ISSUER": "on"}))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://yewu") as client,
    ):
        yield client


def asked_alone(database: str, home: Path, path: str) -> httpx.Response:
    """What an API without a projector answers."""

    async def ask() -> httpx.Response:
        async with api_alone(database, home) as client:
            return await client.get(path)

    return asyncio.run(ask())


def metrics(yewu: Yewu) -> dict[str, float]:
    """Every sample by its name, and the name of the reader whose it is."""
    page = yewu.as_(None).get("/metrics").text
    samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    return {" of ".join((sample.name, *sample.labels.values())): sample.value for sample in samples}


def test_a_process_whose_read_model_is_near_is_ready(yewu: Yewu) -> None:
    yewu.employee()
    wait_until(lambda: (told := yewu.as_(None).get("/ready").json())["position"] == told["head"])
    answer = yewu.as_(None).get("/ready")
    assert (answer.status_code, answer.json()["ready"], answer.json()["problems"]) == (200, True, [])


def test_a_read_model_that_nobody_builds_is_named(database: str, tmp_path: Path) -> None:
    answer = asked_alone(database, tmp_path, "/ready")
    told = answer.json()
    assert (answer.status_code, told["ready"], told["position"]) == (503, False, None)
    assert told["problems"] == [f"nobody builds the read model {told['schema']}: start a projector of this version"]


def test_a_read_model_that_nobody_keeps_level_any_more_is_named(database: str, tmp_path: Path) -> None:
    model = read_model(Codec(Event.known.values()))
    with psycopg.connect(database, autocommit=True) as reader, psycopg.connect(database, autocommit=True) as writer:
        build(reader, writer, model)
        assert asked_alone(database, tmp_path, "/ready").json()["problems"] == []
        writer.execute(f"UPDATE {model.schema}.place SET beat_at = clock_timestamp() - interval '1 minute'".encode())
    answer = asked_alone(database, tmp_path, "/ready")
    assert answer.status_code == 503
    assert answer.json()["problems"] == [
        f"nobody keeps the read model {model.schema} level: start a projector of this version"
    ]


def test_a_day_that_cannot_be_computed_says_so(yewu: Yewu, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: AsOfBuilder, db: Any, request: Any) -> None:
        raise ValueError("a view is wrong")

    monkeypatch.setattr(AsOfBuilder, "_make", broken)
    with structlog.testing.capture_logs():
        answer = yewu.manager.get("/complaints?as_of=2026-01-31", headers={"Accept-Language": "zh"})
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:yewu:problem:unavailable")
    assert "该日数据暂时无法计算" in answer.json()["detail"]
    assert answer.headers["retry-after"] == "60"


def test_a_setting_that_would_lose_what_is_committed_is_named(database: str, tmp_path: Path) -> None:
    name = conninfo_to_dict(database)["dbname"]
    with psycopg.connect(database, autocommit=True) as db:
        db.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())
    answer = asked_alone(database, tmp_path, "/ready")
    assert answer.status_code == 503
    assert "PostgreSQL runs with synchronous_commit off" in answer.json()["problems"]


def test_a_database_that_has_gone_is_named(postgres: str, database: str, tmp_path: Path) -> None:
    name = conninfo_to_dict(database)["dbname"]

    async def ask() -> tuple[httpx.Response, httpx.Response]:
        async with api_alone(database, tmp_path) as client:
            with psycopg.connect(postgres, autocommit=True) as db:
                db.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
                db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
            return await client.get("/ready"), await client.get("/live")

    ready, live = asyncio.run(ask())
    assert (ready.status_code, ready.json()["problems"]) == (503, ["the database does not answer"])
    assert live.status_code == 200


def test_what_a_process_did_can_be_counted(yewu: Yewu) -> None:
    before = metrics(yewu)
    yewu.employee()
    after = metrics(yewu)
    assert after["yewu_appended_events_total"] == before["yewu_appended_events_total"] + 1
    assert after["yewu_log_position"] == before["yewu_log_position"] + 1
    assert after["yewu_up_seconds"] > before["yewu_up_seconds"]
    assert after["yewu_append_commit_seconds_count"] == before["yewu_append_commit_seconds_count"] + 1


def test_how_far_the_read_model_is_behind_can_be_seen(yewu: Yewu, database: str) -> None:
    wait_until(lambda: metrics(yewu)["yewu_lag_waiting of projector"] == 0)
    assert metrics(yewu)["yewu_lag_seconds of projector"] == 0
    (schema,) = {yewu.as_(None).get("/ready").json()["schema"]}
    with psycopg.connect(database) as held:
        held.execute(f"SELECT FROM {schema}.place FOR UPDATE".encode())  # the projector has to wait
        yewu.employee()
        behind = metrics(yewu)
        assert behind["yewu_lag_waiting of projector"] == 1
        assert behind["yewu_lag_seconds of projector"] > 0
        assert yewu.as_(None).get("/ready").json()["lag_seconds"] > 0
    wait_until(lambda: metrics(yewu)["yewu_lag_waiting of projector"] == 0)


def test_days_that_somebody_waits_for_are_a_lag_of_the_builder(yewu: Yewu, monkeypatch: pytest.MonkeyPatch) -> None:
    assert metrics(yewu)["yewu_lag_waiting of builder"] == 0
    monkeypatch.setattr(AsOfBuilder, "step", lambda _self, _db: None)
    assert yewu.manager.get("/complaints?as_of=2026-01-31").status_code == 202
    told = metrics(yewu)
    assert told["yewu_lag_waiting of builder"] == 1
    assert told["yewu_lag_seconds of builder"] > 1


def test_each_policy_is_behind_by_itself_and_one_that_is_no_more_by_nothing(yewu: Yewu, database: str) -> None:
    with psycopg.connect(database) as db:
        db.execute(
            "INSERT INTO yewu.policy SELECT name, position - behind, clock_timestamp() - make_interval(secs => behind)"
            " FROM yewu.head, (VALUES ('CreditGate', 3), ('DunningLadder', 0), ('GivenUp', 9)) p(name, behind)"
        )
    told = metrics(yewu)
    assert (told["yewu_lag_waiting of policy CreditGate"], told["yewu_lag_waiting of policy DunningLadder"]) == (3, 0)
    assert told["yewu_lag_seconds of policy CreditGate"] > 0
    assert told["yewu_silence_seconds of policy CreditGate"] > 3 > told["yewu_silence_seconds of policy DunningLadder"]
    assert {name for name in told if "waiting of polic" in name and "due" not in name} == {
        f"yewu_lag_waiting of policy {name}" for name in ("CreditGate", "DunningLadder")
    }


def test_whoever_is_listed_as_behind_the_log_is_measured(yewu: Yewu, monkeypatch: pytest.MonkeyPatch) -> None:
    async def relay(_runtime: Runtime) -> Lag:
        return Lag(7, 1.5)

    async def broken(_runtime: Runtime) -> Lag:
        raise psycopg.errors.InsufficientPrivilege

    monkeypatch.setattr("services.lags.LAGS", {**LAGS, "relay": relay, "broken": broken})
    told = metrics(yewu)
    assert (told["yewu_lag_waiting of relay"], told["yewu_lag_seconds of relay"]) == (7, 1.5)
    assert "yewu_lag_waiting of projector" in told
    assert "yewu_lag_waiting of broken" not in told


def test_the_dashboard_shows_only_what_is_measured(yewu: Yewu) -> None:
    page = yewu.as_(None).get("/metrics").text
    families = {family.name for family in text_string_to_metric_families(page)}
    asked = set(re.findall(r"yewu_[a-z_]+", DASHBOARD.read_text(encoding="utf-8")))
    assert {re.sub(r"_(total|bucket)$", "", name) for name in asked} <= families


def test_appends_that_were_not_written_are_counted_by_their_reason(yewu: Yewu) -> None:
    number = {"name": "Anna", "number": "E-1"}
    assert yewu.manager.post("/employees", json=number).status_code == 201
    assert yewu.manager.post("/employees", json=number).status_code == 409
    page = yewu.as_(None).get("/metrics").text
    assert 'yewu_append_refused_total{reason="Taken"} 1.0' in page


def test_nobodys_name_comes_into_the_log_when_a_command_is_refused(
    yewu: Yewu, caplog: pytest.LogCaptureFixture
) -> None:
    clerk = yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE))
    with structlog.testing.capture_logs() as lines:
        assert clerk.post("/employees", json={"name": NAME}).status_code == 403
        assert clerk.post(f"/complaints/{yewu.complaint()}/reopen", json={"reason": NAME}).status_code == 422
        assert clerk.post("/customers", json={"name": NAME, "colour": NAME}).status_code == 400
    assert NAME not in repr(lines) + caplog.text


def test_what_nobody_foresaw_is_logged_by_its_place_and_not_by_its_words(
    yewu: Yewu, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    employee_id = yewu.employee()

    async def broken(self: Dispatcher, order: Order) -> Any:
        try:
            raise KeyError(repr(order.body))
        except KeyError as error:
            raise ValueError(f"{order.body} of {order.stream_id}") from error

    monkeypatch.setattr(Dispatcher, "give", broken)
    with structlog.testing.capture_logs() as lines:
        answer = yewu.manager.post(f"/employees/{employee_id}/change-details", json={"name": NAME})
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:yewu:problem:broken")
    (line,) = [line for line in lines if line["event"] == "request failed"]
    assert (line["error"], line["route"]) == ("ValueError", "/employees/{id}/change-details")
    assert line["where"][-1].endswith("broken")
    assert "KeyError" in line["where"]
    assert NAME not in answer.text + repr(lines) + caplog.text
    assert employee_id not in repr(lines)


def test_the_database_is_not_asked_who_is_alive(database: str, tmp_path: Path) -> None:
    """Otherwise a database that is away would have every process restarted."""

    async def ask(app: FastAPI) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://yewu") as client:
            return await client.get("/live")

    with at_rest(database, Settings.read({"YEWU_HOME": str(tmp_path), "YEWU_DEVELOPMENT_ISSUER": "on"})) as app:
        assert done(asyncio.run(ask(app))) == {"live": True}
