"""Rules of credit: regulation 5.2.2 and 1.3.4, what customers may owe us and how they are reminded of what they do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from aggregates.actor import Role
from aggregates.business.contract import ContractAmended, ContractExpired, ContractSigned, ContractTerminated
from aggregates.business.customer import AccountOwnerAssigned
from aggregates.event import Event, Recorded
from aggregates.ids import ContractId, CreditId, CustomerId, ReceivableId
from aggregates.risk.credit import (
    CreditAssessed,
    CreditLimitApproved,
    CreditOverrideApproved,
    CreditOverrideRequested,
    CreditReleased,
    CreditSuspended,
)
from aggregates.risk.receivable import (
    DisputeResolved,
    DunningPaused,
    DunningResumed,
    DunningStepTaken,
    HandedToLegal,
    PaymentPromised,
    PaymentReceived,
    PaymentReversed,
    PromiseBroken,
    PromiseKept,
    ReceivableBecameOverdue,
    ReceivableDisputed,
    ReceivableRaised,
    ReceivableSettled,
    ReceivableWrittenOff,
    WriteOffRequested,
)
from aggregates.term import months_after
from projections.reference import Reference
from projections.rules.rule import Mode, Rule
from projections.rules.templates.following import Stage, Succession
from projections.rules.templates.people import ACTOR, AuthorityAt, ByAmount, FourEyes
from projections.rules.templates.values import Threshold
from projections.rules.term import Limit

Known = Mapping[str, str]

DECIDED = (CreditLimitApproved, CreditOverrideApproved)
COMMITTED = (ContractSigned, ContractAmended, ContractTerminated, ContractExpired)
GOOD_FOR = "P-18"
MOVED = (ReceivableRaised, PaymentReceived, PaymentReversed, ReceivableWrittenOff)


def _of_customers(*events: type[Event]) -> dict[type[Event], str]:
    return dict.fromkeys(events, "customer_id")


def _amount(known: Known, name: str) -> Decimal:
    return Decimal(known.get(name, "0"))


def what_is_owed(known: Known, record: Recorded[Any]) -> Known:
    """What the customer has signed for, was billed and owes, by contract; and by how much that has grown just now."""
    now = {**what_is_decided(known, record), **_news(known, record)}
    contracts = {name.partition(" ")[2] for name in now if name.startswith(("signed ", "open "))}
    exposure = sum(
        (
            max(_amount(now, f"signed {one}") - _amount(now, f"billed {one}"), Decimal(0)) + _amount(now, f"open {one}")
            for one in contracts
        ),
        Decimal(0),
    )
    return {**now, "exposure": str(exposure), "grown": str(exposure - _amount(known, "exposure"))}


def _news(known: Known, record: Recorded[Any]) -> Known:
    def more(name: str, amount: Decimal) -> dict[str, str]:
        return {name: str(_amount(known, name) + amount)}

    match record.event:
        case CreditLimitApproved(limit=limit):
            return {"limit": str(limit)}
        case CreditOverrideApproved(contract_id=one, amount=amount, until=until):
            return {f"leave {one}": str(amount), f"leave until {one}": until.isoformat()}
        case ContractSigned(amount=amount) | ContractAmended(amount=amount):
            return {f"signed {record.stream_id}": str(amount)}
        case ContractTerminated() | ContractExpired():
            return {f"signed {record.stream_id}": "0"}
        case ReceivableRaised(contract_id=one, amount=amount):
            return more(f"billed {one}", amount) | more(f"open {one}", amount)
        case PaymentReversed(contract_id=one, amount=amount):
            return more(f"open {one}", amount)
        case PaymentReceived(contract_id=one, amount=amount) | ReceivableWrittenOff(contract_id=one, amount=amount):
            return more(f"open {one}", -amount)
        case _:
            return {}


def beyond_the_limit(known: Known, record: Recorded[Any], reference: Reference) -> str | None:
    """Does the customer come to owe more than a limit that is good, and more than this contract has leave for beyond
    it? A limit that is not good counts as none."""
    limit = _amount(known, "limit") if why_not_good(known, record, reference) is None else Decimal(0)
    most = limit + leave(known, record)
    return "exposure beyond the limit" if _amount(known, "grown") > 0 and _amount(known, "exposure") > most else None


def leave(known: Known, record: Recorded[Any]) -> Decimal:
    """By how much this contract was let go beyond the limit at that time."""
    until = known.get(f"leave until {record.stream_id}")
    over = until is None or record.effective_at >= datetime.fromisoformat(until)
    return Decimal(0) if over else _amount(known, f"leave {record.stream_id}")


def what_is_decided(known: Known, record: Recorded[Any]) -> Known:
    """How the customer was assessed, on which assessment the limit rests, and what a contract has added just now."""
    match record.event:
        case CreditAssessed(grade=grade):
            return {**known, "assessed": record.effective_at.isoformat(), "grade": grade.value}
        case CreditLimitApproved(limit=limit):
            basis = {f"limit {name}": known[name] for name in ("assessed", "grade") if name in known}
            return {**known, "limit": str(limit), **basis}
        case CreditSuspended():
            return {**known, "suspended": "yes"}
        case CreditReleased():
            return {name: value for name, value in known.items() if name != "suspended"}
        case CreditOverrideApproved():
            return {**known, **_news(known, record)}
        case ContractSigned(amount=amount) | ContractAmended(amount=amount):
            added = amount - _amount(known, f"signed {record.stream_id}")
            return {**known, **_news(known, record), "added": str(added)}
        case _:
            return known


def signed_without_credit(known: Known, record: Recorded[Any], reference: Reference) -> str | None:
    """Was there a limit by an assessment still good, and did the contract stay inside it, or had it leave?"""
    added, most = _amount(known, "added"), leave(known, record)
    if added <= most:
        return None
    beyond = "contract beyond the limit" if added > _amount(known, "limit") + most else None
    return why_not_good(known, record, reference) or beyond


def why_not_good(known: Known, record: Recorded[Any], reference: Reference) -> str | None:
    """Why nothing could be signed by the customer's limit at that time; None: it was good."""
    if "limit" not in known:
        return "no limit approved"
    if "limit assessed" not in known:
        return "a limit without an assessment"
    if "suspended" in known:
        return "credit suspended"
    return "limit expired" if record.effective_at >= _good_until(known, reference) else None


