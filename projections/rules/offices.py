"""Who held an office when: worked out anew from the events alone, so that a fault in the gates cannot hide here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from aggregates.actor import Role
from aggregates.event import Recorded
from aggregates.organisation.department import (
    ActingEnded,
    ActingStarted,
    BusinessAreaAssigned,
    BusinessAreaWithdrawn,
    DelegationGranted,
    DelegationRevoked,
    RoleAssigned,
    RoleEnded,
)
from projections.reference import Appointments


class Span(NamedTuple):
    """Somebody holds something from an instant on, up to another or without end."""

    who: str
    since: datetime
    until: datetime | None

    def lasts(self, at: datetime) -> bool:
        """Does it at that instant?"""
        return self.since <= at and (self.until is None or at < self.until)


class _Spans:
    """Spans that begin and are cut short, as the events say one after the other."""

    def __init__(self) -> None:
        self._spans: dict[tuple[Any, ...], list[Span]] = {}

    def begin(self, key: tuple[Any, ...], who: str, since: datetime, until: datetime | None) -> None:
        self._spans.setdefault(key, []).append(Span(who, since, until))

    def end(self, key: tuple[Any, ...], at: datetime) -> None:
        """Whatever lasts longer ends there; what would have begun later never comes."""
        cut = [
            span if span.until is not None and span.until <= at else span._replace(until=at) for span in self._of(key)
        ]
        self._spans[key] = [span for span in cut if span.until is None or span.since < span.until]

    def all(self) -> Iterator[Span]:
        for spans in self._spans.values():
            yield from spans

    def _of(self, key: tuple[Any, ...]) -> list[Span]:
        return self._spans.get(key, [])


def in_office(appointments: Iterable[Recorded[Any]], office: Role) -> list[Span]:
    """Who held an office when, in whichever unit, in their own right."""
    spans = _Spans()
    for record in appointments:
        match record.event:
            case RoleAssigned(employee_id=who, role=role, unit=unit, valid_from=since, valid_until=until):
                if role == office:
                    spans.begin((who, unit), who, since, until)
            case RoleEnded(employee_id=who, role=role, unit=unit, ended_at=at):
                if role == office:
                    spans.end((who, unit), at)
            case _:
                pass
    return list(spans.all())


def acting(appointments: Iterable[Recorded[Any]]) -> list[Span]:
    """Who stood in for the manager when."""
    spans = _Spans()
    for record in appointments:
        match record.event:
            case ActingStarted(employee_id=who, valid_from=since, valid_until=until):
                spans.begin((who,), who, since, until)
            case ActingEnded(employee_id=who, ended_at=at):
                spans.end((who,), at)
            case _:
                pass
    return list(spans.all())


@lru_cache(64)
def in_charge(appointments: Appointments) -> dict[str, list[Span]]:
    """Of each business area that anybody was ever in charge of: who was, when."""
    of_area: dict[str, _Spans] = {}
    for record in appointments:
        match record.event:
            case BusinessAreaAssigned(employee_id=who, area=area, valid_from=since, valid_until=until):
                of_area.setdefault(area, _Spans()).begin((who,), who, since, until)
            case BusinessAreaWithdrawn(employee_id=who, area=area, ended_at=at):
                of_area.setdefault(area, _Spans()).end((who,), at)
            case _:
                pass
    return {area: list(spans.all()) for area, spans in of_area.items()}


class Loan(NamedTuple):
    """Somebody has lent a power to somebody else for a time, in some areas."""

    grantor_id: str
    span: Span
    areas: frozenset[str]


def lent(appointments: Iterable[Recorded[Any]], power: Role) -> list[Loan]:
    """Who had lent a power to whom, and when."""
    found: dict[str, Loan] = {}
    for record in appointments:
        match record.event:
            case DelegationGranted() as granted if power in granted.powers:
                span = Span(granted.delegate_id, granted.valid_from, granted.valid_until)
                found[granted.number] = Loan(granted.grantor_id, span, frozenset(granted.areas))
            case DelegationRevoked(number=number, ended_at=at) if number in found:
                span = found[number].span
                if span.until is None or at < span.until:
                    found[number] = found[number]._replace(span=span._replace(until=at))
            case _:
                pass
    return list(found.values())


def held(appointments: Appointments, office: Role, who: str, at: datetime) -> bool:
    """Did somebody hold an office at an instant: in their own right, acting, or by a power lent by whoever held it?"""
    own, loans = _holding(appointments, office)
    holders = {span.who for span in own if span.lasts(at)}
    return who in holders or any(loan.grantor_id in holders for loan in _lent_to(who, loans, at))


def held_area(appointments: Appointments, area: str, who: str, at: datetime) -> bool:
    """Was somebody in charge of an area: in their own right, or by a deputy's power lent for it by whoever was?"""
    _, loans = _holding(appointments, Role.DEPUTY)
    holders = {span.who for span in in_charge(appointments).get(area, ()) if span.lasts(at)}
    return who in holders or any(loan.grantor_id in holders and area in loan.areas for loan in _lent_to(who, loans, at))


def _lent_to(who: str, loans: Iterable[Loan], at: datetime) -> Iterator[Loan]:
    return (loan for loan in loans if loan.span.who == who and loan.span.lasts(at))


@lru_cache(512)
def _holding(appointments: Appointments, office: Role) -> tuple[list[Span], list[Loan]]:
    own = in_office(appointments, office)
    if office == Role.MANAGER:
        own += acting(appointments)
    return own, lent(appointments, office)
