"""What of each contract's payment schedule has been claimed, and when is the next instalment?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from msgspec.structs import replace

from aggregates.business.contract import (
    ContractAmended,
    ContractAmendmentDrafted,
    ContractDrafted,
    ContractRedrafted,
    ContractSigned,
    ContractTerminated,
    ContractVoided,
)
from aggregates.event import Recorded
from aggregates.facts import BilledInstalments
from aggregates.ids import ContractId
from aggregates.risk.receivable import ReceivableRaised
from aggregates.text import Code
from projections.fact import fact
from projections.question import Database, select_one
from projections.reference import Reference
from projections.row import Row, View, the


class BillingRow(Row):
    """The days of the instalments that are signed, and of the version that waits; which of them are `billed`.

    `bill_before_days`: how long before its day each is claimed; `alarm_at`: when the next one is, none of imported
    history.
    """

    indexes = (("alarm_at",),)

    contract_id: ContractId
    proposed: Mapping[Code, date] = {}
    schedule: Mapping[Code, date] = {}
    billed: tuple[Code, ...] = ()
    bill_before_days: int = 0
    imported: bool = False
    alarm_at: datetime | None = None

    @property
    def next_instalment(self) -> Code | None:
        """The one that is due first of those not claimed yet."""
        return min(
            self.schedule.keys() - set(self.billed), key=lambda number: (self.schedule[number], number), default=None
        )


def proposed(
    row: BillingRow | None, record: Recorded[ContractDrafted | ContractRedrafted | ContractAmendmentDrafted]
) -> BillingRow:
    row = row or BillingRow(contract_id=ContractId(record.stream_id))
    return replace(row, proposed={one.number: one.due for one in record.event.terms.payments})


def in_force(row: BillingRow, record: Recorded[ContractSigned | ContractAmended], reference: Reference) -> BillingRow:
    return _alarmed(
        replace(
            row,
            schedule=row.proposed,
            bill_before_days=_days_before(reference, record.effective_at),
            imported=record.origin is not None,
        ),
        reference,
    )


def billed(row: BillingRow | None, record: Recorded[ReceivableRaised], reference: Reference) -> BillingRow:
    row = row or BillingRow(contract_id=record.event.contract_id)
    return _alarmed(replace(row, billed=(*row.billed, record.event.instalment)), reference)


def over(row: BillingRow, record: Recorded[ContractVoided | ContractTerminated]) -> BillingRow:  # noqa: ARG001  # none
    return replace(row, schedule={}, alarm_at=None)


def _days_before(reference: Reference, at: datetime) -> int:
    """By P-19; on its day where that says nothing of it."""
    known = reference.in_force.get("P-19")
    before = None if known is None else known.at(at).values.get(Code("bill"))
    return 0 if before is None else int(before.amount)


def _alarmed(row: BillingRow, reference: Reference) -> BillingRow:
    following = row.next_instalment
    if following is None or row.imported:
        return replace(row, alarm_at=None)
    day = row.schedule[following] - timedelta(days=row.bill_before_days)
    return replace(row, alarm_at=reference.begin_of(day))


billing = View(BillingRow, proposed, in_force, billed, over, key=the("contract_id", or_its_stream=True))


@fact(billing)
async def billed_instalments(db: Database, contract_id: ContractId) -> BilledInstalments:
    """None where nothing was signed."""
    row = await select_one(db, BillingRow, "SELECT * FROM billing_row WHERE contract_id = %s", contract_id)
    return BilledInstalments(contract_id=contract_id, numbers=() if row is None else row.billed)
