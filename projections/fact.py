"""Facts for commands: answered from rows, and guarded by the very events that those rows are folded from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

from aggregates.event import Event
from aggregates.facts import Fact
from projections.question import Database
from projections.row import View, key_fields

F = TypeVar("F", bound=Fact)
K = TypeVar("K", bound=str)
Answer: TypeAlias = Callable[[Database, K], Awaitable[F]]


def fact(*views: View[Any], also_about: str | None = None) -> Callable[[Answer[K, F]], Answer[K, F]]:
    """Say from which views an answer is made; each is keyed by the one id that the fact is about.

    Its return type names the fact. Whom it is about (`customer_id`) is looked up by name: among the arguments of the
    command, then in the state of the aggregate. The tag of that id and `stale_after` make the guard. `also_about` names
    the field of the answer that holds whichever other ids it speaks of: then their tags guard it too.
    """
    for view in views:
        if len(key_fields(view.row)) > 1:
            raise TypeError(f"a fact is about one id, and {view.row.__name__} is keyed by several")

    def mark(answer: Answer[K, F]) -> Answer[K, F]:
        answer.__dict__["also_about"] = also_about
        answer.__dict__["rows"] = tuple(view.row for view in views)
        answer.__dict__["stale_after"] = frozenset[type[Event]]().union(*(view.events for view in views))
        return answer

    return mark
