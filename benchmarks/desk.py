"""A founded department with people, a customer and complaints: where commands are given."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4
from zoneinfo import ZoneInfo

from aggregates.actor import Role
from infra.dispatcher import Answer, Order, Principal
from infra.settings import Settings
from services.composition import COMMANDS
from services.founding import Foundation, found
from services.keys import sealing
from services.runtime import Runtime

ZONE = ZoneInfo("Asia/Shanghai")
_BY_SLUG = {command.slug: command for command in COMMANDS}


class Desk(NamedTuple):
    """Who gives commands, and about what."""

    manager: str
    clerk: str
    handlers: tuple[str, ...]
    customer: str


async def give(runtime: Runtime, by: str, slug: str, stream_id: str | None = None, /, **sent: Any) -> Answer:
    """One command of somebody's, `complaint.assess` for instance."""
    command = _BY_SLUG[slug]
    return await runtime.dispatcher.give(Order(command, stream_id, command.body(**sent), Principal(by)))


def runtime_of(conninfo: str, home: Path) -> Runtime:
    """The machinery around a log, with the keys of that home."""
    return Runtime(conninfo, ZONE, sealing(Settings.read({"YEWU_HOME": str(home)})))


async def set_up(runtime: Runtime) -> Desk:
    """Found the department and open its complaint desk."""
    manager = str(await found(runtime.writer, runtime.codec, runtime.sealer, Foundation(manager="Max")))
    await runtime.reference.refresh()
    clerks = []
    for name in ("Anna", "Ben", "Chen"):
        clerk = await give(runtime, manager, "employee.register", name=name)
        await give(
            runtime, manager, "department.appoint", "department",
            employee_id=clerk.id, role=Role.CUSTOMER_SERVICE, unit="customer-service",
        )  # fmt: skip
        clerks.append(clerk.id)
    await runtime.reference.refresh()
    customer = await give(runtime, clerks[0], "customer.register", name="Acme", source="fair")
    return Desk(manager, clerks[0], tuple(clerks[1:]), customer.id)


async def assessed_complaint(runtime: Runtime, desk: Desk) -> str:
    """A complaint that can be given to somebody."""
    received = await give(
        runtime, desk.clerk, "complaint.receive", customer_id=desk.customer, channel="phone",
        facts="The boiler has been cold since Monday.", remedy_sought="A warm boiler by Friday.", about="boiler-3000",
    )  # fmt: skip
    await give(
        runtime, desk.clerk, "complaint.assess", received.id,
        category="heating", severity="S2", safety_or_legal=False, complexity="simple",
    )  # fmt: skip
    return received.id


async def assessed_complaints(runtime: Runtime, desk: Desk, count: int) -> list[str]:
    """So many of them."""
    complaints: list[str] = []
    while len(complaints) < count:
        complaints += await asyncio.gather(*(assessed_complaint(runtime, desk) for _ in range(min(count, 100))))
    return complaints


def new_key() -> str:
    """An idempotency key that nobody has used."""
    return uuid4().hex