def _good_until(known: Known, reference: Reference) -> datetime:
    assessed = datetime.fromisoformat(known["limit assessed"]).astimezone(ZoneInfo(reference.zone))
    good = Limit(parameter=GOOD_FOR, value=known["limit grade"])
    months = good.quantity(good.version(reference, assessed), good.value)
    return assessed if months is None else months_after(assessed, int(months.amount))


ON_CREDIT = (CreditAssessed, *DECIDED, CreditSuspended, CreditReleased)

CREDIT_CHECKED = Threshold(
    "R-BD-7",
    "A contract is signed or grows only inside a limit whose assessment is still good, or by leave for this contract.",
    cases=CustomerId,
    clauses=("1.3.4", "2.2.3-c", "3.1.3-c", "5.2.2-a"),
    mode=Mode.PREVENT,
    known=ON_CREDIT,
    at=(ContractSigned, ContractAmended),
    case_in=_of_customers(*ON_CREDIT, ContractSigned, ContractAmended),
    learn=what_is_decided,
    breach=signed_without_credit,
    reads=(GOOD_FOR,),
)

INSIDE_THE_LIMIT = Threshold(
    "R-RSK-6",
    "No contract brings a customer to owe us more than its limit, as long as that is good, unless it had leave to.",
    cases=CustomerId,
    clauses=("5.2.2-a",),
    mode=Mode.PREVENT,
    known=(*ON_CREDIT, ContractTerminated, ContractExpired, *MOVED),
    at=(ContractSigned, ContractAmended),
    case_in=_of_customers(*ON_CREDIT, *COMMITTED, *MOVED),
    learn=what_is_owed,
    breach=beyond_the_limit,
    reads=(GOOD_FOR,),
)


STEPS = ("reminder", "first", "second", "final")
"""The rungs of the ladder, as the values of P-19 and the events call them."""


def _step(level: str) -> Stage:
    within = Limit(parameter="P-19", value=level)
    return Stage(then=(DunningStepTaken,), within=within, from_start=True, said=("level", level))


