"""What is missed goes up the ladder: a Response to the clock, whose answer is that somebody as high knows of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from aggregates.event import Event, ObligationMissed, Recorded
from projections.reference import Reference
from projections.rules.duty import DONE, NOT_APPLICABLE, OWED, DutyRow
from projections.rules.rule import Events, Handler, Rule, names


class Escalation(Rule):
    """Each time the clock says that something of the case is missed, somebody as high up as that is told, unless
    somebody is already: `level` says how high. `anew`: after one of these nobody is told of anything any more.
    """

    template = "Response"

    def __init__(self, *args: Any, anew: Events = (), **more: Any) -> None:
        super().__init__(*args, **more)
        self.anew = anew

    @property
    def needed(self) -> tuple[tuple[str, ...], ...]:
        return (names(self.level),)

    def handlers(self) -> Iterator[tuple[type[Event], Handler]]:
        yield ObligationMissed, self.call
        yield from ((event, self.rise) for event in self.level)
        yield from ((event, self.begin_anew) for event in self.anew)
        yield from ((event, self.end) for event in self.over)

    def call(self, row: DutyRow | None, record: Recorded[ObligationMissed], reference: Reference) -> DutyRow | None:
        """Somebody so high must know of it from here on."""
        wanted = min(record.event.told, len(self.ladder))
        level, told = (0, 0) if row is None else (row.level, row.told)
        if wanted <= max(level, told):
            return row
        owing = self.begin(row, record, reference)
        return replace(owing, level=level, told=wanted)

    def rise(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow:
        """Somebody so high knows. Where nothing was missed it does not matter, but for what is missed later."""
        if row is None:
            row = replace(self.begin(row, record, reference), state=DONE, verdict=NOT_APPLICABLE)
        row = replace(row, level=max(row.level, getattr(record.event, self.level[type(record.event)])))
        return self.done(row, record) if row.state is OWED and row.level >= row.told else row

    def begin_anew(self, row: DutyRow | None, _record: Recorded[Any], _reference: Reference) -> DutyRow | None:
        """The case is taken up again: the ladder begins at its foot."""
        return row and replace(row, level=0, told=0)
