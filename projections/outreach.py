"""When and through which channels do we approach customers, and what comes of it?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec.structs import replace

from aggregates.business.customer import ProspectContacted
from aggregates.event import Recorded
from aggregates.ids import KIND_OF_STREAM, AnyId, CampaignId, CustomerId
from aggregates.text import Code, Text
from aggregates.value import Value
from projections.question import Database, matching, question, select
from projections.relations import TEAM
from projections.row import Key, Row, View
from projections.survivors import files_of


class OutreachRow(Row):
    """How often a customer was approached by one channel within one campaign, or within none, and with what outcome."""

    key = ("customer_id", "channel", "campaign")

    customer_id: CustomerId
    channel: Code
    campaign: str
    contacts: int = 0
    outcomes: Mapping[Code, int] = {}
    last_at: datetime | None = None


def _of(record: Recorded[ProspectContacted]) -> tuple[str, str, str]:
    return record.stream_id, record.event.channel, record.event.campaign_id or ""


def contacted(row: OutreachRow | None, record: Recorded[ProspectContacted]) -> OutreachRow:
    if row is None:
        customer, channel, campaign = _of(record)
        row = OutreachRow(customer_id=CustomerId(customer), channel=Code(channel), campaign=campaign)
    outcome = record.event.outcome
    return replace(
        row,
        contacts=row.contacts + 1,
        outcomes={**row.outcomes, outcome: row.outcomes.get(outcome, 0) + 1},
        last_at=record.effective_at,
    )


outreach = View(OutreachRow, contacted, key=Key(kind=None, of_event=lambda _: _of))


class TouchRow(Row):
    """One time that we approached a customer, under the position of its event; what was said stands there."""

    key = ("customer_id", "position")
    indexes = (("at",),)

    customer_id: CustomerId
    position: Code
    number: int
    at: datetime
    by_id: AnyId
    channel: Code
    outcome: Code
    next_step: Text | None
    campaign_id: CampaignId | None


def touched(record: Recorded[ProspectContacted]) -> TouchRow:
    event = record.event
    return TouchRow(
        customer_id=CustomerId(record.stream_id),
        position=Code(str(record.position)),
        number=record.position,
        at=record.effective_at,
        by_id=AnyId(record.actor_id if record.origin is None else record.person),
        channel=event.channel,
        outcome=event.outcome,
        next_step=event.next_step,
        campaign_id=event.campaign_id,
    )


def _one_each(record: Recorded[ProspectContacted]) -> tuple[str, str]:
    return record.stream_id, str(record.position)


touches = View(TouchRow, touched, key=Key(kind=KIND_OF_STREAM[CustomerId], of_event=lambda _: _one_each))


@question(path="customers/contacts", readers=TEAM, order=("at", "number"), tables=("touch_row", "customer_row"))
async def history(
    db: Database,
    customer_id: CustomerId | None = None,
    campaign_id: CampaignId | None = None,
    since: datetime | None = None,
) -> list[TouchRow]:
    """Each time that we approached a customer, whichever of its files it was noted in; or all within a campaign."""
    files = None if customer_id is None else list(await files_of(db, customer_id))
    where, values = matching({"customer_id = ANY(%s)": files, "campaign_id = %s": campaign_id, "at >= %s": since})
    return await select(db, TouchRow, f"SELECT * FROM touch_row WHERE {where}", *values)


class ChannelFigures(Value):
    """What a channel has brought: contacts, customers reached, and how many of those are active now; what was said."""

    channel: Code
    contacts: int
    customers: int
    active: int
    outcomes: Mapping[Code, int]


@question(path="customers/outreach", readers=TEAM, tables=("outreach_row", "relation_row"))
async def mix(db: Database, campaign_id: CampaignId | None = None) -> list[ChannelFigures]:
    """The mix of channels and what each yields, the busiest first; within a campaign, if one is named."""
    where, values = matching({"campaign = %s": campaign_id})
    return await select(
        db,
        ChannelFigures,
        f"""
        WITH chosen AS (SELECT * FROM outreach_row WHERE {where})
        SELECT channel, sum(c.contacts)::bigint AS contacts, count(DISTINCT customer_id) AS customers,
               count(DISTINCT customer_id) FILTER (WHERE phase = 'active') AS active,
               (SELECT jsonb_object_agg(outcome, times) FROM (
                   SELECT o.key AS outcome, sum(o.value::bigint) AS times
                   FROM chosen i, jsonb_each_text(i.outcomes) o WHERE i.channel = c.channel GROUP BY o.key) s
               ) AS outcomes
        FROM chosen c LEFT JOIN relation_row USING (customer_id)
        GROUP BY channel ORDER BY 2 DESC, channel""",
        *values,
    )
