"""Somebody asks counsel, and says afterwards whether the advice was followed: regulation 5.2.4."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from aggregates.actor import Actor, Delegation, Role
from aggregates.ids import AnyId, EmployeeId
from aggregates.risk.consultation import (
    AdviceFollowed,
    AdviceNotFollowed,
    LegalAdviceGiven,
    LegalConsultation,
    LegalConsultationAsked,
    LegalConsultationEvent,
)
from aggregates.text import Code, Text
from tests.given import MONDAY, given

ANNA, LEI = EmployeeId("employee-anna"), EmployeeId("employee-lei")
CLERK = Actor(id=ANNA, roles=frozenset({Role.EMPLOYEE}))
OTHER = replace(CLERK, id=EmployeeId("employee-ben"))
COUNSEL = Actor(id=LEI, roles=frozenset({Role.LEGAL, Role.EMPLOYEE}))
CASE, WORDS = AnyId("contract-1"), Text("words")
FRIDAY = MONDAY.date() + timedelta(days=4)

asked = LegalConsultationAsked(question=WORDS, about_id=CASE, due=FRIDAY, asked_by_id=ANNA, facts=WORDS)
advised = LegalAdviceGiven(advice=WORDS)
followed, not_followed = AdviceFollowed(decision=WORDS), AdviceNotFollowed(reason=WORDS)


def test_5_2_4_b_anybody_asks_counsel() -> None:
    given(LegalConsultation).when(LegalConsultation.ask, CLERK, MONDAY, WORDS, FRIDAY, CASE, WORDS).then(asked)


def test_a_question_is_asked_once_and_an_answer_is_wanted_in_the_future() -> None:
    yesterday = MONDAY.date() - timedelta(days=1)
    given(LegalConsultation).when(LegalConsultation.ask, CLERK, MONDAY, WORDS, yesterday).then_refused("before today")
    given(LegalConsultation, asked).when(LegalConsultation.ask, CLERK, MONDAY, WORDS, FRIDAY).then_refused("already")


def test_5_2_4_b_counsel_answers_as_often_as_needed() -> None:
    given(LegalConsultation, asked).when(LegalConsultation.advise, COUNSEL, WORDS).then(advised)
    given(LegalConsultation, asked, advised).when(LegalConsultation.advise, COUNSEL, WORDS).then(advised)


@pytest.mark.parametrize(
    "asker",
    [
        replace(COUNSEL, id=ANNA),
        replace(COUNSEL, delegation=Delegation(number=Code("1"), grantor_id=ANNA)),
    ],
    ids=["in person", "by a power lent"],
)
def test_nobody_answers_what_they_asked(asker: Actor) -> None:
    given(LegalConsultation, asked).when(LegalConsultation.advise, asker, WORDS).then_refused("asked this yourself")


def test_5_2_4_b_whoever_asked_says_what_became_of_the_advice() -> None:
    case = given(LegalConsultation, asked, advised)
    case.when(LegalConsultation.follow, CLERK, WORDS).then(followed)
    case.when(LegalConsultation.not_follow, CLERK, WORDS).then(not_followed)
    case.when(LegalConsultation.follow, OTHER, WORDS).then_refused("Only whoever asked")
    case.when(LegalConsultation.not_follow, OTHER, WORDS).then_refused("Only whoever asked")


@pytest.mark.parametrize("history", [(), (asked,), (asked, advised, followed), (asked, advised, not_followed)])
def test_only_advice_that_waits_for_a_decision_is_decided_on(history: tuple[LegalConsultationEvent, ...]) -> None:
    given(LegalConsultation, *history).when(LegalConsultation.follow, CLERK, WORDS).then_refused("no advice here")
    given(LegalConsultation, *history).when(LegalConsultation.not_follow, CLERK, WORDS).then_refused("no advice here")


@pytest.mark.parametrize("history", [(), (asked, advised, followed), (asked, advised, not_followed)])
def test_only_an_open_question_is_answered(history: tuple[LegalConsultationEvent, ...]) -> None:
    given(LegalConsultation, *history).when(LegalConsultation.advise, COUNSEL, WORDS).then_refused("No question")
