"""JSON Schemas of what is stored and published: events, their envelope, the ledger. Made from the classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec

from aggregates.event import Envelope, Event, events_of
from aggregates.ids import KIND_OF_STREAM, syntax_of
from aggregates.sealed import FORM, MARK, Secrecy
from aggregates.text import Personal, Text
from infra.kafka.wire import CHUNK, TOPICS, Contract, Manifest
from services import event_headers
from services.catalogue import KERNEL_EVENTS
from services.composition import AGGREGATES
from services.event_headers import Schema
from services.language import Language, label

DIALECT = "https://json-schema.org/draft/2020-12/schema"
META, HEADERS, LEDGER_HEADERS = "meta", "headers", "ledger-headers"
LEDGER: Mapping[str, type[msgspec.Struct]] = {CHUNK.decode(): Manifest, TOPICS.decode(): Contract}
"""The types of the ledger's entries."""

SECRECY = "x-secrecy"
"""Of a text: the letter behind `~s1`, which says what kind of secret it is."""

RESTRICTED = "x-restricted"
"""Of an event that few may read: true. It says on which topic it lies, for ever."""

_SEALED = FORM.pattern.replace(r"\w-", "A-Za-z0-9_-")
_OPEN_OR_SEALED = [{"pattern": f"^{_SEALED}$"}, {"not": {"pattern": f"^{MARK}"}}]
"""Logs of old hold some texts open; nothing open begins like a sealed one."""

_AS_WRITTEN: Mapping[Any, msgspec.Meta] = {
    Decimal: msgspec.Meta(extra_json_schema={"pattern": r"^-?[0-9]+(\.[0-9]+)?(E[+-][0-9]+)?$"}),
    datetime: msgspec.Meta(tz=True, extra_json_schema={"pattern": "Z$"}),
}


def schemas() -> dict[str, Schema]:
    """By name and number, `ComplaintReceived.1`; older forms of today's events as the last release had them.

    Beside the events: `meta`, the envelope that is stored with each; the headers of a record; the ledger's entries.
    """
    present = {form(event): schema_of(event) for event in events()}
    before = {name: _where_it_lies(name, schema) for name, schema in released_forms().items() if _is_older(name)}
    return {
        **dict(sorted({**before, **present}.items())),
        META: schema_of(Envelope),
        HEADERS: event_headers.of_an_event(schema_of(Envelope)),
        **{name: schema_of(entry) for name, entry in LEDGER.items()},
        LEDGER_HEADERS: event_headers.of_the_ledger(),
    }


def events() -> list[type[Event]]:
    """Every event of the business, by name."""
    listed = {*KERNEL_EVENTS, *(event for kind in AGGREGATES for event in events_of(kind.aggregate))}
    return sorted(listed, key=lambda event: event.__name__)


def form(event: type[Event]) -> str:
    """What the present form of an event is called."""
    return f"{event.__name__}.{event.schema}"


def document() -> Schema:
    """docs/event-schemas.json: all of them, for programs that know nothing of AsyncAPI."""
    return {
        "$schema": DIALECT,
        "title": "Yewu 业务",
        "description": "What Yewu stores and publishes, made from the code by `make generate`: each event under its "
        "name and schema number, its envelope, and the entries of the ledger. See docs/events-on-kafka.md.",
        "$defs": schemas(),
    }


def releases() -> dict[str, dict[str, Schema]]:
    """What each release promised, in the order of their numbers."""
    folder = files("services").joinpath("released")
    read = {
        file.name.removesuffix(".json"): msgspec.json.decode(file.read_bytes())["$defs"]
        for file in folder.iterdir()
        if file.name.endswith(".json")
    }
    return {version: read[version] for version in sorted(read, key=lambda v: [int(n) for n in v.split(".")])}


def released_forms() -> dict[str, Schema]:
    """Each form as the last release that had it described it."""
    return {name: schema for forms in releases().values() for name, schema in forms.items()}


def _is_older(name: str) -> bool:
    """Is it a form that an event of today once had?"""
    event, _, number = name.rpartition(".")
    return event in Event.known and number.isdigit() and int(number) < Event.known[event].schema


def _where_it_lies(name: str, schema: Schema) -> Schema:
    """An older form, on the topic where records of its event are looked for today."""
    kept = {key: said for key, said in schema.items() if key != RESTRICTED}
    return kept | _restriction(Event.known[name.rpartition(".")[0]])


def _restriction(event: type[Event]) -> Schema:
    return {} if event.readers is None else {RESTRICTED: True}


def schema_of(struct: type[msgspec.Struct]) -> Schema:
    """The schema of a struct as the codec writes it, with nothing to look up elsewhere."""
    (reference,), parts = msgspec.json.schema_components([_written(struct)], ref_template="{name}")
    whole: Schema = _spelt_out(reference, parts)
    if issubclass(struct, Event):
        whole["title"] = f"{struct.__name__} {label('event', struct.__name__, Language.CHINESE)}"
        for field, schema in whole["properties"].items():
            english, chinese = (label("field", field, language) for language in Language)
            schema["title"] = f"{english} {chinese}"
        whole |= _restriction(struct)
    plain: Schema = msgspec.json.decode(msgspec.json.encode(whole))  # defaults are lists and dates until here
    return plain


def _spelt_out(node: Any, parts: Mapping[str, Any]) -> Any:
    """The same with what it refers to in the place of each reference."""
    if isinstance(node, list):
        return [_spelt_out(each, parts) for each in node]
    if not isinstance(node, dict):
        return node
    whole = {key: value if key == "default" else _spelt_out(value, parts) for key, value in node.items()}
    if isinstance(said := whole.get("description"), str):
        whole["description"] = " ".join(said.split())
    return whole if (name := whole.pop("$ref", None)) is None else _spelt_out(parts[name], parts) | whole


@cache
def _written(struct: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """A struct of the same fields, whose types say how their values are written."""
    hints = get_type_hints(struct, include_extras=True)
    fields = [(f.name, _type_written(hints[f.name]), *_default_of(f)) for f in msgspec.structs.fields(struct)]
    made = msgspec.defstruct(
        struct.__name__, fields, kw_only=True, forbid_unknown_fields=struct.__struct_config__.forbid_unknown_fields
    )
    made.__doc__ = struct.__doc__ if struct.__doc__ != Event.__doc__ else None
    return made


def _default_of(field: Any) -> Iterator[Any]:
    if field.default is not msgspec.NODEFAULT:
        yield field.default
    elif field.default_factory is not msgspec.NODEFAULT:
        yield field.default_factory()


def _type_written(annotation: Any) -> Any:
    """A type as msgspec's schemas shall see it: ids, texts, amounts and times with what else is true of them."""
    if annotation in KIND_OF_STREAM:
        return Annotated[str, msgspec.Meta(extra_json_schema={"pattern": f"^{syntax_of(KIND_OF_STREAM[annotation])}$"})]
    if annotation is Text or annotation is Personal:
        return _text(Secrecy.TEXT if annotation is Text else Secrecy.PERSONAL)
    if annotation in _AS_WRITTEN:
        return Annotated[annotation, _AS_WRITTEN[annotation]]
    if hasattr(annotation, "__supertype__"):
        return _type_written(annotation.__supertype__)
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return _written(annotation)
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        restricted = any((getattr(meta, "extra", None) or {}).get("restricted") for meta in parts[1:])
        return _restricted(parts[0]) if restricted else _type_written(parts[0])
    if not parts:
        return annotation
    written = tuple(_type_written(part) for part in parts)
    return Union[written] if origin in {Union, UnionType} else origin[written]  # noqa: UP007  # of many parts


def _text(secrecy: Secrecy) -> Any:
    return Annotated[str, msgspec.Meta(extra_json_schema={"anyOf": _OPEN_OR_SEALED, SECRECY: secrecy.value})]


def _restricted(annotation: Any) -> Any:
    """A personal text, or nothing, that few may read."""
    if annotation is Personal:
        return _text(Secrecy.RESTRICTED)
    parts = tuple(_restricted(part) for part in get_args(annotation))
    return Union[parts] if parts else annotation  # noqa: UP007  # of many parts
