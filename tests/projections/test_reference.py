"""Who may act as whom, and which values held when."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from aggregates.actor import Role
from aggregates.business.research import ResearchPublished
from aggregates.event import Event
from aggregates.facts import Quantity, Unit
from aggregates.ids import EmployeeId, SegmentId
from aggregates.organisation.department import (
    ActingEnded,
    ActingStarted,
    BusinessAreaAssigned,
    DelegationGranted,
    DelegationRevoked,
    RoleAssigned,
    RoleEnded,
)
from aggregates.organisation.parameter import PolicyParameterChanged, PolicyParameterDefined
from aggregates.term import Term
from aggregates.text import Code, Text
from projections.reference import Held, Office, Reference
from tests.given import history, recorded

MAX, ANNA, LEA = EmployeeId("employee-max"), EmployeeId("employee-anna"), EmployeeId("employee-lea")
MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
TUESDAY, WEDNESDAY, THURSDAY = (MONDAY + timedelta(days=n) for n in (1, 2, 3))
DESK = Code("customer-service")
HOUR = timedelta(hours=1)

max_manages = RoleAssigned(employee_id=MAX, role=Role.MANAGER, unit=Code("department"), valid_from=MONDAY)
anna_serves = RoleAssigned(employee_id=ANNA, role=Role.CUSTOMER_SERVICE, unit=DESK, valid_from=MONDAY)
lea_leads = RoleAssigned(employee_id=LEA, role=Role.CUSTOMER_SERVICE_LEAD, unit=DESK, valid_from=MONDAY)
max_lends_to_lea = DelegationGranted(
    number=Code("D-1"),
    grantor_id=MAX,
    delegate_id=LEA,
    powers=(Role.MANAGER,),
    areas=(Code("department"),),
    valid_from=TUESDAY,
    valid_until=THURSDAY,
)


def after(events: Iterable[Event]) -> Reference:
    reference = Reference()
    for record in history(events, stream_id="department"):
        reference = reference.after(record)
    return reference


def roles(reference: Reference, who: EmployeeId, at: datetime) -> frozenset[Role]:
    return reference.post(who, at).roles


def test_an_office_holds_from_its_first_instant_to_its_last() -> None:
    ended = RoleEnded(employee_id=ANNA, role=Role.CUSTOMER_SERVICE, unit=DESK, ended_at=WEDNESDAY)
    reference = after([anna_serves, ended])
    assert roles(reference, ANNA, MONDAY) == {Role.CUSTOMER_SERVICE, Role.EMPLOYEE}
    assert roles(reference, ANNA, WEDNESDAY) == frozenset()
    assert roles(reference, ANNA, MONDAY - timedelta(microseconds=1)) == frozenset()


offices = st.builds(
    Office,
    term=st.builds(
        lambda since, lasts: Term(since=MONDAY + since * HOUR, until=None if lasts is None else MONDAY + lasts * HOUR),
        since=st.integers(0, 9),
        lasts=st.none() | st.integers(0, 9),
    ),
    role=st.sampled_from([None, Role.MANAGER, Role.CUSTOMER_SERVICE]),
    area=st.sampled_from([None, Code("department"), DESK]),
)


@given(st.lists(offices, max_size=8))
def test_what_somebody_holds_is_at_each_instant_what_the_offices_in_force_then_come_to(all_of: list[Office]) -> None:
    held = Held(ANNA, all_of)
    for at in (MONDAY + n * HOUR / 2 for n in range(-1, 22)):
        now = [office for office in all_of if office.term.holds(at)]
        post = held.at(at)
        assert post.roles == {office.role for office in now if office.role} | ({Role.EMPLOYEE} if now else set())
        assert post.areas == {office.area for office in now if office.area}


def test_a_deputys_areas_are_part_of_the_post() -> None:
    charge = BusinessAreaAssigned(employee_id=ANNA, area=Code("north"), valid_from=TUESDAY)
    assert after([anna_serves, charge]).post(ANNA, WEDNESDAY).areas == {"customer-service", "north"}


def test_whoever_acts_for_the_manager_is_a_manager_for_that_time() -> None:
    acting = ActingStarted(employee_id=ANNA, valid_from=TUESDAY, valid_until=THURSDAY)
    reference = after([anna_serves, acting])
    assert Role.MANAGER in roles(reference, ANNA, WEDNESDAY)
    back = after([anna_serves, acting, ActingEnded(employee_id=ANNA, ended_at=WEDNESDAY)])
    assert Role.MANAGER not in roles(back, ANNA, WEDNESDAY)


def test_a_lent_power_comes_after_ones_own_and_names_whose_it_is() -> None:
    reference = after([max_manages, lea_leads, max_lends_to_lea])
    wanted = frozenset({Role.CUSTOMER_SERVICE_LEAD, Role.MANAGER})
    own, lent = reference.actors(LEA, wanted, WEDNESDAY)
    assert (own.delegation, Role.MANAGER in own.roles) == (None, False)
    assert lent.delegation is not None
    assert (lent.delegation.grantor_id, Role.MANAGER in lent.roles, lent.speaks_for(MAX)) == (MAX, True, True)


def test_a_power_is_lent_only_while_it_is_held_and_not_revoked() -> None:
    wanted = frozenset({Role.MANAGER})
    replaced = RoleEnded(employee_id=MAX, role=Role.MANAGER, unit=Code("department"), ended_at=WEDNESDAY)
    revoked = DelegationRevoked(number=Code("D-1"), grantor_id=MAX, delegate_id=LEA, ended_at=WEDNESDAY)
    story = [max_manages, lea_leads, max_lends_to_lea]
    assert list(after([*story, replaced]).actors(LEA, wanted, WEDNESDAY)) == []
    assert list(after([*story, revoked]).actors(LEA, wanted, WEDNESDAY)) == []
    assert list(after(story).actors(LEA, wanted, THURSDAY)) == []


def test_rights_must_hold_at_every_time_in_question() -> None:
    reference = after([max_manages, lea_leads, max_lends_to_lea])
    assert list(reference.actors(LEA, frozenset({Role.MANAGER}), MONDAY, WEDNESDAY)) == []


def test_a_parameter_has_the_value_of_its_day_and_before_the_first_that_one() -> None:
    def days(amount: int) -> dict[Code, Quantity]:
        return {Code("S2"): Quantity(amount=Decimal(amount), unit=Unit.WORKING_DAY)}

    number = Code("P-05")
    reference = after(
        [
            PolicyParameterDefined(number=number, meaning=Code("target"), values=days(5), valid_from=TUESDAY),
            PolicyParameterChanged(number=number, values=days(3), valid_from=THURSDAY),
            PolicyParameterChanged(number=number, values=days(4), valid_from=WEDNESDAY),
        ]
    )
    found = [reference.setting("P-05", at)["S2"].amount for at in (MONDAY, TUESDAY, WEDNESDAY, THURSDAY)]
    assert found == [5, 5, 4, 3]


def test_of_several_versions_that_one_began_last_is_in_force_whenever_it_came_to_be_known() -> None:
    number, values = Code("P-05"), {Code("S2"): Quantity(amount=Decimal(5), unit=Unit.WORKING_DAY)}
    begun = (TUESDAY, THURSDAY, WEDNESDAY, WEDNESDAY)
    reference = after(
        [
            PolicyParameterDefined(number=number, meaning=Code("target"), values=values, valid_from=TUESDAY),
            *(PolicyParameterChanged(number=number, values=values, valid_from=since) for since in begun[1:]),
        ]
    )
    in_force = [reference.version(number, at).position for at in (MONDAY, TUESDAY, WEDNESDAY, THURSDAY)]
    assert in_force == [1, 1, 4, 2]


def test_research_is_known_by_when_it_was_published_last() -> None:
    published = ResearchPublished(conclusions=Text("words"), segment_ids=(SegmentId("segment-1"),))
    reference = Reference()
    history_of_both = (("research-1", MONDAY), ("research-2", MONDAY), ("research-1", TUESDAY))
    for position, (stream_id, at) in enumerate(history_of_both, start=1):
        reference = reference.after(recorded(published, stream_id=stream_id, position=position, at=at))
    assert reference.published == {"research-1": TUESDAY, "research-2": MONDAY}
