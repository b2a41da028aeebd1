"""The founding of the department: its first manager, units, parameters and calendars, in one append."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

from aggregates.actor import ActorKind, Role
from aggregates.event import Envelope, Event
from aggregates.ids import THE_DEPARTMENT, EmployeeId
from aggregates.organisation.department import DepartmentFounded, RoleAssigned, UnitEstablished
from aggregates.people.employee import EmployeeRegistered
from aggregates.text import Code, Personal
from aggregates.value import Value
from infra.append import Append, Change, Entry, VersionConflict
from infra.codec import Codec, envelope_bytes
from infra.event_store import Writer
from infra.sealing import Sealer
from services.founding_calendars import ANNOUNCED
from services.founding_defaults import DEFAULT_PARAMETERS

ROOT_UNIT = Code("department")
TEAMS = (
    (Code("business-development"), Code("业务拓展组 Business development")),
    (Code("project-management"), Code("项目管理组 Project management")),
    (Code("customer-service"), Code("客户服务组 Customer service")),
    (Code("data-analysis"), Code("数据分析组 Data analysis")),
)
"""The teams that clause 2.1 names."""


class AlreadyFounded(Exception):
    """The log is not empty: a department is founded once."""


class Foundation(Value):
    """What whoever founds the department decides."""

    manager: str
    name: str = "业务管理部 Business Management Department"
    currency: str = "CNY"
    zone: str = "Asia/Shanghai"


async def found(writer: Writer, codec: Codec, sealer: Sealer, foundation: Foundation) -> EmployeeId:
    """Found the department; the first manager's id. AlreadyFounded if anything is on record."""
    now = datetime.now(UTC)
    manager_id = EmployeeId(f"employee-{uuid4()}")
    streams: list[tuple[str, Sequence[Event]]] = [
        (manager_id, (EmployeeRegistered(name=Personal(foundation.manager)),)),
        (THE_DEPARTMENT, tuple(_department(foundation, manager_id, now))),
        *((f"parameter-{p.number}", (p.defined(now),)) for p in DEFAULT_PARAMETERS),
        *((f"calendar-{a.year}", (a.published(),)) for a in ANNOUNCED),
    ]

    async def sealed(event: Event, stream_id: str) -> Event:
        found: Event = await sealer.sealed(codec.texts[type(event)], event, stream_id)
        return found

    meta = envelope_bytes(Envelope(kind=ActorKind.FOUNDER, command="department.found", clause="2.1"))
    changes = [
        Change(stream_id, 0, [Entry(codec.stored(stream_id, await sealed(event, stream_id)), meta) for event in events])
        for stream_id, events in streams
    ]
    try:
        await writer.append(Append("founder", uuid4(), changes, only_at=0))
    except VersionConflict:
        raise AlreadyFounded from None
    return manager_id


def _department(foundation: Foundation, manager_id: EmployeeId, now: datetime) -> Sequence[Event]:
    return (
        DepartmentFounded(name=Code(foundation.name), currency=Code(foundation.currency), zone=Code(foundation.zone)),
        UnitEstablished(unit=ROOT_UNIT, name=Code(foundation.name)),
        *(UnitEstablished(unit=unit, name=name, parent=ROOT_UNIT) for unit, name in TEAMS),
        RoleAssigned(employee_id=manager_id, role=Role.MANAGER, unit=ROOT_UNIT, valid_from=now),
    )
