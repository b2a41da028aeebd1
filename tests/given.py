"""Given / When / Then: the words every aggregate test is written in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Concatenate, Generic
from uuid import UUID

import msgspec
import pytest

from aggregates.event import Decision, Envelope, Event, P, Recorded, S, attribution, decide, recall
from aggregates.refused import Refused

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)


def given(kind: type[S], *history: Event) -> Given[S]:
    """An aggregate to which this has happened."""
    return Given(kind, history)


@dataclass(frozen=True)
class Given(Generic[S]):
    """The history an example begins with."""

    kind: type[S]
    history: Sequence[Event]

    def when(self, method: Callable[Concatenate[S, P], Decision], /, *args: P.args, **kwargs: P.kwargs) -> When:
        """Somebody gives this command, with these arguments and facts."""
        state = recall(self.kind, self.history)
        return When(lambda: decide(state, method, *args, **kwargs))


@dataclass(frozen=True)
class When:
    """A question put to the aggregate, and what may be expected of its answer."""

    ask: Callable[[], list[Event]]

    def then(self, *expected: Event) -> None:
        assert self.ask() == list(expected)

    def then_nothing(self) -> None:
        self.then()

    def then_refused(self, because: str) -> None:
        with pytest.raises(Refused, match=re.escape(because)):
            self.ask()


def recorded(
    event: Event,
    *,
    stream_id: str = "complaint-1",
    position: int = 1,
    version: int | None = None,
    at: datetime = MONDAY,
    recorded_at: datetime | None = None,
    actor_id: str = "employee-anna",
    envelope: Envelope | None = None,
) -> Recorded[Event]:
    """An event with a place in history, for tests of folds."""
    meta = msgspec.json.encode(envelope or Envelope())
    return Recorded(
        position,
        stream_id,
        position if version is None else version,
        at if recorded_at is None else recorded_at,
        at,
        actor_id,
        UUID(int=position).bytes * 2,
        meta,
        event,
        *attribution(actor_id, meta),
    )


def history(events: Iterable[Event], *, stream_id: str = "complaint-1") -> list[Recorded[Event]]:
    """The events of one stream, one after the other, all on one Monday."""
    return [recorded(event, stream_id=stream_id, position=n) for n, event in enumerate(events, start=1)]
