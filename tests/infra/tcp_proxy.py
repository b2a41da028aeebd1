"""A way to PostgreSQL on which requests and replies get lost, exactly where a test wants it."""

from __future__ import annotations

import asyncio
from collections import deque
from enum import StrEnum, auto
from types import TracebackType
from typing import Self

import psycopg
from psycopg.conninfo import make_conninfo

READY = b"Z\x00\x00\x00\x05I"
"""How PostgreSQL ends its reply to a statement that stands alone: by then it is committed."""


class Fault(StrEnum):
    """What happens to a batch of appends."""

    LOSE_REQUEST = auto()
    """The connection breaks before the server has heard anything."""
    LOSE_REPLY = auto()
    """The server carries it out and answers; then the connection breaks, and nobody has heard it."""
    LOSE_REPLY_SILENTLY = auto()
    """The same, but the connection seems to stand."""
    CARRY_OUT_LATE = auto()
    """The connection breaks for the caller at once; the server hears of it when `deliver_late` is called."""


class Proxy:
    """Between a client of `conninfo` and the server of another; one fault for each batch, in the order given."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._faults: deque[Fault] = deque()
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.StreamWriter] = set()
        self._host, self._port, self._listening = "", 0, 0
        self.late, self.late_is_over = asyncio.Event(), asyncio.Event()
        self.conninfo = ""

    async def __aenter__(self) -> Self:
        with psycopg.connect(self._target) as db:
            self._host, self._port = db.info.host, db.info.port
        await self.up()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.down()

    async def up(self) -> None:
        """Take connections; always at the same address."""
        self._server = await asyncio.start_server(self._link, "127.0.0.1", self._listening)
        self._listening = self._server.sockets[0].getsockname()[1]
        self.conninfo = make_conninfo(
            self._target, host="127.0.0.1", port=self._listening, sslmode="disable", gssencmode="disable"
        )

    async def down(self) -> None:
        """Break every connection and take no more."""
        if self._server is not None:
            self._server.close()
        for link in tuple(self._links):
            link.transport.abort()
        await asyncio.sleep(0)

    @property
    def port(self) -> int:
        """Where it takes connections on this machine."""
        return self._listening

    def next_appends(self, *faults: Fault) -> None:
        """What happens to the next batches of appends."""
        self._faults.extend(faults)

    def next_fault(self) -> Fault | None:
        """What happens to this one."""
        return self._faults.popleft() if self._faults else None

    async def deliver_late(self) -> None:
        """Let the server hear what its client has long given up, if it still listens; return when it has."""
        self.late.set()
        await asyncio.wait_for(self.late_is_over.wait(), 10)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._host.startswith("/"):
                server = await asyncio.open_unix_connection(f"{self._host}/.s.PGSQL.{self._port}")
            else:
                server = await asyncio.open_connection(self._host, self._port)
        except OSError:  # it is away
            writer.transport.abort()
            return
        link = _Link(self, reader, writer, *server)
        self._links |= {writer, server[1]}
        try:
            await asyncio.gather(link.requests(), link.replies())
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._links -= {writer, server[1]}
            writer.transport.abort()
            server[1].transport.abort()


class _Link:
    """One connection. Faults befall only the execution of an append, not what a client does to get there."""

    def __init__(
        self,
        proxy: Proxy,
        client: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
    ) -> None:
        self.proxy, self.client, self.to_client = proxy, client, to_client
        self.server, self.to_server = server, to_server
        self.append: bytes | None = None
        self.fault: Fault | None = None

    async def requests(self) -> None:
        """From the client to the server."""
        while data := await self.client.read(2**20):
            if self._executes_an_append(data) and self.fault is None:
                self.fault = self.proxy.next_fault()
            if self.fault is Fault.LOSE_REQUEST:
                break
            if self.fault is Fault.CARRY_OUT_LATE:
                self.to_client.transport.abort()
                await self.proxy.late.wait()
            self.to_server.write(data)
            await self.to_server.drain()
        if self.fault is not Fault.CARRY_OUT_LATE:
            self._end()

    async def replies(self) -> None:
        """From the server to the client."""
        while data := await self.server.read(2**20):
            answered = data.endswith(READY)
            if self.fault is None:
                self.to_client.write(data)
                await self.to_client.drain()
            elif answered and self.fault is not Fault.LOSE_REPLY_SILENTLY:
                break
        if self.fault is Fault.CARRY_OUT_LATE:
            self.proxy.late_is_over.set()
        self._end()

    def _executes_an_append(self, data: bytes) -> bool:
        """A statement gets its name when it is prepared, and is called by it from then on."""
        if data[:1] == b"P" and b"yewu.append" in data:
            self.append = data[5 : data.index(b"\0", 5) + 1]
        return self.append is not None and data[:1] == b"B" and data[6 : 6 + len(self.append)] == self.append

    def _end(self) -> None:
        self.to_client.transport.abort()
        self.to_server.transport.abort()
