"""The rules share nothing with the gates they check but the events, so a bug in a gate cannot hide from them."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from inspect import signature
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import pytest
from msgspec.structs import replace

from aggregates.actor import Actor, Role
from aggregates.business.campaign import Campaign
from aggregates.business.contract import ContractDrafted
from aggregates.business.development_plan import (
    DevelopmentPlan,
    DevelopmentPlanDrafted,
    DevelopmentPlanSubmitted,
)
from aggregates.business.terms import Terms
from aggregates.event import Event, decide, recall
from aggregates.facts import ContractStanding, PlanStanding, PublishedResearch, Quantity, Setting, Unit
from aggregates.ids import ContractId, CustomerId, DevelopmentPlanId, EmployeeId, ResearchId, SegmentId
from aggregates.organisation.department import BusinessAreaAssigned, Department, RoleAssigned, UnitEstablished
from aggregates.refused import Refused
from aggregates.risk.legal_review import LegalReview
from aggregates.risk.legal_review import Status as Asked
from aggregates.service.complaint import Complaint, Complexity, Offer, Severity
from aggregates.text import Code, ContentHash, Text
from projections.rules import development, legal, organisation, service
from projections.rules.catalogue import RULES
from projections.rules.duty import Verdict
from projections.rules.rule import Mode
from tests.projections.rules.cases import ANNA, BORIS, FOUNDED, LI, Happened, on, verdict
from tests.proofs import authority

RULES_FOLDER = Path(importlib.import_module("projections.rules").__path__[0])
KERNEL = {
    "aggregates.actor": {"Role"},
    "aggregates.event": {"Event", "Recorded", "ObligationMissed", "ObligationsMeasured"},
    "aggregates.facts": {"Quantity", "Unit"},
    "aggregates.ids": None,
    "aggregates.term": {"months_after"},
    "aggregates.text": {"Code"},
    "aggregates.value": {"Value"},
    "aggregates.working_time": {"NoCalendar"},
}
"""What rules may know of the kernel: the words that events are written in. None: all of it."""

OF_THE_VIEWS = {"projections.reference", "projections.row"}


def imports(path: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


def is_event_type(module: str, name: str) -> bool:
    thing = getattr(importlib.import_module(module), name)
    parts = get_args(thing) if isinstance(thing, UnionType) else (thing,)
    return all(isinstance(part, type) and issubclass(part, Event) for part in parts)


@pytest.mark.parametrize("path", sorted(RULES_FOLDER.rglob("*.py")), ids=lambda path: path.stem)
def test_rules_import_nothing_of_the_aggregates_but_event_types(path: Path) -> None:
    for module, name in imports(path):
        top = module.partition(".")[0]
        if module in KERNEL:
            allowed = KERNEL[module]
            assert allowed is None or name in allowed, f"{path.name} imports {name} of {module}"
        elif top == "aggregates":
            assert is_event_type(module, name), f"{path.name} imports {name} of {module}, which is no event"
        elif top == "projections":
            assert module in OF_THE_VIEWS or module.startswith("projections.rules"), f"{path.name} imports {module}"
        else:
            assert top in {
                "__future__",
                "collections",
                "datetime",
                "decimal",
                "enum",
                "functools",
                "hashlib",
                "operator",
                "typing",
                "zoneinfo",
                "msgspec",
            }


WORDS, PHONE, BUSINESS = Text("words"), Code("phone"), Code("business")
CLERK = Actor(id=ANNA, roles=frozenset({Role.CUSTOMER_SERVICE, Role.EMPLOYEE}))


class Case:
    """A complaint worked by commands alone, whose gates a test may break on purpose."""

    def __init__(self) -> None:
        self.state, self.happened = Complaint(), list[Happened]()

    def do(self, command: Callable[..., Any], by: Actor | None = None, /, **arguments: Any) -> None:
        """Carry out a command, and keep what came of it."""
        if "by" in signature(command).parameters:
            arguments["by"] = by or CLERK
        for event in decide(self.state, command, **arguments):
            self.happened.append(Happened(event, on(2, 9, len(self.happened)), (by or CLERK).id))
            self.state = self.state.evolve(event)  # type: ignore[arg-type]

    def receive(self, remedy_sought: Text | None = WORDS) -> None:
        self.do(
            Complaint.receive,
            customer_id=CustomerId("customer-carl"),
            channel=PHONE,
            facts=WORDS,
            remedy_sought=remedy_sought,
        )

    def assess(self, complained_about_id: EmployeeId | None = None) -> None:
        self.do(
            Complaint.assess,
            category=Code("delivery"),
            severity=Severity.S2,
            safety_or_legal=False,
            complexity=Complexity.SIMPLE,
            complained_about_id=complained_about_id,
        )


def test_a_complaint_closed_through_a_broken_gate_is_found() -> None:
    case = Case()
    case.receive()
    with pytest.raises(Refused):
        case.do(Complaint.close)
    case.state = replace(case.state, offer=Offer.CONFIRMED)  # the gate believes what nobody said
    case.do(Complaint.close)
    assert verdict(service.UNTIL_SATISFIED, *case.happened) is Verdict.VIOLATED


def test_an_assessment_of_what_is_not_recorded_is_found() -> None:
    case = Case()
    case.receive(remedy_sought=None)
    with pytest.raises(Refused):
        case.assess()
    case.state = replace(case.state, has_remedy_sought=True)
    case.assess()
    assert verdict(service.RECORDED, *case.happened) is Verdict.VIOLATED


def test_a_handler_who_is_complained_about_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case()
    case.receive()
    case.assess(complained_about_id=BORIS)
    boris = Actor(id=BORIS, roles=frozenset({Role.CUSTOMER_SERVICE, Role.EMPLOYEE}))
    with pytest.raises(Refused):
        case.do(Complaint.record_investigation, boris, findings=WORDS, root_cause=Code("valve"))
    monkeypatch.setattr(Complaint, "_must_be_impartial", lambda _self, _by: None)
    case.do(Complaint.record_investigation, boris, findings=WORDS, root_cause=Code("valve"))
    assert verdict(service.IMPARTIAL, *case.happened) is Verdict.VIOLATED


def test_a_second_manager_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    department = Department().evolve(UnitEstablished(unit=BUSINESS, name=BUSINESS))
    department = department.evolve(RoleAssigned(employee_id=LI, role=Role.MANAGER, unit=BUSINESS, valid_from=FOUNDED))
    monkeypatch.setattr(Department, "_taken_in", lambda _self, _term: iter(()))  # it sees no office that is taken
    events = decide(department, Department.succeed_manager, by=CLERK, at=on(3), employee_id=BORIS)
    happened = [Happened(event, on(3), LI, stream_id="department") for event in events]
    assert verdict(organisation.ONE_MANAGER, *happened, case="department") is Verdict.VIOLATED


def test_an_area_left_without_a_deputy_is_found_though_no_gate_refuses_it() -> None:
    deputy = RoleAssigned(employee_id=ANNA, role=Role.DEPUTY, unit=BUSINESS, valid_from=on(2))
    charge = BusinessAreaAssigned(employee_id=ANNA, area=Code("heating"), valid_from=on(2))
    department = Department().evolve(deputy).evolve(charge)
    (withdrawn,) = decide(department, Department.withdraw_area, at=on(3), employee_id=ANNA, area=Code("heating"))
    happened = [
        Happened(event, on(day), LI, stream_id="department")
        for event, day in ((deputy, 2), (charge, 2), (withdrawn, 3))
    ]
    assert verdict(organisation.ONE_DEPUTY, *happened, case="department") is Verdict.VIOLATED


def test_counsel_who_drafted_the_contract_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    contract_id, content = ContractId("contract-1"), ContentHash("sha256:a")
    terms = Terms(
        content=content, amount=Decimal(1), begins=date(2026, 4, 1), ends=date(2026, 5, 1), obligations=(), payments=()
    )
    drafted = ContractDrafted(customer_id=CustomerId("customer-carl"), terms=terms, drafted_by=(ANNA,))
    review = LegalReview(status=Asked.REQUESTED, contract_id=contract_id, content=content)
    monkeypatch.setattr(LegalReview, "_must_be_its_reader", lambda _self, _by, _contract: None)
    standing = ContractStanding(contract_id=contract_id, authors=(ANNA,), content=content)
    (passed,) = decide(review, LegalReview.let_pass, by=CLERK, content=content, contract=standing)
    happened = [Happened(drafted, on(2), stream_id=contract_id), Happened(passed, on(3), stream_id="review-1")]
    assert verdict(legal.NOT_BY_ITS_DRAFTER, *happened, case=contract_id) is Verdict.VIOLATED


PLAN = DevelopmentPlanId("plan-1")
DRAFT = DevelopmentPlanDrafted(
    research_id=ResearchId("research-1"),
    goals=(),
    strategy=WORDS,
    channels=(PHONE, Code("fair")),
    segment_ids=(SegmentId("segment-1"),),
    begins=date(2026, 3, 2),
    ends=date(2026, 8, 31),
    authors=(ANNA,),
)
GOOD = PublishedResearch(research_id=DRAFT.research_id, published_at=on(1))
A_YEAR = Setting(number=Code("P-44"), values={Code("limit"): Quantity(amount=Decimal(12), unit=Unit.MONTH)})
MANAGER = Actor(id=LI, roles=frozenset({Role.MANAGER, Role.EMPLOYEE}))


def approved_by(who: Actor, research: PublishedResearch) -> list[Happened]:
    """A plan of Anna's that somebody lets pass, knowing this of the research."""
    plan = recall(DevelopmentPlan, (DRAFT, DevelopmentPlanSubmitted()))
    decided = decide(plan, DevelopmentPlan.approve, by=who, at=on(3), research=research, age=A_YEAR)
    return [
        Happened(DRAFT, on(2), ANNA, stream_id=PLAN),
        *(Happened(e, on(3), who.id, stream_id=PLAN) for e in decided),
    ]


