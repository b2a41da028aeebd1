"""What SQL must know of a row type: its table, its columns, and how its rows are copied, loaded and saved."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
import psycopg
from msgspec.structs import astuple
from psycopg.types.json import Jsonb

from projections.row import KeyValue, PartialIndex, Row, key_fields

Shelf: TypeAlias = dict[KeyValue, Row | None]
"""Rows of one table in memory. None: it is known that there is no such row."""

OUR_OWN = frozenset({"place", "part", "trail_tag"})
"""Tables that every schema has, whatever its views."""

COLUMN_TYPES: tuple[tuple[type, str], ...] = (
    (str, "text"),
    (bool, "bool"),
    (int, "int8"),
    (datetime, "timestamptz"),
    (date, "date"),
    (Decimal, "numeric"),
    (float, "float8"),
    (UUID, "uuid"),
)

COLUMN = {"text": 'text COLLATE "C"'}
"""How a column of a type is declared, where that is more than the type."""

to_json = msgspec.json.Encoder(order="deterministic").encode
"""Sets are sorted, so that the same row is always the same bytes."""


JSONB = b"\x01"
"""What PostgreSQL's binary form of a document begins with; its text follows. Written as bytes it needs no adapting."""


class Misplaced(ValueError):
    """A step made a row of another key than the one its view names for the event."""


REFUSALS = (
    psycopg.DataError, psycopg.errors.NotNullViolation, TypeError, ValueError, ArithmeticError, struct.error
)  # fmt: skip
"""What a table says to a row that it cannot hold: the server, or the driver before it."""


class Table:
    """One row type as PostgreSQL sees it. A type that no column can hold is a TypeError."""

    def __init__(self, row: type[Row]) -> None:
        hints = get_type_hints(row)
        self.row = row
        self.name = table_name(row)
        self.fields, self.keys = row.__struct_fields__, key_fields(row)
        columns = [column_type(hints[field], f"{row.__name__}.{field}") for field in self.fields]
        self.types = [kind for kind, _ in columns]
        self.wire = ["bytea" if kind == "jsonb" else kind for kind in self.types]
        self.required = [not nullable for _, nullable in columns]
        self.key_of: Callable[[Row], KeyValue] = attrgetter(*self.keys)
        self.decode: Callable[[str], Row] = msgspec.json.Decoder(row).decode
        self._documents = [place for place, kind in enumerate(self.types) if kind == "jsonb"]
        for key in self.keys:
            if columns[self.fields.index(key)] != ("text", False):
                raise TypeError(f"{row.__name__} is keyed by {key}, which is not a text that is always there")

    def lines(self, shelf: Shelf) -> Iterable[list[Any]]:
        """The rows of a shelf as they are copied, of the types of `wire`.

        Misplaced if one lies under a key that is not its own.
        """
        checked, documents = self.checked, self._documents
        for key, row in shelf.items():
            if row is None:
                continue
            line = list(astuple(checked(key, row)))
            for place in documents:
                if line[place] is not None:
                    line[place] = JSONB + to_json(line[place])
            yield line

    def line(self, row: Row) -> tuple[Any, ...]:
        """A row as parameters of a statement."""
        return tuple(
            Jsonb(value, dumps=to_json) if place in self._documents and value is not None else value
            for place, value in enumerate(astuple(row))
        )

    def checked(self, key: KeyValue, row: Row) -> Row:
        """The row, if it lies under its own key; else Misplaced."""
        if self.key_of(row) != key:
            raise Misplaced(f"a step made a row {self.key_of(row)} of {self.name} for an event about {key}")
        return row

    def key_as_row(self, key: KeyValue) -> dict[str, str]:
        """A key as the database is told of it."""
        return dict(zip(self.keys, (key,) if isinstance(key, str) else key, strict=True))

    def create(self, schema: str) -> str:
        """The table without any index: those come when it is full."""
        columns = ", ".join(
            _quoted(field) + " " + COLUMN.get(kind, kind) + (" NOT NULL" if must else "")
            for field, kind, must in zip(self.fields, self.types, self.required, strict=True)
        )
        return f"CREATE TABLE {schema}.{self.name} ({columns})"

    def index(self, schema: str) -> str:
        """Its key, and what the row type asks for."""
        wanted = [f"ALTER TABLE {schema}.{self.name} ADD PRIMARY KEY ({_list(self.keys)})"]
        for index in self.row.indexes:
            fields, where = index if isinstance(index, PartialIndex) else (index, None)
            only = "" if where is None else f" WHERE {where}"
            wanted.append(f"CREATE INDEX ON {schema}.{self.name} ({_list(fields)}){only}")
        return "; ".join(wanted)

    def copy(self, schema: str, *, freeze: bool = True) -> str:
        """What is written are `lines`, of the types of `wire`.

        `freeze`: into a table of the same transaction, not below a savepoint.
        """
        how = "FORMAT binary, FREEZE" if freeze else "FORMAT binary"
        return f"COPY {schema}.{self.name} ({_list(self.fields)}) FROM STDIN ({how})"

    def load(self, schema: str) -> str:
        """The part of `load` that finds rows of this table."""
        return f"""
    IF keys ? '{self.name}' THEN RETURN QUERY
        SELECT '{self.name}', to_json(t)::text FROM {self._set(schema, "keys")} k
          JOIN {schema}.{self.name} t ON {self._same()}; END IF;"""

    def save(self, schema: str) -> str:
        """The part of `save` that writes rows of this table."""
        rest = [field for field in self.fields if field not in self.keys]
        news = ", ".join(f'"{field}" = excluded."{field}"' for field in rest)
        fields = _list(self.fields)
        return f"""
    IF gone ? '{self.name}' THEN
        DELETE FROM {schema}.{self.name} t USING {self._set(schema, "gone")} k WHERE {self._same()}; END IF;
    IF made ? '{self.name}' THEN
        INSERT INTO {schema}.{self.name} ({fields}) SELECT {fields} FROM {self._set(schema, "made")}
        ON CONFLICT ({_list(self.keys)}) DO {f"UPDATE SET {news}" if rest else "NOTHING"}; END IF;"""

    def _set(self, schema: str, argument: str) -> str:
        return f"jsonb_populate_recordset(NULL::{schema}.{self.name}, {argument} -> '{self.name}')"

    def _same(self) -> str:
        return " AND ".join(f't."{key}" = k."{key}"' for key in self.keys)


