"""Each rule of records with a history that keeps it, one that breaks it, and one that is still open."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from aggregates.business.contract import ContractAmended, ContractSigned
from aggregates.event import Event
from aggregates.ids import AnyId, CustomerId, RecordClassId
from aggregates.information.document import DocumentArchived, DocumentRegistered, DocumentVersionAdded
from aggregates.information.level import Security
from aggregates.text import Code, ContentHash, Text
from projections.rules.duty import Verdict
from projections.rules.records import CLASSIFIED, FILED
from tests.projections.rules.cases import ANNA, LI, Happened, duty, folded, log_of, on, verdict

TEXT = ContentHash("sha256:" + "1" * 64)
CONTRACT, DOCUMENT = "contract-1", "document-1"

signed = ContractSigned(
    customer_id=CustomerId("customer-carl"), content=TEXT, amount=Decimal(100), signed_by=(LI,),
    place=Text("Shanghai"), signed_for_customer=Text("Carl"),
)  # fmt: skip
registered = DocumentRegistered(
    record_class_id=RecordClassId("recordclass-contract"), number=Code("HT-2026-0001"), title=Text("Boilers"),
    security=Security.INTERNAL, about_id=AnyId(CONTRACT), registered_by_id=ANNA,
)  # fmt: skip
added = DocumentVersionAdded(content=TEXT, format=Code("pdf"), added_by_id=ANNA)
archived = DocumentArchived(about_id=AnyId(CONTRACT), content=TEXT, place=Code("archive-1"))


AMENDMENT = ContentHash("sha256:" + "3" * 64)
amended = ContractAmended(
    customer_id=CustomerId("customer-carl"), content=AMENDMENT, amount=Decimal(100), signed_by=(LI,)
)
archived_too = replace(archived, content=AMENDMENT)


def it(event: Event, day: int) -> Happened:
    stream = CONTRACT if isinstance(event, ContractSigned | ContractAmended) else DOCUMENT
    return Happened(event, on(day), stream_id=stream)


def test_r_inf_5() -> None:
    whole = it(registered, 2), it(added, 3), it(archived, 4)
    without = it(registered, 2), it(archived, 4)
    assert verdict(CLASSIFIED, *whole, case=DOCUMENT) is Verdict.CONFORMANT
    assert verdict(CLASSIFIED, *without, case=DOCUMENT) is Verdict.VIOLATED
    assert verdict(CLASSIFIED, *whole[:2], case=DOCUMENT) is Verdict.PENDING


def test_6_2_2_a_signed_contract_opens_the_duty_to_file_it_and_the_filing_closes_it() -> None:
    open_ = duty(FILED, it(signed, 2), case=CONTRACT)
    assert open_.due_at == on(4, 18)  # three working days, the first of them Monday (P-23)
    assert verdict(FILED, it(signed, 2), case=CONTRACT, at=on(4)) is Verdict.PENDING
    assert verdict(FILED, it(signed, 2), it(archived, 4), case=CONTRACT) is Verdict.CONFORMANT
    assert verdict(FILED, it(signed, 2), it(archived, 6), case=CONTRACT) is Verdict.VIOLATED
    assert verdict(FILED, it(signed, 2), case=CONTRACT) is Verdict.VIOLATED


def test_filing_something_else_does_not_close_it() -> None:
    draft = replace(archived, content=ContentHash("sha256:" + "2" * 64))
    assert verdict(FILED, it(signed, 2), it(draft, 4), case=CONTRACT) is Verdict.VIOLATED
    assert verdict(FILED, it(signed, 2), it(draft, 3), it(archived, 4), case=CONTRACT) is Verdict.CONFORMANT
    other = replace(archived, about_id=AnyId("contract-2"))
    assert verdict(FILED, it(signed, 2), it(other, 4), case=CONTRACT) is Verdict.VIOLATED
    assert folded(FILED, log_of(it(archived, 4)), CONTRACT) is None  # nobody owed it


def test_6_2_2_each_signed_text_is_filed_in_its_own_time() -> None:
    both = it(signed, 2), it(amended, 3)
    assert duty(FILED, *both, case=CONTRACT).due_at == on(4, 18)
    assert verdict(FILED, *both, it(archived_too, 4), case=CONTRACT) is Verdict.VIOLATED
    assert duty(FILED, *both, it(archived, 4), case=CONTRACT).due_at == on(5, 18)
    for last, expected in ((5, Verdict.CONFORMANT), (6, Verdict.VIOLATED)):
        filed = it(archived, 4), it(archived_too, last)
        assert verdict(FILED, *both, *filed, case=CONTRACT) is expected
    late_first = it(archived_too, 4), it(archived, 6)
    assert verdict(FILED, *both, *late_first, case=CONTRACT) is Verdict.VIOLATED
    after_all = it(signed, 2), it(archived, 3), it(amended, 9), it(archived_too, 10)
    assert verdict(FILED, *after_all, case=CONTRACT) is Verdict.CONFORMANT
