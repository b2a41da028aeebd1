"""The server's protocol, but head and body of an answer leave together: each by itself costs a call of the system."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

WORTH_JOINING = 16 << 10
"""Bytes: what is longer is sent as it is."""


class JoinedHttp(HttpToolsProtocol):
    """HTTP as uvicorn speaks it, over a transport that joins."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Somebody has connected."""
        super().connection_made(Joining(transport, self.loop))  # type: ignore[arg-type]  # it does what one does


class Joining:
    """A transport that keeps what is written until more follows, or the loop comes round; else it is the other one."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._kept = b""

    def write(self, data: bytes) -> None:
        """Send it together with what was kept, or keep it for a moment."""
        if self._kept:
            data, self._kept = self._kept + data, b""
            self._transport.write(data)
        elif len(data) > WORTH_JOINING:
            self._transport.write(data)
        else:
            self._kept = data
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Keep nothing any more."""
        if self._kept:
            data, self._kept = self._kept, b""
            self._transport.write(data)

    def close(self) -> None:
        """Send what was kept, and nothing after it."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
