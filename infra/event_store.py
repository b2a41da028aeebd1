"""The log: group commit of guarded appends, all of a moment in one round trip."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple
from uuid import uuid4

import psycopg
import structlog
from prometheus_client import Counter, Histogram
from psycopg.errors import error_from_result
from psycopg.generators import execute
from psycopg.pq import ExecStatus, Format

from infra.append import Append, Appended, Unavailable
from infra.append_call import STATEMENT, Packed, Reply, packed, parameters
from infra.guard_memory import Guard, GuardMemory

log = structlog.get_logger()
PAUSE = 0.05
"""Seconds between two attempts to reach the database."""

WORTH_DIVIDING = 8
"""So many callers at once are written in two batches that take turns."""

COMMIT_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0)
PREPARED = b"append"


class _Waiting(NamedTuple):
    packed: Packed
    answer: asyncio.Future[Appended]
    until: float


class _Batch:
    """Appends that may go together: none of them could refuse another, so each can be judged by what is in the log."""

    def __init__(self, max_events: int) -> None:
        self.waiting: list[_Waiting] = []
        self._room = max_events
        self._streams: set[str] = set()
        self._keys: set[bytes] = set()
        self._held: set[tuple[str, str]] = set()
        self._news: dict[str, set[str]] = {}

    def takes(self, waiting: _Waiting) -> bool:
        """Put it with the others, if that is possible."""
        packed = waiting.packed
        append, key = packed.append, packed.key[0]
        if (
            self._room <= 0
            or (append.only_at is not None and self.waiting)
            or key in self._keys
            or not self._streams.isdisjoint(packed.streams)
            or not self._held.isdisjoint(packed.held)
            or any(self._has_news_for(guard) for guard in append.guards)
        ):
            return False
        self.waiting.append(waiting)
        self._keys.add(key)
        self._streams.update(packed.streams)
        self._held.update(packed.held)
        for type_, tags in packed.news:
            self._news.setdefault(type_, set()).update(tags)
        self._room = 0 if append.only_at is not None else self._room - len(packed.news)
        return True

    def _has_news_for(self, guard: Guard) -> bool:
        return any(not self._news[type_].isdisjoint(guard.tags) for type_ in self._news.keys() & guard.types)


class Writer:
    """One for each process: appends that arrive while one commit is in flight go together in the next.

    `max_tail`: how many events back facts can be checked in the database. `patience`: after how many seconds without
    an answer of the database a caller is told that it is unavailable. `wrote` is called after each commit with the last
    position and the types that were written, by us or, as far as is seen, by others.
    """

    def __init__(
        self,
        conninfo: str,
        *,
        max_events: int = 1000,
        max_tail: int = 10_000,
        memory: int = 10_000,
        patience: float = 10.0,
        wrote: Callable[[int, Iterable[str]], None] = lambda _position, _types: None,
    ) -> None:
        self.conninfo, self.max_events, self.max_tail, self.patience = conninfo, max_events, max_tail, patience
        self.memory, self.wrote = GuardMemory(memory), wrote
        self.batches = self.events = 0
        self.commit_seconds = Histogram(
            "yewu_append_commit_seconds", "From sending a batch to its commit.", buckets=COMMIT_BUCKETS, registry=None
        )
        self.refused = Counter("yewu_append_refused", "Appends that were not written.", ["reason"], registry=None)
        self._name = f"yewu-writer {uuid4().hex}"
        self._queue: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._closing = self._shaken = False

    async def start(self) -> None:
        """Connect, remember the end of the log, and begin to write."""
        await self._connect()
        self._task = asyncio.create_task(self._run(), name="writer")

    async def stop(self) -> None:
        """Write what is queued, then end."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
        if self._connection is not None:
            await self._connection.close()

    async def append(self, append: Append) -> Appended:
        """Write one decision durably; raises an AppendRefused that says why not, or Unavailable."""
        if self._closing:
            raise Unavailable("this process is shutting down")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(packed(append), loop.create_future(), loop.time() + self.patience)
        self._queue.append(waiting)
        self._wake.set()
        return await waiting.answer

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            most = self._first_share()
            while self._queue:
                batch, most = self._take(most), self.max_events
                try:
                    await self._commit(batch)
                except Exception as error:  # a mistake of ours must not leave anybody waiting for ever
                    log.exception("the writer failed", waiting=len(batch))
                    for waiting in batch:
                        _answer(waiting, error)
            if self._closing:
                return

    def _first_share(self) -> int:
        """How many go ahead of all that wait: of many the half, so that from then on one half prepares its next acts
        while the other is being written."""
        waiting = len(self._queue)
        return self.max_events if waiting < WORTH_DIVIDING else min(self.max_events, (waiting + 1) // 2)

    def _take(self, most: int) -> list[_Waiting]:
        batch, later = _Batch(most), []
        for waiting in self._queue:
            if waiting.answer.done():  # whoever asked has gone
                continue
            if not batch.takes(waiting):
                later.append(waiting)
        self._queue = later
        return batch.waiting

    async def _commit(self, batch: list[_Waiting]) -> None:
        if not batch:
            return
        known = self.memory.known
        try:
            with self.commit_seconds.time():
                reply = await self._write([waiting.packed for waiting in batch])
        except psycopg.OperationalError as error:
            await self._after_loss(batch, error)
        except Exception as error:  # one malformed argument fails the statement: find out whose it was
            await self._singly(batch, error)
        else:
            self._settle(batch, reply, known)

    async def _write(self, batch: Sequence[Packed]) -> Reply:
        if self._connection is None:
            raise psycopg.OperationalError("not connected")
        pgconn = self._connection.pgconn
        sent = parameters(batch, self.memory, self.max_tail)
        pgconn.send_query_prepared(PREPARED, sent, [Format.BINARY] * len(sent), Format.BINARY)
        # psycopg notices within a tenth of a second; a timeout would have it ask a silent server to cancel first
        hang_up = asyncio.get_running_loop().call_later(self.patience, pgconn.finish)
        try:
            (result,) = await self._connection.wait(execute(pgconn))
        finally:
            hang_up.cancel()
        if result.status != ExecStatus.TUPLES_OK:
            raise error_from_result(result)
        return Reply.read([result.get_value(0, n) for n in range(result.nfields)], [each.append for each in batch])

    def _settle(self, batch: list[_Waiting], reply: Reply, known: int) -> None:
        """Give everybody their answer, and remember what was written."""
        self._shaken = False
        self.memory.learn(known, reply.seen, reply.base)
        position, types = reply.base, {type_ for type_, _ in reply.seen}
        for number, waiting in enumerate(batch, 1):
            outcome = reply.refused.get(number)
            if outcome is None:
                first = position + 1
                for type_, tags in waiting.packed.news:
                    position += 1
                    types.add(type_)
                    self.memory.add(position, type_, tags)
                outcome = Appended(first, position, reply.recorded_at)
            elif isinstance(outcome, Exception):
                self.refused.labels(type(outcome).__name__).inc()
            _answer(waiting, outcome)
        self.batches += 1
        self.events += position - reply.base
        self.wrote(position, types)

    async def _singly(self, batch: list[_Waiting], error: Exception) -> None:
        if len(batch) == 1:
            _answer(batch[0], error)
            return
        for waiting in batch:
            await self._commit([waiting])

    async def _after_loss(self, batch: list[_Waiting], error: Exception) -> None:
        """The connection broke: perhaps all is written, perhaps nothing. Find out, then go on with what is missing."""
        log.warning("writer lost its connection", error=_in_one_line(error), waiting=len(batch))
        if self._shaken:
            await asyncio.sleep(PAUSE)
        self._shaken = True
        while True:
            try:
                await self._connect()
                missing = [waiting for waiting in batch if not await self._found(waiting)]
            except psycopg.Error:
                batch, self._queue = self._patient(batch), self._patient(self._queue)
                if not batch:
                    return
                await asyncio.sleep(PAUSE)
            else:
                self._queue = self._patient(missing) + self._queue
                return

    def _patient(self, waiting: Iterable[_Waiting]) -> list[_Waiting]:
        """Those who can wait a little longer; the others are told that it is in vain."""
        now, still = asyncio.get_running_loop().time(), []
        for each in waiting:
            if now < each.until:
                still.append(each)
            else:
                _answer(each, Unavailable("the database does not answer"))
        return still

    async def _found(self, waiting: _Waiting) -> bool:
        """Answer an append that is in the log, or can never be."""
        try:
            written = await self._written(waiting.packed.append)
        except psycopg.DataError as error:  # text that no column can hold
            _answer(waiting, error)
            return True
        if written is None:
            return False
        _answer(waiting, written)
        self.wrote(written.last, {type_ for type_, _ in waiting.packed.news})
        return True

    async def _written(self, append: Append) -> Appended | None:
        """Where an append lies: all of it behind its first event, which is known by its command id."""
        assert self._connection is not None  # noqa: S101  # just connected
        first = append.changes[0]
        cursor = await self._connection.execute(
            "SELECT position, recorded_at FROM yewu.log WHERE stream_id = %s AND version > %s AND command_id = %s"
            " ORDER BY version LIMIT 1",
            (first.stream_id, first.expected or 0, first.entries[0].command_id or append.command_id),
        )
        row = await cursor.fetchone()
        if row is None:
            return None
        return Appended(row[0], row[0] + sum(len(change.entries) for change in append.changes) - 1, row[1])

    async def _connect(self) -> None:
        """Connect, end whatever an earlier connection of ours may still be doing, and remember the end of the log."""
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                await self._connection.close()
            self._connection = None
        connection = await psycopg.AsyncConnection.connect(
            self.conninfo, autocommit=True, connect_timeout=5, application_name=self._name
        )
        try:
            await self._fence(connection)
            await self._remember(connection)
            await self._prepare(connection)
        except BaseException:
            await connection.close()
            raise
        self._connection = connection

    async def _fence(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """What was sent before the connection broke must not be carried out after we have looked for it."""
        cursor = await connection.execute(
            "SELECT bool_and(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
            " WHERE application_name = %s AND pid <> pg_backend_pid()",
            (self._name,),
        )
        (ended,) = await cursor.fetchone() or (None,)
        if ended is False:
            raise psycopg.OperationalError("an earlier connection of ours does not end")

    async def _remember(self, connection: psycopg.AsyncConnection[Any]) -> None:
        cursor = await connection.execute("SELECT position FROM yewu.head")
        (head,) = await cursor.fetchone() or (0,)
        self.memory.reset(max(0, head - self.memory.size))
        cursor = await connection.execute(
            "SELECT type, tags FROM yewu.log WHERE position > %s AND position <= %s ORDER BY position",
            (self.memory.known, head),
        )
        self.memory.learn(self.memory.known, await cursor.fetchall(), head)

    async def _prepare(self, connection: psycopg.AsyncConnection[Any]) -> None:
        connection.pgconn.send_prepare(PREPARED, STATEMENT)
        (result,) = await connection.wait(execute(connection.pgconn))
        if result.status != ExecStatus.COMMAND_OK:
            raise error_from_result(result)


def _in_one_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _answer(waiting: _Waiting, outcome: Appended | Exception) -> None:
    if waiting.answer.done():
        return
    if isinstance(outcome, Exception):
        waiting.answer.set_exception(outcome)
    else:
        waiting.answer.set_result(outcome)
