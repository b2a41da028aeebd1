"""Department: one manager at every instant, one deputy for each area, and nobody lends what is not theirs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import hypothesis
import pytest
from hypothesis import strategies as st

from aggregates.actor import Actor, Delegation, Role
from aggregates.event import Event, decide, events_of, recall
from aggregates.ids import EmployeeId
from aggregates.organisation.department import (
    ActingEnded,
    ActingStarted,
    BusinessAreaAssigned,
    BusinessAreaWithdrawn,
    DelegationGranted,
    DelegationRevoked,
    Department,
    HandoverCompleted,
    RoleAssigned,
    RoleEnded,
    UnitClosed,
    UnitEstablished,
    UnitMoved,
    UnitRenamed,
)
from aggregates.refused import Refused
from aggregates.term import Term
from aggregates.text import Code, Text
from tests.given import Given, given

ANNA, BEA, CARL, DORA = (EmployeeId(f"employee-{name}") for name in ("anna", "bea", "carl", "dora"))
HOUSE, SERVICE, HOTLINE, SALES = Code("department"), Code("service"), Code("hotline"), Code("sales")
NORTH = Code("north")
MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
TUESDAY, WEDNESDAY, THURSDAY, FRIDAY = (MONDAY + timedelta(days=n) for n in range(1, 5))

MANAGER = Actor(id=ANNA, roles=frozenset({Role.MANAGER, Role.EMPLOYEE}))
HR = Actor(id=EmployeeId("employee-hugo"), roles=frozenset({Role.HUMAN_RESOURCES, Role.EMPLOYEE}))
CARL_HIMSELF = Actor(id=CARL, roles=frozenset({Role.CUSTOMER_SERVICE_LEAD, Role.EMPLOYEE}))


def holds(
    who: EmployeeId, role: Role, unit: Code = HOUSE, since: datetime = MONDAY, until: datetime | None = None
) -> RoleAssigned:
    return RoleAssigned(employee_id=who, role=role, unit=unit, valid_from=since, valid_until=until)


def manager_ends(who: EmployeeId, at: datetime) -> RoleEnded:
    return RoleEnded(employee_id=who, role=Role.MANAGER, unit=HOUSE, ended_at=at)


def in_charge(who: EmployeeId, since: datetime = MONDAY, until: datetime | None = None) -> BusinessAreaAssigned:
    return BusinessAreaAssigned(employee_id=who, area=NORTH, valid_from=since, valid_until=until)


the_house = UnitEstablished(unit=HOUSE, name=Code("Business management"))
service = UnitEstablished(unit=SERVICE, name=Code("Customer service"), parent=HOUSE)
hotline = UnitEstablished(unit=HOTLINE, name=Code("Hotline"), parent=SERVICE)
anna_manages = holds(ANNA, Role.MANAGER)
bea_is_deputy = holds(BEA, Role.DEPUTY)
carl_leads = holds(CARL, Role.CUSTOMER_SERVICE_LEAD, SERVICE)
dora_acts = ActingStarted(employee_id=DORA, valid_from=TUESDAY, valid_until=THURSDAY)
carl_lends = DelegationGranted(
    number=Code("D-1"),
    grantor_id=CARL,
    delegate_id=DORA,
    powers=(Role.CUSTOMER_SERVICE_LEAD,),
    areas=(SERVICE,),
    valid_from=TUESDAY,
    valid_until=THURSDAY,
)


def founded(*later: Event) -> Given[Department]:
    return given(Department, the_house, service, hotline, anna_manages, *later)


# Units


def test_a_unit_is_established_below_another() -> None:
    founded().when(Department.establish_unit, SALES, Code("Sales"), HOUSE).then(
        UnitEstablished(unit=SALES, name=Code("Sales"), parent=HOUSE)
    )


def test_the_code_of_a_unit_is_never_used_twice() -> None:
    founded(UnitClosed(unit=HOTLINE)).when(Department.establish_unit, HOTLINE, Code("Hotline"), SERVICE).then_refused(
        "choose another"
    )


def test_nothing_is_established_below_a_unit_that_is_closed() -> None:
    founded(UnitClosed(unit=HOTLINE)).when(Department.establish_unit, SALES, Code("Sales"), HOTLINE).then_refused(
        "no open unit hotline"
    )


def test_a_unit_gets_a_new_name() -> None:
    founded().when(Department.rename_unit, SERVICE, Code("Care")).then(UnitRenamed(unit=SERVICE, name=Code("Care")))


def test_the_name_it_has_already_changes_nothing() -> None:
    founded(UnitRenamed(unit=SERVICE, name=Code("Care"))).when(
        Department.rename_unit, SERVICE, Code("Care")
    ).then_nothing()


def test_a_unit_moves_below_another() -> None:
    founded().when(Department.move_unit, HOTLINE, HOUSE).then(UnitMoved(unit=HOTLINE, parent=HOUSE))


def test_moving_it_to_where_it_lies_changes_nothing() -> None:
    founded(UnitMoved(unit=HOTLINE, parent=HOUSE)).when(Department.move_unit, HOTLINE, HOUSE).then_nothing()


@pytest.mark.parametrize("below", [SERVICE, HOTLINE])
def test_no_unit_moves_below_itself(below: Code) -> None:
    founded().when(Department.move_unit, SERVICE, below).then_refused("belongs to service itself")


def test_the_department_itself_does_not_move() -> None:
    founded().when(Department.move_unit, HOUSE, SERVICE).then_refused("choose another parent")


def test_an_empty_unit_is_closed() -> None:
    founded().when(Department.close_unit, MONDAY, HOTLINE).then(UnitClosed(unit=HOTLINE))


def test_a_unit_with_units_of_its_own_is_not() -> None:
    founded().when(Department.close_unit, MONDAY, SERVICE).then_refused("Close or move the units of service first")


def test_nor_is_one_in_which_somebody_holds_an_office_or_will() -> None:
    founded(holds(CARL, Role.CUSTOMER_SERVICE, HOTLINE, since=FRIDAY)).when(
        Department.close_unit, MONDAY, HOTLINE
    ).then_refused("End the offices held in hotline first")


def test_offices_that_are_over_keep_no_unit_open() -> None:
    founded(holds(CARL, Role.CUSTOMER_SERVICE, HOTLINE, until=TUESDAY)).when(
        Department.close_unit, TUESDAY, HOTLINE
    ).then(UnitClosed(unit=HOTLINE))


# Offices


def test_somebody_is_appointed_for_a_term() -> None:
    founded().when(Department.appoint, HR, MONDAY, CARL, Role.CUSTOMER_SERVICE_LEAD, SERVICE, TUESDAY, FRIDAY).then(
        holds(CARL, Role.CUSTOMER_SERVICE_LEAD, SERVICE, since=TUESDAY, until=FRIDAY)
    )


def test_an_appointment_counts_from_the_act_on_where_nothing_else_is_said() -> None:
    founded().when(Department.appoint, MANAGER, TUESDAY, CARL, Role.CUSTOMER_SERVICE_LEAD, SERVICE).then(
        holds(CARL, Role.CUSTOMER_SERVICE_LEAD, SERVICE, since=TUESDAY)
    )


def test_but_never_from_before_the_act() -> None:
    founded().when(Department.appoint, HR, TUESDAY, CARL, Role.CUSTOMER_SERVICE_LEAD, SERVICE, MONDAY).then_refused(
        "back-date the act itself"
    )


def test_an_office_ends_after_it_begins() -> None:
    founded().when(
        Department.appoint, HR, MONDAY, CARL, Role.CUSTOMER_SERVICE_LEAD, SERVICE, TUESDAY, TUESDAY
    ).then_refused("must end after it begins")


def test_nobody_holds_the_same_office_twice_at_once() -> None:
    founded(carl_leads).when(
        Department.appoint, HR, MONDAY, CARL, Role.CUSTOMER_SERVICE_LEAD, SERVICE, FRIDAY
    ).then_refused("holds this office in that time already")


def test_but_may_get_it_back_when_it_has_ended() -> None:
    founded(holds(CARL, Role.CUSTOMER_SERVICE_LEAD, SERVICE, until=TUESDAY)).when(
        Department.appoint, HR, MONDAY, CARL, Role.CUSTOMER_SERVICE_LEAD, SERVICE, TUESDAY
    ).then(holds(CARL, Role.CUSTOMER_SERVICE_LEAD, SERVICE, since=TUESDAY))


def test_offices_lie_in_open_units() -> None:
    founded(UnitClosed(unit=HOTLINE)).when(
        Department.appoint, HR, MONDAY, CARL, Role.CUSTOMER_SERVICE, HOTLINE
    ).then_refused("no open unit hotline")


def test_a_customer_is_not_an_office() -> None:
    founded().when(Department.appoint, HR, MONDAY, CARL, Role.CUSTOMER, SERVICE).then_refused("CUST is no office")


def test_nobody_appoints_themselves() -> None:
    founded().when(Department.appoint, HR, MONDAY, EmployeeId(HR.id), Role.DEPUTY, HOUSE).then_refused(
        "Nobody appoints themselves"
    )


def test_not_even_through_a_delegate() -> None:
    by_delegate = Actor(id=DORA, roles=HR.roles, delegation=Delegation(number=Code("D-1"), grantor_id=CARL))
    founded().when(Department.appoint, by_delegate, MONDAY, CARL, Role.DEPUTY, HOUSE).then_refused(
        "Nobody appoints themselves"
    )


def test_an_office_ends_now_or_later() -> None:
    founded(carl_leads).when(Department.end_role, TUESDAY, CARL, Role.CUSTOMER_SERVICE_LEAD, SERVICE, FRIDAY).then(
        RoleEnded(employee_id=CARL, role=Role.CUSTOMER_SERVICE_LEAD, unit=SERVICE, ended_at=FRIDAY)
    )


def test_what_is_over_cannot_be_ended() -> None:
    founded(holds(CARL, Role.CUSTOMER_SERVICE_LEAD, SERVICE, until=TUESDAY)).when(
        Department.end_role, TUESDAY, CARL, Role.CUSTOMER_SERVICE_LEAD, SERVICE
    ).then_refused("does not hold this any more")


def test_the_past_is_not_ended() -> None:
    founded(carl_leads).when(
        Department.end_role, TUESDAY, CARL, Role.CUSTOMER_SERVICE_LEAD, SERVICE, MONDAY
    ).then_refused("back-date the act itself")


# The manager


def test_a_second_manager_is_not_appointed() -> None:
    founded().when(Department.appoint, HR, MONDAY, BEA, Role.MANAGER, HOUSE).then_refused("name a successor instead")


def test_the_manager_does_not_leave_without_a_successor() -> None:
    founded().when(Department.end_role, MONDAY, ANNA, Role.MANAGER, HOUSE).then_refused("until a successor takes over")


def test_a_successor_takes_over_at_the_instant_at_which_the_manager_leaves() -> None:
    founded().when(Department.succeed_manager, HR, MONDAY, BEA, FRIDAY).then(
        manager_ends(ANNA, FRIDAY), holds(BEA, Role.MANAGER, since=FRIDAY)
    )


def test_another_successor_may_be_named_before_the_first_takes_over() -> None:
    founded(manager_ends(ANNA, FRIDAY), holds(BEA, Role.MANAGER, since=FRIDAY)).when(
        Department.succeed_manager, HR, TUESDAY, CARL, WEDNESDAY
    ).then(manager_ends(ANNA, WEDNESDAY), manager_ends(BEA, WEDNESDAY), holds(CARL, Role.MANAGER, since=WEDNESDAY))


def test_the_manager_may_stay_after_all() -> None:
    founded(manager_ends(ANNA, FRIDAY), holds(BEA, Role.MANAGER, since=FRIDAY)).when(
        Department.succeed_manager, HR, TUESDAY, ANNA
    ).then(manager_ends(ANNA, TUESDAY), manager_ends(BEA, TUESDAY), holds(ANNA, Role.MANAGER, since=TUESDAY))


def test_the_manager_in_office_succeeds_nobody() -> None:
    founded().when(Department.succeed_manager, HR, TUESDAY, ANNA).then_nothing()


def test_an_office_left_empty_is_filled_from_any_day_on() -> None:
    given(Department, the_house).when(Department.succeed_manager, HR, TUESDAY, BEA).then(
        holds(BEA, Role.MANAGER, since=TUESDAY)
    )


def test_nobody_takes_over_by_their_own_word() -> None:
    by_bea = Actor(id=BEA, roles=frozenset({Role.HUMAN_RESOURCES}))
    founded().when(Department.succeed_manager, by_bea, MONDAY, BEA).then_refused("Nobody appoints themselves")


def test_before_the_founding_there_is_nothing_to_manage() -> None:
    given(Department).when(Department.succeed_manager, HR, MONDAY, BEA).then_refused("Found the department first")


# Acting for the manager


def test_somebody_acts_for_the_absent_manager() -> None:
    founded().when(Department.start_acting, MANAGER, MONDAY, DORA, THURSDAY, TUESDAY).then(dora_acts)


def test_one_at_a_time() -> None:
    founded(dora_acts).when(Department.start_acting, MANAGER, MONDAY, BEA, FRIDAY, WEDNESDAY).then_refused(
        "employee-dora acts in that time"
    )


def test_one_after_the_other() -> None:
    founded(dora_acts).when(Department.start_acting, MANAGER, MONDAY, BEA, FRIDAY, THURSDAY).then(
        ActingStarted(employee_id=BEA, valid_from=THURSDAY, valid_until=FRIDAY)
    )


def test_the_manager_does_not_act_for_the_manager() -> None:
    founded().when(Department.start_acting, HR, MONDAY, ANNA, THURSDAY).then_refused("name somebody else")


def test_nobody_names_themselves_to_act() -> None:
    by_bea = Actor(id=BEA, roles=frozenset({Role.HUMAN_RESOURCES}))
    founded().when(Department.start_acting, by_bea, MONDAY, BEA, THURSDAY).then_refused("Nobody appoints themselves")


def test_acting_ends_when_the_manager_is_back() -> None:
    founded(dora_acts).when(Department.end_acting, WEDNESDAY, DORA).then(
        ActingEnded(employee_id=DORA, ended_at=WEDNESDAY)
    )


def test_whoever_does_not_act_cannot_end_it() -> None:
    founded(dora_acts, ActingEnded(employee_id=DORA, ended_at=WEDNESDAY)).when(
        Department.end_acting, WEDNESDAY, DORA
    ).then_refused("does not hold this any more")


# Business areas


def test_a_deputy_is_put_in_charge_of_an_area() -> None:
    founded(bea_is_deputy).when(Department.assign_area, MANAGER, MONDAY, BEA, NORTH, TUESDAY).then(
        in_charge(BEA, since=TUESDAY)
    )


def test_nobody_else_is() -> None:
    founded(carl_leads).when(Department.assign_area, MANAGER, MONDAY, CARL, NORTH).then_refused(
        "employee-carl is not a deputy for all that time"
    )


def test_nor_for_longer_than_the_office_of_deputy_lasts() -> None:
    founded(holds(BEA, Role.DEPUTY, until=THURSDAY)).when(
        Department.assign_area, MANAGER, MONDAY, BEA, NORTH, TUESDAY, FRIDAY
    ).then_refused("not a deputy for all that time")


def test_two_terms_of_office_in_a_row_carry_one_area() -> None:
    founded(holds(BEA, Role.DEPUTY, until=THURSDAY), holds(BEA, Role.DEPUTY, since=THURSDAY)).when(
        Department.assign_area, MANAGER, MONDAY, BEA, NORTH
    ).then(in_charge(BEA))


def test_an_area_has_one_deputy_at_a_time() -> None:
    founded(bea_is_deputy, holds(CARL, Role.DEPUTY), in_charge(BEA)).when(
        Department.assign_area, MANAGER, MONDAY, CARL, NORTH, FRIDAY
    ).then_refused("employee-bea is in charge of north in that time: withdraw it first")


def test_the_next_one_begins_where_the_last_one_ends() -> None:
    withdrawn = BusinessAreaWithdrawn(employee_id=BEA, area=NORTH, ended_at=FRIDAY)
    founded(bea_is_deputy, holds(CARL, Role.DEPUTY), in_charge(BEA), withdrawn).when(
        Department.assign_area, MANAGER, MONDAY, CARL, NORTH, FRIDAY
    ).then(in_charge(CARL, since=FRIDAY))


def test_nobody_puts_themselves_in_charge() -> None:
    founded(holds(ANNA, Role.DEPUTY)).when(Department.assign_area, MANAGER, MONDAY, ANNA, NORTH).then_refused(
        "Nobody appoints themselves"
    )


def test_an_area_is_withdrawn() -> None:
    founded(bea_is_deputy, in_charge(BEA)).when(Department.withdraw_area, TUESDAY, BEA, NORTH).then(
        BusinessAreaWithdrawn(employee_id=BEA, area=NORTH, ended_at=TUESDAY)
    )


def test_only_from_whoever_has_it() -> None:
    founded(bea_is_deputy, in_charge(BEA)).when(Department.withdraw_area, TUESDAY, CARL, NORTH).then_refused(
        "employee-carl does not hold this"
    )


def test_with_the_office_of_deputy_go_its_areas() -> None:
    founded(bea_is_deputy, in_charge(BEA)).when(Department.end_role, TUESDAY, BEA, Role.DEPUTY, HOUSE, FRIDAY).then(
        RoleEnded(employee_id=BEA, role=Role.DEPUTY, unit=HOUSE, ended_at=FRIDAY),
        BusinessAreaWithdrawn(employee_id=BEA, area=NORTH, ended_at=FRIDAY),
    )


def test_areas_stay_with_whoever_is_deputy_elsewhere_too() -> None:
    founded(bea_is_deputy, holds(BEA, Role.DEPUTY, SERVICE), in_charge(BEA)).when(
        Department.end_role, TUESDAY, BEA, Role.DEPUTY, HOUSE
    ).then(RoleEnded(employee_id=BEA, role=Role.DEPUTY, unit=HOUSE, ended_at=TUESDAY))


# Delegation


def test_a_holder_lends_powers_and_what_they_reach_for_a_while() -> None:
    founded(carl_leads).when(
        Department.delegate,
        CARL_HIMSELF,
        MONDAY,
        DORA,
        (Role.CUSTOMER_SERVICE_LEAD,),
        (SERVICE,),
        THURSDAY,
        TUESDAY,
    ).then(carl_lends)


def test_delegations_are_numbered_in_order() -> None:
    state = recall(Department, [the_house, carl_leads, carl_lends])
    (granted,) = decide(
        state, Department.delegate, CARL_HIMSELF, MONDAY, BEA, (Role.CUSTOMER_SERVICE_LEAD,), (), FRIDAY
    )
    assert isinstance(granted, DelegationGranted)
    assert granted.number == "D-2"


def test_a_deputy_may_lend_a_business_area() -> None:
    by_bea = Actor(id=BEA, roles=frozenset({Role.DEPUTY, Role.EMPLOYEE}))
    founded(bea_is_deputy, in_charge(BEA)).when(
        Department.delegate, by_bea, MONDAY, CARL, (Role.DEPUTY,), (NORTH,), FRIDAY
    ).then(
        DelegationGranted(
            number=Code("D-1"),
            grantor_id=BEA,
            delegate_id=CARL,
            powers=(Role.DEPUTY,),
            areas=(NORTH,),
            valid_from=MONDAY,
            valid_until=FRIDAY,
        )
    )


def test_nobody_lends_a_power_they_do_not_hold() -> None:
    founded(carl_leads).when(
        Department.delegate, CARL_HIMSELF, MONDAY, DORA, (Role.CUSTOMER_SERVICE_LEAD, Role.DEPUTY), (), FRIDAY
    ).then_refused("You do not hold DEP in your own right")


def test_nor_one_that_ends_before_the_delegation_does() -> None:
    founded(holds(CARL, Role.CUSTOMER_SERVICE_LEAD, SERVICE, until=THURSDAY)).when(
        Department.delegate, CARL_HIMSELF, MONDAY, DORA, (Role.CUSTOMER_SERVICE_LEAD,), (), FRIDAY
    ).then_refused("for all that time")


def test_nor_one_that_was_lent_to_them() -> None:
    by_dora = Actor(id=DORA, roles=frozenset({Role.CUSTOMER_SERVICE_LEAD, Role.EMPLOYEE}))
    founded(carl_leads, carl_lends).when(
        Department.delegate, by_dora, TUESDAY, BEA, (Role.CUSTOMER_SERVICE_LEAD,), (), WEDNESDAY
    ).then_refused("in your own right")


def test_nor_the_managers_while_only_acting() -> None:
    by_dora = Actor(id=DORA, roles=frozenset({Role.MANAGER, Role.EMPLOYEE}))
    founded(dora_acts).when(Department.delegate, by_dora, TUESDAY, BEA, (Role.MANAGER,), (), WEDNESDAY).then_refused(
        "You do not hold MGR in your own right"
    )


def test_nor_an_area_that_is_not_theirs() -> None:
    founded(carl_leads).when(
        Department.delegate, CARL_HIMSELF, MONDAY, DORA, (Role.CUSTOMER_SERVICE_LEAD,), (NORTH,), FRIDAY
    ).then_refused("You are not in charge of north")


def test_nobody_delegates_to_themselves() -> None:
    founded(carl_leads).when(
        Department.delegate, CARL_HIMSELF, MONDAY, CARL, (Role.CUSTOMER_SERVICE_LEAD,), (), FRIDAY
    ).then_refused("name somebody else")


def test_an_empty_delegation_lends_nothing() -> None:
    founded(carl_leads).when(Department.delegate, CARL_HIMSELF, MONDAY, DORA, (), (), FRIDAY).then_refused(
        "Name the powers"
    )


@pytest.mark.parametrize("by", [CARL_HIMSELF, MANAGER])
def test_the_grantor_and_the_manager_revoke_a_delegation(by: Actor) -> None:
    founded(carl_leads, carl_lends).when(Department.revoke_delegation, by, WEDNESDAY, Code("D-1")).then(
        DelegationRevoked(number=Code("D-1"), grantor_id=CARL, delegate_id=DORA, ended_at=WEDNESDAY)
    )


def test_others_do_not() -> None:
    founded(carl_leads, carl_lends).when(Department.revoke_delegation, HR, WEDNESDAY, Code("D-1")).then_refused(
        "Only the grantor or the manager"
    )


def test_a_delegation_is_revoked_once() -> None:
    revoked = DelegationRevoked(number=Code("D-1"), grantor_id=CARL, delegate_id=DORA, ended_at=TUESDAY)
    founded(carl_leads, carl_lends, revoked).when(
        Department.revoke_delegation, CARL_HIMSELF, WEDNESDAY, Code("D-1")
    ).then_refused("No delegation D-1 is in force or to come")


def test_one_that_has_run_out_needs_no_revoking() -> None:
    founded(carl_leads, carl_lends).when(Department.revoke_delegation, CARL_HIMSELF, FRIDAY, Code("D-1")).then_refused(
        "in force or to come"
    )


# Handover


def test_whoever_leaves_hands_over_to_somebody_in_office() -> None:
    founded(carl_leads, bea_is_deputy).when(
        Department.complete_handover, TUESDAY, CARL, BEA, Text("Two complaints")
    ).then(HandoverCompleted(employee_id=CARL, successor_id=BEA, open_items=Text("Two complaints")))


def test_a_successor_without_office_is_appointed_first() -> None:
    founded(carl_leads, holds(BEA, Role.DEPUTY, until=TUESDAY)).when(
        Department.complete_handover, TUESDAY, CARL, BEA, Text("Two complaints")
    ).then_refused("Appoint employee-bea before the handover")


def test_whoever_held_nothing_has_nothing_to_hand_over() -> None:
    founded(bea_is_deputy).when(Department.complete_handover, TUESDAY, CARL, BEA, Text("Two complaints")).then_refused(
        "has held nothing"
    )


def test_nobody_hands_over_to_themselves() -> None:
    founded(carl_leads).when(Department.complete_handover, TUESDAY, CARL, CARL, Text("Two complaints")).then_refused(
        "name the successor"
    )


# Whatever happens


@hypothesis.given(st.lists(st.one_of(*map(st.from_type, sorted(events_of(Department), key=str)))))
def test_a_history_in_any_order_can_be_recalled(history: list[Event]) -> None:
    recall(Department, history)


people = st.sampled_from([ANNA, BEA, CARL])
days = st.integers(0, 6).map(lambda n: MONDAY + timedelta(days=n))
some_day = st.none() | days
roles = st.sampled_from([Role.DEPUTY, Role.DEPUTY, Role.MANAGER])
asked_by_hr: dict[Callable[..., Any], st.SearchStrategy[tuple[Any, ...]]] = {
    Department.appoint: st.tuples(people, roles, st.just(HOUSE), some_day, some_day),
    Department.succeed_manager: st.tuples(people, some_day),
    Department.assign_area: st.tuples(people, st.just(NORTH), some_day, some_day),
    Department.start_acting: st.tuples(people, days, some_day),
}
asked_by_anybody: dict[Callable[..., Any], st.SearchStrategy[tuple[Any, ...]]] = {
    Department.end_role: st.tuples(people, roles, st.just(HOUSE), some_day),
    Department.withdraw_area: st.tuples(people, st.just(NORTH), some_day),
    Department.end_acting: st.tuples(people, some_day),
}


@st.composite
def lives(draw: st.DrawFn) -> list[Event]:
    """What may become of a department: commands of any sort, day after day, of which only the lawful ones happen."""
    history: list[Event] = [the_house, anna_manages, bea_is_deputy, in_charge(BEA)]
    for at in sorted(draw(st.lists(days, min_size=5, max_size=20))):
        method = draw(st.sampled_from([*asked_by_hr, *asked_by_anybody]))
        arguments = (
            (HR, at, *draw(asked_by_hr[method])) if method in asked_by_hr else (at, *draw(asked_by_anybody[method]))
        )
        with suppress(Refused):
            history += decide(recall(Department, history), method, *arguments)
    return history


Begun: TypeAlias = RoleAssigned | BusinessAreaAssigned | ActingStarted
Ended: TypeAlias = RoleEnded | BusinessAreaWithdrawn | ActingEnded


def holders(
    life: list[Event], at: datetime, begun: type[Begun], ended: type[Ended], role: Role | None = None
) -> list[EmployeeId]:
    """Who held something at an instant, read off the events alone, without help of the aggregate."""
    held: list[tuple[EmployeeId, Term]] = []
    for event in life:
        if isinstance(event, RoleAssigned | RoleEnded) and event.role is not role:
            continue
        if isinstance(event, begun):
            held.append((event.employee_id, Term(since=event.valid_from, until=event.valid_until)))
        elif isinstance(event, ended):
            held = [(who, term.ended(event.ended_at) if who == event.employee_id else term) for who, term in held]
    return [who for who, term in held if term.holds(at)]


@hypothesis.given(lives())
def test_2_1_at_every_instant_there_is_one_manager_one_acting_at_most_and_one_deputy_for_an_area(
    life: list[Event],
) -> None:
    for at in (MONDAY + timedelta(days=n) for n in range(8)):
        deputies = holders(life, at, RoleAssigned, RoleEnded, Role.DEPUTY)
        in_charge_then = holders(life, at, BusinessAreaAssigned, BusinessAreaWithdrawn)
        assert len(holders(life, at, RoleAssigned, RoleEnded, Role.MANAGER)) == 1
        assert len(holders(life, at, ActingStarted, ActingEnded)) <= 1
        assert len(deputies) == len(set(deputies))
        assert len(in_charge_then) <= 1
        assert set(in_charge_then) <= set(deputies)


# ---- what a file says


def test_a_file_says_what_is_news_to_the_department_and_what_is_not() -> None:
    department = recall(Department, [the_house, service, anna_manages, carl_leads])
    assert department.admits(UnitEstablished(unit=SALES, name=Code("Sales"), parent=HOUSE))
    assert not department.admits(UnitEstablished(unit=SERVICE, name=Code("Other"), parent=HOUSE))
    assert department.admits(holds(BEA, Role.CUSTOMER_SERVICE_LEAD, SERVICE))
    assert not department.admits(carl_leads)
    assert not department.admits(holds(CARL, Role.CUSTOMER_SERVICE_LEAD, SERVICE, TUESDAY, FRIDAY))


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (holds(BEA, Role.MANAGER), "The department has one manager"),
        (holds(BEA, Role.CUSTOMER), "CUST is no office"),
        (holds(BEA, Role.DEPUTY, SALES), "There is no open unit sales"),
        (holds(BEA, Role.DEPUTY, HOUSE, TUESDAY, TUESDAY), "It must end after it begins"),
        (UnitEstablished(unit=SALES, name=Code("Sales")), "The department is founded already"),
        (UnitEstablished(unit=HOTLINE, name=Code("Hotline"), parent=SALES), "There is no open unit sales"),
    ],
)
def test_but_nothing_that_does_not_fit(event: Any, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        recall(Department, [the_house, service, anna_manages]).admits(event)
