"""Which opportunities are there, how far is each, and what do we expect of it?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, LiteralString
from zoneinfo import ZoneInfo

from msgspec.structs import replace
from psycopg import sql

from aggregates.actor import Role
from aggregates.business.opportunity import (
    ENDED,
    SELLERS,
    CloseDateForecast,
    NeedsConfirmed,
    OpportunityAbandoned,
    OpportunityAssigned,
    OpportunityIdentified,
    OpportunityLost,
    OpportunityMoved,
    OpportunityQualified,
    OpportunityReopened,
    OpportunityWon,
    Stage,
    StageChanged,
    ValueEstimated,
    forward,
    reopened,
)
from aggregates.event import Recorded
from aggregates.facts import OpportunityStanding
from aggregates.ids import ContractId, CustomerId, EmployeeId, OpportunityId
from aggregates.readers import Readers
from aggregates.text import Code
from aggregates.value import Value
from projections.fact import fact
from projections.question import Database, matching, question, select, select_one
from projections.reference import Reference
from projections.row import Row, View, its_stream
from projections.survivors import with_survivors

TEAM = frozenset({*SELLERS, Role.DEPUTY, Role.MANAGER, Role.AUDITOR})
READERS = Readers(everything=TEAM, own=frozenset({Role.EMPLOYEE}))

IS_OPEN: LiteralString = "stage NOT IN ('won', 'lost', 'abandoned')"


class Forecast(Value):
    """What was expected of an opportunity from a day on."""

    on: date
    expected: date
    probability: int
    value: Decimal | None


class OpportunityRow(Row):
    """Days are those of the company's zone. `engaged_on`: of the first contact; `seconds_in`: how long it stayed in
    each stage that is over. What is said of its end is nothing while it is open."""

    of_person = ("owner_id",)

    opportunity_id: OpportunityId
    identified_at: datetime
    stage_since: datetime
    stage: Stage = Stage.IDENTIFIED
    undated: bool = False
    customer_id: CustomerId | None = None
    product: Code | None = None
    owner_id: EmployeeId | None = None
    value: Decimal | None = None
    expected: date | None = None
    probability: int | None = None
    engaged_on: date | None = None
    needs_versions: int = 0
    qualified: bool = False
    closed_on: date | None = None
    won_value: Decimal | None = None
    contract_id: ContractId | None = None
    lost_reason: Code | None = None
    competitor: Code | None = None
    reopened: int = 0
    seconds_in: Mapping[Stage, int] = {}
    forecasts: tuple[Forecast, ...] = ()


def identified(record: Recorded[OpportunityIdentified]) -> OpportunityRow:
    event = record.event
    return OpportunityRow(
        opportunity_id=OpportunityId(record.stream_id),
        identified_at=record.effective_at,
        stage_since=record.effective_at,
        undated=event.undated,
        customer_id=event.customer_id,
        product=event.product,
        owner_id=event.owner_id,
        value=event.value,
    )


def moved(row: OpportunityRow, record: Recorded[OpportunityMoved]) -> OpportunityRow:
    return replace(row, customer_id=record.event.customer_id)


def assigned(row: OpportunityRow, record: Recorded[OpportunityAssigned]) -> OpportunityRow:
    return replace(row, owner_id=record.event.owner_id)


def needs_confirmed(row: OpportunityRow, record: Recorded[NeedsConfirmed], reference: Reference) -> OpportunityRow:
    row = _at(row, forward(row.stage, Stage.NEEDS_CONFIRMED), record, reference)
    return replace(row, needs_versions=row.needs_versions + 1)


def qualified(row: OpportunityRow, record: Recorded[OpportunityQualified], reference: Reference) -> OpportunityRow:
    return replace(_at(row, forward(row.stage, Stage.QUALIFIED), record, reference), qualified=True)


def stage_changed(row: OpportunityRow, record: Recorded[StageChanged], reference: Reference) -> OpportunityRow:
    return _at(row, record.event.stage, record, reference)


def estimated(row: OpportunityRow, record: Recorded[ValueEstimated], reference: Reference) -> OpportunityRow:
    row = replace(row, value=record.event.value)
    return row if row.expected is None else _forecast(row, record, reference)


def forecast(row: OpportunityRow, record: Recorded[CloseDateForecast], reference: Reference) -> OpportunityRow:
    row = replace(row, expected=record.event.expected, probability=record.event.probability)
    return _forecast(row, record, reference)


def won(row: OpportunityRow, record: Recorded[OpportunityWon], reference: Reference) -> OpportunityRow:
    event, row = record.event, _ended(row, Stage.WON, record, reference)
    whose = event.customer_id or row.customer_id
    return replace(row, customer_id=whose, contract_id=event.contract_id, won_value=event.value)


def lost(row: OpportunityRow, record: Recorded[OpportunityLost], reference: Reference) -> OpportunityRow:
    why, competitor = record.event.reason, record.event.competitor
    return replace(_ended(row, Stage.LOST, record, reference), lost_reason=why, competitor=competitor)


def abandoned(row: OpportunityRow, record: Recorded[OpportunityAbandoned], reference: Reference) -> OpportunityRow:
    return _ended(row, Stage.ABANDONED, record, reference)


def taken_up_again(row: OpportunityRow, record: Recorded[OpportunityReopened], reference: Reference) -> OpportunityRow:
    stage = reopened(needs_confirmed=row.needs_versions > 0, qualified=row.qualified)
    return replace(
        _at(row, stage, record, reference),
        closed_on=None,
        won_value=None,
        contract_id=None,
        lost_reason=None,
        competitor=None,
        reopened=row.reopened + 1,
    )


opportunities = View(
    OpportunityRow,
    identified,
    moved,
    assigned,
    needs_confirmed,
    qualified,
    stage_changed,
    estimated,
    forecast,
    won,
    lost,
    abandoned,
    taken_up_again,
    key=its_stream(OpportunityId),
)


def _at(row: OpportunityRow, stage: Stage, record: Recorded[Any], reference: Reference) -> OpportunityRow:
    """The row at another stage, if it is another; what follows the first sign is done with the customer."""
    if stage is row.stage:
        return row
    at, before = record.effective_at, row.seconds_in.get(row.stage, 0)
    stayed = before + int((at - row.stage_since).total_seconds())
    engaged_on = row.engaged_on
    if engaged_on is None and stage is not Stage.IDENTIFIED and stage not in ENDED:
        engaged_on = _day(at, reference)
    seconds_in = {**row.seconds_in, row.stage: stayed}
    return replace(row, stage=stage, stage_since=at, seconds_in=seconds_in, engaged_on=engaged_on)


def _ended(row: OpportunityRow, stage: Stage, record: Recorded[Any], reference: Reference) -> OpportunityRow:
    return replace(_at(row, stage, record, reference), closed_on=_day(record.effective_at, reference))


def _forecast(row: OpportunityRow, record: Recorded[Any], reference: Reference) -> OpportunityRow:
    """What is expected now beside what was expected before; of one day the last."""
    if row.expected is None or row.probability is None:
        return row
    on = _day(record.effective_at, reference)
    new = Forecast(on=on, expected=row.expected, probability=row.probability, value=row.value)
    return replace(row, forecasts=(*(one for one in row.forecasts if one.on != on), new))


def _day(at: datetime, reference: Reference) -> date:
    return at.astimezone(ZoneInfo(reference.zone)).date()


@fact(opportunities)
async def standing(db: Database, opportunity_id: OpportunityId) -> OpportunityStanding:
    """Not open, where there is none."""
    query = "SELECT * FROM opportunity_row WHERE opportunity_id = %s"
    rows = await select(db, OpportunityRow, query, opportunity_id)
    if not rows:
        return OpportunityStanding(opportunity_id=opportunity_id)
    (row,) = rows
    return OpportunityStanding(
        opportunity_id=opportunity_id,
        customer_id=row.customer_id,
        open=row.stage not in ENDED,
        needs_confirmed=row.needs_versions > 0,
        value=row.value,
    )


@question(
    path="opportunities",
    readers=READERS,
    order=("identified_at", "opportunity_id"),
    tables=("opportunity_row", "customer_row"),
)
async def pipeline(
    db: Database,
    stage: Stage | None = None,
    owner_id: EmployeeId | None = None,
    customer_id: CustomerId | None = None,
    product: Code | None = None,
    open: bool | None = None,  # noqa: A002  # what people call it in the address
    undated: bool | None = None,
) -> list[OpportunityRow]:
    """All opportunities, or those of one kind, the oldest first; those of a merged file are of the one that goes on."""
    where, values = matching(
        {
            "stage = %s": stage and stage.value,
            "owner_id = %s": owner_id,
            "customer_id = %s": customer_id,
            "product = %s": product,
            "(" + IS_OPEN + ") = %s": open,
            "undated = %s": undated,
        }
    )
    rows = with_survivors(OpportunityRow, "opportunity_row", IS_OPEN)
    return await select(db, OpportunityRow, sql.SQL("SELECT * FROM {} WHERE " + where).format(rows), *values)


@question(
    path="opportunities/{opportunity_id}",
    readers=READERS,
    one_of=opportunities,
    goes_on=lambda row: row.stage not in ENDED,
    tables=("opportunity_row", "customer_row"),
)
async def one(db: Database, opportunity_id: OpportunityId) -> OpportunityRow | None:
    """One opportunity as it stands."""
    table = with_survivors(OpportunityRow, "opportunity_row", IS_OPEN)
    query = sql.SQL("SELECT * FROM {} WHERE opportunity_id = %s").format(table)
    return await select_one(db, OpportunityRow, query, opportunity_id)
