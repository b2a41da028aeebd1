"""What each event of a stream changed in what is known of its thing, field by field."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from aggregates.event import Recorded
from aggregates.ids import kind_of
from infra.codec import Codec, Line
from projections.reference import Reference
from projections.row import Row, View
from services.http.access import VIEW_OF

Change = dict[str, tuple[Any, Any]]


class History(NamedTuple):
    """What each event changed, and the row that came of them all: None where there is no such row, or no such view."""

    changes: list[Change]
    row: Row | None


def history_of(codec: Codec, stream_id: str, lines: Sequence[Line], reference: Reference) -> History:
    """What became known of a thing, event by event.

    An event that speaks of an earlier time than those before it is told by what it changed as of that time: of today it
    may change nothing. From an event on that the view cannot take the row stands still.
    """
    view = VIEW_OF.get(kind_of(stream_id))
    changes: list[Change] = []
    if view is None:
        return History([{} for _ in lines], None)
    taken = {event.__name__ for event in view.events}
    row, records, parked = None, list[Recorded[Any]](), False
    for line in lines:
        changes.append({})
        if parked or line.type not in taken:
            continue
        try:
            record = codec.recorded(line)
            fold = view.folds[type(record.event)]
            before = row
            if any(earlier.effective_at > record.effective_at for earlier in records):
                before = _as_of(view, records, record.effective_at, reference) or row
            changes[-1] = between(before, fold(before, record, reference))
            row = fold(row, record, reference)
            records.append(record)
        except Exception:  # whatever it is
            parked = True
    return History(changes, row)


def _as_of(view: View[Any], records: Iterable[Recorded[Any]], at: datetime, reference: Reference) -> Row | None:
    """The row as it was then, by what is known now."""
    row = None
    for record in records:
        fold = view.folds[type(record.event)]
        if record.effective_at <= at and (row is not None or fold.begins):
            row = fold(row, record, reference)
    return row


def fields_of(stream_id: str) -> tuple[str, ...]:
    """What can be known of a thing."""
    view = VIEW_OF.get(kind_of(stream_id))
    return () if view is None else view.row.__struct_fields__


def between(before: Row | None, after: Row | None) -> Change:
    """The fields that are not the same, with their values before and after."""
    was = {} if before is None else msgspec.to_builtins(before)
    now = {} if after is None else msgspec.to_builtins(after)
    return {name: (was.get(name), now.get(name)) for name in {**was, **now} if was.get(name) != now.get(name)}
