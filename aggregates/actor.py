"""Who asks, in which office, and for whom."""

from __future__ import annotations

from enum import StrEnum, auto

from aggregates.ids import CustomerId, EmployeeId
from aggregates.refused import Refused
from aggregates.text import Code
from aggregates.value import Value


class Role(StrEnum):
    """An office of the department, or a part that others play towards it (regulation, part two)."""

    MANAGER = "MGR"
    DEPUTY = "DEP"
    BUSINESS_DEVELOPMENT = "BD"
    BUSINESS_DEVELOPMENT_LEAD = "BDL"
    PROJECT_MANAGER = "PM"
    PROJECT_LEAD = "PML"
    MEMBER = "MEM"
    CUSTOMER_SERVICE = "CS"
    CUSTOMER_SERVICE_LEAD = "CSL"
    DATA_ANALYST = "DA"
    DATA_LEAD = "DAL"
    HUMAN_RESOURCES = "HR"
    LEGAL = "LEG"
    FINANCE = "FIN"
    RECORDS = "REC"
    RISK = "RSK"
    SECURITY = "SEC"
    AUDITOR = "AUD"
    EMPLOYEE = "EMP"
    CUSTOMER = "CUST"
    SERVICE = "SVC"
    CLOCK = "CLK"


INSIDE = frozenset(Role) - {Role.CUSTOMER}
"""Everybody but the customers."""

MAY_BACKDATE = frozenset(
    {
        Role.MANAGER,
        Role.DEPUTY,
        Role.BUSINESS_DEVELOPMENT_LEAD,
        Role.PROJECT_LEAD,
        Role.CUSTOMER_SERVICE_LEAD,
        Role.DATA_LEAD,
        Role.HUMAN_RESOURCES,
        Role.FINANCE,
        Role.RECORDS,
    }
)
"""Whoever answers for others, and whoever books what a bank tells days later, may record an act of an earlier time,
with a reason."""


class ActorKind(StrEnum):
    """What sort of somebody an actor is."""

    EMPLOYEE = auto()
    CUSTOMER = auto()
    CLOCK = auto()
    POLICY = auto()
    IMPORTER = auto()
    FOUNDER = auto()


NOBODY = frozenset({ActorKind.CLOCK, ActorKind.POLICY})
"""Behind these stands nobody: time has passed, or something else has happened."""


class Delegation(Value):
    """A power lent for a while: whose it is, and under which number it was granted."""

    number: Code
    grantor_id: EmployeeId


class Actor(Value):
    """Somebody with the roles and areas in force at this moment, and the delegation this act rests on, if any."""

    id: str
    kind: ActorKind = ActorKind.EMPLOYEE
    roles: frozenset[Role] = frozenset()
    areas: frozenset[Code] = frozenset()
    delegation: Delegation | None = None

    @property
    def employee(self) -> EmployeeId:
        """The employee who acts; refused for anybody else."""
        if self.kind is not ActorKind.EMPLOYEE:
            raise Refused("Only an employee can do this.")
        return EmployeeId(self.id)

    @property
    def people(self) -> tuple[EmployeeId, ...]:
        """The employee who acts, and the one whose power is used, if that is another's: both answer for it."""
        lent = self.delegation
        return (self.employee,) if lent is None else (self.employee, lent.grantor_id)

    def speaks_for(self, person: EmployeeId | CustomerId | None) -> bool:
        """Is it the same person, or somebody using that person's delegated power? Rules ask this, never `id`."""
        return person is not None and (
            person == self.id or (self.delegation is not None and person == self.delegation.grantor_id)
        )
