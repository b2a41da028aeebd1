"""The templates of conformance rules, named as DECLARE names them where it does: each folds the log to a verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from msgspec.structs import replace

from aggregates.actor import Role
from aggregates.event import Event, Recorded
from projections.reference import Reference
from projections.rules.duty import (
    CONFORMANT,
    DONE,
    NOT_APPLICABLE,
    OWED,
    PENDING,
    SHELVED,
    UNDETERMINABLE,
    VIOLATED,
    DutyRow,
    Finding,
)
from projections.rules.offices import held
from projections.rules.rule import Events, Handler, Held, Rule, names

ACTOR = ""
"""In place of a field: whoever did it, and whose power was used."""

Parts: TypeAlias = Mapping[str, tuple[Events, str | None]]
"""Of several things each under its name: the events that bring it, and the field that must be filled in (None: any)."""

Findings: TypeAlias = Callable[[Reference], tuple[Finding, ...]]


class Completeness(Rule):
    """After one of `on`, all `parts` are there in time, and before any event of `before`."""

    template = "Completeness"

    def __init__(self, *args: Any, on: Events, parts: Parts, before: Events = (), **more: Any) -> None:
        super().__init__(*args, **more)
        self.on, self.parts, self.before = on, parts, before
        self.single = len(parts) == 1 and all(field is None for _, field in parts.values())
        self._brought: dict[type[Event], tuple[tuple[str, str | None], ...]] = {}
        for name, (events, field) in parts.items():
            for event in events:
                self._brought[event] = (*self._brought.get(event, ()), (name, field))

    @property
    def needed(self) -> tuple[tuple[str, ...], ...]:
        return tuple(names(events, field) for events, field in self.parts.values())

    def handlers(self) -> Iterator[tuple[type[Event], Handler]]:
        yield from ((event, self.begin) for event in self.on)
        yield from ((event, self.note) for event in self._brought)
        yield from ((event, self.end) for event in (*self.before, *self.over))

    def note(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        """Some of it has come, perhaps the last."""
        if row is None or row.state is not OWED:
            return row
        if self.single:
            return _answered(self, row, record, reference)
        known, event = row.evidence or {}, record.event
        news = {
            name: record.position
            for name, field in self._brought[type(event)]
            if name not in known and (field is None or getattr(event, field) is not None)
        }
        if not news:
            return row
        row = replace(row, evidence={**known, **news})
        return row if len(known) + len(news) < len(self.parts) else _answered(self, row, record, reference)


class Response(Completeness):
    """After one of `on`, one of `then` follows in time, or with `every` each of them."""

    template = "Response"

    def __init__(self, *args: Any, on: Events, then: Events, every: bool = False, **more: Any) -> None:
        parts: Parts = {event.__name__: ((event,), None) for event in then} if every else {"answer": (then, None)}
        super().__init__(*args, on=on, parts=parts, **more)


class Existence(Response):
    """Each case has one of `then` before it is over, whenever that is."""

    template = "Existence"


class Absence(Rule):
    """None of `of` happens while it is forbidden: from one of `forbidden` on, up to one of `allowed`.

    `by`: what allows counts only if whoever did it held that office. Violated once is violated.
    """

    template = "Absence"

    def __init__(
        self,
        *args: Any,
        of: Events,
        forbidden: Events,
        allowed: Events,
        by: Mapping[type[Event], Role] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(*args, **more)
        self.of, self.forbidden, self.allowed, self.by = of, forbidden, allowed, by or {}

    @property
    def needed(self) -> tuple[tuple[str, ...], ...]:
        return (names(self.allowed),)

    def handlers(self) -> Iterator[tuple[type[Event], Handler]]:
        yield from ((event, self.forbid) for event in self.forbidden)
        yield from ((event, self.allow) for event in self.allowed)
        yield from ((event, self.judge) for event in self.of)

    def forbid(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        """From here on it must not happen."""
        if row is None or row.state is not OWED:
            row = self.begin(row, record, reference)
        return row if not row.evidence else replace(row, evidence=None)

    def allow(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        """From here on it may happen, if whoever says so holds the office for it."""
        office = self.by.get(type(record.event))
        if office is not None and record.origin is None and not _in_office(record, office, reference):
            return row
        if row is None or row.state is SHELVED:
            row = self.begin(row, record, reference)
        return replace(row, evidence={"allowed": record.position})

    def judge(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        """It happened."""
        if row is None:
            row = self.begin(row, record, reference)
        if row.verdict is UNDETERMINABLE:
            return row
        if row.evidence:
            return self.done(row, record)
        return self.missed(row, record, reference)


class Precedence(Absence):
    """One of `then` happens only after one of `first`; `on` are the events that begin a case before either."""

    template = "Precedence"

    def __init__(self, *args: Any, first: Events, then: Events, on: Events = (), **more: Any) -> None:
        super().__init__(*args, of=then, forbidden=on, allowed=first, **more)


class Equality(Rule):
    """When one of `then` happens, the values in these fields are there and one and the same: of each the latest."""

    template = "Equality"

    def __init__(self, *args: Any, fields: Held, then: Events, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields, self.then = fields, then

    def handlers(self) -> Iterator[tuple[type[Event], Handler]]:
        yield from ((event, self.note) for event in self.fields)
        yield from ((event, self.judge) for event in self.then)

    def note(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow:
        """One of the values, in place of an earlier one."""
        row = row or self.begin(row, record, reference)
        name = type(record.event).__name__
        value = str(getattr(record.event, self.fields[type(record.event)]))
        return replace(
            row,
            parties={**(row.parties or {}), name: value},
            evidence={**(row.evidence or {}), name: record.position},
        )

    def judge(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow:
        """Now they must agree."""
        row = row or self.begin(row, record, reference)
        values = row.parties or {}
        agree = len(values) == len(self.fields) and len(set(values.values())) == 1
        return self.done(row, record) if agree else self.missed(row, record, reference)


class Cadence(Rule):
    """From one of `on` to one of `over`, one of `each` comes again and again, never later than the limit."""

    template = "Cadence"

    def __init__(self, *args: Any, on: Events, each: Events, **more: Any) -> None:
        super().__init__(*args, **more)
        self.on, self.each = on, each

    @property
    def needed(self) -> tuple[tuple[str, ...], ...]:
        return (names(self.each),)

    def handlers(self) -> Iterator[tuple[type[Event], Handler]]:
        yield from ((event, self.begin) for event in self.on)
        yield from ((event, self.again) for event in self.each)
        yield from ((event, self.end) for event in self.over)

    def again(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        """It came, in time or not; the next one is owed from here on."""
        if row is None or row.state is not OWED:
            return row
        if _late(row, record):
            row = replace(self.missed(row, record, reference), state=OWED, done_at=None)
        at, decided_by = record.effective_at, record.position
        due = None if row.term is None else row.term.end(at, 0, reference)
        return replace(row, since_at=at, spent_seconds=0, due_at=due, alarm_at=due, told=0, decided_by=decided_by)

    def end(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        if row is None or row.state is not OWED:
            return row
        return self.missed(row, record, reference) if _late(row, record) else _judged(self, row, record)


class FourEyes(Rule):
    """Whoever is named by one of `first` is never named by one of `second`, nor does one of `acts` after that.

    Of each the latest counts, or with `ever` all there have been. A field names a person, `ACTOR` whoever did it and
    whose power was used.
    """

    template = "FourEyes"

    def __init__(
        self, *args: Any, on: Events = (), first: Held, second: Held, acts: Events = (), ever: bool = False, **more: Any
    ) -> None:
        super().__init__(*args, **more)
        self.on, self.first, self.second, self.acts, self.ever = on, first, second, acts, ever

    @property
    def needed(self) -> tuple[tuple[str, ...], ...]:
        return tuple(
            tuple(name for event, field in held.items() for name in names((event,), field or None))
            for held in (self.first, self.second)
        )

    def handlers(self) -> Iterator[tuple[type[Event], Handler]]:
        yield from ((event, self.begin) for event in self.on)
        yield from ((event, self.name) for event in (*self.first, *self.second))
        yield from ((event, self.look) for event in self.acts)
        yield from ((event, self.close) for event in self.over)

    def name(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow:
        """One of the two is named: is it the other?"""
        row = row or self.begin(row, record, reference)
        event = type(record.event)
        mine, others = ("first", "second") if event in self.first else ("second", "first")
        who = _persons(record, (self.first if event in self.first else self.second)[event])
        known = row.parties or {}
        before = known.get(mine, "").split() if self.ever else []
        parties = {**known, mine: " ".join(dict.fromkeys([*before, *who]))}
        row = replace(row, parties=parties, evidence={**(row.evidence or {}), mine: record.position})
        if not who and record.origin is not None:
            return row if row.missed else replace(row, verdict=UNDETERMINABLE)
        if not set(who).isdisjoint(known.get(others, "").split()):
            return replace(self.missed(row, record, reference), state=row.state)
        return row if others not in known or row.missed else replace(row, verdict=CONFORMANT)

    def look(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        """Somebody works on it who must not."""
        second = None if row is None or row.parties is None else row.parties.get("second")
        if row is None or not second or set(_persons(record, ACTOR)).isdisjoint(second.split()):
            return row
        return replace(self.missed(row, record, reference), state=row.state)

    def close(self, row: DutyRow | None, record: Recorded[Any], _reference: Reference) -> DutyRow | None:
        """The case is over without both of them: there was nobody to be kept apart."""
        if row is None or row.state is not OWED:
            return row
        return self.done(row, record, NOT_APPLICABLE if row.verdict is PENDING else row.verdict)


class AuthorityAt(Rule):
    """Each of these events was done by somebody who held that office then, acted in it, or had been lent its power."""

    template = "AuthorityAt"

    def __init__(self, *args: Any, of: Mapping[type[Event], Role], **more: Any) -> None:
        super().__init__(*args, **more)
        self.of = of

    def handlers(self) -> Iterator[tuple[type[Event], Handler]]:
        yield from ((event, self.judge) for event in self.of)

    def judge(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow:
        """Who did it?"""
        row = row or self.begin(row, record, reference)
        if record.origin is not None:
            return row if row.missed else self.done(row, record, UNDETERMINABLE)
        if _in_office(record, self.of[type(record.event)], reference):
            return self.done(row, record)
        return self.missed(row, record, reference)


class Invariant(Rule):
    """After each of `at` nothing is found that is not as it must be; what will be found later is due until then."""

    template = "Invariant"

    def __init__(self, *args: Any, at: Events, findings: Findings, **more: Any) -> None:
        super().__init__(*args, **more)
        self.at, self.findings = at, findings

    def handlers(self) -> Iterator[tuple[type[Event], Handler]]:
        yield from ((event, self.judge) for event in self.at)

    def judge(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow:
        """What is found, all along; the first that lies ahead is owed until then."""
        row, at = row or self.begin(row, record, reference), record.effective_at
        found = self.findings(reference)
        past, ahead = [f for f in found if f.since <= at], [f for f in found if f.since > at]
        verdict = VIOLATED if past else PENDING if ahead else CONFORMANT
        due = min((finding.since for finding in ahead), default=None)
        still = bool(ahead) or any(finding.until is None for finding in past)
        return replace(
            row,
            verdict=verdict,
            state=OWED if still else DONE,
            due_at=due,
            decided_by=record.position,
            missed=len(past),
            findings=found or None,
        )


def _late(row: DutyRow, record: Recorded[Any]) -> bool:
    return row.due_at is not None and record.effective_at > row.due_at


def _answered(rule: Rule, row: DutyRow, record: Recorded[Any], reference: Reference) -> DutyRow:
    """What was owed has been done: in time or too late."""
    return rule.missed(row, record, reference) if _late(row, record) else _judged(rule, row, record)


def _judged(rule: Rule, row: DutyRow, record: Recorded[Any]) -> DutyRow:
    """It was not late, if anybody can tell: where there is no calendar or no value, nobody can."""
    unclear = rule.within is not None and row.due_at is None
    return rule.done(row, record, UNDETERMINABLE if unclear else CONFORMANT)


def _persons(record: Recorded[Any], field: str) -> list[str]:
    if field == ACTOR:
        return list(dict.fromkeys((record.actor_id, record.person)))
    who = getattr(record.event, field)
    return [] if who is None else [str(who)]


def _in_office(record: Recorded[Any], office: Role, reference: Reference) -> bool:
    return held(reference.appointments, office, record.actor_id, record.effective_at)
