"""For other services: the events as they come, each once and in the order of its stream, from Kafka or over HTTP.

A subscriber keeps its place in its own database, in the same transaction with what it makes of the events. It needs no
more than the base of this distribution.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias

import msgspec

from aggregates.event import Event, Recorded
from infra.codec import Codec, Published, UnknownEvent
from infra.kafka.client import KafkaAway, Place
from services.feeds import FROM_THE_BEGINNING, Begin, Item, Kept, Source, SourceAway

Handler: TypeAlias = Callable[[Recorded[Any]], object]
"""What a service does with an event, in its own database, on the connection that its `Keeper` has; never commits."""

ATTEMPTS, PAUSE = 3, 0.2
"""How often a handler is asked before its event becomes a dead letter, and how many seconds lie between."""

REFRESH = 300.0
"""Seconds after which a subscriber looks for topics that are new."""


PLACES = """
CREATE TABLE IF NOT EXISTS yewu_place (
    subscriber text NOT NULL, topic text NOT NULL, part integer NOT NULL, next_offset bigint NOT NULL,
    position bigint NOT NULL, PRIMARY KEY (subscriber, topic, part))"""

DEAD_LETTERS = """
CREATE TABLE IF NOT EXISTS yewu_dead_letter (
    subscriber text NOT NULL, position bigint NOT NULL, stream_id text NOT NULL, type text NOT NULL,
    cause text NOT NULL, at text NOT NULL, event text NOT NULL, PRIMARY KEY (subscriber, position))"""


class Lag(NamedTuple):
    """How many records are waiting at most, and how many seconds ago the last one that was handled was recorded."""

    waiting: int
    seconds: float | None


class Overtaken(Exception):
    """Another process works under the same name and has gone on; nothing of this batch was kept."""


class Keeper:
    """Where a subscriber keeps its places and its dead letters: in the service's own database, SQLite or PostgreSQL.

    `connection`: of `sqlite3` or `psycopg`, not in autocommit mode, on which the handlers write too. `mark`: how
    parameters are written, `?` or `%s`.
    """

    def __init__(self, connection: Any, mark: str = "?") -> None:
        self.connection, self._mark = connection, mark
        for statement in (PLACES, DEAD_LETTERS):
            self.do(statement)
        connection.commit()

    def do(self, query: str, *values: object) -> Any:
        """A statement with `?` for each value, on the service's own connection."""
        cursor = self.connection.cursor()
        cursor.execute(query.replace("?", self._mark), values)
        return cursor

    def places(self, subscriber: str) -> dict[Place, Kept]:
        """How far it has come in each partition."""
        found = self.do("SELECT topic, part, next_offset, position FROM yewu_place WHERE subscriber = ?", subscriber)
        kept = {(topic, part): Kept(offset, position) for topic, part, offset, position in found.fetchall()}
        self.connection.commit()
        return kept

    def move(self, subscriber: str, place: Place, was: Kept | None, now: Kept) -> None:
        """Go on from where one was, within the open transaction; Overtaken if somebody else has gone on."""
        if was is None:
            done = self.do(
                "INSERT INTO yewu_place (subscriber, topic, part, next_offset, position) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                subscriber, *place, *now,
            )  # fmt: skip
        else:
            done = self.do(
                "UPDATE yewu_place SET next_offset = ?, position = ?"
                " WHERE subscriber = ? AND topic = ? AND part = ? AND next_offset = ?",
                *now, subscriber, *place, was.offset,
            )  # fmt: skip
        if done.rowcount != 1:
            raise Overtaken(f"{subscriber} is not at {was.offset if was else 0} of {place[0]}/{place[1]} any more")


class DeadLetter(NamedTuple):
    """An event that a handler could not take, or that lies behind one on its stream; why, and since when."""

    position: int
    stream_id: str
    type: str
    cause: str
    at: str


