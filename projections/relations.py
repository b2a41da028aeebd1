"""How far are we with each customer, how much does it matter to us, and how long ago did we last speak?"""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from aggregates.actor import Role
from aggregates.business.customer import (
    DESKS,
    AccountOwnerAssigned,
    CustomerActivated,
    CustomerBlocked,
    CustomerLost,
    CustomerMarkedDormant,
    CustomerNeedRecorded,
    CustomerQualified,
    CustomerReactivated,
    CustomerRegistered,
    CustomersMerged,
    CustomerTierAssigned,
    CustomerUnblocked,
    ProspectContacted,
)
from aggregates.business.customer_file import Intent, Phase, Tier
from aggregates.event import Recorded
from aggregates.facts import CustomerStanding
from aggregates.ids import ContractId, CustomerId, EmployeeId
from aggregates.readers import Readers
from aggregates.text import Code
from aggregates.value import Value
from projections.customers import CustomerRow, customers
from projections.fact import fact
from projections.question import Database, matching, question, select
from projections.row import Row, View, the
from projections.survivors import files_of

TEAM = frozenset({*DESKS, Role.DEPUTY, Role.MANAGER, Role.AUDITOR})
READERS = Readers(everything=TEAM, own=frozenset({Role.EMPLOYEE}))


class RelationRow(Row):
    """What we think of a customer, which is not shown to it. `phase_since`: since when; `ended`: its file is merged;
    `owners`: all who ever looked after it."""

    of_person = ("owner_id",)

    customer_id: CustomerId
    registered_at: datetime
    phase_since: datetime
    phase: Phase = Phase.PROSPECT
    tier: Tier | None = None
    intent: Intent | None = None
    blocked: bool = False
    ended: bool = False
    owner_id: EmployeeId | None = None
    owners: tuple[EmployeeId, ...] = ()
    contract_id: ContractId | None = None
    contacts: int = 0
    last_contact_at: datetime | None = None
    last_channel: Code | None = None


def registered(record: Recorded[CustomerRegistered]) -> RelationRow:
    at = record.effective_at
    return RelationRow(customer_id=CustomerId(record.stream_id), registered_at=at, phase_since=at)


def owned(row: RelationRow, record: Recorded[AccountOwnerAssigned]) -> RelationRow:
    owner_id = record.event.owner_id
    return replace(row, owner_id=owner_id, owners=tuple(dict.fromkeys((*row.owners, owner_id))))


def need_recorded(row: RelationRow, record: Recorded[CustomerNeedRecorded]) -> RelationRow:
    return replace(row, intent=record.event.intent)


def qualified(row: RelationRow, record: Recorded[CustomerQualified]) -> RelationRow:
    return replace(row, phase=Phase.QUALIFIED, phase_since=record.effective_at)


def activated(row: RelationRow, record: Recorded[CustomerActivated]) -> RelationRow:
    return replace(row, phase=Phase.ACTIVE, phase_since=record.effective_at, contract_id=record.event.contract_id)


def phased(row: RelationRow, record: Recorded[CustomerMarkedDormant | CustomerReactivated]) -> RelationRow:
    phase = Phase.ACTIVE if isinstance(record.event, CustomerReactivated) else Phase.DORMANT
    return replace(row, phase=phase, phase_since=record.effective_at)


def lost(row: RelationRow, record: Recorded[CustomerLost]) -> RelationRow:
    return replace(row, phase=Phase.LOST, phase_since=record.effective_at)


def tiered(row: RelationRow, record: Recorded[CustomerTierAssigned]) -> RelationRow:
    return replace(row, tier=record.event.tier)


def blocked(row: RelationRow, record: Recorded[CustomerBlocked | CustomerUnblocked]) -> RelationRow:
    return replace(row, blocked=isinstance(record.event, CustomerBlocked))


def merged(row: RelationRow, record: Recorded[CustomersMerged]) -> RelationRow:  # noqa: ARG001  # it is told elsewhere
    return replace(row, ended=True)


def contacted(row: RelationRow, record: Recorded[ProspectContacted]) -> RelationRow:
    return replace(
        row,
        contacts=row.contacts + 1,
        last_contact_at=record.effective_at,
        last_channel=record.event.channel,
    )


