"""A complaint, from its receipt until the customer is satisfied: regulation 3.3.2, ISO 10002."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum, auto
from typing import Annotated, TypeAlias, assert_never

from msgspec.structs import replace

from aggregates.actor import Actor, ActorKind, Role
from aggregates.amounts import is_amount
from aggregates.event import Event, command
from aggregates.facts import Post, Setting, about, parameter
from aggregates.ids import CustomerId, EmployeeId
from aggregates.refused import Refused
from aggregates.text import Code, Text
from aggregates.value import Value

DESK = (Role.CUSTOMER_SERVICE, Role.CUSTOMER_SERVICE_LEAD)
DESK_OR_CUSTOMER = (*DESK, Role.CUSTOMER)
HIGHEST_LEVEL = 3


class Severity(StrEnum):
    """How much is at stake: S1 people's safety, the law or the whole contract; S4 an annoyance."""

    S1 = "S1"
    S2 = "S2"
    S3 = "S3"
    S4 = "S4"


class Complexity(StrEnum):
    """Whether one look is enough to understand it."""

    SIMPLE = "simple"
    COMPLEX = "complex"


class Conversion(StrEnum):
    """What turned out to be no complaint."""

    INQUIRY = "inquiry"
    SUGGESTION = "suggestion"


class ComplaintReceived(Event):
    customer_id: CustomerId
    channel: Code
    facts: Text | None = None
    remedy_sought: Text | None = None
    about: Code | None = None


class ComplaintAcknowledged(Event):
    channel: Code
    wording: Text


class ComplaintDetailsRecorded(Event):
    """What became known later. It stands beside what was recorded before."""

    facts: Text | None = None
    remedy_sought: Text | None = None
    evidence: Text | None = None


class ComplaintAssessed(Event):
    """A judgement; the latest one counts. What an imported source does not say is None."""

    category: Code
    severity: Severity
    safety_or_legal: bool | None = None
    complexity: Complexity | None = None
    complained_about_id: EmployeeId | None = None


class ResponsibleDepartmentAssigned(Event):
    unit: Code


class ResponsibilityAccepted(Event):
    unit: Code
    accepted_by_id: EmployeeId


class ResponsibilityContested(Event):
    unit: Code
    reason: Text


class ResponsibilitySettled(Event):
    unit: Code
    reason: Text


class ComplaintAssigned(Event):
    handler_id: EmployeeId


class InvestigationFindingRecorded(Event):
    findings: Text
    root_cause: Code


class MeasuresDecided(Event):
    measures: Text
    due: date


class ProgressReportedToCustomer(Event):
    channel: Code
    wording: Text


class RemedyApproved(Event):
    """Good for the next proposal, if somebody else than the approver makes it."""

    cost: Decimal
    approver_id: EmployeeId


class ResolutionProposed(Event):
    remedy: Text
    cost: Decimal = Decimal(0)


class DecisionCommunicated(Event):
    channel: Code
    wording: Text


class CustomerReminded(Event):
    """Asked once more whether what we offer is enough."""

    channel: Code
    wording: Text


class ComplaintUnconfirmed(Event):
    """The customer has been told what we offer, and has not said a word, though reminded so often."""

    reminders: int


class CustomerSatisfactionConfirmed(Event):
    """`who` of the customer's people said so, and how well they liked it, from 1 to 5."""

    evidence: Text
    channel: Code
    who: Text | None = None
    score: int | None = None


class ResolutionRejectedByCustomer(Event):
    reason: Text


class ComplaintEscalated(Event):
    level: int
    reason: Text


class RecourseExhaustedDeclared(Event):
    attempts: Text
    external_recourse_offered: Text


class ComplaintClosed(Event):
    lessons: Text | None = None


class ComplaintReopened(Event):
    reason: Text


class ComplaintWithdrawn(Event):
    reason: Text
    evidence: Text | None = None


class ComplaintConverted(Event):
    into: Conversion
    reason: Text


