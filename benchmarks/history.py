"""Filling a log: a made-up but lawful history, each event what an aggregate answered to a command, by COPY."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeAlias
from uuid import UUID

import psycopg

from aggregates.actor import ActorKind, Role
from aggregates.event import Envelope, Event, decide
from aggregates.facts import Setting
from aggregates.ids import EmployeeId
from aggregates.organisation.calendar import Calendar
from aggregates.organisation.department import DepartmentFounded, RoleAssigned, UnitEstablished
from aggregates.people.employee import Employee, EmployeeRegistered
from aggregates.text import Code, Personal, Text
from benchmarks.cast import Act, Cast, Stream
from benchmarks.stories import told_side_by_side
from infra.backup import COLUMN_TYPES
from infra.codec import Codec, envelope_bytes
from infra.commands import Command
from services.composition import COMMANDS, INNER_COMMANDS
from services.founding import ROOT_UNIT, TEAMS
from services.founding_calendars import ANNOUNCED
from services.founding_defaults import DEFAULT_PARAMETERS

YEARS = timedelta(days=3 * 365)
"""How long the history takes, until a moment ago."""

Row: TypeAlias = tuple[Any, ...]

COPY = """
COPY yewu.log (position, stream_id, version, type, schema, event_id, recorded_at, effective_at, actor_id, command_id,
               data, tags, meta) FROM STDIN (FORMAT binary)"""
_COMMANDS = {**INNER_COMMANDS, **{command.slug: command for command in COMMANDS}}


def fill(conninfo: str, events: int, seed: int = 1) -> None:
    """Put so many events into an empty log, with the answers that are kept under their keys; the same for each seed."""
    with psycopg.connect(conninfo, autocommit=True) as db:
        teller = Teller(Random(seed), datetime.now(UTC) - YEARS, YEARS / (events + 1))  # noqa: S311  # no secret
        with db.transaction():
            with db.cursor() as cursor, cursor.copy(COPY.encode()) as copy:
                copy.set_types(COLUMN_TYPES)
                for row in teller.rows(events):
                    copy.write_row(row)
            db.execute("UPDATE yewu.head SET position = %s, recorded_at = %s", (teller.position, teller.recorded_at))
        db.execute("SELECT yewu.rebuild_answers()")
        db.execute("VACUUM ANALYZE")
        db.execute("CHECKPOINT")


class Teller:
    """Carries out the acts of a history, and writes down what comes of them."""

    def __init__(self, dice: Random, begin: datetime, step: timedelta) -> None:
        self.position, self.recorded_at = 0, begin
        self._dice, self._step, self._codec = dice, step, Codec(Event.known.values())
        self._cast = Cast(dice, begin + step)

    def rows(self, events: int) -> Iterator[Row]:
        """The first so many rows of the log."""
        for row in self._all():
            yield row
            if self.position == events:
                return

    def _all(self) -> Iterator[Row]:
        yield from self._founding()
        for act in told_side_by_side(self._cast):
            yield from self._carried_out(act)

    def _founding(self) -> Iterator[Row]:
        """As `yewu found` does it."""
        at, manager_id = self.recorded_at, EmployeeId(self._cast.manager.id)
        meta = envelope_bytes(Envelope(kind=ActorKind.FOUNDER, command="department.found", clause="2.1"))
        begun: list[tuple[Stream, Sequence[Event]]] = [
            (Stream(manager_id, Employee()), (EmployeeRegistered(name=Personal("Max")),)),
            (self._cast.department, (
                DepartmentFounded(name=Code("Business"), currency=Code("CNY"), zone=Code("Asia/Shanghai")),
                UnitEstablished(unit=ROOT_UNIT, name=Code("Business")),
                *(UnitEstablished(unit=unit, name=name, parent=ROOT_UNIT) for unit, name in TEAMS),
                RoleAssigned(employee_id=manager_id, role=Role.MANAGER, unit=ROOT_UNIT, valid_from=at),
            )),
            *((stream, (p.defined(at),)) for stream, p in zip(self._cast.parameters, DEFAULT_PARAMETERS, strict=True)),
            *((Stream(f"calendar-{a.year}", Calendar()), (a.published(),)) for a in ANNOUNCED),
        ]  # fmt: skip
        for stream, events in begun:
            yield from self._recorded(stream, events, at, "founder", self._uuid(), meta)

    def _carried_out(self, act: Act) -> Iterator[Row]:
        self.recorded_at += self._step
        command, at = _COMMANDS[act.command], self.recorded_at - (act.late or timedelta())
        given = dict(act.arguments)
        if command.takes_actor:
            given["by"] = act.by
        if command.takes_time:
            given["at"] = at
        events = decide(act.stream.state, command.method, **given)
        meta = envelope_bytes(self._envelope(act, command))
        yield from self._recorded(act.stream, events, at, act.by.id, self._uuid(), meta)
        self._cast.now = self.recorded_at + self._step

    def _recorded(
        self, stream: Stream, events: Iterable[Event], at: datetime, actor_id: str, command_id: UUID, meta: bytes
    ) -> Iterator[Row]:
        for event in events:
            stored = self._codec.stored(stream.id, event)
            self.position += 1
            stream.version += 1
            yield (
                self.position, stream.id, stream.version, stored.type, stored.schema, self._uuid(), self.recorded_at,
                at, actor_id, command_id, stored.data, list(stored.tags), meta,
            )  # fmt: skip
            stream.state = stream.state.evolve(event)

    def _envelope(self, act: Act, command: Command) -> Envelope:
        settings = {wanted.parameter or "": 1 for wanted in command.facts if wanted.type is Setting}
        facts = {wanted.name: self.position for wanted in command.facts if wanted.type is not Setting}
        return Envelope(
            kind=act.by.kind,
            roles=tuple(sorted(act.by.roles)),
            command=command.slug,
            clause=command.declaration.clause,
            reason=Text("It was noted on paper first.") if act.late else None,
            body_hash=f"{self._dice.getrandbits(256):064x}",
            parameters=settings,
            facts=facts,
        )

    def _uuid(self) -> UUID:
        return UUID(int=self._dice.getrandbits(128), version=4)
