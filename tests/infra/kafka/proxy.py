"""A way to Kafka on which a request waits, gets lost or is cut off, exactly where a test wants it."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import threading
from enum import IntEnum, StrEnum, auto
from typing import Self

LONGEST_HOLD = 120
"""Seconds after which a request that was caught goes its way, so that a test that has failed can end."""


class Kind(IntEnum):
    """What a request wants, by the numbers of Kafka's protocol: all that a relay ever sends."""

    PRODUCE = 0
    FETCH = 1
    LIST_OFFSETS = 2
    METADATA = 3
    FIND_COORDINATOR = 10
    API_VERSIONS = 18
    CREATE_TOPICS = 19
    INIT_PRODUCER_ID = 22
    ADD_PARTITIONS_TO_TXN = 24
    END_TXN = 26
    DESCRIBE_CONFIGS = 32
    DESCRIBE_CLUSTER = 60


class Moment(StrEnum):
    """Where a request is caught."""

    BEFORE = auto()
    """The broker has not heard of it yet."""
    AFTER = auto()
    """The broker has answered; its client has not heard of that yet."""


class Fate(StrEnum):
    """What becomes of what was caught, be it a request or the reply to one."""

    PASS = auto()
    CUT = auto()
    """It is gone, and so is the connection."""
    LOSE = auto()
    """It is gone, but the connection seems to stand."""


class Trap:
    """Catches the request of a kind that comes after `skip` others, from clients whose names begin with `client`.

    It waits there until somebody decides its fate, unless that has been said beforehand.
    """

    def __init__(self, kind: Kind, moment: Moment, skip: int, client: str, fate: Fate | None) -> None:
        self.kind, self.moment, self.skip, self._client = kind, moment, skip, client
        self.client = ""
        self.answered = threading.Event()
        self._caught, self._decided, self._fate = threading.Event(), asyncio.Event(), fate or Fate.PASS
        if fate is not None:
            self._decided.set()

    def springs(self, kind: int, client: str) -> bool:
        """Is this the one that it waits for?"""
        if kind != self.kind or not client.startswith(self._client):
            return False
        self.skip -= 1
        self.client = client
        return self.skip < 0

    def has_caught(self, seconds: float) -> bool:
        """Is it caught, at the latest in so many seconds? Then `client` says whose it is."""
        return self._caught.wait(seconds)

    async def fate(self) -> Fate:
        """For the proxy, which has caught it: wait to be told."""
        self._caught.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._decided.wait(), LONGEST_HOLD)
        return self._fate

    def decide(self, fate: Fate) -> None:
        """On the thread of the proxy."""
        self._fate = fate
        self._decided.set()


class KafkaProxy:
    """Between clients and the broker at a port of this machine, on a thread of its own.

    A broker that advertises `port` is reached through it alone.
    """

    def __init__(self, target: int, port: int) -> None:
        self.target, self.port = target, port
        self._traps: list[Trap] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="kafka proxy")
        self._links: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        opening = asyncio.start_server(self._link, "127.0.0.1", self.port, limit=1 << 20)
        self._server = asyncio.run_coroutine_threadsafe(opening, self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def trap(self, kind: Kind, moment: Moment, *, skip: int = 0, client: str = "", fate: Fate | None = None) -> Trap:
        """From now on, wait for a request; each request springs at most one trap."""
        trap = Trap(kind, moment, skip, client, fate)
        self._loop.call_soon_threadsafe(self._traps.append, trap)
        return trap

    def decide(self, trap: Trap, fate: Fate) -> None:
        """What becomes of what it has caught, or would have."""
        self._loop.call_soon_threadsafe(self._put_away, trap, fate)

    def put_all_away(self) -> None:
        """Nothing is caught any more."""
        self._loop.call_soon_threadsafe(self._traps.clear)

    def sprung_by(self, request: bytes) -> Trap | None:
        """The trap for this request, which no other springs any more."""
        kind, _, _, length = struct.unpack_from(">hhih", request)
        client = request[10 : 10 + max(0, length)].decode()
        for trap in self._traps:
            if trap.springs(kind, client):
                self._traps.remove(trap)
                return trap
        return None

    def _put_away(self, trap: Trap, fate: Fate) -> None:
        if trap in self._traps:
            self._traps.remove(trap)
        trap.decide(fate)

    async def _close(self) -> None:
        self._server.close()
        for link in tuple(self._links):
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    async def _link(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        this = asyncio.current_task()
        assert this is not None
        self._links.add(this)
        try:
            server, to_server = await asyncio.open_connection("127.0.0.1", self.target, limit=1 << 20)
            try:
                await _Link(self, client, to_client, server, to_server).carry()
            finally:
                to_server.transport.abort()
        except (OSError, asyncio.CancelledError):  # the broker is away, or somebody has hung up
            pass
        finally:
            to_client.transport.abort()
            self._links.discard(this)


class _Link:
    """One connection, until its client or the broker ends it, or a trap does."""

    def __init__(
        self,
        proxy: KafkaProxy,
        client: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
    ) -> None:
        self.proxy, self.client, self.to_client = proxy, client, to_client
        self.server, self.to_server = server, to_server
        self.awaited: dict[bytes, Trap] = {}

    async def carry(self) -> None:
        """Both ways at once."""
        ways = [asyncio.create_task(self.requests()), asyncio.create_task(self.replies())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def requests(self) -> None:
        """To the broker. Who has sent something may be gone by the time it gets there: it is answered all the same."""
        while request := await _frame(self.client):
            if trap := self.proxy.sprung_by(request):
                if trap.moment is Moment.BEFORE and (fate := await trap.fate()) is not Fate.PASS:
                    if fate is Fate.CUT:
                        return
                    continue
                self.awaited[request[4:8]] = trap
            _put(self.to_server, request)
            await self.to_server.drain()
        self.to_server.write_eof()
        await asyncio.Event().wait()

    async def replies(self) -> None:
        """To the client."""
        while reply := await _frame(self.server):
            if trap := self.awaited.pop(reply[:4], None):
                trap.answered.set()
                if trap.moment is Moment.AFTER and (fate := await trap.fate()) is not Fate.PASS:
                    if fate is Fate.CUT:
                        return
                    continue
            _put(self.to_client, reply)
            await self.to_client.drain()


async def _frame(reader: asyncio.StreamReader) -> bytes | None:
    """A request or reply without its length; None when there are no more."""
    try:
        (length,) = struct.unpack(">i", await reader.readexactly(4))
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, OSError):
        return None


def _put(writer: asyncio.StreamWriter, frame: bytes) -> None:
    writer.write(struct.pack(">i", len(frame)))
    writer.write(frame)
