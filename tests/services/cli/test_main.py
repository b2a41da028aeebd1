"""The commands around the business: is it there, who am I, what happened, and looking after the database."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from aggregates.actor import Role
from services.composition import POLICIES
from services.demo import write_help_desk
from services.lags import LAGS
from tests.logins import addresses
from tests.services.cli.terminal import Terminal
from tests.services.running import done, running

UNPREPARED = "This database has not been prepared for Yewu: run `yewu migrate` first."


def test_it_is_ready(terminal: Terminal) -> None:
    status = terminal("status", "--json").document
    assert (status["ready"], status["problems"]) == (True, [])
    assert "ready" in terminal.do("status")


def test_the_status_says_what_the_metrics_say(terminal: Terminal) -> None:
    number = {"name": "Anna", "number": "E-1"}
    assert [terminal.yewu.manager.post("/employees", json=number).status_code for _ in range(2)] == [201, 409]
    done(terminal.yewu.manager.post(f"/employees/{terminal.yewu.manager_id}/change-details", json={"number": "E-2"}))
    metrics = terminal.yewu.as_(None).get("/metrics").text
    status = terminal("status", "--json").document
    assert f"yewu_appended_events_total {float(status['appended_events'])}" in metrics
    assert status["other_refusals"] == {"Taken": 1}
    assert (status["conflicts"], status["moved_facts"]) == (0, 0)
    never_at_work = {"relay", *(f"policy {policy.name}" for policy in POLICIES)}
    assert set(status["lag"]) == set(LAGS) - never_at_work
    assert status["half_committed_within_ms"] <= status["99_percent_committed_within_ms"]
    assert 0 <= status["states_remembered"] <= 1
    assert 0 < status["events_per_batch"] <= 1  # one was refused
    shown = terminal.do("status")
    for words in ("lag of projector", "lag of builder", "half committed within ms", "Taken: 1"):
        assert words in shown


def test_the_status_of_a_process_that_is_not_ready_says_why_and_exits_with_1(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.http.health.MOST_SILENT", -1.0)
    said = terminal("status", "--json")
    assert said.status == 1
    assert said.document["ready"] is False
    (problem,) = said.document["problems"]
    assert problem.startswith("nobody keeps the read model")
    assert "lag of projector" in terminal("status").out


def test_where_nobody_listens_that_is_said(terminal: Terminal) -> None:
    terminal.environment.setenv("YEWU_URL", "http://127.0.0.1:9")
    for words in (("status",), ("login",), ("complaints", "board"), ("events", "tail")):
        said = terminal(*words).sentence
        assert said.startswith("Nobody answers at http://127.0.0.1:9 (")
        assert said.endswith("): start Yewu with `make up`, or set YEWU_URL.")
    assert terminal("status", "--json").document["detail"].startswith("Nobody answers")


def test_an_address_that_is_none_is_said_so(terminal: Terminal) -> None:
    terminal.environment.delenv("YEWU_URL")
    terminal.environment.setenv("YEWU_PORT", "eighty")
    assert terminal("status").sentence.startswith("http://127.0.0.1:eighty is no address (")


def test_a_proxy_is_not_asked_about_this_machine(terminal: Terminal) -> None:
    terminal.environment.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    terminal.environment.setenv("NO_PROXY", "")
    assert terminal("status").status == 0


def test_signing_in_keeps_a_token_that_only_its_owner_reads(terminal: Terminal, tmp_path: Path) -> None:
    terminal.environment.delenv("YEWU_TOKEN")
    assert terminal("complaints", "board").sentence.startswith("Send a valid token: `yewu login`")

    assert terminal("login", "--json").document["subject"] == terminal.yewu.manager_id
    kept = tmp_path / "yewu" / "token"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert terminal("complaints", "board").status == 0

    anna = terminal.yewu.appointed(Role.CUSTOMER_SERVICE)
    assert anna in terminal.do("login", "--as", anna)
    assert terminal("employees", "register", "--name", "Lea").sentence.startswith("This takes one of the offices ")
    assert terminal("login", "--as", "employee-nobody").sentence == "There is no employee-nobody."


def test_without_a_development_issuer_a_token_comes_from_elsewhere(
    terminal: Terminal, database: str, tmp_path: Path
) -> None:
    keys = "http://127.0.0.1:9/jwks.json"
    with running(database, tmp_path, development_issuer=False, jwks_url=keys) as yewu:
        terminal.environment.setenv("YEWU_URL", yewu.address)
        said = terminal("login")  # beside it, the projector of this process may say that it has built its rows
        assert (said.status, said.err) == (
            1,
            "There is no development issuer here: set YEWU_TOKEN to a token of your issuer.\n",
        )


def test_the_tail_of_the_log_is_one_document_a_line(terminal: Terminal) -> None:
    anna = terminal.do("employees", "register", "--name", "Anna", "--quiet")
    said = terminal("events", "tail", "--no-follow", "--json")
    lines = [json.loads(line) for line in said.out.splitlines()][:10]  # then, perhaps, that a refusal was shown
    positions = [line["position"] for line in lines]
    assert positions == list(range(positions[0], positions[0] + 10))
    assert (lines[-1]["type"], lines[-1]["subject"]) == ("EmployeeRegistered", anna)

    shown = terminal.do("events", "tail", "--no-follow", "--after", str(positions[-1] - 1))
    assert shown.splitlines()[0].split()[0::3] == [str(positions[-1]), anna]


def test_the_history_of_one_thing(terminal: Terminal) -> None:
    history = terminal("events", "of", "department", "--json").document["items"]
    assert history[0]["type"] == "DepartmentFounded"
    assert "DepartmentFounded" in terminal.do("events", "of", "department").splitlines()[0]
    assert terminal("events", "of", "complaint-x").sentence == "There is no complaint-x."


def test_the_history_of_one_field_says_what_it_was_and_became_and_why(terminal: Terminal) -> None:
    anna = terminal.do("employees", "register", "--name", "Anna", "--quiet")
    terminal.do("employees", "correct-details", anna, "--number", "17", "--reason", "It was left out")
    event, change = terminal.do("events", "of", anna, "--field", "number").splitlines()
    assert "EmployeeDetailsCorrected" in event
    assert change.endswith("None → 17  It was left out")


def test_a_department_is_founded_once(terminal: Terminal, database: str) -> None:
    terminal.look_after(database)
    founded = terminal("found", "--manager", "Lin 林", "--json").document
    assert (founded["founded"], founded["manager"]) == (True, "Lin 林")

    again = "The department is founded already: appoint people with `yewu department appoint`."
    assert terminal("found", "--manager", "Wu").sentence == again
    assert terminal("found", "--manager", "Wu", "--json").document == {"detail": again}
    assert terminal("found", "--if-new", "--json").document == {"founded": False}


def test_a_database_is_prepared_first(terminal: Terminal, empty_database: str) -> None:
    terminal.look_after(empty_database)
    assert terminal("found").sentence == UNPREPARED
    assert terminal("rebuild").sentence == UNPREPARED
    terminal.environment.setenv("YEWU_MIGRATOR_URL", empty_database)
    assert terminal("migrate", "--json").document["applied"]
    assert terminal("migrate", "--json").document == {"applied": []}
    assert terminal("found", "--json").document["founded"] is True


def test_a_database_that_is_not_there_is_said_so(terminal: Terminal, tmp_path: Path) -> None:
    for name in addresses(""):
        terminal.environment.setenv(name, f"host={tmp_path}")
    for words in (("found",), ("rebuild",), ("migrate",)):
        assert terminal(*words).sentence.startswith("The database does not answer (")


def test_an_address_of_a_database_that_is_none_does_not_come_to_light(terminal: Terminal) -> None:
    for name in ("YEWU_PROJECTOR_URL", "DATABASE_URL"):
        terminal.environment.setenv(name, "secret")
        assert terminal("migrate").sentence == f"{name}: write an address such as postgresql://user@host/database."


def test_a_login_that_may_too_much_is_turned_away_by_every_command_that_needs_less(
    terminal: Terminal, database: str, tmp_path: Path
) -> None:
    for name in addresses(""):
        terminal.environment.setenv(name, database)
    for words, role, setting in (
        (("found",), "yewu_app", "DATABASE_URL"),
        (("serve",), "yewu_app", "DATABASE_URL"),
        (("import", str(tmp_path), "--map", "helpdesk"), "yewu_app", "DATABASE_URL"),
        (("project",), "yewu_projector", "YEWU_PROJECTOR_URL"),
        (("build",), "yewu_projector", "YEWU_PROJECTOR_URL"),
        (("rebuild",), "yewu_projector", "YEWU_PROJECTOR_URL"),
    ):
        said = terminal(*words).sentence
        assert said.startswith(f"{setting} connects as "), words
        assert said.endswith(f", who is a superuser: too much; name the login {role}."), words


def test_a_login_that_may_too_little_is_said_so(terminal: Terminal, database: str) -> None:
    terminal.look_after(database)
    terminal.environment.setenv("YEWU_MIGRATOR_URL", addresses(database)["DATABASE_URL"])
    assert terminal("migrate").sentence == (
        'The database refuses this login (permission denied to set role "yewu_owner"): name the one that the command'
        " needs, see docs/operate.md."
    )


def test_the_read_model_is_built_anew_beside_the_one_in_use(terminal: Terminal) -> None:
    with psycopg.connect(terminal.yewu.database) as db:
        (head,) = db.execute("SELECT position FROM yewu.head").fetchone() or (0,)
    assert terminal("rebuild", "--json").document == {"position": head}
    assert terminal("status", "--json").document["position"] == head


def test_a_log_is_backed_up_checked_and_restored(terminal: Terminal, database: str, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    copied = terminal("backup", str(folder), "--json").document
    assert list(copied) == ["file", "position", "bytes", "seconds"]
    assert copied["position"] == terminal("status", "--json").document["head"]
    assert terminal("restore", str(folder), "--check", "--json").document["position"] == copied["position"]
    assert terminal("backup", str(folder)).sentence.startswith(f"{copied['file']} is there already")
    assert terminal("restore", str(folder)).sentence.startswith("This log is not empty")

    terminal.look_after(database)
    assert "position" in terminal.do("restore", str(folder))
    assert terminal("restore", str(tmp_path), "--check").sentence == (
        f"{tmp_path / 'log.yewu'} cannot be read (No such file or directory)."
    )


def test_whoever_may_write_makes_no_backup(terminal: Terminal, tmp_path: Path) -> None:
    terminal.environment.delenv("YEWU_AUDITOR_URL")
    refused = terminal("backup", str(tmp_path / "b")).sentence
    assert refused.startswith("DATABASE_URL connects as yewu_app, who may EXECUTE yewu.append and may ")
    assert refused.endswith(": too much; name the login yewu_auditor.")


@pytest.fixture
def help_desk(tmp_path: Path) -> Path:
    return write_help_desk(tmp_path / "desk.xes.gz", cases=5)


def test_a_history_comes_in_once(terminal: Terminal, help_desk: Path) -> None:
    first = terminal("import", str(help_desk), "--map", "helpdesk", "--json").document
    assert list(first) == ["read", "cases", "recorded", "already", "rejected", "seconds"]
    assert (first["cases"], first["already"], first["rejected"]) == (5, 0, 0)
    assert first["recorded"] == first["read"] > 10

    second = terminal("import", str(help_desk), "--map", "services/importing/maps/helpdesk.toml", "--json").document
    assert (second["recorded"], second["already"]) == (0, first["read"])


def test_a_history_that_cannot_come_in_is_said_so(terminal: Terminal, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere.xes")
    assert terminal("import", nowhere, "--map", "helpdesk").sentence.startswith("nowhere.xes cannot be read")
    terminal.environment.setenv("LANG", "zh_CN.UTF-8")
    assert terminal("import", nowhere, "--map", "helpdesk").sentence.startswith("无法读取")


def test_without_kafka_there_is_nothing_to_project_from_it(terminal: Terminal) -> None:
    terminal.environment.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    assert "There is no Kafka" in terminal("project", "--from", "kafka").sentence
