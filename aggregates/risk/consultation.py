"""A consultation: somebody asks counsel before acting, and says afterwards whether the advice was followed: 5.2.4."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum, auto
from typing import TypeAlias, assert_never

from msgspec.structs import replace

from aggregates.actor import Actor, Role
from aggregates.event import Event, command
from aggregates.ids import AnyId, EmployeeId
from aggregates.readers import Readers
from aggregates.refused import Refused
from aggregates.text import Text
from aggregates.value import Value

IN_CONFIDENCE = Readers(everything=frozenset({Role.LEGAL, Role.MANAGER, Role.AUDITOR}), restricted=True)
"""What is said between somebody and counsel is theirs; whoever reads it in the log leaves a trace."""


class LegalConsultationAsked(Event):
    readers = IN_CONFIDENCE

    question: Text
    about_id: AnyId | None
    due: date
    asked_by_id: EmployeeId
    facts: Text | None = None


class LegalAdviceGiven(Event):
    readers = IN_CONFIDENCE

    advice: Text


class AdviceFollowed(Event):
    """What was decided, as counsel had said."""

    readers = IN_CONFIDENCE

    decision: Text


class AdviceNotFollowed(Event):
    readers = IN_CONFIDENCE

    reason: Text


LegalConsultationEvent: TypeAlias = LegalConsultationAsked | LegalAdviceGiven | AdviceFollowed | AdviceNotFollowed


class Status(StrEnum):
    """How far question and answer have come."""

    BLANK = auto()
    ASKED = auto()
    ANSWERED = auto()
    FOLLOWED = auto()
    NOT_FOLLOWED = auto()


class LegalConsultation(Value):
    """Advice binds nobody, but whoever acts against it says why."""

    status: Status = Status.BLANK
    asked_by_id: EmployeeId | None = None

    @command(by=(Role.EMPLOYEE,), clause="5.2.4-b", opens=True)
    def ask(
        self,
        by: Actor,
        at: datetime,
        question: Text,
        due: date,
        about_id: AnyId | None = None,
        facts: Text | None = None,
    ) -> LegalConsultationAsked:
        """Put a question to counsel, with what happened, and say by which day the answer is needed."""
        if self.status is not Status.BLANK:
            raise Refused("This was asked already: ask anew.")
        if due < at.date():
            raise Refused("An answer cannot be due before today: {due} is past.", due=due)
        return LegalConsultationAsked(
            question=question, about_id=about_id, due=due, asked_by_id=by.employee, facts=facts
        )

    @command(by=(Role.LEGAL,), clause="5.2.4-b")
    def advise(self, by: Actor, advice: Text) -> LegalAdviceGiven:
        """Answer; more may be said until it is decided what to do."""
        if self.status not in {Status.ASKED, Status.ANSWERED}:
            raise Refused("No question waits for advice here.")
        if by.speaks_for(self.asked_by_id):
            raise Refused("You asked this yourself: leave the answer to somebody else.")
        return LegalAdviceGiven(advice=advice)

    @command(by=(Role.EMPLOYEE,), clause="5.2.4-b")
    def follow(self, by: Actor, decision: Text) -> AdviceFollowed:
        """Say what was decided as counsel advised."""
        self._must_be_answered_to(by)
        return AdviceFollowed(decision=decision)

    @command(by=(Role.EMPLOYEE,), clause="5.2.4-b")
    def not_follow(self, by: Actor, reason: Text) -> AdviceNotFollowed:
        """Say why it was decided otherwise than counsel advised."""
        self._must_be_answered_to(by)
        return AdviceNotFollowed(reason=reason)

    def evolve(self, event: LegalConsultationEvent, /) -> LegalConsultation:
        match event:
            case LegalConsultationAsked(asked_by_id=asked_by_id):
                return LegalConsultation(status=Status.ASKED, asked_by_id=asked_by_id)
            case LegalAdviceGiven():
                return replace(self, status=Status.ANSWERED)
            case AdviceFollowed():
                return replace(self, status=Status.FOLLOWED)
            case AdviceNotFollowed():
                return replace(self, status=Status.NOT_FOLLOWED)
            case _:
                assert_never(event)

    def _must_be_answered_to(self, by: Actor) -> None:
        if self.status is not Status.ANSWERED:
            raise Refused("There is no advice here that waits for a decision.")
        if not by.speaks_for(self.asked_by_id):
            raise Refused("Only whoever asked says whether the advice was followed.")
