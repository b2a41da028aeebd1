"""What exists: every aggregate, view, rule, question, fact and policy, listed once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aggregates.actor import INSIDE, Role
from aggregates.business.campaign import Campaign
from aggregates.business.contract import Contract
from aggregates.business.customer import DESKS, Customer
from aggregates.business.development_plan import DevelopmentPlan
from aggregates.business.negotiation import Negotiation
from aggregates.business.opportunity import Opportunity
from aggregates.business.research import Research
from aggregates.business.segment import Segment
from aggregates.event import events_of
from aggregates.ids import (
    KIND_OF_STREAM,
    CalendarId,
    CampaignId,
    ComplaintId,
    ConsultationId,
    ContractId,
    CreditId,
    CustomerId,
    DepartmentId,
    DevelopmentPlanId,
    DocumentId,
    EmployeeId,
    LegalReviewId,
    NegotiationId,
    OpportunityId,
    ParameterId,
    ParkingId,
    ReadingsId,
    ReceivableId,
    RecordClassId,
    RefusalsId,
    ResearchId,
    SegmentId,
    WaiverId,
)
from aggregates.information.document import Document
from aggregates.information.parking import Parking
from aggregates.information.record_class import RecordClass
from aggregates.organisation.calendar import Calendar
from aggregates.organisation.department import Department
from aggregates.organisation.parameter import Parameter
from aggregates.organisation.waiver import Waiver
from aggregates.people.employee import Employee
from aggregates.readers import BUSINESS_TEAM, Readers
from aggregates.risk.consultation import LegalConsultation
from aggregates.risk.credit import Credit
from aggregates.risk.dunning import COLLECTORS
from aggregates.risk.legal_review import ASKERS, LegalReview
from aggregates.risk.receivable import Receivable
from aggregates.service.complaint import DESK, Complaint
from infra.codec import Codec
from infra.commands import Command, Kind, all_commands
from infra.kafka.wire import Topics, planned
from infra.questions import all_questions
from infra.read_model.engine import ReadModel
from infra.read_model.fingerprint import fingerprint
from projections import (
    billing,
    calendars,
    campaigns,
    complaints,
    consultations,
    contract_gates,
    contracts,
    credit,
    customers,
    documents,
    duties,
    employees,
    handovers,
    legal_reviews,
    likeness,
    negotiations,
    opportunities,
    outreach,
    parameters,
    parked,
    plans,
    posts,
    receivable,
    receivables,
    record_classes,
    regulation,
    relations,
    research,
    sales,
    segments,
    waivers,
)
from projections.row import View
from projections.rules import catalogue
from projections.rules.catalogue import RULES
from projections.rules.duty import DutyRow
from services.mechanisms import mechanisms
from services.policies.complaint_clocks import COMPLAINT_CLOCKS
from services.policies.contract_to_project import CONTRACT_TO_PROJECT
from services.policies.credit_gate import CREDIT_GATE
from services.policies.dunning_ladder import DUNNING_LADDER
from services.policies.payment_schedule import PAYMENT_SCHEDULE
from services.policies.pipeline import PIPELINE

EVERYONE_INSIDE = Readers(everything=INSIDE)
OVERSIGHT = frozenset({Role.MANAGER, Role.AUDITOR})
FEED_READERS = Readers(everything=OVERSIGHT | {Role.SERVICE})
"""Who reads the whole log, but for what is restricted to others."""

AGGREGATES = (
    Kind(aggregate=Department, id=DepartmentId, path="department", readers=EVERYONE_INSIDE),
    Kind(aggregate=Parameter, id=ParameterId, path="parameters", readers=EVERYONE_INSIDE),
    Kind(aggregate=Calendar, id=CalendarId, path="calendars", readers=EVERYONE_INSIDE),
    Kind(
        aggregate=Employee,
        id=EmployeeId,
        path="employees",
        readers=Readers(everything=OVERSIGHT | {Role.HUMAN_RESOURCES}, own=frozenset({Role.EMPLOYEE})),
    ),
    Kind(
        aggregate=Customer,
        id=CustomerId,
        path="customers",
        readers=Readers(everything=OVERSIGHT | {*DESKS, Role.DEPUTY}, own=frozenset({Role.EMPLOYEE})),
    ),
    Kind(aggregate=Negotiation, id=NegotiationId, path="negotiations", readers=negotiations.READERS),
    Kind(aggregate=Segment, id=SegmentId, path="segments", readers=BUSINESS_TEAM),
    Kind(aggregate=Research, id=ResearchId, path="research", readers=BUSINESS_TEAM),
    Kind(aggregate=DevelopmentPlan, id=DevelopmentPlanId, path="plans", readers=BUSINESS_TEAM),
    Kind(aggregate=Campaign, id=CampaignId, path="campaigns", readers=BUSINESS_TEAM),
    Kind(
        aggregate=Contract,
        id=ContractId,
        path="contracts",
        readers=contracts.READERS,
    ),
    Kind(
        aggregate=Credit,
        id=CreditId,
        path="credits",
        readers=Readers(everything=OVERSIGHT | {Role.FINANCE, Role.RISK, Role.DEPUTY}),
    ),
    Kind(
        aggregate=Receivable,
        id=ReceivableId,
        path="receivables",
        readers=Readers(everything=OVERSIGHT | {*COLLECTORS, Role.RISK, Role.DEPUTY}),
    ),
    Kind(
        aggregate=Opportunity,
        id=OpportunityId,
        path="opportunities",
        readers=opportunities.READERS,
    ),
    Kind(
        aggregate=Complaint,
        id=ComplaintId,
        path="complaints",
        readers=Readers(
            everything=OVERSIGHT | {*DESK}, own_area=frozenset({Role.EMPLOYEE}), own=frozenset({Role.EMPLOYEE})
        ),
    ),
    Kind(aggregate=Waiver, id=WaiverId, path="waivers", readers=EVERYONE_INSIDE),
    Kind(
        aggregate=LegalReview,
        id=LegalReviewId,
        path="reviews",
        readers=Readers(everything=OVERSIGHT | {*ASKERS, Role.LEGAL, Role.DEPUTY}),
    ),
    Kind(
        aggregate=LegalConsultation,
        id=ConsultationId,
        path="consultations",
        readers=Readers(everything=OVERSIGHT | {Role.LEGAL}, own=frozenset({Role.EMPLOYEE})),
    ),
    Kind(aggregate=RecordClass, id=RecordClassId, path="recordclasses", readers=EVERYONE_INSIDE),
    Kind(aggregate=Document, id=DocumentId, path="documents", readers=documents.READERS),
    Kind(
        aggregate=Parking,
        id=ParkingId,
        path="parked",
        readers=Readers(everything=OVERSIGHT | {Role.DEPUTY, Role.DATA_LEAD}),
    ),
)

VIEWS: tuple[View[Any], ...] = (
    complaints.complaints,
    customers.customers,
    relations.relations,
    outreach.outreach,
    outreach.touches,
    opportunities.opportunities,
    negotiations.negotiations,
    negotiations.talks,
    contracts.contracts,
    contract_gates.passages,
    handovers.terms,
    billing.billing,
    credit.credits_,
    receivable.receivables,
    segments.segments,
    segments.items,
    research.research,
    plans.plans,
    campaigns.campaigns,
    employees.employees,
    posts.posts,
    parameters.parameters,
    calendars.calendars,
    waivers.waivers,
    legal_reviews.reviews,
    legal_reviews.clearances,
    consultations.consultations,
    record_classes.record_classes,
    documents.documents,
    documents.files,
    *(rule.view for rule in RULES),
)

FACTS: tuple[Callable[..., Awaitable[Any]], ...] = (
    relations.standing,
    opportunities.standing,
    negotiations.agreed_terms,
    negotiations.opportunity_talks,
    contracts.contract_standing,
    billing.billed_instalments,
    legal_reviews.clearance,
    credit.credit_standing,
    research.published_research,
    plans.plan_standing,
    record_classes.record_class,
)

POLICIES = (COMPLAINT_CLOCKS, CONTRACT_TO_PROJECT, CREDIT_GATE, DUNNING_LADDER, PAYMENT_SCHEDULE, PIPELINE)

_ALL_COMMANDS = all_commands(AGGREGATES)
COMMANDS = [command for command in _ALL_COMMANDS if not command.inner]
INNER_COMMANDS: Mapping[str, Command] = {command.slug: command for command in _ALL_COMMANDS if command.inner}
"""Those that only the clock and policies give."""

MECHANISMS = mechanisms(_ALL_COMMANDS, [view for view in VIEWS if view.row is not DutyRow], POLICIES)

ASKED: tuple[Callable[..., Awaitable[Any]], ...] = (
    complaints.board,
    complaints.one,
    complaints.figures,
    customers.on_file,
    customers.one,
    relations.with_all,
    relations.silence,
    relations.funnel,
    outreach.mix,
    outreach.history,
    likeness.duplicates,
    opportunities.pipeline,
    opportunities.one,
    sales.stages,
    sales.time_in_stage,
    sales.results,
    sales.forecasts,
    negotiations.under_way,
    negotiations.one,
    negotiations.brief,
    negotiations.concessions,
    contracts.register,
    contracts.one,
    contracts.obligations,
    contracts.payments,
    contract_gates.gates,
    handovers.queue,
    handovers.expiring,
    credit.limits,
    credit.one,
    receivables.open_items,
    receivables.one,
    receivables.ageing,
    receivables.dunning,
    receivables.figures,
    segments.freshness,
    segments.intelligence,
    segments.one,
    research.on_record,
    research.scores,
    research.one,
    plans.on_record,
    plans.gate,
    plans.goals,
    plans.one,
    campaigns.on_record,
    campaigns.channels,
    campaigns.one,
    employees.on_record,
    employees.one,
    posts.held_on,
    parameters.latest,
    parameters.one,
    calendars.years,
    calendars.one,
    duties.owed,
    duties.verdicts,
    duties.conformance,
    waivers.on_record,
    waivers.one,
    legal_reviews.on_record,
    legal_reviews.queue,
    legal_reviews.one,
    consultations.on_record,
    consultations.one,
    record_classes.scheme,
    record_classes.one,
    documents.on_record,
    documents.one,
    parked.list_,
    regulation.coverage_by(MECHANISMS),
    regulation.evidence,
)

QUESTIONS = all_questions(ASKED)

RESTRICTED_READERS = frozenset({Role.MANAGER, Role.HUMAN_RESOURCES})
"""Who may open the texts of others that are marked restricted; each time is put on record."""


RESTRICTED_KINDS = frozenset({KIND_OF_STREAM[RefusalsId], KIND_OF_STREAM[ReadingsId]}) | {
    KIND_OF_STREAM[kind.id]
    for kind in AGGREGATES
    if any(event.readers is not None for event in events_of(kind.aggregate))
}
"""The kinds of streams with events that fewer may read than the others."""


def topics(prefix: str) -> Topics:
    """The topics of Kafka that this version of the code publishes to."""
    return planned(prefix, filter(None, KIND_OF_STREAM.values()), RESTRICTED_KINDS)


def read_model(codec: Codec) -> ReadModel:
    """The read model of this version of the code."""
    return ReadModel(VIEWS, codec, fingerprint(VIEWS, (catalogue,)))
