"""Who held what, and who had a hand in what, told from the events alone in the most obvious way there is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from aggregates.actor import Role
from aggregates.business.contract import (
    ContractAmended,
    ContractAmendmentDrafted,
    ContractApproved,
    ContractDrafted,
    ContractRedrafted,
    ContractSigned,
)
from aggregates.business.customer import AccountOwnerAssigned
from aggregates.business.development_plan import DevelopmentPlanApproved, DevelopmentPlanDrafted
from aggregates.event import Event, Recorded
from aggregates.organisation.department import (
    ActingEnded,
    ActingStarted,
    DelegationGranted,
    DelegationRevoked,
    RoleAssigned,
    RoleEnded,
)
from aggregates.risk.credit import (
    CreditAssessed,
    CreditLimitApproved,
    CreditOverrideApproved,
    CreditOverrideRequested,
)
from aggregates.risk.legal_review import LegalReviewPassed
from aggregates.risk.receivable import ReceivableWrittenOff, WriteOffRequested

EITHER, MANAGER, COUNSEL = {Role.DEPUTY, Role.MANAGER}, {Role.MANAGER}, {Role.LEGAL}
AUTHORITY: dict[type[Event], set[Role]] = {
    DevelopmentPlanApproved: MANAGER,
    ContractApproved: EITHER,
    ContractSigned: EITHER,
    ContractAmended: EITHER,
    LegalReviewPassed: COUNSEL,
    CreditLimitApproved: EITHER,
    CreditOverrideApproved: EITHER,
    ReceivableWrittenOff: MANAGER,
}
"""Who may do it at all; more than a deputy may decide on is the manager's."""


def most_of_a_deputy(event: Event) -> tuple[float, float]:
    """The amount of an event, and the most that a deputy may decide on there."""
    match event:
        case ContractApproved(amount=amount) | ContractSigned(amount=amount) | ContractAmended(amount=amount):
            return float(amount), 500_000
        case CreditLimitApproved(limit=amount) | CreditOverrideApproved(amount=amount):
            return float(amount), 300_000
        case _:
            return 0, 0


def problems(log: Iterable[Recorded[Event]]) -> Iterator[str]:
    """Whatever nobody should have been able to do."""
    before: list[Recorded[Event]] = []
    for record in log:
        event = record.event
        if (offices := AUTHORITY.get(type(event))) is not None:
            amount, most = most_of_a_deputy(event)
            needed = offices if amount <= most else MANAGER
            if not any(may(before, record.actor_id, role, record.effective_at) for role in needed):
                yield f"{type(event).__name__} at {record.position} by {record.actor_id} without the right to"
            both = {record.actor_id, record.person} & set(had_a_hand(before, event))
            if both:
                yield f"{type(event).__name__} at {record.position} by {both}, who had a hand in it"
        before.append(record)


def had_a_hand(before: list[Recorded[Event]], event: Event) -> Iterator[str]:
    """Who must not decide on this."""
    for record in before:
        match event, record.event:
            case DevelopmentPlanApproved(), DevelopmentPlanDrafted():
                yield from (record.actor_id, record.person)
            case CreditLimitApproved(), CreditAssessed():
                yield from (record.actor_id, record.person)
            case CreditOverrideApproved(), CreditOverrideRequested():
                yield from (record.actor_id, record.person)
            case ReceivableWrittenOff(), WriteOffRequested():
                yield from (record.actor_id, record.person)
            case CreditLimitApproved() | CreditOverrideApproved(), AccountOwnerAssigned(owner_id=owner_id):
                yield owner_id
            case (
                ContractApproved() | ContractSigned() | ContractAmended(),
                ContractDrafted() | ContractRedrafted() | ContractAmendmentDrafted(),
            ):
                yield from (record.actor_id, record.person)
            case LegalReviewPassed(), ContractDrafted() | ContractRedrafted() | ContractAmendmentDrafted():
                if record.event.terms.content == event.content:
                    yield from (record.actor_id, record.person)
            case _:
                pass


def may(before: list[Recorded[Event]], who: str, role: Role, at: datetime) -> bool:
    """Did somebody hold a role then, stand in, or use the power of somebody who held it?"""
    if holds(before, who, role, at):
        return True
    lent = [r.event for r in before if isinstance(r.event, DelegationGranted)]
    revoked = {r.event.number: r.event.ended_at for r in before if isinstance(r.event, DelegationRevoked)}
    return any(
        one.delegate_id == who
        and role in one.powers
        and one.valid_from <= at < min(one.valid_until, revoked.get(one.number, one.valid_until))
        and holds(before, one.grantor_id, role, at)
        for one in lent
    )


def holds(before: list[Recorded[Event]], who: str, role: Role, at: datetime) -> bool:
    """In their own right, or as acting manager."""
    until: list[datetime | None] = []
    acting: list[datetime] = []
    for record in before:
        event: Any = record.event
        match event:
            case RoleAssigned() if event.employee_id == who and event.role == role:
                until.append(event.valid_until)
            case RoleEnded() if event.employee_id == who and event.role == role:
                until = [end if end is not None and end <= event.ended_at else event.ended_at for end in until]
            case ActingStarted() if event.employee_id == who and role is Role.MANAGER:
                acting.append(event.valid_until)
            case ActingEnded() if event.employee_id == who:
                acting = [min(end, event.ended_at) for end in acting]
            case _:
                pass
    return any(end is None or at < end for end in until) or any(at < end for end in acting)
