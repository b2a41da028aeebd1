"""Which complaints are open, how bad are they, on whose desk do they lie, and how well do we handle them?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, LiteralString

from msgspec.structs import replace
from psycopg import sql

from aggregates.actor import Role
from aggregates.event import LegacyRecordImported, Recorded
from aggregates.ids import ComplaintId, CustomerId, EmployeeId
from aggregates.readers import Readers
from aggregates.service.complaint import (
    DESK,
    Answer,
    ComplaintAcknowledged,
    ComplaintAssessed,
    ComplaintAssigned,
    ComplaintClosed,
    ComplaintConverted,
    ComplaintDetailsRecorded,
    ComplaintEscalated,
    ComplaintReceived,
    ComplaintReopened,
    ComplaintUnconfirmed,
    ComplaintWithdrawn,
    CustomerReminded,
    CustomerSatisfactionConfirmed,
    DecisionCommunicated,
    InvestigationFindingRecorded,
    MeasuresDecided,
    ProgressReportedToCustomer,
    RecourseExhaustedDeclared,
    RemedyApproved,
    ResolutionProposed,
    ResolutionRejectedByCustomer,
    ResponsibilityAccepted,
    ResponsibilityContested,
    ResponsibilitySettled,
    ResponsibleDepartmentAssigned,
    Severity,
)
from aggregates.text import Code, Personal, personal
from aggregates.value import Value
from projections.question import Database, matching, question, select, select_one
from projections.reference import Reference
from projections.row import PartialIndex, Row, View, its_stream
from projections.rules.term import Limit, ending
from projections.survivors import with_survivors

READERS = Readers(
    everything=frozenset({*DESK, Role.MANAGER, Role.AUDITOR}),
    own_area=frozenset({Role.EMPLOYEE}),
    own=frozenset({Role.EMPLOYEE, Role.CUSTOMER}),
)


class Stage(StrEnum):
    """How far a complaint is, from its receipt to one of its ends."""

    __hash__ = str.__hash__  # an enumeration's own is Python, and steps look stages up for each event

    RECEIVED = "received"
    REOPENED = "reopened"
    ASSESSED = "assessed"
    DEPARTMENT_ASSIGNED = "department assigned"
    IN_RESOLUTION = "in resolution"
    RESOLUTION_PROPOSED = "resolution proposed"
    DECISION_COMMUNICATED = "decision communicated"
    RECOURSE_EXHAUSTED = "recourse exhausted"
    SATISFIED = "satisfied"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"
    CONVERTED = "converted"


(
    RECEIVED, REOPENED, ASSESSED, DEPARTMENT_ASSIGNED, IN_RESOLUTION, RESOLUTION_PROPOSED, DECISION_COMMUNICATED,
    RECOURSE_EXHAUSTED, SATISFIED, CLOSED, WITHDRAWN, CONVERTED,
) = Stage  # fmt: skip
AWAITED, ACCEPTED, CONTESTED, SETTLED = Answer
"""By themselves, because Python looks a member of an enumeration up by a function, and steps name them all the time."""

ORDER: Mapping[Stage, int] = {stage: n for n, stage in enumerate(Stage)}
IS_OPEN: LiteralString = "status NOT IN ('closed', 'withdrawn', 'converted')"
ENDED = frozenset({CLOSED, WITHDRAWN, CONVERTED})
"""The same in two languages."""

SECONDS_A_DAY = 86_400
WAIT = Limit(parameter="P-06", value="wait")


class ComplaintRow(Row):
    """`number` is the complaint's own short number, the position of its receipt.

    Acknowledged, assessed and proposed: when for the first time; confirmed and closed: when last. `events` counts what
    people recorded: one for each event of ours, one for each line of an imported source, however many events it became;
    `work` says how many of them each person did.

    While we wait for the customer's word, `awaited_since` says since when, `reminders` and `reminded_at` how often and
    when last we asked for it, and `unconfirmed_since` since when nobody asks any more; `unconfirmed_alarm_at` is when
    that begins.
    """

    indexes = (PartialIndex(("unconfirmed_alarm_at",), "unconfirmed_alarm_at IS NOT NULL"),)
    of_area = "unit"
    of_person = ("handler_id", "customer_id")

    complaint_id: ComplaintId
    number: int
    received_at: datetime
    first_at: datetime
    last_at: datetime
    silent_since: datetime
    status: Stage = RECEIVED
    customer_id: CustomerId | None = None
    severity: Severity | None = None
    category: Code | None = None
    unit: Code | None = None
    answer: Answer | None = None
    handler_id: EmployeeId | None = None
    root_cause: Code | None = None
    measures_due: date | None = None
    cost: Decimal | None = None
    score: int | None = None
    acknowledged_at: datetime | None = None
    assessed_at: datetime | None = None
    proposed_at: datetime | None = None
    confirmed_at: datetime | None = None
    closed_at: datetime | None = None
    confirmed: bool = False
    exhausted: bool = False
    closings: int = 0
    rejections: int = 0
    reopened: int = 0
    level: int = 0
    events: int = 0
    longest_silence_seconds: int = 0
    awaited_since: datetime | None = None
    reminders: int = 0
    reminded_at: datetime | None = None
    unconfirmed_since: datetime | None = None
    unconfirmed_alarm_at: datetime | None = None
    work: Mapping[str, int] = {}


def received(row: ComplaintRow | None, record: Recorded[ComplaintReceived]) -> ComplaintRow:
    row = _counted(row, record)
    customer = record.event.customer_id
    return replace(row, number=record.position, received_at=record.effective_at, customer_id=customer)


def acknowledged(row: ComplaintRow | None, record: Recorded[ComplaintAcknowledged]) -> ComplaintRow:
    row = _counted(row, record)
    return replace(row, acknowledged_at=row.acknowledged_at or record.effective_at)


def assessed(row: ComplaintRow | None, record: Recorded[ComplaintAssessed]) -> ComplaintRow:
    row, event = _counted(row, record), record.event
    return replace(
        row,
        status=_forward(row, ASSESSED),
        severity=event.severity,
        category=event.category,
        assessed_at=row.assessed_at or record.effective_at,
    )


def department_assigned(row: ComplaintRow | None, record: Recorded[ResponsibleDepartmentAssigned]) -> ComplaintRow:
    row = _counted(row, record)
    return replace(row, status=_forward(row, DEPARTMENT_ASSIGNED), unit=record.event.unit, answer=AWAITED)


def accepted(row: ComplaintRow | None, record: Recorded[ResponsibilityAccepted]) -> ComplaintRow:
    row = _counted(row, record)
    return replace(row, status=_forward(row, IN_RESOLUTION), unit=record.event.unit, answer=ACCEPTED)


def contested(row: ComplaintRow | None, record: Recorded[ResponsibilityContested]) -> ComplaintRow:
    return replace(_counted(row, record), unit=record.event.unit, answer=CONTESTED)


def settled(row: ComplaintRow | None, record: Recorded[ResponsibilitySettled]) -> ComplaintRow:
    row = _counted(row, record)
    return replace(row, status=_forward(row, IN_RESOLUTION), unit=record.event.unit, answer=SETTLED)


def assigned(row: ComplaintRow | None, record: Recorded[ComplaintAssigned]) -> ComplaintRow:
    row = _counted(row, record)
    return replace(row, status=_forward(row, IN_RESOLUTION), handler_id=record.event.handler_id)


def investigated(row: ComplaintRow | None, record: Recorded[InvestigationFindingRecorded]) -> ComplaintRow:
    row = _counted(row, record)
    return replace(row, status=_forward(row, IN_RESOLUTION), root_cause=record.event.root_cause)


def measures_decided(row: ComplaintRow | None, record: Recorded[MeasuresDecided]) -> ComplaintRow:
    row = _counted(row, record)
    return replace(row, status=_forward(row, IN_RESOLUTION), measures_due=record.event.due)


def proposed(row: ComplaintRow | None, record: Recorded[ResolutionProposed]) -> ComplaintRow:
    row = _heard(_counted(row, record))
    status, at = _unless_ended(row, RESOLUTION_PROPOSED), row.proposed_at or record.effective_at
    return replace(row, status=status, cost=record.event.cost, proposed_at=at)


def communicated(
    row: ComplaintRow | None, record: Recorded[DecisionCommunicated], reference: Reference
) -> ComplaintRow:
    row = _counted(row, record)
    status = _forward(row, DECISION_COMMUNICATED)
    if status is not DECISION_COMMUNICATED:
        return row
    since = row.awaited_since or record.effective_at
    alarm = _unconfirmed_at(row, record, reference)
    return replace(row, status=status, awaited_since=since, unconfirmed_alarm_at=alarm)


def reminded(row: ComplaintRow | None, record: Recorded[CustomerReminded], reference: Reference) -> ComplaintRow:
    row = _counted(row, record)
    row = replace(row, reminders=row.reminders + 1, reminded_at=record.effective_at)
    return replace(row, unconfirmed_alarm_at=_unconfirmed_at(row, record, reference))


def unconfirmed(row: ComplaintRow | None, record: Recorded[ComplaintUnconfirmed]) -> ComplaintRow:
    return replace(_counted(row, record), unconfirmed_since=record.effective_at, unconfirmed_alarm_at=None)


def confirmed(row: ComplaintRow | None, record: Recorded[CustomerSatisfactionConfirmed]) -> ComplaintRow:
    row = _heard(_counted(row, record))
    status, at = _unless_ended(row, SATISFIED), record.effective_at
    return replace(row, status=status, score=record.event.score, confirmed=True, confirmed_at=at)


def rejected(row: ComplaintRow | None, record: Recorded[ResolutionRejectedByCustomer]) -> ComplaintRow:
    row = _heard(_counted(row, record))
    return replace(row, status=_unless_ended(row, IN_RESOLUTION), rejections=row.rejections + 1)


def escalated(row: ComplaintRow | None, record: Recorded[ComplaintEscalated]) -> ComplaintRow:
    return replace(_counted(row, record), level=record.event.level)


def exhausted(row: ComplaintRow | None, record: Recorded[RecourseExhaustedDeclared]) -> ComplaintRow:
    row = _heard(_counted(row, record))
    return replace(row, status=_unless_ended(row, RECOURSE_EXHAUSTED), exhausted=True)


def closed(row: ComplaintRow | None, record: Recorded[ComplaintClosed]) -> ComplaintRow:
    row = _heard(_counted(row, record))
    return replace(row, status=CLOSED, closings=row.closings + 1, closed_at=record.effective_at)


def reopened(row: ComplaintRow | None, record: Recorded[ComplaintReopened]) -> ComplaintRow:
    row = _counted(row, record)
    return replace(row, status=REOPENED, reopened=row.reopened + 1)


def withdrawn(row: ComplaintRow | None, record: Recorded[ComplaintWithdrawn]) -> ComplaintRow:
    return replace(_heard(_counted(row, record)), status=WITHDRAWN)


def converted(row: ComplaintRow | None, record: Recorded[ComplaintConverted]) -> ComplaintRow:
    return replace(_heard(_counted(row, record)), status=CONVERTED)


def told(
    row: ComplaintRow | None,
    record: Recorded[ComplaintDetailsRecorded | ProgressReportedToCustomer | RemedyApproved | LegacyRecordImported],
) -> ComplaintRow:
    return _counted(row, record)


complaints = View(
    ComplaintRow,
    received,
    acknowledged,
    assessed,
    department_assigned,
    accepted,
    contested,
    settled,
    assigned,
    investigated,
    measures_decided,
    proposed,
    communicated,
    reminded,
    unconfirmed,
    confirmed,
    rejected,
    escalated,
    exhausted,
    closed,
    reopened,
    withdrawn,
    converted,
    told,
    key=its_stream(ComplaintId),
)


def _begun(record: Recorded[Any]) -> ComplaintRow:
    """A case of which nothing was known: imported ones may begin with any event."""
    at = record.effective_at
    return ComplaintRow(
        complaint_id=ComplaintId(record.stream_id),
        number=record.position,
        received_at=at,
        first_at=at,
        last_at=at,
        silent_since=at,
    )


def _counted(row: ComplaintRow | None, record: Recorded[Any]) -> ComplaintRow:
    """The row with the event counted, before whatever else it changes."""
    if row is None:
        row = _begun(record)
    at, origin = record.effective_at, record.origin
    if origin is not None and origin.part != 0:  # of the events that one line became, the first stands for the line
        return replace(row, last_at=at)
    silence, longest, who, work = at - row.silent_since, row.longest_silence_seconds, record.person, row.work
    silent = silence.days * SECONDS_A_DAY + silence.seconds
    return replace(
        row,
        last_at=at,
        silent_since=at,
        events=row.events + 1,
        longest_silence_seconds=longest if longest > silent else silent,  # noqa: FURB136  # no call for each event
        work={**work, who: work.get(who, 0) + 1},
    )


def _heard(row: ComplaintRow) -> ComplaintRow:
    """Nobody waits for the customer's word on what we offered any more."""
    if row.awaited_since is None and not row.reminders:
        return row
    return replace(
        row,
        awaited_since=None,
        reminders=0,
        reminded_at=None,
        unconfirmed_since=None,
        unconfirmed_alarm_at=None,
    )


