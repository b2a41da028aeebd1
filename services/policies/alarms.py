"""Alarms: what a policy does because a time has come that a row names; what is done is not done twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from psycopg import sql

from aggregates.actor import ActorKind
from aggregates.refused import Refused
from infra.dispatcher import NotFound, Order, Principal
from infra.read_model.tables import table_name
from infra.reading import moving
from projections.question import Database, select
from projections.row import Row
from services.composition import INNER_COMMANDS
from services.policies.clock import MOST, now_of
from services.policies.policy import Alarm, Intent, Policy
from services.runtime import Runtime

log = structlog.get_logger()


class Alarms:
    """The alarms of one policy. Rows may be behind: whether it is still so the aggregate says, and what it says is
    written only if nothing came since. The time is that of the database, as for the clock."""

    def __init__(self, runtime: Runtime, policy: Policy, time: Callable[[], datetime] | None = None) -> None:
        self.runtime, self.policy, self.time = runtime, policy, time
        self.by = Principal(f"policy-{policy.name}", ActorKind.POLICY)
        self._refused: set[tuple[str, str, datetime]] = set()

    async def ring(self) -> int:
        """Do what is due by now, at most so much of each; how often something happened.

        Contended, Behind, Unavailable if it has to be tried again.
        """
        at, happened = await now_of(self.runtime) if self.time is None else self.time(), 0
        for alarm in self.policy.alarms:
            for row in await self._due(alarm, at):
                happened += await self._give(alarm.then(row), getattr(row, alarm.at))
        return happened

    async def _due(self, alarm: Alarm, at: datetime) -> list[Row]:
        """Rows whose time has come, the longest ago first."""
        rows, by = due_by(self.runtime.model.schema, alarm, sql.Placeholder()), sql.Identifier(alarm.at)
        query = sql.SQL("SELECT * {rows} ORDER BY {by} LIMIT %s").format(rows=rows, by=by)
        async with self.runtime.pool.connection() as db:
            return await select(Database(db), alarm.rows, query, at, MOST + len(self._refused))

    async def _give(self, intent: Intent, due: datetime) -> bool:
        if (intent.command, intent.stream_id, due) in self._refused:
            return False
        command = INNER_COMMANDS[intent.command]
        body: Any = command.body(**intent.arguments)
        try:
            answer = await self.runtime.dispatcher.give(Order(command, intent.stream_id, body, self.by))
        except (Refused, NotFound) as refusal:
            # the business says no, and will as long as this row says the same
            self._refused.add((intent.command, intent.stream_id, due))
            log.info("nothing happens", policy=self.policy.name, stream=intent.stream_id, why=type(refusal).__name__)
            return False
        return answer.position is not None


def due_by(schema: str, alarm: Alarm, at: sql.Composable) -> sql.Composed:
    """Rows whose time has come by an instant, to select from; not those that are parked, of which nobody knows."""
    return sql.SQL("FROM {rows} WHERE {due} <= {at} AND {moving}").format(
        rows=sql.Identifier(schema, table_name(alarm.rows)),
        due=sql.Identifier(alarm.at),
        at=at,
        moving=moving(schema, alarm.rows),
    )
