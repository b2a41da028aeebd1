"""Of each question to counsel it is known what was advised, and whether that was followed."""

from __future__ import annotations

from datetime import date

from aggregates.event import Event
from aggregates.ids import AnyId, EmployeeId
from aggregates.risk.consultation import (
    AdviceFollowed,
    AdviceNotFollowed,
    LegalAdviceGiven,
    LegalConsultationAsked,
    Status,
)
from aggregates.text import Text
from projections.consultations import ConsultationRow, consultations
from tests.given import history

ANNA = EmployeeId("employee-anna")
asked = LegalConsultationAsked(
    question=Text("May we?"), about_id=AnyId("contract-1"), due=date(2026, 3, 6), asked_by_id=ANNA, facts=Text("So.")
)
advised, better_advised = LegalAdviceGiven(advice=Text("No.")), LegalAdviceGiven(advice=Text("Only in writing."))
followed, not_followed = AdviceFollowed(decision=Text("We wrote.")), AdviceNotFollowed(reason=Text("No time."))


def after(*events: Event) -> ConsultationRow:
    row = consultations.fold(history(events, stream_id="consultation-1"))
    assert row is not None
    return row


def test_5_2_4_b_what_was_asked_waits_for_an_answer() -> None:
    row = after(asked)
    assert (row.status, row.asked_by_id, row.about_id, row.due, row.advice) == (
        Status.ASKED, ANNA, "contract-1", date(2026, 3, 6), None,
    )  # fmt: skip


def test_the_last_advice_counts() -> None:
    row = after(asked, advised, better_advised)
    assert (row.status, row.advice) == (Status.ANSWERED, "Only in writing.")


def test_5_2_4_b_advice_is_followed_or_not_and_either_is_said_with_words() -> None:
    assert (after(asked, advised, followed).status, after(asked, advised, followed).outcome) == (
        Status.FOLLOWED, "We wrote.",
    )  # fmt: skip
    assert (after(asked, advised, not_followed).status, after(asked, advised, not_followed).outcome) == (
        Status.NOT_FOLLOWED, "No time.",
    )  # fmt: skip
