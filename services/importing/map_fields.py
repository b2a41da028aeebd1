"""How a map fills the fields of an event: from which columns, by which translations; checked against the event."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from types import NoneType
from typing import Any, NamedTuple, get_args, get_type_hints

import msgspec
from msgspec import NODEFAULT, UnsetType

from aggregates.event import Event
from aggregates.ids import KIND_OF_STREAM
from aggregates.refused import Refused
from aggregates.text import Code, Personal, Text
from aggregates.value import Value
from services.importing.identities import known_id
from services.importing.maps import Field, Registration, Time

WAYS = ("text", "code", "number", "date", "empty")
OPTIONS = frozenset({"values", "default", "decimal", "thousands"})


class Slot(NamedTuple):
    """What a field of an event takes. `empty`: what an empty column means there; NODEFAULT if it may not be empty."""

    event: str
    field: str
    annotation: Any
    base: Any
    empty: Any

    def fitting(self, value: object, where: str) -> Any:
        """The value as the event wants it."""
        try:
            return msgspec.convert(value, self.annotation)
        except msgspec.ValidationError:
            if isinstance(self.base, type) and issubclass(self.base, Enum):
                choices = ", ".join(str(one.value) for one in self.base)
                raise Refused(
                    "{where}: {value} is none of {choices}.", where=where, value=value, choices=choices
                ) from None
            raise Refused("{where}: {value} is no {type}.", where=where, value=value, type=self.takes) from None

    @property
    def takes(self) -> str:
        """The name of what it takes."""
        return str(getattr(self.base, "__name__", self.base))


def slot(event: type[Event], name: str, where: str) -> Slot:
    """The field of that name; Refused if the event has none."""
    fields = {field.name: field for field in msgspec.structs.fields(event)}
    if name not in fields:
        raise Refused(
            "{where}: {event} has no {field}; it has {fields}.",
            where=where,
            event=event.__name__,
            field=name,
            fields=", ".join(fields) or "no fields",
        )
    annotation = get_type_hints(event)[name]
    parts = get_args(annotation)
    others = [part for part in parts if part not in (NoneType, UnsetType)]
    base = others[0] if len(others) == 1 < len(parts) else annotation
    empty = None if NoneType in parts and fields[name].required else fields[name].default
    return Slot(event.__name__, name, annotation, base, empty)


class FieldMaker(Value):
    """What a map says that fields may refer to. `seen` is told which column is named where."""

    source: str
    kinds: Set[str]
    registered: Set[str]
    translations: Mapping[str, Mapping[str, Any]]
    times: Mapping[str, Time]
    seen: Callable[[str, str], str]

    def fields(
        self, event: type[Event], written: Mapping[str, Mapping[str, Any]], where: str, filled: Set[str] = frozenset()
    ) -> Iterator[Field]:
        """A field for each that is written; Refused if one is wrong, or one that the event needs is missing."""
        for name, spec in written.items():
            place = f"{where}, fields.{name}"
            yield self._field(name, spec, slot(event, name, place), place)
        left_out = [
            slot(event, field.name, where)
            for field in msgspec.structs.fields(event)
            if field.required and field.name not in written and field.name not in filled
        ]
        if missing := ", ".join(one.field for one in left_out if one.empty is NODEFAULT):
            raise Refused("{where}: {event} needs {fields}.", where=where, event=event.__name__, fields=missing)
        yield from (Field(name=one.field, column=None, read=lambda _: None) for one in left_out)

    def registration(self, event: type[Event], written: Mapping[str, Mapping[str, Any]], where: str) -> Registration:
        """How somebody is put on file: fields that hold the label, and constants."""
        labels = frozenset(name for name, spec in written.items() if spec == {"label": True})
        if not labels:
            raise Refused("{where}: one field must hold the label: {example}.", where=where, example="{ label = true }")
        for name in labels:
            if slot(event, name, f"{where}, fields.{name}").base not in (Code, Text, Personal):
                raise Refused("{where}, fields.{field}: a label is text.", where=where, field=name)
        others = {name: spec for name, spec in written.items() if name not in labels}
        for name, spec in others.items():
            if "constant" not in spec:
                raise Refused(
                    "{where}, fields.{field}: of somebody mentioned only the label is known; say a constant.",
                    where=where,
                    field=name,
                )
        constants = {field.name: field.read("") for field in self.fields(event, others, where, labels)}
        return Registration(event=event, labels=tuple(labels), constants=constants)

    def must_register(self, kind: str, where: str) -> None:
        """Refused if the map does not say how somebody of that kind is put on file."""
        if kind not in self.registered:
            raise Refused("{where}: say under register.{kind} how one is put on file.", where=where, kind=kind)

    def time(self, name: str, where: str) -> Time:
        """The time of that name."""
        if name not in self.times:
            raise Refused(
                "{where}: there is no time called {name}; there is {names}.",
                where=where,
                name=name,
                names=", ".join(self.times),
            )
        return self.times[name]

    def _field(self, name: str, spec: Mapping[str, Any], slot: Slot, where: str) -> Field:
        ways = [key for key in spec if key not in OPTIONS]
        if len(ways) != 1 or ways[0] not in (*WAYS, "constant", *self.kinds):
            known = ", ".join([*WAYS, "constant", *sorted(self.registered)])
            raise Refused("{where}: say one of {ways}.", where=where, ways=known)
        (way,) = ways
        if way == "constant":
            value = slot.fitting(spec[way], where)
            return Field(name=name, column=None, read=lambda _: value)
        if not isinstance(spec[way], str):
            raise Refused("{where}: {way} wants the name of a column.", where=where, way=way)
        if way in self.kinds:
            return self._reference(name, way, spec, slot, where)
        time = self.time(spec[way], where) if way == "date" else None
        column: str | None = time.column if time else spec[way]
        parse = self._parser(way, spec, slot, time, where)
        values = {text: slot.fitting(value, where) for text, value in self._values(spec, where).items()}
        otherwise = slot.fitting(spec["default"], where) if "default" in spec else NODEFAULT
        return Field(
            name=name,
            column=column and self.seen(column, where),
            read=_reading(column or "", parse, values, otherwise, True if way == "empty" else slot.empty),
            # a day does not say the hour, a default not what it stands for
            says_it_all=not values and otherwise is NODEFAULT and slot.base not in (date, bool),
            as_is=frozenset(text for text, value in values.items() if text == value),
            at_import=_as(slot.base, time) if time and time.or_import and otherwise is NODEFAULT else None,
        )

    def _reference(self, name: str, kind: str, spec: Mapping[str, Any], slot: Slot, where: str) -> Field:
        if KIND_OF_STREAM.get(slot.base) != kind:
            raise _mistaken(slot, kind, where)
        if len(spec) > 1:
            raise Refused("{where}: {kind} takes the label as it is; leave the rest out.", where=where, kind=kind)
        self.must_register(kind, where)
        column = self.seen(spec[kind], where)
        read = _reading(column, lambda label: known_id(kind, self.source, label), {}, NODEFAULT, slot.empty)
        return Field(name=name, column=column, read=read, says_it_all=True, refers=kind)

    def _parser(
        self, way: str, spec: Mapping[str, Any], slot: Slot, time: Time | None, where: str
    ) -> Callable[[str], Any]:
        """What makes a value of the text of a column."""
        base = slot.base
        match way:
            case "text" if base in (Text, Personal):
                return str
            case "code" if base is Code or "values" in spec:
                return str
            case "code" if isinstance(base, type) and issubclass(base, Enum):
                return base
            case "number" if base in (Decimal, int, float):
                return _number(base, spec.get("decimal", "."), spec.get("thousands", ""))
            case "date" if time and base in (date, datetime):
                shape = _as(base, time)
                return lambda text: shape(time.of(text))
            case "empty" if base is bool and len(spec) == 1:
                return lambda _: False
            case _:
                raise _mistaken(slot, way, where)

    def _values(self, spec: Mapping[str, Any], where: str) -> Mapping[str, Any]:
        values = spec.get("values", {})
        table = self.translations.get(values) if isinstance(values, str) else values
        if not isinstance(table, dict):
            raise Refused("{where}: there is no table translations.{name}.", where=where, name=values)
        return table


def _reading(
    column: str, parse: Callable[[str], Any], values: Mapping[str, Any], otherwise: Any, empty: Any
) -> Callable[[str], Any]:
    """From the text of a column to a value: translated, parsed, or else the default; Refused if all that fails."""
    if_empty = empty if otherwise is NODEFAULT else otherwise

    def read(text: str) -> Any:
        if text in values:
            return values[text]
        if not text and if_empty is not NODEFAULT:
            return if_empty
        if not text:
            raise Refused("Column {column} is empty.", column=column)
        if not values:
            try:
                return parse(text)
            except (ValueError, InvalidOperation, Refused):
                if otherwise is NODEFAULT:
                    raise Refused("{value} makes no sense in column {column}.", value=text, column=column) from None
        if otherwise is NODEFAULT:
            raise Refused("The map does not know {value} in column {column}.", value=text, column=column)
        return otherwise

    return read


def _as(base: Any, time: Time) -> Callable[[datetime], date]:
    """Makes of an instant what a field takes: itself, or its day in the zone of the source."""
    return (lambda at: at) if base is datetime else lambda at: at.astimezone(time.zone).date()


def _number(base: Any, decimal: str, thousands: str) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        number = Decimal((text.replace(thousands, "") if thousands else text).replace(decimal, "."))
        if not number.is_finite() or (base is int and number != int(number)):
            raise ValueError(text)
        return base(number)

    return parse


def _mistaken(slot: Slot, way: str, where: str) -> Refused:
    return Refused(
        "{where}: {event} takes {type} there, not {way}.", where=where, event=slot.event, type=slot.takes, way=way
    )
