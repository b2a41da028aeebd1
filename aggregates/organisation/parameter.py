"""A number that the regulation leaves open, with the values it had and will have, each from its day on: clause 1.3.1."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypeAlias

from aggregates.event import Event
from aggregates.facts import Quantity
from aggregates.text import Code, Text


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
