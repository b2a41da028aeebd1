"""Which events count: those that were true by one time, and known by another; and what is supposed of parameters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from psycopg import sql

from aggregates.event import Recorded
from aggregates.ids import THE_PARKING
from aggregates.value import Value


class Supposed(Value):
    """A value of a parameter that it never had, in the unit that it has: P-05, S2, 3."""

    parameter: str
    name: str
    amount: Decimal

    def __str__(self) -> str:
        return f"{self.parameter} {self.name} {self.amount}"

    @classmethod
    def read(cls, written: str) -> Supposed:
        """What `str` wrote."""
        parameter, name, amount = written.split()
        return cls(parameter=parameter, name=name, amount=Decimal(amount))


class Selection(Value):
    """What was true at `as_of` (effective by then) as it was known at `known_at` (recorded by then). None: no limit.

    `supposing`: as if parameters had always had these values.
    """

    as_of: datetime | None = None
    known_at: datetime | None = None
    supposing: tuple[Supposed, ...] = ()

    def takes(self, record: Recorded[Any]) -> bool:
        """Does this event count?"""
        return (self.as_of is None or record.effective_at <= self.as_of) and (
            self.known_at is None or record.recorded_at <= self.known_at
        )

    @property
    def condition(self) -> str:
        """The same for SQL, to stand behind another condition about `yewu.log l`.

        What a row goes on without is not a matter of what was true, only of what was known.
        """
        limits = ""
        if self.as_of is not None:
            limits += f" AND (l.effective_at <= {_literal(self.as_of)} OR l.stream_id = '{THE_PARKING}')"
        return limits if self.known_at is None else f"{limits} AND l.recorded_at <= {_literal(self.known_at)}"

    @property
    def moment(self) -> datetime | None:
        """The moment it speaks of: when that was true, else when that was known, but never one to come."""
        at = self.as_of or self.known_at
        return at and min(at, datetime.now(UTC))

    @property
    def of_the_past(self) -> bool:
        """Are some events left out, so that a change may be seen without the beginning it belongs to?"""
        return self.as_of is not None

    def is_month_end(self, zone: tzinfo) -> bool:
        """Does each of its times lie in the last second of a month? Those are asked for again and again."""
        times = [at.astimezone(zone) for at in (self.as_of, self.known_at) if at is not None]
        return bool(times) and not self.supposing and all((at + timedelta(seconds=1)).month != at.month for at in times)


EVERYTHING = Selection()


def _literal(at: datetime) -> str:
    return sql.Literal(at.astimezone(UTC)).as_string()
