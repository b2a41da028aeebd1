"""The few words every aggregate is written in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from functools import cache
from typing import (
    Any,
    ClassVar,
    Concatenate,
    Generic,
    ParamSpec,
    Protocol,
    Self,
    TypeAlias,
    TypeVar,
    get_args,
    get_type_hints,
    runtime_checkable,
)
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from aggregates.actor import NOBODY, ActorKind, Delegation, Role
from aggregates.ids import AnyId
from aggregates.readers import Readers
from aggregates.text import Code, Text
from aggregates.value import Value


class Event(Value):
    """A fact that happened: frozen, and stored under its class name and schema for ever.

    A change of the stored form raises `schema` and adds a static method `upcast_v1_v2(stored: dict) -> dict`.
    `readers` are named where they are not those of the stream that it lies on.
    """

    schema: ClassVar[int] = 1
    readers: ClassVar[Readers | None] = None
    known: ClassVar[dict[str, type[Event]]] = {}

    def __init_subclass__(cls, **config: Any) -> None:
        super().__init_subclass__(**config)
        if cls.__name__ in Event.known:
            raise TypeError(f"two events are called {cls.__name__}")
        Event.known[cls.__name__] = cls


class LegacyRecordImported(Event):
    """What a source recorded and no event of ours says: all its fields, on the stream of its case."""

    label: Text
    fields: Mapping[str, Text]


EVIDENCE_READERS = Readers(everything=frozenset({Role.MANAGER, Role.AUDITOR}), restricted=True)
"""Who reads what people tried and what they looked at."""


class CommandRefused(Event):
    """Somebody tried what the regulation forbids. Lies on one stream for each person and day."""

    readers = EVIDENCE_READERS

    person: AnyId
    day: date
    command: Code
    subject: AnyId | None
    sentence: Text
    values: Mapping[str, Text]
    uncounted: int = 0


class RestrictedFieldsRead(Event):
    """Somebody read what few may read. Lies on one stream for each reader and day; `fields` says whose, and which.

    An event that is restricted as a whole stands there by its name.
    """

    readers = EVIDENCE_READERS

    reader: AnyId
    day: date
    through: Code
    fields: Mapping[AnyId, tuple[Code, ...]]
    times: int = 1


class ObligationMissed(Event):
    """The clock went past what somebody owed on a case. Lies on the stream of the case; its rule finds the same itself.

    `told` counts how often it has been said of this obligation; `version` is the position of the event that gave the
    parameter its value.
    """

    rule: Code
    due_at: datetime
    told: int
    version: int | None = None


class ObligationsMeasured(Event):
    """A calendar was published for which something owed on a case was waiting: now its rules find by when it is due.
    Lies on the stream of the case; `calendar` is the position of the calendar."""

    calendar: int


class LegacySourceDescribed(Event):
    """What a source of imported history can tell of: events, and fields of them. That it tells of nothing else proves
    nothing. Lies on a stream of its own; `source` is that of `Origin`."""

    source: Code
    map: Code
    tells: tuple[Code, ...]


class EventSkipped(Event):
    """One row of a view goes on without an event that it cannot take: the key says whose row, the position which event.
    All skips lie on one stream."""

    event_position: int
    row_table: Code
    row_key: Code
    reason: Text


class Origin(Value):
    """Where an imported record comes from: a source row of a file, and which event of that row it became.

    `undated`: the row does not say when that was, so it is true from the import on.
    """

    source: str
    file: str
    case: str
    index: int
    part: int = 0
    line: int | None = None
    undated: bool | UnsetType = UNSET


class Envelope(Value, omit_defaults=True):
    """What is known about an event beside itself; stored with it as `meta`."""

    kind: ActorKind = ActorKind.EMPLOYEE
    roles: tuple[Role, ...] = ()
    delegation: Delegation | None = None
    on_behalf_of: str | None = None
    command: str | None = None
    clause: str | None = None
    reason: Text | None = None
    correlation: UUID | None = None
    causation: UUID | None = None
    body_hash: str | None = None
    parameters: Mapping[str, int] = {}
    facts: Mapping[str, int] = {}
    origin: Origin | None = None


E = TypeVar("E", bound=Event, covariant=True)


class _Attribution(Value, forbid_unknown_fields=False):
    on_behalf_of: str | None = None
    origin: Origin | None = None


_open = msgspec.json.Decoder(Envelope).decode
_open_attribution = msgspec.json.Decoder(_Attribution).decode
_is_attributed = re.compile(rb'"o(n_behalf_of|rigin)"').search
"""Only the name of a field can match: a quotation mark inside a text is escaped."""


def attribution(actor_id: str, meta: bytes) -> tuple[str, Origin | None]:
    """For whom an event was recorded, and where it was imported from. Hardly any envelope has more to say than the
    actor, so few are decoded for it."""
    if _is_attributed(meta) is None:
        return actor_id, None
    found = _open_attribution(meta)
    return found.on_behalf_of or actor_id, found.origin


_is_by_nobody = re.compile(f'"kind":"({"|".join(sorted(NOBODY))})"'.encode()).search


def is_by_nobody(meta: bytes) -> bool:
    """Did it come from the clock or a policy, and not from somebody who acted?"""
    return _is_by_nobody(meta) is not None


class Recorded(Value, Generic[E], kw_only=False):
    """An event and its place in history. What hardly anybody asks for is made when somebody does.

    `ids`: the 16 bytes of the event's own id, then those of the command's. `person`: who did it, the actor or the
    person of the source where a record was imported. `origin`: of which source; None for what was recorded here.
    """

    position: int
    stream_id: str
    version: int
    recorded_at: datetime
    effective_at: datetime
    actor_id: str
    ids: bytes
    meta: bytes
    event: E
    person: str
    origin: Origin | None

    @property
    def event_id(self) -> UUID:
        """The event's own id."""
        return UUID(bytes=self.ids[:16])

    @property
    def command_id(self) -> UUID:
        """The id of the command that it came from."""
        return UUID(bytes=self.ids[16:])

    @property
    def envelope(self) -> Envelope:
        """Roles, reason, causes and origin."""
        return _open(self.meta)


