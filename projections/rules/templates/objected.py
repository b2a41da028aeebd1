"""What must not happen to somebody who objects to it, of whatever kind it is: Absence, kind by kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from aggregates.event import Event, Recorded
from projections.reference import Reference
from projections.rules.duty import DutyRow
from projections.rules.rule import Handler, Held, Rule

EVERY = "*"


class AbsenceByKind(Rule):
    """None of `of` happens that is of a kind forbidden: from one of `forbidden` on, up to one of `allowed` of the same.

    Each of the three says in which field of an event the kind stands; where that is None, every kind is meant.
    """

    template = "Absence"

    def __init__(self, *args: Any, of: Held, forbidden: Held, allowed: Held, **more: Any) -> None:
        super().__init__(*args, **more)
        self.of, self.forbidden, self.allowed = of, forbidden, allowed

    @property
    def needed(self) -> tuple[tuple[str, ...], ...]:
        return tuple((event.__name__,) for event in self.forbidden)

    def handlers(self) -> Iterator[tuple[type[Event], Handler]]:
        yield from ((event, self.forbid) for event in self.forbidden)
        yield from ((event, self.allow) for event in self.allowed)
        yield from ((event, self.judge) for event in self.of)

    def forbid(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow:
        """From here on none of that kind."""
        known = {} if row is None else row.evidence or {}
        row = self.begin(row, record, reference)
        return replace(row, evidence={**known, _kind(record, self.forbidden): record.position})

    def allow(self, row: DutyRow | None, record: Recorded[Any], _reference: Reference) -> DutyRow | None:
        """What was forbidden of that kind, is so no longer."""
        if row is None:
            return row
        allowed = _kind(record, self.allowed)
        return replace(row, evidence={kind: at for kind, at in (row.evidence or {}).items() if kind != allowed})

    def judge(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow:
        """It happened: was its kind forbidden?"""
        known = {} if row is None else row.evidence or {}
        row = replace(self.begin(row, record, reference), evidence=known or None)
        if known.keys().isdisjoint({EVERY, _kind(record, self.of)}):
            return self.done(row, record)
        return self.missed(row, record, reference)


def _kind(record: Recorded[Any], held: Held) -> str:
    kind = getattr(record.event, held[type(record.event)])
    return EVERY if kind is None else str(kind)