def _unconfirmed_at(row: ComplaintRow, record: Recorded[Any], reference: Reference) -> datetime | None:
    """From when on nobody asks any more: by P-06 in force now, a wait after the last reminder. None if another is owed
    before, if it is so already, and for imported history, which is over."""
    if row.unconfirmed_since is not None or record.origin is not None:
        return None
    version, wait = WAIT.allows(record.effective_at, reference)
    most = WAIT.quantity(version, "reminders")
    if most is None or wait is None or row.reminders < most.amount:
        return None
    return ending(*wait, record.effective_at, 0, reference)


def _forward(row: ComplaintRow, status: Stage) -> Stage:
    """Never back: a complaint assessed again in the middle of its resolution stays there."""
    return status if ORDER[status] > ORDER[row.status] else row.status


def _unless_ended(row: ComplaintRow, status: Stage) -> Stage:
    """Only reopening takes up again what has ended."""
    return row.status if row.status in ENDED else status


class Spread(Value):
    """Of some cases, in days: half of them took no longer than the median, nine of ten no longer than p90."""

    median: float | None
    p90: float | None


class Busy(Value):
    """Somebody, and how many rows they recorded on complaints."""

    person_id: str
    name: Annotated[Personal, personal("person_id")] | None
    rows: int


class ComplaintFigures(Value):
    """Numbers of cases, and days. A case is closed if it ever was, and open if it is not ended now."""

    received: int
    events: int
    closed: int
    open: int
    closed_without_confirmation: int
    handling_days: Spread
    handling_days_by_severity: Mapping[Severity, Spread]
    longest_silence_days: float
    busiest_handlers: tuple[Busy, ...]


