"""What may be asked of the log, and how it may say no."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from infra.codec import Stored
from infra.guard_memory import Guard, News


class Entry(NamedTuple):
    """One event to be written, with its envelope. No effective time: it is true when it is recorded.

    Actor and command id are those of the append, except where events of several acts are written together.
    """

    stored: Stored
    meta: bytes
    effective_at: datetime | None = None
    actor_id: str | None = None
    command_id: UUID | None = None


class Change(NamedTuple):
    """What happens to one stream. No expected version: wherever the stream stands."""

    stream_id: str
    expected: int | None
    entries: Sequence[Entry]


class Append(NamedTuple):
    """One decision: all or nothing. With a `body_hash` its answer is kept under the command id."""

    actor_id: str
    command_id: UUID
    changes: Sequence[Change]
    guards: Sequence[Guard] = ()
    body_hash: str | None = None
    only_at: int | None = None


class Appended(NamedTuple):
    """Where the events lie. `repeated`: they already did, under the same key."""

    first: int
    last: int
    recorded_at: datetime | None
    repeated: bool = False


class AppendRefused(Exception):
    """The log did not take an append, and holds nothing of it."""


class VersionConflict(AppendRefused):
    """A stream is not where the decision thought it was."""

    def __init__(self, stream_id: str, version: int) -> None:
        super().__init__(f"{stream_id} is at version {version}")
        self.stream_id, self.version = stream_id, version


class FactsMoved(AppendRefused):
    """News after the facts were read may have changed them."""

    def __init__(self, news: News) -> None:
        super().__init__(f"{news.type} about {news.tag} at position {news.position}")
        self.news = news


class FactsTooOld(AppendRefused):
    """The facts were read so long ago, or of such a position, that nobody can check them."""


class KeyReused(AppendRefused):
    """The idempotency key stands for another command."""


class Taken(AppendRefused):
    """A value that only one stream may carry is carried by another."""

    def __init__(self, scope: str, holder: str) -> None:
        super().__init__(f"{scope} is held by {holder}")
        self.scope, self.holder = scope, holder


class Unavailable(Exception):
    """The database cannot be reached; whether an append was written is not known, and asking again is safe."""
