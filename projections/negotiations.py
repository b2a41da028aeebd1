"""What is negotiated, how far is it, what would we settle for, and what did we give away?"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import LiteralString

from msgspec.structs import replace
from psycopg import sql

from aggregates.actor import Role
from aggregates.business.negotiation import (
    BRIEF_READERS,
    NEGOTIATORS,
    BelowFloorApproved,
    CounterOfferReceived,
    NegotiationBriefApproved,
    NegotiationBriefPrepared,
    NegotiationBriefReturned,
    NegotiationBrokenOff,
    NegotiationOpened,
    NegotiationRoundRecorded,
    Status,
    TermsAgreed,
    TermsOffered,
)
from aggregates.event import Recorded
from aggregates.facts import AgreedTerms, OpportunityTalks
from aggregates.ids import CustomerId, EmployeeId, NegotiationId, OpportunityId
from aggregates.readers import Readers
from aggregates.text import Text
from aggregates.value import Value
from projections.fact import fact
from projections.question import Database, matching, question, select, select_one
from projections.row import Row, View, its_stream, the
from projections.survivors import with_survivors

READERS = Readers(everything=frozenset({*NEGOTIATORS, Role.DEPUTY, Role.MANAGER, Role.AUDITOR}))
OF_BRIEFS = replace(BRIEF_READERS, own=frozenset(NEGOTIATORS))
"""Those who decide and who check read every brief, the team its own; each time is put on record."""


class Offer(Value):
    """A price in the company's currency, and within how many days the customer pays it."""

    price: Decimal
    payment_days: int


class NegotiationRow(Row):
    """`first_offer` is our first, `last_offer` our last, `counter_offer` the customer's last.

    `below_floor` says how far we may go below the floor, and `below_floor_by` who has allowed it.
    """

    of_person = ("team",)

    negotiation_id: NegotiationId
    opportunity_id: OpportunityId
    customer_id: CustomerId
    prepared_at: datetime
    aims: Text
    floor: Offer
    concessions: Text
    amount: Decimal
    team: tuple[EmployeeId, ...]
    authors: tuple[EmployeeId, ...]
    materials: Text | None = None
    status: Status = Status.PREPARED
    approved_at: datetime | None = None
    opened_at: datetime | None = None
    ended_at: datetime | None = None
    rounds: int = 0
    first_offer: Offer | None = None
    last_offer: Offer | None = None
    counter_offer: Offer | None = None
    agreed: Offer | None = None
    below_floor: Offer | None = None
    below_floor_by: EmployeeId | None = None


def prepared(row: NegotiationRow | None, record: Recorded[NegotiationBriefPrepared]) -> NegotiationRow:
    event = record.event
    return NegotiationRow(
        negotiation_id=NegotiationId(record.stream_id),
        opportunity_id=event.opportunity_id,
        customer_id=event.customer_id,
        prepared_at=record.effective_at if row is None else row.prepared_at,
        aims=event.aims,
        floor=Offer(price=event.floor_price, payment_days=event.payment_days),
        concessions=event.concessions,
        amount=event.amount,
        team=event.team,
        authors=event.authors,
        materials=event.materials,
    )


def approved(row: NegotiationRow, record: Recorded[NegotiationBriefApproved]) -> NegotiationRow:
    return replace(row, status=Status.APPROVED, approved_at=record.effective_at)


def returned(row: NegotiationRow, record: Recorded[NegotiationBriefReturned]) -> NegotiationRow:  # noqa: ARG001  # none
    return replace(row, status=Status.RETURNED)


def opened(row: NegotiationRow, record: Recorded[NegotiationOpened]) -> NegotiationRow:
    return replace(row, status=Status.OPEN, opened_at=record.effective_at)


def round_held(row: NegotiationRow, record: Recorded[NegotiationRoundRecorded]) -> NegotiationRow:  # noqa: ARG001  # none
    return replace(row, rounds=row.rounds + 1)


