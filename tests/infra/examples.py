"""Events made from their type hints alone: one example of each for the golden file, and any number for properties."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
from hypothesis import strategies as st

import aggregates
from aggregates.event import Event
from aggregates.ids import KIND_OF_STREAM

T = TypeVar("T", bound=type[Event])

_ID = re.compile("[a-z]+-id-[0-9]+")

_ONE_OF_EACH: Mapping[Any, Any] = {
    str: "some text",
    bool: True,
    int: 3,
    float: 0.5,
    bytes: b"bytes",
    Decimal: Decimal("12.50"),
    date: date(2026, 3, 2),
    datetime: datetime(2026, 3, 2, 9, tzinfo=UTC),
    time: time(9, 30),
    timedelta: timedelta(days=1, hours=2),
    UUID: UUID(int=1),
}
_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
_ZONES = st.sampled_from([UTC, timezone(timedelta(hours=8))])
_ANY_OF_EACH: Mapping[Any, st.SearchStrategy[Any]] = {
    str: _TEXTS.filter(lambda text: not is_id(text)),
    bool: st.booleans(),
    int: st.integers(-(2**53), 2**53),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bytes: st.binary(max_size=20),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    date: st.dates(),
    datetime: st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=_ZONES),  # noqa: DTZ001  # its bounds
    time: st.times(),
    timedelta: st.timedeltas(timedelta(days=-1000), timedelta(days=1000)),
    UUID: st.uuids(),
    NoneType: st.none(),
    msgspec.UnsetType: st.just(msgspec.UNSET),
}


def all_events() -> list[type[Event]]:
    """Every event of the business, by name."""
    for module in pkgutil.walk_packages(aggregates.__path__, "aggregates."):
        importlib.import_module(module.name)
    known = (Event.known[name] for name in sorted(Event.known))
    return [event for event in known if event.__module__.startswith("aggregates.")]


def unlisted(event: T) -> T:
    """For an event that only a test knows: nobody who lists what exists shall come across it."""
    del Event.known[event.__name__]
    return event


def example(annotation: Any) -> Any:
    """A value of this type, always the same: everything optional is there, everything repeated is there once."""
    if annotation in KIND_OF_STREAM:
        return f"{KIND_OF_STREAM[annotation] or 'anything'}-1"
    if isinstance(annotation, type):
        if issubclass(annotation, msgspec.Struct):
            return annotation(**{name: example(hint) for name, hint in _fields(annotation)})
        return next(iter(annotation)) if issubclass(annotation, Enum) else _ONE_OF_EACH[annotation]
    if hasattr(annotation, "__supertype__"):
        return example(annotation.__supertype__)
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in {Union, UnionType}:
        return next(example(part) for part in parts if part not in {NoneType, msgspec.UnsetType})
    if origin is Annotated:
        return example(parts[0])
    if issubclass(origin, Mapping):
        return {example(parts[0]): example(parts[1])}
    return origin(example(part) for part in parts if part is not Ellipsis)


def anything(annotation: Any) -> st.SearchStrategy[Any]:
    """All values of this type, more or less."""
    if annotation in KIND_OF_STREAM:
        kind = KIND_OF_STREAM[annotation] or "anything"
        return st.integers(1, 99).map(lambda number: f"{kind}-id-{number}")
    if isinstance(annotation, type):
        if issubclass(annotation, msgspec.Struct):
            return st.builds(annotation, **{name: anything(hint) for name, hint in _fields(annotation)})
        return st.sampled_from(annotation) if issubclass(annotation, Enum) else _ANY_OF_EACH[annotation]
    if hasattr(annotation, "__supertype__"):
        return anything(annotation.__supertype__)
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in {Union, UnionType}:
        return st.one_of(*map(anything, parts))
    if origin is Annotated:
        return anything(parts[0])
    if issubclass(origin, Mapping):
        return st.dictionaries(anything(parts[0]), anything(parts[1]), max_size=3)
    if origin is tuple and parts[-1] is not Ellipsis:
        return st.tuples(*map(anything, parts))
    return st.lists(anything(parts[0]), max_size=3).map(origin)


def is_id(text: str) -> bool:
    """Is it an id of `anything`? No other text of it looks like one."""
    return _ID.fullmatch(text) is not None


def _fields(struct: type[msgspec.Struct]) -> list[tuple[str, Any]]:
    hints = get_type_hints(struct, include_extras=True)
    return [(name, hints[name]) for name in struct.__struct_fields__]
