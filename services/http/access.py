"""Who may read: roles from the appointments in force at this moment, and nothing for anybody else."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import psycopg

from aggregates.actor import Actor, ActorKind, Role
from aggregates.event import Event, events_of
from aggregates.ids import EmployeeId, kind_of
from aggregates.readers import NOBODY, Readers
from infra.dispatcher import Forbidden, Principal
from infra.read_model.tables import table_name
from projections.row import View, key_fields
from projections.scope import Scope
from services.catalogue import KERNEL_EVENTS
from services.composition import AGGREGATES, FEED_READERS, VIEWS
from services.http.tokens import Tokens
from services.http.wire import Request
from services.runtime import Runtime

OF_KIND: Mapping[str, Readers] = {kind.name: kind.readers for kind in AGGREGATES}
PLACED = frozenset({*KERNEL_EVENTS, *(event for kind in AGGREGATES for event in events_of(kind.aggregate))})
"""Events that whoever may read their stream may read, unless they name readers of their own."""

VIEW_OF: Mapping[str, View[Any]] = {
    view.key.kind: view for view in VIEWS if view.key.kind is not None and len(key_fields(view.row)) == 1
}
"""The one view whose rows the streams of a kind make."""


class Reader(NamedTuple):
    """Somebody who asks, in every capacity that is theirs at this moment."""

    by: Principal
    actors: tuple[Actor, ...]

    @property
    def roles(self) -> frozenset[Role]:
        """All of theirs, also those lent to them."""
        return frozenset[Role]().union(*(actor.roles for actor in self.actors))

    def reads_all_of(self, readers: Readers) -> bool:
        """May they read everything of it?"""
        return any(not actor.roles.isdisjoint(readers.everything) for actor in self.actors)

    def scope(self, readers: Readers) -> Scope | None:
        """How much of it they may read; None: everything. Forbidden if nothing at all."""
        if self.reads_all_of(readers):
            return None
        if not any(actor.roles & readers.roles for actor in self.actors):
            raise Forbidden(readers.roles)
        areas = frozenset(area for actor in self.actors if actor.roles & readers.own_area for area in actor.areas)
        levels = (level for level, roles in readers.levels.items() if roles & self.roles)
        return Scope(
            areas=areas.union(levels),
            people=frozenset(actor.id for actor in self.actors if actor.roles & readers.own),
        )


async def reader_of(runtime: Runtime, tokens: Tokens, request: Request) -> Reader:
    """Who sends this; a 401 Problem for anything but a valid token."""
    by = await tokens.principal(request.header("authorization"))
    if by.kind is not ActorKind.EMPLOYEE:
        return Reader(by, (Actor(id=by.id, kind=by.kind, roles=frozenset({Role.CUSTOMER})),))
    reference = await runtime.reference.latest()
    return Reader(by, tuple(reference.actors(EmployeeId(by.id), frozenset(Role), datetime.now(UTC))))


def readers_of_stream(stream_id: str) -> Readers:
    """Who reads the history of a thing; of kinds that are no aggregate only who reads the whole feed."""
    return OF_KIND.get(kind_of(stream_id), FEED_READERS)


def own_readers_of(type_: str) -> Readers | None:
    """The readers that an event has besides its stream: None for most; nobody if it is not placed anywhere."""
    event = Event.known.get(type_)
    if event is None:
        return NOBODY
    return event.readers if event.readers is not None or event in PLACED else NOBODY


def hidden(reader: Reader, type_: str) -> bool:
    """Is an event kept from somebody who may read the stream that it lies on?"""
    readers = own_readers_of(type_)
    return readers is not None and not reader.reads_all_of(readers)


async def readable(
    db: psycopg.AsyncConnection[Any], schema: str, reader: Reader, stream_ids: Collection[str]
) -> frozenset[str]:
    """Which of these streams somebody may read, by what the read model knows of their things."""
    found: set[str] = set()
    for kind in {kind_of(stream_id) for stream_id in stream_ids}:
        of_kind = [stream_id for stream_id in stream_ids if kind_of(stream_id) == kind]
        try:
            scope = reader.scope(readers_of_stream(of_kind[0]))
        except Forbidden:
            continue
        if scope is None:
            found.update(of_kind)
        elif (view := VIEW_OF.get(kind)) is not None:
            condition, whose = scope.condition(view.row)
            (key,) = key_fields(view.row)
            query = f'SELECT "{key}" FROM {schema}.{table_name(view.row)} WHERE "{key}" = ANY(%s) AND '
            cursor = await db.execute((query + condition.as_string(db)).encode(), (of_kind, *whose))
            found.update(stream_id for (stream_id,) in await cursor.fetchall())
    return frozenset(found)
