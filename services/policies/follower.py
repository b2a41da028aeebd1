"""Policies at work: each reads on from its own position, gives the commands that follow, and says how far it is."""

from __future__ import annotations

from typing import Any

import structlog

from aggregates.actor import ActorKind
from aggregates.event import Recorded
from aggregates.refused import Refused
from infra.dispatcher import NotFound, Order, Principal
from services.composition import INNER_COMMANDS
from services.policies.policy import Intent, Policy
from services.runtime import Runtime

log = structlog.get_logger()

PAGE = 500


class Moved(Exception):
    """Somebody else works for this policy too, and has gone on."""


class PolicyFollower:
    """One policy over one log. Whatever fails, it looks at the same event again: what was done is not done twice."""

    def __init__(self, runtime: Runtime, policy: Policy) -> None:
        self.runtime, self.policy = runtime, policy
        self.by = Principal(f"policy-{policy.name}", ActorKind.POLICY)

    async def step(self) -> int:
        """Look at the next events; how many positions that was, 0 at the head of the log.

        Moved if somebody else works for the policy too; Contended, Behind, Unavailable if it has to be tried again.
        """
        was: int = await self._asked("SELECT yewu.policy_position(%s)", self.policy.name)
        head = await self.runtime.reader.head()
        page = [p.line for p in await self.runtime.reader.page(was, PAGE, self.policy.types) if p.line.position <= head]
        for line in page:
            record = self.runtime.codec.recorded(line)
            with self.runtime.following(record):
                await self._look(record)
        now = page[-1].position if len(page) == PAGE else head
        if now > was and not await self._asked("SELECT yewu.move_policy(%s, %s, %s)", self.policy.name, was, now):
            raise Moved(f"{self.policy.name} is not at {was} any more")
        return now - was

    async def _look(self, record: Recorded[Any]) -> None:
        for number, intent in enumerate(self.policy.follows(record)):
            try:
                await self._give(record, intent, number)
            except (Refused, NotFound) as refusal:
                # the business says no: what should have followed makes no sense any more
                why = type(refusal).__name__
                log.info("nothing follows", policy=self.policy.name, position=record.position, why=why)

    async def _give(self, record: Recorded[Any], intent: Intent, number: int) -> None:
        command = INNER_COMMANDS[intent.command]
        await self.runtime.dispatcher.give(
            Order(
                command=command,
                stream_id=intent.stream_id,
                body=command.body(**intent.arguments),
                by=self.by,
                key=f"{record.event_id}-{number}",
                correlation=record.envelope.correlation,
                causation=record.event_id,
            )
        )

    async def _asked(self, query: str, *values: object) -> Any:
        async with self.runtime.pool.connection() as db:
            cursor = await db.execute(query.encode(), values)
            (answer,) = await cursor.fetchone() or (None,)
        return answer
