"""Reference data: who holds which office when, which values the parameters have, which research is published; small,
held whole in memory."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property, lru_cache
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from aggregates.actor import Actor, Delegation, Role
from aggregates.business.research import ResearchPublished
from aggregates.event import Event, LegacySourceDescribed, Recorded
from aggregates.facts import Post, Quantity, Setting
from aggregates.ids import AnyId, EmployeeId, ResearchId
from aggregates.organisation.calendar import BusinessCalendarCorrected, BusinessCalendarPublished, year_of
from aggregates.organisation.department import (
    ActingEnded,
    ActingStarted,
    BusinessAreaAssigned,
    BusinessAreaWithdrawn,
    DelegationGranted,
    DelegationRevoked,
    DepartmentFounded,
    RoleAssigned,
    RoleEnded,
)
from aggregates.organisation.parameter import PolicyParameterChanged, PolicyParameterDefined
from aggregates.organisation.waiver import WaiverApproved, WaiverRevoked
from aggregates.term import Term
from aggregates.text import Code
from aggregates.value import Value
from aggregates.working_time import WorkingTime, WorkingYear

APPOINTMENTS: frozenset[type[Event]] = frozenset(
    {
        ActingEnded,
        ActingStarted,
        BusinessAreaAssigned,
        BusinessAreaWithdrawn,
        DelegationGranted,
        DelegationRevoked,
        RoleAssigned,
        RoleEnded,
    }
)
"""What changes the offices of the employees whose ids these events carry."""

CALENDAR: frozenset[type[Event]] = frozenset({DepartmentFounded, BusinessCalendarPublished, BusinessCalendarCorrected})
"""What working time is made of: the years, and the zone in which the company's clocks go."""

PARAMETERS: frozenset[type[Event]] = frozenset({PolicyParameterDefined, PolicyParameterChanged})


class Office(Value):
    """What somebody holds for a term: a role in a unit, a business area, or both."""

    term: Term
    role: Role | None = None
    area: Code | None = None
    acting: bool = False


class Held:
    """What somebody holds from each instant on at which that changes, up to the next; worked out when somebody asks,
    for hardly ever does anybody between two changes."""

    def __init__(self, employee_id: EmployeeId, offices: Iterable[Office]) -> None:
        self._employee_id, self._offices = employee_id, offices

    def at(self, instant: datetime) -> Post:
        """What it is at an instant."""
        since, posts = self._all_along
        return posts[bisect_right(since, instant)]

    @cached_property
    def _all_along(self) -> tuple[list[datetime], list[Post]]:
        """The instants, and what is held before the first of them and from each of them on."""
        changes: defaultdict[datetime, list[tuple[Office, int]]] = defaultdict(list)
        for office in self._offices:
            since, until = office.term.since, office.term.until
            if until is None or since < until:
                changes[since].append((office, 1))
                if until is not None:
                    changes[until].append((office, -1))
        roles, areas, posts = Counter[Role | None](), Counter[Code | None](), [self._post(frozenset(), frozenset())]
        for at in sorted(changes):
            for office, more in changes[at]:
                roles[office.role] += more
                areas[office.area] += more
            posts.append(self._post(frozenset(+roles), frozenset(+areas)))
        return sorted(changes), posts

    def _post(self, roles: frozenset[Role | None], areas: frozenset[Code | None]) -> Post:
        """Of whoever holds anything: None stands for an office without a role, or without an area."""
        return Post(
            employee_id=self._employee_id,
            roles=frozenset(role for role in (*roles, Role.EMPLOYEE) if role is not None) if roles else frozenset(),
            areas=frozenset(area for area in areas if area is not None),
        )


class Lent(Value):
    """Powers that somebody lends to somebody else for a term."""

    number: Code
    grantor_id: EmployeeId
    delegate_id: EmployeeId
    powers: frozenset[Role]
    areas: frozenset[Code]
    term: Term


class Version(Value):
    """The values of a parameter from an instant on, and the position of the event that says so."""

    values: Mapping[Code, Quantity]
    valid_from: datetime
    position: int


class InForce(Value):
    """Which version of a parameter is in force from each of some instants on, up to the next."""

    since: tuple[datetime, ...]
    versions: tuple[Version, ...]
    first: Version

    @classmethod
    def of(cls, known: Collection[Version]) -> InForce:
        """Of those already valid the one that began last, of equals the one known last."""
        ordered = tuple(sorted(known, key=attrgetter("valid_from", "position")))
        since = tuple(version.valid_from for version in ordered)
        return cls(since=since, versions=ordered, first=min(known, key=attrgetter("position")))

    def at(self, instant: datetime) -> Version:
        """The version in force; before the first that is valid, the one known first."""
        place = bisect_right(self.since, instant)
        return self.versions[place - 1] if place else self.first


