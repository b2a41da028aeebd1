"""Files to and fro: sent before the commands that name them, read back by whoever may."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec
from msgspec.structs import replace
from starlette.responses import FileResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from aggregates.actor import Role
from aggregates.ids import AnyId
from aggregates.information.level import KEEPERS
from aggregates.readers import Readers
from aggregates.text import CONTENT_HASH, Code
from infra.contents import FORMATS, Contents
from infra.dispatcher import Forbidden, NotFound
from infra.settings import Settings
from projections.contracts import READERS as CONTRACT_READERS
from services.http.access import Reader, readable, reader_of
from services.http.problems import too_large
from services.http.tokens import Tokens
from services.http.wire import Endpoint, Reply, Request
from services.runtime import Runtime

SENDERS = Readers(everything=frozenset({Role.EMPLOYEE}))
READERS = replace(CONTRACT_READERS, restricted=True)
"""Of a file that is in no document: whoever reads contracts. Else whoever reads the document."""


def content_routes(runtime: Runtime, tokens: Tokens, settings: Settings) -> Iterator[Route]:
    """POST /contents and GET /contents/{hash}."""
    if runtime.contents is None:
        return
    handler = ContentHandler(runtime, runtime.contents, tokens)
    taken = Endpoint(handler.take, settings.content_seconds)
    yield Route("/contents", taken, methods=["POST"], name="contents.upload")
    given = Endpoint(handler.give, settings.request_seconds)
    yield Route("/contents/{hash}", given, methods=["GET"], name="contents.one")


class ContentHandler:
    """Takes files in and gives them out, as they stream."""

    def __init__(self, runtime: Runtime, contents: Contents, tokens: Tokens) -> None:
        self._runtime, self._contents, self._tokens = runtime, contents, tokens

    async def take(self, request: Request) -> Reply:
        """Keep what is sent, for commands to name."""
        reader = await reader_of(self._runtime, self._tokens, request)
        reader.scope(SENDERS)
        request.has_no_query()
        announced = request.header("content-length") or ""
        if announced.isdecimal() and int(announced) > self._contents.most:
            raise too_large(self._contents.most)
        kept = await self._contents.keep(request.chunks())
        return Reply(200 if kept.existed else 201, msgspec.json.encode(kept), {"Location": f"/contents/{kept.content}"})

    async def give(self, request: Request) -> ASGIApp:
        """A file, to be saved and not to be shown; that somebody reads it is put on record."""
        reader = await reader_of(self._runtime, self._tokens, request)
        request.has_no_query()
        content = request.parameters["hash"]
        if re.fullmatch(CONTENT_HASH, content) is None:
            raise NotFound(content)
        read = await self._admitted(reader, content)
        kept, path = self._contents.kept(content), self._contents.path(content)
        if kept is None or path is None:
            raise NotFound(content)
        self._runtime.readings.note(reader.by, reader.roles, Code("contents.one"), {read: {Code("content")}})
        return FileResponse(
            path,
            media_type=kept.type,
            filename=f"{content.removeprefix('sha256:')[:16]}.{FORMATS[kept.type]}",
            headers={
                "Cache-Control": "private, no-store",
                "Content-Security-Policy": "sandbox",
                "X-Content-Type-Options": "nosniff",
            },
        )

    async def _admitted(self, reader: Reader, content: str) -> AnyId:
        """What of it is read: a document, or the bare file. Forbidden if neither may be."""
        async with self._runtime.rows.read() as reading:
            connection = reading.db.connection
            query = "SELECT document_id FROM document_file_row WHERE content = %s"
            in_documents = [found for (found,) in await (await connection.execute(query, (content,))).fetchall()]
            admitted = await readable(connection, self._runtime.model.schema, reader, in_documents)
        if not in_documents:
            reader.scope(READERS)
            return AnyId(content)
        if not admitted:
            raise Forbidden(KEEPERS)
        return AnyId(min(admitted))
