"""The clauses of the regulation are data, and whatever names a clause names one of them."""

from __future__ import annotations

import pytest

from aggregates.text import Code
from projections.regulation import BY_ID, CLAUSES, Mechanism, Source, State, named_after, state_of
from projections.rules.catalogue import RULES
from services.composition import COMMANDS, INNER_COMMANDS, MECHANISMS, POLICIES
from tests.clauses import NUMBERED, all_tests, by_clause, clause_of

SHOWN = Code("3.3.2-a")


def test_the_regulation_has_104_clauses_and_12_that_are_inferred() -> None:
    sources = [clause.source for clause in CLAUSES]
    assert (sources.count(Source.TEXT), sources.count(Source.INFERRED)) == (104, 12)
    assert len(BY_ID) == len(CLAUSES)


def test_each_clause_is_there_in_both_languages_and_with_a_rule_that_shall_stand_for_it() -> None:
    assert [clause.id for clause in CLAUSES if clause.zh.isascii() or not clause.en or not clause.rules] == []
    assert [clause.id for clause in CLAUSES if (clause.source is Source.INFERRED) != clause.id.startswith("X")] == []


def test_whatever_names_a_clause_names_one_that_there_is() -> None:
    named = {command.declaration.clause for command in (*COMMANDS, *INNER_COMMANDS.values())}
    named |= {clause for rule in RULES for clause in rule.clauses} | {c for policy in POLICIES for c in policy.clauses}
    assert named - set(BY_ID) == set()


def test_the_mechanism_of_a_clause_is_read_off_commands_views_and_policies() -> None:
    assert MECHANISMS["3.3.2-a"].commands == (
        "complaint.receive", "complaint.acknowledge", "complaint.record_details",
    )  # fmt: skip
    assert MECHANISMS["3.3.2-a"].events == (
        "ComplaintReceived", "ComplaintAcknowledged", "ComplaintDetailsRecorded",
    )  # fmt: skip
    assert "ReceivableWrittenOff" in MECHANISMS["5.2.2-b"].events
    assert MECHANISMS["3.3.2-a"].views == ("ComplaintRow",)
    assert MECHANISMS["3.3.2-c"].policies == ("ComplaintClocks",)
    assert "complaint.escalate_to" in MECHANISMS["3.3.2-c"].commands


@pytest.mark.parametrize(
    ("commands", "rules", "tests", "state"),
    [
        ((), (), (), State.NOT_BUILT),
        ((), (), ("t",), State.NOT_BUILT),
        (("c",), (), (), State.NO_TEST),
        ((), ("r",), (), State.NO_TEST),
        (("c",), (), ("t",), State.BUILT),
        ((), ("r",), ("t",), State.BUILT),
    ],
)
def test_a_mechanism_counts_only_with_a_test_named_after_the_clause(
    commands: tuple[Code, ...], rules: tuple[Code, ...], tests: tuple[str, ...], state: State
) -> None:
    assert state_of(Mechanism(commands=commands), rules, tests) is state


def test_a_test_is_named_after_the_longest_clause_it_begins_with() -> None:
    assert clause_of("test_3_3_2_a_a_complaint_is_received") == "3.3.2-a"
    assert clause_of("test_2_1_one_manager") == "2.1"
    assert clause_of("test_x6_3_2_measures") == "X6.3.2"
    assert clause_of("test_6_3_2_measures") == "6.3.2"
    assert clause_of("test_3_3_2_complaints") is None


def test_a_test_that_begins_with_a_number_is_named_after_a_clause() -> None:
    assert [name for _, name in all_tests() if NUMBERED.match(name) and clause_of(name) is None] == []


def test_the_tests_of_a_clause_are_those_that_there_are() -> None:
    found = by_clause(all_tests())
    assert found["3.3.2-a"] == list(named_after(SHOWN))
    assert len(found["3.3.2-a"]) >= 3
    assert {clause: list(named_after(Code(clause))) for clause in found} == dict(found)
