"""What exists: every aggregate, view, rule, question, fact and policy, listed once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aggregates.actor import INSIDE, Role
from aggregates.business.customer import Customer
from aggregates.ids import (
    CalendarId,
    ComplaintId,
    CustomerId,
    DepartmentId,
    EmployeeId,
    ParameterId,
    ParkingId,
    WaiverId,
)
from aggregates.information.parking import Parking
from aggregates.organisation.calendar import Calendar
from aggregates.organisation.department import Department
from aggregates.organisation.parameter import Parameter
from aggregates.organisation.waiver import Waiver
from aggregates.people.employee import Employee
from aggregates.service.complaint import DESK, Complaint
from infra.codec import Codec
from infra.commands import Command, Kind, all_commands
from infra.questions import all_questions
from infra.read_model.engine import ReadModel
from infra.read_model.fingerprint import fingerprint
from projections import calendars, complaints, customers, duties, employees, parameters, parked, posts, waivers
from projections.row import View
from projections.rules import catalogue
from projections.rules.catalogue import RULES
from services.policies.complaint_clocks import COMPLAINT_CLOCKS

AGGREGATES = (
    Kind(aggregate=Department, id=DepartmentId, path="department"),
    Kind(aggregate=Parameter, id=ParameterId, path="parameters"),
    Kind(aggregate=Calendar, id=CalendarId, path="calendars"),
    Kind(aggregate=Employee, id=EmployeeId, path="employees"),
    Kind(aggregate=Customer, id=CustomerId, path="customers"),
    Kind(aggregate=Complaint, id=ComplaintId, path="complaints"),
    Kind(aggregate=Waiver, id=WaiverId, path="waivers"),
    Kind(aggregate=Parking, id=ParkingId, path="parked"),
)

VIEWS: tuple[View[Any], ...] = (
    complaints.complaints,
    complaints.handlers,
    customers.customers,
    employees.employees,
    posts.posts,
    parameters.parameters,
    calendars.calendars,
    waivers.waivers,
    *(rule.view for rule in RULES),
)

FACTS: tuple[Callable[..., Awaitable[Any]], ...] = ()

ASKED: tuple[Callable[..., Awaitable[Any]], ...] = (
    complaints.board,
    complaints.one,
    complaints.figures,
    customers.on_file,
    customers.one,
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
    parked.list_,
)

_ALL_COMMANDS = all_commands(AGGREGATES)
COMMANDS = [command for command in _ALL_COMMANDS if not command.inner]
INNER_COMMANDS: Mapping[str, Command] = {command.slug: command for command in _ALL_COMMANDS if command.inner}
"""Those that only the clock and policies give."""

QUESTIONS = all_questions(ASKED)

POLICIES = (COMPLAINT_CLOCKS,)

OVERSIGHT = frozenset({Role.MANAGER, Role.DEPUTY, Role.AUDITOR})
FEED_READERS = OVERSIGHT | {Role.SERVICE}
STREAM_READERS: Mapping[str, frozenset[Role]] = {
    "complaint": OVERSIGHT | frozenset(DESK),
    "customer": OVERSIGHT | frozenset(DESK) | {Role.BUSINESS_DEVELOPMENT, Role.BUSINESS_DEVELOPMENT_LEAD},
    "department": INSIDE,
    "parameter": INSIDE,
    "calendar": INSIDE,
    "waiver": INSIDE,
    "employee": OVERSIGHT | {Role.HUMAN_RESOURCES},
    "parking": OVERSIGHT | {Role.DATA_LEAD},
}
"""Who reads the history of which kind of stream; of any other kind only who reads the whole feed."""


def read_model(codec: Codec) -> ReadModel:
    """The read model of this version of the code."""
    return ReadModel(VIEWS, codec, fingerprint(VIEWS, (catalogue,)))
