"""What each event of a stream changed in what is known of its thing, field by field."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from aggregates.ids import kind_of
from infra.codec import Codec, Line
from projections.row import Row, View, key_fields
from services.composition import VIEWS

Change = dict[str, tuple[Any, Any]]


class Differences:
    """Compares the row of a thing before and after each event."""

    def __init__(self, codec: Codec, views: Iterable[View[Any]] = VIEWS) -> None:
        self._codec = codec
        self._views = {v.key.kind: v for v in views if v.key.kind is not None and len(key_fields(v.row)) == 1}

    def of(self, stream_id: str, history: Sequence[Line]) -> list[Change]:
        """For each event the fields it changed, with their values before and after.

        From an event on that the view cannot take there are none: there the row stands still.
        """
        view = self._views.get(kind_of(stream_id))
        if view is None:
            return [{} for _ in history]
        taken = {event.__name__ for event in view.events}
        changes: list[Change] = []
        row: Row | None = None
        parked = False
        for line in history:
            after = row
            if line.type in taken and not parked:
                try:
                    record = self._codec.recorded(line)
                    after = view.folds[type(record.event)](row, record)
                except Exception:  # whatever it is
                    parked = True
            changes.append(between(row, after))
            row = after
        return changes


def between(before: Row | None, after: Row | None) -> Change:
    """The fields that are not the same, with their values before and after."""
    was = {} if before is None else msgspec.to_builtins(before)
    now = {} if after is None else msgspec.to_builtins(after)
    return {name: (was.get(name), now.get(name)) for name in {**was, **now} if was.get(name) != now.get(name)}
