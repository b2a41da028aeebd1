"""Which values do the numbers have that the regulation leaves open, and since when?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec.structs import replace

from aggregates.actor import INSIDE
from aggregates.event import Recorded
from aggregates.facts import Quantity
from aggregates.ids import ParameterId
from aggregates.organisation.parameter import (
    PolicyParameterChanged,
    PolicyParameterDefined,
    PolicyParameterProposalRejected,
    PolicyParameterProposed,
)
from aggregates.text import Code
from projections.question import Database, question, select, select_one
from projections.row import Row, View, its_stream


class ParameterRow(Row):
    parameter_id: ParameterId
    number: Code
    meaning: Code
    values: Mapping[Code, Quantity]
    valid_from: datetime
    proposed: Mapping[Code, Quantity] | None = None
    proposed_from: datetime | None = None


def defined(record: Recorded[PolicyParameterDefined]) -> ParameterRow:
    event = record.event
    return ParameterRow(
        parameter_id=ParameterId(record.stream_id),
        number=event.number,
        meaning=event.meaning,
        values=event.values,
        valid_from=event.valid_from,
    )


def proposed(row: ParameterRow, record: Recorded[PolicyParameterProposed]) -> ParameterRow:
    return replace(row, proposed=record.event.values, proposed_from=record.event.valid_from)


def changed(row: ParameterRow, record: Recorded[PolicyParameterChanged]) -> ParameterRow:
    event = record.event
    return replace(row, values=event.values, valid_from=event.valid_from, proposed=None, proposed_from=None)


def rejected(row: ParameterRow, record: Recorded[PolicyParameterProposalRejected]) -> ParameterRow:  # noqa: ARG001  # none
    return replace(row, proposed=None, proposed_from=None)


parameters = View(ParameterRow, defined, proposed, changed, rejected, key=its_stream(ParameterId))


@question(path="parameters", readers=INSIDE, order=("number",))
async def latest(db: Database) -> list[ParameterRow]:
    """Every parameter with the values decided last and what is proposed."""
    return await select(db, ParameterRow, "SELECT * FROM parameter_row")


@question(path="parameters/{parameter_id}", readers=INSIDE, one_of=parameters)
async def one(db: Database, parameter_id: ParameterId) -> ParameterRow | None:
    """One parameter."""
    return await select_one(db, ParameterRow, "SELECT * FROM parameter_row WHERE parameter_id = %s", parameter_id)
