"""A command from its caller to the log: who asks, what is known, what the aggregate says, one guarded append."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID, uuid4, uuid5
from zoneinfo import ZoneInfo

import msgspec

from aggregates.actor import MAY_BACKDATE, NOBODY, Actor, ActorKind, Role
from aggregates.event import Envelope, Event
from aggregates.ids import NATURAL, EmployeeId, kind_of
from aggregates.refused import Refused
from infra.append import Append, Appended, Change, Entry, FactsMoved, FactsTooOld, KeyReused, VersionConflict
from infra.codec import Codec, encode, envelope_bytes
from infra.commands import Command
from infra.contents import Contents
from infra.event_store import Writer
from infra.fact_reader import FactReader, Gathered, actor_guard
from infra.log_reader import LogReader
from infra.named_contents import contents_in
from infra.reading import Behind
from infra.reference_data import ReferenceKeeper
from infra.sealing import Sealer
from infra.states import Known, States
from projections.reference import Reference

KEYS = UUID("6f0c3c53-5c1f-4e26-9d0b-0c5a7e1f9a11")
"""Namespace of the ids that come from idempotency keys."""

ATTEMPTS = 4
CLOCKS_MAY_DIFFER = timedelta(seconds=1)


class Principal(NamedTuple):
    """Who a token says is asking; what they may do is looked up anew for each command."""

    id: str
    kind: ActorKind = ActorKind.EMPLOYEE


class Order(NamedTuple):
    """One command as somebody gives it."""

    command: Command
    stream_id: str | None
    body: msgspec.Struct
    by: Principal
    key: str | None = None
    if_version: int | None = None
    correlation: UUID | None = None
    causation: UUID | None = None


class Answer(msgspec.Struct, frozen=True):
    """What became of a command. No position: nothing changed."""

    id: str
    version: int
    position: int | None
    events: tuple[str, ...]
    repeated: bool = False


class Forbidden(Exception):
    """Whoever asks holds no office that may give this command."""

    def __init__(self, wanted: frozenset[Role]) -> None:
        super().__init__(f"this takes one of {', '.join(sorted(wanted))}")
        self.wanted = wanted


class NotFound(Exception):
    """There is no such thing."""

    def __init__(self, stream_id: str) -> None:
        super().__init__(f"there is no {stream_id}")
        self.stream_id = stream_id


class Happened(msgspec.Struct, frozen=True):
    """What somebody else did to a stream in the meantime."""

    version: int
    type: str
    recorded_at: datetime
    actor_id: str


class Outdated(Exception):
    """The caller insists on a version that is not the present one."""

    def __init__(self, stream_id: str, seen: int, version: int, changed: Sequence[Happened]) -> None:
        super().__init__(f"{stream_id} is at version {version}, not {seen}")
        self.stream_id, self.seen, self.version, self.changed = stream_id, seen, version, changed


class Contended(Exception):
    """Others were faster, several times; the caller looks again and decides."""

    def __init__(self, stream_id: str, version: int, changed: Sequence[Happened]) -> None:
        super().__init__(f"{stream_id} keeps changing")
        self.stream_id, self.version, self.changed = stream_id, version, changed


class Dispatcher:
    """Gives orders to aggregates. One for each process; all it remembers can be read again.

    Without `contents` no order may name a file.
    """

    def __init__(
        self,
        writer: Writer,
        reader: LogReader,
        states: States,
        reference: ReferenceKeeper,
        facts: FactReader,
        codec: Codec,
        sealer: Sealer,
        zone: ZoneInfo,
        contents: Contents | None = None,
    ) -> None:
        self.writer, self.reader, self.states = writer, reader, states
        self.reference, self.facts, self.codec, self.sealer, self.zone = reference, facts, codec, sealer, zone
        self.contents = contents

    async def give(self, order: Order) -> Answer:
        """Carry out a command: durably, or not at all.

        Raises Refused, Forbidden, NotFound, Outdated, Contended, KeyReused, Taken, Behind, Standstill, Unavailable,
        KeysUnavailable.
        """
        decision = _Decision(self, order)
        try:
            return await decision.take()
        except (Refused, Outdated) as refusal:
            # perhaps it is refused because it has been carried out already, and only the reply was lost
            if (before := await decision.answered_before()) is not None:
                return before
            raise refusal


class _Decision:
    """One order on its way; what is decided anew after news starts from here."""

    def __init__(self, desk: Dispatcher, order: Order) -> None:
        self.desk, self.order, self.command, self.body = desk, order, order.command, order.body
        self.body_hash = desk.sealer.fingerprint(_whole(order)) if order.key is not None else None
        self.command_id = uuid4() if order.key is None else uuid5(KEYS, f"{order.by.id}\n{order.key}")
        self.stream_id = order.stream_id or self._new_stream_id()
        self.rows_at_least = 0
        self.first_seen: int | None = None
        self.decided_on: int | None = None

    async def take(self) -> Answer:
        """Decide, several times if others are faster; from here on nobody sees what the texts say."""
        self.body = await self.desk.sealer.sealed(self.command.texts, self.body, self.stream_id, new=self._drawn)
        self.sent = self._arguments()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = await self._once()
            except Refused:
                # what is remembered may be out of date: somebody else may have done what was missing
                if attempt == ATTEMPTS or not await self._has_moved():
                    raise
            except VersionConflict as conflict:
                await self.desk.states.reload(self.command.kind, self.stream_id)
                if attempt == ATTEMPTS:
                    raise await self._contended() from conflict
            except FactsMoved as moved:
                if attempt == ATTEMPTS:
                    raise await self._contended() from moved
                await self._look_again(moved.news.position)
            except FactsTooOld as old:
                if attempt == ATTEMPTS:
                    raise Behind(self.desk.writer.memory.known, None) from old
                await self._look_again(self.desk.writer.memory.floor)
            else:
                if answer.position is not None or attempt == ATTEMPTS or not await self._has_moved():
                    return answer
        raise AssertionError("the last attempt returns or raises")

    async def answered_before(self) -> Answer | None:
        """What was answered under this key; KeyReused if that was another command."""
        if self.order.key is None:
            return None
        found = await self.desk.reader.answered(self.command_id)
        if found is None:
            return None
        if found.body_hash != self.body_hash:
            raise KeyReused("the key stands for another command")
        return await self._repeat(found.first, found.last)

    async def _contended(self) -> Contended:
        known = await self.desk.states.reload(self.command.kind, self.stream_id)
        return Contended(self.stream_id, known.version, await self._happened_since(self.first_seen or 0))

    async def _happened_since(self, version: int) -> list[Happened]:
        lines = await self.desk.reader.stream(self.stream_id, version)
        return [Happened(line.version, line.type, line.recorded_at, line.actor_id) for line in lines]

    async def _has_moved(self) -> bool:
        """Has anybody written to the stream since the version that was decided on? From here on that is known."""
        if self.decided_on is None:
            return False
        return (await self.desk.states.reload(self.command.kind, self.stream_id)).version > self.decided_on

    async def _look_again(self, position: int) -> None:
        """What was known is out of date: the next attempt knows at least what happened up to here."""
        self.rows_at_least = position
        if self.desk.reference.current.position < position:
            await self.desk.reference.refresh()

    async def _once(self) -> Answer:
        now = datetime.now(UTC)
        at = self._time(now)
        # one and the same for all that follows: the guards say of which position it is
        reference = await self.desk.reference.latest()
        actors = self._actors(reference, *{at, now})
        known = await self._known()
        self.decided_on = known.version
        await self._check_ids()
        self._check_contents()
        facts = await self.desk.facts.gather(
            self.command,
            self.sent,
            known.state,
            self.stream_id,
            reference,
            at,
            self.desk.writer.memory,
            self.rows_at_least,
        )
        actor, events = self._decide(known.state, actors, at, facts, past=at < now)
        if not events:
            return await self.answered_before() or Answer(self.stream_id, known.version, None, ())
        effective_at = at if at < now else None
        if effective_at is not None:  # else it is true when the database records it, which is never too early
            self._check_order(known, effective_at)
        append = self._append(events, actor, effective_at, facts, known, actor_guard(actor, reference))
        done = await self.desk.writer.append(append)
        if done.repeated:
            return await self._repeat(done.first, done.last)
        return self._answer(known, events, actor, effective_at, done)

    def _time(self, now: datetime) -> datetime:
        """When the act is true: now, or the time in the past that the caller names with a reason."""
        at: datetime | None = getattr(self.body, "at", None)
        if at is None:
            return now
        if at > now + CLOCKS_MAY_DIFFER:
            raise Refused("{at} lies in the future: record an act when it has happened.", at=at)
        if getattr(self.body, "reason", None) is None:
            raise Refused("Say in `reason` why this act of the past is recorded only now.")
        return min(at, now)

    def _actors(self, reference: Reference, *times: datetime) -> list[Actor]:
        """As whom they may ask: in their own right, or by a power lent to them; Forbidden if in no way."""
        by, wanted = self.order.by, self.command.declaration.by
        match by.kind:
            case ActorKind.EMPLOYEE:
                actors = list(reference.actors(EmployeeId(by.id), wanted, *times))
            case ActorKind.CUSTOMER:
                actors = [Actor(id=by.id, kind=by.kind, roles=frozenset({Role.CUSTOMER}))]
            case ActorKind.CLOCK | ActorKind.POLICY:
                actors = [Actor(id=by.id, kind=by.kind, roles=frozenset({Role.CLOCK}))]
            case _:
                actors = [Actor(id=by.id, kind=by.kind)]
        if not actors or wanted.isdisjoint(actors[0].roles):
            raise Forbidden(wanted)
        return actors

    @property
    def _drawn(self) -> bool:
        """Was the id of the stream drawn for this order, so that nobody else can have used it?"""
        return self.command.opens and self.command.kind.id not in NATURAL

    def _arguments(self) -> dict[str, Any]:
        body = self.body
        return {name: getattr(body, name) for name in self.command.names}

    async def _known(self) -> Known:
        known = await self.desk.states.of(self.command.kind, self.stream_id, new=self._drawn)
        if self.first_seen is None:
            self.first_seen = known.version
        if self.order.if_version is not None and self.order.if_version != known.version:
            known = await self.desk.states.reload(self.command.kind, self.stream_id)
            if self.order.if_version != known.version:
                changed = await self._happened_since(self.order.if_version)
                raise Outdated(self.stream_id, self.order.if_version, known.version, changed)
        if self.command.opens and known.version:
            raise Refused("This is already on record as {id}.", id=self.stream_id)
        if not self.command.opens and not known.version and not self.command.singleton:
            raise NotFound(self.stream_id)
        return known

    async def _check_ids(self) -> None:
        """Every id that is sent names something of its kind that exists."""
        for name, kinds in self.command.ids:
            value = self.sent[name]
            for one in () if value is None else (value,) if isinstance(value, str) else value:
                if (kinds != ("",) and kind_of(one) not in kinds) or not await self.desk.states.exists(one):
                    raise Refused("{field}: there is no {id}.", field=name, id=one)

    def _check_contents(self) -> None:
        """Every file that is named has been uploaded."""
        for name in self.command.contents:
            for one in contents_in(self.command.types[name], self.sent[name]):
                if self.desk.contents is None or self.desk.contents.path(one) is None:
                    raise Refused("{field}: upload {content} first.", field=name, content=one)

    def _decide(
        self, state: Any, actors: Sequence[Actor], at: datetime, facts: Gathered, *, past: bool
    ) -> tuple[Actor, Sequence[Event]]:
        """What the aggregate says to the first who may; the first refusal, if it says no to all."""
        refusals: list[Refused] = []
        for actor in actors:
            try:
                if past and MAY_BACKDATE.isdisjoint(actor.roles):
                    raise Refused("Recording an act of the past takes the right to do so: ask your lead.")
                return actor, self._ask(state, actor, at, facts)
            except Refused as refusal:
                refusals.append(refusal)
        raise refusals[0]

    def _ask(self, state: Any, actor: Actor, at: datetime, facts: Gathered) -> Sequence[Event]:
        filled: dict[str, Any] = {**self.sent, **facts.values}
        if self.command.takes_actor:
            filled["by"] = actor
        if self.command.takes_time:
            filled["at"] = at.astimezone(self.desk.zone)
        match self.command.method(state, **filled):
            case None:
                return ()
            case Event() as event:
                return (event,)
            case events:
                return tuple(events)

    def _check_order(self, known: Known, at: datetime) -> None:
        if known.acted_at is not None and at < known.acted_at and not self.command.declaration.corrects:
            raise Refused("Something later is already on record: what was known of {time} has to be corrected instead.",
                          time=known.acted_at)  # fmt: skip

    def _append(
        self, events: Sequence[Event], actor: Actor, at: datetime | None, facts: Gathered, known: Known, guard: Any
    ) -> Append:
        envelope = Envelope(
            kind=actor.kind,
            roles=_sorted(actor.roles),
            delegation=actor.delegation,
            on_behalf_of=None if actor.delegation is None else actor.delegation.grantor_id,
            command=self.command.slug,
            clause=self.command.declaration.clause,
            reason=getattr(self.body, "reason", None),
            correlation=self.order.correlation,
            causation=self.order.causation,
            body_hash=self.body_hash,
            parameters=facts.parameters,
            facts=facts.cited,
        )
        meta = envelope_bytes(envelope)
        entries = [Entry(self.desk.codec.stored(self.stream_id, event), meta, at) for event in events]
        guards = (guard, *facts.guards) if actor.kind is ActorKind.EMPLOYEE else facts.guards
        change = Change(self.stream_id, known.version, entries)
        return Append(actor.id, self.command_id, (change,), guards, self.body_hash)

    def _answer(
        self, known: Known, events: Sequence[Event], actor: Actor, at: datetime | None, done: Appended
    ) -> Answer:
        true_at = min(at, done.recorded_at) if at is not None and done.recorded_at else done.recorded_at
        assert true_at is not None  # noqa: S101  # only a repeated append has no time
        acted_at = None if actor.kind in NOBODY else true_at
        after = self.desk.states.wrote(self.stream_id, known, events, acted_at)
        return Answer(self.stream_id, after.version, done.last, tuple(type(event).__name__ for event in events))

    async def _repeat(self, first: int, last: int) -> Answer:
        lines = await self.desk.reader.between(first, last)
        return Answer(lines[-1].stream_id, lines[-1].version, last, tuple(line.type for line in lines), repeated=True)

    def _new_stream_id(self) -> str:
        natural = NATURAL.get(self.command.kind.id)
        if natural is not None:
            return natural.format(**self._arguments())
        return f"{self.command.kind.name}-{self.command_id}"


@lru_cache(1_000)
def _sorted(roles: frozenset[Role]) -> tuple[Role, ...]:
    return tuple(sorted(roles))


def _whole(order: Order) -> bytes:
    """What tells one command from another under the same key: what was sent, before it was sealed."""
    return encode((order.command.slug, order.stream_id, order.body))
