"""A complaint is recorded in full, handled by somebody impartial, and closed when the customer says so: 3.3.2."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given as whatever
from hypothesis import strategies as st

from aggregates.actor import Actor, ActorKind, Delegation, Role
from aggregates.event import Event, recall
from aggregates.facts import Post, Quantity, Setting, Unit
from aggregates.ids import CustomerId, EmployeeId
from aggregates.service.complaint import (
    Complaint,
    ComplaintAcknowledged,
    ComplaintAssessed,
    ComplaintAssigned,
    ComplaintClosed,
    ComplaintConverted,
    ComplaintDetailsRecorded,
    ComplaintEscalated,
    ComplaintEvent,
    ComplaintReceived,
    ComplaintReopened,
    ComplaintUnconfirmed,
    ComplaintWithdrawn,
    Complexity,
    Conversion,
    CustomerReminded,
    CustomerSatisfactionConfirmed,
    DecisionCommunicated,
    InvestigationFindingRecorded,
    MeasuresDecided,
    ProgressReportedToCustomer,
    RecourseExhaustedDeclared,
    RemedyApproved,
    ResolutionProposed,
    ResolutionRejectedByCustomer,
    ResponsibilityAccepted,
    ResponsibilityContested,
    ResponsibilitySettled,
    ResponsibleDepartmentAssigned,
    Severity,
)
from aggregates.text import Code, Text
from tests.given import MONDAY, Given, given

CARL, OLGA = CustomerId("customer-carl"), CustomerId("customer-olga")
ANNA, BORIS, LI, MEI, TOM, WANG = (
    EmployeeId(f"employee-{name}") for name in ("anna", "boris", "li", "mei", "tom", "wang")
)
HEATING, PLUMBING, SALES = Code("heating"), Code("plumbing"), Code("sales")
SERVICE, WHOLE = Code("customer-service"), Code("department")


def office(person: EmployeeId, role: Role, area: Code) -> Actor:
    return Actor(id=person, roles=frozenset({role, Role.EMPLOYEE}), areas=frozenset({area}))


ANNA_OF_SERVICE = office(ANNA, Role.CUSTOMER_SERVICE, SERVICE)
LI_LEADS_SERVICE = office(LI, Role.CUSTOMER_SERVICE_LEAD, SERVICE)
MEI_THE_MANAGER = office(MEI, Role.MANAGER, WHOLE)
BORIS_OF_HEATING = office(BORIS, Role.MEMBER, HEATING)
TOM_OF_PLUMBING = office(TOM, Role.MEMBER, PLUMBING)
WANG_OF_SALES = office(WANG, Role.BUSINESS_DEVELOPMENT, SALES)
CARL_HIMSELF = Actor(id=CARL, kind=ActorKind.CUSTOMER, roles=frozenset({Role.CUSTOMER}))
ANOTHER_CUSTOMER = Actor(id=OLGA, kind=ActorKind.CUSTOMER, roles=frozenset({Role.CUSTOMER}))


def for_him(person: EmployeeId, role: Role, whose: EmployeeId) -> Actor:
    """Somebody who uses a power that somebody else has lent."""
    return Actor(
        id=person,
        roles=frozenset({role, Role.EMPLOYEE}),
        delegation=Delegation(number=Code("D-1"), grantor_id=whose),
    )


def post(by: Actor) -> Post:
    return Post(employee_id=by.employee, roles=by.roles, areas=by.areas)


LIMITS = Setting(
    number=Code("P-38"),
    values={
        Code("lead"): Quantity(amount=Decimal(500), unit=Unit.MONEY),
        Code("manager"): Quantity(amount=Decimal(5000), unit=Unit.MONEY),
    },
)

PHONE, QUALITY, VALVE = Code("phone"), Code("quality"), Code("valve")
COLD, WARM_ONE, LETTER = Text("The boiler is cold"), Text("A warm one"), Text("letter of 3 March")
WE_HAVE_IT, NOT_OURS, NEW_BOILER, NO = Text("We have it"), Text("Not ours"), Text("A new boiler"), Text("No!")
THREE_OFFERS, OMBUDSMAN = Text("three offers"), Text("the ombudsman")
FRIDAY = date(2026, 3, 6)

received = ComplaintReceived(customer_id=CARL, channel=PHONE, facts=COLD, remedy_sought=WARM_ONE)
barely_received = ComplaintReceived(customer_id=CARL, channel=PHONE)
assessed = ComplaintAssessed(
    category=QUALITY, severity=Severity.S2, safety_or_legal=False, complexity=Complexity.SIMPLE
)
about_anna = ComplaintAssessed(
    category=QUALITY,
    severity=Severity.S2,
    safety_or_legal=False,
    complexity=Complexity.SIMPLE,
    complained_about_id=ANNA,
)
heating_asked = ResponsibleDepartmentAssigned(unit=HEATING)
heating_accepts = ResponsibilityAccepted(unit=HEATING, accepted_by_id=BORIS)
heating_contests = ResponsibilityContested(unit=HEATING, reason=NOT_OURS)
heating_is_told = ResponsibilitySettled(unit=HEATING, reason=NO)
on_annas_desk = ComplaintAssigned(handler_id=ANNA)
measures = MeasuresDecided(measures=NEW_BOILER, due=FRIDAY)
proposed = ResolutionProposed(remedy=NEW_BOILER, cost=Decimal(100))
communicated = DecisionCommunicated(channel=PHONE, wording=NEW_BOILER)
reminded = CustomerReminded(channel=PHONE, wording=NEW_BOILER)
satisfied = CustomerSatisfactionConfirmed(evidence=LETTER, channel=PHONE, score=5)
rejected = ResolutionRejectedByCustomer(reason=NO)
exhausted = RecourseExhaustedDeclared(attempts=THREE_OFFERS, external_recourse_offered=OMBUDSMAN)
closed, reopened = ComplaintClosed(), ComplaintReopened(reason=NO)
withdrawn = ComplaintWithdrawn(reason=NO)
converted = ComplaintConverted(into=Conversion.INQUIRY, reason=NO)

TO_MEASURES: tuple[Event, ...] = (received, assessed, heating_asked, heating_accepts, on_annas_desk, measures)
TO_ANSWER: tuple[Event, ...] = (*TO_MEASURES, proposed, communicated)


def after(*more: Event) -> Given[Complaint]:
    """A complaint received and assessed, to which this has happened since."""
    return given(Complaint, received, assessed, *more)


def with_measures(*more: Event) -> Given[Complaint]:
    return given(Complaint, *TO_MEASURES, *more)


def answered(*more: Event) -> Given[Complaint]:
    """The customer knows what we offer."""
    return given(Complaint, *TO_ANSWER, *more)


# Receipt and record: 3.3.2-a


def test_3_3_2_a_a_complaint_is_received_even_before_all_of_it_is_known() -> None:
    given(Complaint).when(Complaint.receive, ANNA_OF_SERVICE, CARL, PHONE, about=Code("boiler-7")).then(
        ComplaintReceived(customer_id=CARL, channel=PHONE, about=Code("boiler-7"))
    )


def test_a_complaint_is_received_once() -> None:
    given(Complaint, received).when(Complaint.receive, ANNA_OF_SERVICE, CARL, PHONE).then_refused("already on record")


def test_customers_may_complain_themselves() -> None:
    given(Complaint).when(Complaint.receive, CARL_HIMSELF, CARL, PHONE, COLD, WARM_ONE).then(received)


def test_but_not_in_the_name_of_another() -> None:
    given(Complaint).when(Complaint.receive, ANOTHER_CUSTOMER, CARL, PHONE).then_refused("in their own name")


def test_3_3_2_a_the_customer_is_told_that_the_complaint_has_arrived() -> None:
    given(Complaint, received).when(Complaint.acknowledge, PHONE, WE_HAVE_IT).then(
        ComplaintAcknowledged(channel=PHONE, wording=WE_HAVE_IT)
    )


def test_but_only_once() -> None:
    acknowledged = ComplaintAcknowledged(channel=PHONE, wording=WE_HAVE_IT)
    given(Complaint, received, acknowledged).when(Complaint.acknowledge, PHONE, WE_HAVE_IT).then_refused(
        "report progress instead"
    )


def test_details_are_added_as_they_become_known() -> None:
    answered().when(Complaint.record_details, ANNA_OF_SERVICE, evidence=LETTER).then(
        ComplaintDetailsRecorded(evidence=LETTER)
    )


def test_details_say_something() -> None:
    after().when(Complaint.record_details, ANNA_OF_SERVICE).then_refused("Say what happened")


def test_nobody_adds_details_to_another_customers_complaint() -> None:
    after().when(Complaint.record_details, ANOTHER_CUSTOMER, COLD).then_refused("another customer's complaint")


# Assessment: 3.3.2-b


def test_3_3_2_b_a_complete_complaint_is_assessed() -> None:
    given(Complaint, received).when(
        Complaint.assess, QUALITY, Severity.S2, safety_or_legal=False, complexity=Complexity.SIMPLE
    ).then(assessed)


@pytest.mark.parametrize(
    "known",
    [
        [barely_received],
        [barely_received, ComplaintDetailsRecorded(facts=COLD)],
        [barely_received, ComplaintDetailsRecorded(remedy_sought=WARM_ONE)],
        [barely_received, ComplaintDetailsRecorded(facts=COLD), ComplaintDetailsRecorded(evidence=LETTER)],
    ],
)
def test_3_3_2_a_nobody_assesses_before_facts_and_remedy_sought_are_on_record(known: list[Event]) -> None:
    given(Complaint, *known).when(
        Complaint.assess, QUALITY, Severity.S2, safety_or_legal=False, complexity=Complexity.SIMPLE
    ).then_refused("what the customer asks for")


def test_facts_and_remedy_sought_may_come_one_after_the_other() -> None:
    facts, wish = ComplaintDetailsRecorded(facts=COLD), ComplaintDetailsRecorded(remedy_sought=WARM_ONE)
    given(Complaint, barely_received, facts, wish).when(
        Complaint.assess, QUALITY, Severity.S2, safety_or_legal=False, complexity=Complexity.SIMPLE
    ).then(assessed)


def test_the_desk_assesses_once() -> None:
    after().when(
        Complaint.assess, QUALITY, Severity.S1, safety_or_legal=True, complexity=Complexity.COMPLEX
    ).then_refused("assess it anew")


def test_the_lead_assesses_anew() -> None:
    after().when(
        Complaint.reassess,
        LI_LEADS_SERVICE,
        QUALITY,
        Severity.S2,
        safety_or_legal=False,
        complexity=Complexity.SIMPLE,
        complained_about_id=ANNA,
    ).then(about_anna)


def test_the_same_assessment_changes_nothing() -> None:
    after().when(
        Complaint.reassess,
        LI_LEADS_SERVICE,
        QUALITY,
        Severity.S2,
        safety_or_legal=False,
        complexity=Complexity.SIMPLE,
    ).then_nothing()


def test_nothing_is_assessed_anew_before_it_is_assessed() -> None:
    given(Complaint, received).when(
        Complaint.reassess,
        LI_LEADS_SERVICE,
        QUALITY,
        Severity.S2,
        safety_or_legal=False,
        complexity=Complexity.SIMPLE,
    ).then_refused("Assess the complaint first.")


def test_whoever_is_complained_about_does_not_assess_anew() -> None:
    about_li = ComplaintAssessed(category=QUALITY, severity=Severity.S2, complained_about_id=LI)
    given(Complaint, received, about_li).when(
        Complaint.reassess,
        LI_LEADS_SERVICE,
        QUALITY,
        Severity.S4,
        safety_or_legal=False,
        complexity=Complexity.SIMPLE,
    ).then_refused("You are complained about")


def test_a_handler_found_to_be_complained_about_hands_over_first() -> None:
    after(on_annas_desk).when(
        Complaint.reassess,
        LI_LEADS_SERVICE,
        QUALITY,
        Severity.S2,
        safety_or_legal=False,
        complexity=Complexity.SIMPLE,
        complained_about_id=ANNA,
    ).then_refused("Give the complaint to somebody else first")


# Whose responsibility: 3.3.2-b


def test_3_3_2_b_a_department_is_asked() -> None:
    after().when(Complaint.assign_department, HEATING).then(heating_asked)


def test_no_department_is_asked_before_the_assessment() -> None:
    given(Complaint, received).when(Complaint.assign_department, HEATING).then_refused("Assess the complaint first.")


def test_asking_the_same_department_twice_changes_nothing() -> None:
    after(heating_asked).when(Complaint.assign_department, HEATING).then_nothing()


def test_a_department_that_contests_may_be_asked_again() -> None:
    after(heating_asked, heating_contests).when(Complaint.assign_department, HEATING).then(heating_asked)


def test_the_department_accepts() -> None:
    after(heating_asked).when(Complaint.accept_responsibility, BORIS_OF_HEATING).then(heating_accepts)


def test_accepting_twice_changes_nothing() -> None:
    after(heating_asked, heating_accepts).when(Complaint.accept_responsibility, BORIS_OF_HEATING).then_nothing()


def test_nobody_accepts_for_another_department() -> None:
    after(heating_asked).when(Complaint.accept_responsibility, TOM_OF_PLUMBING).then_refused("Only somebody of heating")


def test_nobody_answers_unasked() -> None:
    after().when(Complaint.accept_responsibility, BORIS_OF_HEATING).then_refused("No department has been asked")


def test_the_department_contests_with_a_reason() -> None:
    after(heating_asked).when(Complaint.contest_responsibility, BORIS_OF_HEATING, NOT_OURS).then(heating_contests)


def test_contesting_twice_changes_nothing() -> None:
    after(heating_asked, heating_contests).when(
        Complaint.contest_responsibility, BORIS_OF_HEATING, NOT_OURS
    ).then_nothing()


def test_nobody_contests_for_another_department() -> None:
    after(heating_asked).when(Complaint.contest_responsibility, TOM_OF_PLUMBING, NOT_OURS).then_refused(
        "Only somebody of heating"
    )


def test_what_is_accepted_is_not_contested() -> None:
    after(heating_asked, heating_accepts).when(
        Complaint.contest_responsibility, BORIS_OF_HEATING, NOT_OURS
    ).then_refused("Your department has accepted")


def test_a_department_that_contested_may_still_accept() -> None:
    after(heating_asked, heating_contests).when(Complaint.accept_responsibility, BORIS_OF_HEATING).then(heating_accepts)


def test_the_manager_settles_who_is_responsible() -> None:
    after(heating_asked, heating_contests).when(Complaint.settle_responsibility, HEATING, NO).then(heating_is_told)


def test_the_manager_settles_nothing_that_nobody_was_asked() -> None:
    after().when(Complaint.settle_responsibility, HEATING, NO).then_refused("Assign a department first")


def test_the_manager_does_not_settle_what_is_accepted() -> None:
    after(heating_asked, heating_accepts).when(Complaint.settle_responsibility, HEATING, NO).then_nothing()


def test_what_the_manager_settled_is_not_contested() -> None:
    after(heating_asked, heating_is_told).when(
        Complaint.contest_responsibility, BORIS_OF_HEATING, NOT_OURS
    ).then_refused("cannot be contested")


def test_nor_undone_by_asking_another_department() -> None:
    after(heating_asked, heating_is_told).when(Complaint.assign_department, PLUMBING).then_refused("only the manager")


# Who handles it: 3.3.2-b, never the person complained about


def test_somebody_of_customer_service_handles_it() -> None:
    after().when(Complaint.assign, LI_LEADS_SERVICE, ANNA, post(ANNA_OF_SERVICE)).then(on_annas_desk)


def test_or_somebody_of_the_responsible_department() -> None:
    after(heating_asked).when(Complaint.assign, LI_LEADS_SERVICE, BORIS, post(BORIS_OF_HEATING)).then(
        ComplaintAssigned(handler_id=BORIS)
    )


def test_but_nobody_else() -> None:
    after(heating_asked).when(Complaint.assign, LI_LEADS_SERVICE, WANG, post(WANG_OF_SALES)).then_refused(
        "from customer service or from the responsible department"
    )


def test_nor_somebody_without_an_office() -> None:
    after().when(Complaint.assign, LI_LEADS_SERVICE, ANNA, Post(employee_id=ANNA)).then_refused("Choose a handler")


def test_3_3_2_b_nobody_handles_a_complaint_about_themselves() -> None:
    given(Complaint, received, about_anna).when(
        Complaint.assign, LI_LEADS_SERVICE, ANNA, post(ANNA_OF_SERVICE)
    ).then_refused("Whoever is complained about")


def test_nor_chooses_who_does() -> None:
    given(Complaint, received, about_anna).when(
        Complaint.assign, ANNA_OF_SERVICE, LI, post(LI_LEADS_SERVICE)
    ).then_refused("You are complained about")


def test_giving_it_twice_to_the_same_handler_changes_nothing() -> None:
    after(on_annas_desk).when(Complaint.assign, LI_LEADS_SERVICE, ANNA, post(ANNA_OF_SERVICE)).then_nothing()


def test_nothing_is_handled_before_it_is_assessed() -> None:
    given(Complaint, received).when(Complaint.assign, LI_LEADS_SERVICE, ANNA, post(ANNA_OF_SERVICE)).then_refused(
        "Assess the complaint first."
    )


# Investigation and measures: 3.3.2-b


@pytest.mark.parametrize("by", [ANNA_OF_SERVICE, BORIS_OF_HEATING])
def test_customer_service_and_the_department_record_what_was_found(by: Actor) -> None:
    after(heating_asked).when(Complaint.record_investigation, by, COLD, VALVE).then(
        InvestigationFindingRecorded(findings=COLD, root_cause=VALVE)
    )


def test_the_handler_works_on_it_whatever_became_of_the_department() -> None:
    now_plumbing = ResponsibleDepartmentAssigned(unit=PLUMBING)
    after(heating_asked, ComplaintAssigned(handler_id=BORIS), now_plumbing).when(
        Complaint.record_investigation, BORIS_OF_HEATING, COLD, VALVE
    ).then(InvestigationFindingRecorded(findings=COLD, root_cause=VALVE))


def test_others_do_not_work_on_it() -> None:
    after(heating_asked).when(Complaint.record_investigation, WANG_OF_SALES, COLD, VALVE).then_refused(
        "work on this complaint"
    )


def test_nor_does_whoever_is_complained_about() -> None:
    given(Complaint, received, about_anna).when(
        Complaint.record_investigation, ANNA_OF_SERVICE, COLD, VALVE
    ).then_refused("You are complained about")


def test_nothing_is_investigated_before_it_is_assessed() -> None:
    given(Complaint, received).when(Complaint.record_investigation, ANNA_OF_SERVICE, COLD, VALVE).then_refused(
        "Assess the complaint first."
    )


@pytest.mark.parametrize("answer", [heating_accepts, heating_is_told])
def test_3_3_2_b_measures_are_decided_once_a_department_is_responsible(answer: Event) -> None:
    after(heating_asked, answer).when(Complaint.decide_measures, BORIS_OF_HEATING, MONDAY, NEW_BOILER, FRIDAY).then(
        measures
    )


@pytest.mark.parametrize("so_far", [[], [heating_asked], [heating_asked, heating_contests]])
def test_and_not_before(so_far: list[Event]) -> None:
    after(*so_far).when(Complaint.decide_measures, ANNA_OF_SERVICE, MONDAY, NEW_BOILER, FRIDAY).then_refused(
        "Wait until a department has taken responsibility"
    )


def test_measures_are_due_today_at_the_earliest() -> None:
    decided = after(heating_asked, heating_accepts)
    decided.when(Complaint.decide_measures, ANNA_OF_SERVICE, MONDAY, NEW_BOILER, MONDAY.date()).then(
        MeasuresDecided(measures=NEW_BOILER, due=MONDAY.date())
    )
    decided.when(Complaint.decide_measures, ANNA_OF_SERVICE, MONDAY, NEW_BOILER, date(2026, 3, 1)).then_refused(
        "2026-03-01 is past"
    )


def test_others_do_not_decide_on_measures() -> None:
    after(heating_asked, heating_accepts).when(
        Complaint.decide_measures, WANG_OF_SALES, MONDAY, NEW_BOILER, FRIDAY
    ).then_refused("work on this complaint")


# Progress and proposals: 3.3.2-c


def test_3_3_2_c_the_customer_hears_how_far_we_are() -> None:
    given(Complaint, received).when(Complaint.report_progress, ANNA_OF_SERVICE, PHONE, WE_HAVE_IT).then(
        ProgressReportedToCustomer(channel=PHONE, wording=WE_HAVE_IT)
    )


def test_but_not_from_anybody() -> None:
    given(Complaint, received).when(Complaint.report_progress, WANG_OF_SALES, PHONE, WE_HAVE_IT).then_refused(
        "work on this complaint"
    )


def test_a_resolution_is_proposed() -> None:
    with_measures().when(Complaint.propose_resolution, ANNA_OF_SERVICE, NEW_BOILER, Decimal(100), LIMITS).then(proposed)


def test_a_resolution_needs_measures() -> None:
    after(heating_asked, heating_accepts).when(
        Complaint.propose_resolution, ANNA_OF_SERVICE, NEW_BOILER, Decimal(100), LIMITS
    ).then_refused("Decide on measures")


def test_another_department_decides_on_measures_of_its_own() -> None:
    now_plumbing = ResponsibleDepartmentAssigned(unit=PLUMBING)
    plumbing_accepts = ResponsibilityAccepted(unit=PLUMBING, accepted_by_id=TOM)
    with_measures(now_plumbing, plumbing_accepts).when(
        Complaint.propose_resolution, ANNA_OF_SERVICE, NEW_BOILER, Decimal(100), LIMITS
    ).then_refused("Decide on measures")


def test_others_propose_nothing() -> None:
    with_measures().when(Complaint.propose_resolution, WANG_OF_SALES, NEW_BOILER, Decimal(0), LIMITS).then_refused(
        "work on this complaint"
    )


@pytest.mark.parametrize("cost", ["-0.01", "NaN", "Infinity"])
def test_a_cost_is_an_amount(cost: str) -> None:
    with_measures().when(Complaint.propose_resolution, ANNA_OF_SERVICE, NEW_BOILER, Decimal(cost), LIMITS).then_refused(
        "zero or more"
    )
    with_measures().when(Complaint.approve_remedy, LI_LEADS_SERVICE, Decimal(cost), LIMITS).then_refused("zero or more")


def approved(cost: int, approver_id: EmployeeId = LI) -> RemedyApproved:
    return RemedyApproved(cost=Decimal(cost), approver_id=approver_id)


def test_up_to_the_leads_limit_a_remedy_needs_no_approval() -> None:
    with_measures().when(Complaint.propose_resolution, ANNA_OF_SERVICE, NEW_BOILER, Decimal(500), LIMITS).then(
        ResolutionProposed(remedy=NEW_BOILER, cost=Decimal(500))
    )


def test_above_it_does() -> None:
    with_measures().when(Complaint.propose_resolution, ANNA_OF_SERVICE, NEW_BOILER, Decimal(501), LIMITS).then_refused(
        "more than 500 needs approval"
    )


def test_an_approved_remedy_is_proposed() -> None:
    with_measures(approved(800)).when(
        Complaint.propose_resolution, ANNA_OF_SERVICE, NEW_BOILER, Decimal(800), LIMITS
    ).then(ResolutionProposed(remedy=NEW_BOILER, cost=Decimal(800)))


def test_but_costs_no_more_than_was_approved() -> None:
    with_measures(approved(800)).when(
        Complaint.propose_resolution, ANNA_OF_SERVICE, NEW_BOILER, Decimal(801), LIMITS
    ).then_refused("needs approval")


def test_an_approval_is_good_for_one_proposal() -> None:
    with_measures(approved(800), proposed).when(
        Complaint.propose_resolution, ANNA_OF_SERVICE, NEW_BOILER, Decimal(800), LIMITS
    ).then_refused("needs approval")


def test_whoever_approved_a_remedy_does_not_propose_it() -> None:
    with_measures(approved(800)).when(
        Complaint.propose_resolution, LI_LEADS_SERVICE, NEW_BOILER, Decimal(800), LIMITS
    ).then_refused("You approved this remedy")


def test_whoever_approved_a_remedy_does_not_handle_it_either() -> None:
    with_measures(approved(800), ComplaintAssigned(handler_id=LI)).when(
        Complaint.propose_resolution, ANNA_OF_SERVICE, NEW_BOILER, Decimal(800), LIMITS
    ).then_refused("Handlers do not approve")


def test_the_lead_approves_up_to_the_managers_limit() -> None:
    with_measures().when(Complaint.approve_remedy, LI_LEADS_SERVICE, Decimal(5000), LIMITS).then(approved(5000))


def test_above_it_the_manager_approves() -> None:
    with_measures().when(Complaint.approve_remedy, LI_LEADS_SERVICE, Decimal(5001), LIMITS).then_refused(
        "Only the manager approves more than 5000."
    )
    with_measures().when(Complaint.approve_remedy, MEI_THE_MANAGER, Decimal(5001), LIMITS).then(approved(5001, MEI))


def test_approving_the_same_twice_changes_nothing() -> None:
    with_measures(approved(800)).when(Complaint.approve_remedy, LI_LEADS_SERVICE, Decimal(800), LIMITS).then_nothing()


def test_handlers_do_not_approve_their_own_remedies() -> None:
    with_measures(ComplaintAssigned(handler_id=LI)).when(
        Complaint.approve_remedy, LI_LEADS_SERVICE, Decimal(800), LIMITS
    ).then_refused("Handlers do not approve")


def test_nor_does_anybody_with_a_power_of_the_handlers() -> None:
    tom_for_li = for_him(TOM, Role.CUSTOMER_SERVICE_LEAD, whose=LI)
    with_measures(ComplaintAssigned(handler_id=LI)).when(
        Complaint.approve_remedy, tom_for_li, Decimal(800), LIMITS
    ).then_refused("Handlers do not approve")


def test_whoever_is_complained_about_approves_nothing() -> None:
    about_li = ComplaintAssessed(category=QUALITY, severity=Severity.S2, complained_about_id=LI)
    with_measures(about_li).when(Complaint.approve_remedy, LI_LEADS_SERVICE, Decimal(800), LIMITS).then_refused(
        "You are complained about"
    )


def test_the_customer_is_told_what_we_offer() -> None:
    with_measures(proposed).when(Complaint.communicate_decision, ANNA_OF_SERVICE, PHONE, NEW_BOILER).then(communicated)


def test_there_must_be_something_to_tell() -> None:
    with_measures().when(Complaint.communicate_decision, ANNA_OF_SERVICE, PHONE, NEW_BOILER).then_refused(
        "Propose a resolution before"
    )


def test_others_do_not_tell_the_customer() -> None:
    with_measures(proposed).when(Complaint.communicate_decision, WANG_OF_SALES, PHONE, NEW_BOILER).then_refused(
        "work on this complaint"
    )


# The customer's word: 3.3.2-c


@pytest.mark.parametrize("by", [ANNA_OF_SERVICE, BORIS_OF_HEATING])
def test_a_customer_who_says_nothing_is_reminded_as_often_as_one_likes(by: Actor) -> None:
    answered().when(Complaint.remind_customer, by, PHONE, NEW_BOILER).then(reminded)
    answered(reminded, reminded, reminded).when(Complaint.remind_customer, by, PHONE, NEW_BOILER).then(reminded)


@pytest.mark.parametrize(
    "so_far", [[], [proposed], [proposed, communicated, rejected], [proposed, communicated, satisfied]]
)
def test_nobody_is_reminded_whose_word_is_not_awaited(so_far: list[Event]) -> None:
    with_measures(*so_far).when(Complaint.remind_customer, ANNA_OF_SERVICE, PHONE, NEW_BOILER).then_refused(
        "Nobody waits for the customer's word"
    )


def test_others_do_not_remind_the_customer() -> None:
    answered().when(Complaint.remind_customer, WANG_OF_SALES, PHONE, NEW_BOILER).then_refused("work on this complaint")


def test_whoever_does_not_answer_is_left_unconfirmed_once() -> None:
    left = ComplaintUnconfirmed(reminders=2)
    answered(reminded, reminded).when(Complaint.leave_unconfirmed, 2).then(left)
    answered(reminded, reminded, left).when(Complaint.leave_unconfirmed, 2).then()
    answered(reminded, reminded, reminded).when(Complaint.leave_unconfirmed, 2).then()


@pytest.mark.parametrize("word", [satisfied, rejected, exhausted, proposed])
def test_whose_word_has_come_is_not_left_unconfirmed(word: Event) -> None:
    answered(reminded, word).when(Complaint.leave_unconfirmed, 1).then()
    answered(reminded, word, proposed, communicated).when(Complaint.leave_unconfirmed, 1).then()
    answered(reminded, word, proposed, communicated, reminded).when(Complaint.leave_unconfirmed, 1).then(
        ComplaintUnconfirmed(reminders=1)
    )


def test_silence_is_no_consent() -> None:
    answered(reminded, ComplaintUnconfirmed(reminders=1)).when(Complaint.close, ANNA_OF_SERVICE).then_refused(
        "Close only after the customer has confirmed"
    )


@pytest.mark.parametrize("by", [CARL_HIMSELF, ANNA_OF_SERVICE, LI_LEADS_SERVICE])
def test_satisfaction_is_confirmed_by_the_customer_or_at_the_desk(by: Actor) -> None:
    answered().when(Complaint.confirm_satisfaction, by, LETTER, PHONE, score=5).then(satisfied)


def test_it_may_be_said_who_of_the_customers_people_is_satisfied() -> None:
    answered().when(Complaint.confirm_satisfaction, ANNA_OF_SERVICE, LETTER, PHONE, who=Text("Ms Li")).then(
        CustomerSatisfactionConfirmed(evidence=LETTER, channel=PHONE, who=Text("Ms Li"))
    )


def test_no_other_customer_confirms_or_rejects() -> None:
    answered().when(Complaint.confirm_satisfaction, ANOTHER_CUSTOMER, LETTER, PHONE).then_refused("another customer's")
    answered().when(Complaint.reject_resolution, ANOTHER_CUSTOMER, NO).then_refused("another customer's")


def test_whoever_is_complained_about_does_not_confirm_for_the_customer() -> None:
    answered(ComplaintAssigned(handler_id=LI), about_anna).when(
        Complaint.confirm_satisfaction, ANNA_OF_SERVICE, LETTER, PHONE
    ).then_refused("You are complained about")


@pytest.mark.parametrize(
    "so_far", [[], [proposed], [proposed, communicated, proposed], [proposed, communicated, rejected], [communicated]]
)
def test_nobody_is_satisfied_or_not_with_what_they_were_not_told(so_far: list[Event]) -> None:
    with_measures(*so_far).when(Complaint.confirm_satisfaction, CARL_HIMSELF, LETTER, PHONE).then_refused(
        "Propose a resolution and tell the customer first."
    )
    with_measures(*so_far).when(Complaint.reject_resolution, CARL_HIMSELF, NO).then_refused(
        "Propose a resolution and tell the customer first."
    )


@pytest.mark.parametrize("score", [0, 6])
def test_a_score_goes_from_1_to_5(score: int) -> None:
    answered().when(Complaint.confirm_satisfaction, CARL_HIMSELF, LETTER, PHONE, score).then_refused("from 1 to 5")


def test_satisfaction_is_confirmed_once() -> None:
    answered(satisfied).when(Complaint.confirm_satisfaction, CARL_HIMSELF, LETTER, PHONE).then_refused(
        "confirmed already"
    )


def test_telling_it_again_does_not_take_the_confirmation_away() -> None:
    answered(satisfied, communicated).when(Complaint.close, ANNA_OF_SERVICE).then(closed)


@pytest.mark.parametrize("by", [CARL_HIMSELF, ANNA_OF_SERVICE])
def test_the_customer_may_reject(by: Actor) -> None:
    answered().when(Complaint.reject_resolution, by, NO).then(rejected)


def test_a_customer_no_longer_satisfied_may_still_reject_before_the_closing() -> None:
    answered(satisfied).when(Complaint.reject_resolution, CARL_HIMSELF, NO).then(rejected)
    answered(satisfied, rejected).when(Complaint.close, ANNA_OF_SERVICE).then_refused("customer has confirmed")


def test_after_a_rejection_another_remedy_is_proposed() -> None:
    answered(rejected).when(Complaint.propose_resolution, ANNA_OF_SERVICE, NEW_BOILER, Decimal(100), LIMITS).then(
        proposed
    )


@pytest.mark.parametrize("by", [ANNA_OF_SERVICE, LI_LEADS_SERVICE])
def test_customer_service_escalates(by: Actor) -> None:
    after().when(Complaint.escalate, by, NO).then(ComplaintEscalated(level=1, reason=NO))


def test_so_does_the_handler_level_by_level() -> None:
    first = ComplaintEscalated(level=1, reason=NO)
    after(ComplaintAssigned(handler_id=BORIS), first).when(Complaint.escalate, BORIS_OF_HEATING, NO).then(
        ComplaintEscalated(level=2, reason=NO)
    )


def test_but_not_above_the_third() -> None:
    after(ComplaintEscalated(level=3, reason=NO)).when(Complaint.escalate, ANNA_OF_SERVICE, NO).then_refused(
        "the highest level"
    )


def test_the_clock_calls_whoever_is_so_far_up_unless_somebody_as_high_knows() -> None:
    after().when(Complaint.escalate_to, 3, NO).then(ComplaintEscalated(level=3, reason=NO))
    after(ComplaintEscalated(level=2, reason=NO)).when(Complaint.escalate_to, 2, NO).then_nothing()
    after().when(Complaint.escalate_to, 4, NO).then_nothing()
    after(ComplaintClosed()).when(Complaint.escalate_to, 3, NO).then_refused("reopen it first")


@pytest.mark.parametrize("end", [[satisfied, closed], [withdrawn]], ids=["closed", "withdrawn"])
def test_a_reopened_complaint_climbs_the_ladder_from_its_foot(end: list[Event]) -> None:
    again = answered(ComplaintEscalated(level=3, reason=NO), *end, reopened)
    again.when(Complaint.escalate, ANNA_OF_SERVICE, NO).then(ComplaintEscalated(level=1, reason=NO))
    again.when(Complaint.escalate_to, 2, NO).then(ComplaintEscalated(level=2, reason=NO))


@pytest.mark.parametrize("severity", Severity)
def test_of_a_reopened_complaint_the_manager_knows_at_once_if_it_is_of_the_gravest(severity: Severity) -> None:
    judged = ComplaintAssessed(category=QUALITY, severity=severity)
    called = [ComplaintEscalated(level=3, reason=NO)] if severity is Severity.S1 else []
    again = answered(judged, satisfied, closed, reopened)
    again.when(Complaint.escalate_if_gravest, NO).then(*called)
    given(Complaint, *TO_ANSWER, judged, closed, reopened, *called).when(
        Complaint.escalate_if_gravest, NO
    ).then_nothing()
    answered(judged, closed).when(Complaint.escalate_if_gravest, NO).then_refused("reopen it first")


def test_others_do_not_escalate() -> None:
    after(heating_asked).when(Complaint.escalate, BORIS_OF_HEATING, NO).then_refused("or the handler escalates")


# Recourse exhausted: 3.3.2-c


@pytest.mark.parametrize("so_far", [[], [rejected], [rejected, proposed]])
def test_the_manager_gives_up_after_an_offer_rejected_or_unanswered(so_far: list[Event]) -> None:
    answered(*so_far).when(Complaint.declare_recourse_exhausted, MEI_THE_MANAGER, THREE_OFFERS, OMBUDSMAN).then(
        exhausted
    )


@pytest.mark.parametrize("so_far", [[], [proposed]])
def test_but_not_without_an_offer(so_far: list[Event]) -> None:
    with_measures(*so_far).when(
        Complaint.declare_recourse_exhausted, MEI_THE_MANAGER, THREE_OFFERS, OMBUDSMAN
    ).then_refused("Offer the customer a resolution")


def test_nor_once_the_customer_is_satisfied() -> None:
    answered(satisfied).when(
        Complaint.declare_recourse_exhausted, MEI_THE_MANAGER, THREE_OFFERS, OMBUDSMAN
    ).then_refused("The customer is satisfied")


def test_nor_twice() -> None:
    answered(exhausted).when(
        Complaint.declare_recourse_exhausted, MEI_THE_MANAGER, THREE_OFFERS, OMBUDSMAN
    ).then_refused("exhausted already")


def test_nor_of_a_complaint_on_the_managers_own_desk() -> None:
    answered(ComplaintAssigned(handler_id=MEI)).when(
        Complaint.declare_recourse_exhausted, MEI_THE_MANAGER, THREE_OFFERS, OMBUDSMAN
    ).then_refused("Whoever handled the complaint")


def test_nor_for_the_handler_as_a_delegate() -> None:
    mei_for_anna = for_him(MEI, Role.MANAGER, whose=ANNA)
    answered().when(Complaint.declare_recourse_exhausted, mei_for_anna, THREE_OFFERS, OMBUDSMAN).then_refused(
        "Whoever handled the complaint"
    )


def test_nor_by_whoever_took_responsibility() -> None:
    boris_acting = office(BORIS, Role.MANAGER, WHOLE)
    answered().when(Complaint.declare_recourse_exhausted, boris_acting, THREE_OFFERS, OMBUDSMAN).then_refused(
        "Whoever took responsibility"
    )


def test_whoever_took_responsibility_before_another_department_did_is_free_again() -> None:
    plumbing_accepts = ResponsibilityAccepted(unit=PLUMBING, accepted_by_id=TOM)
    boris_acting = office(BORIS, Role.MANAGER, WHOLE)
    answered(plumbing_accepts).when(Complaint.declare_recourse_exhausted, boris_acting, THREE_OFFERS, OMBUDSMAN).then(
        exhausted
    )


def test_nor_by_a_manager_who_is_complained_about() -> None:
    about_mei = ComplaintAssessed(category=QUALITY, severity=Severity.S2, complained_about_id=MEI)
    answered(about_mei).when(
        Complaint.declare_recourse_exhausted, MEI_THE_MANAGER, THREE_OFFERS, OMBUDSMAN
    ).then_refused("You are complained about")


# The end, and after it: 3.3.2-c


@pytest.mark.parametrize("last", [satisfied, exhausted])
def test_3_3_2_c_a_complaint_is_closed_when_the_customer_is_satisfied_or_recourse_exhausted(last: Event) -> None:
    answered(last).when(Complaint.close, ANNA_OF_SERVICE, LETTER).then(ComplaintClosed(lessons=LETTER))


@pytest.mark.parametrize("so_far", [[], [rejected], [satisfied, proposed], [exhausted, proposed, communicated]])
def test_and_never_before(so_far: list[Event]) -> None:
    answered(*so_far).when(Complaint.close, ANNA_OF_SERVICE).then_refused("Close only after the customer has confirmed")


@pytest.mark.parametrize("end", [closed, withdrawn, converted])
@pytest.mark.parametrize("by", [CARL_HIMSELF, ANNA_OF_SERVICE])
def test_whatever_has_ended_may_be_reopened(end: Event, by: Actor) -> None:
    answered(satisfied, end).when(Complaint.reopen, by, NO).then(reopened)


@pytest.mark.parametrize("history", [[], [*TO_ANSWER]])
def test_but_nothing_else(history: list[Event]) -> None:
    given(Complaint, *history).when(Complaint.reopen, ANNA_OF_SERVICE, NO).then_refused("Only what has ended")


def test_nor_by_another_customer() -> None:
    answered(satisfied, closed).when(Complaint.reopen, ANOTHER_CUSTOMER, NO).then_refused("another customer's")


def test_what_was_confirmed_before_the_reopening_no_longer_counts() -> None:
    answered(satisfied, closed, reopened).when(Complaint.close, ANNA_OF_SERVICE).then_refused("customer has confirmed")


def test_nor_what_was_rejected_or_approved() -> None:
    again = answered(rejected, approved(800), exhausted, closed, reopened)
    again.when(Complaint.declare_recourse_exhausted, MEI_THE_MANAGER, THREE_OFFERS, OMBUDSMAN).then_refused(
        "Offer the customer a resolution"
    )
    again.when(Complaint.propose_resolution, ANNA_OF_SERVICE, NEW_BOILER, Decimal(800), LIMITS).then_refused(
        "needs approval"
    )


def test_nobody_closes_a_complaint_about_themselves() -> None:
    answered(ComplaintAssigned(handler_id=LI), about_anna, satisfied).when(
        Complaint.close, ANNA_OF_SERVICE
    ).then_refused("You are complained about")


def test_customers_withdraw_their_complaints() -> None:
    given(Complaint, received).when(Complaint.withdraw, CARL_HIMSELF, NO).then(withdrawn)


def test_customer_service_does_it_for_them_with_evidence() -> None:
    given(Complaint, received).when(Complaint.withdraw, ANNA_OF_SERVICE, NO).then_refused("give the evidence")
    given(Complaint, received).when(Complaint.withdraw, ANNA_OF_SERVICE, NO, LETTER).then(
        ComplaintWithdrawn(reason=NO, evidence=LETTER)
    )


def test_nobody_withdraws_a_complaint_about_themselves() -> None:
    given(Complaint, received, about_anna).when(Complaint.withdraw, ANNA_OF_SERVICE, NO, LETTER).then_refused(
        "You are complained about"
    )


def test_nobody_withdraws_another_customers_complaint() -> None:
    given(Complaint, received).when(Complaint.withdraw, ANOTHER_CUSTOMER, NO).then_refused("another customer's")


def test_what_is_no_complaint_is_converted() -> None:
    given(Complaint, received).when(Complaint.convert, LI_LEADS_SERVICE, Conversion.INQUIRY, NO).then(converted)


def test_but_not_once_measures_are_decided() -> None:
    with_measures().when(Complaint.convert, LI_LEADS_SERVICE, Conversion.INQUIRY, NO).then_refused(
        "Measures are decided"
    )


def test_nobody_converts_a_complaint_about_themselves() -> None:
    about_li = ComplaintAssessed(category=QUALITY, severity=Severity.S2, complained_about_id=LI)
    given(Complaint, received, about_li).when(
        Complaint.convert, LI_LEADS_SERVICE, Conversion.SUGGESTION, NO
    ).then_refused("You are complained about")


NOBODY_ACTS_ON = {
    "This complaint has not been received.": [],
    "This complaint is closed: reopen it first.": [*TO_ANSWER, satisfied, closed],
    "This complaint is withdrawn: reopen it first.": [*TO_ANSWER, withdrawn],
    "This complaint is converted: reopen it first.": [*TO_ANSWER, converted],
}


@pytest.mark.parametrize(("sentence", "history"), NOBODY_ACTS_ON.items())
def test_nobody_acts_on_what_is_not_open(sentence: str, history: list[Event]) -> None:
    ended = given(Complaint, *history)
    for asked in (
        ended.when(Complaint.acknowledge, PHONE, WE_HAVE_IT),
        ended.when(Complaint.record_details, ANNA_OF_SERVICE, COLD),
        ended.when(Complaint.assess, QUALITY, Severity.S1, safety_or_legal=True, complexity=Complexity.SIMPLE),
        ended.when(
            Complaint.reassess,
            LI_LEADS_SERVICE,
            QUALITY,
            Severity.S1,
            safety_or_legal=True,
            complexity=Complexity.SIMPLE,
        ),
        ended.when(Complaint.assign_department, PLUMBING),
        ended.when(Complaint.accept_responsibility, BORIS_OF_HEATING),
        ended.when(Complaint.contest_responsibility, BORIS_OF_HEATING, NOT_OURS),
        ended.when(Complaint.settle_responsibility, PLUMBING, NO),
        ended.when(Complaint.assign, LI_LEADS_SERVICE, LI, post(LI_LEADS_SERVICE)),
        ended.when(Complaint.record_investigation, ANNA_OF_SERVICE, COLD, VALVE),
        ended.when(Complaint.decide_measures, ANNA_OF_SERVICE, MONDAY, NEW_BOILER, FRIDAY),
        ended.when(Complaint.report_progress, ANNA_OF_SERVICE, PHONE, WE_HAVE_IT),
        ended.when(Complaint.approve_remedy, LI_LEADS_SERVICE, Decimal(800), LIMITS),
        ended.when(Complaint.propose_resolution, ANNA_OF_SERVICE, NEW_BOILER, Decimal(100), LIMITS),
        ended.when(Complaint.communicate_decision, ANNA_OF_SERVICE, PHONE, NEW_BOILER),
        ended.when(Complaint.remind_customer, ANNA_OF_SERVICE, PHONE, NEW_BOILER),
        ended.when(Complaint.leave_unconfirmed, 0),
        ended.when(Complaint.confirm_satisfaction, ANNA_OF_SERVICE, LETTER, PHONE),
        ended.when(Complaint.reject_resolution, ANNA_OF_SERVICE, NO),
        ended.when(Complaint.escalate, ANNA_OF_SERVICE, NO),
        ended.when(Complaint.declare_recourse_exhausted, MEI_THE_MANAGER, THREE_OFFERS, OMBUDSMAN),
        ended.when(Complaint.close, ANNA_OF_SERVICE),
        ended.when(Complaint.withdraw, ANNA_OF_SERVICE, NO, LETTER),
        ended.when(Complaint.convert, LI_LEADS_SERVICE, Conversion.INQUIRY, NO),
    ):
        asked.then_refused(sentence)


# Imported histories

PEOPLE = st.sampled_from([ANNA, BORIS, LI])
UNITS = st.sampled_from([HEATING, PLUMBING])
anything_that_happens: st.SearchStrategy[ComplaintEvent] = st.one_of(
    st.sampled_from(
        [
            received,
            barely_received,
            ComplaintAcknowledged(channel=PHONE, wording=WE_HAVE_IT),
            ComplaintDetailsRecorded(facts=COLD),
            InvestigationFindingRecorded(findings=COLD, root_cause=VALVE),
            measures,
            ProgressReportedToCustomer(channel=PHONE, wording=WE_HAVE_IT),
            proposed,
            communicated,
            reminded,
            ComplaintUnconfirmed(reminders=2),
            satisfied,
            rejected,
            exhausted,
            closed,
            reopened,
            withdrawn,
            converted,
        ]
    ),
    st.builds(
        ComplaintAssessed,
        category=st.just(QUALITY),
        severity=st.sampled_from(Severity),
        complained_about_id=st.none() | PEOPLE,
    ),
    st.builds(ResponsibleDepartmentAssigned, unit=UNITS),
    st.builds(ResponsibilityAccepted, unit=UNITS, accepted_by_id=PEOPLE),
    st.builds(ResponsibilityContested, unit=UNITS, reason=st.just(NOT_OURS)),
    st.builds(ResponsibilitySettled, unit=UNITS, reason=st.just(NO)),
    st.builds(ComplaintAssigned, handler_id=PEOPLE),
    st.builds(RemedyApproved, cost=st.decimals(0, 9000), approver_id=PEOPLE),
    st.builds(ComplaintEscalated, level=st.integers(1, 3), reason=st.just(NO)),
)


@whatever(st.lists(anything_that_happens, max_size=30))
def test_a_complaint_can_be_recalled_whatever_happened_to_it_in_whatever_order(history: list[ComplaintEvent]) -> None:
    known = recall(Complaint, history)
    customers = [event.customer_id for event in history if isinstance(event, ComplaintReceived)]
    assert known.customer_id == (customers[-1] if customers else None)
    handlers = [event.handler_id for event in history if isinstance(event, ComplaintAssigned)]
    assert known.handler_id == (handlers[-1] if handlers else None)


def test_an_imported_complaint_received_late_stays_as_it_was() -> None:
    given(Complaint, closed, received).when(Complaint.close, ANNA_OF_SERVICE).then_refused("This complaint is closed")
