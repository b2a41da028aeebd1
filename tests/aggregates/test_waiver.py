"""A waiver is asked for by one and granted by another, for a case and a time."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from aggregates.actor import Actor, Delegation, Role
from aggregates.facts import Quantity, Setting, Unit
from aggregates.ids import AnyId, EmployeeId
from aggregates.organisation.waiver import (
    Waiver,
    WaiverApproved,
    WaiverEvent,
    WaiverRejected,
    WaiverRequested,
    WaiverRevoked,
)
from aggregates.text import Code, Text
from tests.given import MONDAY, given

ANNA, LI = EmployeeId("employee-anna"), EmployeeId("employee-li")
CLERK = Actor(id=ANNA, roles=frozenset({Role.CUSTOMER_SERVICE, Role.EMPLOYEE}))
MANAGER = Actor(id=LI, roles=frozenset({Role.MANAGER, Role.EMPLOYEE}))
RULE, CASE, WHY = Code("R-CS-3"), AnyId("complaint-1"), Text("The customer is at sea.")
IN_A_MONTH = MONDAY + timedelta(days=30)
NINETY_DAYS = Setting(number=Code("P-31"), values={Code("limit"): Quantity(amount=Decimal(90), unit=Unit.DAY)})

requested = WaiverRequested(rule=RULE, case_id=CASE, expires_at=IN_A_MONTH, grounds=WHY, requested_by_id=ANNA)
approved = WaiverApproved(rule=RULE, case_id=CASE, expires_at=IN_A_MONTH)
rejected = WaiverRejected(grounds=WHY)
revoked = WaiverRevoked(rule=RULE, case_id=CASE, grounds=WHY)


def test_somebody_asks_for_a_waiver() -> None:
    given(Waiver).when(Waiver.request, CLERK, MONDAY, RULE, CASE, IN_A_MONTH, WHY).then(requested)


@pytest.mark.parametrize("rule", ["R-BD-3.1", "R-GEN-2.3", "R-GEN-2.3.text", "R-GEN-1.write-off"])
def test_of_any_rule_there_is(rule: str) -> None:
    given(Waiver).when(Waiver.request, CLERK, MONDAY, Code(rule), CASE, IN_A_MONTH, WHY).then(
        replace(requested, rule=Code(rule))
    )


def test_a_waiver_names_a_rule_and_ends_in_the_future() -> None:
    given(Waiver).when(Waiver.request, CLERK, MONDAY, Code("3.3.2"), CASE, IN_A_MONTH, WHY).then_refused(
        "numbered like"
    )
    given(Waiver).when(Waiver.request, CLERK, MONDAY, RULE, CASE, MONDAY, WHY).then_refused("ends in the future")


def test_the_manager_grants_it() -> None:
    given(Waiver, requested).when(Waiver.approve, MANAGER, MONDAY, NINETY_DAYS).then(approved)


@pytest.mark.parametrize(
    "asker",
    [
        replace(MANAGER, id=ANNA),
        replace(MANAGER, delegation=Delegation(number=Code("1"), grantor_id=ANNA)),
    ],
)
def test_1_3_1_nobody_grants_what_they_asked_for(asker: Actor) -> None:
    given(Waiver, requested).when(Waiver.approve, asker, MONDAY, NINETY_DAYS).then_refused("cannot grant it")


def test_a_waiver_is_no_longer_than_the_parameter_allows() -> None:
    asked = replace(requested, expires_at=MONDAY + timedelta(days=90, seconds=1))
    given(Waiver, asked).when(Waiver.approve, MANAGER, MONDAY, NINETY_DAYS).then_refused("90 days at most")


def test_the_manager_says_no() -> None:
    given(Waiver, requested).when(Waiver.reject, WHY).then(rejected)


def test_what_was_granted_is_revoked() -> None:
    given(Waiver, requested, approved).when(Waiver.revoke, WHY).then(revoked)


@pytest.mark.parametrize("history", [(), (requested, approved), (requested, rejected), (requested, approved, revoked)])
def test_only_an_open_request_is_decided(history: tuple[WaiverEvent, ...]) -> None:
    given(Waiver, *history).when(Waiver.approve, MANAGER, MONDAY, NINETY_DAYS).then_refused("No request")
    given(Waiver, *history).when(Waiver.reject, WHY).then_refused("No request")


@pytest.mark.parametrize("history", [(), (requested,), (requested, rejected), (requested, approved, revoked)])
def test_only_what_was_granted_can_be_revoked(history: tuple[WaiverEvent, ...]) -> None:
    given(Waiver, *history).when(Waiver.revoke, WHY).then_refused("Only a waiver that was granted")
