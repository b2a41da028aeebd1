"""Whatever a gate keeps from whoever is complained about, rule R-CS-8 finds as well; and nothing else."""

from __future__ import annotations

from decimal import Decimal
from inspect import signature
from typing import Any, NamedTuple

import pytest

from aggregates.actor import Actor, Role
from aggregates.event import Declaration, Event, decide, recall
from aggregates.facts import Post
from aggregates.refused import Refused
from aggregates.service.complaint import (
    Complaint,
    ComplaintAssessed,
    ComplaintAssigned,
    Complexity,
    Conversion,
    ResponsibilityAccepted,
    ResponsibilityContested,
    ResponsibleDepartmentAssigned,
    Severity,
)
from projections.rules import service
from projections.rules.duty import Verdict
from tests.aggregates.test_complaint import (
    COLD,
    FRIDAY,
    HEATING,
    LETTER,
    LIMITS,
    NEW_BOILER,
    NO,
    PHONE,
    QUALITY,
    SALES,
    VALVE,
    closed,
    communicated,
    measures,
    proposed,
    received,
    satisfied,
)
from tests.projections.rules.cases import ANNA, BORIS, LI, MONDAY_NINE, Happened, duty, on

BORIS_HIMSELF = Actor(id=BORIS, roles=frozenset(Role) - {Role.CUSTOMER, Role.CLOCK}, areas=frozenset({HEATING, SALES}))
about_boris = ComplaintAssessed(category=QUALITY, severity=Severity.S2, complained_about_id=BORIS)
sales_asked, sales_contests = (
    ResponsibleDepartmentAssigned(unit=SALES),
    ResponsibilityContested(unit=SALES, reason=NO),
)
WORKED_ON: tuple[Event, ...] = (
    received,
    about_boris,
    ResponsibleDepartmentAssigned(unit=HEATING),
    ResponsibilityAccepted(unit=HEATING, accepted_by_id=ANNA),
    ComplaintAssigned(handler_id=ANNA),
    measures,
)
OFFERED = (*WORKED_ON, proposed, communicated)


class Act(NamedTuple):
    """What had happened before a command, and what the command says."""

    history: tuple[Event, ...]
    arguments: dict[str, Any]


anew: dict[str, Any] = {"category": QUALITY, "safety_or_legal": False, "complexity": Complexity.SIMPLE}
said: dict[str, Any] = {"channel": PHONE, "wording": COLD}
ACTS: dict[str, Act] = {
    "acknowledge": Act(WORKED_ON, said),
    "record_details": Act(WORKED_ON, {"facts": COLD}),
    "assess": Act((received,), {**anew, "severity": Severity.S2, "complained_about_id": BORIS}),
    "reassess": Act(WORKED_ON, {**anew, "severity": Severity.S4}),
    "assign_department": Act(WORKED_ON, {"unit": SALES}),
    "accept_responsibility": Act((*WORKED_ON, sales_asked), {}),
    "contest_responsibility": Act((*WORKED_ON, sales_asked), {"reason": NO}),
    "settle_responsibility": Act((*WORKED_ON, sales_asked, sales_contests), {"unit": HEATING, "reason": NO}),
    "assign": Act(
        WORKED_ON,
        {"handler_id": LI, "handler": Post(employee_id=LI, roles=frozenset({Role.CUSTOMER_SERVICE}))},
    ),
    "record_investigation": Act(WORKED_ON, {"findings": COLD, "root_cause": VALVE}),
    "decide_measures": Act(WORKED_ON, {"at": MONDAY_NINE, "measures": NEW_BOILER, "due": FRIDAY}),
    "report_progress": Act(WORKED_ON, said),
    "approve_remedy": Act(WORKED_ON, {"cost": Decimal(800), "limits": LIMITS}),
    "propose_resolution": Act(WORKED_ON, {"remedy": NEW_BOILER, "cost": Decimal(80), "limits": LIMITS}),
    "communicate_decision": Act((*WORKED_ON, proposed), said),
    "remind_customer": Act(OFFERED, said),
    "confirm_satisfaction": Act(OFFERED, {"evidence": LETTER, "channel": PHONE}),
    "reject_resolution": Act(OFFERED, {"reason": NO}),
    "escalate": Act(WORKED_ON, {"reason": NO}),
    "declare_recourse_exhausted": Act(OFFERED, {"attempts": NO, "external_recourse_offered": NO}),
    "close": Act((*OFFERED, satisfied), {}),
    "reopen": Act((*OFFERED, satisfied, closed), {"reason": NO}),
    "withdraw": Act(WORKED_ON, {"reason": NO, "evidence": LETTER}),
    "convert": Act((*WORKED_ON, sales_asked), {"into": Conversion.INQUIRY, "reason": NO}),
}


def test_every_command_that_people_give_on_a_complaint_is_tried() -> None:
    declared = {name: each.command for name, each in vars(Complaint).items() if hasattr(each, "command")}
    assert ACTS.keys() == {name for name, each in declared.items() if _given_by_people(each)}


@pytest.mark.parametrize("name", ACTS)
def test_what_the_gate_keeps_from_whoever_is_complained_about_the_rule_finds(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept_from_boris = is_kept_from_boris(name)
    monkeypatch.setattr(Complaint, "_must_be_impartial", lambda _self, _by: None)
    done = by_boris(name)
    assert done
    happened = [Happened(event, on(2), ANNA) for event in ACTS[name].history]
    row = duty(service.IMPARTIAL, *happened, *(Happened(event, on(3), BORIS) for event in done))
    assert (row.verdict is Verdict.VIOLATED) is kept_from_boris


def is_kept_from_boris(name: str) -> bool:
    try:
        by_boris(name)
    except Refused as refusal:
        return str(refusal).startswith("You are complained about")
    return False


def by_boris(name: str) -> list[Event]:
    """What comes of a command that the person complained about gives."""
    history, arguments = ACTS[name]
    method = getattr(Complaint, name)
    if "by" in signature(method).parameters:
        arguments = {"by": BORIS_HIMSELF, **arguments}
    return decide(recall(Complaint, history), method, **arguments)


def _given_by_people(declared: Declaration) -> bool:
    return not declared.opens and declared.by != {Role.CLOCK}