def offered(row: NegotiationRow, record: Recorded[TermsOffered]) -> NegotiationRow:
    offer = _offer(record.event)
    return replace(row, first_offer=row.first_offer or offer, last_offer=offer)


def countered(row: NegotiationRow, record: Recorded[CounterOfferReceived]) -> NegotiationRow:
    return replace(row, counter_offer=_offer(record.event))


def allowed(row: NegotiationRow, record: Recorded[BelowFloorApproved]) -> NegotiationRow:
    return replace(row, below_floor=_offer(record.event), below_floor_by=record.event.approver_id)


def agreed(row: NegotiationRow, record: Recorded[TermsAgreed]) -> NegotiationRow:
    return replace(row, status=Status.AGREED, agreed=_offer(record.event), ended_at=record.effective_at)


def broken_off(row: NegotiationRow, record: Recorded[NegotiationBrokenOff]) -> NegotiationRow:
    return replace(row, status=Status.BROKEN_OFF, ended_at=record.effective_at)


negotiations = View(
    NegotiationRow,
    prepared,
    approved,
    returned,
    opened,
    round_held,
    offered,
    countered,
    allowed,
    agreed,
    broken_off,
    key=its_stream(NegotiationId),
)


class TalksRow(Row):
    """Which negotiations about an opportunity were opened, the first one first."""

    opportunity_id: OpportunityId
    opened: tuple[NegotiationId, ...]


def begun(row: TalksRow | None, record: Recorded[NegotiationOpened]) -> TalksRow:
    before = () if row is None else row.opened
    opened = (*before, NegotiationId(record.stream_id))
    return TalksRow(opportunity_id=record.event.opportunity_id, opened=opened)


talks = View(TalksRow, begun, key=the("opportunity_id"))


def _offer(event: TermsOffered | CounterOfferReceived | BelowFloorApproved | TermsAgreed) -> Offer:
    return Offer(price=event.price, payment_days=event.payment_days)


class Negotiating(Value):
    """A negotiation as business development sees it: what both sides said, and nothing of what only we know."""

    negotiation_id: NegotiationId
    opportunity_id: OpportunityId
    customer_id: CustomerId
    status: Status
    team: tuple[EmployeeId, ...]
    prepared_at: datetime
    approved_at: datetime | None
    opened_at: datetime | None
    ended_at: datetime | None
    rounds: int
    first_offer: Offer | None
    last_offer: Offer | None
    counter_offer: Offer | None
    agreed: Offer | None


class Concession(Value):
    """What was given away in a negotiation that came to an agreement, and by whom.

    `given` is how far the agreed price lies below our first offer, in the company's currency and in percent of it;
    `longer_days` how much later the customer pays than we offered first. `below_floor_by` is who allowed what lies
    below the floor; nobody where nothing does.
    """

    negotiation_id: NegotiationId
    customer_id: CustomerId
    authors: tuple[EmployeeId, ...]
    agreed_at: datetime
    first_offer: Offer | None
    agreed: Offer
    given: Decimal | None
    given_percent: Decimal | None
    longer_days: int | None
    below_floor: bool
    below_floor_by: EmployeeId | None


SHOWN: LiteralString = """
    SELECT negotiation_id, opportunity_id, customer_id, status, team, prepared_at, approved_at, opened_at, ended_at,
        rounds, first_offer, last_offer, counter_offer, agreed
    FROM {} WHERE """

ENDED = frozenset({Status.AGREED, Status.BROKEN_OFF})
IS_OPEN: LiteralString = "status NOT IN ('agreed', 'broken_off')"
"""The same in two languages."""

ROWS = with_survivors(NegotiationRow, "negotiation_row", IS_OPEN)
"""What is under way with a merged customer is with the one that goes on."""

TABLES = ("negotiation_row", "customer_row")


