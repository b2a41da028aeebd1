"""What a map says: how a file is written, what its rows become, and from which columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, time
from enum import StrEnum, auto
from functools import lru_cache
from itertools import chain
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from aggregates.event import Admitting, Event
from aggregates.refused import Refused
from aggregates.value import Value

Fields: TypeAlias = Mapping[str, str]
Known: TypeAlias = tuple[str, str]
"""Somebody whom a row mentions: kind and label."""

PERSON = "employee"
IMPORT = "import"
"""The time that every map knows: when the import runs."""


class Xes(Value):
    """The event logs of process mining. The encoding is the one the file declares, unless it is given here."""

    encoding: str | None = None


class Csv(Value):
    """Values between delimiters. `columns` are their names, where the header does not say them well or is missing."""

    encoding: str
    delimiter: str
    quote: str
    header: bool
    columns: tuple[str, ...]


class Keep(StrEnum):
    """What of a row is kept beside its events: all of it, what they do not say, or only what is new of that."""

    ALL = auto()
    UNUSED = auto()
    CHANGED = auto()


class Time(Value):
    """A column that says when. `format` as in strptime, none for ISO 8601; `hour` is meant where only a day is said.

    `or_import`: where it says nothing, the time of the import is meant. The import itself has no column.
    """

    column: str | None
    format: str | None
    hour: time
    zone: ZoneInfo
    or_import: bool = False

    def read(self, fields: Fields, now: datetime) -> datetime:
        """The instant that a row says, in UTC; Refused if its column holds none. `now`: when it is imported."""
        if text := fields.get(self.column or ""):
            return self.of(text)
        if self.or_import:
            return now
        raise Refused("Column {column} is empty.", column=self.column)

    def is_silent(self, fields: Fields) -> bool:
        """Does a row say nothing of it?"""
        return not fields.get(self.column or "")

    def of(self, text: str) -> datetime:
        """The instant that a text says, in UTC; where it says no zone, that of the source."""
        try:
            at = _read(text, self.format)
            if not self._says_an_hour(text):
                at = datetime.combine(at.date(), self.hour)
            return (at if at.tzinfo else at.replace(tzinfo=self.zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            raise Refused(
                "{value} in column {column} is no date of the form {form}.",
                value=text,
                column=self.column,
                form=self.format or "ISO 8601",
            ) from None

    def _says_an_hour(self, text: str) -> bool:
        if self.format is None:
            return len(text) > len("2026-03-02")
        return any(f"%{sign}" in self.format for sign in "HIcX")


@lru_cache(maxsize=10_000)
def _read(text: str, form: str | None) -> datetime:
    """Without a zone where the text says none. Files say the same days again and again."""
    return datetime.strptime(text, form) if form else datetime.fromisoformat(text)  # noqa: DTZ007


class Field(Value):
    """How one field of an event is filled: `read` makes it from the text of the column, empty where there is none.

    `says_it_all`: the text of the column can be read in the event; if not of every text, then of those in `as_is`.
    `refers`: it is the label of somebody of that kind. `at_import`: what is meant where the column says no time.
    """

    name: str
    column: str | None
    read: Callable[[str], Any]
    says_it_all: bool = False
    as_is: frozenset[str] = frozenset()
    refers: str | None = None
    at_import: Callable[[datetime], Any] | None = None

    def of(self, fields: Fields, now: datetime) -> Any:
        """What stands in it; Refused if the column does not hold what it needs."""
        text = fields.get(self.column or "", "")
        return self.at_import(now) if self.at_import and not text else self.read(text)


class Condition(Value):
    """One column must hold one of these texts, or none of them."""

    column: str
    texts: frozenset[str]
    wanted: bool = True

    def holds(self, fields: Fields) -> bool:
        return (fields.get(self.column, "") in self.texts) is self.wanted


class Becomes(Value):
    """One event that a row becomes, when it was, and whose act it was.

    `on`: the stream that it lies on, where that is not the one of its case.
    """

    event: type[Event]
    at: Time
    person: str | None
    fields: tuple[Field, ...]
    on: str | None = None

    def of(self, fields: Fields, now: datetime) -> Event:
        """The event; Refused if a column does not hold what it needs. `now`: when it is imported."""
        return self.event(**{field.name: field.of(fields, now) for field in self.fields})

    def mentioned(self, fields: Fields) -> tuple[Known, ...]:
        """Whom its fields mention."""
        return tuple(
            (field.refers, label)
            for field in self.fields
            if field.refers and (label := fields.get(field.column or "", ""))
        )


class Rule(Value):
    """Which rows become which events."""

    first: bool
    last: bool
    conditions: tuple[Condition, ...]
    becomes: tuple[Becomes, ...]

    @property
    def own(self) -> tuple[Becomes, ...]:
        """What lies on the stream of the case; elsewhere it might be there already, and says nothing of this row."""
        return tuple(one for one in self.becomes if one.on is None)

    def takes(self, fields: Fields, first: bool, last: bool) -> bool:
        return (
            (first or not self.first)
            and (last or not self.last)
            and all(condition.holds(fields) for condition in self.conditions)
        )

    def says(self) -> Iterable[str]:
        """The columns whose texts are plain from the events of the case alone."""
        if self.own:
            yield from (test.column for test in self.conditions if test.wanted and len(test.texts) == 1)
        for one in self.own:
            if one.at.column:
                yield one.at.column
            yield from (field.column for field in one.fields if field.column and field.says_it_all)
            if one.person:
                yield one.person

    def says_as_is(self) -> Iterable[tuple[str, str]]:
        """Columns with those of their texts that a translation leaves as they are."""
        for field in chain.from_iterable(one.fields for one in self.own):
            yield from ((field.column, text) for text in field.as_is if field.column)


class Registration(Value):
    """How somebody who is mentioned is put on file: an event, and which of its fields hold the label."""

    event: type[Event]
    labels: tuple[str, ...]
    constants: Mapping[str, Any]

    def of(self, label: str) -> Event:
        return self.event(**dict.fromkeys(self.labels, label), **self.constants)


class Map(Value):
    """All that is said about the files of one source. `named`: each column, and where the map names it.

    `repeats`: columns that only repeat what others say. `labelled`: a case is whoever all files of the source call so.
    `others`: streams that rows say something of beside their cases, and what those are.
    """

    name: str
    source: str
    form: Xes | Csv
    stream: str
    begins: frozenset[type[Event]]
    case: str
    labelled: bool
    time: Time
    person: str | None
    label: str | None
    keep: Keep
    repeats: frozenset[str]
    rules: tuple[Rule, ...]
    registrations: Mapping[str, Registration]
    others: Mapping[str, type[Admitting]]
    named: Mapping[str, str]

    @property
    def tells(self) -> tuple[str, ...]:
        """The events that rows of this source may become, and the fields of them that it fills, in order."""
        made = [(one.event.__name__, field.name) for rule in self.rules for one in rule.becomes for field in one.fields]
        events = [one.event.__name__ for rule in self.rules for one in rule.becomes]
        return tuple(sorted({*events, *(f"{event}.{field}" for event, field in made)}))

    def check_columns(self, there: Iterable[str], file: str) -> None:
        """Refused if the map names a column that the file does not have."""
        found = set(there)
        for column, where in self.named.items():
            if column not in found:
                raise Refused(
                    "{where}: {file} has no column {column}; it has {columns}.",
                    where=where,
                    file=file,
                    column=column,
                    columns=", ".join(sorted(found)),
                )
