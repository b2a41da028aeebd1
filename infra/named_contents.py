"""Where files are named among the arguments of a command, however deep."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from aggregates.text import ContentHash


def mentions_content(annotation: Any) -> bool:
    """Does an annotation speak of files: `ContentHash | None`, `tuple[ContentHash, ...]`, a value with one in it?"""
    if annotation is ContentHash:
        return True
    return any(map(mentions_content, (*_fields(annotation).values(), *get_args(annotation))))


def contents_in(annotation: Any, value: Any) -> Iterator[str]:
    """The hash of every file that an argument names."""
    found: list[str] = []

    def note(content: str) -> str:
        found.append(content)
        return content

    with_contents(annotation, msgspec.to_builtins(value), note)
    yield from found


def with_contents(annotation: Any, value: Any, change: Callable[[str], str]) -> Any:
    """An argument as JSON has it, with the name of every file changed."""
    if annotation is ContentHash:
        return change(value) if isinstance(value, str) else value
    if isinstance(value, dict) and (fields := _fields(annotation)):
        return {name: with_contents(fields.get(name), each, change) for name, each in value.items()}
    if isinstance(value, list | tuple) and get_origin(annotation) is tuple:
        return [with_contents(get_args(annotation)[0], each, change) for each in value]
    for part in get_args(annotation):
        value = with_contents(part, value, change)
    return value


def _fields(annotation: Any) -> Mapping[str, Any]:
    """The fields of a value, with their types."""
    is_value = isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)
    return get_type_hints(annotation) if is_value else {}