@question(path="negotiations", readers=READERS, order=("prepared_at", "negotiation_id"), tables=TABLES)
async def under_way(
    db: Database,
    status: Status | None = None,
    opportunity_id: OpportunityId | None = None,
    customer_id: CustomerId | None = None,
) -> list[Negotiating]:
    """Negotiations, the oldest first: all, or those that are so far, or about one opportunity or customer."""
    where, values = matching(
        {
            "status = %s": status and status.value,
            "opportunity_id = %s": opportunity_id,
            "customer_id = %s": customer_id,
        }
    )
    return await select(db, Negotiating, sql.SQL(SHOWN + where).format(ROWS), *values)


@question(path="negotiations/{negotiation_id}", readers=READERS, tables=TABLES)
async def one(db: Database, negotiation_id: NegotiationId) -> Negotiating | None:
    """One negotiation, without its brief."""
    return await select_one(db, Negotiating, sql.SQL(SHOWN + "negotiation_id = %s").format(ROWS), negotiation_id)


@question(
    path="negotiations/{negotiation_id}/brief",
    readers=OF_BRIEFS,
    one_of=negotiations,
    goes_on=lambda row: row.status not in ENDED,
    tables=TABLES,
)
async def brief(db: Database, negotiation_id: NegotiationId) -> NegotiationRow | None:
    """One negotiation with its brief: what we aim at, and what we would settle for."""
    query = sql.SQL("SELECT * FROM {} WHERE negotiation_id = %s").format(ROWS)
    return await select_one(db, NegotiationRow, query, negotiation_id)


@question(
    path="negotiations/concessions",
    readers=BRIEF_READERS.everything,
    order=("agreed_at", "negotiation_id"),
    tables=("negotiation_row",),
)
async def concessions(
    db: Database, customer_id: CustomerId | None = None, below_floor: bool | None = None
) -> list[Concession]:
    """What we gave away to reach each agreement, and what lay below the floor."""
    where, values = matching({"customer_id = %s": customer_id, "below_floor = %s": below_floor})
    return await select(
        db,
        Concession,
        f"""
        SELECT * FROM (
            SELECT negotiation_id, customer_id, authors, ended_at AS agreed_at, first_offer, agreed, given,
                round(100 * given / nullif((first_offer ->> 'price')::numeric, 0), 1) AS given_percent,
                (agreed ->> 'payment_days')::bigint - (first_offer ->> 'payment_days')::bigint AS longer_days,
                is_below AS below_floor, CASE WHEN is_below THEN below_floor_by END AS below_floor_by
            FROM (
                SELECT *, (first_offer ->> 'price')::numeric - (agreed ->> 'price')::numeric AS given,
                    (agreed ->> 'price')::numeric < (floor ->> 'price')::numeric
                    OR (agreed ->> 'payment_days')::bigint > (floor ->> 'payment_days')::bigint AS is_below
                FROM negotiation_row WHERE status = 'agreed'
            ) judged
        ) report WHERE {where}""",
        *values,
    )


@fact(negotiations)
async def agreed_terms(db: Database, negotiation_id: NegotiationId) -> AgreedTerms:
    """No terms while there is no agreement."""
    rows = await select(db, NegotiationRow, "SELECT * FROM negotiation_row WHERE negotiation_id = %s", negotiation_id)
    if not rows:
        return AgreedTerms(negotiation_id=negotiation_id)
    offer = rows[0].agreed
    return AgreedTerms(
        negotiation_id=negotiation_id,
        opportunity_id=rows[0].opportunity_id,
        customer_id=rows[0].customer_id,
        price=None if offer is None else offer.price,
        payment_days=None if offer is None else offer.payment_days,
    )


@fact(talks)
async def opportunity_talks(db: Database, opportunity_id: OpportunityId) -> OpportunityTalks:
    """None of them where nobody ever negotiated."""
    row = await select_one(db, TalksRow, "SELECT * FROM talks_row WHERE opportunity_id = %s", opportunity_id)
    return OpportunityTalks(opportunity_id=opportunity_id, opened=() if row is None else row.opened)
