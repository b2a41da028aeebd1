"""Folding: each event is decoded once, and shown to the views that take it, in the order it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC
from hashlib import sha256
from typing import Any, TypeAlias

from aggregates.event import Event, Recorded, attribution
from aggregates.ids import kind_of
from infra.read_model.lines import Decoding, Line, Poisoned
from infra.read_model.parking import Parking, Touched, Unreadable
from infra.read_model.references import REFERENCE_TYPES, ReferenceHistory, References, learn
from infra.read_model.selection import Selection
from infra.read_model.tables import Shelf, Table
from projections.parked import Parked
from projections.row import Fold, KeyOf, Row, Take, Unfounded, View

TRAIL = "trail_tag"
"""The audit trail by tag: asked for like a row type where only some are built."""

NO_IDS = b""
LONGEST_NAME = 63
BUILDING = "_new"
"""What the name of a schema ends with while it is being built."""

Shelves: TypeAlias = list[Shelf]
"""One for each table of an engine, in its order."""

Taker: TypeAlias = tuple[int, KeyOf, Take[Any], int | None]
"""Whose shelf, which row, the step; and the number of the view, if a stream makes one row of it."""

Taken: TypeAlias = tuple[Recorded[Any], Sequence[Taker], bool]
"""An event that somebody takes, who does, and whether any of them refers to reference data."""

Plan: TypeAlias = tuple[Callable[[bytes], Event] | None, Sequence[Taker], bool]


class Engine:
    """Some views, ready to fold. Several views may make rows of one type: the key says whose a row is.

    `singles`: of each view of which a stream makes one row, by its number, whose shelf that is, and which row on it.
    """

    def __init__(self, views: Sequence[View[Any]], codec: Decoding) -> None:
        self.views, self.codec = tuple(views), codec
        self.tables = [Table(row) for row in dict.fromkeys(view.row for view in views)]
        self.refers = any(fold.refers for view in views for fold in view.folds.values())
        self.types = sorted({event.__name__ for view in views for event in view.folds})
        self._slots = {table.row: slot for slot, table in enumerate(self.tables)}
        self.singles = {
            number: (self._slots[view.row], next(iter(view.keys.values())))
            for number, view in enumerate(self.views)
            if view.key.single and view.keys
        }
        self._plans = _Plans(self._plan)

    def shelves(self) -> Shelves:
        """Room for the rows of each table."""
        return [{} for _ in self.tables]

    def read(self, lines: Iterable[Line]) -> Iterator[Taken]:
        """Decode what somebody takes, and leave out the rest.

        What cannot be decoded is yielded all the same, and its takers' steps will fail; Poisoned if its rows cannot be
        known. Nobody sees the ids of an event here: chance made them, and no row may depend on them.
        """
        plans, last, kind = self._plans, "", ""
        for position, stream_id, version, name, schema, recorded_at, effective_at, actor_id, _, data, meta in lines:
            if stream_id == last:
                stream_id = last  # noqa: PLW2901  # one text for a stream's lines: its rows are found by it
            else:
                last, kind = stream_id, kind_of(stream_id)
            try:
                person, origin = attribution(actor_id, meta)
            except Exception as problem:
                raise Poisoned(position, stream_id, name, "whoever asks for its person", problem) from problem
            try:
                decode, takers, refers = plans[name, schema, kind]
                if decode is None:
                    continue
                event = decode(data)
            except Exception as problem:
                record = Recorded(
                    position, stream_id, version, recorded_at, effective_at, actor_id, NO_IDS, meta,
                    unread(name), person, origin,
                )  # fmt: skip
                yield record, self._failing_takers(record, problem), False
                continue
            record = Recorded(
                position, stream_id, version, recorded_at, effective_at, actor_id, NO_IDS, meta, event, person, origin
            )
            yield record, takers, refers

    def touched(self, taken: Iterable[Taken]) -> dict[Touched, None]:
        """Whose rows these events are about, each once. Poisoned if a view cannot say."""
        touched: dict[Touched, None] = {}
        for record, takers, _ in taken:
            for slot, key_of, step, _ in takers:
                try:
                    touched[slot, key_of(record)] = None
                except Exception as problem:
                    raise self.poisoned(record, slot, step, problem) from problem
        return touched

    def fold(
        self,
        taken: Iterable[Taken],
        shelves: Shelves,
        references: References,
        parking: Parking,
        *,
        of_the_past: bool = False,
    ) -> None:
        """Show each event to its takers, whose rows must be on the shelves. A row that cannot take it is parked.

        Poisoned if nobody can say whose row it is. In a selection of the past a change may come without the beginning
        it belongs to, which became true later; the row is not there yet, and stays so.
        """
        parked = parking.rows
        for record, takers, refers in taken:
            reference = references.at(record.position) if refers else None
            for slot, key_of, step, _ in takers:
                try:
                    key = key_of(record)
                except Exception as problem:
                    raise self.poisoned(record, slot, step, problem) from problem
                if parked and (slot, key) in parked:
                    parking.wait((slot, key))
                    continue
                shelf = shelves[slot]
                try:
                    shelf[key] = step(shelf.get(key), record, reference)
                except Exception as problem:
                    if not (of_the_past and isinstance(problem, Unfounded)):
                        parking.meet((slot, key), record, step, problem, has_row=shelf.get(key) is not None)

    def learn(self, lines: Iterable[Line], references: References) -> None:
        """Let the reference data learn from the lines that concern them. Poisoned if they cannot."""
        if self.refers:
            learn(references, (line for line in lines if line[3] in REFERENCE_TYPES), self.codec)

    def poisoned(self, record: Recorded[Any], slot: int, step: Take[Any], problem: BaseException) -> Poisoned:
        """Nobody can say whose row an event would change."""
        view = f"{self.tables[slot].row.__name__} ({getattr(step, '__name__', step)})"
        return Poisoned(record.position, record.stream_id, type(record.event).__name__, view, problem)

    def _plan(self, name: str, schema: int, kind: str) -> Plan:
        takers = list(self._takers(name, kind))
        if not takers:
            return None, (), False
        refers = any(fold.refers for _, fold, _ in takers)
        return self.codec.decoder(name, schema), tuple(taker for *_, taker in takers), refers

    def _takers(self, name: str, kind: str) -> Iterator[tuple[View[Any], Fold[Any], Taker]]:
        for number, view in enumerate(self.views):
            place = number if view.key.single else None
            for event, fold in view.folds.items():
                if event.__name__ == name and belongs(view, kind):
                    yield view, fold, (self._slots[view.row], view.keys[event], fold.alike(), place)

    def _failing_takers(self, record: Recorded[Any], problem: Exception) -> Sequence[Taker]:
        """Who would take an event that cannot be read. The stream says whose row it is; Poisoned where it does not."""
        name = type(record.event).__name__

        def cannot_be_read(*_: object) -> Row | None:
            raise Unreadable(name) from problem

        failing: list[Taker] = []
        for view, _, (slot, key_of, _, place) in self._takers(name, kind_of(record.stream_id)):
            try:
                if not is_own(view):
                    raise Unreadable(f"whose {view.row.__name__} it is stands in the event")
                key_of(record)
            except Exception as unknown:
                poisoned = Poisoned(record.position, record.stream_id, name, "the codec", problem)
                raise poisoned from unknown
            failing.append((slot, key_of, cannot_be_read, place))
        return failing


def unread(name: str) -> Any:
    """What stands for an event that cannot be read: it has its name, and nothing else."""
    return type(name, (), {})()


class _Plans(dict[tuple[str, int, str], Plan]):
    """What to do with an event of a type and schema on a kind of stream, found out when the first one comes."""

    def __init__(self, plan: Callable[[str, int, str], Plan]) -> None:
        self._plan = plan

    def __missing__(self, seen: tuple[str, int, str]) -> Plan:
        plan = self[seen] = self._plan(*seen)
        return plan


def belongs(view: View[Any], kind: str) -> bool:
    """Do events on this kind of stream concern the view? The imported and the refused lie on any kind."""
    return view.key.kind is None or view.key.kind == kind


def is_own(view: View[Any]) -> bool:
    """Is each row of this view made by one stream alone?"""
    return view.key.kind is not None


class ReadModel:
    """What one version of the code makes of the log. `fingerprint` stands for that version."""

    def __init__(self, views: Sequence[View[Any]], codec: Decoding, fingerprint: str, *, trail: bool = True) -> None:
        self.views, self.codec, self.fingerprint, self.trail = tuple(views), codec, fingerprint, trail
        self.schema = f"rm_{fingerprint}"
        self.engine = Engine(self.views, codec)
        self.references = ReferenceHistory(codec)
        self.parked = Table(Parked)
        self._engines: dict[View[Any], Engine] = {}
        names = [table.name for table in (*self.tables, self.parked)]
        if len(set(names)) < len(names):
            raise TypeError(f"two row types share a table: {sorted(names)}")
        if len(self.schema) > LONGEST_NAME - len(BUILDING):
            raise ValueError(f"{self.schema} is too long for the name of a schema")

    @property
    def tables(self) -> list[Table]:
        """One for each row type."""
        return self.engine.tables

    def engine_of(self, view: View[Any]) -> Engine:
        """An engine for one view alone, made once."""
        if view not in self._engines:
            self._engines[view] = Engine((view,), self.codec)
        return self._engines[view]

    def only(self, tables: Iterable[str]) -> ReadModel:
        """The part that fills these tables; KeyError if one is not of this model. Any row may be parked."""
        wanted, known = set(tables), {table.name: table.row for table in self.tables}
        if self.parked.name in wanted:
            wanted |= known.keys()
        rows: set[type[Row]] = {known[name] for name in wanted - {TRAIL, self.parked.name}}
        views = [view for view in self.views if view.row in rows]
        return ReadModel(views, self.codec, self.fingerprint, trail=TRAIL in wanted)

    def schema_of(self, tables: Iterable[str], selection: Selection) -> str:
        """Where these tables are kept as they were at other times."""
        times = [at and at.astimezone(UTC).isoformat() for at in (selection.as_of, selection.known_at)]
        asked = repr((sorted(set(tables)), times, *map(str, selection.supposing))).encode()
        return f"{self.schema}_{sha256(asked).hexdigest()[:16]}"
