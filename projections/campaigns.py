"""Which campaigns run under which plan, do they use the channels that were planned, and what comes of it?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec.structs import replace

from aggregates.business.campaign import CampaignEnded, CampaignStarted
from aggregates.event import Recorded
from aggregates.ids import CampaignId, DevelopmentPlanId
from aggregates.readers import BUSINESS_TEAM
from aggregates.text import Code, Text
from aggregates.value import Value
from projections.question import Database, matching, question, select, select_one
from projections.row import Row, View, its_stream


class CampaignRow(Row):
    indexes = (("plan_id",),)

    campaign_id: CampaignId
    plan_id: DevelopmentPlanId
    name: Code
    channels: tuple[Code, ...]
    started_at: datetime
    ended_at: datetime | None = None
    result: Text | None = None


def started(record: Recorded[CampaignStarted]) -> CampaignRow:
    event = record.event
    return CampaignRow(
        campaign_id=CampaignId(record.stream_id),
        plan_id=event.plan_id,
        name=event.name,
        channels=event.channels,
        started_at=record.effective_at,
    )


def ended(row: CampaignRow, record: Recorded[CampaignEnded]) -> CampaignRow:
    return replace(row, ended_at=record.effective_at, result=record.event.result)


campaigns = View(CampaignRow, started, ended, key=its_stream(CampaignId))


@question(path="campaigns", readers=BUSINESS_TEAM, order=("started_at", "campaign_id"))
async def on_record(
    db: Database, plan_id: DevelopmentPlanId | None = None, running: bool | None = None
) -> list[CampaignRow]:
    """All campaigns, those under a plan, or those that are running."""
    where, values = matching({"plan_id = %s": plan_id, "(ended_at IS NULL) = %s": running})
    return await select(db, CampaignRow, f"SELECT * FROM campaign_row WHERE {where}", *values)


@question(path="campaigns/{campaign_id}", readers=BUSINESS_TEAM, one_of=campaigns)
async def one(db: Database, campaign_id: CampaignId) -> CampaignRow | None:
    """One campaign."""
    return await select_one(db, CampaignRow, "SELECT * FROM campaign_row WHERE campaign_id = %s", campaign_id)


class ChannelUse(Value):
    """A channel of a plan: was it planned, how many campaigns have gone that way, and what has it brought?

    `customers` counts those reached, `outcomes` how often each came of a contact. A contact within a campaign counts by
    the way that it took, planned or not.
    """

    plan_id: DevelopmentPlanId
    channel: Code
    planned: bool
    campaigns: int
    contacts: int
    customers: int
    outcomes: Mapping[Code, int]


@question(
    path="campaigns/channels",
    readers=BUSINESS_TEAM,
    order=("plan_id", "channel"),
    tables=("plan_row", "campaign_row", "outreach_row"),
)
async def channels(
    db: Database, plan_id: DevelopmentPlanId | None = None, used: bool | None = None
) -> list[ChannelUse]:
    """The channels planned beside those used, plan by plan, with what each has brought."""
    where, values = matching({"plan_id = %s": plan_id, "(campaigns > 0 OR contacts > 0) = %s": used})
    query = f"""
        WITH reached AS (SELECT plan_id, o.* FROM outreach_row o JOIN campaign_row ON campaign_id = campaign)
        SELECT * FROM (
            SELECT plan_id, channel, bool_or(planned) AS planned, count(campaign_id) AS campaigns,
                coalesce(sum(contacts), 0)::bigint AS contacts, count(DISTINCT customer_id) AS customers,
                coalesce((SELECT jsonb_object_agg(outcome, times) FROM (
                    SELECT o.key AS outcome, sum(o.value::bigint) AS times
                    FROM reached r, jsonb_each_text(r.outcomes) o
                    WHERE r.plan_id = way.plan_id AND r.channel = way.channel GROUP BY o.key) t
                ), '{{}}') AS outcomes
            FROM (
                SELECT plan_id, channel, true AS planned, NULL AS campaign_id, 0 AS contacts, NULL AS customer_id
                FROM plan_row, jsonb_array_elements_text(channels) channel
                UNION ALL
                SELECT plan_id, channel, false, campaign_id, 0, NULL
                FROM campaign_row, jsonb_array_elements_text(channels) channel
                UNION ALL
                SELECT plan_id, channel, false, NULL, contacts, customer_id FROM reached) way
            GROUP BY plan_id, channel) q
        WHERE {where}"""
    return await select(db, ChannelUse, query, *values)
