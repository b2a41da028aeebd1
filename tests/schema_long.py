"""`python -m tests.schema_long [--cases 10000] [--roles MGR CS]`: made-up requests for long, as every role."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from contextlib import ExitStack
from typing import Any

import psycopg
import requests
from hypothesis import HealthCheck, Phase, given, seed, settings
from psycopg.conninfo import make_conninfo
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup

from aggregates.actor import Role
from infra.embedded import EmbeddedPostgres
from infra.migrations import migrate
from tests.conftest import new_database
from tests.folders import reachable_folder
from tests.services.http.test_schema import CHECKS, OPERATIONS, Desk
from tests.services.http.test_who_may_read import ROLES
from tests.services.running import running


def main() -> int:
    """How many operations did not keep what the document promises, role by role."""
    parser = argparse.ArgumentParser(prog="python -m tests.schema_long", description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000, help="about how many requests as each role")
    parser.add_argument("--roles", nargs="*", type=Role, default=ROLES, help="as whom, MGR for instance; else all")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32), help="what chance goes by")
    asked = parser.parse_args()
    sys.stdout.write(f"seed {asked.seed}\n")
    broken = 0
    with ExitStack() as stack:
        desk = a_desk(stack)
        for role in asked.roles:
            began, many = time.monotonic(), Many(desk, role, asked.seed)
            try:
                for method, path in OPERATIONS:
                    many.ask(method, path, max(1, round(asked.cases / len(OPERATIONS))))
            finally:  # also when it is broken off
                sys.stdout.write(f"{many} in {time.monotonic() - began:.0f} s\n")
                sys.stdout.flush()
            broken += many.broken
    return min(broken, 100)


def a_desk(stack: ExitStack) -> Desk:
    """A department around a PostgreSQL of its own, until the stack ends."""
    server = stack.enter_context(EmbeddedPostgres(reachable_folder() / "postgres"))
    with psycopg.connect(server.url, autocommit=True) as db:
        db.execute("CREATE DATABASE template_yewu")
    migrate(make_conninfo(server.url, dbname="template_yewu"))
    databases = new_database(server.url)
    stack.callback(lambda: next(databases, None))
    return Desk(stack.enter_context(running(next(databases), reachable_folder())))


class Many:
    """Requests as one role, which nobody whom they name holds: or else it would soon be ended."""

    def __init__(self, desk: Desk, role: Role, chance: int) -> None:
        self.desk, self.role, self.chance = desk, role, chance
        yewu = desk.yewu
        person = desk.things["customer"] if role is Role.CUSTOMER else yewu.appointed(role, name=role)
        self.token = {"Authorization": yewu.as_(person).headers["Authorization"]}
        self.asked = self.broken = 0
        self.answers: dict[int, int] = {}

    def __str__(self) -> str:
        answers = dict(sorted(self.answers.items()))
        return f"{self.role}: {self.asked} requests, {self.broken} operations broken, answers {answers}"

    def ask(self, method: str, path: str, cases: int) -> None:
        """So many requests of one operation; the first that goes wrong is told, and is the last."""
        operation = self.desk.operation(method, path)

        @seed(self.chance)
        @settings(
            max_examples=cases, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck), print_blob=False,
        )  # fmt: skip
        @given(case=operation.as_strategy(GenerationMode.POSITIVE) | operation.as_strategy(GenerationMode.NEGATIVE))
        def one(case: Any) -> None:
            self.asked += 1
            answer = case.call(base_url=self.desk.yewu.address, headers=self.token)
            self.answers[answer.status_code] = self.answers.get(answer.status_code, 0) + 1
            case.validate_response(answer, checks=CHECKS)

        try:
            one()
        except (FailureGroup, requests.RequestException) as problem:
            self.broken += 1
            sys.stdout.write(f"BROKEN as {self.role}: {method.upper()} {path}\n{problem}\n")
            for each in getattr(problem, "exceptions", ()):
                sys.stdout.write(f"{each}\n")


if __name__ == "__main__":
    sys.exit(main())
