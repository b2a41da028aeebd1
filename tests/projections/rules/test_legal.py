"""Each rule of legal risk with a history that keeps it, one that breaks it, and one that is still open."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from msgspec.structs import replace

from aggregates.actor import Delegation
from aggregates.business.contract import ContractAmendmentDrafted, ContractDrafted, ContractRedrafted
from aggregates.business.terms import Instalment, Terms
from aggregates.event import Envelope
from aggregates.ids import ContractId, CustomerId, EmployeeId
from aggregates.risk.consultation import LegalAdviceGiven, LegalConsultationAsked
from aggregates.risk.legal_review import (
    Difficulty,
    LegalReviewAssigned,
    LegalReviewPassed,
    LegalReviewPassedWithConditions,
    LegalReviewRejected,
    LegalReviewRequested,
    LegalReviewWithdrawn,
)
from aggregates.text import Code, ContentHash, Text
from projections.rules import legal
from projections.rules.duty import DutyRow, State, Verdict
from projections.rules.rule import Rule
from tests.projections.rules.cases import ANNA, BORIS, LI, LONG_AFTER, Happened, duty, on, verdict

REVIEW, CONSULTATION, CONTRACT = "review-1", "consultation-1", ContractId("contract-1")
CASES = {"R-RSK-8": REVIEW, "R-RSK-9": CONSULTATION, "R-GEN-2.3": str(CONTRACT), "R-GEN-2.3.text": str(CONTRACT)}
WORDS = Text("words")
CARL = CustomerId("customer-carl")
FIRST, SECOND = ContentHash("sha256:a"), ContentHash("sha256:b")

requested = LegalReviewRequested(contract_id=CONTRACT, content=FIRST, complexity=Difficulty.SIMPLE)
passed = LegalReviewPassed(contract_id=CONTRACT, content=FIRST)
passed_mended = LegalReviewPassed(contract_id=CONTRACT, content=SECOND)
on_conditions = LegalReviewPassedWithConditions(contract_id=CONTRACT, content=FIRST, conditions=WORDS)
rejected = LegalReviewRejected(contract_id=CONTRACT, content=FIRST, grounds=WORDS)
withdrawn = LegalReviewWithdrawn(contract_id=CONTRACT, reason=WORDS)
to_boris = LegalReviewAssigned(contract_id=CONTRACT, counsel_id=BORIS)
asked = LegalConsultationAsked(question=WORDS, about_id=None, due=date(2026, 3, 4), asked_by_id=ANNA)
advised = LegalAdviceGiven(advice=WORDS)
terms = Terms(
    content=FIRST,
    amount=Decimal(100),
    begins=date(2026, 4, 1),
    ends=date(2026, 5, 1),
    obligations=(),
    payments=(Instalment(number=Code("1"), amount=Decimal(100), due=date(2026, 5, 1)),),
)
drafted = ContractDrafted(customer_id=CARL, terms=terms, drafted_by=(ANNA,))
redrafted = ContractRedrafted(customer_id=CARL, terms=replace(terms, content=SECOND), drafted_by=(ANNA,))
amended = ContractAmendmentDrafted(customer_id=CARL, terms=replace(terms, content=SECOND), drafted_by=(ANNA,))


def of(case: str, *happened: Happened) -> list[Happened]:
    return [one._replace(stream_id=case) for one in happened]


def reviewed(*happened: Happened) -> list[Happened]:
    return of(REVIEW, *happened)


def consulted(*happened: Happened) -> list[Happened]:
    return of(CONSULTATION, *happened)


DRAFTED, REDRAFTED = of(CONTRACT, Happened(drafted, on(2)), Happened(redrafted, on(3)))
AMENDED = Happened(amended, on(3), stream_id=CONTRACT)

KEPT: list[tuple[Rule, list[Happened]]] = [
    (legal.REVIEWED_IN_TIME, reviewed(Happened(requested, on(2)), Happened(passed, on(4, 18)))),
    (legal.REVIEWED_IN_TIME, reviewed(Happened(requested, on(2)), Happened(on_conditions, on(4, 18)))),
    (legal.REVIEWED_IN_TIME, reviewed(Happened(requested, on(2)), Happened(rejected, on(4, 18)))),
    (
        legal.REVIEWED_IN_TIME,
        reviewed(Happened(replace(requested, complexity=Difficulty.COMPLEX), on(2)), Happened(passed, on(6, 18))),
    ),
    (legal.CONSULTED_IN_TIME, consulted(Happened(asked, on(2)), Happened(advised, on(4, 18)))),
    (legal.NOT_BY_ITS_DRAFTER, [DRAFTED, *reviewed(Happened(passed, on(3), BORIS))]),
    (legal.NOT_DRAFTED_AFTERWARDS, [DRAFTED, *reviewed(Happened(passed, on(3), BORIS))]),
    # whoever turned one version down may write the next, if somebody else looks at that
    (
        legal.NOT_BY_ITS_DRAFTER,
        [
            DRAFTED,
            *reviewed(Happened(rejected, on(2, 10), BORIS)),
            REDRAFTED._replace(by=BORIS),
            *reviewed(Happened(passed_mended, on(3), LI)),
        ],
    ),
]

BROKEN: list[tuple[Rule, list[Happened]]] = [
    (legal.REVIEWED_IN_TIME, reviewed(Happened(requested, on(2)), Happened(passed, on(5)))),
    (legal.REVIEWED_IN_TIME, reviewed(Happened(requested, on(2)), Happened(rejected, on(5)))),
    (
        legal.REVIEWED_IN_TIME,
        reviewed(Happened(replace(requested, complexity=Difficulty.COMPLEX), on(2)), Happened(passed, on(9))),
    ),
    (legal.CONSULTED_IN_TIME, consulted(Happened(asked, on(2)), Happened(advised, on(5)))),
    (legal.NOT_BY_ITS_DRAFTER, [DRAFTED, *reviewed(Happened(passed, on(3), ANNA))]),
    (legal.NOT_BY_ITS_DRAFTER, [DRAFTED, *reviewed(Happened(on_conditions, on(3), ANNA))]),
    (legal.NOT_BY_ITS_DRAFTER, [DRAFTED, *reviewed(Happened(rejected, on(3), ANNA))]),
    (legal.NOT_BY_ITS_DRAFTER, [DRAFTED, REDRAFTED, *reviewed(Happened(passed_mended, on(3), ANNA))]),
    (legal.NOT_BY_ITS_DRAFTER, [AMENDED, *reviewed(Happened(passed_mended, on(3), ANNA))]),
    # a text that somebody let pass becomes theirs when they put it into the contract
    (legal.NOT_DRAFTED_AFTERWARDS, [DRAFTED, *reviewed(Happened(passed_mended, on(2, 10), ANNA)), REDRAFTED]),
]

OPEN: list[tuple[Rule, list[Happened]]] = [
    (legal.REVIEWED_IN_TIME, reviewed(Happened(requested, on(2)))),
    (legal.CONSULTED_IN_TIME, consulted(Happened(asked, on(2)))),
    (legal.NOT_BY_ITS_DRAFTER, [DRAFTED]),
    (legal.NOT_DRAFTED_AFTERWARDS, [DRAFTED]),
]


def of_its_case(rule: Rule, happened: list[Happened]) -> DutyRow:
    return duty(rule, *happened, case=CASES[rule.number])


@pytest.mark.parametrize(("rule", "happened"), KEPT, ids=lambda p: getattr(p, "number", ""))
def test_a_case_that_keeps_the_rule(rule: Rule, happened: list[Happened]) -> None:
    row = of_its_case(rule, happened)
    assert (row.verdict_at(LONG_AFTER), row.missed) == (Verdict.CONFORMANT, 0)


@pytest.mark.parametrize(("rule", "happened"), BROKEN, ids=lambda p: getattr(p, "number", ""))
def test_a_case_that_breaks_the_rule(rule: Rule, happened: list[Happened]) -> None:
    row = of_its_case(rule, happened)
    assert (row.verdict_at(LONG_AFTER), row.missed) == (Verdict.VIOLATED, 1)
    assert row.decided_by is not None


@pytest.mark.parametrize(("rule", "happened"), OPEN, ids=lambda p: getattr(p, "number", ""))
def test_a_case_that_is_still_open(rule: Rule, happened: list[Happened]) -> None:
    row = of_its_case(rule, happened)
    assert (row.verdict_at(on(2, 10)), row.state) == (Verdict.PENDING, State.OWED)


@pytest.mark.parametrize("rule", legal.RULES, ids=lambda rule: rule.number)
def test_every_rule_is_tried_in_all_three_ways(rule: Rule) -> None:
    assert all(rule in {tried for tried, _ in tries} for tries in (KEPT, BROKEN, OPEN))


def test_5_2_4_a_how_hard_a_text_is_says_how_long_counsel_may_take() -> None:
    simple = duty(legal.REVIEWED_IN_TIME, *reviewed(Happened(requested, on(2))), case=REVIEW)
    hard = replace(requested, complexity=Difficulty.COMPLEX)
    complex_ = duty(legal.REVIEWED_IN_TIME, *reviewed(Happened(hard, on(2))), case=REVIEW)
    assert (simple.due_at, complex_.due_at) == (on(4, 18), on(6, 18))
    assert (simple.verdict_at(on(4, 18)), simple.verdict_at(on(4, 18, 1))) == (Verdict.PENDING, Verdict.VIOLATED)


def test_5_2_4_b_a_question_left_unanswered_is_a_breach() -> None:
    row = duty(legal.CONSULTED_IN_TIME, *consulted(Happened(asked, on(2))), case=CONSULTATION)
    assert (row.due_at, row.verdict_at(on(5))) == (on(4, 18), Verdict.VIOLATED)


def test_the_counsel_to_whom_it_is_given_owes_it() -> None:
    row = duty(legal.REVIEWED_IN_TIME, *reviewed(Happened(requested, on(2)), Happened(to_boris, on(2))), case=REVIEW)
    assert row.owner_id == EmployeeId(BORIS)


def test_a_review_that_was_withdrawn_is_owed_by_nobody() -> None:
    happened = reviewed(Happened(requested, on(2)), Happened(withdrawn, on(3)))
    row = duty(legal.REVIEWED_IN_TIME, *happened, case=REVIEW)
    assert (row.verdict_at(LONG_AFTER), row.state) == (Verdict.NOT_APPLICABLE, State.SHELVED)


def test_a_drafter_reviews_through_nobody_elses_power_and_nobody_through_theirs() -> None:
    lent = Envelope(delegation=Delegation(number=Code("1"), grantor_id=ANNA), on_behalf_of=ANNA)
    happened = [DRAFTED, *reviewed(Happened(passed, on(3), BORIS, lent))]
    assert verdict(legal.NOT_BY_ITS_DRAFTER, *happened, case=CONTRACT) is Verdict.VIOLATED
    by_boris_for_anna = [DRAFTED._replace(by=BORIS, envelope=lent), *reviewed(Happened(passed, on(3), ANNA))]
    assert verdict(legal.NOT_BY_ITS_DRAFTER, *by_boris_for_anna, case=CONTRACT) is Verdict.VIOLATED