class Subscriber:
    """One service's reading of the log, under a name; as many processes as one likes, of which one gets on.

    `handlers`: what happens at which event; of all others nothing is read but the type. Events of one stream come in
    their order; one that its handler cannot take becomes a dead letter, and whatever follows on its stream waits
    behind it until `redrive`.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        keeper: Keeper,
        handlers: Mapping[type[Event], Handler],
        *,
        begin: Begin = FROM_THE_BEGINNING,
    ) -> None:
        self.name, self._source, self._keeper, self._begin = name, source, keeper, begin
        self._handlers = {event.__name__: handler for event, handler in handlers.items()}
        self._codec = Codec(handlers)
        self._kept: dict[Place, Kept] | None = None
        self._opened = 0.0
        self._stuck: set[str] = set()
        self._last: datetime | None = None

    def step(self, seconds: float = 0.5) -> int:
        """Handle the next batch in one transaction with its places; how many records that was, those left out included.

        Waits so long for the first one. Overtaken if another process was here, SourceAway or KafkaAway if the source
        does not answer, UnknownEvent if this version cannot read what came: nothing of the batch is kept then.
        """
        try:
            kept = self._open()
            items = self._source.poll(self._handlers, seconds)
            if items:
                self._take(items, kept)
        except BaseException:
            self.forget()
            raise
        return len(items)

    def run(self, stop: Callable[[], bool]) -> None:
        """Go on until told to stop, across lost connections of the source."""
        while not stop():
            try:
                self.step()
            except (SourceAway, KafkaAway, Overtaken):
                time.sleep(1)

    def lag(self) -> Lag:
        """How far behind it is."""
        self._open()
        seconds = None if self._last is None else (datetime.now(UTC) - self._last).total_seconds()
        return Lag(self._source.waiting(), seconds)

    def dead_letters(self) -> list[DeadLetter]:
        """What waits for somebody, in order."""
        found = self._keeper.do(
            "SELECT position, stream_id, type, cause, at FROM yewu_dead_letter WHERE subscriber = ? ORDER BY position",
            self.name,
        ).fetchall()
        self._keeper.connection.commit()
        return [DeadLetter(*row) for row in found]

    def redrive(self) -> int:
        """Handle the dead letters again, in their order, each in a transaction; how many are none any more."""
        found = self._keeper.do(
            "SELECT position, stream_id, event FROM yewu_dead_letter WHERE subscriber = ? ORDER BY position",
            self.name,
        ).fetchall()
        self._keeper.connection.commit()
        stuck, done = set[str](), 0
        for position, stream_id, text in found:
            if stream_id in stuck:
                continue
            try:
                self._give(_read_letter(text.encode()))
            except Exception as problem:
                self._keeper.connection.rollback()
                stuck.add(stream_id)
                self._keeper.do(
                    "UPDATE yewu_dead_letter SET cause = ? WHERE subscriber = ? AND position = ?",
                    _cause(problem), self.name, position,
                )  # fmt: skip
            else:
                self._keeper.do(
                    "DELETE FROM yewu_dead_letter WHERE subscriber = ? AND position = ?", self.name, position
                )
                done += 1
            self._keeper.connection.commit()
        self._stuck = stuck
        return done

    def forget(self) -> None:
        """Give up what is under way; the next step begins with what is kept."""
        self._keeper.connection.rollback()
        self._kept = None

    def close(self) -> None:
        """Let go of the source."""
        self.forget()
        self._source.close()

    def _open(self) -> dict[Place, Kept]:
        if self._kept is None or time.monotonic() - self._opened > REFRESH:
            kept = self._keeper.places(self.name)
            self._stuck = {letter.stream_id for letter in self.dead_letters()}
            self._source.open(kept, self._begin)
            self._kept, self._opened = kept, time.monotonic()
        return self._kept

    def _take(self, items: Sequence[Item], kept: dict[Place, Kept]) -> None:
        """All at once; if that fails, one after the other, to find out whose fault it is."""
        stuck = set(self._stuck)
        try:
            self._handle(items, kept, self._ask)
        except (Overtaken, UnknownEvent):
            raise
        except Exception:
            self._keeper.connection.rollback()
            self._stuck = stuck
            for alone in _one_by_one(items):
                self._handle(alone, kept, self._ask_again)

    def _handle(self, items: Sequence[Item], kept: dict[Place, Kept], ask: Callable[[Published], None]) -> None:
        """Whatever is new of these, and the places behind them, in one transaction."""
        now: dict[Place, Kept] = {}
        for item in items:
            offset, position = now.get(item.place) or kept.get(item.place) or Kept(0, 0)
            if item.type:
                line = (published := item.read()).line
                if line.position > position and self._begin.takes(line.position, line.recorded_at):
                    ask(published)
                    position, self._last = line.position, line.recorded_at
            now[item.place] = Kept(max(offset, item.next_offset), position)
        for place, there in now.items():
            self._keeper.move(self.name, place, kept.get(place), there)
        self._keeper.connection.commit()
        kept |= now

    def _ask(self, published: Published) -> None:
        if self._is_stuck(published.line.stream_id):
            self._lay_aside(published, "it lies behind another dead letter of its stream")
        else:
            self._give(published)

    def _give(self, published: Published) -> None:
        handler = self._handlers.get(published.line.type)
        if handler is None:
            raise UnknownEvent(f"{published.line.type} has no handler here")
        handler(self._codec.recorded(published.line))

    def _is_stuck(self, stream_id: str) -> bool:
        """Does a dead letter of this stream wait? Another process may have redriven what waited when we last looked."""
        if stream_id not in self._stuck:
            return False
        letter = self._keeper.do(
            "SELECT 1 FROM yewu_dead_letter WHERE subscriber = ? AND stream_id = ? LIMIT 1", self.name, stream_id
        ).fetchone()
        if letter is None:
            self._stuck.discard(stream_id)
        return letter is not None

    def _ask_again(self, published: Published) -> None:
        """Several times, for what fails may pass; then it is laid aside."""
        for attempt in range(ATTEMPTS):
            try:
                self._ask(published)
            except UnknownEvent:
                raise
            except Exception as problem:
                self._keeper.connection.rollback()
                if attempt == ATTEMPTS - 1:
                    self._lay_aside(published, _cause(problem))
                else:
                    time.sleep(PAUSE)
            else:
                return

    def _lay_aside(self, published: Published, cause: str) -> None:
        line = published.line
        self._keeper.do(
            "INSERT INTO yewu_dead_letter (subscriber, position, stream_id, type, cause, at, event)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            self.name, line.position, line.stream_id, line.type, cause, datetime.now(UTC).isoformat(),
            msgspec.json.encode(published).decode(),
        )  # fmt: skip
        self._stuck.add(line.stream_id)


_read_letter = msgspec.json.Decoder(Published).decode


def _one_by_one(items: Iterable[Item]) -> Iterator[Sequence[Item]]:
    """Each event of its own; a partition's offset goes with its last event."""
    rest: defaultdict[Place, list[Item]] = defaultdict(list)
    for item in items:
        if item.type:
            yield [item]
        else:
            rest[item.place].append(item)
    yield from rest.values()


def _cause(problem: Exception) -> str:
    return f"{type(problem).__name__}: {problem}"
