"""Reference data as of each position: what a step gets that asks for it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from msgspec.structs import replace

from aggregates.event import Recorded
from aggregates.organisation.parameter import PolicyParameterChanged, PolicyParameterDefined
from aggregates.text import Code
from infra.read_model.lines import LINE, Decoding, Poisoned, recorded
from infra.read_model.selection import EVERYTHING, Selection, Supposed
from projections.reference import REFERENCE_EVENTS, Reference

REFERENCE_TYPES = frozenset(event.__name__ for event in REFERENCE_EVENTS)


class References:
    """How the reference data stood after each event that changed them; they learn in the order of the log.

    `supposing`: as if parameters had been given these values instead of theirs.
    """

    def __init__(self, records: Iterable[Recorded[Any]] = (), supposing: Sequence[Supposed] = ()) -> None:
        self._positions, self._snapshots, self._supposing = [0], [Reference()], supposing
        for record in records:
            self.learn(record)

    def learn(self, record: Recorded[Any]) -> None:
        """Take in the next event; one already known changes nothing."""
        if record.position > self._positions[-1]:
            self._positions.append(record.position)
            self._snapshots.append(self._snapshots[-1].after(_as_supposed(record, self._supposing)))

    def at(self, position: int) -> Reference:
        """As they stood after the event at this position."""
        return self._snapshots[bisect_right(self._positions, position) - 1]

    def forget_before(self, position: int) -> None:
        """Keep only what somebody may ask who has come as far as this."""
        kept = bisect_right(self._positions, position) - 1
        del self._positions[:kept], self._snapshots[:kept]


def _as_supposed(record: Recorded[Any], supposing: Sequence[Supposed]) -> Recorded[Any]:
    event = record.event
    if not supposing or not isinstance(event, PolicyParameterDefined | PolicyParameterChanged):
        return record
    values = dict(event.values)
    for supposed in supposing:
        if supposed.parameter == event.number and (was := values.get(Code(supposed.name))) is not None:
            values[Code(supposed.name)] = replace(was, amount=supposed.amount)
    return replace(record, event=replace(event, values=values))


class ReferenceHistory:
    """All events that reference data are made of, kept in memory by a process that folds the past on the fly."""

    def __init__(self, codec: Decoding) -> None:
        self._codec, self._position, self._records = codec, 0, list[Recorded[Any]]()

    async def selected(self, db: psycopg.AsyncConnection[Any], selection: Selection) -> References:
        """The reference data that a selection knows of."""
        await self._follow(db)
        return References((record for record in self._records if selection.takes(record)), selection.supposing)

    async def _follow(self, db: psycopg.AsyncConnection[Any]) -> None:
        async with db.cursor(binary=True) as cursor:
            await cursor.execute(
                f"SELECT h.position, {LINE} FROM yewu.head h LEFT JOIN yewu.log l"
                " ON l.position > %s AND l.type = ANY(%s) ORDER BY l.position".encode(),
                (self._position, sorted(REFERENCE_TYPES)),
            )
            rows = await cursor.fetchall()
        # somebody else may have read the same while we waited
        for _, *line in rows:
            if line[0] is not None and line[0] > self._position:
                self._records.append(recorded(line, self._codec))
        self._position = max(self._position, rows[0][0])


def read_references(
    db: psycopg.Connection[Any], codec: Decoding, until: int, selection: Selection = EVERYTHING
) -> References:
    """The reference data up to a position."""
    with db.cursor(binary=True) as cursor:
        cursor.execute(
            f"SELECT {LINE} FROM yewu.log l WHERE l.position <= %s AND l.type = ANY(%s){selection.condition}"
            " ORDER BY l.position".encode(),
            (until, sorted(REFERENCE_TYPES)),
        )
        references = References(supposing=selection.supposing)
        learn(references, cursor, codec)
    return references


def learn(references: References, lines: Iterable[Sequence[Any]], codec: Decoding) -> None:
    """Let reference data learn from lines that concern them. Poisoned if they cannot: every row might be wrong."""
    for line in lines:
        try:
            references.learn(recorded(line, codec))
        except Exception as problem:
            raise Poisoned(line[0], line[1], line[3], "Reference", problem) from problem
