"""Who may, where they may, and who must not be the same: AuthorityAt, InCharge and FourEyes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from operator import attrgetter
from typing import Any, NamedTuple

from msgspec.structs import replace

from aggregates.actor import Role
from aggregates.event import Event, Recorded
from projections.reference import Reference
from projections.rules.duty import (
    CONFORMANT,
    NOT_APPLICABLE,
    OWED,
    PENDING,
    UNDETERMINABLE,
    DutyRow,
)
from projections.rules.offices import held, held_area
from projections.rules.rule import Events, Handler, Held, Rule, names
from projections.rules.term import Limit

ACTOR = ""
"""In place of a field: whoever did it, and whose power was used."""


PARTS = ("first", "second")


class FourEyes(Rule):
    """Whoever is named by one of `first` is never named by one of `second`, nor does one of `acts` after that.

    Of each the latest counts, or with `ever` all there have been; with `version`, the fields that say which version of
    the case is meant, of each version by itself. With `in_order` it is looked at only when a second is named, for the
    first may be named again by then. A field names a person or several, `ACTOR` whoever did it and whose power was
    used.
    """

    template = "FourEyes"

    def __init__(
        self,
        *args: Any,
        on: Events = (),
        first: Held,
        second: Held,
        acts: Events = (),
        ever: bool = False,
        version: Held | None = None,
        in_order: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(*args, **more)
        self.on, self.first, self.second, self.acts = on, first, second, acts
        self.ever, self.in_order = ever, in_order
        self.version = {event: attrgetter(field) for event, field in (version or {}).items()}
        self._named = {event: (field, *PARTS[::-1]) for event, field in second.items()}
        self._named |= {event: (field, *PARTS) for event, field in first.items()}

    @property
    def needed(self) -> tuple[tuple[str, ...], ...]:
        return tuple(
            tuple(name for event, field in held.items() for name in names((event,), field or None))
            for held in (self.first, self.second)
        )

    def handlers(self) -> Iterator[tuple[type[Event], Handler]]:
        yield from ((event, self.begin) for event in self.on)
        yield from ((event, self.look) for event in self.acts)
        yield from ((event, self.name) for event in (*self.first, *self.second))
        yield from ((event, self.close) for event in self.over)

    def name(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow:
        """One of the two is named: is it the other?"""
        row = row or self.begin(row, record, reference)
        event = type(record.event)
        field, mine, others = self._named[event]
        if self.version:
            of_this = self.version[event](record.event)
            mine, others = f"{mine} {of_this}", f"{others} {of_this}"
        who, known = _persons(record, field), row.parties or {}
        all_of_them = dict.fromkeys([*known.get(mine, "").split(), *who]) if self.ever else who
        row = replace(
            row,
            parties={**known, mine: " ".join(all_of_them)},
            evidence={**(row.evidence or {}), mine: record.position},
        )
        if not who and record.origin is not None:
            return row if row.missed else replace(row, verdict=UNDETERMINABLE)
        if self.in_order and event in self.first:
            return row
        if who and others in known and not set(who).isdisjoint(known[others].split()):
            return replace(self.missed(row, record, reference), state=row.state)
        return row if others not in known or row.missed else replace(row, verdict=CONFORMANT)

    def look(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        """Somebody works on it who must not, by what was known before."""
        second = None if row is None or row.parties is None else row.parties.get("second")
        if row is None or not second or set(_persons(record, ACTOR)).isdisjoint(second.split()):
            return row
        return replace(self.missed(row, record, reference), state=row.state)

    def close(self, row: DutyRow | None, record: Recorded[Any], _reference: Reference) -> DutyRow | None:
        """The case is over without both of them: there was nobody to be kept apart."""
        if row is None or row.state is not OWED:
            return row
        return self.done(row, record, NOT_APPLICABLE if row.verdict is PENDING else row.verdict)


class ByAmount(NamedTuple):
    """How much is at stake says who may: so much by the value of a parameter these offices, more only those. `told_by`:
    the earlier events of the case whose field says how much, the last of them, where the judged one does not."""

    field: str
    parameter: str
    value: str
    within: tuple[Role, ...]
    beyond: tuple[Role, ...] = (Role.MANAGER,)
    told_by: tuple[type[Event], ...] = ()


class _Permitted(Rule):
    """Each of these events is done by somebody who may. `on`: what begins a case before that."""

    def __init__(self, *args: Any, of: Mapping[type[Event], Any], on: Events = (), **more: Any) -> None:
        super().__init__(*args, **more)
        self.of, self.on = of, on

    def handlers(self) -> Iterator[tuple[type[Event], Handler]]:
        yield from ((event, self.begin) for event in self.on)
        yield from ((event, self.judge) for event in self.of)

    def judge(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow:
        """Who did it? Of what was done elsewhere nobody can tell."""
        row = row or self.begin(row, record, reference)
        if record.origin is not None:
            return row if row.missed else self.done(row, record, UNDETERMINABLE)
        if not self._may(row, record, reference):
            return self.missed(row, record, reference)
        return row if row.missed else self.done(row, record)

    def _may(self, row: DutyRow, record: Recorded[Any], reference: Reference) -> bool:
        raise NotImplementedError


class AuthorityAt(_Permitted):
    """Each of these events was done by somebody who held that office then, or one of those that its amount asks for;
    acted in it, or had been lent its power. `of`: an office, or `ByAmount`, for each."""

    template = "AuthorityAt"

    def cites(self) -> Iterator[str]:
        yield from super().cites()
        yield from (asked.parameter for asked in self._by_amount)

    def handlers(self) -> Iterator[tuple[type[Event], Handler]]:
        yield from super().handlers()
        tellers = dict.fromkeys(event for asked in self._by_amount for event in asked.told_by)
        yield from ((event, self.remember) for event in tellers)

    @property
    def _by_amount(self) -> Iterator[ByAmount]:
        return (asked for asked in self.of.values() if isinstance(asked, ByAmount))

    def remember(self, row: DutyRow | None, record: Recorded[Any], _reference: Reference) -> DutyRow | None:
        """So much is at stake in what is judged later."""
        teller = type(record.event)
        said = {asked.field: str(getattr(record.event, asked.field)) for asked in self._by_amount
                if teller in asked.told_by}  # fmt: skip
        return row and replace(row, parties={**(row.parties or {}), **said})

    def _may(self, row: DutyRow, record: Recorded[Any], reference: Reference) -> bool:
        return any(in_office(record, office, reference) for office in self._offices(row, record, reference))

    def _offices(self, row: DutyRow, record: Recorded[Any], reference: Reference) -> tuple[Role, ...]:
        asked: Role | ByAmount = self.of[type(record.event)]
        if isinstance(asked, Role):
            return (asked,)
        limit = Limit(parameter=asked.parameter, value=asked.value)
        most = limit.quantity(limit.version(reference, record.effective_at), asked.value)
        if not asked.told_by:
            amount = getattr(record.event, asked.field)
        else:  # more than anything, as long as nobody has said
            amount = Decimal((row.parties or {}).get(asked.field, "Infinity"))
        return asked.within if most is not None and amount <= most.amount else asked.beyond


class InCharge(_Permitted):
    """Whoever decides as a deputy has that business area in their charge, or was lent the power for it by somebody who
    has; the manager is in charge of all. `of`: the area of each decision."""

    template = "InCharge"

    def _may(self, row: DutyRow, record: Recorded[Any], reference: Reference) -> bool:  # noqa: ARG002  # of any case
        if not in_office(record, Role.DEPUTY, reference) or in_office(record, Role.MANAGER, reference):
            return True
        area = self.of[type(record.event)]
        return held_area(reference.appointments, area, record.actor_id, record.effective_at)


def _persons(record: Recorded[Any], field: str) -> list[str]:
    if field == ACTOR:
        return list(dict.fromkeys((record.actor_id, record.person)))
    who = getattr(record.event, field)
    return [] if who is None else list(who) if isinstance(who, tuple) else [str(who)]


def in_office(record: Recorded[Any], office: Role, reference: Reference) -> bool:
    return held(reference.appointments, office, record.actor_id, record.effective_at)