DUNNED = Succession(
    "R-RSK-5",
    "Whoever does not pay is reminded step by step, each in time, and at last by legal counsel.",
    cases=ReceivableId,
    clauses=("5.2.2-b",),
    mode=Mode.DETECT,
    on=(ReceivableBecameOverdue,),
    stages=(
        *map(_step, STEPS),
        Stage(then=(HandedToLegal,), within=Limit(parameter="P-19", value="legal"), from_start=True),
    ),
    until=(ReceivableSettled,),
    shelved=(ReceivableDisputed, PaymentPromised, DunningPaused),
    resumed=(DisputeResolved, PromiseKept, PromiseBroken, DunningResumed),
    owed_by=Role.FINANCE,
    ladder=(Role.DEPUTY, Role.MANAGER),
)

NOT_THE_OWNER = FourEyes(
    "R-GEN-2.5",
    "Whoever looks after a customer, or ever did, does not decide on its credit.",
    cases=CustomerId,
    clauses=("1.3.1", "5.2.2-a"),
    mode=Mode.PREVENT,
    first={AccountOwnerAssigned: "owner_id"},
    second=dict.fromkeys((*DECIDED, CreditReleased), ACTOR),
    ever=True,
    in_order=True,
    case_in=_of_customers(*DECIDED, CreditReleased),
)

NOT_THE_ASSESSOR = FourEyes(
    "R-GEN-2.6",
    "Whoever ever assessed a customer does not approve its limit.",
    cases=CreditId,
    clauses=("1.3.1", "5.2.2-a"),
    mode=Mode.PREVENT,
    first={CreditAssessed: ACTOR},
    second={CreditLimitApproved: ACTOR},
    ever=True,
    in_order=True,
)

NOT_THE_REQUESTER = FourEyes(
    "R-GEN-2.7",
    "Whoever ever asked to go beyond a limit for a contract does not approve it.",
    cases=ContractId,
    clauses=("1.3.1", "5.2.2-a"),
    mode=Mode.PREVENT,
    first={CreditOverrideRequested: ACTOR},
    second={CreditOverrideApproved: ACTOR},
    ever=True,
    in_order=True,
    case_in={CreditOverrideRequested: "contract_id", CreditOverrideApproved: "contract_id"},
)

BY_AUTHORITY = AuthorityAt(
    "R-GEN-1.credit",
    "A limit, or leave to go beyond it, is approved by a deputy up to an amount, and beyond it by the manager.",
    cases=CreditId,
    clauses=("1.3.1", "2.2.2-a", "5.2.2-a"),
    mode=Mode.PREVENT,
    of={
        CreditLimitApproved: ByAmount("limit", "P-40", "deputy", (Role.DEPUTY, Role.MANAGER)),
        CreditOverrideApproved: ByAmount("amount", "P-40", "deputy", (Role.DEPUTY, Role.MANAGER)),
    },
)

NOT_BY_WHO_ASKED = FourEyes(
    "R-GEN-2.write-off",
    "Whoever ever asked that something is written off does not approve it.",
    cases=ReceivableId,
    clauses=("1.3.1", "5.2.2-b"),
    mode=Mode.PREVENT,
    first={WriteOffRequested: ACTOR},
    second={ReceivableWrittenOff: ACTOR},
    ever=True,
    in_order=True,
)

WRITTEN_OFF_BY_AUTHORITY = AuthorityAt(
    "R-GEN-1.write-off",
    "Only the manager writes off what a customer owes.",
    cases=ReceivableId,
    clauses=("1.3.1", "5.2.2-b"),
    mode=Mode.PREVENT,
    on=(WriteOffRequested,),
    of={ReceivableWrittenOff: Role.MANAGER},
)

RULES: tuple[Rule, ...] = (
    CREDIT_CHECKED,
    INSIDE_THE_LIMIT,
    DUNNED,
    NOT_THE_OWNER,
    NOT_THE_ASSESSOR,
    NOT_THE_REQUESTER,
    BY_AUTHORITY,
    NOT_BY_WHO_ASKED,
    WRITTEN_OFF_BY_AUTHORITY,
)
