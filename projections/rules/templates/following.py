"""What must follow what, be there before it, or come again and again: Completeness, Response, Succession, Cadence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from msgspec import UNSET
from msgspec.structs import replace

from aggregates.event import Event, Recorded
from projections.reference import Reference
from projections.rules.duty import (
    DONE,
    OWED,
    PENDING,
    DutyRow,
)
from projections.rules.rule import Events, Handler, Held, Rule, names, said
from projections.rules.templates.verdicts import answered, is_late, judged
from projections.rules.term import Limit, Term, ending

Parts: TypeAlias = Mapping[str, tuple[Events, str | None]]
"""Of several things each under its name: the events that bring it, and the field that must be filled in (None: any)."""


class Completeness(Rule):
    """After one of `on`, all `parts` are there in time, and before any event of `before`."""

    template = "Completeness"

    def __init__(self, *args: Any, on: Events, parts: Parts, before: Events = (), **more: Any) -> None:
        super().__init__(*args, **more)
        self.on, self.parts, self.before = on, parts, before
        self.single = [field for _, field in parts.values()] == [None]
        self.brought: dict[type[Event], tuple[tuple[str, str | None], ...]] = {}
        for name, (events, field) in parts.items():
            for event in events:
                self.brought[event] = (*self.brought.get(event, ()), (name, field))

    @property
    def needed(self) -> tuple[tuple[str, ...], ...]:
        return tuple(names(events, field) for events, field in self.parts.values())

    def handlers(self) -> Iterator[tuple[type[Event], Handler]]:
        yield from ((event, self.begin) for event in self.on)
        yield from ((event, self.answer if self.single else self.note) for event in self.brought)
        yield from ((event, self.use) for event in self.before)
        yield from ((event, self.end) for event in self.over)

    def use(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        """From here on it must have been there."""
        return self.end(row, record, reference)

    def answer(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        """The only thing that is owed has come."""
        return row if row is None or row.state is not OWED else answered(self, row, record, reference)

    def note(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        """Some of it has come, perhaps the last."""
        if row is None or row.state is not OWED:
            return row
        known, event = row.evidence or {}, record.event
        news = {
            name: record.position
            for name, field in self.brought[type(event)]
            if name not in known and (field is None or is_filled_in(getattr(event, field)))
        }
        if not news:
            return row
        row = replace(row, evidence={**known, **news})
        return row if len(known) + len(news) < len(self.parts) else answered(self, row, record, reference)


def is_filled_in(value: Any) -> bool:
    """Does a field say something: neither that there is nothing, nor that it is left as it was?"""
    return value is not None and value is not UNSET


class Response(Completeness):
    """After one of `on`, one of `then` follows in time, or with `every` each of them."""

    template = "Response"

    def __init__(self, *args: Any, on: Events, then: Events, every: bool = False, **more: Any) -> None:
        parts: Parts = {event.__name__: ((event,), None) for event in then} if every else {"answer": (then, None)}
        super().__init__(*args, on=on, parts=parts, **more)


class ResponseToEach(Response):
    """What follows counts only for that of `on` which says the `same` in these fields; each is owed by itself, in its
    own time."""

    def __init__(self, *args: Any, on: Events, then: Events, same: Held, **more: Any) -> None:
        super().__init__(*args, on=on, then=then, every=False, **more)
        self.same = same

    def begin(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow:
        wanted = {} if row is None or row.state is DONE else row.parties or {}
        row = super().begin(row, record, reference)
        return replace(row, parties={**wanted, said(record, self.same): record.effective_at.isoformat()})

    def answer(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        """Of several that are owed the one that is meant has come."""
        wanted = {} if row is None or row.parties is None else row.parties
        found = said(record, self.same)
        if row is None or row.state is not OWED or found not in wanted:
            return row
        left = {name: since for name, since in wanted.items() if name != found}
        if not left:
            return super().answer(row, record, reference)
        since = min(map(datetime.fromisoformat, left.values()))
        due = row.due_from(since, 0, reference)
        if is_late(row, record):
            row = replace(self.missed(row, record, reference), state=OWED, done_at=None)
        return replace(row, parties=left, since_at=since, due_at=due, alarm_at=due, told=0, decided_by=record.position)


class Existence(Response):
    """Each case has one of `then` before it is over, whenever that is."""

    template = "Existence"


class Stage(NamedTuple):
    """One step of a succession: what must follow, by when; counted from the beginning, or from the step before.

    `said`: the value that a field of the event must have, where one event stands for several steps.
    """

    then: Events
    within: Limit
    from_start: bool = False
    said: tuple[str, str] | None = None


class Succession(Rule):
    """After one of `on` the stages follow, one after the other, each in time; `back` is where the first is owed again.

    An event of a later stage stands for those before it. After one of `until` none is owed any more.
    """

    template = "Succession"

    def __init__(
        self, *args: Any, on: Events, stages: tuple[Stage, ...], back: Events = (), until: Events = (), **more: Any
    ) -> None:
        super().__init__(*args, within=stages[0].within, **more)
        self.on, self.stages, self.back, self.until = on, stages, back, until
        self._steps = tuple(dict.fromkeys(event for stage in stages for event in stage.then))

    @property
    def needed(self) -> tuple[tuple[str, ...], ...]:
        return tuple(names(stage.then) for stage in self.stages)

    def cites(self) -> Iterator[str]:
        yield from (stage.within.parameter for stage in self.stages)

    def handlers(self) -> Iterator[tuple[type[Event], Handler]]:
        yield from ((event, self.begin) for event in self.on)
        yield from ((event, self.go_back) for event in self.back)
        yield from ((event, self.advance) for event in self._steps)
        yield from ((event, self.end) for event in self.over)
        yield from ((event, self.close) for event in self.until)

    def _stage_of(self, event: Event) -> int | None:
        """Which stage an event is, the first where it could be several; None where it is not what any asks for."""
        for number, stage in enumerate(self.stages):
            if type(event) in stage.then and (stage.said is None or getattr(event, stage.said[0]) == stage.said[1]):
                return number
        return None

    def advance(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        """A step is taken, in time or not; the next one is owed from here on."""
        if row is None or row.state is not OWED:
            return row
        reached, done = self._stage_of(record.event), row.evidence or {}
        if reached is None or reached < len(done):
            return row
        if is_late(row, record):
            row = replace(self.missed(row, record, reference), state=OWED, done_at=None)
        elif reached == len(self.stages) - 1:
            row = judged(self, row, record)
        row = replace(row, evidence={str(n): done.get(str(n), record.position) for n in range(reached + 1)})
        if reached == len(self.stages) - 1:
            return replace(row, state=DONE, done_at=record.effective_at, decided_by=record.position)
        return self._owing(row, reached + 1, record, reference)

    def close(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        """No further step is needed: was the last one that was needed late?"""
        if row is None or row.state is DONE:
            return row
        return self.missed(row, record, reference) if is_late(row, record) else self.done(row, record)

    def go_back(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        """What was done has to be done again."""
        if row is None:
            return row
        if row.state is OWED and is_late(row, record):
            row = self.missed(row, record, reference)
        anew = replace(row, evidence=None, state=OWED, since_at=None, spent_seconds=0)
        return self._owing(anew, 0, record, reference)

    def how_long(self, row: DutyRow, reference: Reference) -> Term | None:
        stage = self.stages[len(row.evidence or {})]
        since = row.began_at if stage.from_start else row.since_at or row.began_at
        return stage.within.allowed_by(row.version, since, reference)

    def _owing(self, row: DutyRow, stage: int, record: Recorded[Any], reference: Reference) -> DutyRow:
        limit, from_start = self.stages[stage].within, self.stages[stage].from_start
        since, spent = record.effective_at, 0
        if from_start:  # as long as it was shelved no time passed: what has passed until then is spent
            all_along = all(earlier.from_start for earlier in self.stages[1:stage]) and row.since_at is not None
            since, spent = (row.since_at or row.began_at, row.spent_seconds) if all_along else (row.began_at, 0)
        version, allowed = limit.allows(row.began_at if from_start else since, reference)
        due = None if allowed is None else ending(*allowed, since, spent, reference)
        return replace(
            row,
            verdict=row.verdict if row.missed else PENDING,
            since_at=since,
            spent_seconds=spent,
            due_at=due,
            alarm_at=due,
            done_at=None,
            told=0,
            version=None if version is None else version.position,
            term_seconds=None if allowed is None else allowed.seconds,
            around_the_clock=allowed is not None and allowed.around_the_clock,
        )


class Cadence(Rule):
    """From one of `on` to one of `over`, one of `each` comes again and again, never later than the limit.

    `times`: so many of some events, by the version in force when it began, are enough: after the last nothing is owed.
    """

    template = "Cadence"

    def __init__(
        self, *args: Any, on: Events, each: Events, times: tuple[Events, Limit] | None = None, **more: Any
    ) -> None:
        super().__init__(*args, **more)
        self.on, self.each, self.times = on, each, times

    @property
    def needed(self) -> tuple[tuple[str, ...], ...]:
        return (names(self.each),)

    def cites(self) -> Iterator[str]:
        yield from super().cites()
        if self.times is not None:
            yield self.times[1].parameter

    def handlers(self) -> Iterator[tuple[type[Event], Handler]]:
        yield from ((event, self.begin) for event in self.on)
        yield from ((event, self.again) for event in self.each)
        yield from ((event, self.end) for event in self.over)

    def again(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        """It came, in time or not; the next one is owed from here on, unless it was the last."""
        if row is None or row.state is not OWED:
            return row
        if is_late(row, record):
            row = replace(self.missed(row, record, reference), state=OWED, done_at=None)
        if self.times is not None:
            row = self._counted(row, record, *self.times, reference)
            if row.state is DONE:
                return row
        at, decided_by = record.effective_at, record.position
        due = row.due_from(at, 0, reference)
        return replace(row, since_at=at, spent_seconds=0, due_at=due, alarm_at=due, told=0, decided_by=decided_by)

    def _counted(
        self, row: DutyRow, record: Recorded[Any], counted: Events, times: Limit, reference: Reference
    ) -> DutyRow:
        known = row.evidence or {}
        if type(record.event) in counted:
            row = replace(row, evidence={**known, str(len(known) + 1): record.position})
        enough = times.quantity(times.version(reference, row.began_at), times.value)
        return row if enough is None or len(row.evidence or {}) < enough.amount else judged(self, row, record)

    def end(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        if row is None or row.state is not OWED:
            return row
        return self.missed(row, record, reference) if is_late(row, record) else judged(self, row, record)