def test_a_plan_that_cites_nothing_published_is_found() -> None:
    with pytest.raises(Refused):
        approved_by(MANAGER, replace(GOOD, published_at=None))
    happened = approved_by(MANAGER, GOOD)  # which nobody has published: the gate believes what is not so
    assert verdict(development.WELL_FOUNDED, *happened, case=PLAN) is Verdict.VIOLATED


def test_a_plan_that_its_author_approved_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    acting = replace(MANAGER, id=ANNA)
    with pytest.raises(Refused):
        approved_by(acting, GOOD)
    monkeypatch.setattr(Actor, "speaks_for", lambda _self, _person: False)
    assert verdict(development.APPROVED_BY_ANOTHER, *approved_by(acting, GOOD), case=PLAN) is Verdict.VIOLATED


def test_a_campaign_under_a_plan_that_is_not_approved_is_found() -> None:
    with pytest.raises(Refused):
        begun(replace(STANDING, approved=False), on(3))
    (started,) = begun(STANDING, on(3))  # the gate believes what nobody said
    happened = [
        Happened(DRAFT, on(2), ANNA, stream_id=PLAN),
        Happened(started, on(3), ANNA, stream_id="campaign-1"),
    ]
    assert verdict(development.APPROVED_FIRST, *happened, case=PLAN) is Verdict.VIOLATED