ComplaintEvent: TypeAlias = (
    ComplaintReceived
    | ComplaintAcknowledged
    | ComplaintDetailsRecorded
    | ComplaintAssessed
    | ResponsibleDepartmentAssigned
    | ResponsibilityAccepted
    | ResponsibilityContested
    | ResponsibilitySettled
    | ComplaintAssigned
    | InvestigationFindingRecorded
    | MeasuresDecided
    | ProgressReportedToCustomer
    | RemedyApproved
    | ResolutionProposed
    | DecisionCommunicated
    | CustomerReminded
    | ComplaintUnconfirmed
    | CustomerSatisfactionConfirmed
    | ResolutionRejectedByCustomer
    | ComplaintEscalated
    | RecourseExhaustedDeclared
    | ComplaintClosed
    | ComplaintReopened
    | ComplaintWithdrawn
    | ComplaintConverted
)


class Status(StrEnum):
    """Whether anything may still be done."""

    BLANK = auto()
    OPEN = auto()
    CLOSED = auto()
    WITHDRAWN = auto()
    CONVERTED = auto()


class Answer(StrEnum):
    """What the department that was asked says, or the manager in its place."""

    AWAITED = auto()
    ACCEPTED = auto()
    CONTESTED = auto()
    SETTLED = auto()


class Offer(StrEnum):
    """How far the customer and we are about a remedy."""

    NONE = auto()
    PROPOSED = auto()
    COMMUNICATED = auto()
    CONFIRMED = auto()
    EXHAUSTED = auto()


