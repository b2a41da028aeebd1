"""Everything that people read and a catalogue must therefore hold: found in the source, and in what is listed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from aggregates.event import events_of
from aggregates.ids import KIND_OF_STREAM
from projections.rules.catalogue import RULES
from projections.rules.duty import Verdict
from services.catalogue import KERNEL_EVENTS
from services.cli.regulation import WORDS
from services.composition import AGGREGATES, COMMANDS, QUESTIONS
from services.http.difference_routes import Between
from services.http.problems import TITLES
from services.http.question_routes import KERNEL

ROOT = Path(__file__).parents[2]
SAYING = {"Refused": 0, "Problem": 2, "later": 0, "note": 1}
"""Whose calls hold a sentence, and as which argument."""


def sentences() -> set[str]:
    """Every sentence that a refusal or a problem may say."""
    found = set(TITLES.values())
    for folder in ("aggregates", "infra", "services/http", "services/importing"):
        for path in (ROOT / folder).rglob("*.py"):
            found |= set(_said_in(ast.parse(path.read_text())))
    return found


def labels() -> set[tuple[str, str]]:
    """(what it is, its name) of everything that has a label."""
    found = {("kind", kind) for kind in filter(None, KIND_OF_STREAM.values())} | {
        ("rule", str(rule.number)) for rule in RULES
    }
    found |= {("coverage", word) for word in WORDS} | {("verdict", str(verdict)) for verdict in Verdict}
    for kind in AGGREGATES:
        for event in events_of(kind.aggregate):
            found.add(("event", event.__name__))
            found |= {("field", field) for field in event.__struct_fields__}
    for event in KERNEL_EVENTS:
        found |= {("event", event.__name__), *(("field", field) for field in event.__struct_fields__)}
    for command in COMMANDS:
        found |= {("command", command.slug), *(("field", field) for field in command.body.__struct_fields__)}
    for asked in QUESTIONS:
        found |= {("question", asked.slug), *(("field", name) for name in asked.arguments.__struct_fields__)}
        if asked.compared is not None:
            found.add(("question", asked.comparison))
    return found | {("field", name) for name in (*KERNEL, *Between.__struct_fields__, "id")}


def _said_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            place = SAYING.get(name)
            if place is None and name.startswith("_require") and node.args:
                place = 0
            if place is not None and len(node.args) > place:
                argument = node.args[place]
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value
