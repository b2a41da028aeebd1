"""A load generator in a process of its own: connections that are kept, each with one request on its way at a time."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from typing import NamedTuple, cast
from uuid import uuid4

import msgspec
import uvloop

KEY = b"<idempotency-key>"
"""In a request, where each one has another key."""


class Load(msgspec.Struct, frozen=True):
    """What is asked for, how often at a time, and for how long."""

    port: int
    path: str
    headers: Mapping[str, str]
    body: str
    connections: int
    seconds: float


class Served(msgspec.Struct, frozen=True):
    """How many requests succeeded, in how many seconds; the others by their status; milliseconds a reply took."""

    requests: int
    seconds: float
    failed: Mapping[str, int]
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


class _Reply(NamedTuple):
    status: bytes
    size: int


class Connection(asyncio.Protocol):
    """Sends the next request as soon as the reply to the last one is whole."""

    def __init__(self, before_key: bytes, after_key: bytes, until: float) -> None:
        self._before, self._after, self._until = before_key, after_key, until
        self._prefix, self._number = uuid4().hex.encode(), 0
        self._received, self._sent_at = b"", 0.0
        self.closed = asyncio.get_running_loop().create_future()
        self.took: list[float] = []
        self.failed: dict[str, int] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._received += data
        reply = _whole_reply(self._received)
        if reply is None:
            return
        self._received = self._received[reply.size :]
        now = time.perf_counter()
        if reply.status.startswith(b"2"):
            self.took.append(now - self._sent_at)
        else:
            status = reply.status.decode()
            self.failed[status] = self.failed.get(status, 0) + 1
        if now < self._until:
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self.failed["connection"] = 1
        self.closed.set_result(None)

    def _ask(self) -> None:
        self._number += 1
        self._sent_at = time.perf_counter()
        self._transport.write(b"%b%b-%d%b" % (self._before, self._prefix, self._number, self._after))


def _whole_reply(data: bytes) -> _Reply | None:
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    at = data.lower().index(b"content-length:") + len(b"content-length:")
    size = end + 4 + int(data[at : data.index(b"\r\n", at)])
    return _Reply(data[9:12], size) if len(data) >= size else None


async def run(load: Load) -> Served:
    """Ask until the time is over."""
    body = load.body.encode()
    named = {**load.headers, "host": f"127.0.0.1:{load.port}", "content-length": str(len(body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    request = f"POST {load.path} HTTP/1.1\r\n{lines}\r\n".encode() + body
    before, _, after = request.partition(KEY)
    begun = time.perf_counter()
    loop, made = asyncio.get_running_loop(), list[Connection]()
    for _ in range(load.connections):
        _, connection = await loop.create_connection(
            lambda: Connection(before, after, begun + load.seconds), "127.0.0.1", load.port
        )
        made.append(connection)
    await asyncio.gather(*(connection.closed for connection in made))
    took = sorted(t for connection in made for t in connection.took) or [0.0]
    failed: dict[str, int] = {}
    for connection in made:
        for status, count in connection.failed.items():
            failed[status] = failed.get(status, 0) + count
    return Served(
        requests=sum(len(connection.took) for connection in made),
        seconds=time.perf_counter() - begun,
        failed=failed,
        p50_ms=took[len(took) // 2] * 1000,
        p99_ms=took[len(took) * 99 // 100] * 1000,
    )


if __name__ == "__main__":
    wanted = msgspec.json.decode(sys.stdin.buffer.read(), type=Load)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(run(wanted))))
