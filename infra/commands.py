"""What every surface derives from the signatures of commands: bodies, permissions, and which facts are needed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec

from aggregates.actor import Actor, Role
from aggregates.event import Aggregate, Declaration
from aggregates.facts import Fact
from aggregates.ids import KIND_OF_STREAM, NATURAL, id_types_in
from aggregates.readers import NOBODY, Readers
from aggregates.sealed import MARK
from aggregates.text import CONTENT_HASH, Code, ContentHash, Text
from aggregates.value import Value
from infra.named_contents import mentions_content
from infra.texts import texts_in

DIGITS, DECIMALS = 15, 6
"""What an amount may have before and behind the point."""

FIRST_YEAR, LAST_YEAR = 1900, 2500
"""Days and times lie between these, so that nothing overflows when days are added or zones changed."""

LONGEST = 200
"""What a code or an id may have of characters, so that it fits into an index."""


class Kind(Value):
    """An aggregate, the type of its ids, the path under which it is reached, and who reads its history."""

    aggregate: type[Aggregate]
    id: Any
    path: str
    readers: Readers = NOBODY

    @property
    def name(self) -> str:
        """How its streams begin: `complaint`."""
        return KIND_OF_STREAM[self.id]


class FactArgument(Value):
    """A fact that a command asks for: of what type, about whom, of which parameter; and whether it may be missing."""

    name: str
    type: type[Fact]
    about: str | None = None
    parameter: str | None = None
    optional: bool = False


class Command:
    """One command of an aggregate, as its signature says it."""

    def __init__(self, kind: Kind, method: Callable[..., Any]) -> None:
        self.kind, self.method = kind, method
        self.declaration: Declaration = method.__dict__["command"]
        self.name = method.__name__
        hints = get_type_hints(method, include_extras=True)
        parameters = [p for p in inspect.signature(method).parameters.values() if p.name != "self"]
        self.takes_actor = hints.get("by") is Actor
        self.takes_time = "at" in hints and hints["at"] is datetime
        self.facts = tuple(_fact(p, hints[p.name]) for p in parameters if fact_type(hints[p.name]) is not None)
        filled = {"by", "at", *(fact.name for fact in self.facts)}
        self.sent = tuple(p for p in parameters if p.name not in filled)
        self.ids = tuple((p.name, kinds) for p in self.sent if (kinds := _kinds(hints[p.name])))
        self.contents = tuple(p.name for p in self.sent if mentions_content(hints[p.name]))
        self.names = tuple(p.name for p in self.sent)
        self.types: Mapping[str, Any] = {p.name: hints[p.name] for p in self.sent}
        self.body = self._body()
        self.texts = texts_in(self.body)
        self._decode = msgspec.json.Decoder(self.body).decode

    @property
    def slug(self) -> str:
        """Its name among all commands: `complaint.assess`."""
        return f"{self.kind.name}.{self.name}"

    @property
    def opens(self) -> bool:
        """Does it begin a stream?"""
        return self.declaration.opens

    @property
    def inner(self) -> bool:
        """Is it given by the clock and by policies alone, so that no surface offers it?"""
        return self.declaration.by == {Role.CLOCK}

    @property
    def singleton(self) -> bool:
        """Is there only one stream of this kind, whose id needs not be said?"""
        return NATURAL.get(self.kind.id) == self.kind.name

    @property
    def route(self) -> str:
        """Where it is posted to: `/complaints`, `/complaints/{id}/assess`, `/department/appoint`."""
        action = self.name.replace("_", "-")
        if self.singleton:
            return f"/{self.kind.path}/{action}"
        return f"/{self.kind.path}" if self.opens else f"/{self.kind.path}/{{id}}/{action}"

    def read(self, data: bytes) -> msgspec.Struct:
        """The body that somebody sent; a msgspec.DecodeError that says what is wrong with it."""
        body: msgspec.Struct = self._decode(data or b"{}")
        for name in body.__struct_fields__:
            check_value(getattr(body, name), name)
        if self.texts is not None and (blank := self.texts.blank(body)) is not None:
            raise msgspec.ValidationError(f"Text that says something is expected - at `$.{blank}`")
        return body

    def _body(self) -> type[msgspec.Struct]:
        """What the caller sends: the arguments, and for an act of the past `at` and `reason`."""
        fields: list[Any] = []
        for p in self.sent:
            annotation = bounded(self.types[p.name])
            fields.append((p.name, annotation) if p.default is p.empty else (p.name, annotation, p.default))
        names = {name for name, *_ in fields}
        fields += [("at", bounded(datetime) | None, None)] if "at" not in names else []
        fields += [("reason", Text | None, None)] if "reason" not in names else []
        name = "".join(part.title() for part in (self.kind.name, *self.name.split("_")))
        return msgspec.defstruct(name, fields, frozen=True, kw_only=True, forbid_unknown_fields=True)


def commands_of(kind: Kind) -> Iterator[Command]:
    """The commands of an aggregate in the order in which they are written."""
    for method in vars(kind.aggregate).values():
        if inspect.isfunction(method) and "command" in method.__dict__:
            yield Command(kind, method)


def all_commands(kinds: Iterable[Kind]) -> list[Command]:
    """Every command there is; TypeError if two share a route, which those of the clock and of policies have none."""
    commands = [command for kind in kinds for command in commands_of(kind)]
    routes = [command.route for command in commands if not command.inner]
    if twice := {route for route in routes if routes.count(route) > 1}:
        raise TypeError(f"several commands are posted to {', '.join(sorted(twice))}")
    return commands


def check_value(value: Any, name: str) -> None:
    """ValidationError for what no column could hold: text with a NUL in it, amounts and times beyond all sense; and for
    text that would be taken for sealed."""
    match value:
        case str():
            if "\0" in value:
                raise msgspec.ValidationError(f"Text without the character NUL is expected - at `$.{name}`")
            if MARK in value and (value.startswith(MARK) or f'"{MARK}' in value):
                raise msgspec.ValidationError(f"Text that does not look sealed is expected - at `$.{name}`")
        case Decimal():
            exponent = value.as_tuple().exponent
            if not isinstance(exponent, int) or exponent < -DECIMALS or (value and value.adjusted() >= DIGITS):
                raise msgspec.ValidationError(
                    f"A number of at most {DIGITS} digits and {DECIMALS} decimals is expected - at `$.{name}`"
                )
        case Mapping():
            for key, each in value.items():
                check_value(key, name)
                check_value(each, name)
        case msgspec.Struct():
            for field in value.__struct_fields__:
                check_value(getattr(value, field), f"{name}.{field}")
        case tuple() | frozenset() | list():
            for each in value:
                check_value(each, name)
        case date():
            if not FIRST_YEAR <= value.year <= LAST_YEAR:
                raise msgspec.ValidationError(f"A day from {FIRST_YEAR} to {LAST_YEAR} is expected - at `$.{name}`")
        case _:
            pass


def bounded(annotation: Any) -> Any:
    """The type of what people send: their times say a zone, their codes and ids end somewhere."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if annotation is datetime:
        return Annotated[datetime, msgspec.Meta(tz=True)]
    if annotation is Code or annotation in KIND_OF_STREAM:
        return Annotated[annotation, msgspec.Meta(max_length=LONGEST)]
    if annotation is ContentHash:
        return Annotated[ContentHash, msgspec.Meta(pattern=f"^{CONTENT_HASH}$", max_length=71)]
    if origin is Annotated:
        return Annotated[(bounded(parts[0]), *parts[1:])]
    if origin in {Union, UnionType}:
        return Union[tuple(map(bounded, parts))]  # noqa: UP007  # made at run time
    return origin[tuple(map(bounded, parts))] if origin in {Mapping, tuple} else annotation


