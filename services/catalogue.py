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
    RestrictedFieldsRead,
    events_of,
)
from infra.commands import Kind, commands_of
from projections.rules.catalogue import RULES
from services.composition import AGGREGATES, VIEWS
from services.language import Language, label

KERNEL_EVENTS: tuple[type[Event], ...] = (
    LegacyRecordImported,
    LegacySourceDescribed,
    CommandRefused,
    RestrictedFieldsRead,
    ObligationMissed,
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
    """docs/rules.md: each conformance rule with its clauses, template, events, parameter, and what it means."""
    lines = [
        "# Conformance rules 遵循规则",
        "",
        "Made from the code by `make generate`. How a case stands to each: `yewu verdicts`; how well each is kept:",
        "`yewu conformance`. Who owes what by when: `yewu duties`.",
        "",
        "| rule | clauses | template | mode | within | what it means |",
        "|---|---|---|---|---|---|",
    ]
    for rule in RULES:
        within = "" if rule.within is None else rule.within.parameter
        meaning = f"{rule.meaning} {label('rule', rule.number, Language.CHINESE)}"
        clauses = ", ".join(rule.clauses)
        lines.append(f"| {rule.number} | {clauses} | {rule.template} | {rule.mode} | {within} | {meaning} |")
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
