"""The templates that no rule of this department needs yet, and what holds for all of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given as whatever
from hypothesis import strategies as st

from aggregates.actor import Role
from aggregates.event import Event
from aggregates.ids import ComplaintId, CustomerId
from aggregates.service.complaint import (
    ComplaintAcknowledged,
    ComplaintAssigned,
    ComplaintClosed,
    ComplaintConverted,
    ComplaintEscalated,
    ComplaintReceived,
    ComplaintReopened,
    ComplaintWithdrawn,
    Conversion,
    RecourseExhaustedDeclared,
    ResolutionProposed,
    ResponsibilitySettled,
    ResponsibleDepartmentAssigned,
)
from aggregates.text import Code, Text
from projections.rules.catalogue import RULES
from projections.rules.duty import Verdict
from projections.rules.rule import Mode, Rule
from projections.rules.templates import ACTOR, AuthorityAt, Equality, Existence, FourEyes, Precedence
from tests.projections.rules.cases import ANNA, BORIS, LI, Happened, folded, log_of, on, verdict

WORDS, PHONE = Text("words"), Code("phone")
received = ComplaintReceived(customer_id=CustomerId("customer-carl"), channel=PHONE)
acknowledged = ComplaintAcknowledged(channel=PHONE, wording=WORDS)
asked, settled = (
    ResponsibleDepartmentAssigned(unit=Code("heating")),
    ResponsibilitySettled(unit=Code("heating"), reason=WORDS),
)
other_settled = ResponsibilitySettled(unit=Code("sales"), reason=WORDS)
proposed, closed = ResolutionProposed(remedy=WORDS), ComplaintClosed()
exhausted = RecourseExhaustedDeclared(attempts=WORDS, external_recourse_offered=WORDS)
A_CASE: dict[str, Any] = {"cases": ComplaintId, "clauses": ("1.1",), "mode": Mode.DETECT}

FIRST_ACKNOWLEDGED = Precedence(
    "T-1",
    "Acknowledged, then closed.",
    on=(ComplaintReceived,),
    first=(ComplaintAcknowledged,),
    then=(ComplaintClosed,),
    **A_CASE,
)
ONCE_ACKNOWLEDGED = Existence(
    "T-2",
    "Acknowledged some day.",
    on=(ComplaintReceived,),
    then=(ComplaintAcknowledged,),
    over=(ComplaintClosed,),
    **A_CASE,
)
SAME_UNIT = Equality(
    "T-3",
    "Settled as it was asked.",
    fields={ResponsibleDepartmentAssigned: "unit", ResponsibilitySettled: "unit"},
    then=(ComplaintClosed,),
    **A_CASE,
)
ANOTHER_CLOSES = FourEyes(
    "T-4",
    "Whoever proposes does not close.",
    first={ResolutionProposed: ACTOR},
    second={ComplaintClosed: ACTOR},
    ever=True,
    **A_CASE,
)
BY_THE_MANAGER = AuthorityAt(
    "T-5", "Only the manager gives up.", of={RecourseExhaustedDeclared: Role.MANAGER}, **A_CASE
)


@pytest.mark.parametrize(
    ("rule", "events", "expected"),
    [
        (FIRST_ACKNOWLEDGED, [received, acknowledged, closed], Verdict.CONFORMANT),
        (FIRST_ACKNOWLEDGED, [received, closed, acknowledged], Verdict.VIOLATED),
        (FIRST_ACKNOWLEDGED, [closed], Verdict.VIOLATED),
        (FIRST_ACKNOWLEDGED, [received, acknowledged], Verdict.PENDING),
        (ONCE_ACKNOWLEDGED, [received, acknowledged, closed], Verdict.CONFORMANT),
        (ONCE_ACKNOWLEDGED, [received, closed], Verdict.VIOLATED),
        (ONCE_ACKNOWLEDGED, [received], Verdict.PENDING),
        (SAME_UNIT, [asked, settled, closed], Verdict.CONFORMANT),
        (SAME_UNIT, [asked, other_settled, closed], Verdict.VIOLATED),
        (SAME_UNIT, [asked, other_settled, settled, closed], Verdict.CONFORMANT),
        (SAME_UNIT, [asked, closed], Verdict.VIOLATED),
        (SAME_UNIT, [asked, settled], Verdict.PENDING),
    ],
)
def test_what_happened_decides(rule: Rule, events: list[Event], expected: Verdict) -> None:
    assert verdict(rule, *(Happened(event, on(2)) for event in events)) is expected


@pytest.mark.parametrize(
    ("rule", "events", "expected"),
    [
        (ANOTHER_CLOSES, [(proposed, ANNA), (closed, BORIS)], Verdict.CONFORMANT),
        (ANOTHER_CLOSES, [(proposed, ANNA), (proposed, BORIS), (closed, ANNA)], Verdict.VIOLATED),
        (ANOTHER_CLOSES, [(proposed, ANNA)], Verdict.PENDING),
        (BY_THE_MANAGER, [(exhausted, LI)], Verdict.CONFORMANT),
        (BY_THE_MANAGER, [(exhausted, ANNA)], Verdict.VIOLATED),
    ],
)
def test_who_did_it_decides(rule: Rule, events: list[tuple[Event, str]], expected: Verdict) -> None:
    assert verdict(rule, *(Happened(event, on(2), who) for event, who in events)) is expected


EVENTS: list[Event] = [
    received, acknowledged, asked, settled, proposed, closed, exhausted, ComplaintAssigned(handler_id=ANNA),
    ComplaintEscalated(level=1, reason=WORDS), ComplaintReopened(reason=WORDS), ComplaintWithdrawn(reason=WORDS),
    ComplaintConverted(into=Conversion.INQUIRY, reason=WORDS),
]  # fmt: skip


@whatever(
    events=st.lists(st.sampled_from(EVENTS), max_size=15),
    days=st.lists(st.integers(1, 20), min_size=15, max_size=15),
    rule=st.sampled_from([*RULES, FIRST_ACKNOWLEDGED, ONCE_ACKNOWLEDGED, SAME_UNIT, ANOTHER_CLOSES, BY_THE_MANAGER]),
)
def test_any_order_of_events_can_be_judged_and_a_breach_is_never_forgotten(
    events: list[Event], days: list[int], rule: Rule
) -> None:
    log = log_of(*(Happened(event, on(day)) for event, day in zip(events, days, strict=False)))
    before = len(log) - len(events)
    missed, case = 0, "complaint-1" if rule.cases is ComplaintId else "department"
    for length in range(before, len(log) + 1):
        row = folded(rule, log[:length], case)
        if row is not None:
            assert row.missed >= missed
            assert row.missed == 0 or row.verdict in {Verdict.VIOLATED, Verdict.WAIVED}
            missed = row.missed