relations = View(
    RelationRow,
    registered,
    owned,
    need_recorded,
    qualified,
    activated,
    phased,
    lost,
    tiered,
    blocked,
    merged,
    contacted,
    key=the("customer_id", or_its_stream=True),
)


@fact(customers, relations, also_about="files")
async def standing(db: Database, customer_id: CustomerId) -> CustomerStanding:
    """Nothing is known of somebody without a file."""
    files = await files_of(db, customer_id)
    of_all = await select(db, CustomerRow, "SELECT * FROM customer_row WHERE customer_id = ANY(%s)", list(files))
    file = next((row for row in of_all if row.customer_id == customer_id), None)
    if file is None:
        return CustomerStanding(customer_id=customer_id)
    survivor = next((row for row in of_all if row.merged_into is None), file)
    ours = await select(db, RelationRow, "SELECT * FROM relation_row WHERE customer_id = ANY(%s)", list(files))
    return CustomerStanding(
        customer_id=customer_id,
        owner_id=file.owner_id,
        file_score=survivor.file_score,
        blocked=any(row.blocked for row in [row for row in ours if not row.ended] or ours),
        credit_code=file.credit_code,
        merged_into=file.merged_into if survivor is file else survivor.customer_id,
        objects_to=file.objects_to,
        files=tuple(other for other in files if other != customer_id),
        owners=tuple(dict.fromkeys(owner for row in ours for owner in row.owners)),
    )


@question(path="customers/relations", readers=READERS, order=("registered_at", "customer_id"))
async def with_all(
    db: Database,
    phase: Phase | None = None,
    tier: Tier | None = None,
    owner_id: EmployeeId | None = None,
    blocked: bool | None = None,
) -> list[RelationRow]:
    """How we stand with each customer whose file goes on, or with those of a phase, tier or owner."""
    where, values = matching(
        {
            "phase = %s": phase and phase.value,
            "tier = %s": tier and tier.value,
            "owner_id = %s": owner_id,
            "blocked = %s": blocked,
        }
    )
    return await select(db, RelationRow, f"SELECT * FROM relation_row WHERE NOT ended AND {where}", *values)


class Silence(Value):
    """How long ago we last spoke to a customer, in whole days; from the day of its file on if we never did."""

    customer_id: CustomerId
    tier: Tier | None
    owner_id: EmployeeId | None
    last_contact_at: datetime | None
    since: datetime
    days: int


@question(path="customers/silence", readers=TEAM, order=("since", "customer_id"), tables=("relation_row",))
async def silence(
    db: Database, at_least_days: int = 0, tier: Tier | None = None, owner_id: EmployeeId | None = None
) -> list[Silence]:
    """With whom we have not spoken for so long, the longest first; lost customers are left alone."""
    where, values = matching({"tier = %s": tier and tier.value, "owner_id = %s": owner_id})
    return await select(
        db,
        Silence,
        f"""
        SELECT * FROM (
            SELECT customer_id, tier, owner_id, last_contact_at, coalesce(last_contact_at, registered_at) AS since,
                   extract(day FROM %s - coalesce(last_contact_at, registered_at))::bigint AS days
            FROM relation_row WHERE NOT ended AND phase <> 'lost' AND {where}) silent
        WHERE days >= %s""",
        db.moment,
        *values,
        at_least_days,
    )


class PhaseFigures(Value):
    """How many customers are so far, and how many of them came to be so within the last 90 days."""

    phase: Phase
    customers: int
    lately: int


@question(path="customers/funnel", readers=TEAM, tables=("relation_row",))
async def funnel(db: Database) -> list[PhaseFigures]:
    """Customers in each phase, from prospect on."""
    found = await select(
        db,
        PhaseFigures,
        """
        SELECT phase, count(*) AS customers,
               count(*) FILTER (WHERE phase_since > %s - interval '90 days') AS lately
        FROM relation_row WHERE NOT ended GROUP BY phase""",
        db.moment,
    )
    of = {figures.phase: figures for figures in found}
    return [of.get(phase, PhaseFigures(phase=phase, customers=0, lately=0)) for phase in Phase]
