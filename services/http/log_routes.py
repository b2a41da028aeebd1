"""The log itself: the feed for other services, the history of one stream, and everything that mentions a thing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import psycopg
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from aggregates.actor import Role
from aggregates.ids import SYNTAX, kind_of
from infra.codec import Line
from infra.commands import check_value
from infra.dispatcher import NotFound
from infra.log_reader import Published
from infra.reading import Behind
from infra.settings import Settings
from services.composition import FEED_READERS, STREAM_READERS
from services.http.access import require
from services.http.differences import Differences
from services.http.problems import malformed, require_limit
from services.http.tokens import Tokens
from services.http.wire import Endpoint, Reply, Request, refusal, send_reply
from services.runtime import Runtime

_encode = msgspec.json.Encoder().encode
IDLE = 0.05
EVENT_STREAM = "text/event-stream"


class FeedQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which events are wanted: those behind a position, of one type or of several with commas between them."""

    after: int = 0
    limit: int = 100
    type: str | None = None

    @property
    def types(self) -> list[str] | None:
        return None if self.type is None else self.type.split(",")


def log_routes(runtime: Runtime, tokens: Tokens, settings: Settings) -> Iterator[Route]:
    """GET /events, /streams/{id} and /about/{id}."""
    pages = LogPages(runtime, tokens, settings)
    yield Route("/events", Feed(pages, settings.request_seconds), methods=["GET"], name="log.events")
    yield Route("/streams/{id}", Endpoint(pages.stream, settings.request_seconds), methods=["GET"], name="log.stream")
    yield Route("/about/{id}", Endpoint(pages.about, settings.request_seconds), methods=["GET"], name="log.about")


class LogPages:
    """Pages of events, each as others would get it from a broker: CloudEvents with the stored bytes as data."""

    def __init__(self, runtime: Runtime, tokens: Tokens, settings: Settings) -> None:
        self.runtime, self._tokens, self._settings = runtime, tokens, settings
        self._differences = Differences(runtime.codec)

    async def query(self, request: Request) -> FeedQuery:
        """What is asked of the feed, by somebody who may."""
        await self._admit(request, FEED_READERS)
        return self._query(request)

    async def feed(self, request: Request) -> Reply:
        """The next events of the log."""
        query = await self.query(request)
        head = await self.runtime.reader.head()  # first: what comes between the two is on the page, or behind `after`
        page = await self.runtime.reader.page(query.after, query.limit, query.types)
        last = page[-1].line.position if page else query.after
        after = last if len(page) == query.limit else max(last, head)
        return Reply(200, _encode({"items": [cloud_event(p) for p in page], "after": after, "head": head}))

    async def stream(self, request: Request) -> Reply:
        """What happened to one thing, and what each event changed in what is known of it."""
        request.has_no_query()
        stream_id = _id_in(request)
        await self._admit(request, STREAM_READERS.get(kind_of(stream_id), FEED_READERS))
        lines = await self.runtime.reader.stream(stream_id)
        if not lines:
            raise NotFound(stream_id)
        changes = self._differences.of(stream_id, lines)
        items = [_told(line) | {"changes": change} for line, change in zip(lines, changes, strict=True)]
        return Reply(200, _encode({"items": items, "version": lines[-1].version}), {"ETag": f'"{lines[-1].version}"'})

    async def about(self, request: Request) -> Reply:
        """Everything that mentions a thing, in the order in which it was recorded."""
        tag = _id_in(request)
        await self._admit(request, STREAM_READERS.get(kind_of(tag), FEED_READERS))
        query = self._query(request)
        try:
            page = await self.runtime.reader.about(self.runtime.model.schema, tag, query.after, query.limit)
        except psycopg.errors.UndefinedTable:
            raise Behind(query.after, None) from None
        after = page[-1].line.position if len(page) == query.limit else None
        return Reply(200, _encode({"items": [_told(p.line) | {"tags": p.tags} for p in page], "after": after}))

    async def _admit(self, request: Request, readers: frozenset[Role]) -> None:
        by = await self._tokens.principal(request.header("authorization"))
        await require(self.runtime, by, readers)

    def _query(self, request: Request) -> FeedQuery:
        query = msgspec.convert(request.query, FeedQuery, strict=False)
        check_value(query.type, "type")
        require_limit(query.limit, self._settings.max_page)
        if not 0 <= query.after < 1 << 62:
            raise malformed("after is a position of the log")
        return query


class Feed:
    """The feed as pages of JSON, or as server-sent events for whoever accepts those."""

    def __init__(self, pages: LogPages, seconds: float) -> None:
        self._pages, self._paged = pages, Endpoint(pages.feed, seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if EVENT_STREAM not in (request.header("accept") or ""):
            await self._paged(scope, receive, send)
            return
        try:
            query = await self._pages.query(request)
            after = _last_event(request, query.after)
        except Exception as error:  # before the first byte a problem can still be told
            await send_reply(send, refusal(error, request))
            return
        response = EventSourceResponse(self._events(after, query.types), ping=15)
        await response(scope, receive, send)

    async def _events(self, after: int, types: list[str] | None) -> AsyncIterator[ServerSentEvent]:
        while True:
            page = await self._pages.runtime.reader.page(after, 500, types)
            for published in page:
                after = published.line.position
                data = _encode(cloud_event(published)).decode()
                yield ServerSentEvent(data=data, event=published.line.type, id=str(after))
            if not page:
                await asyncio.sleep(IDLE)


def _id_in(request: Request) -> str:
    found = request.parameters["id"]
    if not re.fullmatch(SYNTAX, found):
        raise NotFound(found)
    return found


def _last_event(request: Request, otherwise: int) -> int:
    sent = request.header("last-event-id")
    if sent is None:
        return otherwise
    if not re.fullmatch(r"\d{1,18}", sent):
        raise malformed("Last-Event-ID is a position of the log")
    return int(sent)


def cloud_event(published: Published) -> dict[str, Any]:
    """A CloudEvents 1.0 envelope with our columns as extensions; `data` are the stored bytes."""
    line = published.line
    return {
        "specversion": "1.0",
        "id": line.event_id,
        "source": f"/{kind_of(line.stream_id)}",
        "type": line.type,
        "subject": line.stream_id,
        "time": line.recorded_at,
        "datacontenttype": "application/json",
        "position": line.position,
        "version": line.version,
        "schema": line.schema,
        "effectiveat": line.effective_at,
        "actorid": line.actor_id,
        "commandid": line.command_id,
        "tags": published.tags,
        "meta": msgspec.Raw(line.meta),
        "data": msgspec.Raw(line.data),
    }


def _told(line: Line) -> dict[str, Any]:
    """An event as an auditor reads it: who, in what role, when it was true, when it was known."""
    return {
        "position": line.position,
        "id": line.stream_id,
        "version": line.version,
        "type": line.type,
        "recorded_at": line.recorded_at,
        "effective_at": line.effective_at,
        "actor_id": line.actor_id,
        "meta": msgspec.Raw(line.meta),
        "data": msgspec.Raw(line.data),
    }
