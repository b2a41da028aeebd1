"""Nobody between the edge and the log looks into a text: no rule, no step, no SQL. So it may be sealed."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from aggregates.event import events_of
from aggregates.text import Personal, Text
from services.composition import AGGREGATES, COMMANDS, VIEWS

ROOT = Path(__file__).parents[1]
PROJECTIONS = sorted((ROOT / "projections").rglob("*.py"))


def is_text(annotation: Any) -> bool:
    return annotation in {Text, Personal} or any(is_text(part) for part in get_args(annotation))


def texts_of(struct: type) -> set[str]:
    """The fields of a struct that hold texts."""
    hints = get_type_hints(struct)
    return {field for field in struct.__struct_fields__ if is_text(hints[field])}  # type: ignore[attr-defined]


TEXT_FIELDS = frozenset[str]().union(
    *(texts_of(event) for kind in AGGREGATES for event in events_of(kind.aggregate)),
    *(texts_of(view.row) for view in VIEWS),
)
COLUMNS = frozenset[str]().union(*(texts_of(view.row) for view in VIEWS))


def looked_into(tree: ast.AST, names: frozenset[str]) -> Iterator[int]:
    """The lines where a text, of such a name or a field of an event or a row, is more than passed on or missing."""

    def text(node: ast.AST) -> bool:
        match node:
            case ast.Name(id=name):
                return name in names
            case ast.Attribute(value=ast.Name(id="event") | ast.Attribute(attr="event"), attr=field):
                return field in TEXT_FIELDS
            case ast.Attribute(value=ast.Name(id="row"), attr=field):
                return field in COLUMNS
            case _:
                return False

    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, ops=ops, comparators=others):
                looks = not all(isinstance(op, (ast.Is, ast.IsNot)) for op in ops) and any(map(text, (left, *others)))
            case ast.UnaryOp(operand=one) | ast.Subscript(value=one) | ast.FormattedValue(value=one):
                looks = text(one)
            case ast.Attribute(value=one) | ast.If(test=one) | ast.IfExp(test=one):
                looks = text(one)
            case ast.BoolOp(values=many):
                looks = any(map(text, many))
            case ast.BinOp(left=left, right=right):
                looks = text(left) or text(right)
            case ast.Call(func=ast.Name(id=called), args=given, keywords=named) if called[0].islower():
                looks = called not in {"index_of", "replace"} and any(map(text, (*given, *(k.value for k in named))))
            case ast.Call(func=ast.Name(id="Refused"), keywords=named):
                looks = any(text(keyword.value) for keyword in named)
            case _:
                looks = False
        if looks:
            yield getattr(node, "lineno", 0)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.slug)
def test_no_rule_looks_into_a_text(command: Any) -> None:
    names = frozenset(name for name, annotation in command.types.items() if is_text(annotation))
    tree = ast.parse(textwrap.dedent(inspect.getsource(command.method)))
    assert [*looked_into(tree, names)] == [], "a text is sealed: rules cannot know what it says"


@pytest.mark.parametrize("path", PROJECTIONS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_step_looks_into_a_text(path: Path) -> None:
    assert [*looked_into(ast.parse(path.read_text()), frozenset())] == [], "a text is sealed: only index_of may look"


@pytest.mark.parametrize("path", PROJECTIONS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_sql_compares_or_sorts_a_text(path: Path) -> None:
    said = [
        node.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "SELECT" in node.value
    ]
    assert [sql for sql in said if compares(sql)] == []


def compares(sql: str) -> bool:
    column = rf"\b({'|'.join(sorted(COLUMNS))})\b"
    return bool(
        re.search(rf"{column}\s*(=|<|>|!|~|(NOT\s+)?I?LIKE\b|(NOT\s+)?IN\b|\|\|)", sql)
        or re.search(rf"(ORDER|GROUP)\s+BY\s[^()]*{column}", sql)
        or re.search(rf"(=|<|>|min\(|max\(|lower\(|starts_with\()\s*{column}", sql)
    )


def test_a_look_would_be_seen() -> None:
    seen = {
        "wording == 'x'": True,
        "wording is None": False,
        "not wording": True,
        "wording.strip()": True,
        "len(wording)": True,
        "event.wording in known": True,
        "f'{wording}'": True,
        "Refused('x', wording=wording)": True,
        "Acknowledged(wording=wording)": False,
        "replace(row, wording=wording)": False,
        "index_of(event.wording)": False,
        "wording or other": True,
    }
    assert {code: bool([*looked_into(ast.parse(code), frozenset({"wording"}))]) for code in seen} == seen
    assert compares("SELECT 1 FROM employee_row WHERE name = %s")
    assert compares("SELECT * FROM employee_row ORDER BY registered_at, name")
    assert compares("SELECT lower(name) FROM employee_row")
    assert not compares("SELECT name FROM employee_row WHERE name_index = %s ORDER BY registered_at")
