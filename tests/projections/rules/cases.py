"""Histories of single cases for the rules: what happened when and by whom, and which verdict comes of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from aggregates.actor import Role
from aggregates.event import Envelope, Event, Origin, Recorded
from aggregates.ids import EmployeeId
from aggregates.organisation.department import DepartmentFounded, RoleAssigned
from aggregates.text import Code
from infra.read_model.references import References
from projections.reference import REFERENCE_EVENTS
from projections.rules.duty import DutyRow, State, Verdict
from projections.rules.rule import Rule
from services.founding_calendars import ANNOUNCED
from services.founding_defaults import DEFAULT_PARAMETERS
from tests.given import recorded

CHINA = ZoneInfo("Asia/Shanghai")
FOUNDED = datetime(2025, 1, 1, tzinfo=UTC)
ANNA, BORIS, LI = EmployeeId("employee-anna"), EmployeeId("employee-boris"), EmployeeId("employee-li")
MONDAY_NINE = datetime(2026, 3, 2, 9, tzinfo=CHINA)
LONG_AFTER = datetime(2026, 12, 1, tzinfo=CHINA)


def on(day: int, hour: int = 9, minute: int = 0) -> datetime:
    """A day of March 2026, Beijing time; the second is a Monday."""
    return datetime(2026, 3, 1, hour, minute, tzinfo=CHINA) + timedelta(days=day - 1)


class Happened(NamedTuple):
    """An event on a case, and how it came to be recorded."""

    event: Event
    at: datetime
    by: str = ANNA
    envelope: Envelope = Envelope()
    recorded_at: datetime | None = None
    stream_id: str = "complaint-1"


def imported(event: Event, at: datetime) -> Happened:
    """The same from another system."""
    origin = Origin(source="desk", file="sha256:1", case="1", index=1)
    return Happened(event, at, "importer", Envelope(origin=origin, on_behalf_of="employee-then"))


FOUNDING: tuple[Happened, ...] = (
    Happened(
        DepartmentFounded(name=Code("Business"), currency=Code("CNY"), zone=Code("Asia/Shanghai")),
        FOUNDED,
        "founder",
        stream_id="department",
    ),
    Happened(
        RoleAssigned(employee_id=LI, role=Role.MANAGER, unit=Code("business"), valid_from=FOUNDED),
        FOUNDED,
        "founder",
        stream_id="department",
    ),
    *(Happened(p.defined(FOUNDED), FOUNDED, "founder", stream_id=f"parameter-{p.number}") for p in DEFAULT_PARAMETERS),
    *(Happened(a.published(), FOUNDED, "founder", stream_id=f"calendar-{a.year}") for a in ANNOUNCED),
)
"""The first manager is Li, every parameter has its first value, and two calendars are published."""


def log_of(*happened: Happened, founding: Iterable[Happened] = FOUNDING) -> list[Recorded[Event]]:
    """All of it in order, as the log would have it."""
    return [
        recorded(
            one.event,
            stream_id=one.stream_id,
            position=position,
            at=one.at.astimezone(UTC),
            recorded_at=one.recorded_at or one.at,
            actor_id=one.by,
            envelope=one.envelope,
        )
        for position, one in enumerate((*founding, *happened), start=1)
    ]


def folded(rule: Rule, log: Iterable[Recorded[Event]], case: str = "complaint-1") -> DutyRow | None:
    """The row of one case after all that happened, with the reference data of each position."""
    log = list(log)
    references = References(record for record in log if type(record.event) in REFERENCE_EVENTS)
    row: DutyRow | None = None
    for record in log:
        fold = rule.view.folds.get(type(record.event))
        if fold is not None and rule.view.keys[type(record.event)](record) == (case, rule.number):
            row = fold(row, record, references.at(record.position))
    return row


def duty(rule: Rule, *happened: Happened, case: str = "complaint-1") -> DutyRow:
    """The same of a case that the rule has something to say of."""
    row = folded(rule, log_of(*happened), case)
    assert row is not None
    assert (row.rule, row.case_id) == (rule.number, case)
    assert (row.state is State.OWED) or row.alarm_at is None
    return row


def verdict(rule: Rule, *happened: Happened, at: datetime = LONG_AFTER, case: str = "complaint-1") -> Verdict:
    """How the case stands at an instant."""
    return duty(rule, *happened, case=case).verdict_at(at)
