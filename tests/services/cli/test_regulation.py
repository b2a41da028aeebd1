"""The regulation from a terminal: a line for each clause, and each case with its verdict, in both languages."""

from __future__ import annotations

from aggregates.actor import Role
from tests.services.cli.terminal import Terminal
from tests.services.running import Yewu, wait_until


def received(yewu: Yewu) -> str:
    """A complaint that the read model knows of."""
    complaint_id = yewu.complaint()
    wait_until(lambda: yewu.manager.get(f"/complaints/{complaint_id}").is_success)
    return complaint_id


def test_there_is_a_line_for_each_of_the_104_clauses(terminal: Terminal) -> None:
    received(terminal.yewu)
    lines = terminal.do("regulation", "coverage").splitlines()
    assert len(lines) == 104
    (complaint,) = [line for line in lines if line.startswith("3.3.2-a ")]
    assert "built" in complaint
    assert "commands: complaint.receive, complaint.acknowledge, complaint.record details" in complaint
    assert "event types: ComplaintReceived, ComplaintAcknowledged, ComplaintDetailsRecorded" in complaint
    assert "rules: R-CS-2, R-CS-3" in complaint
    assert "4.1.1    not built" in lines
    assert len(terminal.do("regulation", "coverage", "--inferred").splitlines()) == 116


def test_the_same_in_chinese(terminal: Terminal) -> None:
    terminal.environment.setenv("LANG", "zh_CN.UTF-8")
    lines = terminal.do("regulation", "coverage").splitlines()
    assert "4.1.1    尚未实现" in lines
    (complaint,) = [line for line in lines if line.startswith("3.3.2-a ")]
    assert "已实现" in complaint
    assert "规则: R-CS-2, R-CS-3" in complaint


def test_the_evidence_of_a_clause_begins_with_its_text_and_the_size_of_the_population(terminal: Terminal) -> None:
    complaint_id = received(terminal.yewu)
    text, *lines = terminal.do("regulation", "evidence", "3.3.2-a").splitlines()
    assert text.startswith("3.3.2-a  On a complaint, record in detail")
    assert [line.partition(":")[0] for line in lines[:2]] == ["R-CS-2", "R-CS-3"]
    of_the_case = [line.split() for line in lines[2:] if complaint_id in line]
    assert [(words[0], words[2], words[-1]) for words in of_the_case] == [
        ("R-CS-2", "conformant", "ComplaintReceived"), ("R-CS-3", "pending", "ComplaintReceived"),
    ]  # fmt: skip
    document = terminal("regulation", "evidence", "3.3.2-a", "--json").document
    assert len(document["cases"]) == len(lines) - 2
    assert sum(document["population"]["R-CS-3"][v] for v in ("pending", "conformant")) == len(document["cases"]) / 2


def test_evidence_is_of_days(terminal: Terminal) -> None:
    complaint_id = received(terminal.yewu)
    assert complaint_id in terminal.do(
        "regulation", "evidence", "3.3.2-a", "--from", "2026-01-01", "--to", "2499-01-01"
    )
    assert complaint_id not in terminal.do("regulation", "evidence", "3.3.2-a", "--to", "2020-01-01")
    assert complaint_id not in terminal.do("regulation", "evidence", "3.3.2-a", "--from", "2499-01-01")
    assert terminal("regulation", "evidence", "3.3.2-a", "--from", "soon").sentence.startswith("soon is no day")


def test_all_pages_are_read(terminal: Terminal) -> None:
    received(terminal.yewu), received(terminal.yewu)
    whole = terminal("regulation", "evidence", "3.3.2-a", "--json").document
    terminal.environment.setattr("services.cli.regulation.PAGE", 1)
    assert terminal("regulation", "evidence", "3.3.2-a", "--json").document["cases"] == whole["cases"]


def test_a_clause_that_there_is_not_is_said_so(terminal: Terminal) -> None:
    assert terminal("regulation", "evidence", "9.9").sentence == "There is no clause 9.9."
    terminal.environment.setenv("LANG", "zh_CN.UTF-8")
    assert terminal("regulation", "evidence", "9.9").sentence == "没有条款 9.9。"


def test_only_those_who_see_verdicts_see_evidence(terminal: Terminal) -> None:
    terminal.sign_in_as(Role.MEMBER)
    assert len(terminal.do("regulation", "coverage").splitlines()) == 104
    assert terminal("regulation", "evidence", "3.3.2-a").status == 1
