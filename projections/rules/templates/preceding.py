"""What must not happen before something else has: Absence and Precedence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from aggregates.actor import Role
from aggregates.event import Event, Recorded
from projections.reference import Reference
from projections.rules.duty import (
    OWED,
    SHELVED,
    UNDETERMINABLE,
    DutyRow,
)
from projections.rules.rule import Events, Handler, Held, Rule, names, said
from projections.rules.templates.people import in_office


class Absence(Rule):
    """None of `of` happens while it is forbidden: from one of `forbidden` on, up to one of `allowed`.

    `by`: what allows counts only if whoever did it held that office. `every`: it takes all that allows, not one of it.
    `same`: what happens and what allows it must say the same in these fields; `revoked`: after one of these that says
    the same it is not allowed any more. Violated once is violated.
    """

    template = "Absence"

    def __init__(
        self,
        *args: Any,
        of: Events,
        forbidden: Events,
        allowed: Events,
        by: Mapping[type[Event], Role] | None = None,
        every: bool = False,
        same: Held | None = None,
        revoked: Events = (),
        **more: Any,
    ) -> None:
        super().__init__(*args, **more)
        self.of, self.forbidden, self.allowed, self.by = of, forbidden, allowed, by or {}
        self.every, self.same, self.revoked = every, same or {}, revoked

    @property
    def needed(self) -> tuple[tuple[str, ...], ...]:
        return tuple(names((event,)) for event in self.allowed) if self.every else (names(self.allowed),)

    def handlers(self) -> Iterator[tuple[type[Event], Handler]]:
        yield from ((event, self.forbid) for event in self.forbidden)
        yield from ((event, self.allow) for event in self.allowed)
        yield from ((event, self.revoke) for event in self.revoked)
        yield from ((event, self.judge) for event in self.of)

    def forbid(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        """From here on it must not happen."""
        if row is None or row.state is not OWED:
            row = self.begin(row, record, reference)
        return row if not row.evidence else replace(row, evidence=None)

    def allow(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        """From here on it may happen, if whoever says so holds the office for it."""
        office = self.by.get(type(record.event))
        if office is not None and record.origin is None and not in_office(record, office, reference):
            return row
        if row is None or row.state is SHELVED:
            row = self.begin(row, record, reference)
        if self.every:
            return replace(row, evidence={**(row.evidence or {}), type(record.event).__name__: record.position})
        if self.same:
            return replace(row, evidence={**(row.evidence or {}), said(record, self.same): record.position})
        return replace(row, evidence={"allowed": record.position})

    def revoke(self, row: DutyRow | None, record: Recorded[Any], _reference: Reference) -> DutyRow | None:
        """What was allowed is so no longer."""
        if row is None or not row.evidence:
            return row
        what = said(record, self.same)
        return replace(row, evidence={name: at for name, at in row.evidence.items() if name != what} or None)

    def _is_allowed(self, row: DutyRow, record: Recorded[Any]) -> bool:
        known = row.evidence or {}
        if self.every:
            return all(event.__name__ in known for event in self.allowed)
        return said(record, self.same) in known if self.same else bool(known)

    def judge(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        """It happened."""
        if row is None:
            row = self.begin(row, record, reference)
        if row.verdict is UNDETERMINABLE:
            return row
        if self._is_allowed(row, record):
            return self.done(row, record)
        return self.missed(row, record, reference)


class Precedence(Absence):
    """One of `then` happens only after one of `first`; `on` are the events that begin a case before either."""

    template = "Precedence"

    def __init__(self, *args: Any, first: Events, then: Events, on: Events = (), **more: Any) -> None:
        super().__init__(*args, of=then, forbidden=on, allowed=first, **more)
