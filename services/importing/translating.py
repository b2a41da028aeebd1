"""What one case becomes: its rows as events, each with its part of the row, in the order of time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import NamedTuple

from aggregates.event import Admitting, Event, LegacyRecordImported
from aggregates.refused import Refused
from aggregates.text import Text
from services.importing.maps import PERSON, Becomes, Keep, Known, Map
from services.importing.staging import Case, Mention, Rejected, StagedRow, not_in_the_future


class Happening(NamedTuple):
    """An event, when it was true, of which row it is which part, and whose act it was.

    `on`: the stream that it lies on, where that is not the one of its case.
    """

    at: datetime
    place: int
    part: int
    row: StagedRow
    event: Event
    person: str | None
    mentions: tuple[Known, ...]
    undated: bool
    on: str | None = None


class Translated(NamedTuple):
    """A case as events in the order of time, the rows that could not go in, and who is mentioned where first."""

    name: str
    happenings: list[Happening]
    rows: int
    rejected: list[Rejected]
    mentions: dict[Known, Mention]


class _Flawed(Exception):
    """These rows, by their place, cannot go in, each for its reason."""

    def __init__(self, reasons: Mapping[int, Refused]) -> None:
        super().__init__()
        self.reasons = reasons


class Translator:
    """Reads rows by a map, once from the first to the last. `now`: what would be later than that is rejected.

    `others`: the streams beside those of the cases, as they are before the first row.
    """

    def __init__(self, plan: Map, now: datetime, others: Mapping[str, Admitting]) -> None:
        self.plan, self.now, self._others = plan, now, others
        self._said: dict[tuple[int, ...], tuple[frozenset[str], frozenset[tuple[str, str]]]] = {}

    def translate(self, case: Case) -> Translated:
        """All events of a case. A row that is rejected is as if it had never been: then the next one is the first."""
        rows, rejected = case.rows, list[Rejected]()
        while rows:
            try:
                happenings = self._happenings(rows)
            except _Flawed as flawed:
                rejected += [
                    Rejected(rows[place].line, case.name, rows[place].index, str(reason))
                    for place, reason in flawed.reasons.items()
                ]
                rows = [row for place, row in enumerate(rows) if place not in flawed.reasons]
            else:
                return Translated(case.name, happenings, len(rows), rejected, self._mentions(case.name, happenings))
        return Translated(case.name, [], 0, rejected, {})

    def _happenings(self, rows: Sequence[StagedRow]) -> list[Happening]:
        told: dict[str, str] = {}
        found: list[Happening] = []
        flaws: dict[int, Refused] = {}
        for place, row in enumerate(rows):
            try:
                found += self._row(place, row, len(rows), told)
            except Refused as reason:
                flaws[place] = reason
            told = dict.fromkeys(told, "") | row.fields
        found.sort(key=_in_time)
        if not self.plan.labelled:
            flaws = flaws or self._misbegun(found, rows)
        flaws = flaws or self._unfit(found)
        if flaws:
            raise _Flawed(flaws)
        return found

    def _row(self, place: int, row: StagedRow, rows: int, told: Mapping[str, str]) -> Iterator[Happening]:
        first, last = place == 0, place == rows - 1
        rules = tuple(n for n, rule in enumerate(self.plan.rules) if rule.takes(row.fields, first, last))
        becomes = [*chain.from_iterable(self.plan.rules[number].becomes for number in rules)]
        own = [one for one in becomes if one.on is None]
        part = 0
        for one in own:
            yield self._happening(place, part, row, one)
            part += 1
        rest = self._rest(rules if own else (), row.fields, told)
        if rest is not None:
            label = row.fields.get(self.plan.label, "") if self.plan.label else self.plan.source
            kept = LegacyRecordImported(label=Text(label), fields=rest)
            undated = self.plan.time.is_silent(row.fields)
            yield _happening(row.at, place, part, row, kept, self.plan.person, self._case_of(row.fields), undated)
            part += 1
        for one in becomes:
            if one.on is not None:
                yield self._happening(place, part, row, one)
                part += 1

    def _happening(self, place: int, part: int, row: StagedRow, one: Becomes) -> Happening:
        fields, now = row.fields, self.now
        at = row.at if one.at is self.plan.time else not_in_the_future(one.at.read(fields, now), now)
        event, mentions = one.of(fields, now), (*self._case_of(fields), *one.mentioned(fields))
        made = _happening(at, place, part, row, event, one.person, mentions, one.at.is_silent(fields))
        return made._replace(on=one.on) if one.on else made

    def _case_of(self, fields: Mapping[str, str]) -> tuple[Known, ...]:
        """Whom the case is about, where all files of the source call them so."""
        return ((self.plan.stream, fields[self.plan.case]),) if self.plan.labelled else ()

    def _rest(self, rules: tuple[int, ...], fields: dict[str, str], told: Mapping[str, str]) -> dict[str, Text] | None:
        """What the events of a row do not say and must be kept beside them; None if there is nothing."""
        if not rules or self.plan.keep is Keep.ALL:
            return {column: Text(text) for column, text in fields.items()}
        said, as_is = self._said_by(rules)
        if self.plan.keep is Keep.UNUSED:
            news: Iterable[tuple[str, str]] = ((column, text) for column, text in fields.items() if text)
        else:
            now = dict.fromkeys(told, "") | fields
            news = ((column, text) for column, text in now.items() if text != told.get(column, ""))
        rest = {column: Text(text) for column, text in news if column not in said and (column, text) not in as_is}
        if not rest:
            return None
        rest.pop(self.plan.label or "", None)
        return rest

    def _said_by(self, rules: tuple[int, ...]) -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
        """The columns that the events of these rules say, and texts of others that they say."""
        if rules not in self._said:
            taken = [self.plan.rules[number] for number in rules]
            columns = frozenset({self.plan.case}).union(self.plan.repeats, *(rule.says() for rule in taken))
            self._said[rules] = columns, frozenset().union(*(rule.says_as_is() for rule in taken))
        return self._said[rules]

    def _misbegun(self, found: Sequence[Happening], rows: Sequence[StagedRow]) -> dict[int, Refused]:
        """Rows that begin a case a second time, or that lie before its beginning; all, if it never begins."""
        begins = self.plan.begins
        starts = [happening for happening in found if type(happening.event) in begins]
        if not starts:
            return {
                place: Refused("Its case {case} never begins.", case=row.fields[self.plan.case])
                for place, row in enumerate(rows)
            }
        flaws: dict[int, Refused] = {}
        begun = starts[0].row.line
        for again in starts[1:]:
            flaws[again.place] = Refused("Its case has begun already, in line {line}.", line=begun)
        for happening in found:
            if happening is starts[0]:
                break
            if type(happening.event) is not LegacyRecordImported:
                flaws[happening.place] = Refused(
                    "Its {event} lies before the beginning of its case, which is in line {line}.",
                    event=type(happening.event).__name__,
                    line=begun,
                )
        return flaws

    def _unfit(self, found: Sequence[Happening]) -> dict[int, Refused]:
        """Rows of which something does not fit where it lies; if there are none, the streams there go on with it."""
        others, flaws = dict(self._others), dict[int, Refused]()
        for one in found:
            if one.on is not None:
                try:
                    if others[one.on].admits(one.event):
                        others[one.on] = others[one.on].evolve(one.event)
                except Refused as reason:
                    flaws.setdefault(one.place, reason)
        if not flaws:
            self._others = others
        return flaws

    def _mentions(self, case: str, happenings: Sequence[Happening]) -> dict[Known, Mention]:
        found: dict[Known, Mention] = {}
        counts = Counter[int]()
        for happening in happenings:
            row = happening.row
            for known in happening.mentions:
                if known not in found:
                    number = counts[row.index]
                    found[known] = Mention(case, row.index, row.line, number, happening.at, happening.undated)
                    counts[row.index] += 1
        return found


def _happening(
    at: datetime,
    place: int,
    part: int,
    row: StagedRow,
    event: Event,
    column: str | None,
    mentions: tuple[Known, ...],
    undated: bool,
) -> Happening:
    label = row.fields.get(column, "") if column else ""
    if not label:
        return Happening(at, place, part, row, event, None, mentions, undated)
    return Happening(at, place, part, row, event, label, (*mentions, (PERSON, label)), undated)


def _in_time(happening: Happening) -> tuple[datetime, int, int]:
    return happening.at, happening.place, happening.part