class Complaint(Value):
    """Whoever complains is heard, answered by somebody impartial, and asked whether that was enough."""

    status: Status = Status.BLANK
    customer_id: CustomerId | None = None
    acknowledged: bool = False
    has_facts: bool = False
    has_remedy_sought: bool = False
    assessment: ComplaintAssessed | None = None
    unit: Code | None = None
    answer: Answer = Answer.AWAITED
    accepted_by_id: EmployeeId | None = None
    handler_id: EmployeeId | None = None
    measures_decided: bool = False
    approval: RemedyApproved | None = None
    offer: Offer = Offer.NONE
    reminders: int = 0
    unconfirmed: bool = False
    rejections: int = 0
    level: int = 0

    @command(by=DESK_OR_CUSTOMER, clause="3.3.2-a", opens=True)
    def receive(
        self,
        by: Actor,
        customer_id: CustomerId,
        channel: Code,
        facts: Text | None = None,
        remedy_sought: Text | None = None,
        about: Code | None = None,
    ) -> ComplaintReceived:
        """Take a complaint in, complete or not; `about` is the product or contract it is about."""
        if self.status is not Status.BLANK:
            raise Refused("This complaint is already on record.")
        if by.kind is ActorKind.CUSTOMER and not by.speaks_for(customer_id):
            raise Refused("Customers complain in their own name.")
        return ComplaintReceived(
            customer_id=customer_id, channel=channel, facts=facts, remedy_sought=remedy_sought, about=about
        )

    @command(by=DESK, clause="3.3.2-a")
    def acknowledge(self, channel: Code, wording: Text) -> ComplaintAcknowledged:
        """Tell the customer that the complaint has arrived."""
        self._must_be_open()
        if self.acknowledged:
            raise Refused("The customer has our acknowledgement: report progress instead.")
        return ComplaintAcknowledged(channel=channel, wording=wording)

    @command(by=DESK_OR_CUSTOMER, clause="3.3.2-a")
    def record_details(
        self, by: Actor, facts: Text | None = None, remedy_sought: Text | None = None, evidence: Text | None = None
    ) -> ComplaintDetailsRecorded:
        """Add what became known. Nothing recorded before is lost."""
        self._must_be_open()
        self._must_be_its_customer_or_ours(by)
        if facts is None and remedy_sought is None and evidence is None:
            raise Refused("Say what happened, what the customer asks for, or what proves it.")
        return ComplaintDetailsRecorded(facts=facts, remedy_sought=remedy_sought, evidence=evidence)

    @command(by=DESK, clause="3.3.2-b")
    def assess(
        self,
        category: Code,
        severity: Severity,
        safety_or_legal: bool,
        complexity: Complexity,
        complained_about_id: EmployeeId | None = None,
    ) -> ComplaintAssessed:
        """Judge for the first time what kind of complaint this is, and about whom."""
        self._must_be_open()
        if self.assessment is not None:
            raise Refused("This complaint is assessed: ask the lead of customer service to assess it anew.")
        if not (self.has_facts and self.has_remedy_sought):
            raise Refused("Record what happened and what the customer asks for before assessing.")
        return self._assessed(category, severity, safety_or_legal, complexity, complained_about_id)

    @command(by=(Role.CUSTOMER_SERVICE_LEAD,), clause="3.3.2-b")
    def reassess(
        self,
        by: Actor,
        category: Code,
        severity: Severity,
        safety_or_legal: bool,
        complexity: Complexity,
        complained_about_id: EmployeeId | None = None,
    ) -> ComplaintAssessed | None:
        """Judge again; every answer is given anew."""
        self._must_be_assessed()
        self._must_be_impartial(by)
        anew = self._assessed(category, severity, safety_or_legal, complexity, complained_about_id)
        return None if anew == self.assessment else anew

    @command(by=DESK, clause="3.3.2-b")
    def assign_department(self, unit: Code) -> ResponsibleDepartmentAssigned | None:
        """Ask a department to take responsibility, or another one if it contests."""
        self._must_be_assessed()
        if unit == self.unit and self.answer is not Answer.CONTESTED:
            return None
        if self.answer is Answer.SETTLED:
            raise Refused("The manager has settled who is responsible: only the manager can change that.")
        return ResponsibleDepartmentAssigned(unit=unit)

    @command(by=(Role.EMPLOYEE,), clause="3.3.2-b")
    def accept_responsibility(self, by: Actor) -> ResponsibilityAccepted | None:
        """Say for one's department that it is responsible."""
        unit = self._asked_of(by)
        if self.answer in {Answer.ACCEPTED, Answer.SETTLED}:
            return None
        return ResponsibilityAccepted(unit=unit, accepted_by_id=by.employee)

    @command(by=(Role.EMPLOYEE,), clause="3.3.2-b")
    def contest_responsibility(self, by: Actor, reason: Text) -> ResponsibilityContested | None:
        """Say for one's department that it is not responsible, and why."""
        unit = self._asked_of(by)
        if self.answer is Answer.SETTLED:
            raise Refused("The manager has settled who is responsible: this cannot be contested.")
        if self.answer is Answer.ACCEPTED:
            raise Refused("Your department has accepted: ask customer service to assign another one.")
        return None if self.answer is Answer.CONTESTED else ResponsibilityContested(unit=unit, reason=reason)

    @command(by=(Role.MANAGER,), clause="3.3.2-b")
    def settle_responsibility(self, unit: Code, reason: Text) -> ResponsibilitySettled | None:
        """Decide who is responsible where departments do not agree or do not answer."""
        self._must_be_assessed()
        if self.unit is None:
            raise Refused("Assign a department first: it may well accept.")
        if unit == self.unit and self.answer in {Answer.ACCEPTED, Answer.SETTLED}:
            return None
        return ResponsibilitySettled(unit=unit, reason=reason)

    @command(by=DESK, clause="3.3.2-b")
    def assign(
        self, by: Actor, handler_id: EmployeeId, handler: Annotated[Post, about("handler_id")]
    ) -> ComplaintAssigned | None:
        """Put it on the desk of somebody of customer service or of the responsible department."""
        assessment = self._must_be_assessed()
        self._must_be_impartial(by)
        if handler_id == assessment.complained_about_id:
            raise Refused("Whoever is complained about does not handle the complaint: choose somebody else.")
        if handler.roles.isdisjoint(DESK) and self.unit not in handler.areas:
            raise Refused("Choose a handler from customer service or from the responsible department.")
        return None if handler_id == self.handler_id else ComplaintAssigned(handler_id=handler_id)

    @command(by=(Role.EMPLOYEE,), clause="3.3.2-b")
    def record_investigation(self, by: Actor, findings: Text, root_cause: Code) -> InvestigationFindingRecorded:
        """State what was found out. More may be found later."""
        self._must_be_assessed()
        self._must_work_on_it(by)
        return InvestigationFindingRecorded(findings=findings, root_cause=root_cause)

    @command(by=(Role.EMPLOYEE,), clause="3.3.2-b")
    def decide_measures(self, by: Actor, at: datetime, measures: Text, due: date) -> MeasuresDecided:
        """Decide what will be done, and by which day."""
        self._must_be_assessed()
        self._must_work_on_it(by)
        if self.answer not in {Answer.ACCEPTED, Answer.SETTLED}:
            raise Refused("Wait until a department has taken responsibility before deciding on measures.")
        if due < at.date():
            raise Refused("Measures cannot be due before today: {due} is past.", due=due)
        return MeasuresDecided(measures=measures, due=due)

    @command(by=(Role.EMPLOYEE,), clause="3.3.2-c")
    def report_progress(self, by: Actor, channel: Code, wording: Text) -> ProgressReportedToCustomer:
        """Let the customer know how far we are."""
        self._must_be_open()
        self._must_work_on_it(by)
        return ProgressReportedToCustomer(channel=channel, wording=wording)

    @command(by=(Role.CUSTOMER_SERVICE_LEAD, Role.MANAGER), clause="3.3.2-c")
    def approve_remedy(
        self, by: Actor, cost: Decimal, limits: Annotated[Setting, parameter("P-38")]
    ) -> RemedyApproved | None:
        """Allow the next proposal to cost so much."""
        self._must_be_open()
        self._must_be_impartial(by)
        if by.speaks_for(self.handler_id):
            raise Refused("Handlers do not approve their own remedies: ask somebody else.")
        _must_be_an_amount(cost)
        limit = limits["manager"].amount
        if cost > limit and Role.MANAGER not in by.roles:
            raise Refused("Only the manager approves more than {limit}.", limit=limit)
        anew = RemedyApproved(cost=cost, approver_id=by.employee)
        return None if anew == self.approval else anew

    @command(by=(Role.EMPLOYEE,), clause="3.3.2-c")
    def propose_resolution(
        self, by: Actor, remedy: Text, cost: Decimal, limits: Annotated[Setting, parameter("P-38")]
    ) -> ResolutionProposed:
        """Say what we offer, and what it costs us in the company's currency."""
        self._must_be_open()
        self._must_work_on_it(by)
        if not self.measures_decided:
            raise Refused("Decide on measures before proposing a resolution.")
        _must_be_an_amount(cost)
        limit = limits["lead"].amount
        if cost > limit:
            if self.approval is None or cost > self.approval.cost:
                raise Refused("A remedy of more than {limit} needs approval first.", limit=limit)
            if by.speaks_for(self.approval.approver_id):
                raise Refused("You approved this remedy: somebody else proposes it.")
            if self.approval.approver_id == self.handler_id:
                raise Refused("Handlers do not approve their own remedies: ask somebody else.")
        return ResolutionProposed(remedy=remedy, cost=cost)

    @command(by=(Role.EMPLOYEE,), clause="3.3.2-c")
    def communicate_decision(self, by: Actor, channel: Code, wording: Text) -> DecisionCommunicated:
        """Tell the customer what we offer."""
        self._must_be_open()
        self._must_work_on_it(by)
        if self.offer is Offer.NONE:
            raise Refused("Propose a resolution before telling the customer.")
        return DecisionCommunicated(channel=channel, wording=wording)

    @command(by=(Role.EMPLOYEE,), clause="3.3.2-c")
    def remind_customer(self, by: Actor, channel: Code, wording: Text) -> CustomerReminded:
        """Ask a customer who says nothing whether what we offer is enough. Silence is no consent."""
        self._must_be_open()
        self._must_work_on_it(by)
        if self.offer is not Offer.COMMUNICATED:
            raise Refused("Nobody waits for the customer's word: remind it once it was told what we offer.")
        return CustomerReminded(channel=channel, wording=wording)

    @command(by=(Role.CLOCK,), clause="3.3.2-c")
    def leave_unconfirmed(self, reminders: int) -> ComplaintUnconfirmed | None:
        """The customer was reminded so often, and the last wait is over."""
        self._must_be_open()
        waited = self.offer is Offer.COMMUNICATED and not self.unconfirmed and self.reminders == reminders
        return ComplaintUnconfirmed(reminders=reminders) if waited else None

    @command(by=DESK_OR_CUSTOMER, clause="3.3.2-c")
    def confirm_satisfaction(
        self, by: Actor, evidence: Text, channel: Code, score: int | None = None, who: Text | None = None
    ) -> CustomerSatisfactionConfirmed:
        """The customer is satisfied: said in person, or shown by evidence. A score goes from 1 to 5."""
        self._must_be_open()
        self._must_be_its_customer_or_ours(by)
        self._must_be_impartial(by)
        self._must_be_offered()
        if score is not None and not 1 <= score <= 5:
            raise Refused("A score goes from 1 to 5.")
        if self.offer is Offer.CONFIRMED:
            raise Refused("The customer has confirmed already.")
        return CustomerSatisfactionConfirmed(evidence=evidence, channel=channel, who=who, score=score)

    @command(by=DESK_OR_CUSTOMER, clause="3.3.2-c")
    def reject_resolution(self, by: Actor, reason: Text) -> ResolutionRejectedByCustomer:
        """The customer is not satisfied, or no longer: look for another remedy."""
        self._must_be_open()
        self._must_be_its_customer_or_ours(by)
        self._must_be_offered()
        return ResolutionRejectedByCustomer(reason=reason)

    @command(by=(Role.EMPLOYEE,), clause="3.3.2-c")
    def escalate(self, by: Actor, reason: Text) -> ComplaintEscalated:
        """Call for somebody higher."""
        self._must_be_open()
        if by.roles.isdisjoint(DESK) and not by.speaks_for(self.handler_id):
            raise Refused("Only customer service or the handler escalates this complaint.")
        if self.level >= HIGHEST_LEVEL:
            raise Refused("This complaint has reached the highest level.")
        return ComplaintEscalated(level=self.level + 1, reason=reason)

    @command(by=(Role.CLOCK,), clause="3.3.2-c")
    def escalate_to(self, level: int, reason: Text) -> ComplaintEscalated | None:
        """The clock calls for somebody so far up, unless somebody as high has been called."""
        self._must_be_open()
        return ComplaintEscalated(level=level, reason=reason) if self.level < level <= HIGHEST_LEVEL else None

    @command(by=(Role.CLOCK,), clause="3.3.2-c")
    def escalate_if_gravest(self, reason: Text) -> ComplaintEscalated | None:
        """The clock calls for the manager if people's safety, the law or the whole contract is at stake."""
        self._must_be_open()
        gravest = self.assessment is not None and self.assessment.severity is Severity.S1
        return self.escalate_to(HIGHEST_LEVEL, reason) if gravest else None

    @command(by=(Role.MANAGER,), clause="3.3.2-c")
    def declare_recourse_exhausted(
        self, by: Actor, attempts: Text, external_recourse_offered: Text
    ) -> RecourseExhaustedDeclared:
        """Nothing within reason is left to offer: say what was tried, and where else the customer may turn."""
        self._must_be_open()
        self._must_be_impartial(by)
        if by.speaks_for(self.handler_id):
            raise Refused("Whoever handled the complaint cannot declare recourse exhausted.")
        if by.speaks_for(self.accepted_by_id):
            raise Refused("Whoever took responsibility cannot declare recourse exhausted.")
        if self.offer is Offer.CONFIRMED:
            raise Refused("The customer is satisfied: close the complaint.")
        if self.offer is Offer.EXHAUSTED:
            raise Refused("Recourse is declared exhausted already.")
        if self.rejections == 0 and self.offer is not Offer.COMMUNICATED:
            raise Refused("Offer the customer a resolution before giving up.")
        return RecourseExhaustedDeclared(attempts=attempts, external_recourse_offered=external_recourse_offered)

    @command(by=DESK, clause="3.3.2-c")
    def close(self, by: Actor, lessons: Text | None = None) -> ComplaintClosed:
        """End it, and keep what was learnt."""
        self._must_be_open()
        self._must_be_impartial(by)
        if self.offer not in {Offer.CONFIRMED, Offer.EXHAUSTED}:
            raise Refused(
                "Close only after the customer has confirmed, or the manager has declared recourse exhausted."
            )
        return ComplaintClosed(lessons=lessons)

    @command(by=DESK_OR_CUSTOMER, clause="3.3.2-c")
    def reopen(self, by: Actor, reason: Text) -> ComplaintReopened:
        """Take it up again: what was offered and confirmed no longer counts."""
        self._must_be_its_customer_or_ours(by)
        if self.status in {Status.BLANK, Status.OPEN}:
            raise Refused("Only what has ended can be reopened.")
        return ComplaintReopened(reason=reason)

    @command(by=DESK_OR_CUSTOMER, clause="3.3.2-c")
    def withdraw(self, by: Actor, reason: Text, evidence: Text | None = None) -> ComplaintWithdrawn:
        """The customer takes the complaint back; if we say so, we show it."""
        self._must_be_open()
        self._must_be_its_customer_or_ours(by)
        self._must_be_impartial(by)
        if by.kind is not ActorKind.CUSTOMER and evidence is None:
            raise Refused("Show that the customer has withdrawn: give the evidence.")
        return ComplaintWithdrawn(reason=reason, evidence=evidence)

    @command(by=(Role.CUSTOMER_SERVICE_LEAD,), clause="3.3.2-b")
    def convert(self, by: Actor, into: Conversion, reason: Text) -> ComplaintConverted:
        """It is no complaint, but something else."""
        self._must_be_open()
        self._must_be_impartial(by)
        if self.measures_decided:
            raise Refused("Measures are decided: see this complaint through.")
        return ComplaintConverted(into=into, reason=reason)

    def evolve(self, event: ComplaintEvent, /) -> Complaint:
        match event:
            case ComplaintReceived(customer_id=customer_id):
                status = Status.OPEN if self.status is Status.BLANK else self.status
                return replace(self._told(event), status=status, customer_id=customer_id)
            case ComplaintAcknowledged():
                return replace(self, acknowledged=True)
            case ComplaintDetailsRecorded():
                return self._told(event)
            case ComplaintAssessed():
                return replace(self, assessment=event)
            case ResponsibleDepartmentAssigned(unit=unit):
                return self._answered(unit, Answer.AWAITED)
            case ResponsibilityAccepted(unit=unit, accepted_by_id=who):
                return replace(self._answered(unit, Answer.ACCEPTED), accepted_by_id=who)
            case ResponsibilityContested(unit=unit):
                return self._answered(unit, Answer.CONTESTED)
            case ResponsibilitySettled(unit=unit):
                return self._answered(unit, Answer.SETTLED)
            case ComplaintAssigned(handler_id=handler_id):
                return replace(self, handler_id=handler_id)
            case MeasuresDecided():
                return replace(self, measures_decided=True)
            case RemedyApproved():
                return replace(self, approval=event)
            case ResolutionProposed():
                return replace(self._offering(Offer.PROPOSED), approval=None)
            case DecisionCommunicated():
                return replace(self, offer=Offer.COMMUNICATED if self.offer is Offer.PROPOSED else self.offer)
            case CustomerReminded():
                return replace(self, reminders=self.reminders + 1)
            case ComplaintUnconfirmed():
                return replace(self, unconfirmed=True)
            case CustomerSatisfactionConfirmed():
                return self._offering(Offer.CONFIRMED)
            case ResolutionRejectedByCustomer():
                return replace(self._offering(Offer.NONE), rejections=self.rejections + 1)
            case ComplaintEscalated(level=level):
                return replace(self, level=level)
            case RecourseExhaustedDeclared():
                return self._offering(Offer.EXHAUSTED)
            case ComplaintClosed():
                return replace(self, status=Status.CLOSED)
            case ComplaintWithdrawn():
                return replace(self, status=Status.WITHDRAWN)
            case ComplaintConverted():
                return replace(self, status=Status.CONVERTED)
            case ComplaintReopened():
                return replace(self._offering(Offer.NONE), status=Status.OPEN, approval=None, rejections=0, level=0)
            case InvestigationFindingRecorded() | ProgressReportedToCustomer():
                return self
            case _:
                assert_never(event)

    def _offering(self, offer: Offer) -> Complaint:
        """Whatever the customer's word was awaited for before, it is not any more."""
        return replace(self, offer=offer, reminders=0, unconfirmed=False)

    def _told(self, event: ComplaintReceived | ComplaintDetailsRecorded) -> Complaint:
        return replace(
            self,
            has_facts=self.has_facts or event.facts is not None,
            has_remedy_sought=self.has_remedy_sought or event.remedy_sought is not None,
        )

    def _answered(self, unit: Code, answer: Answer) -> Complaint:
        """Another department decides on measures of its own."""
        measures_decided = self.measures_decided and unit == self.unit
        return replace(self, unit=unit, answer=answer, accepted_by_id=None, measures_decided=measures_decided)

    def _assessed(
        self, category: Code, severity: Severity, safety_or_legal: bool, complexity: Complexity, who: EmployeeId | None
    ) -> ComplaintAssessed:
        if who is not None and who == self.handler_id:
            raise Refused("Give the complaint to somebody else first: its handler is complained about.")
        return ComplaintAssessed(
            category=category,
            severity=severity,
            safety_or_legal=safety_or_legal,
            complexity=complexity,
            complained_about_id=who,
        )

    def _asked_of(self, by: Actor) -> Code:
        self._must_be_open()
        if self.unit is None:
            raise Refused("No department has been asked yet.")
        if self.unit not in by.areas:
            raise Refused("Only somebody of {unit} can answer for it.", unit=self.unit)
        return self.unit

    def _must_be_open(self) -> None:
        if self.status is Status.BLANK:
            raise Refused("This complaint has not been received.")
        if self.status is not Status.OPEN:
            raise Refused("This complaint is {status}: reopen it first.", status=self.status)

    def _must_be_assessed(self) -> ComplaintAssessed:
        self._must_be_open()
        if self.assessment is None:
            raise Refused("Assess the complaint first.")
        return self.assessment

    def _must_be_offered(self) -> None:
        if self.offer not in {Offer.COMMUNICATED, Offer.CONFIRMED}:
            raise Refused("Propose a resolution and tell the customer first.")

    def _must_be_impartial(self, by: Actor) -> None:
        if self.assessment is not None and by.speaks_for(self.assessment.complained_about_id):
            raise Refused("You are complained about here: leave this to somebody else.")

    def _must_be_its_customer_or_ours(self, by: Actor) -> None:
        if by.kind is ActorKind.CUSTOMER and not by.speaks_for(self.customer_id):
            raise Refused("This is another customer's complaint.")

    def _must_work_on_it(self, by: Actor) -> None:
        self._must_be_impartial(by)
        ours = not by.roles.isdisjoint(DESK) or self.unit in by.areas
        if not ours and not by.speaks_for(self.handler_id):
            raise Refused("Only customer service, the handler and the responsible department work on this complaint.")


def _must_be_an_amount(cost: Decimal) -> None:
    if not is_amount(cost):
        raise Refused("A cost is an amount of zero or more.")
