"""One manager at every instant and one deputy for each area: kept, broken, and broken only by what lies ahead."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import pytest

from aggregates.actor import Role
from aggregates.event import Event
from aggregates.ids import EmployeeId
from aggregates.organisation.department import (
    ActingEnded,
    ActingStarted,
    BusinessAreaAssigned,
    BusinessAreaWithdrawn,
    RoleAssigned,
    RoleEnded,
)
from aggregates.text import Code
from projections.rules.duty import DutyRow, Finding, State, Verdict
from projections.rules.organisation import DOUBLE, NO_DEPUTY, ONE_DEPUTY, ONE_MANAGER, RULES, VACANT
from projections.rules.rule import Rule
from tests.projections.rules.cases import ANNA, BORIS, LI, Happened, duty, on

BUSINESS, HEATING = Code("business"), Code("heating")


def manager(who: EmployeeId, since: datetime) -> RoleAssigned:
    return RoleAssigned(employee_id=who, role=Role.MANAGER, unit=BUSINESS, valid_from=since)


def no_manager(who: EmployeeId, at: datetime) -> RoleEnded:
    return RoleEnded(employee_id=who, role=Role.MANAGER, unit=BUSINESS, ended_at=at)


def deputy(who: EmployeeId) -> RoleAssigned:
    return RoleAssigned(employee_id=who, role=Role.DEPUTY, unit=BUSINESS, valid_from=on(2))


def in_charge(who: EmployeeId, since: datetime, until: datetime | None = None) -> BusinessAreaAssigned:
    return BusinessAreaAssigned(employee_id=who, area=HEATING, valid_from=since, valid_until=until)


def withdrawn(who: EmployeeId, at: datetime) -> BusinessAreaWithdrawn:
    return BusinessAreaWithdrawn(employee_id=who, area=HEATING, ended_at=at)


def after(rule: Rule, *events: Event, at: Iterable[int] = ()) -> DutyRow:
    days = [*at] or [2] * len(events)
    happened = (Happened(e, on(day), stream_id="department") for e, day in zip(events, days, strict=True))
    return duty(rule, *happened, case="department")


def test_the_founder_alone_is_one_manager() -> None:
    row = after(ONE_MANAGER)
    assert (row.verdict, row.state, row.findings) == (Verdict.CONFORMANT, State.DONE, None)


def test_a_successor_at_the_same_instant_leaves_no_gap() -> None:
    row = after(ONE_MANAGER, no_manager(LI, on(9)), manager(ANNA, on(9)))
    assert (row.verdict, row.findings) == (Verdict.CONFORMANT, None)


def test_a_gap_is_found_with_its_beginning_and_end() -> None:
    row = after(ONE_MANAGER, no_manager(LI, on(3)), manager(ANNA, on(5)), at=[3, 5])
    assert row.findings == (Finding(what=VACANT, whom=Code("MGR"), since=on(3), until=on(5)),)
    assert (row.verdict, row.missed, row.state) == (Verdict.VIOLATED, 1, State.DONE)


def test_a_gap_that_lies_ahead_is_owed_until_it_comes() -> None:
    row = after(ONE_MANAGER, no_manager(LI, on(20)))
    assert (row.verdict, row.state, row.due_at) == (Verdict.PENDING, State.OWED, on(20))
    assert (row.verdict_at(on(19)), row.verdict_at(on(21))) == (Verdict.PENDING, Verdict.VIOLATED)
    filled = after(ONE_MANAGER, no_manager(LI, on(20)), manager(ANNA, on(20)), at=[2, 3])
    assert (filled.verdict, filled.state) == (Verdict.CONFORMANT, State.DONE)


def test_somebody_acting_fills_a_gap_and_its_end_opens_it_again() -> None:
    acts = ActingStarted(employee_id=BORIS, valid_from=on(5), valid_until=on(20))
    row = after(ONE_MANAGER, acts, no_manager(LI, on(9)), at=[5, 9])
    assert (row.verdict, row.due_at) == (Verdict.PENDING, on(20))
    row = after(
        ONE_MANAGER, acts, no_manager(LI, on(9)), ActingEnded(employee_id=BORIS, ended_at=on(10)), at=[5, 9, 12]
    )
    assert row.findings == (Finding(what=VACANT, whom=Code("MGR"), since=on(10)),)
    assert (row.verdict, row.state) == (Verdict.VIOLATED, State.OWED)


def test_2_1_two_managers_at_once_are_found() -> None:
    row = after(ONE_MANAGER, manager(ANNA, on(3)), no_manager(LI, on(5)), at=[3, 5])
    assert row.findings == (Finding(what=DOUBLE, whom=Code("MGR"), since=on(3), until=on(5)),)
    assert row.verdict is Verdict.VIOLATED


def test_an_area_with_its_deputy_conforms() -> None:
    row = after(ONE_DEPUTY, deputy(ANNA), in_charge(ANNA, on(2)))
    assert (row.verdict, row.findings) == (Verdict.CONFORMANT, None)


def test_where_no_area_has_ever_had_a_deputy_there_is_nothing_to_judge() -> None:
    for row in (after(ONE_DEPUTY), after(ONE_DEPUTY, deputy(ANNA))):
        assert (row.verdict, row.state, row.findings) == (Verdict.NOT_APPLICABLE, State.DONE, None)


@pytest.mark.parametrize(
    ("events", "found"),
    [
        (
            (deputy(ANNA), in_charge(ANNA, on(2)), withdrawn(ANNA, on(2, 10))),
            Finding(what=VACANT, whom=HEATING, since=on(2, 10)),
        ),
        (
            (deputy(ANNA), deputy(BORIS), in_charge(ANNA, on(2)), in_charge(BORIS, on(2, 8))),
            Finding(what=DOUBLE, whom=HEATING, since=on(2)),
        ),
        ((in_charge(ANNA, on(2)),), Finding(what=NO_DEPUTY, whom=HEATING, since=on(2))),
        (
            (
                deputy(ANNA),
                in_charge(ANNA, on(2)),
                RoleEnded(employee_id=ANNA, role=Role.DEPUTY, unit=BUSINESS, ended_at=on(2, 11)),
            ),
            Finding(what=NO_DEPUTY, whom=HEATING, since=on(2, 11)),
        ),
    ],
)
def test_2_2_2_a_an_area_without_its_one_deputy_is_found(events: tuple[Event, ...], found: Finding) -> None:
    row = after(ONE_DEPUTY, *events, in_charge(LI, on(30)), at=[3] * (len(events) + 1))
    assert row.verdict is Verdict.VIOLATED
    assert row.findings is not None
    assert (found.what, found.whom, found.since) in {(one.what, one.whom, one.since) for one in row.findings}


def test_a_charge_that_ends_is_owed_a_successor() -> None:
    row = after(ONE_DEPUTY, deputy(ANNA), in_charge(ANNA, on(2), on(20)))
    assert (row.verdict, row.state, row.due_at) == (Verdict.PENDING, State.OWED, on(20))


def test_both_rules_are_tried() -> None:
    assert {rule.number for rule in RULES} == {"R-ORG-1", "R-ORG-2"}
