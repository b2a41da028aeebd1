"""A department in memory, where people hold, lend and lose offices at random and try whatever they like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any

from aggregates.actor import Actor, Role
from aggregates.event import Aggregate, Envelope, Event, Recorded, decide, events_of
from aggregates.ids import EmployeeId
from aggregates.organisation.department import (
    ActingEnded,
    ActingStarted,
    DelegationGranted,
    DelegationRevoked,
    RoleAssigned,
    RoleEnded,
)
from aggregates.refused import Refused
from aggregates.text import Code
from infra.commands import Command, Kind
from projections.reference import Reference
from tests.given import recorded
from tests.projections.rules.cases import CHINA, log_of

PEOPLE = tuple(EmployeeId(f"employee-{name}") for name in ("an", "bo", "chen", "ding", "fang", "gao"))
UNIT = Code("business")
MOSTLY = 0.7
BEGINS = datetime(2026, 3, 2, 9, tzinfo=CHINA)


def founded() -> Reference:
    """What everybody knows on the first day."""
    reference = Reference()
    for record in log_of():
        reference = reference.after(record)
    return reference


FOUNDING = founded()


class World:
    """One history as it comes to be: what is recorded, what each thing has become, who holds what.

    `tried` counts by gate and outcome. Nothing here knows whether an outcome is right.
    """

    def __init__(self, seed: int, roles: tuple[Role, ...]) -> None:
        self.random, self.roles = Random(seed), roles  # noqa: S311  # nothing secret
        self.at, self.reference = BEGINS, FOUNDING
        self.log: list[Recorded[Event]] = []
        self.things: dict[str, Any] = {}
        self.tried: Counter[tuple[str, bool]] = Counter()
        self._numbers = 0

    def number(self) -> int:
        """One that was never given before."""
        self._numbers += 1
        return self._numbers

    def somebody(self) -> EmployeeId:
        return self.random.choice(PEOPLE)

    def record(self, event: Event, stream_id: str, actor: Actor) -> None:
        """It has happened."""
        self.at += timedelta(minutes=1)
        lent = actor.delegation
        envelope = Envelope(
            roles=tuple(sorted(actor.roles)),
            delegation=lent,
            on_behalf_of=None if lent is None else lent.grantor_id,
        )
        record = recorded(
            event,
            stream_id=stream_id,
            position=self.reference.position + 1,
            at=self.at,
            actor_id=actor.id,
            envelope=envelope,
        )
        self.log.append(record)
        self.reference = self.reference.after(record)
        if (thing := self.things.get(stream_id)) is not None and type(event) in events_of(thing.__class__):
            self.things[stream_id] = thing.evolve(event)

    def shuffle_offices(self) -> None:
        """Somebody gets an office, loses one, lends a power, takes it back, or stands in for the manager."""
        who, whom, role = self.somebody(), self.somebody(), self.random.choice(self.roles)
        until = self.at + timedelta(hours=self.random.randint(1, 100))
        personnel = Actor(id="employee-personnel")
        lent = [*self.reference.lent.values()]
        change: Event
        match self.random.randint(0, 9):
            case 0 | 1 | 2:
                later = until if self.random.random() < 0.3 else None
                change = RoleAssigned(employee_id=who, role=role, unit=UNIT, valid_from=self.at, valid_until=later)
            case 3:
                change = RoleEnded(employee_id=who, role=role, unit=UNIT, ended_at=self.at)
            case 4 | 5 | 6:
                change = DelegationGranted(
                    number=Code(f"D-{self.number()}"), grantor_id=who, delegate_id=whom, powers=(role,), areas=(),
                    valid_from=self.at, valid_until=until,
                )  # fmt: skip
            case 7 if lent:
                one = self.random.choice(lent)
                change = DelegationRevoked(
                    number=one.number, grantor_id=one.grantor_id, delegate_id=one.delegate_id, ended_at=self.at
                )
            case 8:
                change = ActingStarted(employee_id=who, valid_from=self.at, valid_until=until)
            case _:
                change = ActingEnded(employee_id=who, ended_at=self.at)
        self.record(change, "department", personnel)

    def give(
        self, kind: Kind, method: Callable[..., Any], stream_id: str, gate: str | None = None, **arguments: Any
    ) -> bool:
        """Somebody tries a command, as whatever they are at this moment; was it taken?"""
        self.at += timedelta(minutes=self.random.randint(1, 300))
        command = _command(kind, method)
        taken = self._try(command, stream_id, arguments)
        if gate is not None:
            self.tried[gate, taken] += 1
        return taken

    def _try(self, command: Command, stream_id: str, arguments: Mapping[str, Any]) -> bool:
        state: Aggregate = self.things.get(stream_id) or command.kind.aggregate()
        now = self.at + timedelta(minutes=1)
        for actor in self.reference.actors(self._whoever(command, now), command.declaration.by, now):
            filled: dict[str, Any] = dict(arguments)
            if command.takes_actor:
                filled["by"] = actor
            if command.takes_time:
                filled["at"] = now
            try:
                decided = decide(state, command.method, **filled)
            except Refused:
                continue
            self.things.setdefault(stream_id, state)
            for event in decided:
                self.record(event, stream_id, actor)
            return bool(decided)
        return False

    def _whoever(self, command: Command, now: datetime) -> EmployeeId:
        """Mostly somebody who holds the office; whether they may is another question."""
        wanted = command.declaration.by
        able = [who for who in PEOPLE if any(True for _ in self.reference.actors(who, wanted, now))]
        return self.random.choice(able) if able and self.random.random() < MOSTLY else self.somebody()


_commands: dict[Callable[..., Any], Command] = {}


def _command(kind: Kind, method: Callable[..., Any]) -> Command:
    if method not in _commands:
        _commands[method] = Command(kind, method)
    return _commands[method]
