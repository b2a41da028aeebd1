"""Where texts stand in a command's body or an event, and whose they are, as its types say it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from operator import attrgetter
from types import NoneType, UnionType
from typing import Annotated, Any, NamedTuple, TypeAlias, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec.structs import replace

from aggregates.sealed import Secrecy
from aggregates.text import Personal, Text


class Place(NamedTuple):
    """One place for text. `owner`: the field with the id of whose it is; empty: it belongs to the stream.

    `scope`: among which texts it can be found, or must be unique.
    """

    field: str
    secrecy: Secrecy
    owner: str = ""
    scope: str | None = None


Each: TypeAlias = Callable[[Place, str, str], str]
"""(place, whose it is, text) -> what shall stand there."""

Walk: TypeAlias = Callable[[Any, Any, str, Each], Any]
"""(value, the struct it stands in, the stream, each) -> the value with each text exchanged."""


class Texts:
    """The texts of one struct type: `fields` that are nothing but a text, or nothing, and others that hold some."""

    def __init__(self, fields: tuple[tuple[str, Place], ...], others: tuple[tuple[str, Walk], ...]) -> None:
        self._fields, self._others = fields, others
        self._alone = _together([name for name, _ in fields])

    def exchanged(self, struct: Any, stream_id: str, each: Each) -> Any:
        """The struct with another text in the place of each; `stream_id` is the stream it belongs to."""
        news = {}
        for name, place in self._fields:
            text = getattr(struct, name)
            if type(text) is str:
                owner = place.owner
                news[name] = each(place, (getattr(struct, owner) or stream_id) if owner else stream_id, text)
        for name, walk in self._others:
            news[name] = walk(getattr(struct, name), struct, stream_id, each)
        return replace(struct, **news) if news else struct

    def owners(self, struct: Any, stream_id: str) -> set[str]:
        """Whose the texts in it are."""
        found: set[str] = set()

        def note(_place: Place, owner: str, text: str) -> str:
            found.add(owner)
            return text

        self.exchanged(struct, stream_id, note)
        return found

    def blank(self, struct: Any) -> str | None:
        """The field of a text that says nothing; None where each says something."""
        for name, _ in self._fields:
            text = getattr(struct, name)
            if type(text) is str and not says_something(text):
                return name
        for name, walk in self._others:
            if not all(map(says_something, _met_by(walk, getattr(struct, name), struct))):
                return name
        return None

    def count(self, struct: Any) -> int:
        """How many texts there are in it."""
        found = 0
        for text in self._alone(struct):
            if type(text) is str:
                found += 1
        for name, walk in self._others:
            found += len(_met_by(walk, getattr(struct, name), struct))
        return found


def _met_by(walk: Walk, value: Any, struct: Any) -> list[str]:
    """The texts in a value, however deep they lie."""
    met: list[str] = []

    def note(_place: Place, _owner: str, text: str) -> str:
        met.append(text)
        return text

    walk(value, struct, "", note)
    return met


def says_something(text: str) -> bool:
    """Is there anything to be seen in it?"""
    return any(letter.isprintable() and not letter.isspace() for letter in text)


def _together(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Reads all of these fields of a struct at once."""
    if not names:
        return lambda _struct: ()
    read = attrgetter(*names)
    return read if len(names) > 1 else lambda struct: (read(struct),)


@cache
def texts_in(struct: type[msgspec.Struct]) -> Texts | None:
    """The texts of a struct type; None if there can be none."""
    hints = get_type_hints(struct, include_extras=True)
    fields: list[tuple[str, Place]] = []
    others: list[tuple[str, Walk]] = []
    for name in struct.__struct_fields__:
        place = Place(name, Secrecy.TEXT)
        if (alone := _alone(hints[name], place)) is not None:
            fields.append((name, alone))
        elif (walk := _walk(hints[name], place)) is not None:
            others.append((name, walk))
    return Texts(tuple(fields), tuple(others)) if fields or others else None


def _alone(annotation: Any, place: Place) -> Place | None:
    """The place of a text where there can be nothing else, or where there is no text at all."""
    if annotation is Text or annotation is Personal:
        return place if annotation is Text else _as_personal(place)
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _alone(parts[0], _as_said(place, parts[1:]))
    if origin in {Union, UnionType}:
        texts = [part for part in parts if part not in {NoneType, msgspec.UnsetType}]
        return _alone(texts[0], place) if len(texts) == 1 else None
    return None


def _walk(annotation: Any, place: Place) -> Walk | None:
    """How to find the texts in a value of this type, however deep they lie."""
    if annotation is Text or annotation is Personal:
        return _walk_text(place if annotation is Text else _as_personal(place))
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        if (texts := texts_in(annotation)) is None:
            return None
        return lambda value, _struct, stream, each: texts.exchanged(value, stream, each)
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _walk(parts[0], _as_said(place, parts[1:]))
    walks = [_walk(part, place) for part in parts]
    if all(walk is None for walk in walks):
        return None
    if origin in {Union, UnionType}:
        return _walk_union([(_class_of(part), walk) for part, walk in zip(parts, walks, strict=True) if walk])
    inner = walks[-1] or walks[0]
    assert inner is not None  # noqa: S101  # not all are
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if walks[0] is not None:
            raise TypeError(f"{place.field}: what things are called by cannot be sealed")
        return lambda value, struct, stream, each: {key: inner(one, struct, stream, each) for key, one in value.items()}
    return lambda value, struct, stream, each: type(value)(inner(one, struct, stream, each) for one in value)


def _walk_text(place: Place) -> Walk:
    owner = place.owner
    if not owner:
        return lambda value, _struct, stream, each: each(place, stream, value)
    return lambda value, struct, stream, each: each(place, getattr(struct, owner) or stream, value)


def _walk_union(kinds: list[tuple[type, Walk]]) -> Walk:
    if len(kinds) == 1:
        ((kind, walk),) = kinds
        return lambda value, struct, stream, each: (
            walk(value, struct, stream, each) if isinstance(value, kind) else value
        )

    def walk_one(value: Any, struct: Any, stream: str, each: Each) -> Any:
        for kind, walk in kinds:
            if isinstance(value, kind):
                return walk(value, struct, stream, each)
        return value

    return walk_one


def _as_personal(place: Place) -> Place:
    return place if place.secrecy is Secrecy.RESTRICTED else place._replace(secrecy=Secrecy.PERSONAL)


def _as_said(place: Place, metas: tuple[Any, ...]) -> Place:
    """The place as its annotation describes it further."""
    for meta in metas:
        extra = (meta.extra if isinstance(meta, msgspec.Meta) else None) or {}
        if (owner := extra.get("belongs to")) is not None:
            place = place._replace(owner="" if owner == "self" else owner)
        if extra.get("restricted"):
            place = place._replace(secrecy=Secrecy.RESTRICTED)
        if (scope := extra.get("found in") or extra.get("unique in")) is not None:
            place = place._replace(scope=scope)
    return place


def _class_of(annotation: Any) -> type:
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    while hasattr(annotation, "__supertype__"):
        annotation = annotation.__supertype__
    found: type = get_origin(annotation) or annotation
    return found
