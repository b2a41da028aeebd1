"""What there is for each clause of the regulation, read off commands, their events, views and policies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_type_hints

from aggregates.event import Event
from aggregates.text import Code
from infra.commands import Command
from projections.regulation import Mechanism
from projections.row import View
from services.policies.policy import Policy


def mechanisms(
    commands: Iterable[Command], views: Iterable[View[Any]], policies: Iterable[Policy]
) -> Mapping[str, Mechanism]:
    """By clause: the commands that name it, the rows that take an event of theirs, the policies that serve it."""
    commands, views, policies = tuple(commands), tuple(views), tuple(policies)
    clauses = {command.declaration.clause for command in commands}.union(*(policy.clauses for policy in policies))
    found = {}
    for clause in clauses:
        own = [command for command in commands if command.declaration.clause == clause]
        events = dict.fromkeys(event for command in own for event in _recorded_by(command))
        found[clause] = Mechanism(
            commands=tuple(Code(command.slug) for command in own),
            events=tuple(Code(event.__name__) for event in events),
            views=tuple(
                dict.fromkeys(Code(view.row.__name__) for view in views if not events.keys().isdisjoint(view.folds))
            ),
            policies=tuple(Code(policy.name) for policy in policies if clause in policy.clauses),
        )
    return found


def _recorded_by(command: Command) -> Iterable[type[Event]]:
    """The events that a command may answer with."""
    answer = get_type_hints(command.method)["return"]
    waiting = [answer]
    while waiting:
        annotation = waiting.pop()
        if isinstance(annotation, type) and issubclass(annotation, Event) and annotation is not Event:
            yield annotation
        waiting.extend(get_args(annotation))
