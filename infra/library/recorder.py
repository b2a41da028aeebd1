"""The log as a recorder of the library: it writes, reads and follows."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg
from eventsourcing.persistence import (
    ApplicationRecorder,
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    NotSupportedError,
    OperationalError,
    StoredEvent,
    Subscription,
    Tracking,
)
from eventsourcing.utils import retry
from psycopg_pool import ConnectionPool, PoolClosed

from infra.append import Append, Appended, AppendRefused, Unavailable
from infra.codec import COLUMNS, Line
from infra.event_store import Writer
from infra.guard_memory import Guard
from infra.library.mapping import LogNotification, changes_of

NOBODY = "nobody"
"""The actor of an event that was stored without saying whose act it is."""

NO_END = 2**63 - 1
PAGE = 500
SHORTEST_PAUSE, LONGEST_PAUSE = 0.005, 0.05
"""Seconds between two looks at the log; events of this process are seen at once."""


class BackgroundWriter:
    """The writer for threads: it lives in a loop of its own, and whoever appends waits for the answer."""

    def __init__(
        self,
        conninfo: str,
        *,
        patience: float = 10.0,
        wrote: Callable[[int, Iterable[str]], None] = lambda _position, _types: None,
    ) -> None:
        self._writer = Writer(conninfo, patience=patience, wrote=wrote)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end = asyncio.Event()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Return when it is connected."""
        ready: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live(ready)), name="writer", daemon=True)
        self._thread.start()
        ready.result()

    def append(self, append: Append) -> Appended:
        """Write one decision durably; raises an AppendRefused that says why not, or Unavailable."""
        with self._lock:
            if self._loop is None:
                raise Unavailable("the writer does not run")
            answer = asyncio.run_coroutine_threadsafe(self._writer.append(append), self._loop)
        return answer.result()

    def stop(self) -> None:
        """Write what is queued, then end."""
        with self._lock:
            loop, self._loop = self._loop, None
            if loop is not None:
                loop.call_soon_threadsafe(self._end.set)
        if self._thread is not None:
            self._thread.join()

    async def _live(self, ready: Future[None]) -> None:
        try:
            await self._writer.start()
        except BaseException as error:  # for whoever waits in start()
            ready.set_exception(error)
            return
        self._loop = asyncio.get_running_loop()
        ready.set_result(None)
        await self._end.wait()
        await self._writer.stop()


