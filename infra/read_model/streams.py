"""Folding stream by stream: a row is found by its view for as long as its stream lasts, and then it is finished."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from aggregates.event import Recorded
from infra.read_model.engine import Engine, Shelves, Taken
from infra.read_model.parking import Parking, Touched
from infra.read_model.references import References
from projections.row import KeyOf, Row, Take, Unfounded

Place: TypeAlias = int | Touched
"""Where a row lies: under the number of its view, or under its key if a stream makes several rows of that view."""


class StreamByStream:
    """Does to each event what `Engine.fold` does, if events come sorted by stream and each row is made by one stream
    alone. The shelves get the rows of a stream when the next one begins, those of the last when it is `over`.
    """

    def __init__(
        self, engine: Engine, shelves: Shelves, references: References, parking: Parking, *, of_the_past: bool
    ) -> None:
        self._engine, self._shelves, self._references, self._parking = engine, shelves, references, parking
        self._of_the_past = of_the_past
        self._first: Recorded[Any] | None = None
        self._rows: dict[Place, Row | None] = {}
        self._still = set[Place]()

    def fold(self, taken: Iterable[Taken]) -> None:
        """Show each event to its takers. A row that cannot take it is parked; Poisoned as in `Engine.fold`."""
        rows, still, references = self._rows, self._still, self._references
        stream = self._first and self._first.stream_id
        for record, takers, refers in taken:
            if record.stream_id != stream:
                self.over()
                self._first, stream = record, record.stream_id
            reference = references.at(record.position) if refers else None
            for slot, key_of, step, number in takers:
                place = self._place(record, slot, key_of, step) if number is None else number
                if still and place in still:
                    self._parking.wait((slot, key_of(record)))
                    continue
                try:
                    rows[place] = step(rows.get(place), record, reference)
                except Exception as problem:
                    if not (self._of_the_past and isinstance(problem, Unfounded)):
                        self._meet(place, (slot, key_of(record)), record, step, problem)

    def over(self) -> None:
        """The stream has ended: its rows are finished."""
        first, singles = self._first, self._engine.singles
        if first is None:
            return
        for place, row in self._rows.items():
            if row is not None:
                slot, key = place if isinstance(place, tuple) else (singles[place][0], singles[place][1](first))
                self._shelves[slot][key] = row
        self._rows.clear()
        self._still.clear()

    def _place(self, record: Recorded[Any], slot: int, key_of: KeyOf, step: Take[Any]) -> Place:
        try:
            return slot, key_of(record)
        except Exception as problem:
            raise self._engine.poisoned(record, slot, step, problem) from problem

    def _meet(self, place: Place, touched: Touched, record: Recorded[Any], step: Take[Any], problem: Exception) -> None:
        self._parking.meet(touched, record, step, problem, has_row=self._rows.get(place) is not None)
        if touched in self._parking.rows:
            self._still.add(place)
