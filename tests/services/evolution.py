"""What may change in a form of an event once it was released: something may come, and nothing may go."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from services.catalogue import read_by
from services.event_schemas import RESTRICTED

Schema: TypeAlias = Mapping[str, Any]
SUBSCRIBERS = Path(__file__).parents[2] / "docs/examples"
SAYING = frozenset({"title", "description", "$comment"})
"""What is for people alone."""

SEVERAL = frozenset({"properties", "required", "default", "enum", "anyOf"})
WITHIN = {"items": "[]", "additionalProperties": ".*", "propertyNames": ".* (its name)", "contentSchema": " (inside)"}


def broken(releases: Mapping[str, Mapping[str, Schema]], present: Mapping[str, Schema]) -> list[str]:
    """A sentence for each promise that is not kept: what it is, what is wrong, and who of ours reads that event."""
    found: dict[tuple[str, str], str] = {}
    for version, forms in releases.items():
        for name, promised in forms.items():
            now = present.get(name)
            wrong = ["nobody knows this form any more"] if now is None else breaks(promised, now)
            for each in wrong:
                found[name, each] = _sentence(name, version, each)
    return list(found.values())


def _sentence(name: str, version: str, wrong: str) -> str:
    event, _, number = name.rpartition(".")
    if not number.isdigit():
        return f"{name} is not as {version} promised: {wrong}. Every subscriber reads it."
    readers = ", ".join([*read_by(event), *subscribers_of(event)]) or "nothing of ours"
    otherwise = f"raise its schema and add upcast_v{number}_v{int(number) + 1}"
    if RESTRICTED in wrong:
        otherwise = "record another event from now on, for what is published stays on its topic"
    return (
        f"{event} of schema {number} is not as {version} promised: {wrong}. Take the change back, or {otherwise}"
        f" (docs/events-on-kafka.md). Read by: {readers}; and by whoever subscribes to it."
    )


def subscribers_of(event: str) -> list[str]:
    """The services beside Yewu that we know of, and that speak of this event."""
    asked = re.compile(rf"\b{event}\b").search
    return [f"subscriber {file.name}" for file in sorted(SUBSCRIBERS.glob("*.py")) if asked(file.read_text())]


def breaks(old: Any, new: Any, where: str = "it") -> Iterator[str]:
    """Each way in which what the new schema describes would not do for somebody who relies on the old one."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        if old != new:
            yield f"{where} was {_spelt(old)} and is {_spelt(new)}"
        return
    olds, news = _alternatives(old), _alternatives(new)
    if len(olds) == len(news) == 1:
        yield from _breaks_of_one(olds[0], news[0], where)
    else:
        yield from _breaks_of_several(olds, news, where)
    if "default" in old and "default" in new and old["default"] != new["default"]:
        yield f"{where} had the default {old['default']!r} and has {new['default']!r}"


def _breaks_of_several(olds: Sequence[Schema], news: Sequence[Schema], where: str) -> Iterator[str]:
    """Of a value that may be this or that."""
    by_sort = {_sort(each): each for each in news}
    if len(by_sort) < len(news) or len({*map(_sort, olds)}) < len(olds):  # nobody can say which became which
        yield from _unlike(_bare({"anyOf": olds}), _bare({"anyOf": news}), "anyOf", where)
        return
    for each in olds:
        if (now := by_sort.pop(_sort(each), None)) is None:
            yield f"{where} may no longer be {_sort(each)}"
        else:
            yield from _breaks_of_one(each, now, where)
    for sort in by_sort:
        yield f"{where} may now be {sort}"


def _breaks_of_one(old: Schema, new: Schema, where: str) -> Iterator[str]:
    if old.get("type") != new.get("type"):
        yield f"{where} was {_sort(old)} and is {_sort(new)}"
        return
    yield from _breaks_of_fields(old, new, where)
    for gone in [value for value in old.get("enum", ()) if value not in new.get("enum", (value,))]:
        yield f"{where} can no longer be {gone!r}"
    if ("enum" in old) != ("enum" in new):
        yield f"{where} was {_sort(old)} and is {_sort(new)}"
    yield from _unlike(_bare(old), _bare(new), "anyOf", where)
    for key in sorted((old.keys() | new.keys()) - SAYING - SEVERAL):
        if key in WITHIN and key in old and key in new:
            yield from breaks(old[key], new[key], where + WITHIN[key])
        else:
            yield from _unlike(old, new, key, where)


def _breaks_of_fields(old: Schema, new: Schema, where: str) -> Iterator[str]:
    olds, news = old.get("properties", {}), new.get("properties", {})
    needed_before, needed_now = set(old.get("required", ())), set(new.get("required", ()))
    for field, schema in olds.items():
        name = field if where == "it" else f"{where}.{field}"
        if field not in news:
            yield f"{name} is gone"
            continue
        yield from breaks(schema, news[field], name)
        if field in needed_now - needed_before:
            yield f"{name} is needed now, and what is on record may lack it"
        if field in needed_before - needed_now:
            yield f"{name} was always there and is no longer"
    for field in news.keys() - olds.keys():
        if field in needed_now:
            yield f"{field if where == 'it' else f'{where}.{field}'} is new and has no default"


def _unlike(old: Schema, new: Schema, key: str, where: str) -> Iterator[str]:
    if old.get(key) != new.get(key):
        yield f"{where} had {key} {_spelt(old.get(key))} and has {_spelt(new.get(key))}"


def _bare(schema: Schema) -> Schema:
    """What the alternatives of a schema ask for, without what is for people alone."""
    if "anyOf" not in schema:
        return {}
    return {"anyOf": [{key: said for key, said in each.items() if key not in SAYING} for each in schema["anyOf"]]}


def _alternatives(schema: Schema) -> Sequence[Schema]:
    """What a value may be: one thing, or one of several."""
    if schema.keys() - SAYING <= {"anyOf", "default"} and "anyOf" in schema:
        several: Sequence[Schema] = schema["anyOf"]
        return several
    return [schema]


def _sort(schema: Schema) -> str:
    return str(schema.get("type") or next(iter(sorted(schema.keys() - SAYING)), "anything"))


def _spelt(said: Any) -> str:
    return "none" if said is None else str(said)
