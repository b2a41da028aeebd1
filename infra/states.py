"""The states of aggregates that a process has lately decided on: frozen, so they can be kept and shared."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from aggregates.event import Aggregate, Event, events_of, is_by_nobody
from infra.codec import Codec
from infra.commands import Kind
from infra.log_reader import LogReader


class Known(NamedTuple):
    """An aggregate at a version of its stream, and the latest time at which somebody acted on it.

    When the clock spoke, and what policies did then, does not count: what people did before may be recorded after.
    """

    version: int
    acted_at: datetime | None
    state: Any


class States:
    """Loads what it does not remember, and of what it remembers only the rest."""

    def __init__(self, reader: LogReader, codec: Codec, *, most: int = 20_000) -> None:
        self._reader, self._codec, self._most = reader, codec, most
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._exist: OrderedDict[str, None] = OrderedDict()
        self.hits = self.loads = 0

    async def of(self, kind: Kind, stream_id: str, *, new: bool = False) -> Known:
        """The state as last remembered; loaded if it is not. Version 0: there is no such stream.

        `new`: nobody can have begun a stream under an id just drawn, so what is not remembered is not looked for; if it
        is there all the same, the append says so.
        """
        known = self._known.get(stream_id)
        if known is not None:
            self._known.move_to_end(stream_id)
            self.hits += 1
            return known
        return Known(0, None, kind.aggregate()) if new else await self.reload(kind, stream_id)

    async def reload(self, kind: Kind, stream_id: str) -> Known:
        """Read on from what is remembered to the end of the stream."""
        self.loads += 1
        known = self._known.get(stream_id) or Known(0, None, kind.aggregate())
        lines = await self._reader.stream(stream_id, known.version)
        events = [self._codec.decoder(line.type, line.schema)(line.data) for line in lines]
        if not lines:
            return known
        acted = [line.effective_at for line in lines if not is_by_nobody(line.meta)]
        latest = _latest(known.acted_at, *acted)
        return self._remember(stream_id, Known(lines[-1].version, latest, learnt(known.state, events)))

    def wrote(self, stream_id: str, before: Known, events: Sequence[Event], acted_at: datetime | None) -> Known:
        """Our own append succeeded: the state moves on without being read again. `acted_at`: when somebody did it."""
        latest = _latest(before.acted_at, acted_at)
        return self._remember(stream_id, Known(before.version + len(events), latest, learnt(before.state, events)))

    async def exists(self, stream_id: str) -> bool:
        """Is there such a stream? Streams never vanish, so a yes is remembered."""
        if stream_id in self._exist or stream_id in self._known:
            return True
        if not await self._reader.exists(stream_id):
            return False
        self._exist[stream_id] = None
        if len(self._exist) > self._most:
            self._exist.popitem(last=False)
        return True

    def _remember(self, stream_id: str, known: Known) -> Known:
        """Keep the further of two; the one not used for longest goes."""
        there = self._known.get(stream_id)
        if there is None or there.version < known.version:
            self._known[stream_id] = known
            self._known.move_to_end(stream_id)
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        return known


def _latest(*times: datetime | None) -> datetime | None:
    return max((at for at in times if at is not None), default=None)


def learnt(state: Aggregate, events: Iterable[Event]) -> Aggregate:
    """A state and what happened next; events that are not the aggregate's own teach it nothing."""
    own = events_of(type(state))
    for event in events:
        if type(event) in own:
            state = state.evolve(event)
    return state
