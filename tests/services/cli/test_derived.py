"""Every command and question from a terminal: what is typed reaches the API, what it says reaches the eye."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import typer

from aggregates.actor import Role
from services.cli.derived import BY_HAND
from services.cli.main import app
from services.composition import AGGREGATES, COMMANDS, QUESTIONS
from tests.services.cli.terminal import Terminal
from tests.services.http.scenes import contracts, credit, customers, development, legal, records

MUST_SAY = {"sales.forecasts": ("--made-by", "2026-01-31")}
"""What a question cannot do without."""

TOO_EARLY = "Close only after the customer has confirmed, or the manager has declared recourse exhausted."
TOO_EARLY_IN_CHINESE = "须经客户确认满意,或由经理宣告救济已尽,方可结案。"


def command_lines() -> Iterator[tuple[str, ...]]:
    """Every command that can be typed, and every group of them."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), typer.main.get_command(app))]
    while waiting:
        words, command = waiting.pop()
        yield words
        for name, below in getattr(command, "commands", {}).items():
            waiting.append(((*words, name), below))


def receive_complaint(terminal: Terminal, facts: str = "The boiler is cold") -> str:
    terminal.sign_in_as(Role.CUSTOMER_SERVICE)
    customer = terminal.do("customers", "register", "--name", "Acme", "--source", "fair", "--quiet")
    return terminal.do(
        "complaints", "receive", "--customer-id", customer, "--channel", "phone",
        "--facts", facts, "--remedy-sought", "A warm one", "-q",
    )  # fmt: skip


def test_the_manager_registers_and_appoints_somebody(terminal: Terminal) -> None:
    anna = terminal.do("employees", "register", "--name", "Anna 安娜", "--quiet")
    appointed = terminal(
        "department", "appoint", "--employee-id", anna, "--role", "CS", "--unit", "customer-service", "--json"
    ).document
    assert appointed["events"] == ["RoleAssigned"]

    found = terminal("employees", "one", anna, "--min-position", str(appointed["position"]), "--json").document
    assert found["name"] == "Anna 安娜"
    posts = terminal("department", "held-on", "--json").document["items"]
    assert [post["role"] for post in posts if post["employee_id"] == anna] == ["CS"]


def test_a_complaint_is_received_and_stands_on_the_board(terminal: Terminal) -> None:
    complaint = receive_complaint(terminal)
    assessed = terminal(
        "complaints", "assess", complaint, "--category", "quality", "--severity", "S2",
        "--safety-or-legal", "false", "--complexity", "simple", "--json",
    ).document  # fmt: skip
    board = terminal("complaints", "board", "--min-position", str(assessed["position"]), "--json").document
    assert [item["severity"] for item in board["items"] if item["complaint_id"] == complaint] == ["S2"]
    assert complaint in terminal.do("complaints", "board")


def test_a_refused_closing_says_why(terminal: Terminal) -> None:
    complaint = receive_complaint(terminal)
    assert terminal("complaints", "close", complaint).sentence == TOO_EARLY
    refused = terminal("complaints", "close", complaint, "--json")
    assert refused.status == 1
    assert (refused.document["type"], refused.document["detail"]) == ("urn:yewu:problem:refused", TOO_EARLY)


def test_a_refused_closing_says_why_in_chinese(terminal: Terminal) -> None:
    complaint = receive_complaint(terminal)
    terminal.environment.setenv("LANG", "zh_CN.UTF-8")
    assert terminal("complaints", "close", complaint).sentence == TOO_EARLY_IN_CHINESE


def test_the_same_key_gives_the_same_answer(terminal: Terminal) -> None:
    words = ("employees", "register", "--name", "Lea", "--key", "3d0a2b6e-0000-4000-8000-000000000001", "--json")
    first, second = terminal(*words).document, terminal(*words).document
    assert (first["id"], first["repeated"], second["repeated"]) == (second["id"], False, True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("complaints", "board", "--limit", "0"), "limit is a number from 1 to 1000"),
        (("complaints", "board", "--as-of", "yesterday"), "as_of is a day such as 2012-12-31"),
        (
            ("department", "appoint", "--employee-id", "employee-x", "--role", "KING", "--unit", "x"),
            "Invalid enum value 'KING' - at `$.role`",
        ),
        (("complaints", "one", "complaint-x"), "There is no such thing"),
        (("complaints", "one", "../employees"), "There is nothing at /complaints/../employees."),
        (
            ("department", "appoint", "--employee-id", "employee-x", "--role", "CS", "--unit", "x"),
            "employee_id: there is no employee-x.",
        ),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_in_the_words_of_the_api(
    terminal: Terminal, words: tuple[str, ...], sentence: str
) -> None:
    assert terminal(*words).sentence.startswith(sentence)


def test_what_people_wrote_is_shown_as_they_wrote_it(terminal: Terminal) -> None:
    tom = terminal.do("employees", "register", "--name", "Tom [red] [/x]", "--quiet")
    position = terminal("events", "of", tom, "--json").document["items"][-1]["position"]
    seen = ("--min-position", str(position))
    assert "Tom [red] [/x]" in terminal.do("employees", "one", tom, *seen)
    assert "Tom [red] [/x]" in terminal.do("employees", "on-record", *seen)


def test_a_past_day_is_waited_for(terminal: Terminal) -> None:
    assert terminal("complaints", "board", "--as-of", "2012-12-31", "--json").document["items"] == []


def test_every_question_answers_with_one_document(terminal: Terminal) -> None:
    complaint = receive_complaint(terminal)
    terminal.sign_in(terminal.yewu.manager_id)
    position = terminal("events", "of", complaint, "--json").document["items"][-1]["position"]
    seen = ("--min-position", str(position))
    customer = terminal("complaints", "one", complaint, *seen, "--json").document["customer_id"]
    of_market, of_records = development.things(terminal.yewu), records.things(terminal.yewu)
    whose = {
        "complaints": complaint, "customers": customer, "employees": terminal.yewu.manager_id,
        "parameters": "parameter-P-05", "calendars": "calendar-2026", "regulation": "3.3.2-a",
        "waivers": terminal.do("waivers", "request", "--rule", "R-CS-3", "--case-id", complaint, "--expires-at",
                               (datetime.now(UTC) + timedelta(days=9)).isoformat(), "--grounds", "at sea", "-q"),
        **{f"{kind}s": thing for kind, thing in legal.things(terminal.yewu).items()},
        "opportunities": customers.opportunity(terminal.yewu, customer),
        "credits": credit.assessed(terminal.yewu, customer).removeprefix("credit-"),
        "receivables": credit.receivable(terminal.yewu),
        **{f"{kind}s": thing for kind, thing in contracts.things(terminal.yewu).items()},
        "segments": of_market["segment"], "research": of_market["research"], "plans": of_market["plan"],
        "campaigns": of_market["campaign"],
        "recordclasses": of_records["record_class"], "documents": of_records["document"],
    }  # fmt: skip
    groups = {kind.path for kind in AGGREGATES} | BY_HAND
    for asked in QUESTIONS:
        group = asked.declaration.path.partition("/")[0]
        subject = [whose[group]] if asked.in_path else []
        name = [asked.name.replace("_", "-")] if group in groups else []
        options = MUST_SAY.get(asked.slug, ())
        said = terminal(group, *name, *subject, *options, "--json")
        assert (said.status, type(said.document)) == (0, dict), asked.slug


def test_everything_that_can_be_typed_explains_itself(terminal: Terminal) -> None:
    lines = list(command_lines())
    assert len(lines) > len(COMMANDS) + len(QUESTIONS)
    for words in lines:
        assert "--help" in terminal.do(*words, "--help"), words
