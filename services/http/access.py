"""Who may read: roles from the appointments in force at this moment, and nothing for anybody else."""

from __future__ import annotations

from datetime import UTC, datetime

from aggregates.actor import ActorKind, Role
from aggregates.ids import EmployeeId
from infra.dispatcher import Forbidden, Principal
from services.runtime import Runtime


async def require(runtime: Runtime, by: Principal, readers: frozenset[Role]) -> frozenset[Role]:
    """The roles of whoever asks; Forbidden if none of them may read this."""
    if by.kind is ActorKind.EMPLOYEE:
        actors = (await runtime.reference.latest()).actors(EmployeeId(by.id), readers, datetime.now(UTC))
        roles = frozenset[Role]().union(*(actor.roles for actor in actors))
    else:
        roles = frozenset({Role.CUSTOMER})
    if readers.isdisjoint(roles):
        raise Forbidden(readers)
    return roles