class Aggregate(Protocol):
    """Anything that starts blank and learns from events."""

    def evolve(self, event: Any, /) -> Self: ...


@runtime_checkable
class Admitting(Aggregate, Protocol):
    """Takes in what the rows of another's file say of it, and nothing that would break what must hold here."""

    def admits(self, event: Any, /) -> bool:
        """Is this news? Refused if it does not fit. Which events may come, its annotation says."""
        ...


S = TypeVar("S", bound=Aggregate)
P = ParamSpec("P")
R = TypeVar("R")
Decision: TypeAlias = "Event | Iterable[Event] | None"


class Declaration(Value):
    """What a command says of itself: who may give it, for which clause, and what it does to its stream."""

    by: frozenset[Role]
    clause: str
    opens: bool = False
    corrects: bool = False


def command(
    *, by: Iterable[Role], clause: str, opens: bool = False, corrects: bool = False
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Say who may give this command, which clause of the regulation asks for it, and whether it begins a stream.

    From the signature below it come the HTTP route, its schema, the permission check and the command line. The caller
    sends every argument but three kinds: `by` (who asks), `at` (when it is true) and facts (what others know). One
    that `corrects` may speak of a time before the last event of its stream.
    """

    def mark(method: Callable[P, R]) -> Callable[P, R]:
        method.__dict__["command"] = Declaration(by=frozenset(by), clause=clause, opens=opens, corrects=corrects)
        return method

    return mark


@cache
def events_of(kind: type[Aggregate]) -> frozenset[type[Event]]:
    """The events an aggregate learns from, read off the signature of its `evolve`."""
    annotation = get_type_hints(kind.evolve)["event"]
    return frozenset(get_args(annotation) or (annotation,))


def recall(kind: type[S], history: Iterable[Event]) -> S:
    """What an aggregate knows after all that happened to it; of events that are not its own it knows nothing."""
    state, own = kind(), events_of(kind)
    for event in history:
        if type(event) in own:
            state = state.evolve(event)
    return state


def decide(state: S, method: Callable[Concatenate[S, P], Decision], *args: P.args, **kwargs: P.kwargs) -> list[Event]:
    """Ask the aggregate; its answer is no event, one, or several."""
    match method(state, *args, **kwargs):
        case None:
            return []
        case Event() as event:
            return [event]
        case events:
            return list(events)
