"""What counsel said last of a text counts: who reads the rows of reviews reads it off them."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from aggregates.event import Event
from aggregates.ids import ContractId, EmployeeId
from aggregates.risk.legal_review import (
    Difficulty,
    LegalReviewAssigned,
    LegalReviewPassed,
    LegalReviewPassedWithConditions,
    LegalReviewRejected,
    LegalReviewRequested,
    LegalReviewWithdrawn,
    Status,
)
from aggregates.text import ContentHash, Text
from projections.legal_reviews import clearances, reviews
from tests.given import history, recorded

CONTRACT, WORDS = ContractId("contract-1"), Text("words")
FIRST, SECOND = ContentHash("sha256:a"), ContentHash("sha256:b")
ANNA, LEI = EmployeeId("employee-anna"), EmployeeId("employee-lei")

requested = LegalReviewRequested(contract_id=CONTRACT, content=FIRST, complexity=Difficulty.SIMPLE)
to_lei = LegalReviewAssigned(contract_id=CONTRACT, counsel_id=LEI)
on_conditions = LegalReviewPassedWithConditions(contract_id=CONTRACT, content=FIRST, conditions=WORDS)
passed_first = LegalReviewPassed(contract_id=CONTRACT, content=FIRST)
passed_second = LegalReviewPassed(contract_id=CONTRACT, content=SECOND)
rejected = LegalReviewRejected(contract_id=CONTRACT, content=FIRST, grounds=WORDS)
withdrawn = LegalReviewWithdrawn(contract_id=CONTRACT, reason=WORDS)


def status_after(*events: Event) -> tuple[Status, ContentHash, EmployeeId | None]:
    row = reviews.fold(history(events, stream_id="review-1"))
    assert row is not None
    return row.status, row.content, row.counsel_id


def cleared_after(*events: Event) -> Mapping[ContentHash, tuple[EmployeeId, ...]]:
    row = clearances.fold(history(events, stream_id="review-1"))
    return {} if row is None else row.passed


def test_a_review_is_as_far_as_counsel_has_come() -> None:
    assert status_after(requested) == (Status.REQUESTED, FIRST, None)
    assert status_after(requested, to_lei) == (Status.REQUESTED, FIRST, LEI)
    assert status_after(requested, on_conditions) == (Status.ON_CONDITIONS, FIRST, None)
    assert status_after(requested, on_conditions, passed_second) == (Status.PASSED, SECOND, None)
    assert status_after(requested, rejected) == (Status.REJECTED, FIRST, None)
    assert status_after(requested, withdrawn) == (Status.WITHDRAWN, FIRST, None)


def test_5_2_4_a_only_a_text_that_passed_is_cleared_and_by_whom_is_known() -> None:
    assert cleared_after(requested) == {}
    assert cleared_after(requested, on_conditions) == {}
    assert cleared_after(requested, on_conditions, passed_second) == {SECOND: (ANNA,)}
    assert cleared_after(requested, passed_first, requested, rejected) == {}
    assert cleared_after(requested, passed_first, passed_second, on_conditions) == {SECOND: (ANNA,)}


def test_whoever_used_the_power_of_somebody_let_it_pass_for_both() -> None:
    record = recorded(passed_first, actor_id=ANNA)
    lent = replace(record, person=LEI)
    row = clearances.fold([lent])
    assert row is not None
    assert row.passed == {FIRST: (ANNA, LEI)}
