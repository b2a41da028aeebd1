"""What happens in a made-up department: complaints, customers, people and parameters, one act after the other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from msgspec.structs import replace

from aggregates.actor import Actor, Role
from aggregates.business.customer import Customer
from aggregates.facts import CustomerStanding
from aggregates.ids import CustomerId
from aggregates.organisation.waiver import Waiver
from aggregates.people.employee import Employee
from aggregates.service.complaint import Complaint, Complexity, Conversion, Severity
from aggregates.text import Code
from benchmarks.cast import FAR_AWAY, SETTINGS, UNITS, Act, Cast, Story, Stream, post_of, without_limit
from benchmarks.sales import filing_plan, market, opportunity
from services.founding_defaults import DEFAULT_PARAMETERS, DefaultParameter

CHANNELS = ("phone", "mail", "visit", "web")
CATEGORIES = ("delivery", "quality", "billing", "behaviour", "contract", "heating")
FACTS = (
    "The delivery of Monday was incomplete: two of seven crates were missing, one was damaged at a corner, and nobody"
    " at the hotline could say where the rest was or when it would come. The fitters waited for half a day."
)
ACKNOWLEDGED = (
    "We have received your complaint and look into it at once; you will hear from us within two working days."
)
FINDINGS = (
    "Two crates were loaded on the wrong lorry, because the loading list of that morning had been printed before the"
    " change of the evening before, and nobody compared it with the order."
)
MEASURES = "Send the crates by express, replace the damaged one, and print loading lists only after the last change."
PROGRESS = (
    "The missing crates are on their way and will arrive tomorrow before noon; the damaged one follows on Friday."
)
LESSONS = (
    "Loading lists are printed on the morning itself; the shift leader compares each with the order before loading."
)
OPEN_CASES = 400
"""Stories that go on side by side."""

LIMITS = SETTINGS[Code("P-38")]


def stories(cast: Cast) -> Iterator[Story]:
    """One after the other, without end: first who works here and who the first customers are."""
    for person in cast.staff:
        yield employment(cast, person)
    yield filing_plan(cast)
    for _ in range(20):
        yield acquaintance(cast)
    yield market(cast)
    kinds = {complaint: 830, opportunity: 350, acquaintance: 160, duplicate: 4, revision: 7, hiring: 3, market: 2}
    while True:
        (kind,) = cast.dice.choices([*kinds], [*kinds.values()])
        yield kind(cast)


def told_side_by_side(cast: Cast) -> Iterator[Act]:
    """The acts of many stories, mingled as in a real log; those of one story in their order."""
    coming = stories(cast)
    for story in (next(coming) for _ in range(len(cast.staff) + 22)):
        yield from story
    going_on = [next(coming) for _ in range(OPEN_CASES)]
    while True:
        place = cast.dice.randrange(OPEN_CASES)
        act = next(going_on[place], None)
        if act is None:
            going_on[place] = next(coming)
        else:
            yield act


def employment(cast: Cast, person: Actor) -> Story:
    """Somebody is registered and takes up the office."""
    (role,), (unit,) = person.roles - {Role.EMPLOYEE}, person.areas
    stream = Stream(person.id, Employee())
    yield Act(stream, "employee.register", cast.manager, {"name": f"Employee {person.id[-6:]}"})
    appointed = {"employee_id": person.id, "role": role, "unit": unit}
    yield Act(cast.department, "department.appoint", cast.manager, appointed)


def hiring(cast: Cast) -> Story:
    """Somebody comes, changes a name, and goes."""
    person = Actor(
        id=cast.new_id("employee"),
        roles=frozenset({Role.MEMBER, Role.EMPLOYEE}),
        areas=frozenset({cast.dice.choice(UNITS)}),
    )
    yield from employment(cast, person)
    renamed = Stream(person.id, Employee(registered=True))
    renamed.version = 1
    yield Act(renamed, "employee.change_details", cast.manager, {"email": f"{person.id[-6:]}@example.com"})
    (unit,) = person.areas
    ended = {"employee_id": person.id, "role": Role.MEMBER, "unit": unit}
    yield Act(cast.department, "department.end_role", cast.manager, ended)


def revision(cast: Cast) -> Story:
    """Other values are proposed for a parameter, and approved or not."""
    stream = cast.parameters.pop(cast.dice.randrange(len(cast.parameters)))
    default: DefaultParameter = next(p for p in DEFAULT_PARAMETERS if stream.id == f"parameter-{p.number}")
    values = {
        name: replace(value, amount=value.amount + cast.dice.randrange(3)) for name, value in default.values.items()
    }
    yield Act(stream, "parameter.propose", cast.analyst, {"values": values, "grounds": "As last year's figures show."})
    if cast.dice.random() < 0.7:
        yield Act(stream, "parameter.approve", cast.manager, {})
    else:
        yield Act(stream, "parameter.reject", cast.manager, {"grounds": "Not before the next review."})
    cast.parameters.append(stream)


def acquaintance(cast: Cast) -> Story:
    """A customer is registered, and its file grows."""
    dice, clerk = cast.dice, cast.dice.choice(cast.clerks)
    customer = Stream(cast.new_id("customer"), Customer())
    told = {"name": f"Customer {customer.id[-6:]}", "source": "fair", "region": "east", "segment": dice.choice("ABC")}
    yield Act(customer, "customer.register", clerk, told)
    cast.customers.append(customer)
    yield Act(customer, "customer.add_contact", clerk, {"name": "Mrs Wu", "phone": "+86 10 5555 0100"})
    yield _ownership(cast, customer)
    for _ in range(dice.randrange(4)):
        yield Act(customer, "customer.change_profile", clerk, {"payment_terms": f"net {dice.randrange(10, 90)}"})
    if dice.random() < 0.2:
        yield Act(customer, "customer.correct_profile", clerk, {"region": dice.choice(("north", "south"))})
    if dice.random() < 0.3:
        yield Act(customer, "customer.end_contact", clerk, {"contact": "C-1"})


def duplicate(cast: Cast) -> Story:
    """A second file of a customer who has one."""
    clerk, other = cast.dice.choice(cast.clerks), cast.some_customer()
    customer = Stream(cast.new_id("customer"), Customer())
    yield Act(customer, "customer.register", clerk, {"name": f"Customer {other.id[-6:]} Ltd.", "source": "web"})
    other_id = CustomerId(other.id)
    facts = {
        "into": CustomerStanding(customer_id=other_id),
        "file": CustomerStanding(customer_id=CustomerId(customer.id)),
    }
    yield Act(customer, "customer.merge", cast.manager, {"into_id": other_id, **facts})


def complaint(cast: Cast) -> Story:
    """A complaint from its receipt to one of its ends."""
    dice, clerk = cast.dice, cast.dice.choice(cast.clerks)
    stream = Stream(cast.new_id("complaint"), Complaint())
    received = {
        "customer_id": CustomerId(cast.some_customer().id),
        "channel": dice.choice(CHANNELS),
        "facts": FACTS,
        "remedy_sought": "The missing crates by Friday, and half a day's wages of two fitters.",
        "about": f"contract-{dice.randrange(10_000)}",
    }
    yield Act(stream, "complaint.receive", clerk, received)
    yield Act(stream, "complaint.acknowledge", clerk, {"channel": "mail", "wording": ACKNOWLEDGED})
    if dice.random() < 0.25:
        yield Act(stream, "complaint.record_details", clerk, {"evidence": "Photographs of the crate, by mail."})
    fate = dice.random()
    if fate < 0.04:
        yield Act(stream, "complaint.withdraw", clerk, {"reason": "Found after all.", "evidence": "A call at noon."})
    elif fate < 0.06:
        yield Act(stream, "complaint.convert", clerk, {"into": Conversion.INQUIRY, "reason": "Only a question."})
    else:
        yield from _handling(cast, stream, clerk)


def _handling(cast: Cast, stream: Stream, clerk: Actor) -> Story:
    dice = cast.dice
    handler = dice.choice(cast.members)
    (unit,) = handler.areas
    yield Act(stream, "complaint.assess", clerk, _judgement(dice))
    if dice.random() < 0.1:
        late = timedelta(seconds=1) if dice.random() < 0.5 else None
        yield Act(stream, "complaint.reassess", cast.lead, _judgement(dice), late)
    if dice.random() < 0.002 or not cast.waivers:
        yield from _waiver(cast, stream, clerk)
    yield Act(stream, "complaint.assign_department", clerk, {"unit": unit})
    if dice.random() < 0.08:
        yield Act(stream, "complaint.contest_responsibility", handler, {"reason": "The carrier lost it, not we."})
        yield Act(
            stream, "complaint.settle_responsibility", cast.manager, {"unit": unit, "reason": "It is your contract."}
        )
    else:
        yield Act(stream, "complaint.accept_responsibility", handler, {})
    yield Act(stream, "complaint.assign", clerk, {"handler_id": handler.id, "handler": post_of(handler)})
    for _ in range(dice.randrange(1, 3)):
        found = {"findings": FINDINGS, "root_cause": dice.choice(("loading", "planning"))}
        yield Act(stream, "complaint.record_investigation", handler, found)
    due = date(2100, 1, dice.randrange(1, 28))
    yield Act(stream, "complaint.decide_measures", handler, {"measures": MEASURES, "due": due})
    yield from _settlement(cast, stream, clerk, handler)
    if dice.random() < 0.04:
        yield Act(stream, "complaint.reopen", clerk, {"reason": "It happened again."})
        yield from _settlement(cast, stream, clerk, handler)


def _waiver(cast: Cast, complaint: Stream, clerk: Actor) -> Story:
    """More time for one complaint, asked for by the clerk and granted by the manager."""
    cast.waivers += 1
    stream = Stream(cast.new_id("waiver"), Waiver())
    asked = {"rule": "R-CS-6", "case_id": complaint.id, "expires_at": FAR_AWAY, "grounds": "The customer is at sea."}
    yield Act(stream, "waiver.request", clerk, asked)
    yield Act(stream, "waiver.approve", cast.manager, {"longest": without_limit("P-31")})


def _settlement(cast: Cast, stream: Stream, clerk: Actor, handler: Actor) -> Story:
    """Offers until the customer is content, or nothing is left to offer."""
    dice, told = cast.dice, {"channel": "phone", "wording": PROGRESS}
    while True:
        for _ in range(dice.randrange(3)):
            yield Act(stream, "complaint.report_progress", handler, told)
        cost = Decimal(dice.choice((0, 0, 80, 450, 2600)))
        if cost > LIMITS["lead"].amount:
            yield Act(stream, "complaint.approve_remedy", cast.lead, {"cost": cost, "limits": LIMITS})
        offer = {"remedy": "Express delivery and a discount.", "cost": cost, "limits": LIMITS}
        yield Act(stream, "complaint.propose_resolution", handler, offer)
        yield Act(stream, "complaint.communicate_decision", handler, told)
        if dice.random() < 0.1:
            yield Act(stream, "complaint.remind_customer", handler, told)
        content = dice.random()
        if content < 0.85:
            said = {"evidence": "Said so on the phone.", "channel": "phone", "score": dice.randrange(1, 6)}
            yield Act(stream, "complaint.confirm_satisfaction", clerk, said)
            break
        yield Act(stream, "complaint.reject_resolution", clerk, {"reason": "Too late by now."})
        if content > 0.97:
            given_up = {"attempts": "A discount and an apology.", "external_recourse_offered": "The arbitration board."}
            yield Act(stream, "complaint.declare_recourse_exhausted", cast.manager, given_up)
            break
    yield Act(stream, "complaint.close", clerk, {"lessons": LESSONS})


def _ownership(cast: Cast, customer: Stream) -> Act:
    owner = cast.dice.choice(cast.clerks)
    return Act(customer, "customer.assign_owner", cast.manager, {"owner_id": owner.id, "owner": post_of(owner)})


def _judgement(dice: Random) -> dict[str, Any]:
    return {
        "category": dice.choice(CATEGORIES),
        "severity": dice.choice(tuple(Severity)),
        "safety_or_legal": dice.random() < 0.1,
        "complexity": dice.choice(tuple(Complexity)),
    }
