"""What the register, the calendars, the report of gates and the queue of hand-overs say of contracts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TypeVar, get_args

import pytest
from msgspec.structs import replace

from aggregates.actor import Role
from aggregates.business.contract import (
    ContractAmended,
    ContractAmendmentDrafted,
    ContractApproved,
    ContractDrafted,
    ContractEvent,
    ContractExpired,
    ContractHandedOver,
    ContractHandoverAccepted,
    ContractHandoverReturned,
    ContractObligationFulfilled,
    ContractRedrafted,
    ContractReturned,
    ContractSigned,
    ContractTerminated,
    ContractVoided,
    Handover,
)
from aggregates.business.terms import Instalment, Promise, Terms
from aggregates.event import Envelope, Event, Origin, Recorded
from aggregates.facts import ContractStanding, Payable
from aggregates.ids import ContractId, CustomerId, EmployeeId, OpportunityId
from aggregates.risk.legal_review import LegalReviewPassed, LegalReviewPassedWithConditions, LegalReviewRejected
from aggregates.text import Code, ContentHash, Text
from projections import contract_gates, contracts, handovers
from projections.billing import BillingRow
from projections.contract_gates import Gate, GateRow
from projections.contracts import ContractRow, Due, Obligation, Stage
from projections.customers import CustomerRow
from projections.handovers import TermRow
from projections.reference import Reference
from projections.rules.contracts import HANDED_OVER
from projections.rules.duty import DutyRow
from tests.given import MONDAY, recorded
from tests.projections.rules.cases import FOUNDING, Happened, folded, log_of
from tests.projections.tables import asked, filled

T = TypeVar("T")
ANNA, BORIS, LI = EmployeeId("employee-anna"), EmployeeId("employee-boris"), EmployeeId("employee-li")
CARL, DEAL, WORDS = CustomerId("customer-carl"), OpportunityId("opportunity-1"), Text("words")
FIRST, SECOND = ContentHash("sha256:a"), ContentHash("sha256:b")
ONE, TWO, THREE = (ContractId(f"contract-{number}") for number in (1, 2, 3))
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DELIVER, TRAIN = (
    Promise(number=Code("1"), what=Text("Deliver"), due=date(2026, 6, 1)),
    Promise(number=Code("2"), what=Text("Train"), due=date(2026, 5, 1)),
)
HALF, REST = (
    Instalment(number=Code("a"), amount=Decimal(100), due=date(2026, 4, 1)),
    Instalment(number=Code("b"), amount=Decimal("300.50"), due=date(2026, 9, 1)),
)

first = Terms(
    content=FIRST,
    amount=Decimal("400.50"),
    begins=date(2026, 3, 1),
    ends=date(2026, 5, 31),
    obligations=(DELIVER, TRAIN),
    payments=(HALF, REST),
)
second = replace(first, content=SECOND, amount=Decimal(100), ends=date(2026, 12, 31), payments=(HALF,))

drafted = ContractDrafted(customer_id=CARL, terms=first, drafted_by=(ANNA,), opportunity_id=DEAL)
redrafted = ContractRedrafted(customer_id=CARL, terms=second, drafted_by=(BORIS,))
amendment = ContractAmendmentDrafted(customer_id=CARL, terms=second, drafted_by=(BORIS,))
approved = ContractApproved(customer_id=CARL, content=FIRST, amount=first.amount, approved_by=(LI,))
returned, voided = ContractReturned(reason=WORDS), ContractVoided(reason=WORDS)
signed = ContractSigned(
    customer_id=CARL, content=FIRST, amount=first.amount, signed_by=(LI,), place=WORDS, signed_for_customer=WORDS
)
amended = ContractAmended(customer_id=CARL, content=SECOND, amount=second.amount, signed_by=(LI,))
handed_over, accepted = ContractHandedOver(wording=WORDS), ContractHandoverAccepted()
given_back = ContractHandoverReturned(reason=WORDS)
delivered = ContractObligationFulfilled(number=DELIVER.number, evidence=WORDS)
terminated, expired = ContractTerminated(customer_id=CARL, reason=WORDS), ContractExpired(customer_id=CARL)
SIGNED = (drafted, approved, signed)
EVERYTHING = (
    *(drafted, redrafted, approved, returned, voided, signed, handed_over, accepted, given_back, delivered),
    *(amendment, amended, terminated, expired),
)


def happened(events: Iterable[Event], stream_id: str = ONE) -> list[Recorded[Event]]:
    """The events of one contract, an hour apart, by Anna."""
    return [
        recorded(event, stream_id=stream_id, position=n, at=MONDAY + n * HOUR, actor_id=ANNA)
        for n, event in enumerate(events)
    ]


def row_of(*events: Event, contract_id: ContractId = ONE) -> ContractRow:
    row = contracts.contracts.fold(happened(events, contract_id))
    assert row is not None
    return row


# What the row says


def test_the_row_takes_every_event() -> None:
    assert set(contracts.contracts.events) == set(get_args(ContractEvent)) == set(map(type, EVERYTHING))


def test_3_1_3_c_a_draft_says_what_it_would_bind_us_to() -> None:
    row = row_of(drafted)
    assert (row.stage, row.amount, row.ends, row.content, row.proposed) == (
        Stage.DRAFTED, first.amount, first.ends, FIRST, first,
    )  # fmt: skip
    assert (row.authors, row.versions, row.opportunity_id, row.handover_since) == ((ANNA,), 1, DEAL, None)


def test_another_version_takes_the_place_of_a_draft() -> None:
    row = row_of(drafted, approved, redrafted)
    assert (row.stage, row.content, row.versions, row.approver_id, row.approved_at) == (
        Stage.DRAFTED, SECOND, 2, None, None,
    )  # fmt: skip
    assert row_of(drafted, approved).stage is Stage.APPROVED
    assert row_of(drafted, approved, returned).stage is Stage.RETURNED


def test_3_1_3_c_what_is_signed_is_in_force_and_an_amendment_waits_beside_it() -> None:
    row = row_of(*SIGNED)
    assert (row.stage, row.signed_at, row.signatory_id, row.proposed) == (Stage.SIGNED, MONDAY + 2 * HOUR, LI, None)
    waiting = row_of(*SIGNED, amendment, approved)
    assert (waiting.stage, waiting.content, waiting.proposed) == (Stage.SIGNED, FIRST, second)
    assert row_of(*SIGNED, amendment, approved, returned).stage is Stage.SIGNED
    changed = row_of(*SIGNED, amendment, approved, amended)
    assert (changed.content, changed.amount, changed.ends, changed.proposed) == (
        SECOND,
        Decimal(100),
        second.ends,
        None,
    )
    assert (changed.signed_at, changed.amended_at) == (MONDAY + 2 * HOUR, MONDAY + 5 * HOUR)


def test_whoever_wrote_any_of_what_waits_is_an_author_and_whose_power_it_was() -> None:
    by_two = replace(redrafted, drafted_by=(BORIS, LI))
    assert row_of(drafted, by_two).authors == (ANNA, BORIS, LI)
    assert row_of(*SIGNED, amendment).authors == (ANNA, BORIS)


def test_3_1_4_a_the_hand_over_goes_back_and_forth() -> None:
    assert (row_of(*SIGNED).handover, row_of(*SIGNED).handover_since) == (Handover.NONE, MONDAY + 2 * HOUR)
    offered = row_of(*SIGNED, handed_over)
    assert (offered.handover, offered.handover_since) == (Handover.OFFERED, MONDAY + 3 * HOUR)
    back = row_of(*SIGNED, handed_over, given_back)
    assert (back.handover, back.handover_since, back.returns) == (Handover.NONE, MONDAY + 4 * HOUR, 1)
    assert row_of(*SIGNED, handed_over, given_back, handed_over, accepted).handover is Handover.ACCEPTED


@pytest.mark.parametrize(
    ("end", "stage"),
    [(voided, Stage.VOIDED), (terminated, Stage.TERMINATED), (expired, Stage.EXPIRED)],
)
def test_a_contract_ends(end: Event, stage: Stage) -> None:
    row = row_of(*SIGNED, amendment, end)
    assert (row.stage, row.ended_at, row.proposed) == (stage, MONDAY + 4 * HOUR, None)


# When it is over


def in_china(*events: Event, envelope: Envelope | None = None) -> TermRow | None:
    reference = Reference(zone=Code("Asia/Shanghai"))
    records = [recorded(e, stream_id=ONE, position=n, envelope=envelope) for n, e in enumerate(events)]
    return handovers.terms.fold(records, reference)


def test_a_contract_in_force_is_over_when_its_last_day_is_over_where_we_are() -> None:
    assert in_china(drafted) == TermRow(contract_id=ONE, proposed_over_at=datetime(2026, 5, 31, 16, tzinfo=UTC))
    row, changed = in_china(*SIGNED), in_china(*SIGNED, amendment)
    assert row is not None
    assert changed is not None
    assert row.over_at == row.alarm_at == changed.over_at == datetime(2026, 5, 31, 16, tzinfo=UTC)
    anew = in_china(*SIGNED, amendment, amended)
    assert anew is not None
    assert anew.over_at == anew.alarm_at == datetime(2026, 12, 31, 16, tzinfo=UTC)
    assert [in_china(*SIGNED, end) for end in (terminated, expired)] == [None, None]


def test_no_clock_ends_what_was_imported() -> None:
    origin = Envelope(origin=Origin(source="desk", file="sha256:1", case="1", index=1))
    row = in_china(drafted, signed, envelope=origin)
    assert row is not None
    assert (row.over_at, row.alarm_at) == (datetime(2026, 5, 31, 16, tzinfo=UTC), None)


# The questions


KINDS = (ContractRow, GateRow, TermRow, DutyRow, CustomerRow, BillingRow)


@pytest.fixture
def rows(empty_database: str) -> Callable[..., str]:
    """Puts rows into the tables that the questions are asked of, and says where."""

    return lambda *given: filled(empty_database, KINDS, given)


def test_the_register_is_searched_by_stage_customer_and_text(rows: Callable[..., str]) -> None:
    there = rows(row_of(*SIGNED), row_of(drafted, redrafted, contract_id=TWO))
    of_stage = asked(there, lambda db: contracts.register(db, stage=Stage.SIGNED, customer_id=CARL))
    of_text = asked(there, lambda db: contracts.register(db, content=SECOND, opportunity_id=DEAL))
    assert ([row.contract_id for row in of_stage], [row.contract_id for row in of_text]) == ([ONE], [TWO])
    assert asked(there, lambda db: contracts.one(db, ONE)) == row_of(*SIGNED)
    assert asked(there, lambda db: contracts.one(db, THREE)) is None


def test_3_1_2_c_contracts_of_a_merged_customer_are_those_of_the_one_that_goes_on(rows: Callable[..., str]) -> None:
    goes_on = CustomerId("customer-dora")
    file = CustomerRow(customer_id=goes_on, name=WORDS, registered_at=MONDAY, source=Code("fair"))
    merged = replace(file, customer_id=CARL, merged_into=goes_on)
    term = TermRow(contract_id=ONE, proposed_over_at=MONDAY, over_at=MONDAY)
    there = rows(row_of(*SIGNED), row_of(*SIGNED, terminated, contract_id=TWO), term, file, merged)
    assert {row.contract_id: row.customer_id for row in asked(there, contracts.register)} == {ONE: goes_on, TWO: CARL}
    assert [one.customer_id for one in asked(there, lambda db: contracts.payments(db, customer_id=goes_on))] == [
        goes_on, goes_on,
    ]  # fmt: skip
    assert {one.customer_id for one in asked(there, contracts.obligations)} == {goes_on}
    assert {one.customer_id for one in asked(there, handovers.expiring)} == {goes_on}
    assert {one.customer_id for one in asked(there, handovers.queue)} == {goes_on}
    shown = asked(there, lambda db: contracts.one(db, ONE))
    assert shown is not None
    assert shown.customer_id == goes_on
    assert asked(there, lambda db: contracts.contract_standing(db, ONE)).customer_id == CARL


def test_3_1_3_c_obligations_become_a_calendar(rows: Callable[..., str]) -> None:
    there = rows(row_of(*SIGNED, delivered), row_of(drafted, contract_id=TWO))
    calendar = sorted(asked(there, contracts.obligations), key=lambda one: one.due)
    train = Obligation(
        contract_id=ONE, customer_id=CARL, number=TRAIN.number, what=TRAIN.what, due=TRAIN.due, fulfilled_at=None
    )
    deliver = replace(train, number=DELIVER.number, what=DELIVER.what, due=DELIVER.due, fulfilled_at=MONDAY + 3 * HOUR)
    assert calendar == [train, deliver]
    assert asked(there, lambda db: contracts.obligations(db, until=TRAIN.due, contract_id=ONE)) == [train]
    assert asked(there, lambda db: contracts.obligations(db, fulfilled=False, customer_id=CARL)) == [train]
    assert asked(there, lambda db: contracts.obligations(db, contract_id=TWO)) == []


def test_3_1_3_c_the_payments_become_a_schedule(rows: Callable[..., str]) -> None:
    half = BillingRow(contract_id=ONE, billed=(HALF.number,))
    there = rows(row_of(*SIGNED), row_of(*SIGNED, terminated, contract_id=TWO), half)
    schedule = sorted(asked(there, contracts.payments), key=lambda one: one.due)
    assert schedule == [
        Due(
            contract_id=ONE,
            customer_id=CARL,
            number=part.number,
            amount=part.amount,
            due=part.due,
            claimed=part is HALF,
        )
        for part in (HALF, REST)
    ]
    assert [one.number for one in asked(there, lambda db: contracts.payments(db, claimed=False))] == [REST.number]
    assert [one.number for one in asked(there, lambda db: contracts.payments(db, until=HALF.due))] == [HALF.number]


def test_what_is_known_of_a_contract_is_a_fact(rows: Callable[..., str]) -> None:
    there = rows(row_of(*SIGNED, amendment))
    assert asked(there, lambda db: contracts.contract_standing(db, ONE)) == ContractStanding(
        contract_id=ONE,
        customer_id=CARL,
        opportunity_id=DEAL,
        amount=first.amount,
        authors=(ANNA, BORIS),
        signed_at=MONDAY + 2 * HOUR,
        content=SECOND,
        payments={part.number: Payable(amount=part.amount, due=part.due) for part in (HALF, REST)},
    )
    assert asked(there, lambda db: contracts.contract_standing(db, TWO)) == ContractStanding(contract_id=TWO)


def test_1_3_4_the_report_says_who_let_which_text_through_when(rows: Callable[..., str]) -> None:
    passed = LegalReviewPassed(contract_id=ONE, content=SECOND)
    on_conditions = LegalReviewPassedWithConditions(contract_id=ONE, content=FIRST, conditions=WORDS)
    rejected = LegalReviewRejected(contract_id=ONE, content=FIRST, grounds=WORDS)
    lent = Envelope(on_behalf_of=LI)
    said = [
        (drafted, ONE, ANNA, None, Gate.DRAFTED, FIRST),
        (on_conditions, "review-1", BORIS, None, Gate.ON_CONDITIONS, FIRST),
        (rejected, "review-1", BORIS, None, Gate.REJECTED, FIRST),
        (redrafted, ONE, ANNA, None, Gate.DRAFTED, SECOND),
        (passed, "review-2", BORIS, lent, Gate.REVIEWED, SECOND),
        (replace(approved, content=SECOND), ONE, LI, None, Gate.APPROVED, SECOND),
        (replace(signed, content=SECOND), ONE, LI, None, Gate.SIGNED, SECOND),
    ]
    row = contract_gates.passages.fold(
        recorded(event, stream_id=stream_id, position=n, at=MONDAY + n * HOUR, actor_id=who, envelope=envelope)
        for n, (event, stream_id, who, envelope, *_) in enumerate(said)
    )
    assert row is not None
    there = rows(row)
    report = sorted(asked(there, contract_gates.gates), key=lambda one: one.position)
    assert [(one.contract_id, one.person_id, one.gate, one.content, one.at) for one in report] == [
        (ONE, who, gate, content, MONDAY + n * HOUR) for n, (_, _, who, _, gate, content) in enumerate(said)
    ]
    assert [one.on_behalf_of_id for one in report] == [None, None, None, None, LI, None, None]
    of_li = asked(there, lambda db: contract_gates.gates(db, person_id=LI, contract_id=ONE))
    assert {one.gate for one in of_li} == {Gate.REVIEWED, Gate.APPROVED, Gate.SIGNED}
    assert len(asked(there, lambda db: contract_gates.gates(db, content=FIRST, gate=Gate.DRAFTED))) == 1


def test_the_gates_of_a_contract_are_found_by_its_id_wherever_they_lie() -> None:
    keys = contract_gates.passages.keys
    passed = LegalReviewPassed(contract_id=ONE, content=FIRST)
    assert keys[LegalReviewPassed](recorded(passed, stream_id="review-1")) == ONE
    assert keys[ContractSigned](recorded(signed, stream_id=ONE)) == ONE


def duty_of(*events: Event, contract_id: ContractId = ONE) -> DutyRow:
    """What is owed of the hand-over after events on a Monday at nine, Beijing time."""
    at = datetime(2026, 3, 2, 1, tzinfo=UTC)
    row = folded(
        HANDED_OVER, log_of(*(Happened(e, at, stream_id=contract_id) for e in events), founding=FOUNDING), contract_id
    )
    assert row is not None
    return row


def test_3_1_4_a_what_waits_for_project_management_is_listed_by_age(rows: Callable[..., str]) -> None:
    there = rows(
        row_of(*SIGNED),
        duty_of(*SIGNED),
        row_of(*SIGNED, handed_over, contract_id=TWO),
        replace(duty_of(*SIGNED, handed_over, contract_id=TWO), level=1),
        row_of(*SIGNED, handed_over, accepted, contract_id=THREE),
        row_of(*SIGNED, terminated, contract_id=ContractId("contract-4")),
    )
    on_thursday = MONDAY + 3 * DAY + 2 * HOUR
    queue = {one.contract_id: one for one in asked(there, handovers.queue, on_thursday)}
    assert set(queue) == {ONE, TWO}
    ours, theirs = queue[ONE], queue[TWO]
    assert (ours.age_days, ours.handover, ours.missed, ours.told, ours.returns) == (3, Handover.NONE, True, None, 0)
    assert ours.due_at == datetime(2026, 3, 3, 10, tzinfo=UTC)  # the second day's work ends at six
    assert (theirs.since, theirs.handover, theirs.missed) == (MONDAY + 3 * HOUR, Handover.OFFERED, False)
    assert theirs.told is Role.BUSINESS_DEVELOPMENT_LEAD
    assert [one.contract_id for one in asked(there, lambda db: handovers.queue(db, missed=True), on_thursday)] == [ONE]
    of_theirs = asked(there, lambda db: handovers.queue(db, handover=Handover.OFFERED), on_thursday)
    assert [one.contract_id for one in of_theirs] == [TWO]


def test_contracts_that_are_over_soon_are_listed_by_thirty_sixty_and_ninety_days(rows: Callable[..., str]) -> None:
    over = datetime(2026, 5, 31, 16, tzinfo=UTC)
    waiting = TermRow(contract_id=TWO, proposed_over_at=over)
    there = rows(
        row_of(*SIGNED), replace(waiting, contract_id=ONE, over_at=over), row_of(drafted, contract_id=TWO), waiting
    )

    def soon(at: datetime, days: int = 90) -> list[tuple[int, int | None]]:
        found = asked(there, lambda db: handovers.expiring(db, days=days, customer_id=CARL), at)
        return [(one.days_left, one.band) for one in found]

    assert soon(over - 90 * DAY - HOUR) == []
    assert soon(over - 90 * DAY - HOUR, days=100) == [(91, None)]
    assert soon(over - 90 * DAY) == [(90, 90)]
    assert soon(over - 60 * DAY - HOUR) == [(61, 90)]
    assert soon(over - 60 * DAY) == [(60, 60)]
    assert soon(over - HOUR) == [(1, 30)]
    assert soon(over - 31 * DAY, days=30) == []