@question(
    path="complaints",
    readers=READERS,
    order=("received_at", "complaint_id"),
    tables=("complaint_row", "customer_row"),
)
async def board(
    db: Database,
    status: Stage | None = None,
    severity: Severity | None = None,
    handler_id: EmployeeId | None = None,
    customer_id: CustomerId | None = None,
    unit: Code | None = None,
    open: bool | None = None,  # noqa: A002  # what people call it in the address
    awaited: bool | None = None,
    unconfirmed: bool | None = None,
) -> list[ComplaintRow]:
    """All complaints, or those of one kind; the oldest first. Those of a merged customer are of the one it is now.
    `awaited`: the customer knows what we offer and has not said whether that is enough; `unconfirmed`: nor does anybody
    ask again, so that somebody has to decide what is done."""
    where, values = matching(
        {
            "status = %s": status and status.value,
            "severity = %s": severity and severity.value,
            "handler_id = %s": handler_id,
            "customer_id = %s": customer_id,
            "unit = %s": unit,
            "(" + IS_OPEN + ") = %s": open,
            "(awaited_since IS NOT NULL) = %s": awaited,
            "(unconfirmed_since IS NOT NULL) = %s": unconfirmed,
        }
    )
    table = with_survivors(ComplaintRow, "complaint_row", IS_OPEN)
    query = sql.SQL("SELECT * FROM {} WHERE " + where + " ORDER BY received_at, complaint_id").format(table)
    return await select(db, ComplaintRow, query, *values)


