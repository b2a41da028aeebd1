"""What holds for every event and every command, whoever wrote it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from aggregates.event import Event, events_of
from aggregates.text import Code
from services.catalogue import KERNEL_EVENTS
from services.composition import AGGREGATES, COMMANDS

ROOT = Path(__file__).parents[2]
EVENTS = sorted(
    {*(event for kind in AGGREGATES for event in events_of(kind.aggregate)), *KERNEL_EVENTS},
    key=lambda event: event.__name__,
)
SOURCES = sorted((ROOT / "aggregates").rglob("*.py"))
NAMED_BY_OTHERS = {("CommandRefused", "values"), ("LegacyRecordImported", "fields")}
"""Whose texts are Text, under names that are a source's or a sentence's own."""

CLAUSE = re.compile(r"[1-8](\.\d+){1,2}(-[a-f])?")


def plain_texts(annotation: Any) -> Iterator[Any]:
    """Wherever a bare `str` stands in a type; names of languages of our own (`Code`, ids, enumerations) are none."""
    if annotation is str:
        yield annotation
    for part in get_args(annotation):
        yield from plain_texts(part)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_every_text_says_what_it_may_reveal(event: type[Event]) -> None:
    hints = get_type_hints(event)
    bare = {(event.__name__, field) for field in event.__struct_fields__ if [*plain_texts(hints[field])]}
    assert bare <= NAMED_BY_OTHERS, "say Code, Text or Personal"


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_no_field_is_filled_in_when_it_is_read(event: type[Event]) -> None:
    made = [field.name for field in msgspec.structs.fields(event) if field.default_factory is not msgspec.NODEFAULT]
    assert made == [], "a stored event without the field would change with time"


def test_an_event_belongs_to_one_aggregate() -> None:
    assert len(EVENTS) == len(set(EVENTS))


def test_a_name_is_never_used_twice() -> None:
    with pytest.raises(TypeError, match="two events are called ComplaintReceived"):
        type("ComplaintReceived", (Event,), {"__annotations__": {"note": Code}})


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_rule_asks_whom_somebody_speaks_for_and_never_compares_ids(path: Path) -> None:
    if path.name == "actor.py":
        return
    looked_at = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "id" and getattr(node.value, "id", "") == "by"
    ]
    assert looked_at == [], "ask by.speaks_for(...) or by.employee"


def test_every_command_names_its_clause() -> None:
    assert [command.slug for command in COMMANDS if not CLAUSE.fullmatch(command.declaration.clause)] == []


def test_every_command_names_who_may_give_it() -> None:
    assert [command.slug for command in COMMANDS if not command.declaration.by] == []


def test_every_module_says_in_its_first_line_what_it_is_for() -> None:
    folders = ("aggregates", "projections", "infra", "services")
    modules = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    silent = [path for path in modules if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []
