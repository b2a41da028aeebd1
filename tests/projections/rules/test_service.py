"""Each rule of customer service with a history that keeps it, one that breaks it, and one that is still open."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest
from msgspec.structs import replace

from aggregates.actor import Delegation, Role
from aggregates.event import Envelope, Event, LegacySourceDescribed, ObligationMissed
from aggregates.facts import Quantity, Unit
from aggregates.ids import AnyId, CustomerId, EmployeeId
from aggregates.organisation.department import DelegationGranted, RoleEnded
from aggregates.organisation.parameter import PolicyParameterChanged
from aggregates.organisation.waiver import WaiverApproved, WaiverRevoked
from aggregates.service.complaint import (
    ComplaintAcknowledged,
    ComplaintAssessed,
    ComplaintAssigned,
    ComplaintClosed,
    ComplaintDetailsRecorded,
    ComplaintEscalated,
    ComplaintReceived,
    ComplaintReopened,
    ComplaintWithdrawn,
    CustomerReminded,
    CustomerSatisfactionConfirmed,
    DecisionCommunicated,
    InvestigationFindingRecorded,
    MeasuresDecided,
    ProgressReportedToCustomer,
    RecourseExhaustedDeclared,
    ResolutionProposed,
    ResolutionRejectedByCustomer,
    ResponsibleDepartmentAssigned,
    Severity,
)
from aggregates.text import Code, Text
from projections.rules import service
from projections.rules.duty import State, Verdict
from projections.rules.rule import Rule
from services.founding_defaults import DEFAULT_PARAMETERS
from tests.projections.rules.cases import (
    ANNA,
    BORIS,
    FOUNDED,
    LI,
    LONG_AFTER,
    MONDAY_NINE,
    Happened,
    duty,
    imported,
    on,
    verdict,
)

WORDS, PHONE = Text("words"), Code("phone")
CARL = CustomerId("customer-carl")

received = ComplaintReceived(customer_id=CARL, channel=PHONE, facts=WORDS, remedy_sought=WORDS)
heard_in_part = ComplaintReceived(customer_id=CARL, channel=PHONE, facts=WORDS)
remedy_told = ComplaintDetailsRecorded(remedy_sought=WORDS)
acknowledged = ComplaintAcknowledged(channel=PHONE, wording=WORDS)
assessed = ComplaintAssessed(category=Code("delivery"), severity=Severity.S2)
assessed_as_annoyance = replace(assessed, severity=Severity.S4)
about_boris = replace(assessed, complained_about_id=BORIS)
asked = ResponsibleDepartmentAssigned(unit=Code("heating"))
measures = MeasuresDecided(measures=WORDS, due=date(2026, 3, 20))
progress = ProgressReportedToCustomer(channel=PHONE, wording=WORDS)
proposed = ResolutionProposed(remedy=WORDS)
told = DecisionCommunicated(channel=PHONE, wording=WORDS)
reminded = CustomerReminded(channel=PHONE, wording=WORDS)
rejected = ResolutionRejectedByCustomer(reason=WORDS)
satisfied = CustomerSatisfactionConfirmed(evidence=WORDS, channel=PHONE)
exhausted = RecourseExhaustedDeclared(attempts=WORDS, external_recourse_offered=WORDS)
closed, reopened = ComplaintClosed(), ComplaintReopened(reason=WORDS)
withdrawn = ComplaintWithdrawn(reason=WORDS)
found = InvestigationFindingRecorded(findings=WORDS, root_cause=Code("valve"))
to_anna, to_boris = ComplaintAssigned(handler_id=ANNA), ComplaintAssigned(handler_id=BORIS)

THE_COMPLAINT = Happened(received, MONDAY_NINE)
OFFERED = Happened(proposed, on(2, 9)), Happened(told, on(2, 9))


def missed(told: int, at: datetime, rule: Rule = service.RESOLVED) -> Happened:
    return Happened(ObligationMissed(rule=rule.number, due_at=MONDAY_NINE, told=told), at)


def escalated(level: int, at: datetime) -> Happened:
    return Happened(ComplaintEscalated(level=level, reason=WORDS), at)


KEPT: list[tuple[Rule, list[Happened]]] = [
    (
        service.RECORDED,
        [Happened(heard_in_part, on(2)), Happened(remedy_told, on(2, 12)), Happened(assessed, on(2, 14))],
    ),
    (service.ACKNOWLEDGED, [THE_COMPLAINT, Happened(acknowledged, on(2, 14))]),  # 9-12 and 13-14: four hours
    (service.CLASSIFIED, [THE_COMPLAINT, *(Happened(e, on(2, 18)) for e in (assessed, asked, measures))]),
    (
        service.NEVER_SILENT,
        [THE_COMPLAINT, Happened(acknowledged, on(3)), Happened(progress, on(5)), Happened(closed, on(9, 18))],
    ),
    (service.RESOLVED, [THE_COMPLAINT, Happened(assessed, on(3)), Happened(proposed, on(6, 18))]),
    (
        service.ESCALATED,
        [missed(1, on(3)), escalated(1, on(3)), missed(2, on(4)), escalated(2, on(4)), Happened(closed, on(9))],
    ),
    (service.UNTIL_SATISFIED, [THE_COMPLAINT, Happened(satisfied, on(3)), Happened(closed, on(3, 10))]),
    (service.ASKED_AGAIN, [*OFFERED, Happened(reminded, on(9)), Happened(satisfied, on(16))]),
    (service.ASKED_AGAIN, [*OFFERED, Happened(reminded, on(9)), Happened(told, on(16)), Happened(reminded, on(23))]),
    (
        service.IMPARTIAL,
        [THE_COMPLAINT, Happened(about_boris, on(3)), Happened(to_anna, on(3)), Happened(closed, on(4))],
    ),
]

BROKEN: list[tuple[Rule, list[Happened]]] = [
    (
        service.RECORDED,
        [Happened(heard_in_part, on(2)), Happened(assessed, on(2, 10)), Happened(remedy_told, on(2, 11))],
    ),
    (service.RECORDED, [Happened(heard_in_part, on(2)), Happened(remedy_told, on(2, 14, 1))]),
    (service.ACKNOWLEDGED, [THE_COMPLAINT, Happened(acknowledged, on(2, 14, 1))]),
    (service.ACKNOWLEDGED, [THE_COMPLAINT, Happened(satisfied, on(2, 10)), Happened(closed, on(2, 11))]),
    (service.CLASSIFIED, [THE_COMPLAINT, Happened(assessed, on(2)), Happened(asked, on(2)), Happened(measures, on(3))]),
    (service.NEVER_SILENT, [THE_COMPLAINT, Happened(progress, on(6)), Happened(closed, on(6, 10))]),
    (service.RESOLVED, [THE_COMPLAINT, Happened(assessed, on(3)), Happened(proposed, on(9))]),
    (service.ESCALATED, [missed(1, on(3)), escalated(1, on(3)), missed(2, on(4)), Happened(closed, on(9))]),
    (service.UNTIL_SATISFIED, [THE_COMPLAINT, Happened(closed, on(3))]),
    (service.UNTIL_SATISFIED, [THE_COMPLAINT, *(Happened(e, on(3)) for e in (satisfied, rejected, closed))]),
    (service.UNTIL_SATISFIED, [THE_COMPLAINT, *(Happened(e, on(3)) for e in (satisfied, closed, reopened, closed))]),
    (service.UNTIL_SATISFIED, [THE_COMPLAINT, Happened(exhausted, on(3), ANNA), Happened(closed, on(3))]),
    (service.ASKED_AGAIN, [*OFFERED, Happened(reminded, on(9, 10)), Happened(satisfied, on(9, 11))]),
    (service.ASKED_AGAIN, [*OFFERED, Happened(reminded, on(9)), Happened(closed, on(17))]),
    (service.ASKED_AGAIN, [OFFERED[0], Happened(told, on(9, 10)), Happened(satisfied, on(9, 11))]),
    (service.IMPARTIAL, [THE_COMPLAINT, Happened(about_boris, on(3)), Happened(to_boris, on(3))]),
    (
        service.IMPARTIAL,
        [THE_COMPLAINT, Happened(to_boris, on(3)), Happened(about_boris, on(3)), Happened(closed, on(4))],
    ),
    (
        service.IMPARTIAL,
        [THE_COMPLAINT, *(Happened(e, on(3)) for e in (about_boris, to_anna)), Happened(found, on(4), BORIS)],
    ),
]

OPEN: list[tuple[Rule, list[Happened]]] = [
    (service.RECORDED, [Happened(heard_in_part, on(2))]),
    (service.ACKNOWLEDGED, [THE_COMPLAINT]),
    (service.CLASSIFIED, [THE_COMPLAINT, Happened(assessed, on(2, 9)), Happened(asked, on(2, 9))]),
    (service.NEVER_SILENT, [THE_COMPLAINT, Happened(acknowledged, on(2, 9))]),
    (service.RESOLVED, [THE_COMPLAINT]),
    (service.ESCALATED, [missed(1, on(2, 9))]),
    (service.UNTIL_SATISFIED, [THE_COMPLAINT, Happened(satisfied, on(2, 9))]),
    (service.ASKED_AGAIN, [*OFFERED]),
    (service.IMPARTIAL, [THE_COMPLAINT, Happened(about_boris, on(2, 9))]),
]


@pytest.mark.parametrize(("rule", "happened"), KEPT, ids=lambda p: getattr(p, "number", ""))
def test_a_case_that_keeps_the_rule(rule: Rule, happened: list[Happened]) -> None:
    row = duty(rule, *happened)
    assert (row.verdict_at(LONG_AFTER), row.missed, row.due_at is None or row.due_at > row.began_at) == (
        Verdict.CONFORMANT,
        0,
        True,
    )


@pytest.mark.parametrize(("rule", "happened"), BROKEN, ids=lambda p: getattr(p, "number", ""))
def test_a_case_that_breaks_the_rule(rule: Rule, happened: list[Happened]) -> None:
    row = duty(rule, *happened)
    assert row.verdict_at(row.done_at or LONG_AFTER) is Verdict.VIOLATED
    assert row.decided_by is not None
    assert row.missed == 1


@pytest.mark.parametrize(("rule", "happened"), OPEN, ids=lambda p: getattr(p, "number", ""))
def test_a_case_that_is_still_open(rule: Rule, happened: list[Happened]) -> None:
    row = duty(rule, *happened)
    assert (row.verdict_at(on(2, 10)), row.state) == (Verdict.PENDING, State.OWED)


@pytest.mark.parametrize("rule", service.RULES, ids=lambda rule: rule.number)
def test_every_rule_is_tried_in_all_three_ways(rule: Rule) -> None:
    assert all(rule in {tried for tried, _ in tries} for tries in (KEPT, BROKEN, OPEN))


def test_whoever_was_told_already_need_not_be_told_again() -> None:
    told = [escalated(3, on(2)), missed(1, on(3)), missed(2, on(4), service.NEVER_SILENT)]
    assert verdict(service.ESCALATED, *told, Happened(closed, on(5))) is Verdict.NOT_APPLICABLE
    twice = [missed(1, on(3)), missed(1, on(3), service.NEVER_SILENT), escalated(1, on(3))]
    assert verdict(service.ESCALATED, *twice, Happened(closed, on(5))) is Verdict.CONFORMANT


def test_after_reopening_the_ladder_begins_at_its_foot() -> None:
    before = [missed(1, on(3)), escalated(1, on(3)), Happened(closed, on(4)), Happened(reopened, on(5))]
    assert verdict(service.ESCALATED, *before, Happened(closed, on(9))) is Verdict.CONFORMANT
    assert verdict(service.ESCALATED, *before, missed(1, on(6)), Happened(closed, on(9))) is Verdict.VIOLATED


def test_above_the_ladder_there_is_nobody_to_tell() -> None:
    assert verdict(service.ESCALATED, missed(3, on(3)), escalated(3, on(3)), missed(4, on(4))) is Verdict.CONFORMANT


def test_1_3_2_what_is_owed_is_missed_by_the_mere_passing_of_time() -> None:
    row = duty(service.ACKNOWLEDGED, THE_COMPLAINT)
    assert row.due_at == on(2, 14)
    assert (row.verdict_at(on(2, 14)), row.verdict_at(on(2, 14, 1))) == (Verdict.PENDING, Verdict.VIOLATED)


def test_a_verdict_cites_its_events_and_the_version_of_the_parameter() -> None:
    row = duty(service.CLASSIFIED, THE_COMPLAINT, Happened(assessed, on(2)), Happened(asked, on(2)))
    assert row.version is not None
    assert row.evidence == {"ComplaintAssessed": row.began_by + 1, "ResponsibleDepartmentAssigned": row.began_by + 2}


def test_holidays_and_made_up_days_count_as_the_calendar_says() -> None:
    before_the_holiday = datetime(2026, 9, 30, 17, tzinfo=MONDAY_NINE.tzinfo)
    row = duty(service.CLASSIFIED, Happened(received, before_the_holiday))
    assert row.due_at == datetime(2026, 10, 8, 17, tzinfo=MONDAY_NINE.tzinfo)


def test_a_change_of_the_parameter_leaves_old_cases_theirs() -> None:
    two_hours = {Code("limit"): Quantity(amount=Decimal(2), unit=Unit.WORKING_HOUR)}
    changed = Happened(
        PolicyParameterChanged(number=Code("P-02"), values=two_hours, valid_from=on(3)),
        on(3),
        LI,
        stream_id="parameter-P-02",
    )
    assert duty(service.ACKNOWLEDGED, THE_COMPLAINT, changed, Happened(rejected, on(3))).due_at == on(2, 14)
    assert duty(service.ACKNOWLEDGED, changed, Happened(received, on(3))).due_at == on(3, 11)


def test_the_severity_says_how_long_it_may_take_and_the_latest_assessment_counts() -> None:
    unjudged = duty(service.RESOLVED, THE_COMPLAINT)
    judged = duty(service.RESOLVED, THE_COMPLAINT, Happened(assessed, on(3)))
    again = duty(service.RESOLVED, THE_COMPLAINT, Happened(assessed, on(3)), Happened(assessed_as_annoyance, on(4)))
    assert (unjudged.due_at, judged.due_at, again.due_at) == (None, on(6, 18), on(27, 18))


def test_a_complaint_taken_back_owes_nothing_and_one_taken_up_again_owes_what_was_left() -> None:
    back = duty(service.ACKNOWLEDGED, THE_COMPLAINT, Happened(withdrawn, on(2, 11)))
    assert (back.verdict, back.state, back.due_at) == (Verdict.NOT_APPLICABLE, State.SHELVED, None)
    again = duty(service.ACKNOWLEDGED, THE_COMPLAINT, Happened(withdrawn, on(2, 11)), Happened(reopened, on(5)))
    assert (again.verdict, again.due_at) == (Verdict.PENDING, on(5, 11))


def test_what_was_too_late_before_it_was_taken_back_stays_so() -> None:
    assert verdict(service.ACKNOWLEDGED, THE_COMPLAINT, Happened(withdrawn, on(3))) is Verdict.VIOLATED


def test_a_reopened_complaint_is_resolved_anew_and_an_old_delay_is_not_forgotten() -> None:
    late = [THE_COMPLAINT, *(Happened(e, on(10)) for e in (assessed, proposed, satisfied, closed))]
    row = duty(service.RESOLVED, *late, Happened(reopened, on(11)), Happened(assessed, on(11)))
    assert (row.state, row.verdict, row.missed, row.began_at) == (State.OWED, Verdict.VIOLATED, 1, on(11))
    assert verdict(service.RESOLVED, *late, *(Happened(e, on(11)) for e in (reopened, assessed, proposed))) is (
        Verdict.VIOLATED
    )


RESOLVED_ONCE = [THE_COMPLAINT, *(Happened(e, on(3)) for e in (assessed, proposed, satisfied, closed))]


def test_a_reopened_complaint_is_resolved_in_the_time_of_the_severity_last_named() -> None:
    again = duty(service.RESOLVED, *RESOLVED_ONCE, Happened(reopened, on(9)))
    assert (again.began_at, again.due_at, again.alarm_at) == (on(9), on(13, 18), on(13, 18))
    twice = [*RESOLVED_ONCE, *(Happened(e, on(4)) for e in (reopened, proposed, closed)), Happened(reopened, on(9))]
    assert duty(service.RESOLVED, *twice).due_at == on(13, 18)
    judged_since = [*RESOLVED_ONCE[:3], Happened(assessed_as_annoyance, on(4)), *RESOLVED_ONCE[3:]]
    assert duty(service.RESOLVED, *judged_since, Happened(reopened, on(9))).due_at == on(34, 18)


def test_and_by_the_value_in_force_when_it_is_reopened() -> None:
    two_days = {Code("S2"): Quantity(amount=Decimal(2), unit=Unit.WORKING_DAY)}
    changed = Happened(
        PolicyParameterChanged(number=Code("P-05"), values=two_days, valid_from=on(9)),
        on(9),
        LI,
        stream_id="parameter-P-05",
    )
    assert duty(service.RESOLVED, *RESOLVED_ONCE, changed, Happened(reopened, on(9))).due_at == on(10, 18)


@pytest.mark.parametrize("end", [[proposed, closed], [withdrawn]], ids=["closed", "withdrawn"])
def test_a_reopened_complaint_climbs_the_ladder_from_its_foot(end: list[Event]) -> None:
    high = [THE_COMPLAINT, *(Happened(e, on(3)) for e in (assessed, ComplaintEscalated(level=3, reason=WORDS), *end))]
    assert duty(service.RESOLVED, *high, Happened(reopened, on(9))).level == 0


def test_an_act_recorded_late_but_done_in_time_is_in_time() -> None:
    assert verdict(service.ACKNOWLEDGED, THE_COMPLAINT, Happened(acknowledged, on(2, 10), recorded_at=on(20))) is (
        Verdict.CONFORMANT
    )


def test_the_manager_declares_recourse_exhausted_also_through_a_power_lent() -> None:
    assert verdict(service.UNTIL_SATISFIED, THE_COMPLAINT, Happened(exhausted, on(3), LI), Happened(closed, on(3))) is (
        Verdict.CONFORMANT
    )
    lent = DelegationGranted(
        number=Code("1"), grantor_id=LI, delegate_id=ANNA, powers=(Role.MANAGER,), areas=(),
        valid_from=on(1), valid_until=on(9),
    )  # fmt: skip
    by_her = Envelope(delegation=Delegation(number=Code("1"), grantor_id=LI), on_behalf_of=LI)
    happened = [
        Happened(lent, on(1), LI, stream_id="department"),
        THE_COMPLAINT,
        Happened(exhausted, on(3), ANNA, by_her),
        Happened(closed, on(3)),
    ]
    assert verdict(service.UNTIL_SATISFIED, *happened) is Verdict.CONFORMANT


def test_a_manager_who_is_no_more_declares_nothing() -> None:
    gone = RoleEnded(employee_id=LI, role=Role.MANAGER, unit=Code("business"), ended_at=on(2))
    happened = [
        Happened(gone, on(2), stream_id="department"),
        THE_COMPLAINT,
        Happened(exhausted, on(3), LI),
        Happened(closed, on(3)),
    ]
    assert verdict(service.UNTIL_SATISFIED, *happened) is Verdict.VIOLATED


def test_whoever_acts_by_the_power_of_somebody_complained_about_is_not_impartial() -> None:
    for_boris = Envelope(on_behalf_of=BORIS)
    happened = [THE_COMPLAINT, Happened(about_boris, on(3)), Happened(found, on(4), ANNA, for_boris)]
    assert verdict(service.IMPARTIAL, *happened) is Verdict.VIOLATED


def test_the_handler_owes_what_is_next_and_the_ladder_is_climbed() -> None:
    row = duty(
        service.RESOLVED, THE_COMPLAINT, Happened(assessed, on(2)), Happened(asked, on(2)), Happened(to_anna, on(2))
    )
    assert (row.owner_id, row.unit, row.level, row.alarm_at) == (EmployeeId(ANNA), "heating", 0, on(6, 18))
    told = ObligationMissed(rule=Code("R-CS-6"), due_at=on(6, 18), told=1)
    row = duty(service.RESOLVED, THE_COMPLAINT, Happened(assessed, on(2)), Happened(told, on(9)))
    assert (row.told, row.level, row.due_at, row.alarm_at) == (1, 1, on(6, 18), on(13, 18))
    row = duty(service.RESOLVED, THE_COMPLAINT, Happened(assessed, on(2)), Happened(replace(told, told=3), on(9)))
    assert (row.level, row.alarm_at) == (3, None)
    assert duty(service.ACKNOWLEDGED, THE_COMPLAINT, Happened(told, on(9))).told == 0
    escalated = ComplaintEscalated(level=3, reason=WORDS)
    assert duty(service.RESOLVED, THE_COMPLAINT, Happened(escalated, on(2))).level == 3


def test_a_waiver_holds_for_its_rule_its_case_and_its_time() -> None:
    approved = WaiverApproved(rule=Code("R-CS-3"), case_id=AnyId("complaint-1"), expires_at=on(4))
    waived = Happened(approved, on(2, 10), LI, stream_id="waiver-1")
    late = [THE_COMPLAINT, Happened(acknowledged, on(3))]
    assert verdict(service.ACKNOWLEDGED, waived, *late) is Verdict.WAIVED
    assert verdict(service.NEVER_SILENT, waived, THE_COMPLAINT, Happened(closed, on(9))) is Verdict.VIOLATED
    assert verdict(service.ACKNOWLEDGED, waived, THE_COMPLAINT, Happened(acknowledged, on(5))) is Verdict.VIOLATED
    other = Happened(replace(approved, case_id=AnyId("complaint-2")), on(2, 10), LI, stream_id="waiver-1")
    assert verdict(service.ACKNOWLEDGED, other, *late) is Verdict.VIOLATED
    revoked = WaiverRevoked(rule=Code("R-CS-3"), case_id=AnyId("complaint-1"), grounds=WORDS)
    ended = Happened(revoked, on(2, 11), LI, stream_id="waiver-1")
    assert verdict(service.ACKNOWLEDGED, waived, ended, *late) is Verdict.VIOLATED


def so_many_reminders(number: int, at: datetime) -> Happened:
    """From then on nobody is asked more often."""
    (known,) = (p for p in DEFAULT_PARAMETERS if p.number == "P-06")
    values = {**known.values, Code("reminders"): Quantity(amount=Decimal(number), unit=Unit.COUNT)}
    return Happened(
        PolicyParameterChanged(number=known.number, values=values, valid_from=at), at, LI, stream_id="parameter-P-06"
    )


@pytest.mark.parametrize("most", [0, 1, 2])
def test_3_3_2_c_nobody_is_asked_more_often_than_p_06_said_when_it_was_offered(most: int) -> None:
    history = [so_many_reminders(most, FOUNDED), *OFFERED, so_many_reminders(9, on(4))]
    history += [Happened(reminded, on(3 + 6 * number)) for number in range(1, most + 1)]
    row = duty(service.ASKED_AGAIN, *history)
    assert (row.state, row.verdict, len(row.evidence or {})) == (State.DONE, Verdict.CONFORMANT, most)
    assert not most or duty(service.ASKED_AGAIN, *history[:-1]).state is State.OWED


def test_3_3_2_c_what_is_offered_anew_is_asked_about_anew() -> None:
    twice = [Happened(reminded, on(day)) for day in (9, 16)]
    again = [Happened(proposed, on(18)), Happened(told, on(18))]
    row = duty(service.ASKED_AGAIN, *OFFERED, *twice, *again)
    assert (row.state, row.evidence, row.due_at) == (State.OWED, None, on(25))


def test_imported_history_is_judged_by_the_first_values_and_marked() -> None:
    row = duty(service.ACKNOWLEDGED, imported(received, on(2)), imported(acknowledged, on(2, 13)))
    assert (row.verdict, row.imported) == (Verdict.CONFORMANT, True)
    assert row.version is not None


def test_a_source_that_cannot_tell_of_an_event_proves_nothing() -> None:
    tells = ("ComplaintReceived", "ComplaintReceived.facts", "ComplaintReceived.remedy_sought", "ComplaintClosed")
    described = LegacySourceDescribed(source=Code("desk"), map=Code("desk"), tells=tuple(map(Code, tells)))
    history = [
        Happened(described, FOUNDED, "importer", stream_id="import-1"),
        imported(received, on(2)),
        imported(proposed, on(3)),
        imported(closed, on(9)),
    ]
    asked_of = set(service.RULES) - {service.ESCALATED}  # of what is imported the clock says nothing
    judged = {str(rule.number): verdict(rule, *history) for rule in asked_of}
    assert judged.pop("R-CS-2") is Verdict.CONFORMANT
    assert set(judged.values()) == {Verdict.UNDETERMINABLE}


def test_where_there_is_no_calendar_nobody_can_tell() -> None:
    long_ago = datetime(2012, 3, 5, 9, tzinfo=MONDAY_NINE.tzinfo)
    history = [imported(received, long_ago), imported(acknowledged, long_ago)]
    assert verdict(service.ACKNOWLEDGED, *history) is Verdict.UNDETERMINABLE
