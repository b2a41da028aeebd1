"""Counsel lets pass one exact text of a contract, never one they drafted: regulation 5.2.4."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from aggregates.actor import Actor, Delegation, Role
from aggregates.event import recall
from aggregates.facts import ContractStanding, Post
from aggregates.ids import ContractId, EmployeeId
from aggregates.risk.legal_review import (
    Difficulty,
    LegalReview,
    LegalReviewAssigned,
    LegalReviewEvent,
    LegalReviewPassed,
    LegalReviewPassedWithConditions,
    LegalReviewRejected,
    LegalReviewRequested,
    LegalReviewWithdrawn,
    Status,
)
from aggregates.text import Code, ContentHash, Text
from tests.given import given

CONTRACT, TEXT, MENDED = ContractId("contract-1"), ContentHash("sha256:a"), ContentHash("sha256:b")
ANNA, LEI, MEI = EmployeeId("employee-anna"), EmployeeId("employee-lei"), EmployeeId("employee-mei")
COUNSEL = Actor(id=LEI, roles=frozenset({Role.LEGAL, Role.EMPLOYEE}))
OTHER_COUNSEL = replace(COUNSEL, id=MEI)
BY_ANNA = ContractStanding(contract_id=CONTRACT, authors=(ANNA,), content=TEXT)
WORDS = Text("words")

requested = LegalReviewRequested(contract_id=CONTRACT, content=TEXT, complexity=Difficulty.SIMPLE)
to_lei = LegalReviewAssigned(contract_id=CONTRACT, counsel_id=LEI)
passed = LegalReviewPassed(contract_id=CONTRACT, content=TEXT)
on_conditions = LegalReviewPassedWithConditions(contract_id=CONTRACT, content=TEXT, conditions=WORDS)
rejected = LegalReviewRejected(contract_id=CONTRACT, content=TEXT, grounds=WORDS)
withdrawn = LegalReviewWithdrawn(contract_id=CONTRACT, reason=WORDS)


def post(person: EmployeeId, *roles: Role) -> Post:
    return Post(employee_id=person, roles=frozenset(roles), areas=frozenset({Code("legal")}))


def test_5_2_4_a_a_review_is_asked_for_on_one_text() -> None:
    asked = (CONTRACT, TEXT, Difficulty.SIMPLE, BY_ANNA)
    given(LegalReview).when(LegalReview.request, *asked).then(requested)
    given(LegalReview, requested).when(LegalReview.request, *asked).then_refused("requested already")


def test_5_2_4_a_nobody_reviews_what_might_still_be_drafted_by_themselves() -> None:
    asked = (CONTRACT, MENDED, Difficulty.SIMPLE, BY_ANNA)
    given(LegalReview).when(LegalReview.request, *asked).then_refused("not the present text")
    case = given(LegalReview, requested, on_conditions)
    case.when(LegalReview.let_pass, COUNSEL, MENDED, BY_ANNA).then_refused("not the present text")


def test_5_2_4_a_what_passes_is_the_text_that_was_asked_about() -> None:
    case = given(LegalReview, requested)
    case.when(LegalReview.let_pass, COUNSEL, TEXT, BY_ANNA).then(passed)
    case.when(LegalReview.let_pass, COUNSEL, MENDED, BY_ANNA).then_refused("another text")


def test_5_2_4_a_it_is_rejected_with_grounds() -> None:
    given(LegalReview, requested).when(LegalReview.reject, COUNSEL, WORDS, BY_ANNA).then(rejected)


def test_5_2_4_a_conditions_are_looked_at_again_in_the_same_or_another_text() -> None:
    given(LegalReview, requested).when(LegalReview.let_pass_on_conditions, COUNSEL, WORDS, BY_ANNA).then(on_conditions)
    case = given(LegalReview, requested, on_conditions)
    case.when(LegalReview.let_pass, COUNSEL, TEXT, BY_ANNA).then(passed)
    mended = replace(BY_ANNA, content=MENDED)
    case.when(LegalReview.let_pass, COUNSEL, MENDED, mended).then(replace(passed, content=MENDED))
    case.when(LegalReview.reject, COUNSEL, WORDS, BY_ANNA).then(rejected)


@pytest.mark.parametrize(
    "drafter",
    [
        replace(COUNSEL, id=ANNA),
        replace(COUNSEL, delegation=Delegation(number=Code("1"), grantor_id=ANNA)),
    ],
    ids=["in person", "by a power lent"],
)
def test_5_2_4_a_nobody_reviews_what_they_drafted(drafter: Actor) -> None:
    case = given(LegalReview, requested)
    case.when(LegalReview.let_pass, drafter, TEXT, BY_ANNA).then_refused("drafted the contract")
    case.when(LegalReview.let_pass_on_conditions, drafter, WORDS, BY_ANNA).then_refused("drafted the contract")
    case.when(LegalReview.reject, drafter, WORDS, BY_ANNA).then_refused("drafted the contract")


def test_it_is_given_to_counsel_who_did_not_draft_it() -> None:
    case = given(LegalReview, requested)
    case.when(LegalReview.assign, LEI, post(LEI, Role.LEGAL), BY_ANNA).then(to_lei)
    case.when(LegalReview.assign, LEI, post(LEI, Role.MEMBER), BY_ANNA).then_refused("legal counsel")
    case.when(LegalReview.assign, ANNA, post(ANNA, Role.LEGAL), BY_ANNA).then_refused("drafted the contract")
    given(LegalReview, requested, to_lei).when(LegalReview.assign, LEI, post(LEI, Role.LEGAL), BY_ANNA).then_nothing()


def test_only_the_counsel_whose_it_is_decides_or_whoever_acts_for_them() -> None:
    case = given(LegalReview, requested, to_lei)
    case.when(LegalReview.let_pass, COUNSEL, TEXT, BY_ANNA).then(passed)
    case.when(LegalReview.let_pass, OTHER_COUNSEL, TEXT, BY_ANNA).then_refused("assigned to somebody else")
    for_lei = replace(OTHER_COUNSEL, delegation=Delegation(number=Code("1"), grantor_id=LEI))
    case.when(LegalReview.let_pass, for_lei, TEXT, BY_ANNA).then(passed)


def test_a_review_that_nobody_needs_is_withdrawn() -> None:
    given(LegalReview, requested).when(LegalReview.withdraw, WORDS).then(withdrawn)
    given(LegalReview, requested, on_conditions).when(LegalReview.withdraw, WORDS).then(withdrawn)


@pytest.mark.parametrize(
    ("history", "because"),
    [
        ((), "No review was requested"),
        ((requested, passed), "have another one requested"),
        ((requested, rejected), "have another one requested"),
        ((requested, withdrawn), "have another one requested"),
    ],
    ids=["nothing", "passed", "rejected", "withdrawn"],
)
def test_only_an_open_review_is_decided(history: tuple[LegalReviewEvent, ...], because: str) -> None:
    case = given(LegalReview, *history)
    case.when(LegalReview.assign, LEI, post(LEI, Role.LEGAL), BY_ANNA).then_refused(because)
    case.when(LegalReview.let_pass, COUNSEL, TEXT, BY_ANNA).then_refused(because)
    case.when(LegalReview.let_pass_on_conditions, COUNSEL, WORDS, BY_ANNA).then_refused(because)
    case.when(LegalReview.reject, COUNSEL, WORDS, BY_ANNA).then_refused(because)
    case.when(LegalReview.withdraw, WORDS).then_refused(because)


def test_what_was_passed_is_remembered_by_its_text() -> None:
    state = recall(LegalReview, [requested, on_conditions, replace(passed, content=MENDED)])
    assert (state.status, state.content) == (Status.PASSED, MENDED)
