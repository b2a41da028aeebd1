"""The templates that no rule of this department needs yet, and what holds for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given as whatever
from hypothesis import strategies as st

from aggregates.actor import Role
from aggregates.business.customer import CustomerRegistered
from aggregates.event import Event, Recorded
from aggregates.ids import ComplaintId, CustomerId
from aggregates.organisation.department import RoleAssigned
from aggregates.service.complaint import (
    ComplaintAcknowledged,
    ComplaintAssigned,
    ComplaintClosed,
    ComplaintConverted,
    ComplaintDetailsRecorded,
    ComplaintEscalated,
    ComplaintReceived,
    ComplaintReopened,
    ComplaintWithdrawn,
    Conversion,
    RecourseExhaustedDeclared,
    RemedyApproved,
    ResolutionProposed,
    ResponsibilitySettled,
    ResponsibleDepartmentAssigned,
)
from aggregates.text import Code, Text
from projections.rules.catalogue import RULES
from projections.rules.duty import Verdict
from projections.rules.rule import Mode, Rule
from projections.rules.templates.enough import CompletenessByShare
from projections.rules.templates.following import Existence, Stage, Succession
from projections.rules.templates.people import ACTOR, AuthorityAt, ByAmount, FourEyes
from projections.rules.templates.preceding import Precedence
from projections.rules.templates.values import Equality, Threshold
from projections.rules.term import Limit
from tests.projections.rules.cases import ANNA, BORIS, LI, Happened, folded, log_of, on, verdict

WORDS, PHONE = Text("words"), Code("phone")
received = ComplaintReceived(customer_id=CustomerId("customer-carl"), channel=PHONE)
acknowledged = ComplaintAcknowledged(channel=PHONE, wording=WORDS)
asked, settled = (
    ResponsibleDepartmentAssigned(unit=Code("heating")),
    ResponsibilitySettled(unit=Code("heating"), reason=WORDS),
)
other_settled = ResponsibilitySettled(unit=Code("sales"), reason=WORDS)
proposed, closed, reopened = ResolutionProposed(remedy=WORDS), ComplaintClosed(), ComplaintReopened(reason=WORDS)
told = ComplaintDetailsRecorded(facts=WORDS, remedy_sought=WORDS)
escalated = ComplaintEscalated(level=1, reason=WORDS)
exhausted = RecourseExhaustedDeclared(attempts=WORDS, external_recourse_offered=WORDS)


def approved(cost: int) -> RemedyApproved:
    return RemedyApproved(cost=Decimal(cost), approver_id=ANNA)


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
BOTH_FIRST = Precedence(
    "T-6",
    "Acknowledged and asked, then closed.",
    on=(ComplaintReceived,),
    first=(ComplaintAcknowledged, ResponsibleDepartmentAssigned),
    then=(ComplaintClosed,),
    every=True,
    **A_CASE,
)
SAME_FIRST = Precedence(
    "T-7",
    "Only a unit that was asked is settled on.",
    first=(ResponsibleDepartmentAssigned,),
    then=(ResponsibilitySettled,),
    same={ResponsibleDepartmentAssigned: "unit", ResponsibilitySettled: "unit"},
    **A_CASE,
)
MOSTLY_KNOWN = CompletenessByShare(
    "T-8",
    "Enough is known before anything is offered.",
    on=(ComplaintReceived,),
    parts={
        "acknowledged": ((ComplaintAcknowledged,), None),
        "facts": ((ComplaintReceived, ComplaintDetailsRecorded), "facts"),
        "remedy": ((ComplaintReceived, ComplaintDetailsRecorded), "remedy_sought"),
        "evidence": ((ComplaintDetailsRecorded,), "evidence"),
        "unit": ((ResponsibleDepartmentAssigned,), None),
    },
    before=(ResolutionProposed,),
    share=Limit(parameter="P-41", value="score"),
    **A_CASE,
)
DEAR = AuthorityAt(
    "T-9",
    "What is dear takes the manager.",
    of={RemedyApproved: ByAmount("cost", "P-38", "lead", within=(Role.MEMBER, Role.MANAGER))},
    **A_CASE,
)


def _counted(known: Mapping[str, str], _: Recorded[Any]) -> Mapping[str, str]:
    return {"times": str(int(known.get("times", "0")) + 1)}


NOT_TOO_OFTEN = Threshold(
    "T-10",
    "Called for somebody higher twice at most.",
    at=(ComplaintEscalated,),
    learn=_counted,
    breach=lambda known, _, __: "too often" if known["times"] == "3" else None,
    **A_CASE,
)
STEP_BY_STEP = Succession(
    "T-11",
    "Acknowledged, then answered.",
    on=(ComplaintReceived,),
    stages=(
        Stage((ComplaintAcknowledged,), Limit(parameter="P-09", value="handover")),
        Stage((ResolutionProposed,), Limit(parameter="P-09", value="decision")),
    ),
    back=(ComplaintReopened,),
    over=(ComplaintClosed,),
    **A_CASE,
)
KNOWN_FIRST = Precedence(
    "T-12",
    "Only a customer on file complains.",
    cases=CustomerId,
    case_in={ComplaintReceived: "customer_id"},
    clauses=("1.1",),
    mode=Mode.DETECT,
    first=(CustomerRegistered,),
    then=(ComplaintReceived,),
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
        (BOTH_FIRST, [received, asked, acknowledged, closed], Verdict.CONFORMANT),
        (BOTH_FIRST, [received, acknowledged, closed], Verdict.VIOLATED),
        (SAME_FIRST, [asked, settled], Verdict.CONFORMANT),
        (SAME_FIRST, [asked, other_settled], Verdict.VIOLATED),
        (MOSTLY_KNOWN, [received, acknowledged, told, asked, proposed], Verdict.CONFORMANT),
        (MOSTLY_KNOWN, [received, acknowledged, told, proposed], Verdict.VIOLATED),
        (MOSTLY_KNOWN, [received, acknowledged, told], Verdict.PENDING),
        (NOT_TOO_OFTEN, [escalated, escalated], Verdict.CONFORMANT),
        (NOT_TOO_OFTEN, [escalated, escalated, escalated, escalated], Verdict.VIOLATED),
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
        (DEAR, [(approved(1000), LI)], Verdict.CONFORMANT),
        (DEAR, [(approved(1001), LI)], Verdict.CONFORMANT),
        (DEAR, [(approved(1000), ANNA)], Verdict.CONFORMANT),
        (DEAR, [(approved(1001), ANNA)], Verdict.VIOLATED),
        (DEAR, [(approved(1), BORIS)], Verdict.VIOLATED),
    ],
)
def test_who_did_it_decides(rule: Rule, events: list[tuple[Event, str]], expected: Verdict) -> None:
    member = RoleAssigned(employee_id=ANNA, role=Role.MEMBER, unit=Code("business"), valid_from=on(1))
    post = Happened(member, on(1), LI, stream_id="department")
    assert verdict(rule, post, *(Happened(event, on(2), who) for event, who in events)) is expected


@pytest.mark.parametrize(
    ("happened", "expected"),
    [
        ([(received, 2), (acknowledged, 3), (proposed, 9)], Verdict.CONFORMANT),
        ([(received, 2), (acknowledged, 4), (proposed, 5)], Verdict.VIOLATED),
        ([(received, 2), (acknowledged, 3), (proposed, 10)], Verdict.VIOLATED),
        ([(received, 2), (proposed, 3)], Verdict.CONFORMANT),
        ([(received, 2), (acknowledged, 3), (reopened, 4), (proposed, 5)], Verdict.CONFORMANT),
        ([(received, 2), (acknowledged, 3), (reopened, 4), (acknowledged, 10)], Verdict.VIOLATED),
        ([(received, 2), (acknowledged, 3), (closed, 4)], Verdict.VIOLATED),
    ],
)
def test_each_step_has_its_own_time(happened: list[tuple[Event, int]], expected: Verdict) -> None:
    assert verdict(STEP_BY_STEP, *(Happened(event, on(day)) for event, day in happened)) is expected


def test_what_lies_on_another_stream_is_judged_by_the_id_in_it() -> None:
    registered = CustomerRegistered(name=WORDS, source=PHONE)
    known = Happened(registered, on(2), stream_id="customer-carl")
    complaint = Happened(received, on(3))
    assert verdict(KNOWN_FIRST, known, complaint, case="customer-carl") is Verdict.CONFORMANT
    assert verdict(KNOWN_FIRST, complaint, known, case="customer-carl") is Verdict.VIOLATED
    assert folded(KNOWN_FIRST, log_of(complaint), "complaint-1") is None


EVENTS: list[Event] = [
    received, acknowledged, asked, settled, proposed, closed, exhausted, ComplaintAssigned(handler_id=ANNA),
    escalated, reopened, told, approved(2000), ComplaintWithdrawn(reason=WORDS),
    ComplaintConverted(into=Conversion.INQUIRY, reason=WORDS),
]  # fmt: skip


TRIED = (
    FIRST_ACKNOWLEDGED, ONCE_ACKNOWLEDGED, SAME_UNIT, ANOTHER_CLOSES, BY_THE_MANAGER, BOTH_FIRST, SAME_FIRST,
    MOSTLY_KNOWN, DEAR, NOT_TOO_OFTEN, STEP_BY_STEP, KNOWN_FIRST,
)  # fmt: skip
CASES = {ComplaintId: "complaint-1", CustomerId: "customer-carl"}


@whatever(
    events=st.lists(st.sampled_from(EVENTS), max_size=15),
    days=st.lists(st.integers(1, 20), min_size=15, max_size=15),
    rule=st.sampled_from([*RULES, *TRIED]),
)
def test_any_order_of_events_can_be_judged_and_a_breach_is_never_forgotten(
    events: list[Event], days: list[int], rule: Rule
) -> None:
    log = log_of(*(Happened(event, on(day)) for event, day in zip(events, days, strict=False)))
    before = len(log) - len(events)
    missed, case = 0, CASES.get(rule.cases, "department")
    for length in range(before, len(log) + 1):
        row = folded(rule, log[:length], case)
        if row is not None:
            assert row.missed >= missed
            assert row.missed == 0 or row.verdict in {Verdict.VIOLATED, Verdict.WAIVED}
            missed = row.missed
