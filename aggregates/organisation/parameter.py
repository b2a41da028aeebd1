"""A number that the regulation leaves open, and the values it has from which day on: clauses 1.3.1, 1.3.2."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TypeAlias, assert_never

from msgspec.structs import replace

from aggregates.actor import Actor, Role
from aggregates.amounts import is_amount
from aggregates.event import Event, command
from aggregates.facts import Quantity, Unit
from aggregates.ids import EmployeeId
from aggregates.refused import Refused
from aggregates.text import Code, Text
from aggregates.value import Value

PROPOSERS = (
    Role.MANAGER,
    Role.DEPUTY,
    Role.BUSINESS_DEVELOPMENT_LEAD,
    Role.PROJECT_LEAD,
    Role.CUSTOMER_SERVICE_LEAD,
    Role.DATA_LEAD,
    Role.DATA_ANALYST,
)


class PolicyParameterDefined(Event):
    number: Code
    meaning: Code
    values: Mapping[Code, Quantity]
    valid_from: datetime


class PolicyParameterProposed(Event):
    number: Code
    values: Mapping[Code, Quantity]
    valid_from: datetime
    grounds: Text
    proposer_id: EmployeeId


class PolicyParameterChanged(Event):
    number: Code
    values: Mapping[Code, Quantity]
    valid_from: datetime


class PolicyParameterProposalRejected(Event):
    number: Code
    grounds: Text


ParameterEvent: TypeAlias = (
    PolicyParameterDefined | PolicyParameterProposed | PolicyParameterChanged | PolicyParameterProposalRejected
)


class Proposal(Value):
    """Values that wait for the manager's decision."""

    values: Mapping[Code, Quantity]
    valid_from: datetime
    proposer_id: EmployeeId


class Parameter(Value):
    """The names and units of its values never change; their amounts are proposed by one and approved by another."""

    number: Code = Code("")
    units: Mapping[Code, Unit] = {}
    proposal: Proposal | None = None

    @command(by=(Role.MANAGER,), clause="1.3.1", opens=True)
    def define(
        self,
        at: datetime,
        number: Code,
        meaning: Code,
        values: Mapping[Code, Quantity],
        valid_from: datetime | None = None,
    ) -> PolicyParameterDefined:
        """Give a number of the regulation its first values; they hold for all time before as well."""
        if self.number:
            raise Refused("{number} is defined already: propose new values instead.", number=self.number)
        if re.fullmatch(r"P-\d{2,}", number) is None:
            raise Refused("A parameter is numbered like P-05.")
        if not values:
            raise Refused("Give at least one value.")
        _check_amounts(values)
        begins = _not_before(at, valid_from)
        return PolicyParameterDefined(number=number, meaning=meaning, values=values, valid_from=begins)

    @command(by=PROPOSERS, clause="1.3.2")
    def propose(
        self,
        by: Actor,
        at: datetime,
        values: Mapping[Code, Quantity],
        grounds: Text,
        valid_from: datetime | None = None,
    ) -> PolicyParameterProposed:
        """Ask for other values, all of them, from some day on."""
        if self.proposal is not None:
            raise Refused("A proposal is open: have it approved or rejected first.")
        if values.keys() != self.units.keys():
            raise Refused("Give these values, all of them and no others: {names}.", names=", ".join(self.units))
        for name, value in values.items():
            if value.unit is not self.units[name]:
                raise Refused("{name} is given in this unit: {unit}.", name=name, unit=self.units[name])
        _check_amounts(values)
        return PolicyParameterProposed(
            number=self.number,
            values=values,
            valid_from=_not_before(at, valid_from),
            grounds=grounds,
            proposer_id=by.employee,
        )

    @command(by=(Role.MANAGER,), clause="1.3.1")
    def approve(self, by: Actor, at: datetime) -> PolicyParameterChanged:
        """Put the proposal in force: from its day on, or from now on if that day has passed."""
        proposal = self._open_proposal()
        if by.speaks_for(proposal.proposer_id):
            raise Refused("Whoever proposed the values cannot approve them.")
        return PolicyParameterChanged(
            number=self.number, values=proposal.values, valid_from=max(proposal.valid_from, at)
        )

    @command(by=(Role.MANAGER,), clause="1.3.1")
    def reject(self, grounds: Text) -> PolicyParameterProposalRejected:
        self._open_proposal()
        return PolicyParameterProposalRejected(number=self.number, grounds=grounds)

    def evolve(self, event: ParameterEvent, /) -> Parameter:
        match event:
            case PolicyParameterDefined(number=number, values=values):
                return Parameter(number=number, units={name: value.unit for name, value in values.items()})
            case PolicyParameterProposed(values=values, valid_from=valid_from, proposer_id=proposer_id):
                proposal = Proposal(values=values, valid_from=valid_from, proposer_id=proposer_id)
                return replace(self, proposal=proposal)
            case PolicyParameterChanged() | PolicyParameterProposalRejected():
                return replace(self, proposal=None)
            case _:
                assert_never(event)

    def _open_proposal(self) -> Proposal:
        if self.proposal is None:
            raise Refused("No proposal is open.")
        return self.proposal


def _check_amounts(values: Mapping[Code, Quantity]) -> None:
    for name, value in values.items():
        if not is_amount(value.amount):
            raise Refused("{name} cannot be {amount}: give zero or more.", name=name, amount=value.amount)


def _not_before(at: datetime, valid_from: datetime | None) -> datetime:
    if valid_from is not None and valid_from < at:
        raise Refused("Values never change for the past: name a day from now on.")
    return at if valid_from is None else valid_from
