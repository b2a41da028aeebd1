"""Rules of the organisation: regulation 2.1 and 2.2.2, who is in office and in charge at every instant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from aggregates.actor import Role
from aggregates.ids import DepartmentId
from aggregates.organisation.department import (
    ActingEnded,
    ActingStarted,
    BusinessAreaAssigned,
    BusinessAreaWithdrawn,
    RoleAssigned,
    RoleEnded,
)
from aggregates.text import Code
from projections.reference import Reference
from projections.rules.duty import Finding
from projections.rules.offices import Span, acting, in_charge, in_office
from projections.rules.rule import Mode, Rule
from projections.rules.templates.values import Invariant

VACANT, DOUBLE, NO_DEPUTY = Code("vacant"), Code("held twice"), Code("in charge without being a deputy")


def one_manager(reference: Reference) -> tuple[Finding, ...]:
    """When there was nobody to lead the department, and when two did at once."""
    managers = in_office(reference.appointments, Role.MANAGER)
    standing_in = acting(reference.appointments)
    return (
        *_gaps([*managers, *standing_in], Code("MGR")),
        *_overlaps(managers, Code("MGR")),
        *_overlaps(standing_in, Code("acting MGR")),
    )


def one_deputy_for_each_area(reference: Reference) -> tuple[Finding, ...] | None:
    """When an area that has had a deputy in charge had none, or two, or somebody who was no deputy. None while no area
    has had any: which areas there are only their deputies say."""
    if not in_charge(reference.appointments):
        return None
    deputies = in_office(reference.appointments, Role.DEPUTY)
    return tuple(
        finding
        for area, spans in sorted(in_charge(reference.appointments).items())
        for finding in (
            *_gaps(spans, Code(area)),
            *_overlaps(spans, Code(area)),
            *_without(spans, deputies, Code(area)),
        )
    )


def _gaps(spans: Iterable[Span], whom: Code) -> Iterator[Finding]:
    """Times after the first span in which none lasts."""
    reached: datetime | None = None
    for span in sorted(spans, key=lambda span: span.since):
        if reached is not None and span.since > reached:
            yield Finding(what=VACANT, whom=whom, since=reached, until=span.since)
        if span.until is None:
            return
        reached = span.until if reached is None else max(reached, span.until)
    if reached is not None:
        yield Finding(what=VACANT, whom=whom, since=reached)


def _overlaps(spans: Iterable[Span], whom: Code) -> Iterator[Finding]:
    """Times in which two people hold the same."""
    ordered = sorted(spans, key=lambda span: span.since)
    for place, one in enumerate(ordered):
        for other in ordered[place + 1 :]:
            if one.until is not None and other.since >= one.until:
                break
            if other.who != one.who:
                ends = [span.until for span in (one, other) if span.until is not None]
                yield Finding(what=DOUBLE, whom=whom, since=other.since, until=min(ends, default=None))


def _without(spans: Iterable[Span], deputies: list[Span], whom: Code) -> Iterator[Finding]:
    """Times in which somebody is in charge and holds no office of deputy."""
    for span in spans:
        reached = span.since
        for office in sorted((o for o in deputies if o.who == span.who), key=lambda o: o.since):
            if office.since <= reached:
                if office.until is None:
                    break
                reached = max(reached, office.until)
        else:
            if span.until is None or reached < span.until:
                yield Finding(what=NO_DEPUTY, whom=whom, since=reached, until=span.until)


ONE_MANAGER = Invariant(
    "R-ORG-1",
    "At every instant one manager is in office, or somebody is recorded as acting.",
    cases=DepartmentId,
    clauses=("2.1",),
    mode=Mode.PREVENT,
    at=(RoleAssigned, RoleEnded, ActingStarted, ActingEnded),
    findings=one_manager,
)

ONE_DEPUTY = Invariant(
    "R-ORG-2",
    "Every business area that has ever had a deputy in charge has one, exactly.",
    cases=DepartmentId,
    clauses=("2.1", "2.2.2-a"),
    mode=Mode.DETECT,
    at=(RoleAssigned, RoleEnded, BusinessAreaAssigned, BusinessAreaWithdrawn),
    findings=one_deputy_for_each_area,
)

RULES: tuple[Rule, ...] = (ONE_MANAGER, ONE_DEPUTY)
