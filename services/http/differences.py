"""What each event of a stream changed in what is known of its thing, field by field."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from aggregates.event import Recorded
from aggregates.ids import kind_of
from infra.codec import Codec
from projections.row import Row, View, key_fields
from services.composition import VIEWS

Change = dict[str, tuple[Any, Any]]


class Differences:
    """Compares the row of a thing before and after each event."""

    def __init__(self, codec: Codec, views: Iterable[View[Any]] = VIEWS) -> None:
        self._codec = codec
        self._views = {v.key.kind: v for v in views if v.key.kind is not None and len(key_fields(v.row)) == 1}

    def of(self, stream_id: str, history: Sequence[Recorded[Any]]) -> list[Change]:
        """For each event the fields it changed, with their values before and after."""
        view = self._views.get(kind_of(stream_id))
        if view is None:
            return [{} for _ in history]
        changes: list[Change] = []
        row: Row | None = None
        parked = False
        for record in history:
            fold = None if parked else view.folds.get(type(record.event))
            try:
                after = row if fold is None else fold(row, record)
            except Exception:  # whatever it is, the row stands still from here on
                after, parked = row, True
            changes.append(between(row, after))
            row = after
        return changes


def between(before: Row | None, after: Row | None) -> Change:
    """The fields that are not the same, with their values before and after."""
    was = {} if before is None else msgspec.to_builtins(before)
    now = {} if after is None else msgspec.to_builtins(after)
    return {name: (was.get(name), now.get(name)) for name in {**was, **now} if was.get(name) != now.get(name)}
