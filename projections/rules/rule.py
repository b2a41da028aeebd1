"""What all rules say, and what happens to the duties of any: begun, shelved, taken up again, handed over, ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property, wraps
from typing import Any, ClassVar, TypeAlias

from msgspec.structs import replace

from aggregates.actor import Role
from aggregates.event import Event, ObligationMissed, ObligationsMeasured, Recorded
from aggregates.ids import AnyId
from aggregates.text import Code
from projections.reference import Reference
from projections.row import Fold, View, its_case_under
from projections.rules.duty import (
    CONFORMANT,
    DONE,
    NOT_APPLICABLE,
    OWED,
    PENDING,
    SHELVED,
    UNDETERMINABLE,
    VIOLATED,
    WAIVED,
    DutyRow,
    Verdict,
)
from projections.rules.term import Limit, Term, ending, passed

Handler: TypeAlias = Callable[[DutyRow | None, Recorded[Any], Reference], DutyRow | None]
Events: TypeAlias = tuple[type[Event], ...]
Held: TypeAlias = Mapping[type[Event], str]
"""In which field of an event a name stands."""


def names(events: Iterable[type[Event]], field: str | None = None) -> tuple[str, ...]:
    """What events, or that field of them, are called in the description of a source."""
    return tuple(event.__name__ if field is None else f"{event.__name__}.{field}" for event in events)


def said(record: Recorded[Any], fields: Held) -> str:
    """What an event says in its field among these."""
    return str(getattr(record.event, fields[type(record.event)]))


class Mode(StrEnum):
    """What is done about a breach: the command is refused, goes through with a warning, or is found afterwards."""

    PREVENT = "prevent"
    WARN = "warn"
    DETECT = "detect"


class Rule:
    """A rule of the regulation as data: what it is called, which clauses it stands for, and what its cases are.

    `case_in`: where events lie on other streams than that of the case, the field that says whose case it is.
    `over`: the events that end a case, so that what is still owed then is missed. `shelved`: those after which nobody
    owes anything until one of `resumed`. `owed_by`: the office that owes; `handler`: the event and field that name a
    person instead; `unit`: those that name the department. `ladder`: who is told, one after the other, while it is
    missed; `level`: the event and field that say how far up that is already.
    """

    template: ClassVar[str]

    def __init__(
        self,
        number: str,
        meaning: str,
        *,
        cases: Any,
        clauses: tuple[str, ...],
        mode: Mode,
        case_in: Held | None = None,
        over: Events = (),
        shelved: Events = (),
        resumed: Events = (),
        owed_by: Role = Role.MANAGER,
        handler: Held | None = None,
        unit: Held | None = None,
        level: Held | None = None,
        ladder: tuple[Role, ...] = (),
        within: Limit | None = None,
    ) -> None:
        self.number, self.meaning, self.cases = Code(number), meaning, cases
        self.clauses, self.mode = tuple(map(Code, clauses)), mode
        self.case_in: Held = case_in or {}
        self.over, self.shelved, self.resumed = over, shelved, resumed
        self.owed_by, self.handler, self.unit, self.level = owed_by, handler or {}, unit or {}, level or {}
        self.ladder, self.within = ladder, within

    def handlers(self) -> Iterator[tuple[type[Event], Handler]]:
        """What the template does at which event; at one event, one after the other."""
        raise NotImplementedError

    @cached_property
    def view(self) -> View[DutyRow]:
        """The fold of this rule alone: a row of duty for each case."""
        handlers: defaultdict[type[Event], list[Handler]] = defaultdict(list)
        for event, handler in (*self.handlers(), *self._in_common()):
            if handler not in handlers[event]:
                handlers[event].append(handler)
        folds = ((event, self._fold(steps)) for event, steps in handlers.items())
        return View.of(DutyRow, folds, key=its_case_under(self.number, self.cases, self.case_in))

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Those that the verdicts depend on."""
        return tuple(dict.fromkeys(self.cites()))

    def cites(self) -> Iterator[str]:
        """Each parameter that the template looks up."""
        if self.within is not None:
            yield self.within.parameter

    @cached_property
    def asked(self) -> Events:
        """The events that this rule is about."""
        return tuple(dict.fromkeys(event for event, _ in self.handlers()))

    def _in_common(self) -> Iterator[tuple[type[Event], Handler]]:
        yield from ((event, self.shelve) for event in self.shelved)
        yield from ((event, self.resume) for event in self.resumed)
        yield from ((event, self.hand_over) for event in self.handler)
        yield from ((event, self.move) for event in self.unit)
        yield from ((event, self.rise) for event in self.level)
        if self.within is not None:
            if self.within.named_by is not None:
                yield self.within.named_by[0], self.measure
            yield ObligationMissed, self.tell
            yield ObligationsMeasured, self.measured

    @cached_property
    def _blank(self) -> DutyRow:
        """What all obligations have in common when they begin: a changed copy costs a third of a new row."""
        at = datetime.min.replace(tzinfo=UTC)
        return DutyRow(rule=self.number, case_id=AnyId(""), verdict=PENDING, state=OWED, began_at=at, began_by=0)

    def begin(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow:
        """An obligation begins; again after an earlier one, but never beside one that is still owed."""
        if row is not None and row.state is OWED:
            return row
        if row is not None and row.state is SHELVED:
            return self._resumed(row, record.effective_at, reference)
        at, origin, limit = record.effective_at, record.origin, self.within
        elsewhere = self.case_in.get(type(record.event))
        case = (None if elsewhere is None else getattr(record.event, elsewhere)) or record.stream_id
        if limit is None:
            begun = replace(self._blank, case_id=case, began_at=at, began_by=record.position)
        else:
            version, allowed = limit.allows(at, reference, None if row is None else row.named)
            seconds, around_the_clock = allowed or (None, False)
            due = None if seconds is None else ending(seconds, around_the_clock, at, 0, reference)
            begun = replace(
                self._blank,
                case_id=case,
                began_at=at,
                began_by=record.position,
                since_at=at,
                due_at=due,
                alarm_at=due,
                version=None if version is None else version.position,
                calendar=reference.calendar,
                term_seconds=seconds,
                around_the_clock=around_the_clock,
            )
        if row is not None:
            begun = _after_another(row, begun)
        if origin is None:
            return begun
        begun = replace(begun, imported=True)
        if reference.could_tell(origin.source, self.needed):
            return begun
        return replace(begun, verdict=UNDETERMINABLE, state=DONE, due_at=None, alarm_at=None)

    def measured(self, row: DutyRow | None, _record: Recorded[Any], _reference: Reference) -> DutyRow | None:
        """A calendar has come, by which what waited for it is due now: that is looked at before each event."""
        return row

    def with_due(self, row: DutyRow, reference: Reference) -> DutyRow:
        """The row with the instant at which it is due, if it is owed and anybody can tell by now."""
        if row.state is not OWED or row.version is None:
            return row
        allowed = row.term or self.how_long(row, reference)
        if allowed is None:
            return row
        due = ending(*allowed, row.since_at or row.began_at, row.spent_seconds, reference)
        if due is None:
            return row
        seconds, around_the_clock = allowed
        return replace(
            row,
            term_seconds=seconds,
            around_the_clock=around_the_clock,
            due_at=due,
            alarm_at=due,
            calendar=reference.calendar,
        )

    def how_long(self, row: DutyRow, reference: Reference) -> Term | None:
        """How long it may take, by the version that was in force when it began; None if nobody can tell."""
        limit = self.within
        return None if limit is None else limit.allowed_by(row.version, row.began_at, reference, row.named)

    @property
    def needed(self) -> tuple[tuple[str, ...], ...]:
        """Of each group one event, or a field of one, is needed: a source that can tell of none proves nothing."""
        return ()

    def measure(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        """Now it is known how long it may take, by the version that was in force when the obligation began; what begins
        after that is measured by it too."""
        if row is None or self.within is None or self.within.named_by is None:
            return row
        named = str(getattr(record.event, self.within.named_by[1]))
        if row.state is DONE:
            return replace(row, named=named)
        allowed = self.within.allowed_by(row.version, row.began_at, reference, named)
        if allowed is None:
            return replace(row, named=named, term_seconds=None, due_at=None, alarm_at=None)
        seconds, around_the_clock = allowed
        owed = row.state is OWED
        due = ending(*allowed, row.since_at or row.began_at, row.spent_seconds, reference) if owed else None
        return replace(
            row, named=named, term_seconds=seconds, around_the_clock=around_the_clock, due_at=due, alarm_at=due, told=0
        )

    def shelve(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        """Nobody owes anything for the time being; what was too late by then stays so."""
        if row is None or row.state is not OWED:
            return row
        at = record.effective_at
        if row.due_at is not None and at > row.due_at:
            return self.missed(row, record, reference)
        since = row.since_at or row.began_at
        spent = row.spent_seconds + passed(since, at, row.around_the_clock, reference)
        verdict = row.verdict if row.missed else NOT_APPLICABLE
        return replace(row, state=SHELVED, verdict=verdict, spent_seconds=spent, due_at=None, alarm_at=None)

    def resume(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        """What was shelved is owed again, with the time that was left; nobody up the ladder has been told of that."""
        if row is None or row.state is not SHELVED:
            return row
        return self._resumed(row, record.effective_at, reference)

    def _resumed(self, row: DutyRow, at: datetime, reference: Reference) -> DutyRow:
        due = row.due_from(at, row.spent_seconds, reference)
        verdict = row.verdict if row.missed else PENDING
        return replace(row, state=OWED, verdict=verdict, since_at=at, due_at=due, alarm_at=due, told=0, level=0)

    def end(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        """The case is over: what is still owed was never done."""
        return row if row is None or row.state is not OWED else self.missed(row, record, reference)

    def hand_over(self, row: DutyRow | None, record: Recorded[Any], _reference: Reference) -> DutyRow | None:
        """From now on somebody in particular owes it."""
        return row and replace(row, owner_id=getattr(record.event, self.handler[type(record.event)]))

    def move(self, row: DutyRow | None, record: Recorded[Any], _reference: Reference) -> DutyRow | None:
        """From now on that department owes it."""
        return row and replace(row, unit=getattr(record.event, self.unit[type(record.event)]))

    def rise(self, row: DutyRow | None, record: Recorded[Any], _reference: Reference) -> DutyRow | None:
        """Somebody higher has been told."""
        return row and replace(row, level=getattr(record.event, self.level[type(record.event)]))

    def tell(self, row: DutyRow | None, record: Recorded[ObligationMissed], reference: Reference) -> DutyRow | None:
        """The clock has spoken; it speaks again when as much time has passed once more, up the ladder to its end."""
        if row is None or record.event.rule != self.number or row.due_at is None or row.term is None:
            return row
        told, (seconds, around_the_clock) = record.event.told, row.term
        again = None
        if told < len(self.ladder):
            again = ending(told * seconds, around_the_clock, row.due_at, 0, reference)
        return replace(row, told=told, level=max(row.level, min(told, len(self.ladder))), alarm_at=again)

    def told_at(self, level: int) -> Role | None:
        """The office so far up the ladder; None below its first rung."""
        return self.ladder[min(level, len(self.ladder)) - 1] if level and self.ladder else None

    def done(self, row: DutyRow, record: Recorded[Any], verdict: Verdict = CONFORMANT) -> DutyRow:
        """It was done in time: what happened earlier still counts."""
        return replace(
            row,
            verdict=row.verdict if row.missed else verdict,
            state=DONE,
            alarm_at=None,
            done_at=record.effective_at,
            decided_by=record.position,
        )

    def missed(self, row: DutyRow, record: Recorded[Any], reference: Reference) -> DutyRow:
        """It was done too late, or never, or what is forbidden was done; unless a waiver was in force."""
        waived = reference.is_waived(row.rule, row.case_id, record.effective_at)
        verdict = WAIVED if waived and row.verdict is not VIOLATED else VIOLATED
        return replace(
            row,
            verdict=verdict,
            state=DONE,
            alarm_at=None,
            done_at=record.effective_at,
            decided_by=record.position,
            missed=row.missed + 1,
        )

    def _fold(self, handlers: Iterable[Handler]) -> Fold[DutyRow]:
        first, *others = handlers
        step = first if not others else _one_after_the_other((first, *others))
        step = step if self.within is None else self._by_the_newest_calendar(step)
        return Fold(step=step, begins=True, changes=True, refers=True)

    def _by_the_newest_calendar(self, step: Handler) -> Handler:
        """Before the step, what waited for a calendar that has been published since is due by it. What is due already
        stays so, whatever is corrected."""

        @wraps(step)
        def measured_first(row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
            if row is not None and row.due_at is None and row.calendar != reference.calendar:
                row = self.with_due(row, reference)
            return step(row, record, reference)

        return measured_first


def _after_another(row: DutyRow, begun: DutyRow) -> DutyRow:
    """An obligation that begins after one that is over: what was missed then is not forgotten."""
    return replace(
        begun,
        verdict=row.verdict if row.missed else PENDING,
        owner_id=row.owner_id,
        unit=row.unit,
        named=row.named,
        missed=row.missed,
    )


def _one_after_the_other(handlers: tuple[Handler, ...]) -> Handler:
    def step(row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        for handler in handlers:
            row = handler(row, record, reference)
        return row

    return step
