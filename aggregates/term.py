"""How long something holds."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable
from datetime import datetime

from msgspec.structs import replace

from aggregates.value import Value


def months_after(at: datetime, months: int) -> datetime:
    """The same day and time so many months later, or the last day of a month that has no such day."""
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    return at.replace(year=year, month=month + 1, day=min(at.day, monthrange(year, month + 1)[1]))


class Term(Value):
    """A time from an instant on, up to but without another, or without end."""

    since: datetime
    until: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Does that instant lie in it?"""
        return self.since <= at and (self.until is None or at < self.until)

    def meets(self, other: Term) -> bool:
        """Do the two have an instant in common?"""
        ends = [term.until for term in (self, other) if term.until is not None]
        return not ends or max(self.since, other.since) < min(ends)

    def within(self, terms: Iterable[Term]) -> bool:
        """Does each of its instants lie in one of these?"""
        reached = self.since
        for term in sorted(terms, key=lambda t: t.since):
            if term.since > reached:
                break
            if term.until is None:
                return True
            reached = max(reached, term.until)
        return self.until is not None and self.until <= reached

    def ended(self, at: datetime) -> Term:
        """The same, but over at that instant; what would have begun later never comes."""
        return self if self.until is not None and self.until <= at else replace(self, until=at)
