"""A policy: what follows from an event, or from a time. It may look at either twice, for what follows happens once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

from aggregates.event import Event, Recorded
from aggregates.value import Value
from projections.row import Row


class Intent(NamedTuple):
    """A command to be given: its name, the stream it goes to, and what it says."""

    command: str
    stream_id: str
    arguments: Mapping[str, Any]


Reaction: TypeAlias = Callable[[Recorded[Any]], Iterable[Intent]]


class Alarm(NamedTuple):
    """At the time in a column of a row a command is given. The fold of the row sets that time, takes it back as soon as
    something else has happened, and sets none for imported history; the command says nothing if it is no longer so."""

    rows: type[Row]
    at: str
    then: Callable[[Any], Intent]


class Policy(Value):
    """Named reactions to events and times; the name stands in the log as the actor of what follows. `clauses`: those of
    the regulation that it serves."""

    name: str
    reactions: Mapping[type[Event], Reaction] = {}
    alarms: tuple[Alarm, ...] = ()
    clauses: tuple[str, ...] = ()

    @property
    def types(self) -> list[str]:
        """The names of the events it reacts to."""
        return sorted(event.__name__ for event in self.reactions)

    def follows(self, record: Recorded[Any]) -> list[Intent]:
        """What follows from an event; nothing from imported history, which is over."""
        reaction = self.reactions.get(type(record.event))
        return [] if reaction is None or record.origin is not None else list(reaction(record))