@question(
    path="complaints/{complaint_id}",
    readers=READERS,
    one_of=complaints,
    goes_on=lambda row: row.status not in ENDED,
    tables=("complaint_row", "customer_row"),
)
async def one(db: Database, complaint_id: ComplaintId) -> ComplaintRow | None:
    """One complaint as it stands."""
    table = with_survivors(ComplaintRow, "complaint_row", IS_OPEN)
    query = sql.SQL("SELECT * FROM {} WHERE complaint_id = %s").format(table)
    return await select_one(db, ComplaintRow, query, complaint_id)


@question(
    path="complaints/figures",
    readers=(*DESK, Role.MANAGER, Role.DEPUTY, Role.AUDITOR),
    tables=("complaint_row", "employee_row"),
)
async def figures(db: Database) -> ComplaintFigures:
    """How many complaints there were, how long they took, and who worked most on them."""
    (totals,) = await select(
        db,
        _Totals,
        """
        SELECT
            count(*) AS received,
            coalesce(sum(events), 0)::bigint AS events,
            count(*) FILTER (WHERE closings > 0) AS closed,
            count(*) FILTER (WHERE status NOT IN ('closed', 'withdrawn', 'converted')) AS open,
            count(*) FILTER (WHERE closings > 0 AND NOT confirmed AND NOT exhausted) AS closed_without_confirmation,
            coalesce(max(longest_silence_seconds), 0) / 86400.0::double precision AS longest_silence_days
        FROM complaint_row""",
    )
    spreads = await select(
        db,
        _SpreadOf,
        """
        SELECT
            severity,
            percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM closed_at - first_at) / 86400) AS median,
            percentile_cont(0.9) WITHIN GROUP (ORDER BY extract(epoch FROM closed_at - first_at) / 86400) AS p90
        FROM complaint_row
        WHERE closings > 0
        GROUP BY GROUPING SETS ((), (severity))
        HAVING grouping(severity) = 1 OR severity IS NOT NULL
        ORDER BY grouping(severity) DESC, severity""",
    )
    overall, *of_each = spreads
    return ComplaintFigures(
        received=totals.received,
        events=totals.events,
        closed=totals.closed,
        open=totals.open,
        closed_without_confirmation=totals.closed_without_confirmation,
        handling_days=overall.spread,
        handling_days_by_severity={of.severity: of.spread for of in of_each if of.severity is not None},
        longest_silence_days=totals.longest_silence_days,
        busiest_handlers=await _busiest(db),
    )


class _Totals(Value):
    received: int
    events: int
    closed: int
    open: int
    closed_without_confirmation: int
    longest_silence_days: float


class _SpreadOf(Value):
    severity: Severity | None
    median: float | None
    p90: float | None

    @property
    def spread(self) -> Spread:
        return Spread(median=self.median, p90=self.p90)


async def _busiest(db: Database) -> tuple[Busy, ...]:
    busy = await select(
        db,
        Busy,
        """
        SELECT person_id, name, rows
        FROM (
            SELECT person_id, sum(rows::bigint)::bigint AS rows
            FROM complaint_row, jsonb_each_text(work) AS each(person_id, rows)
            GROUP BY person_id
        ) worked
        LEFT JOIN employee_row ON employee_id = person_id
        WHERE NOT starts_with(person_id, 'customer-')
        ORDER BY rows DESC, person_id
        LIMIT 5""",
    )
    return tuple(busy)
