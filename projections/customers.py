"""Whom do we know, how do we reach them, what do they need, and who of us looks after them?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from msgspec import UNSET
from msgspec.structs import asdict, replace

from aggregates.actor import Role
from aggregates.business.channel import channel_or_any
from aggregates.business.customer import (
    DESKS,
    AccountOwnerAssigned,
    ContactAdded,
    ContactEnded,
    ContactObjectionRecorded,
    ContactObjectionWithdrawn,
    CustomerNeedRecorded,
    CustomerProfileChanged,
    CustomerProfileCorrected,
    CustomerRegistered,
    CustomersMerged,
)
from aggregates.event import Recorded
from aggregates.ids import CustomerId, EmployeeId
from aggregates.readers import Readers
from aggregates.sealed import index_of
from aggregates.text import Code, Index, Personal, Text, findable, personal
from aggregates.value import Value
from projections.question import Database, question, select, select_one
from projections.row import Row, View, its_stream, still_news


class Contact(Value):
    """Somebody who speaks for the customer."""

    contact: Code
    name: Annotated[Personal, personal("customer_id")]
    phone: Annotated[Personal, personal("customer_id")] | None
    email: Annotated[Personal, personal("customer_id")] | None
    position: Code | None
    ended: bool = False


class Need(Value):
    """What the customer told us that it needs, and when."""

    need: Text
    at: datetime


class CustomerRow(Row):
    """`since` says from when each fact of the profile holds, `name_index` what the name is found by. `file_score`: how
    much of what a file must hold is known, in percent; `objects_to`: by which channels not to approach it, None: by
    any; `merged_into`: the file that goes on."""

    indexes = (("name_index",), ("merged_into",))

    of_person = ("customer_id", "owner_id")

    customer_id: CustomerId
    name: Text
    registered_at: datetime
    source: Code
    credit_code: Code | None = None
    region: Code | None = None
    segment: Code | None = None
    payment_terms: Code | None = None
    owner_id: EmployeeId | None = None
    contacts: tuple[Contact, ...] = ()
    needs: tuple[Need, ...] = ()
    objects_to: tuple[Code | None, ...] = ()
    merged_into: CustomerId | None = None
    file_score: int = 0
    name_index: Index | None = None
    since: Mapping[str, datetime] = {}


def _scored(row: CustomerRow) -> CustomerRow:
    """The row with its score: each of these is worth the same, and a need is told with its intent."""
    facts = (
        row.name,
        row.source,
        row.credit_code,
        row.region,
        row.segment,
        row.payment_terms,
        row.owner_id,
        next((contact for contact in row.contacts if not contact.ended), None),
    )
    known = sum(fact is not None for fact in facts) + 2 * bool(row.needs)
    return replace(row, file_score=100 * known // (len(facts) + 2))


def registered(record: Recorded[CustomerRegistered]) -> CustomerRow:
    event = record.event
    row = CustomerRow(
        customer_id=CustomerId(record.stream_id),
        name=event.name,
        registered_at=record.effective_at,
        source=event.source,
        credit_code=event.credit_code,
        region=event.region,
        segment=event.segment,
        name_index=index_of(event.name),
    )
    return _scored(row)


def told(row: CustomerRow, record: Recorded[CustomerProfileChanged | CustomerProfileCorrected]) -> CustomerRow:
    facts = {name: fact for name, fact in asdict(record.event).items() if fact is not UNSET}
    news: dict[str, Any] = still_news(row.since, facts, record.effective_at)
    since = {**row.since, **dict.fromkeys(news, record.effective_at)}
    if "name" in news:
        news["name_index"] = index_of(news["name"])
    return _scored(replace(row, **news, since=since))


def contact_added(row: CustomerRow, record: Recorded[ContactAdded]) -> CustomerRow:
    event = record.event
    contact = Contact(
        contact=event.contact, name=event.name, phone=event.phone, email=event.email, position=event.position
    )
    return _scored(replace(row, contacts=(*row.contacts, contact)))


def contact_ended(row: CustomerRow, record: Recorded[ContactEnded]) -> CustomerRow:
    ended = record.event.contact
    contacts = tuple(replace(c, ended=True) if c.contact == ended else c for c in row.contacts)
    return _scored(replace(row, contacts=contacts))


def owned(row: CustomerRow, record: Recorded[AccountOwnerAssigned]) -> CustomerRow:
    return _scored(replace(row, owner_id=record.event.owner_id))


def need_recorded(row: CustomerRow, record: Recorded[CustomerNeedRecorded]) -> CustomerRow:
    need = Need(need=record.event.need, at=record.effective_at)
    return _scored(replace(row, needs=(*row.needs, need)))


def objected(row: CustomerRow, record: Recorded[ContactObjectionRecorded]) -> CustomerRow:
    return replace(row, objects_to=(*row.objects_to, channel_or_any(record.event.channel)))


def objection_withdrawn(row: CustomerRow, record: Recorded[ContactObjectionWithdrawn]) -> CustomerRow:
    withdrawn = channel_or_any(record.event.channel)
    return replace(row, objects_to=tuple(c for c in row.objects_to if c != withdrawn))


def merged(row: CustomerRow, record: Recorded[CustomersMerged]) -> CustomerRow:
    return replace(row, merged_into=record.event.into_id)


customers = View(
    CustomerRow,
    registered,
    told,
    contact_added,
    contact_ended,
    owned,
    need_recorded,
    objected,
    objection_withdrawn,
    merged,
    key=its_stream(CustomerId),
)
READERS = Readers(
    everything=frozenset({*DESKS, Role.DEPUTY, Role.MANAGER, Role.AUDITOR}),
    own=frozenset({Role.EMPLOYEE, Role.CUSTOMER}),
)


@question(path="customers", readers=READERS, order=("registered_at", "customer_id"))
async def on_file(
    db: Database,
    owner_id: EmployeeId | None = None,
    segment: Code | None = None,
    credit_code: Code | None = None,
    name: Annotated[Index, findable("customer-name")] | None = None,
) -> list[CustomerRow]:
    """Customers in the order in which we met them; a name is the whole name, but for case and spaces."""
    return await select(
        db,
        CustomerRow,
        """
        SELECT * FROM customer_row
        WHERE (owner_id = %s OR %s::text IS NULL) AND (segment = %s OR %s::text IS NULL)
          AND (credit_code = %s OR %s::text IS NULL) AND (name_index = %s OR %s::text IS NULL)""",
        owner_id, owner_id, segment, segment, credit_code, credit_code, name, name,
    )  # fmt: skip


@question(path="customers/{customer_id}", readers=READERS, one_of=customers)
async def one(db: Database, customer_id: CustomerId) -> CustomerRow | None:
    """The file of one customer."""
    return await select_one(db, CustomerRow, "SELECT * FROM customer_row WHERE customer_id = %s", customer_id)
