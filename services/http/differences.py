"""What each event of a stream changed in what is known of its thing, field by field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from aggregates.ids import kind_of
from infra.codec import Codec, Line
from projections.row import Row
from services.http.access import VIEW_OF

Change = dict[str, tuple[Any, Any]]


def rows_after(codec: Codec, stream_id: str, history: Sequence[Line]) -> list[Row | None]:
    """The row of a thing after each of its events; None where there is no such row, or no such view.

    From an event on that the view cannot take the row stands still.
    """
    view = VIEW_OF.get(kind_of(stream_id))
    if view is None:
        return [None for _ in history]
    taken = {event.__name__ for event in view.events}
    rows: list[Row | None] = []
    row: Row | None = None
    parked = False
    for line in history:
        if line.type in taken and not parked:
            try:
                record = codec.recorded(line)
                row = view.folds[type(record.event)](row, record)
            except Exception:  # whatever it is
                parked = True
        rows.append(row)
    return rows


def between(before: Row | None, after: Row | None) -> Change:
    """The fields that are not the same, with their values before and after."""
    was = {} if before is None else msgspec.to_builtins(before)
    now = {} if after is None else msgspec.to_builtins(after)
    return {name: (was.get(name), now.get(name)) for name in {**was, **now} if was.get(name) != now.get(name)}
