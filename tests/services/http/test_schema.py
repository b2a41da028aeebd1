"""What /openapi.json promises is what the API does, whatever schemathesis makes up, for the manager and for a clerk."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode, checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from aggregates.actor import Role
from services.composition import COMMANDS, QUESTIONS
from services.http.openapi import document
from tests.conftest import new_database
from tests.files import PDF
from tests.services.http import access_table
from tests.services.http.scenarios import SCENARIOS, things
from tests.services.http.scenes.credit import assessed
from tests.services.http.stage import Stage
from tests.services.running import Yewu, done, running, wait_until

CHECKS = [
    checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
"""Not `negative_data_rejection` and `positive_data_acceptance`: the regulation refuses much that is well formed."""

EXAMPLES = 5
SUPPOSED = "P-02=2"
MOMENTS = ("from_as_of", "from_known_at", "to_as_of", "to_known_at")
PATHS: dict[str, Any] = document(COMMANDS, QUESTIONS, "0")["paths"]
OPERATIONS = [(method, path) for path, methods in PATHS.items() for method in methods]
COMMAND_OF = {command.route: command for command in COMMANDS}


class Desk:
    """A department in which things have happened, the document it serves, and who asks."""

    def __init__(self, yewu: Yewu) -> None:
        self.yewu = yewu
        self.clerk_id = yewu.appointed(Role.CUSTOMER_SERVICE)
        self.callers = {"manager": yewu.manager, "clerk": yewu.as_(self.clerk_id)}
        self.things = {
            **things(yewu),
            "parameter": "parameter-P-05",
            "calendar": "calendar-2026",
            "department": "department",
        }
        assessed(yewu, self.things["customer"])
        self.content = done(yewu.manager.post("/contents", content=PDF))["content"]
        self.people = [self.things["employee"], self.clerk_id]
        self.document: dict[str, Any] = done(yewu.as_(None).get("/openapi.json"))
        self.schema = schemathesis.openapi.from_dict(self._with_what_exists())
        wait_until(lambda: self.callers["manager"].get(f"/complaints/{self.things['complaint']}").is_success)

    def operation(self, method: str, path: str) -> Any:
        return self.schema[path][method.upper()]

    def address(self, path: str) -> str:
        """The address of something that exists."""
        kind = path.split("/")[1].rstrip("s")
        by_name = {f"{name}_id": thing for name, thing in self.things.items()}
        named = by_name | {"clause": "3.3.2-a", "hash": self.content}
        return path.format(id=self.things.get(kind, self.things["complaint"]), **named)

    def _with_what_exists(self) -> dict[str, Any]:
        """The document with the values that only this department knows in the place of made-up ones."""
        known: dict[str, Any] = {
            **dict.fromkeys(("employee_id", "delegate_id", "handler_id", "owner_id", "successor_id"), self.people),
            "customer_id": [self.things["customer"]],
            "person_id": self.people,
            "case_id": [self.things["complaint"]],
            **{f"{kind}_id": [self.things[kind]] for kind in ("segment", "research", "plan", "campaign")},
            "record_class_id": [self.things["record_class"]],
            **{
                f"{kind}_id": [self.things[kind]]
                for kind in ("segment", "research", "plan", "campaign", "opportunity", "negotiation", "contract")
            },
            "segment_ids": [[self.things["segment"]]],
            "rule": ["R-CS-3"],
            "expires_at": [(datetime.now(UTC) + timedelta(days=9)).isoformat()],
            "unit": ["customer-service", "department"],
            "parent": ["department"],
            # each day of the past is a schema of its own, and a position far ahead a wait: one of each is enough
            **dict.fromkeys(("as_of", "known_at", *MOMENTS), (str(datetime.now(UTC).date()),)),
            "parameter": [SUPPOSED],
            "min_position": [0, 1],
        }
        for path, methods in self.document["paths"].items():
            for operation in methods.values():
                for parameter in operation["parameters"]:
                    if parameter["in"] == "path":
                        name = "{" + parameter["name"] + "}"
                        exists = self.address(path).split("/")[path.split("/").index(name)]
                        parameter["schema"] = {"type": "string", "enum": [exists]}
                    elif parameter["in"] == "query" and parameter["name"] in known:
                        parameter["schema"] = {"enum": list(known[parameter["name"]])}
        for component in self.document["components"]["schemas"].values():
            if component.get("title") in {command.body.__name__ for command in COMMANDS}:
                for name in known.keys() & component["properties"].keys():
                    component["properties"][name] = {"enum": known[name]}
        # a manager who is succeeded at once would have nothing more to say in the tests that follow
        succeed = self.document["components"]["schemas"]["DepartmentSucceedManager"]
        succeed["required"] = ["employee_id", "valid_from"]
        succeed["properties"]["valid_from"] = {"enum": [(datetime.now(UTC) + timedelta(days=900)).isoformat()]}
        return self.document


@pytest.fixture(scope="module")
def desk(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    for database in new_database(postgres):
        with running(database, Path(tmp_path_factory.mktemp("home"))) as yewu:
            yield Desk(yewu)


def keeps_its_promise(operation: Any, response: httpx.Response) -> None:
    """The answer has a status, a type, headers and a body that the document says it may have."""
    in_path = {parameter["name"]: "this" for parameter in operation.definition.raw["parameters"]}
    operation.Case(path_parameters=in_path).validate_response(response, checks=CHECKS)


@pytest.mark.parametrize("caller", ["manager", "clerk"])
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_whatever_is_sent_the_answer_is_one_that_was_promised(desk: Desk, method: str, path: str, caller: str) -> None:
    operation = desk.operation(method, path)
    token = {"Authorization": desk.callers[caller].headers["Authorization"]}

    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy(GenerationMode.POSITIVE) | operation.as_strategy(GenerationMode.NEGATIVE))
    def ask(case: Any) -> None:
        case.call_and_validate(base_url=desk.yewu.address, headers=token, checks=CHECKS)

    ask()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.slug)
def test_every_command_can_succeed_and_answers_as_promised(desk: Desk, command: Any) -> None:
    """As the clerk or the manager where these may, else as the first who may."""
    allowed = access_table.COMMANDS[command.slug].split()
    role = next((role for role in ("CS", "MGR") if role in allowed), allowed[0])
    stage = Stage(desk.yewu, Role(role))
    call = SCENARIOS[command.slug](stage)
    response = stage.actor.post(call.path, json=call.body)
    assert response.status_code in {200, 201}, response.text
    keeps_its_promise(desk.operation("post", command.route), response)


@pytest.mark.parametrize("path", [path for method, path in OPERATIONS if method == "get"])
def test_every_question_can_be_answered_and_is_as_promised(desk: Desk, path: str) -> None:
    since = {"from_as_of": str(datetime.now(UTC).date())}
    query = since if path.endswith("/difference") else {"parameter": SUPPOSED} if path == "/what-if" else {}
    wait_until(lambda: desk.callers["manager"].get(desk.address(path), params=query).status_code != 202)
    response = desk.callers["manager"].get(desk.address(path), params=query)
    assert response.status_code == 200, response.text
    keeps_its_promise(desk.operation("get", path), response)


def test_the_document_can_be_read_as_openapi(desk: Desk) -> None:
    served = done(desk.yewu.as_(None).get("/openapi.json"))
    assert served["openapi"].startswith("3.1")
    schemathesis.openapi.from_dict(served).validate()
    assert {(m, p) for p, methods in served["paths"].items() for m in methods} == set(OPERATIONS)