STANDING = PlanStanding(plan_id=PLAN, approved=True, begins_at=on(2, 0), ends_at=on(185, 0), channels=(PHONE,))


def begun(plan: PlanStanding, at: datetime) -> list[Event]:
    return decide(Campaign(), Campaign.start, at=at, plan_id=PLAN, name=PHONE, channels=(PHONE,), plan=plan)


def test_a_campaign_outside_the_dates_of_its_plan_is_found() -> None:
    late = on(300)
    with pytest.raises(Refused):
        begun(STANDING, late)
    (started,) = begun(replace(STANDING, ends_at=on(365)), late)  # the gate believes in another end
    happened = [
        Happened(DRAFT, on(2), ANNA, stream_id=PLAN),
        Happened(started, late, ANNA, stream_id="campaign-1"),
    ]
    assert verdict(development.IN_ITS_TIME, *happened, case=PLAN) is Verdict.VIOLATED


def test_each_rule_that_a_gate_prevents_is_tried_with_the_gate_broken() -> None:
    prevented = {rule.number for rule in RULES if rule.mode is Mode.PREVENT}
    here = {"R-CS-2", "R-CS-7", "R-CS-8", "R-ORG-1", "R-BD-2", "R-BD-3", "R-BD-3.2", "R-GEN-2.1", "R-GEN-2.3"}
    of_contracts = {  # test_broken_contract_gates.py
        "R-BD-5", "R-BD-5.1", "R-BD-5.2", "R-BD-5.3", "R-BD-6", "R-BD-10", "R-BD-10.1", "R-BD-10.2", "R-GEN-1.contract",
        "R-GEN-2.4", "R-GEN-1.brief", "R-GEN-2.brief", "R-GEN-2.floor",
    }  # fmt: skip
    assert prevented == here | of_contracts | set(authority.RULES) | {"R-BD-4", "R-BD-9", "R-INF-5"}
