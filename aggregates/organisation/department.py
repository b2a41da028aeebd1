"""The department: its units, who holds which office when, who stands in for whom: regulation 2.1, 2.2.2."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from aggregates.actor import Role
from aggregates.event import Event
from aggregates.ids import EmployeeId
from aggregates.text import Code, Text


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
    UnitEstablished
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