class LogRecorder(ApplicationRecorder):
    """Writes to the log and reads from it; the notification id of an event is its position.

    An error of the database is the library's exception of that name; a refused append is an IntegrityError, whose cause
    says why. `readers`: how many may read at the same moment. `patience`: after how many seconds a database that is
    away is an OperationalError.
    """

    def __init__(self, conninfo: str, *, readers: int = 4, patience: float = 10.0) -> None:
        self._listeners: set[threading.Event] = set()
        self._writer = BackgroundWriter(conninfo, patience=patience, wrote=self._wrote)
        self._starting, self._started = threading.Lock(), False
        self._pool: ConnectionPool[psycopg.Connection[Any]] = ConnectionPool(
            conninfo,
            min_size=1,
            max_size=readers,
            timeout=patience / 2,
            check=ConnectionPool.check_connection,
            open=False,
            kwargs={"autocommit": True, "application_name": "yewu-library", "connect_timeout": 5},
        )
        self._pool.open()

    def close(self) -> None:
        """Write what is queued, and let go of the database."""
        with self._starting:
            self._started = True
            self._writer.stop()
        self._pool.close()

    def insert_events(
        self,
        stored_events: Sequence[StoredEvent],
        *,
        tracking: Tracking | None = None,
        guards: Sequence[Guard] = (),
        body_hash: str | None = None,
        **_kwargs: Any,
    ) -> Sequence[int]:
        """Write these events, all or none; their positions. Those of one stream stand together in the log.

        With a `body_hash` the answer is kept under the command id of the first event: whoever repeats it gets the same
        positions again.
        """
        if tracking is not None:
            raise NotSupportedError("The log does not track other logs: keep the position with what is made of it.")
        if not stored_events:
            return []
        changes = changes_of(stored_events)
        command_id = changes[0].entries[0].command_id or uuid4()
        with _library_errors():
            position = self._running_writer().append(Append(NOBODY, command_id, changes, guards, body_hash)).first
        before: dict[str, int] = {}
        for change in changes:
            before[change.stream_id] = position - 1 - (change.expected or 0)
            position += len(change.entries)
        return [before[str(event.originator_id)] + event.originator_version for event in stored_events]

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[LogNotification]:
        """The events of one stream."""
        return self._select(
            "stream_id = %s AND version > %s AND version <= %s ORDER BY version" + (" DESC" if desc else ""),
            (str(originator_id), gt or 0, NO_END if lte is None else lte),
            limit,
        )

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[LogNotification]:
        """The next events from a position on; of these types only, if any are named."""
        after = 0 if start is None else start - inclusive_of_start
        until = NO_END if stop is None else stop
        if not topics:
            return self._select("position > %s AND position <= %s ORDER BY position", (after, until), limit)
        return self._select(
            "position > %s AND position <= %s AND type = ANY(%s) ORDER BY position", (after, until, list(topics)), limit
        )

    def max_notification_id(self) -> int | None:
        """The last position; None while the log is empty."""
        ((position,),) = self._rows("SELECT position FROM yewu.head", ())
        return position or None

    def versions(self, stream_ids: Iterable[str]) -> dict[str, int]:
        """At which version each of these streams is; 0 for one that nothing has been recorded on."""
        wanted = list(stream_ids)
        found = self._rows(
            "SELECT w.id, l.version FROM unnest(%s::text[]) w(id), LATERAL (SELECT version FROM yewu.log"
            " WHERE stream_id = w.id ORDER BY version DESC LIMIT 1) l",
            (wanted,),
        )
        return dict.fromkeys(wanted, 0) | dict(found)

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> LogSubscription:
        """Every event behind a position, those still to come included."""
        return LogSubscription(self, gt, topics)

    def listen(self, event: threading.Event) -> None:
        """Set this event whenever something was written here."""
        self._listeners.add(event)

    def unlisten(self, event: threading.Event) -> None:
        """Set it no more."""
        self._listeners.discard(event)

    def _wrote(self, _position: int, _types: Iterable[str]) -> None:
        for listener in tuple(self._listeners):
            listener.set()

    def _running_writer(self) -> BackgroundWriter:
        """Whoever only reads needs none, nor the right to write."""
        with self._starting:
            if not self._started:
                self._writer.start()
                self._started = True
        return self._writer

    def _select(self, condition: str, parameters: tuple[object, ...], limit: int | None) -> list[LogNotification]:
        rows = self._rows(f"SELECT {COLUMNS} FROM yewu.log WHERE {condition} LIMIT %s", (*parameters, limit))
        lines = [Line(*row) for row in rows]
        return [
            LogNotification(line.stream_id, line.version, line.type, line.data, line.position, line) for line in lines
        ]

    @retry(OperationalError, max_attempts=2)
    def _rows(self, query: str, parameters: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with _library_errors(), self._pool.connection() as db:
            return db.execute(query.encode(), parameters, prepare=True, binary=True).fetchall()


class LogSubscription(Subscription[LogRecorder]):
    """Follows the log, from one position to the next, however quiet it is."""

    def __init__(self, recorder: LogRecorder, gt: int | None = None, topics: Sequence[str] = ()) -> None:
        super().__init__(recorder, gt, topics)
        self._after = gt or 0
        self._page: Iterator[LogNotification] = iter(())
        self._wake = threading.Event()
        recorder.listen(self._wake)

    def stop(self) -> None:
        """End the iteration, also one that waits."""
        super().stop()
        self._recorder.unlisten(self._wake)
        self._wake.set()

    def __next__(self) -> LogNotification:
        pause = SHORTEST_PAUSE
        while not self._has_been_stopped:
            for notification in self._page:
                return notification
            if not self._turn_page():
                self._wake.wait(pause)
                self._wake.clear()
                pause = min(2 * pause, LONGEST_PAUSE)
        raise StopIteration

    def _turn_page(self) -> bool:
        """Is there more? The head is asked first: up to there nothing can be missing, whatever types are wanted."""
        head = self._recorder.max_notification_id() or 0
        if head <= self._after:
            return False
        page = self._recorder.select_notifications(self._after, PAGE, head, self._topics, inclusive_of_start=False)
        self._after = head if len(page) < PAGE else page[-1].id
        self._page = iter(page)
        return True


@contextmanager
def _library_errors() -> Iterator[None]:
    """What goes wrong, in the library's words; what they stand for is the cause."""
    try:
        yield
    except AppendRefused as error:
        raise IntegrityError(str(error)) from error
    except PoolClosed as error:
        raise InterfaceError(str(error)) from error
    except (Unavailable, psycopg.OperationalError) as error:
        raise OperationalError(str(error)) from error
    except (psycopg.DataError, ValueError) as error:
        raise DataError(str(error)) from error
    except psycopg.Error as error:
        raise DatabaseError(str(error)) from error