def fact_type(annotation: Any) -> type[Fact] | None:
    """The fact type that an annotation asks for, if it does."""
    if get_origin(annotation) in {Annotated, Union, UnionType}:
        return next((found for part in get_args(annotation) if (found := fact_type(part)) is not None), None)
    return annotation if isinstance(annotation, type) and issubclass(annotation, Fact) else None


def _fact(parameter: inspect.Parameter, annotation: Any) -> FactArgument:
    extra: dict[str, Any] = {}
    for meta in _metas(annotation):
        extra |= meta.extra or {}
    found = fact_type(annotation)
    assert found is not None  # noqa: S101  # only asked for facts
    return FactArgument(
        name=parameter.name,
        type=found,
        about=extra.get("about"),
        parameter=extra.get("parameter"),
        optional=_is_optional(annotation),
    )


def _metas(annotation: Any) -> Iterator[msgspec.Meta]:
    for part in get_args(annotation):
        if isinstance(part, msgspec.Meta):
            yield part
        else:
            yield from _metas(part)


def _is_optional(annotation: Any) -> bool:
    return NoneType in get_args(annotation) or any(_is_optional(part) for part in get_args(annotation))


def _kinds(annotation: Any) -> tuple[str, ...]:
    return tuple(KIND_OF_STREAM[found] for found in id_types_in(annotation))
