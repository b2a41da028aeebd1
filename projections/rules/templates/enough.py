"""How much is enough of what must be known before something: Completeness, by a share of its parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, get_args, get_type_hints

from msgspec import UNSET
from msgspec.structs import replace

from aggregates.event import Event, Recorded
from projections.reference import Reference
from projections.rules.duty import DONE, OWED, SHELVED, UNDETERMINABLE, DutyRow
from projections.rules.rule import Events, Handler
from projections.rules.templates.following import Completeness
from projections.rules.templates.verdicts import answered
from projections.rules.term import Limit


class CompletenessByShare(Completeness):
    """After one of `on`, so much of the `parts` in percent, by the version in force then, is there before any of
    `before`, each time anew.

    What is told of a part holds from when it is true: the news of an earlier time, told later, change nothing. `ended`:
    of some parts there may be several, each under a value of the field that is called as the part is; these events
    say which of them is no more.
    """

    def __init__(self, *args: Any, share: Limit, ended: Mapping[type[Event], str] | None = None, **more: Any) -> None:
        super().__init__(*args, **more)
        self.share, self.ended = share, ended or {}
        self.single = False  # what came may be gone again
        self._several = frozenset(self.ended.values())
        self._for_good = frozenset(
            name for name, part in self.parts.items() if name not in self._several and not _can_be_emptied(*part)
        )

    def cites(self) -> Iterator[str]:
        yield from super().cites()
        yield self.share.parameter

    def handlers(self) -> Iterator[tuple[type[Event], Handler]]:
        yield from super().handlers()
        yield from ((event, self.end_one) for event in self.ended)

    def use(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        """From here on enough of it must have been there."""
        if row is None or row.state is SHELVED or row.verdict is UNDETERMINABLE:
            return row
        version = self.share.version(reference, record.effective_at)
        enough = self.share.quantity(version, self.share.value)
        if version is None or enough is None:
            return self.done(row, record, UNDETERMINABLE)
        row = replace(row, version=version.position)
        if 100 * len(row.evidence or {}) < enough.amount * len(self.parts):
            return self.missed(row, record, reference)
        return self.done(row, record)

    def note(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        """Some of it has come, perhaps the last, or is there no more."""
        if row is None or row.state not in {OWED, DONE}:
            return row
        event, at = record.event, record.effective_at
        known, since = dict(row.evidence or {}), dict(row.parties or {})
        for name, field in self.brought[type(event)]:
            value = True if field is None else getattr(event, field)
            if name in known and name in self._for_good:
                continue
            if name in self._several:
                since[f"{name} {value}"] = at.isoformat()
            elif value is UNSET or (name in since and at < datetime.fromisoformat(since[name])):
                continue
            elif type(event) not in self.on and name not in self._for_good:
                since[name] = at.isoformat()
            if value is None:
                known.pop(name, None)
            else:
                known.setdefault(name, record.position)
        return self._told(row, known, since, record, reference)

    def end_one(self, row: DutyRow | None, record: Recorded[Any], reference: Reference) -> DutyRow | None:
        """One of several is no more, perhaps the last."""
        if row is None or row.state not in {OWED, DONE}:
            return row
        name = self.ended[type(record.event)]
        known, since = dict(row.evidence or {}), dict(row.parties or {})
        since.pop(f"{name} {getattr(record.event, name)}", None)
        if not any(left.startswith(f"{name} ") for left in since):
            known.pop(name, None)
        return self._told(row, known, since, record, reference)

    def _told(
        self, row: DutyRow, known: dict[str, int], since: dict[str, str], record: Recorded[Any], reference: Reference
    ) -> DutyRow:
        if known == (row.evidence or {}) and since == (row.parties or {}):
            return row
        row = replace(row, evidence=known, parties=since)
        if row.state is DONE or len(known) < len(self.parts):
            return row
        return answered(self, row, record, reference)


def _can_be_emptied(events: Events, field: str | None) -> bool:
    """May one of these events say that there is none any more?"""
    return field is not None and any(type(None) in get_args(get_type_hints(event)[field]) for event in events)