def table_name(row: type[Row]) -> str:
    """`ComplaintRow` lies in `complaint_row`."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", row.__name__).lower()
    if name in OUR_OWN:
        raise TypeError(f"{row.__name__} would be kept in {name}, which every schema has for itself")
    return name


def column_type(annotation: Any, where: str) -> tuple[str, bool]:
    """The SQL type of a field, and whether it may be null."""
    members = get_args(annotation) if get_origin(annotation) in {Union, UnionType} else (annotation,)
    kinds = {_kind(member, where) for member in members if member is not NoneType}
    if len(kinds) != 1:
        raise TypeError(f"{where} is of several types: no column can hold {annotation}")
    return kinds.pop(), NoneType in members


def _kind(annotation: Any, where: str) -> str:
    while hasattr(annotation, "__supertype__"):
        annotation = annotation.__supertype__
    if get_origin(annotation) is Literal:
        annotation = type(get_args(annotation)[0])
    if get_origin(annotation) is not None or annotation in {tuple, list, dict, frozenset}:
        return "jsonb"
    if isinstance(annotation, type):
        if issubclass(annotation, msgspec.Struct):
            return "jsonb"
        for python, kind in COLUMN_TYPES:
            if issubclass(annotation, python):
                return kind
        if issubclass(annotation, Enum):
            raise TypeError(f"{where} is an enumeration of no type: make it a StrEnum")
    raise TypeError(f"{where}: no column can hold {annotation}")


def _list(names: Iterable[str]) -> str:
    return ", ".join(map(_quoted, names))


def _quoted(name: str) -> str:
    return f'"{name}"'
