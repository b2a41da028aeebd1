"""Requests and replies at the level of ASGI: small enough to be fast, with every limit in one place."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from starlette.datastructures import QueryParams
from starlette.types import ASGIApp, Receive, Scope, Send

from services.http.problems import malformed, problem_of, too_large
from services.language import Language, preferred

log = structlog.get_logger()
JSON = "application/json"
PROBLEM = "application/problem+json"
DEEPEST = 20


class Reply(NamedTuple):
    """What goes back."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}
    type: str = JSON


class Request:
    """What came in. Headers are looked up by their lower-case name."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope, self._receive = scope, receive
        self._headers: dict[bytes, bytes] = dict(scope["headers"])

    def header(self, name: str) -> str | None:
        """One header, if it was sent."""
        value = self._headers.get(name.encode())
        return None if value is None else value.decode("latin-1")

    @property
    def language(self) -> Language:
        """The language its sender reads."""
        return preferred(self.header("accept-language") or "")

    @property
    def parameters(self) -> dict[str, str]:
        """The parts of the address that have names."""
        return dict(self.scope.get("path_params", {}))

    @property
    def query(self) -> dict[str, str]:
        """What stands behind the question mark, each name once."""
        sent: dict[str, str] = {}
        for name, value in QueryParams(self.scope["query_string"]).multi_items():
            if name in sent:
                raise malformed(f"{name} stands there twice")
            sent[name] = value
        return sent

    def has_no_query(self) -> None:
        """A Problem if something stands behind the question mark: whoever wrote it expects it to matter."""
        if self.scope["query_string"]:
            raise malformed("This address takes nothing behind a question mark")

    async def body(self, limit: int) -> bytes:
        """The whole body; a Problem if it is larger than the limit, of which not more than that is kept."""
        chunks: list[bytes] = []
        size = 0
        async for chunk in self.chunks():
            size += len(chunk)
            if size > limit:
                raise too_large(limit)
            chunks.append(chunk)
        return b"".join(chunks)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives; ConnectionResetError if it breaks off."""
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ConnectionResetError("the caller has gone")
            yield message.get("body", b"")
            if not message.get("more_body", False):
                return


class Endpoint:
    """An ASGI application of one function: whatever it raises becomes a problem. What it answers is put on the wire,
    or goes there by itself."""

    def __init__(self, answer: Callable[[Request], Awaitable[Reply | ASGIApp]], seconds: float) -> None:
        self._answer, self._seconds = answer, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            async with asyncio.timeout(self._seconds):
                reply = await self._answer(request)
        except ConnectionResetError:
            return
        except Exception as error:  # the last resort is here, so that no route can forget it
            reply = refusal(error, request)
        if isinstance(reply, Reply):
            await send_reply(send, reply)
        else:
            await reply(scope, receive, send)


def refusal(error: Exception, request: Request) -> Reply:
    """The problem that an exception means, in the caller's language; what nobody foresaw is logged."""
    problem = problem_of(error)
    if problem.status == 500:
        log.error("request failed", route=route_of(request.scope), error=type(error).__name__, where=_frames(error))
    return Reply(problem.status, problem.body(request.language), problem.headers, PROBLEM)


def route_of(scope: Scope) -> str:
    """Which address it was, without what the caller put into it."""
    path = str(scope["path"])
    for name, value in scope.get("path_params", {}).items():
        path = path.replace(value, f"{{{name}}}")
    return path


def _frames(error: BaseException) -> list[str]:
    """Where it happened, innermost last; what an exception says may name a person, so its words stay out of the log."""
    frames = traceback.extract_tb(error.__traceback__, limit=-DEEPEST)
    here = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    cause = error.__cause__ or error.__context__
    return here if cause is None else [*_frames(cause), type(cause).__name__, *here]


async def send_reply(send: Send, reply: Reply) -> None:
    """Put a reply on the wire."""
    headers = [
        (b"content-type", reply.type.encode()),
        (b"content-length", str(len(reply.body)).encode()),
        *((name.lower().encode(), value.encode("latin-1")) for name, value in reply.headers.items()),
    ]
    start: dict[str, Any] = {"type": "http.response.start", "status": reply.status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": reply.body})