NO_WORK = WorkingTime((), UTC)


class Appointments(tuple[Recorded[Any], ...]):
    """The events behind the offices, in their order; equal to nothing but themselves, so that whoever judges them can
    remember by them what they come to."""

    __slots__ = ()
    __eq__, __ne__, __hash__ = object.__eq__, object.__ne__, object.__hash__


class Reference(Value):
    """Offices, delegations, parameters and calendars as they stand after the event at `position`.

    `working_time` is the company's, as far as its calendars are published; `calendar` is the position of the newest
    calendar, `sources` are those that history was imported from, and what each can tell of. `appointments` are the
    events behind the offices, for whoever judges them anew; `waived`: when a rule did not hold for a case; `published`:
    when research was published last.
    """

    position: int = 0
    offices: Mapping[EmployeeId, tuple[Office, ...]] = {}
    held: Mapping[EmployeeId, Held] = {}
    lent: Mapping[Code, Lent] = {}
    versions: Mapping[Code, tuple[Version, ...]] = {}
    in_force: Mapping[str, InForce] = {}
    zone: Code = Code("UTC")
    years: Mapping[int, WorkingYear] = {}
    working_time: WorkingTime = NO_WORK
    calendar: int = 0
    appointments: Appointments = Appointments()
    sources: Mapping[Code, frozenset[Code]] = {}
    waived: Mapping[tuple[Code, AnyId], tuple[Term, ...]] = {}
    published: Mapping[ResearchId, datetime] = {}

    def is_waived(self, rule: Code, case_id: AnyId, at: datetime) -> bool:
        """Did a rule not hold for a case at an instant?"""
        return bool(self.waived) and any(term.holds(at) for term in self.waived.get((rule, case_id), ()))

    def begin_of(self, day: date) -> datetime:
        """When that day begins where the company's clocks go."""
        return datetime.combine(day, time(), ZoneInfo(self.zone)).astimezone(UTC)

    def end_of(self, day: date) -> datetime:
        """When that day is over there."""
        return self.begin_of(day + timedelta(days=1))

    def could_tell(self, source: str, needed: Iterable[Iterable[str]]) -> bool:
        """Could a source of imported history tell one thing of each group? One that nobody has described could."""
        told = self.sources.get(Code(source))
        return told is None or all(any(name in told for name in group) for group in needed)

    def after(self, record: Recorded[Any]) -> Reference:
        """The reference data once this has happened too; events of no concern change nothing but the position."""
        learned = self._learned(record.event, record.stream_id, record.position, record.effective_at)
        if type(record.event) in APPOINTMENTS:
            learned = replace(learned, appointments=Appointments((*self.appointments, record)))
        return replace(learned, position=record.position)

    def _learned(self, event: Event, stream_id: str, position: int, since: datetime) -> Reference:
        match event:
            case RoleAssigned(employee_id=who, role=role, unit=unit, valid_from=since, valid_until=until):
                return self._with_office(who, Office(term=Term(since=since, until=until), role=role, area=unit))
            case BusinessAreaAssigned(employee_id=who, area=area, valid_from=since, valid_until=until):
                return self._with_office(who, Office(term=Term(since=since, until=until), area=area))
            case ActingStarted(employee_id=who, valid_from=since, valid_until=until):
                term = Term(since=since, until=until)
                return self._with_office(who, Office(term=term, role=Role.MANAGER, acting=True))
            case RoleEnded(employee_id=who, role=role, unit=unit, ended_at=at):
                return self._ended(who, at, lambda o: not o.acting and (o.role, o.area) == (role, unit))
            case BusinessAreaWithdrawn(employee_id=who, area=area, ended_at=at):
                return self._ended(who, at, lambda o: o.role is None and o.area == area)
            case ActingEnded(employee_id=who, ended_at=at):
                return self._ended(who, at, lambda o: o.acting)
            case DelegationGranted() as granted:
                lent = Lent(
                    number=granted.number,
                    grantor_id=granted.grantor_id,
                    delegate_id=granted.delegate_id,
                    powers=frozenset(granted.powers),
                    areas=frozenset(granted.areas),
                    term=Term(since=granted.valid_from, until=granted.valid_until),
                )
                return replace(self, lent={**self.lent, lent.number: lent})
            case DelegationRevoked(number=number, ended_at=at):
                if (old := self.lent.get(number)) is None:
                    return self
                return replace(self, lent={**self.lent, number: replace(old, term=old.term.ended(at))})
            case PolicyParameterDefined() | PolicyParameterChanged() as set_:
                version = Version(values=set_.values, valid_from=set_.valid_from, position=position)
                known = (*self.versions.get(set_.number, ()), version)
                return replace(
                    self,
                    versions={**self.versions, set_.number: known},
                    in_force={**self.in_force, set_.number: InForce.of(known)},
                )
            case DepartmentFounded(zone=zone):
                return replace(self, zone=zone, working_time=_working_time(tuple(self.years.values()), zone))
            case BusinessCalendarPublished() | BusinessCalendarCorrected() as given:
                years = {**self.years, given.year: year_of(given)}
                working_time = _working_time(tuple(years.values()), self.zone)
                return replace(self, years=years, working_time=working_time, calendar=position)
            case WaiverApproved(rule=rule, case_id=case_id, expires_at=until):
                terms = (*self.waived.get((rule, case_id), ()), Term(since=since, until=until))
                return replace(self, waived={**self.waived, (rule, case_id): terms})
            case WaiverRevoked(rule=rule, case_id=case_id):
                terms = tuple(term.ended(since) for term in self.waived.get((rule, case_id), ()))
                return replace(self, waived={**self.waived, (rule, case_id): terms})
            case ResearchPublished():
                return replace(self, published={**self.published, ResearchId(stream_id): since})
            case LegacySourceDescribed(source=source, tells=tells):
                told = self.sources.get(source, frozenset()) | frozenset(tells)
                return replace(self, sources={**self.sources, source: told})
            case _:
                return self

    def post(self, employee_id: EmployeeId, at: datetime) -> Post:
        """What somebody holds in their own right; empty for whoever holds nothing."""
        held = self.held.get(employee_id)
        return Post(employee_id=employee_id) if held is None else held.at(at)

    def actors(self, employee_id: EmployeeId, wanted: frozenset[Role], *times: datetime) -> Iterator[Actor]:
        """Who asks, with the roles held at all of these times: first in their own right, then with each power lent to
        them that could add to it. Nobody where none of the wanted roles is held."""
        own = self._all_along(employee_id, times)
        if not wanted.isdisjoint(own.roles):
            yield Actor(id=employee_id, roles=own.roles, areas=own.areas)
        for lent in self._lent_to(employee_id, times):
            grantor = self._all_along(lent.grantor_id, times)
            powers = lent.powers & grantor.roles
            roles = own.roles | powers | {Role.EMPLOYEE}
            if powers <= own.roles or wanted.isdisjoint(powers | {Role.EMPLOYEE}):
                continue
            yield Actor(
                id=employee_id,
                roles=roles,
                areas=own.areas | (lent.areas & grantor.areas),
                delegation=Delegation(number=lent.number, grantor_id=lent.grantor_id),
            )

    def setting(self, number: str, at: datetime) -> Setting:
        """The values in force; before the first version, that version. KeyError if there is no such parameter."""
        return Setting(number=Code(number), values=self.version(number, at).values)

    def version(self, number: str, at: datetime) -> Version:
        """The version in force; before the first that is valid, the one known first. KeyError as above."""
        return self.in_force[number].at(at)

    def _all_along(self, employee_id: EmployeeId, times: tuple[datetime, ...]) -> Post:
        first, *rest = [self.post(employee_id, at) for at in times]
        for post in rest:
            first = replace(first, roles=first.roles & post.roles, areas=first.areas & post.areas)
        return first

    def _lent_to(self, employee_id: EmployeeId, times: tuple[datetime, ...]) -> Iterator[Lent]:
        for lent in self.lent.values():
            if lent.delegate_id == employee_id and all(lent.term.holds(at) for at in times):
                yield lent

    def _with_office(self, who: EmployeeId, office: Office) -> Reference:
        return self._with_offices(who, (*self.offices.get(who, ()), office))

    def _ended(self, who: EmployeeId, at: datetime, which: Callable[[Office], bool]) -> Reference:
        return self._with_offices(
            who, tuple(replace(o, term=o.term.ended(at)) if which(o) else o for o in self.offices.get(who, ()))
        )

    def _with_offices(self, who: EmployeeId, offices: tuple[Office, ...]) -> Reference:
        return replace(self, offices={**self.offices, who: offices}, held={**self.held, who: Held(who, offices)})


@lru_cache(8)
def _working_time(years: tuple[WorkingYear, ...], zone: str) -> WorkingTime:
    return WorkingTime(years, ZoneInfo(zone))


WAIVERS: frozenset[type[Event]] = frozenset({WaiverApproved, WaiverRevoked})

REFERENCE_EVENTS = APPOINTMENTS | PARAMETERS | CALENDAR | WAIVERS | {LegacySourceDescribed, ResearchPublished}
