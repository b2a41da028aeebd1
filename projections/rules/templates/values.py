"""What values must be like: Equality, Threshold and Invariant."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from msgspec.structs import replace

from aggregates.event import Event, Recorded
from aggregates.text import Code
from projections.reference import Reference
from projections.rules.duty import (
    CONFORMANT,
    DONE,
    NOT_APPLICABLE,
    OWED,
    PENDING,
    VIOLATED,
    DutyRow,
    Finding,
)
from projections.rules.rule import Events, Handler, Held, Rule, said

Learn: TypeAlias = Callable[[Mapping[str, str], Recorded[Any]], Mapping[str, str]]
Breach: TypeAlias = Callable[[Mapping[str, str], Recorded[Any], Reference], str | None]
Findings: TypeAlias = Callable[[Reference], tuple[Finding, ...] | None]
"""None: there is nothing yet that could be as it must be, or not."""


class Equality(Rule):
    """When one of `then` happens, the values in these fields are there and one and the same: of each the latest, of
    `ever` any that there has been. `instead`: events whose value stands in the place of another's."""

    template = "Equality"

    def __init__(
        self,
        *args: Any,
        fields: Held,
        then: Events,
        ever: Events = (),
        instead: Mapping[type[Event], type[Event]] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(*args, **more)
        self.fields, self.then, self.ever, self.instead = fields, then, ever, instead or {}
        self._places = len({self.instead.get(event, event) for event in fields})

    def handlers(self) -> Iterator[tuple[type[Event], Handler]]:
        yield from ((event, self.note) for event in self.fields)
        yield from ((event, self.judge) for event in self.then)

    def note(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow:
        """One of the values, in place of an earlier one or beside it."""
        row = row or self.begin(row, record, reference)
        event = type(record.event)
        name, value = self.instead.get(event, event).__name__, said(record, self.fields)
        known = row.parties or {}
        before = known.get(name, "").split() if event in self.ever else []
        return replace(
            row,
            parties={**known, name: " ".join(dict.fromkeys([*before, value]))},
            evidence={**(row.evidence or {}), name: record.position},
        )

    def judge(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow:
        """Now they must agree."""
        row = row or self.begin(row, record, reference)
        values = [set(value.split()) for value in (row.parties or {}).values()]
        agree = len(values) == self._places and bool(set.intersection(*values))
        return self.done(row, record) if agree else self.missed(row, record, reference)


class Threshold(Rule):
    """After each of `at`, what the case has come to stays within its bounds.

    `learn` adds an event to what is known of the case; `breach` names what is wrong now, if anything is. `on`: what
    begins a case and is judged later; `known`: what is learned from, and never begins anything to be judged; `reads`:
    the parameters that `breach` looks up.
    """

    template = "Threshold"

    def __init__(
        self,
        *args: Any,
        at: Events,
        learn: Learn,
        breach: Breach,
        on: Events = (),
        known: Events = (),
        reads: tuple[str, ...] = (),
        **more: Any,
    ) -> None:
        super().__init__(*args, **more)
        self.on, self.known, self.at, self.learn, self.breach, self.reads = on, known, at, learn, breach, reads

    def cites(self) -> Iterator[str]:
        yield from super().cites()
        yield from self.reads

    def handlers(self) -> Iterator[tuple[type[Event], Handler]]:
        yield from ((event, self.expect) for event in self.on)
        yield from ((event, self.note) for event in self.known)
        yield from ((event, self.judge) for event in self.at)

    def expect(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow:
        """What will be judged later."""
        known = {} if row is None or row.parties is None else row.parties
        return replace(self.begin(row, record, reference), parties=self.learn(known, record))

    def note(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow:
        """This counts when something is judged; until then there is nothing to judge."""
        if row is None:
            row = replace(self.begin(row, record, reference), verdict=NOT_APPLICABLE, state=DONE)
        return replace(row, parties=self.learn(row.parties or {}, record))

    def judge(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow:
        """What has it come to? Violated once is violated."""
        row = row or self.begin(row, record, reference)
        known = self.learn(row.parties or {}, record)
        row, what = replace(row, parties=known), self.breach(known, record, reference)
        if what is None:
            return replace(row, state=DONE) if row.missed else self.done(row, record)
        finding = Finding(what=Code(what), whom=None, since=record.effective_at)
        return replace(self.missed(row, record, reference), findings=(*(row.findings or ()), finding))


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
        if found is None:
            return self.done(row, record, NOT_APPLICABLE)
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
