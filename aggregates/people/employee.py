"""An employee: who is meant by an id, and under which number; the name belongs to the person: regulation 1.2."""

from __future__ import annotations

from typing import Annotated, TypeAlias, assert_never

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from aggregates.actor import Role
from aggregates.event import Event, command
from aggregates.refused import Refused
from aggregates.text import Code, Personal, findable, personal, unique
from aggregates.value import Value

REGISTRARS = (Role.HUMAN_RESOURCES, Role.MANAGER)

Name: TypeAlias = Annotated[Personal, personal("self"), findable("employee-name")]
Private: TypeAlias = Annotated[Personal, personal("self", restricted=True)]
"""How to reach somebody outside the office: few may read it, and reading it leaves a trace."""

EmployeeNumber: TypeAlias = Annotated[Code, unique("employee-number")]


class Details(Value):
    """What a file says of an employee. A detail left out stays as it is; null says that there is none any more."""

    name: Name | UnsetType = UNSET
    number: EmployeeNumber | UnsetType | None = UNSET
    email: Private | UnsetType | None = UNSET


class EmployeeRegistered(Event):
    name: Name
    number: EmployeeNumber | None = None
    email: Private | None = None


class EmployeeDetailsChanged(Details, Event):
    """From now on it is otherwise."""


class EmployeeDetailsCorrected(Details, Event):
    """It was wrong from the start."""


EmployeeEvent: TypeAlias = EmployeeRegistered | EmployeeDetailsChanged | EmployeeDetailsCorrected


class Employee(Value):
    """Somebody who may be given offices. `number` is unset where it is not certain which one holds now."""

    registered: bool = False
    number: Code | UnsetType | None = UNSET

    @command(by=REGISTRARS, clause="1.2", opens=True)
    def register(
        self, name: Name, number: EmployeeNumber | None = None, email: Private | None = None
    ) -> EmployeeRegistered:
        if self.registered:
            raise Refused("This employee is registered already.")
        return EmployeeRegistered(name=name, number=number, email=email)

    @command(by=REGISTRARS, clause="1.2")
    def change_details(
        self,
        name: Name | UnsetType = UNSET,
        number: EmployeeNumber | UnsetType | None = UNSET,
        email: Private | UnsetType | None = UNSET,
    ) -> EmployeeDetailsChanged | None:
        """Something is otherwise from now on; what is left out stays as it is."""
        news = UNSET if number == self.number else number
        changed = EmployeeDetailsChanged(name=name, number=news, email=email)
        return None if changed == EmployeeDetailsChanged() else changed

    @command(by=REGISTRARS, clause="1.2", corrects=True)
    def correct_details(
        self,
        name: Name | UnsetType = UNSET,
        number: EmployeeNumber | UnsetType | None = UNSET,
        email: Private | UnsetType | None = UNSET,
    ) -> EmployeeDetailsCorrected | None:
        """Something was recorded wrongly, since the time that the act names; what is left out was right."""
        corrected = EmployeeDetailsCorrected(name=name, number=number, email=email)
        return None if corrected == EmployeeDetailsCorrected() else corrected

    def evolve(self, event: EmployeeEvent, /) -> Employee:
        match event:
            case EmployeeRegistered(number=number):
                return Employee(registered=True, number=number)
            case EmployeeDetailsChanged(number=number):
                return self if number is UNSET else replace(self, number=number)
            case EmployeeDetailsCorrected(number=number):
                # it speaks of a time that may be over: a later change of the same detail still holds
                return self if number is UNSET else replace(self, number=UNSET)
            case _:
                assert_never(event)
