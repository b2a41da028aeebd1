"""The department: its units, who holds which office when, who stands in for whom: regulation 2.1, 2.2.2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain
from typing import Any, TypeAlias, assert_never

from msgspec.structs import replace

from aggregates.actor import Actor, Role
from aggregates.event import Event, command
from aggregates.ids import EmployeeId
from aggregates.refused import Refused
from aggregates.term import Term
from aggregates.text import Code, Text
from aggregates.value import Value

APPOINTERS = (Role.MANAGER, Role.HUMAN_RESOURCES)
NO_OFFICES = (Role.CUSTOMER, Role.SERVICE, Role.CLOCK)


class DepartmentFounded(Event):
    name: Code
    currency: Code
    zone: Code


class UnitEstablished(Event):
    unit: Code
    name: Code
    parent: Code | None = None


class UnitRenamed(Event):
    unit: Code
    name: Code


class UnitMoved(Event):
    unit: Code
    parent: Code | None


class UnitClosed(Event):
    unit: Code


class RoleAssigned(Event):
    employee_id: EmployeeId
    role: Role
    unit: Code
    valid_from: datetime
    valid_until: datetime | None = None


class RoleEnded(Event):
    employee_id: EmployeeId
    role: Role
    unit: Code
    ended_at: datetime


class BusinessAreaAssigned(Event):
    employee_id: EmployeeId
    area: Code
    valid_from: datetime
    valid_until: datetime | None = None


class BusinessAreaWithdrawn(Event):
    employee_id: EmployeeId
    area: Code
    ended_at: datetime


class ActingStarted(Event):
    employee_id: EmployeeId
    valid_from: datetime
    valid_until: datetime


class ActingEnded(Event):
    employee_id: EmployeeId
    ended_at: datetime


class DelegationGranted(Event):
    number: Code
    grantor_id: EmployeeId
    delegate_id: EmployeeId
    powers: tuple[Role, ...]
    areas: tuple[Code, ...]
    valid_from: datetime
    valid_until: datetime


class DelegationRevoked(Event):
    number: Code
    grantor_id: EmployeeId
    delegate_id: EmployeeId
    ended_at: datetime


class HandoverCompleted(Event):
    employee_id: EmployeeId
    successor_id: EmployeeId
    open_items: Text


DepartmentEvent: TypeAlias = (
    DepartmentFounded
    | UnitEstablished
    | UnitRenamed
    | UnitMoved
    | UnitClosed
    | RoleAssigned
    | RoleEnded
    | BusinessAreaAssigned
    | BusinessAreaWithdrawn
    | ActingStarted
    | ActingEnded
    | DelegationGranted
    | DelegationRevoked
    | HandoverCompleted
)


class OrgUnit(Value):
    """A unit of the department; the one without a parent is the department itself."""

    name: Code
    parent: Code | None
    closed: bool = False


class Office(Value, kw_only=False):
    """A role that somebody holds in a unit."""

    employee_id: EmployeeId
    role: Role
    unit: Code


class Charge(Value, kw_only=False):
    """A business area that a deputy is in charge of."""

    employee_id: EmployeeId
    area: Code


class Acting(Value, kw_only=False):
    """Somebody stands in for the manager."""

    employee_id: EmployeeId


Seat: TypeAlias = Office | Charge | Acting


class Lent(Value):
    """A delegation: who lends to whom, and for how long."""

    grantor_id: EmployeeId
    delegate_id: EmployeeId
    term: Term


class Department(Value):
    """Who may do what, and when. One manager, exactly, is in office at every instant."""

    units: Mapping[Code, OrgUnit] = {}
    held: Mapping[Seat, tuple[Term, ...]] = {}
    lent: Mapping[Code, Lent] = {}

    @command(by=APPOINTERS, clause="2.1")
    def establish_unit(self, unit: Code, name: Code, parent: Code) -> UnitEstablished:
        if unit in self.units:
            raise Refused("The code {unit} is taken: choose another.", unit=unit)
        self._open(parent)
        return UnitEstablished(unit=unit, name=name, parent=parent)

    @command(by=APPOINTERS, clause="2.1")
    def rename_unit(self, unit: Code, name: Code) -> UnitRenamed | None:
        return None if self._open(unit).name == name else UnitRenamed(unit=unit, name=name)

    @command(by=APPOINTERS, clause="2.1")
    def move_unit(self, unit: Code, parent: Code) -> UnitMoved | None:
        moved = self._open(unit)
        self._open(parent)
        if unit in self._line_up_from(parent):
            raise Refused("{parent} belongs to {unit} itself: choose another parent.", parent=parent, unit=unit)
        return None if moved.parent == parent else UnitMoved(unit=unit, parent=parent)

    @command(by=APPOINTERS, clause="2.1")
    def close_unit(self, at: datetime, unit: Code) -> UnitClosed:
        self._open(unit)
        if any(below.parent == unit and not below.closed for below in self.units.values()):
            raise Refused("Close or move the units of {unit} first.", unit=unit)
        if any(isinstance(seat, Office) and seat.unit == unit for seat in self._taken_in(Term(since=at))):
            raise Refused("End the offices held in {unit} first.", unit=unit)
        return UnitClosed(unit=unit)

    @command(by=APPOINTERS, clause="2.1")
    def appoint(
        self,
        by: Actor,
        at: datetime,
        employee_id: EmployeeId,
        role: Role,
        unit: Code,
        valid_from: datetime | None = None,
        valid_until: datetime | None = None,
    ) -> RoleAssigned:
        """Give somebody an office in a unit, from now or from a later instant on."""
        _not_to_oneself(by, employee_id)
        self._may_give(role, unit)
        term = _term(at, valid_from, valid_until)
        if Office(employee_id, role, unit) in self._taken_in(term):
            raise Refused("{employee_id} holds this office in that time already.", employee_id=employee_id)
        return RoleAssigned(
            employee_id=employee_id, role=role, unit=unit, valid_from=term.since, valid_until=term.until
        )

    @command(by=APPOINTERS, clause="2.1")
    def succeed_manager(
        self, by: Actor, at: datetime, employee_id: EmployeeId, valid_from: datetime | None = None
    ) -> list[RoleEnded | RoleAssigned]:
        """Begin the next manager's office at the instant at which the last one's ends; later plans are off."""
        _not_to_oneself(by, employee_id)
        term = _term(at, valid_from)
        managers = [s for s in self._taken_in(term) if isinstance(s, Office) and s.role is Role.MANAGER]
        if {manager.employee_id for manager in managers} == {employee_id} and term.within(self._when(managers)):
            return []
        return [
            *(RoleEnded(employee_id=m.employee_id, role=m.role, unit=m.unit, ended_at=term.since) for m in managers),
            RoleAssigned(employee_id=employee_id, role=Role.MANAGER, unit=self._root(), valid_from=term.since),
        ]

    @command(by=APPOINTERS, clause="2.1")
    def end_role(
        self, at: datetime, employee_id: EmployeeId, role: Role, unit: Code, ends_at: datetime | None = None
    ) -> list[RoleEnded | BusinessAreaWithdrawn]:
        """End an office, now or later. Whoever is no deputy any more loses the business areas at the same instant."""
        if role is Role.MANAGER:
            raise Refused("The manager stays in office until a successor takes over: name one.")
        ended_at = self._end(at, ends_at, Office(employee_id, role, unit))
        ended = RoleEnded(employee_id=employee_id, role=role, unit=unit, ended_at=ended_at)
        return [ended, *self.evolve(ended).areas_lost(employee_id, ended_at)]

    @command(by=(Role.MANAGER,), clause="2.2.2-a")
    def assign_area(
        self,
        by: Actor,
        at: datetime,
        employee_id: EmployeeId,
        area: Code,
        valid_from: datetime | None = None,
        valid_until: datetime | None = None,
    ) -> BusinessAreaAssigned:
        """Put a deputy in charge of a business area, and nobody else at the same time."""
        _not_to_oneself(by, employee_id)
        term = _term(at, valid_from, valid_until)
        for other in self._taken_in(term):
            if isinstance(other, Charge) and other.area == area:
                raise Refused(
                    "{employee_id} is in charge of {area} in that time: withdraw it first.",
                    employee_id=other.employee_id,
                    area=area,
                )
        if not term.within(self._own(employee_id, Role.DEPUTY)):
            raise Refused("{employee_id} is not a deputy for all that time.", employee_id=employee_id)
        return BusinessAreaAssigned(employee_id=employee_id, area=area, valid_from=term.since, valid_until=term.until)

    @command(by=(Role.MANAGER,), clause="2.2.2-a")
    def withdraw_area(
        self, at: datetime, employee_id: EmployeeId, area: Code, ends_at: datetime | None = None
    ) -> BusinessAreaWithdrawn:
        """Take a business area from a deputy, now or later."""
        ended_at = self._end(at, ends_at, Charge(employee_id, area))
        return BusinessAreaWithdrawn(employee_id=employee_id, area=area, ended_at=ended_at)

    @command(by=APPOINTERS, clause="2.2.2-a")
    def start_acting(
        self,
        by: Actor,
        at: datetime,
        employee_id: EmployeeId,
        valid_until: datetime,
        valid_from: datetime | None = None,
    ) -> ActingStarted:
        """Let somebody act for an absent manager, who stays in office."""
        _not_to_oneself(by, employee_id)
        term = _term(at, valid_from, valid_until)
        for other in self._taken_in(term):
            match other:
                case Acting(employee_id=who):
                    raise Refused("{employee_id} acts in that time: end that first.", employee_id=who)
                case Office(employee_id=who, role=Role.MANAGER) if who == employee_id:
                    raise Refused("Managers do not act for themselves: name somebody else.")
        return ActingStarted(employee_id=employee_id, valid_from=term.since, valid_until=valid_until)

    @command(by=APPOINTERS, clause="2.2.2-a")
    def end_acting(self, at: datetime, employee_id: EmployeeId, ends_at: datetime | None = None) -> ActingEnded:
        """The manager is back, now or earlier than planned."""
        ended_at = self._end(at, ends_at, Acting(employee_id))
        return ActingEnded(employee_id=employee_id, ended_at=ended_at)

    @command(by=(Role.EMPLOYEE,), clause="2.2.2-a")
    def delegate(
        self,
        by: Actor,
        at: datetime,
        delegate_id: EmployeeId,
        powers: tuple[Role, ...],
        areas: tuple[Code, ...],
        valid_until: datetime,
        valid_from: datetime | None = None,
    ) -> DelegationGranted:
        """Lend powers, and the units and business areas they reach, for a while. What is lent is not lent on."""
        if by.speaks_for(delegate_id):
            raise Refused("Nobody delegates to themselves: name somebody else.")
        if not powers:
            raise Refused("Name the powers that are delegated.")
        term = _term(at, valid_from, valid_until)
        for power in powers:
            if not term.within(self._own(by.employee, power)):
                raise Refused("You do not hold {power} in your own right for all that time.", power=power)
        for area in areas:
            if not term.within(self._reach(by.employee, area)):
                raise Refused("You are not in charge of {area} for all that time.", area=area)
        return DelegationGranted(
            number=Code(f"D-{len(self.lent) + 1}"),
            grantor_id=by.employee,
            delegate_id=delegate_id,
            powers=powers,
            areas=areas,
            valid_from=term.since,
            valid_until=valid_until,
        )

    @command(by=(Role.EMPLOYEE,), clause="2.2.2-a")
    def revoke_delegation(self, by: Actor, at: datetime, number: Code) -> DelegationRevoked:
        lent = self.lent.get(number)
        if lent is None or not lent.term.meets(Term(since=at)):
            raise Refused("No delegation {number} is in force or to come.", number=number)
        if not by.speaks_for(lent.grantor_id) and Role.MANAGER not in by.roles:
            raise Refused("Only the grantor or the manager revokes a delegation.")
        return DelegationRevoked(number=number, grantor_id=lent.grantor_id, delegate_id=lent.delegate_id, ended_at=at)

    @command(by=APPOINTERS, clause="2.1")
    def complete_handover(
        self, at: datetime, employee_id: EmployeeId, successor_id: EmployeeId, open_items: Text
    ) -> HandoverCompleted:
        """State that what somebody left open has passed to a successor."""
        if employee_id == successor_id:
            raise Refused("Nobody hands over to themselves: name the successor.")
        if not any(seat.employee_id == employee_id for seat in self.held):
            raise Refused("{employee_id} has held nothing that could be handed over.", employee_id=employee_id)
        if not any(seat.employee_id == successor_id for seat in self._taken_in(Term(since=at))):
            raise Refused("Appoint {successor_id} before the handover.", successor_id=successor_id)
        return HandoverCompleted(employee_id=employee_id, successor_id=successor_id, open_items=open_items)

    def admits(self, event: UnitEstablished | RoleAssigned, /) -> bool:
        """Whether what a file says is news. No file makes a manager or a second root, nor moves what is there."""
        match event:
            case UnitEstablished(unit=unit) if unit in self.units:
                self._open(unit)
                return False
            case UnitEstablished(unit=unit, parent=parent):
                if parent is None:
                    raise Refused("The department is founded already: name a parent of {unit}.", unit=unit)
                self._open(parent)
                return True
            case RoleAssigned(employee_id=who, role=role, unit=unit, valid_from=since, valid_until=until):
                self._may_give(role, unit)
                return Office(who, role, unit) not in self._taken_in(_term(since, since, until))
            case _:
                assert_never(event)

    def areas_lost(self, who: EmployeeId, at: datetime) -> list[BusinessAreaWithdrawn]:
        """The business areas that fall with the office of deputy, which somebody holds no longer from an instant on."""
        deputy = tuple(self._own(who, Role.DEPUTY))
        charges = (s for s in self._taken_in(Term(since=at)) if isinstance(s, Charge) and s.employee_id == who)
        lost = (charge.area for charge in charges if not all(term.within(deputy) for term in self.held[charge]))
        return [BusinessAreaWithdrawn(employee_id=who, area=area, ended_at=at) for area in lost]

    def evolve(self, event: DepartmentEvent, /) -> Department:
        match event:
            case UnitEstablished(unit=unit, name=name, parent=parent):
                return replace(self, units={**self.units, unit: OrgUnit(name=name, parent=parent)})
            case UnitRenamed(unit=unit, name=name):
                return self._altered(unit, name=name)
            case UnitMoved(unit=unit, parent=parent):
                return self._altered(unit, parent=parent)
            case UnitClosed(unit=unit):
                return self._altered(unit, closed=True)
            case RoleAssigned(employee_id=who, role=role, unit=unit, valid_from=since, valid_until=until):
                return self._began(Office(who, role, unit), since, until)
            case RoleEnded(employee_id=who, role=role, unit=unit, ended_at=at):
                return self._ended(Office(who, role, unit), at)
            case BusinessAreaAssigned(employee_id=who, area=area, valid_from=since, valid_until=until):
                return self._began(Charge(who, area), since, until)
            case BusinessAreaWithdrawn(employee_id=who, area=area, ended_at=at):
                return self._ended(Charge(who, area), at)
            case ActingStarted(employee_id=who, valid_from=since, valid_until=until):
                return self._began(Acting(who), since, until)
            case ActingEnded(employee_id=who, ended_at=at):
                return self._ended(Acting(who), at)
            case DelegationGranted(number=number, valid_from=since, valid_until=until) as granted:
                term = Term(since=since, until=until)
                lent = Lent(grantor_id=granted.grantor_id, delegate_id=granted.delegate_id, term=term)
                return replace(self, lent={**self.lent, number: lent})
            case DelegationRevoked(number=number, ended_at=at):
                if (known := self.lent.get(number)) is None:
                    return self
                return replace(self, lent={**self.lent, number: replace(known, term=known.term.ended(at))})
            case DepartmentFounded() | HandoverCompleted():
                return self
            case _:
                assert_never(event)

    def _may_give(self, role: Role, unit: Code) -> None:
        if role is Role.MANAGER:
            raise Refused("The department has one manager: name a successor instead.")
        if role in NO_OFFICES:
            raise Refused("{role} is no office that anybody could be given.", role=role)
        self._open(unit)

    def _began(self, seat: Seat, since: datetime, until: datetime | None) -> Department:
        terms = (*self.held.get(seat, ()), Term(since=since, until=until))
        return replace(self, held={**self.held, seat: terms})

    def _ended(self, seat: Seat, at: datetime) -> Department:
        terms = tuple(term.ended(at) for term in self.held.get(seat, ()))
        return replace(self, held={**self.held, seat: terms})

    def _altered(self, unit: Code, **changes: Any) -> Department:
        known = self.units.get(unit)
        return self if known is None else replace(self, units={**self.units, unit: replace(known, **changes)})

    def _taken_in(self, term: Term) -> Iterator[Seat]:
        return (seat for seat, terms in self.held.items() if any(term.meets(other) for other in terms))

    def _when(self, seats: Iterable[Seat]) -> Iterator[Term]:
        return chain.from_iterable(self.held[seat] for seat in seats)

    def _own(self, who: EmployeeId, role: Role) -> Iterator[Term]:
        """When somebody holds a role as an office: acting is not holding."""
        offices = (seat for seat in self.held if isinstance(seat, Office))
        return self._when(o for o in offices if (o.employee_id, o.role) == (who, role))

    def _reach(self, who: EmployeeId, area: Code) -> Iterator[Term]:
        """When somebody is in charge of a business area, or holds an office in the unit of that code."""
        offices = (seat for seat in self.held if isinstance(seat, Office))
        here = (o for o in offices if (o.employee_id, o.unit) == (who, area))
        return chain(self._when(here), self.held.get(Charge(who, area), ()))

    def _open(self, unit: Code) -> OrgUnit:
        known = self.units.get(unit)
        if known is None or known.closed:
            raise Refused("There is no open unit {unit}.", unit=unit)
        return known

    def _root(self) -> Code:
        for unit, known in self.units.items():
            if known.parent is None:
                return unit
        raise Refused("Found the department first.")

    def _line_up_from(self, unit: Code) -> set[Code]:
        line: set[Code] = set()
        above: Code | None = unit
        while above is not None and above not in line:
            line.add(above)
            above = self.units[above].parent if above in self.units else None
        return line

    def _end(self, at: datetime, ends_at: datetime | None, seat: Seat) -> datetime:
        end = _term(at, ends_at).since
        if seat not in self._taken_in(Term(since=end)):
            raise Refused("{employee_id} does not hold this any more at that time.", employee_id=seat.employee_id)
        return end


def _term(at: datetime, valid_from: datetime | None, valid_until: datetime | None = None) -> Term:
    since = at if valid_from is None else valid_from
    if since < at:
        raise Refused("This cannot take effect before the act: back-date the act itself, with a reason.")
    if valid_until is not None and valid_until <= since:
        raise Refused("It must end after it begins.")
    return Term(since=since, until=valid_until)


def _not_to_oneself(by: Actor, employee_id: EmployeeId) -> None:
    if by.speaks_for(employee_id):
        raise Refused("Nobody appoints themselves: somebody else must do it.")
