"""What a complaint's row says after what has happened, whoever recorded it, and what the figures make of all rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TypeVar, get_args

import pytest
from hypothesis import given as whatever
from hypothesis import strategies as st
from msgspec.structs import replace

from aggregates.event import Envelope, Event, LegacyRecordImported, Origin, Recorded
from aggregates.ids import ComplaintId, CustomerId, EmployeeId
from aggregates.service.complaint import (
    Answer,
    ComplaintAcknowledged,
    ComplaintAssessed,
    ComplaintAssigned,
    ComplaintClosed,
    ComplaintConverted,
    ComplaintDetailsRecorded,
    ComplaintEscalated,
    ComplaintEvent,
    ComplaintReceived,
    ComplaintReopened,
    ComplaintUnconfirmed,
    ComplaintWithdrawn,
    Conversion,
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
from aggregates.text import Code, Personal, Text
from projections import complaints
from projections.complaints import Busy, ComplaintFigures, ComplaintRow, Spread, Stage
from projections.customers import CustomerRow
from projections.employees import EmployeeRow
from projections.reference import Reference
from services.founding_defaults import DEFAULT_PARAMETERS
from tests.given import MONDAY, history, recorded
from tests.projections.tables import asked, filled

T = TypeVar("T")
ANNA, BORIS, LI = EmployeeId("employee-anna"), EmployeeId("employee-boris"), EmployeeId("employee-li")
CARL, OLGA = CustomerId("customer-carl"), CustomerId("customer-olga")
HEATING, QUALITY, PHONE, VALVE = Code("heating"), Code("quality"), Code("phone"), Code("valve")
WORDS = Text("words")
TUESDAY, FRIDAY, SUNDAY = (MONDAY + timedelta(days=days) for days in (1, 4, 6))
A_DAY = 24 * 60 * 60

received = ComplaintReceived(customer_id=CARL, channel=PHONE, facts=WORDS)
acknowledged = ComplaintAcknowledged(channel=PHONE, wording=WORDS)
details = ComplaintDetailsRecorded(facts=WORDS, remedy_sought=WORDS)
assessed = ComplaintAssessed(category=QUALITY, severity=Severity.S2)
heating_asked = ResponsibleDepartmentAssigned(unit=HEATING)
heating_accepts = ResponsibilityAccepted(unit=HEATING, accepted_by_id=BORIS)
heating_contests = ResponsibilityContested(unit=HEATING, reason=WORDS)
heating_is_told = ResponsibilitySettled(unit=HEATING, reason=WORDS)
on_annas_desk = ComplaintAssigned(handler_id=ANNA)
found = InvestigationFindingRecorded(findings=WORDS, root_cause=VALVE)
measures = MeasuresDecided(measures=WORDS, due=date(2026, 3, 6))
progress = ProgressReportedToCustomer(channel=PHONE, wording=WORDS)
approved = RemedyApproved(cost=Decimal(800), approver_id=LI)
proposed = ResolutionProposed(remedy=WORDS, cost=Decimal(800))
communicated = DecisionCommunicated(channel=PHONE, wording=WORDS)
reminded, unconfirmed = CustomerReminded(channel=PHONE, wording=WORDS), ComplaintUnconfirmed(reminders=2)
satisfied = CustomerSatisfactionConfirmed(evidence=WORDS, channel=PHONE, score=4)
rejected = ResolutionRejectedByCustomer(reason=WORDS)
escalated = ComplaintEscalated(level=2, reason=WORDS)
exhausted = RecourseExhaustedDeclared(attempts=WORDS, external_recourse_offered=WORDS)
closed, reopened = ComplaintClosed(), ComplaintReopened(reason=WORDS)
withdrawn, converted = ComplaintWithdrawn(reason=WORDS), ComplaintConverted(into=Conversion.INQUIRY, reason=WORDS)
waiting = LegacyRecordImported(label=Text("Wait"), fields={})

EVERYTHING = (
    *(received, acknowledged, details, assessed, heating_asked, heating_accepts, heating_contests, heating_is_told),
    *(on_annas_desk, found, measures, progress, approved, proposed, communicated, reminded, unconfirmed, satisfied),
    *(rejected, escalated),
    *(exhausted, closed, reopened, withdrawn, converted, waiting),
)


FOUNDING = Reference().after(
    recorded(
        next(p for p in DEFAULT_PARAMETERS if p.number == "P-06").defined(MONDAY), stream_id="parameter-P-06", at=MONDAY
    )
)


def row_of(*records: Recorded[Event]) -> ComplaintRow:
    row = complaints.complaints.fold(records, FOUNDING)
    assert row is not None
    return row


def after(*events: Event) -> ComplaintRow:
    """The row after events of our own, all on one Monday."""
    return row_of(*history(events))


def imported(
    event: Event, index: int, *, part: int = 0, at: datetime = MONDAY, who: str = ANNA, position: int | None = None
) -> Recorded[Event]:
    """What a line of a source became; `part` counts the events that came from one line."""
    origin = Origin(source="help desk", file="sha256:a1", case="Case 1", index=index, part=part)
    return recorded(
        event,
        position=10 * index + part + 1 if position is None else position,
        at=at,
        actor_id="importer",
        envelope=Envelope(origin=origin, on_behalf_of=who),
    )


# What the row says


def test_a_row_begins_with_the_receipt() -> None:
    row = row_of(recorded(received, position=42))
    assert (row.complaint_id, row.number, row.customer_id) == ("complaint-1", 42, CARL)
    assert (row.received_at, row.first_at, row.last_at, row.silent_since) == (MONDAY, MONDAY, MONDAY, MONDAY)
    assert row.status is Stage.RECEIVED


def test_it_says_how_bad_the_complaint_is_by_the_latest_assessment() -> None:
    row = after(received, assessed, ComplaintAssessed(category=HEATING, severity=Severity.S1))
    assert (row.category, row.severity) == (HEATING, Severity.S1)


@pytest.mark.parametrize(
    ("event", "answer"),
    [
        (heating_asked, Answer.AWAITED),
        (heating_accepts, Answer.ACCEPTED),
        (heating_contests, Answer.CONTESTED),
        (heating_is_told, Answer.SETTLED),
    ],
)
def test_it_says_which_department_is_asked_and_what_it_answers(event: Event, answer: Answer) -> None:
    row = after(received, assessed, event)
    assert (row.unit, row.answer) == (HEATING, answer)


def test_it_says_on_whose_desk_the_complaint_lies() -> None:
    assert after(received, on_annas_desk, ComplaintAssigned(handler_id=BORIS)).handler_id == BORIS


def test_it_says_what_was_found_decided_and_offered() -> None:
    row = after(received, found, measures, proposed, satisfied)
    assert (row.root_cause, row.measures_due, row.cost, row.score) == (VALVE, date(2026, 3, 6), Decimal(800), 4)


def test_it_says_how_often_the_customer_said_no_and_how_high_it_went() -> None:
    row = after(received, rejected, escalated, rejected)
    assert (row.rejections, row.level) == (2, 2)


@pytest.mark.parametrize(
    ("event", "column"), [(acknowledged, "acknowledged_at"), (assessed, "assessed_at"), (proposed, "proposed_at")]
)
def test_what_is_owed_within_a_time_counts_from_the_first(event: Event, column: str) -> None:
    row = row_of(recorded(received), recorded(event, at=TUESDAY), recorded(event, at=FRIDAY))
    assert getattr(row, column) == TUESDAY


@pytest.mark.parametrize(("event", "column"), [(satisfied, "confirmed_at"), (closed, "closed_at")])
def test_what_ends_a_complaint_counts_from_the_last(event: Event, column: str) -> None:
    row = row_of(recorded(received), recorded(event, at=TUESDAY), recorded(event, at=FRIDAY))
    assert getattr(row, column) == FRIDAY


def test_confirmed_and_exhausted_are_two_things() -> None:
    assert [(row.confirmed, row.exhausted) for row in (after(received), after(satisfied), after(exhausted))] == [
        (False, False),
        (True, False),
        (False, True),
    ]


def test_it_counts_closings_and_reopenings() -> None:
    row = after(received, closed, reopened, closed)
    assert (row.closings, row.reopened, row.status) == (2, 1, Stage.CLOSED)


# How far it is


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([received, acknowledged, details, progress], Stage.RECEIVED),
        ([received, assessed], Stage.ASSESSED),
        ([received, assessed, heating_asked], Stage.DEPARTMENT_ASSIGNED),
        ([received, assessed, heating_asked, heating_contests], Stage.DEPARTMENT_ASSIGNED),
        ([received, assessed, heating_asked, heating_accepts], Stage.IN_RESOLUTION),
        ([received, assessed, heating_asked, heating_is_told], Stage.IN_RESOLUTION),
        ([received, assessed, on_annas_desk], Stage.IN_RESOLUTION),
        ([received, assessed, found], Stage.IN_RESOLUTION),
        ([received, assessed, heating_asked, measures], Stage.IN_RESOLUTION),
        ([received, on_annas_desk, approved, proposed], Stage.RESOLUTION_PROPOSED),
        ([received, proposed, communicated], Stage.DECISION_COMMUNICATED),
        ([received, proposed, communicated, rejected], Stage.IN_RESOLUTION),
        ([received, proposed, communicated, proposed], Stage.RESOLUTION_PROPOSED),
        ([received, proposed, communicated, satisfied], Stage.SATISFIED),
        ([received, proposed, communicated, exhausted], Stage.RECOURSE_EXHAUSTED),
        ([received, proposed, communicated, satisfied, closed], Stage.CLOSED),
        ([received, proposed, satisfied, closed, reopened], Stage.REOPENED),
        ([received, closed, reopened, on_annas_desk], Stage.IN_RESOLUTION),
        ([received, withdrawn], Stage.WITHDRAWN),
        ([received, converted], Stage.CONVERTED),
    ],
)
def test_the_status_says_how_far_a_complaint_is(events: list[Event], status: Stage) -> None:
    assert after(*events).status is status


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([closed], Stage.CLOSED),
        ([waiting], Stage.RECEIVED),
        ([on_annas_desk, received], Stage.IN_RESOLUTION),
        ([received, on_annas_desk, assessed], Stage.IN_RESOLUTION),
        ([received, proposed, on_annas_desk, found], Stage.RESOLUTION_PROPOSED),
        ([received, closed, on_annas_desk, proposed, rejected, satisfied, exhausted, waiting], Stage.CLOSED),
    ],
)
def test_it_stays_sensible_in_whatever_order_a_source_tells_it(events: list[Event], status: Stage) -> None:
    assert after(*events).status is status


def test_a_receipt_told_late_still_says_who_complained_and_when() -> None:
    row = row_of(imported(waiting, 0), imported(received, 1, at=TUESDAY, position=7))
    assert (row.customer_id, row.received_at, row.first_at, row.number) == (CARL, TUESDAY, MONDAY, 7)


def test_until_then_it_was_received_when_it_was_first_heard_of() -> None:
    row = row_of(imported(waiting, 0, at=TUESDAY, position=5), imported(on_annas_desk, 1, at=FRIDAY))
    assert (row.customer_id, row.received_at, row.number) == (None, TUESDAY, 5)


# The customer's word


def told_on_monday(*events: Event, days: int = 7) -> ComplaintRow:
    """What we offer is told on a Monday, and each of these happens so many days after the one before."""
    begun = history((received, proposed, communicated))
    later = (
        recorded(event, position=9 + number, at=MONDAY + number * timedelta(days=days))
        for number, event in enumerate(events, start=1)
    )
    return row_of(*begun, *later)


def test_3_3_2_c_we_wait_for_the_customers_word_from_when_it_was_told_what_we_offer() -> None:
    row = told_on_monday(reminded, communicated, reminded)
    assert (row.awaited_since, row.reminders, row.reminded_at) == (MONDAY, 2, MONDAY + timedelta(days=21))


def test_3_3_2_c_a_wait_after_the_last_reminder_of_p_06_nobody_asks_again() -> None:
    assert told_on_monday().unconfirmed_alarm_at is None
    assert told_on_monday(reminded).unconfirmed_alarm_at is None
    assert told_on_monday(reminded, reminded).unconfirmed_alarm_at == MONDAY + timedelta(days=21)
    assert told_on_monday(reminded, reminded, communicated).unconfirmed_alarm_at == MONDAY + timedelta(days=28)
    left = told_on_monday(reminded, reminded, unconfirmed)
    assert (left.unconfirmed_since, left.unconfirmed_alarm_at) == (MONDAY + timedelta(days=21), None)
    again = told_on_monday(reminded, reminded, unconfirmed, reminded)
    assert (again.reminders, again.unconfirmed_since, again.unconfirmed_alarm_at) == (3, left.unconfirmed_since, None)


@pytest.mark.parametrize("word", [satisfied, rejected, exhausted, closed, withdrawn, converted, proposed])
def test_when_it_comes_nobody_waits_for_it_any_more(word: Event) -> None:
    row = told_on_monday(reminded, reminded, unconfirmed, word)
    assert (row.awaited_since, row.reminders, row.reminded_at) == (None, 0, None)
    assert (row.unconfirmed_since, row.unconfirmed_alarm_at) == (None, None)


def test_whoever_is_satisfied_and_told_again_owes_no_word() -> None:
    assert told_on_monday(satisfied, communicated).awaited_since is None


def test_imported_history_leaves_nobody_unconfirmed() -> None:
    row = row_of(*(imported(event, index) for index, event in enumerate((received, communicated, reminded, reminded))))
    assert (row.reminders, row.unconfirmed_alarm_at) == (2, None)


# What is counted


def test_every_event_of_a_complaint_counts() -> None:
    assert set(complaints.complaints.events) == {*get_args(ComplaintEvent), LegacyRecordImported}
    assert {type(event) for event in EVERYTHING} == set(complaints.complaints.events)


@pytest.mark.parametrize("event", EVERYTHING, ids=lambda event: type(event).__name__)
def test_a_row_begins_with_any_event_and_counts_it(event: Event) -> None:
    row = after(event)
    assert (row.events, row.first_at, row.complaint_id) == (1, MONDAY, "complaint-1")


def test_of_a_source_only_its_lines_count() -> None:
    row = row_of(
        imported(received, 0, part=0),
        imported(assessed, 0, part=1),
        imported(waiting, 0, part=2),
        imported(on_annas_desk, 1, at=TUESDAY),
        recorded(acknowledged, at=FRIDAY),
    )
    assert (row.events, row.severity, row.first_at, row.last_at) == (3, Severity.S2, MONDAY, FRIDAY)


def test_the_longest_silence_lies_between_two_lines() -> None:
    row = row_of(
        imported(received, 0, part=0),
        imported(waiting, 1, at=TUESDAY),
        imported(proposed, 2, at=SUNDAY),
        imported(closed, 3, at=SUNDAY + timedelta(seconds=1)),
    )
    assert row.longest_silence_seconds == 5 * A_DAY
    assert row.silent_since == SUNDAY + timedelta(seconds=1)


def test_a_second_event_of_a_line_breaks_no_silence() -> None:
    row = row_of(imported(received, 0), imported(assessed, 0, part=1, at=TUESDAY), imported(closed, 1, at=FRIDAY))
    assert row.longest_silence_seconds == 4 * A_DAY


def test_a_complaint_with_one_event_has_not_been_silent() -> None:
    assert after(received).longest_silence_seconds == 0


@whatever(st.lists(st.sampled_from(EVERYTHING), min_size=1, max_size=25))
def test_whatever_order_events_come_in_each_is_counted_and_an_end_is_an_end(events: list[Event]) -> None:
    row = after(*events)
    assert row.events == len(events)
    turns = [event for event in events if event in (closed, withdrawn, converted, reopened)]
    assert (row.status in complaints.ENDED) == (bool(turns) and turns[-1] is not reopened)


def test_everybodys_work_is_counted_by_the_same_rule() -> None:
    row = row_of(
        imported(received, 0, who=BORIS), imported(assessed, 0, part=1, who=BORIS), imported(waiting, 1, who=ANNA),
        recorded(closed, actor_id=ANNA),
    )  # fmt: skip
    assert row.work == {BORIS: 1, ANNA: 2}


# The questions


@pytest.fixture
def rows(empty_database: str) -> Callable[..., str]:
    """Puts rows into the tables that the questions are asked of, and says where."""

    return lambda *given: filled(empty_database, (ComplaintRow, EmployeeRow, CustomerRow), given)


def a_case(number: int, *events: Event, days: float = 0, customer: CustomerId = CARL) -> ComplaintRow:
    """A complaint whose events lie so many days apart."""
    received_by = ComplaintReceived(customer_id=customer, channel=PHONE)
    return row_of(
        *(
            recorded(event, stream_id=f"complaint-{number}", position=100 * number + n, at=MONDAY + timedelta(days * n))
            for n, event in enumerate([received_by, *events])
        )
    )


def test_the_board_shows_all_complaints_or_those_asked_for(rows: Callable[..., str]) -> None:
    one, two, three = a_case(1, assessed, on_annas_desk), a_case(2, closed, customer=OLGA), a_case(3, heating_asked)
    url = rows(three, two, one)
    board = complaints.board
    assert asked(url, board) == [one, two, three]
    assert asked(url, lambda db: board(db, open=True)) == [one, three]
    assert asked(url, lambda db: board(db, open=False)) == [two]
    assert asked(url, lambda db: board(db, status=Stage.IN_RESOLUTION)) == [one]
    assert asked(url, lambda db: board(db, severity=Severity.S2)) == [one]
    assert asked(url, lambda db: board(db, handler_id=ANNA)) == [one]
    assert asked(url, lambda db: board(db, customer_id=OLGA)) == [two]
    assert asked(url, lambda db: board(db, unit=HEATING)) == [three]
    assert asked(url, lambda db: board(db, handler_id=ANNA, open=False)) == []


def test_the_board_shows_whose_word_is_awaited_and_whom_nobody_asks_again(rows: Callable[..., str]) -> None:
    told = (proposed, communicated)
    one, two, three = a_case(1, *told), a_case(2, *told, reminded, unconfirmed), a_case(3, *told, reminded, satisfied)
    url, board = rows(one, two, three), complaints.board
    assert asked(url, lambda db: board(db, awaited=True)) == [one, two]
    assert asked(url, lambda db: board(db, awaited=False)) == [three]
    assert asked(url, lambda db: board(db, unconfirmed=True)) == [two]
    assert asked(url, lambda db: board(db, awaited=True, unconfirmed=False)) == [one]


def test_open_complaints_of_a_merged_customer_are_those_of_the_one_that_goes_on(rows: Callable[..., str]) -> None:
    gone = CustomerRow(customer_id=CARL, name=WORDS, registered_at=MONDAY, source=Code("fair"), merged_into=OLGA)
    on_file = CustomerRow(customer_id=OLGA, name=WORDS, registered_at=MONDAY, source=Code("fair"))
    url = rows(a_case(1), a_case(2, closed), a_case(3, customer=OLGA), gone, on_file)
    found = asked(url, complaints.board)
    assert {row.complaint_id: row.customer_id for row in found} == {
        "complaint-1": OLGA, "complaint-2": CARL, "complaint-3": OLGA,
    }  # fmt: skip
    hers = asked(url, lambda db: complaints.board(db, customer_id=OLGA))
    assert [row.complaint_id for row in hers] == ["complaint-1", "complaint-3"]
    one = asked(url, lambda db: complaints.one(db, ComplaintId("complaint-1")))
    assert one is not None
    assert one.customer_id == OLGA


def test_one_complaint_is_found_with_all_that_is_known_of_it(rows: Callable[..., str]) -> None:
    known = a_case(1, *EVERYTHING[1:], days=0.5)
    url = rows(known, a_case(2))
    assert asked(url, lambda db: complaints.one(db, ComplaintId("complaint-1"))) == known
    assert asked(url, lambda db: complaints.one(db, ComplaintId("complaint-9"))) is None


def test_the_figures_of_a_department_without_complaints_are_zero(rows: Callable[..., str]) -> None:
    assert asked(rows(), complaints.figures) == ComplaintFigures(
        received=0,
        events=0,
        closed=0,
        open=0,
        closed_without_confirmation=0,
        handling_days=Spread(median=None, p90=None),
        handling_days_by_severity={},
        longest_silence_days=0.0,
        busiest_handlers=(),
    )


def test_the_figures_say_how_many_and_how_long(rows: Callable[..., str]) -> None:
    s1 = ComplaintAssessed(category=QUALITY, severity=Severity.S1)
    url = rows(
        a_case(1, assessed, closed, days=1),
        a_case(2, satisfied, assessed, closed, days=2),
        a_case(3, exhausted, closed, reopened, days=4),
        a_case(4, s1, days=7.5),
        a_case(5, withdrawn),
    )
    figures = asked(url, complaints.figures)
    assert (figures.received, figures.events, figures.closed, figures.open) == (5, 3 + 4 + 4 + 2 + 2, 3, 2)
    assert figures.closed_without_confirmation == 1
    assert figures.handling_days.median == pytest.approx(6)
    assert figures.handling_days.p90 == pytest.approx(7.6)
    assert figures.handling_days_by_severity.keys() == {Severity.S2}
    assert figures.handling_days_by_severity[Severity.S2].median == pytest.approx(4)
    assert figures.longest_silence_days == pytest.approx(7.5)


def test_the_busiest_are_five_and_equals_stand_by_id(rows: Callable[..., str]) -> None:
    names = {"a": "Zhao", "b": "Mei", "c": "Boris", "d": "Anna", "e": "Li", "f": "Wang"}
    counts = {"a": 9, "b": 2, "c": 2, "d": 2, "e": 1, "f": 3}
    people = [
        EmployeeRow(employee_id=EmployeeId(f"employee-{p}"), name=Personal(name), registered_at=MONDAY)
        for p, name in names.items()
    ]
    halves: list[dict[str, int]] = [{CARL: 99}, {"importer": 5}]
    for p, count in counts.items():
        halves[0][f"employee-{p}"], halves[1][f"employee-{p}"] = 1, count - 1
    cases = [replace(a_case(n), work=half) for n, half in enumerate(halves)]
    figures = asked(rows(*people, *cases), complaints.figures)
    assert [(busy.name, busy.rows) for busy in figures.busiest_handlers] == [
        ("Zhao", 9),
        (None, 5),
        ("Wang", 3),
        ("Mei", 2),
        ("Boris", 2),
    ]
    assert figures.busiest_handlers[0] == Busy(person_id="employee-a", name=Personal("Zhao"), rows=9)
