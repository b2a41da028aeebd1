"""What a conformance rule knows of a case: the verdict so far, what is still owed, and by when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from aggregates.ids import AnyId, EmployeeId
from aggregates.text import Code
from aggregates.value import Value
from projections.reference import Reference
from projections.row import Index, PartialIndex, Row
from projections.rules.term import Term, ending


class Verdict(StrEnum):
    """How a case stands to a rule. What cannot be judged is a gap, and no success."""

    CONFORMANT = "conformant"
    VIOLATED = "violated"
    PENDING = "pending"
    WAIVED = "waived"
    NOT_APPLICABLE = "not applicable"
    UNDETERMINABLE = "undeterminable"


class State(StrEnum):
    """Whether anybody owes anything: shelved is what waits for its case to be taken up again."""

    OWED = "owed"
    SHELVED = "shelved"
    DONE = "done"


CONFORMANT, VIOLATED, PENDING, WAIVED, NOT_APPLICABLE, UNDETERMINABLE = Verdict
OWED, SHELVED, DONE = State
"""By themselves, because Python looks a member of an enumeration up by a function, and steps name them all the time."""


class Finding(Value):
    """Something that is not as it must be, from an instant on: whose it is, and until when."""

    what: Code
    whom: Code | None
    since: datetime
    until: datetime | None = None


class DutyRow(Row):
    """One rule for one case: `began_by` and `decided_by` are the positions of the events behind it, `evidence` those of
    what has been done of several things. `version` is the position of the event that gave the parameter its value,
    `calendar` that of the newest calendar by then.

    The term runs from `since_at`; `spent_seconds` of it had gone when the case was shelved last. `missed` counts how
    often something came too late, `told` how often the clock has said so, `alarm_at` is when it will speak again.
    `named` is the value of the parameter that was named last, where one is.
    `imported`: the obligation began in another system, so the verdict rests on imported evidence.
    """

    key: ClassVar[tuple[str, ...]] = ("case_id", "rule")
    indexes: ClassVar[tuple[Index, ...]] = (PartialIndex(("alarm_at",), "state = 'owed'"),)

    rule: Code
    case_id: AnyId
    verdict: Verdict
    state: State
    began_at: datetime
    began_by: int
    imported: bool = False
    since_at: datetime | None = None
    due_at: datetime | None = None
    alarm_at: datetime | None = None
    done_at: datetime | None = None
    decided_by: int | None = None
    version: int | None = None
    calendar: int | None = None
    named: str | None = None
    term_seconds: int | None = None
    spent_seconds: int = 0
    around_the_clock: bool = False
    owner_id: EmployeeId | None = None
    unit: Code | None = None
    level: int = 0
    missed: int = 0
    told: int = 0
    evidence: Mapping[str, int] | None = None
    parties: Mapping[str, str] | None = None
    findings: tuple[Finding, ...] | None = None

    @property
    def term(self) -> Term | None:
        """How long it may take, if that is known."""
        return None if self.term_seconds is None else Term(self.term_seconds, self.around_the_clock)

    def due_from(self, since: datetime, spent: int, reference: Reference) -> datetime | None:
        """When it is due if it runs from an instant; None where nobody can tell."""
        if self.term_seconds is None:
            return None
        return ending(self.term_seconds, self.around_the_clock, since, spent, reference)

    def verdict_at(self, instant: datetime, *, waived: bool = False) -> Verdict:
        """The verdict as it stands at an instant after all that is recorded: what is owed and due is missed, unless a
        waiver is in force then."""
        due = self.state is OWED and self.due_at is not None and self.due_at < instant
        if not due or self.verdict is not PENDING:
            return self.verdict
        return WAIVED if waived else VIOLATED
