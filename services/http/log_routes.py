"""The log itself: the feed for other services, the history of one stream, and everything that mentions a thing."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec
import psycopg
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from aggregates.event import Event, RestrictedFieldsRead
from aggregates.ids import SYNTAX, AnyId, kind_of
from aggregates.text import Code
from infra.codec import Line, Published
from infra.commands import check_value
from infra.dispatcher import Forbidden, NotFound
from infra.reading import Behind
from infra.settings import Settings
from services.composition import FEED_READERS, OVERSIGHT
from services.http.access import Reader, hidden, own_readers_of, readable, reader_of, readers_of_stream
from services.http.differences import fields_of, history_of
from services.http.opening import Opening, Viewer
from services.http.problems import Problem, malformed, require_limit
from services.http.tokens import Tokens
from services.http.wire import Endpoint, Reply, Request, refusal, send_reply
from services.runtime import Runtime

_encode = msgspec.json.Encoder().encode
IDLE = 0.05
EVENT_STREAM = "text/event-stream"
RESTRICTED = "restricted"


class FeedQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which events are wanted: those behind a position, of one type or of several with commas between them."""

    after: int = 0
    limit: int = 100
    type: str | None = None

    @property
    def types(self) -> list[str] | None:
        return None if self.type is None else self.type.split(",")


class HistoryQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether only what changed one field is wanted."""

    field: str | None = None


Q = TypeVar("Q", bound=FeedQuery)


def log_routes(runtime: Runtime, tokens: Tokens, settings: Settings) -> Iterator[Route]:
    """GET /events, /streams/{id} and /about/{id}."""
    pages = LogPages(runtime, tokens, settings)
    yield Route("/events", Feed(pages, settings.request_seconds), methods=["GET"], name="log.events")
    yield Route("/streams/{id}", Endpoint(pages.stream, settings.request_seconds), methods=["GET"], name="log.stream")
    yield Route("/about/{id}", Endpoint(pages.about, settings.request_seconds), methods=["GET"], name="log.about")


class OpenedQuery(FeedQuery, frozen=True, forbid_unknown_fields=True):
    """The same, as it is stored, unless its texts shall be `opened`."""

    opened: bool = False


class LogPages:
    """Pages of events, each as others would get it from a broker: CloudEvents with the stored bytes as data."""

    def __init__(self, runtime: Runtime, tokens: Tokens, settings: Settings) -> None:
        self.runtime, self._tokens, self._settings = runtime, tokens, settings
        self._opening = Opening(runtime)

    async def reader(self, request: Request) -> Reader:
        """Who reads the feed; Forbidden to whoever may not, or asks for types of which they may see none."""
        reader = await reader_of(self.runtime, self._tokens, request)
        reader.scope(FEED_READERS)
        for type_ in self.query(request, OpenedQuery).types or ():
            if type_ in Event.known and hidden(reader, type_):
                raise Forbidden((own_readers_of(type_) or FEED_READERS).roles)
        return reader

    async def feed(self, request: Request) -> Reply:
        """The next events of the log."""
        reader, query = await self.reader(request), self.query(request, OpenedQuery)
        head = await self.runtime.reader.head()  # first: what comes between the two is on the page, or behind `after`
        page = await self.runtime.reader.page(query.after, query.limit, query.types)
        last = page[-1].line.position if page else query.after
        after = last if len(page) == query.limit else max(last, head)
        told = {"items": self.shown(reader, page), "after": after, "head": head}
        return Reply(200, await self.told(told, query, self.viewer(reader, request, "log.events")))

    async def told(self, events: Any, query: OpenedQuery, viewer: Viewer) -> bytes:
        """Events of the feed as they go out: as they are stored, or opened for those who oversee the department."""
        whole = _encode(events)
        if not query.opened:
            return whole
        if OVERSIGHT.isdisjoint(viewer.roles):
            viewer = viewer._replace(opens=frozenset())
        return await self._opening.shown(whole, viewer)

    def viewer(self, reader: Reader, request: Request, through: str) -> Viewer:
        """A reader, as somebody for whom texts are opened."""
        return Viewer(reader.by, reader.roles, through, request.language)

    def shown(self, reader: Reader, page: Sequence[Published]) -> list[dict[str, Any]]:
        """A page of the feed as somebody may see it; that they saw what is restricted is recorded."""
        self._record(reader, "log.events", [published.line for published in page])
        return [cloud_event(p, withheld=hidden(reader, p.line.type)) for p in page]

    def _record(self, reader: Reader, through: str, lines: Iterable[Line]) -> None:
        """Have it recorded that somebody is shown what is restricted; not that they read who read, which would never
        end."""
        read: defaultdict[AnyId, set[Code]] = defaultdict(set)
        for line in lines:
            restricted = own_readers_of(line.type) is not None and line.type != RestrictedFieldsRead.__name__
            if restricted and not hidden(reader, line.type):
                read[AnyId(line.stream_id)].add(Code(line.type))
        if read:
            self.runtime.readings.note(reader.by, reader.roles, Code(through), read)

    async def stream(self, request: Request) -> Reply:
        """What happened to one thing, and what each event changed in what is known of it; or only what changed one
        field."""
        field, stream_id = msgspec.convert(request.query, HistoryQuery).field, _id_in(request)
        reader, readers = await reader_of(self.runtime, self._tokens, request), readers_of_stream(stream_id)
        scope = reader.scope(readers)
        lines = await self.runtime.reader.stream(stream_id)
        sealed, row = history_of(self.runtime.codec, stream_id, lines, await self.runtime.reference.latest())
        if scope is not None and not (row is not None and scope.admits(row)):
            raise Forbidden(readers.everything)
        if not lines:
            raise NotFound(stream_id)
        if field is not None and field not in fields_of(stream_id):
            raise malformed(f"field is one of these: {', '.join(fields_of(stream_id))}")
        self._record(reader, "log.stream", lines)
        viewer, version = self.viewer(reader, request, "log.stream"), lines[-1].version
        changes = await self._opening.changes(sealed, viewer, recorded=False)
        items = [
            _withheld(line) | {"id": stream_id, "version": line.version}
            if hidden(reader, line.type)
            else _told(line) | {"changes": change if field is None else {field: change[field]}}
            for line, change in zip(lines, changes, strict=True)
            if field is None or (field in change and not hidden(reader, line.type))
        ]
        body = await self._opening.shown(_encode({"items": items, "version": version}), viewer)
        return Reply(200, body, {"ETag": f'"{version}"'})

    async def about(self, request: Request) -> Reply:
        """Everything that mentions a thing, in the order in which it was recorded."""
        tag, query, schema = _id_in(request), self.query(request, FeedQuery), self.runtime.model.schema
        reader, readers = await reader_of(self.runtime, self._tokens, request), readers_of_stream(tag)
        reader.scope(readers)
        try:
            page = await self.runtime.reader.about(schema, tag, query.after, query.limit)
            async with self.runtime.pool.connection() as db:
                open_to = await readable(db, schema, reader, {tag, *(p.line.stream_id for p in page)})
        except psycopg.errors.UndefinedTable:
            raise Behind(query.after, None) from None
        if tag not in open_to:
            raise Forbidden(readers.everything)
        after = page[-1].line.position if len(page) == query.limit else None
        items, shown = [], []
        for published in page:
            line = published.line
            if line.stream_id in open_to and not hidden(reader, line.type):
                shown.append(line)
                items.append(_told(line) | {"tags": published.tags})
            else:
                items.append(_withheld(line))
        self._record(reader, "log.about", shown)
        told = _encode({"items": items, "after": after})
        return Reply(200, await self._opening.shown(told, self.viewer(reader, request, "log.about")))

    def query(self, request: Request, kind: type[Q]) -> Q:
        """Which events are asked for."""
        query = msgspec.convert(request.query, kind, strict=False)
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
            await self._pages.reader(request)
            query = self._pages.query(request, OpenedQuery)
            after = _last_event(request, query.after)
        except Exception as error:  # before the first byte a problem can still be told
            await send_reply(send, refusal(error, request))
            return
        response = EventSourceResponse(self._events(request, after, query), ping=15)
        await response(scope, receive, send)

    async def _events(self, request: Request, after: int, query: OpenedQuery) -> AsyncIterator[ServerSentEvent]:
        """The events as they come, until whoever listens may do so no longer."""
        while True:
            page = await self._pages.runtime.reader.page(after, 500, query.types)
            if page:
                try:
                    reader = await self._pages.reader(request)
                except (Problem, Forbidden):
                    return
                viewer = self._pages.viewer(reader, request, "log.events")
                for event in self._pages.shown(reader, page):
                    data = (await self._pages.told(event, query, viewer)).decode()
                    yield ServerSentEvent(data=data, event=event["type"], id=str(event["position"]))
                after = page[-1].line.position
            else:
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


def cloud_event(published: Published, *, withheld: bool = False) -> dict[str, Any]:
    """A CloudEvents 1.0 envelope with our columns as extensions; `data` are the stored bytes.

    Of an event that is withheld it says only that there is one.
    """
    line = published.line
    if withheld:
        known = {"specversion": "1.0", "id": line.event_id, "source": "/", "time": line.recorded_at}
        return known | _withheld(line)
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


def _withheld(line: Line) -> dict[str, Any]:
    """That there is an event, and no more: positions have no gaps for anybody."""
    return {"position": line.position, "type": RESTRICTED}


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
