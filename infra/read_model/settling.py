"""Settling: one row alone, folded again from zero, and held against its table where that may refuse it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias, get_type_hints

import psycopg

from aggregates.event import Recorded
from aggregates.ids import id_types_in, kind_of
from infra.read_model.engine import Engine, ReadModel, Taken, is_own
from infra.read_model.lines import LINE, Line
from infra.read_model.parking import Parking, Skip
from infra.read_model.references import References, read_references
from infra.read_model.selection import Selection
from infra.read_model.tables import Table, table_name
from projections.parked import Parked
from projections.row import KeyValue, Row, View, key_fields

Refuses: TypeAlias = Callable[[Table, KeyValue, Row], BaseException | None]
"""Why a table does not hold a row under a key; None: it does."""


class Settled(NamedTuple):
    """A row as it stands in its table, and why it does not move any more, if so; `known`: some event concerns it."""

    row: Row | None
    parked: Parked | None
    known: bool


def settle(
    db: psycopg.Connection[Any],
    model: ReadModel,
    table: str,
    key: KeyValue,
    until: int,
    selection: Selection,
    skips: Iterable[Skip],
    refuses: Refuses,
) -> Settled:
    """Fold one row of the model from all that a selection has up to a position.

    An event is left out if it is to be skipped and cannot be taken, be it by the step or by the table. A row is parked
    at the first event that its step cannot take, or behind which its table holds none of the states that follow.
    """
    engine = Engine([view for view in model.views if table_name(view.row) == table], model.codec)
    references = read_references(db, model.codec, until, selection) if engine.refers else References()
    taken = of_one_row(engine.read(_lines(db, engine.views, key, until, selection)), key)
    return _settled(engine, taken, key, references, Parking(engine.tables, skips), refuses, selection)


def of_one_row(taken: Iterable[Taken], key: KeyValue) -> Iterable[Taken]:
    """Of what is taken that which concerns the row under this key."""
    for record, takers, refers in taken:
        if ours := [taker for taker in takers if taker[1](record) == key]:
            yield record, ours, refers


def _settled(
    engine: Engine,
    taken: Iterable[Taken],
    key: KeyValue,
    references: References,
    parking: Parking,
    refuses: Refuses,
    selection: Selection,
) -> Settled:
    (table,) = engine.tables
    place = (0, key)
    shelves = engine.shelves()
    states: list[tuple[Recorded[Any] | None, Row | None]] = [(None, None)]
    known = False
    for each in taken:
        known, (record, *_) = True, each
        engine.fold([each], shelves, references, parking, of_the_past=selection.of_the_past)
        if place in parking.rows:
            continue
        row = shelves[0].get(key)
        if row is not None and parking.skips_at(place, record.position) and refuses(table, key, row) is not None:
            shelves[0][key] = states[-1][1]
            continue
        states.append((record, row))
    refused: tuple[Recorded[Any], BaseException] | None = None
    waiting = -1 if place not in parking.rows else parking.rows[place].waiting
    while (row := states[-1][1]) is not None and (problem := refuses(table, key, row)) is not None:
        record_or_none, _ = states.pop()
        assert record_or_none is not None  # noqa: S101  # only the blank state has none, and no row either
        refused, waiting = (record_or_none, problem), waiting + 1
    if refused is not None:
        parking.refuse(place, *refused, waiting, has_row=states[-1][1] is not None)
    return Settled(states[-1][1], parking.rows.get(place), known)


def named_in(view: View[Any], key: KeyValue) -> list[str]:
    """The ids of streams that a key of this view names: of its own stream, or whatever its fields say is an id."""
    parts = (key,) if isinstance(key, str) else key
    if is_own(view):
        return [part for part in parts if kind_of(part) == view.key.kind]
    hints = get_type_hints(view.row)
    ids = [next(id_types_in(hints[field]), None) is not None for field in key_fields(view.row)]
    return [part for part, is_id in zip(parts, ids, strict=True) if is_id]


def _lines(
    db: psycopg.Connection[Any], views: Iterable[View[Any]], key: KeyValue, until: int, selection: Selection
) -> list[Line]:
    """The lines that the row of one key is folded from, in the order of the log; others may be among them."""
    wanted: list[str] = []
    tags: list[str] = []
    for view in views:
        named = named_in(view, key)
        if is_own(view) and not named:
            continue
        wanted.append("l.stream_id = %s" if is_own(view) else "%s = ANY(l.tags)" if named else "true")
        tags += named[:1]
    types = sorted({event.__name__ for view in views for event in view.folds})
    with db.cursor(binary=True) as cursor:
        cursor.execute(
            f"SELECT {LINE} FROM yewu.log l WHERE ({' OR '.join(wanted) or 'false'}) AND l.type = ANY(%s)"
            f" AND l.position <= %s{selection.condition} ORDER BY l.position".encode(),
            (*tags, types, until),
        )
        return cursor.fetchall()
