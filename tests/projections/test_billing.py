"""What of a payment schedule is claimed, and when the next instalment is."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from msgspec.structs import replace

from aggregates.business.contract import (
    ContractAmended,
    ContractAmendmentDrafted,
    ContractDrafted,
    ContractSigned,
    ContractTerminated,
)
from aggregates.business.terms import Instalment, Terms
from aggregates.event import Event
from aggregates.facts import BilledInstalments
from aggregates.ids import ContractId, CustomerId, EmployeeId
from aggregates.risk.receivable import ReceivableRaised
from aggregates.text import Code, ContentHash, Text
from infra.read_model.references import References
from projections.billing import BillingRow, billed_instalments, billing
from projections.reference import REFERENCE_EVENTS
from tests.projections.rules.cases import CHINA, FOUNDING, Happened, imported, log_of, on
from tests.projections.tables import asked, filled

CONTRACT, CARL, LI = ContractId("contract-1"), CustomerId("customer-carl"), EmployeeId("employee-li")
FIRST, SECOND, WORDS = ContentHash("sha256:1"), ContentHash("sha256:2"), Text("words")


def terms(content: ContentHash, **due: date) -> Terms:
    payments = tuple(Instalment(number=Code(name), amount=Decimal(100), due=day) for name, day in due.items())
    amount = Decimal(100 * len(payments))
    days = {"begins": date(2026, 3, 1), "ends": date(2027, 2, 28)}
    return Terms(content=content, amount=amount, obligations=(), payments=payments, **days)


drafted = ContractDrafted(
    customer_id=CARL, terms=terms(FIRST, a=date(2026, 5, 1), b=date(2026, 4, 15)), drafted_by=(LI,)
)
signed = ContractSigned(
    customer_id=CARL, content=FIRST, amount=Decimal(200), signed_by=(LI,), place=WORDS, signed_for_customer=WORDS
)
amendment = ContractAmendmentDrafted(customer_id=CARL, terms=terms(SECOND, a=date(2026, 9, 1)), drafted_by=(LI,))
amended = ContractAmended(customer_id=CARL, content=SECOND, amount=Decimal(100), signed_by=(LI,))
claimed = ReceivableRaised(
    customer_id=CARL, contract_id=CONTRACT, instalment=Code("b"), amount=Decimal(100), due=date(2026, 4, 15)
)


def row_of(*events: Event, founding: tuple[Happened, ...] = FOUNDING, elsewhere: bool = False) -> BillingRow:
    happened = [imported(e, on(2)) if elsewhere else Happened(e, on(2)) for e in events]
    streams = ["receivable-1" if isinstance(e, ReceivableRaised) else CONTRACT for e in events]
    log = log_of(*(h._replace(stream_id=s) for h, s in zip(happened, streams, strict=True)), founding=founding)
    references = References(record for record in log if type(record.event) in REFERENCE_EVENTS)
    row: BillingRow | None = None
    for record in log:
        if (fold := billing.folds.get(type(record.event))) is not None:
            row = fold(row, record, references.at(record.position))
    assert row is not None
    return row


def midnight(month: int, day: int) -> datetime:
    return datetime(2026, month, day, tzinfo=CHINA)


def test_5_2_2_b_the_instalment_due_first_is_claimed_thirty_days_before() -> None:
    row = row_of(drafted, signed)
    assert (row.next_instalment, row.alarm_at) == (Code("b"), midnight(3, 16))
    after = row_of(drafted, signed, claimed)
    assert (after.billed, after.next_instalment, after.alarm_at) == ((Code("b"),), Code("a"), midnight(4, 1))
    last = replace(claimed, instalment=Code("a"))
    assert row_of(drafted, signed, claimed, last).alarm_at is None


def test_a_draft_or_an_amendment_counts_once_it_is_signed_and_nothing_once_it_is_over() -> None:
    assert row_of(drafted).alarm_at is None
    assert row_of(drafted, signed, claimed, amendment).alarm_at == midnight(4, 1)
    assert row_of(drafted, signed, claimed, amendment, amended).alarm_at == midnight(8, 2)
    assert row_of(drafted, signed, ContractTerminated(customer_id=CARL, reason=WORDS)).alarm_at is None


def test_on_its_day_where_no_parameter_says_how_long_before() -> None:
    without = tuple(one for one in FOUNDING if one.stream_id != "parameter-P-19")
    assert row_of(drafted, signed, founding=without).alarm_at == midnight(4, 15)


def test_nothing_is_claimed_by_itself_of_what_was_imported() -> None:
    assert row_of(drafted, signed, elsewhere=True).alarm_at is None


def test_what_is_claimed_is_known_to_whoever_amends(empty_database: str) -> None:
    url = filled(empty_database, (BillingRow,), [row_of(drafted, signed, claimed)])
    assert asked(url, lambda db: billed_instalments(db, CONTRACT)).numbers == (Code("b"),)
    nothing = ContractId("contract-2")
    assert asked(url, lambda db: billed_instalments(db, nothing)) == BilledInstalments(contract_id=nothing)
