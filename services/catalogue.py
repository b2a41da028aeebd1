"""The catalogues of events, commands and rules for people, in both languages, made from the classes."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from aggregates.event import (
    CommandRefused,
    Event,
    LegacyRecordImported,
    LegacySourceDescribed,
    ObligationMissed,
    ObligationsMeasured,
    RestrictedFieldsRead,
    events_of,
)
from infra.commands import Kind, commands_of
from projections.reference import REFERENCE_EVENTS
from projections.rules.catalogue import RULES
from services.composition import AGGREGATES, POLICIES, VIEWS
from services.language import Language, label

KERNEL_EVENTS: tuple[type[Event], ...] = (
    LegacyRecordImported,
    LegacySourceDescribed,
    CommandRefused,
    RestrictedFieldsRead,
    ObligationMissed,
    ObligationsMeasured,
)


def events_page() -> str:
    """docs/events.md: each aggregate with its commands, its events, their fields, and the rows that take them."""
    lines = [
        "# Events and commands 事件与命令",
        "",
        "Made from the code by `make generate`. Clauses are those of 《业务管理部管理办法》.",
    ]
    for kind in AGGREGATES:
        lines += ["", f"## {kind.aggregate.__name__} {label('kind', kind.name, Language.CHINESE)}", ""]
        lines += [first_sentence(kind.aggregate), ""]
        lines += _commands(kind)
        events = sorted(events_of(kind.aggregate), key=lambda event: event.__name__)
        for event in events:
            lines += _event(event)
    lines += ["", "## On any stream 任何事件流上", ""]
    for event in KERNEL_EVENTS:
        lines += _event(event)
    return "\n".join(lines) + "\n"


def rules_page() -> str:
    """docs/rules.md: each conformance rule with its clauses, template, events, parameters, and what it means."""
    lines = [
        "# Conformance rules 遵循规则",
        "",
        "Made from the code by `make generate`. How a case stands to each: `yewu verdicts`; how well each is kept:",
        "`yewu conformance`. Who owes what by when: `yewu duties`.",
        "",
        "| rule | clauses | template | mode | parameters | what it means |",
        "|---|---|---|---|---|---|",
    ]
    for rule in RULES:
        meaning = f"{rule.meaning} {label('rule', rule.number, Language.CHINESE)}"
        clauses, parameters = ", ".join(rule.clauses), ", ".join(rule.parameters)
        lines.append(f"| {rule.number} | {clauses} | {rule.template} | {rule.mode} | {parameters} | {meaning} |")
    lines += ["", "| rule | events |", "|---|---|"]
    lines += [f"| {rule.number} | {', '.join(sorted(event.__name__ for event in rule.asked))} |" for rule in RULES]
    return "\n".join(lines) + "\n"


def first_sentence(thing: type) -> str:
    """What a class says of itself."""
    return (thing.__doc__ or "").strip().splitlines()[0]


def _commands(kind: Kind) -> Iterator[str]:
    yield "| command | clause | who | route |"
    yield "|---|---|---|---|"
    for command in commands_of(kind):
        who = ", ".join(sorted(command.declaration.by))
        name = f"`{command.name}` {label('command', command.slug, Language.CHINESE)}"
        where = "the clock" if command.inner else f"`POST {command.route}`"
        yield f"| {name} | {command.declaration.clause} | {who} | {where} |"


def _event(event: type[Event]) -> Iterator[str]:
    name = f"{event.__name__} {label('event', event.__name__, Language.CHINESE)}"
    yield ""
    yield f"### {name}"
    yield ""
    if event.__doc__ and event.__doc__ != Event.__doc__:
        yield f"{first_sentence(event)} "
    yield f"Schema {event.schema}. Rows: {', '.join(_taken_by(event)) or 'none'}."
    hints = get_type_hints(event)
    fields = [(field, hints[field]) for field in event.__struct_fields__]
    if fields:
        yield ""
        yield "| field | type |"
        yield "|---|---|"
        for field, annotation in fields:
            yield f"| `{field}` {label('field', field, Language.CHINESE)} | {_spelt(annotation)} |"


def read_by(name: str) -> list[str]:
    """Whatever of ours takes an event: its aggregate, rows, rules, policies and reference data, by their names."""
    event = Event.known.get(name)
    of_rules = [rule.view for rule in RULES]
    found = [f"aggregate {kind.aggregate.__name__}" for kind in AGGREGATES if event in events_of(kind.aggregate)]
    found += [f"row {view.row.__name__}" for view in VIEWS if event in view.folds and view not in of_rules]
    found += [f"rule {rule.number}" for rule in RULES if event in rule.view.folds]
    found += [f"policy {policy.name}" for policy in POLICIES if event in policy.reactions]
    return [*found, "reference data"] if event in REFERENCE_EVENTS else found


def _taken_by(event: type[Event]) -> list[str]:
    return list(dict.fromkeys(view.row.__name__ for view in VIEWS if event in view.folds))


def _spelt(annotation: Any) -> str:
    """A type in words: `CustomerId`, `date or nothing`, `tuple of Role`."""
    if annotation is type(None):
        return "nothing"
    parts = [_spelt(part) for part in get_args(annotation) if part is not ...]
    if get_origin(annotation) in {Union, UnionType}:
        return " or ".join(parts)
    name = getattr(get_origin(annotation) or annotation, "__name__", str(annotation))
    return f"{name} of {', '.join(parts)}" if parts else name
