"""No self-approval and no act by a right that had ended; and where one gate fails, the rules find it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import pytest

from aggregates.actor import Actor
from aggregates.business.contract import Contract
from aggregates.business.development_plan import DevelopmentPlan
from aggregates.facts import CreditStanding, Quantity, Setting
from aggregates.risk.credit import Credit
from aggregates.risk.legal_review import LegalReview
from aggregates.risk.receivable import Receivable
from projections.reference import Lent, Reference
from tests.proofs.authority import GATES, Story, histories
from tests.proofs.oracle import problems

HISTORIES = int(os.environ.get("YEWU_HISTORIES", "600"))
"""How many; 10,000 take some minutes (`make proofs`)."""

OFTEN = max(HISTORIES // 100, 5)
MANY = 3_000
"""Histories after which a rule should have found what a broken gate lets pass."""


class Blind(Actor):
    """An actor of whom nobody knows for whom they speak."""

    def speaks_for(self, person: Any) -> bool:
        return False


def blinded(method: Callable[..., Any]) -> Callable[..., Any]:
    """The same gate, that does not look at who had a hand in it."""

    @wraps(method)
    def gate(self: Any, by: Actor, **more: Any) -> Any:
        return method(self, by=Blind(**{name: getattr(by, name) for name in Actor.__struct_fields__}), **more)

    return gate


def unlimited(method: Callable[..., Any]) -> Callable[..., Any]:
    """The same gate, by which a deputy may decide on anything."""

    @wraps(method)
    def gate(self: Any, **arguments: Any) -> Any:
        return method(self, **{name: _without_limit(value) for name, value in arguments.items()})

    return gate


def _without_limit(value: Any) -> Any:
    if not isinstance(value, Setting) or "deputy" not in value.values:
        return value
    most = Quantity(amount=value["deputy"].amount * 1000, unit=value["deputy"].unit)
    return Setting(number=value.number, values={**value.values, "deputy": most})  # type: ignore[dict-item]  # a Code


def test_nobody_approves_what_is_their_own_nor_by_a_right_that_is_over() -> None:
    found: list[str] = []

    def watch(story: Story) -> None:
        found.extend(problems(story.log))

    run = histories(range(HISTORIES), watch)
    assert found == []
    assert dict(run.found) == {}
    too_seldom = {gate: (run.tried[gate, True], run.tried[gate, False]) for gate in GATES}
    assert all(min(counts) >= OFTEN for counts in too_seldom.values()), too_seldom


def not_found(rules: set[str]) -> set[str]:
    """Which of these rules find nothing in one history after the other, until all of them have."""
    left = set(rules)
    for first in range(0, MANY, 50):
        left -= set(histories(range(first, first + 50)).found)
        if not left:
            break
    return left


BROKEN: dict[str, tuple[Any, str, Callable[[Any], Any], set[str]]] = {
    "whoever wrote a plan approves it": (DevelopmentPlan, "approve", blinded, {"R-GEN-2.1"}),
    "whoever drafted a contract approves it": (Contract, "approve", blinded, {"R-GEN-2.4"}),
    "whoever drafted a contract signs it": (Contract, "sign", blinded, {"R-GEN-2.4"}),
    "whoever drafted a text reviews it": (LegalReview, "let_pass", blinded, {"R-GEN-2.3"}),
    "whoever assessed or owns a customer sets its limit": (
        Credit, "approve_limit", blinded, {"R-GEN-2.5", "R-GEN-2.6"},
    ),
    "whoever asked for an override approves it": (Credit, "approve_override", blinded, {"R-GEN-2.7"}),
    "whoever asked for a write-off approves it": (Receivable, "approve_write_off", blinded, {"R-GEN-2.write-off"}),
    "a deputy approves any contract": (Contract, "approve", unlimited, {"R-GEN-1.contract"}),
    "a deputy signs any contract": (Contract, "sign", unlimited, {"R-GEN-1.contract"}),
    "a deputy sets any limit": (Credit, "approve_limit", unlimited, {"R-GEN-1.credit"}),
    "a text that was not reviewed is signed": (
        Contract, "_must_be_reviewed", lambda _: lambda *_args: None, {"R-BD-6", "R-BD-10"},
    ),
    "nobody looks at the credit": (CreditStanding, "covers", lambda _: lambda *_args: True, {"R-BD-7", "R-RSK-6"}),
}  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN)
def test_a_gate_without_its_check_is_found_by_the_rules(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, gate, without_check, rules = BROKEN[broken]
    monkeypatch.setattr(where, gate, without_check(getattr(where, gate)))
    assert not_found(rules) == set()


def test_powers_that_are_used_after_their_time_are_found_by_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    def lent_for_ever(self: Reference, employee_id: str, _times: Any) -> Iterator[Lent]:
        return iter([lent for lent in self.lent.values() if lent.delegate_id == employee_id])

    monkeypatch.setattr(Reference, "_lent_to", lent_for_ever)
    assert not_found({"R-GEN-1.plan", "R-GEN-1.contract", "R-GEN-1.credit", "R-GEN-1.write-off"}) == set()
