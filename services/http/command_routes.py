"""A route for each command: the token, the body, the order, and what became of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from uuid import UUID

import msgspec
from starlette.routing import Route

from aggregates.ids import NATURAL, SYNTAX, kind_of
from aggregates.refused import Refused
from infra.commands import Command
from infra.dispatcher import Contended, Forbidden, NotFound, Order, Outdated
from infra.settings import Settings
from services.http.access import reader_of
from services.http.opening import Opening
from services.http.problems import Problem, malformed
from services.http.tokens import Tokens
from services.http.wire import Endpoint, Reply, Request
from services.runtime import Runtime

KEY = re.compile(r"[\x21-\x7e]{1,255}")
TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
VERSION = re.compile(r'"(\d{1,18})"')
_encode = msgspec.json.Encoder().encode


def command_routes(commands: list[Command], runtime: Runtime, tokens: Tokens, settings: Settings) -> Iterator[Route]:
    """One POST route for each command."""
    for command in commands:
        handler = CommandHandler(command, runtime, tokens, settings)
        yield Route(
            command.route, Endpoint(handler.answer, settings.request_seconds), methods=["POST"], name=command.slug
        )


class CommandHandler:
    """Takes the orders of one command."""

    def __init__(self, command: Command, runtime: Runtime, tokens: Tokens, settings: Settings) -> None:
        self._command, self._runtime, self._tokens, self._settings = command, runtime, tokens, settings
        self._opening = Opening(runtime)

    async def answer(self, request: Request) -> Reply:
        by = await self._tokens.principal(request.header("authorization"))
        request.has_no_query()
        content = request.header("content-type")
        if content is not None and content.partition(";")[0].strip().lower() != "application/json":
            raise Problem(415, "malformed", "Send JSON, with the content type application/json.")
        body = self._command.read(await request.body(self._settings.max_body))
        order = Order(
            self._command,
            self._stream_id(request),
            body,
            by,
            key=_key(request),
            if_version=_version(request),
            correlation=_correlation(request),
        )
        try:
            done = await self._runtime.dispatcher.give(order)
        except Refused as refused:
            refused.values = dict(await self._opening.said(refused.values, request.language))
            self._runtime.refusals.note(order, refused.sentence, refused.values)
            raise
        except Forbidden as forbidden:
            self._runtime.refusals.note(order, "This takes one of the offices {roles}.", {"roles": str(forbidden)})
            raise
        except (Outdated, Contended) as news:
            if not (await reader_of(self._runtime, self._tokens, request)).reads_all_of(self._command.kind.readers):
                news.changed = ()  # what others did is for those who read the history
            raise
        status = 201 if self._command.opens else 200
        headers = {"ETag": f'"{done.version}"'}
        if done.position is not None:
            headers["Yewu-Position"] = str(done.position)
        if self._command.opens:
            headers["Location"] = f"/{self._command.kind.path}/{done.id}"
        return Reply(status, _encode(done), headers)

    def _stream_id(self, request: Request) -> str | None:
        """The id in the address, which must be one of this kind."""
        if self._command.singleton:
            return NATURAL[self._command.kind.id]
        stream_id = request.parameters.get("id")
        if stream_id is not None and (
            not re.fullmatch(SYNTAX, stream_id) or kind_of(stream_id) != self._command.kind.name
        ):
            raise NotFound(stream_id)
        return stream_id


def _key(request: Request) -> str | None:
    key = request.header("idempotency-key")
    if key is not None and not KEY.fullmatch(key):
        raise malformed("Idempotency-Key is 1 to 255 printable characters")
    return key


def _correlation(request: Request) -> UUID | None:
    """The trace that this is a part of (W3C Trace Context); whoever sends none, or no valid one, starts none."""
    header = request.header("traceparent")
    found = None if header is None else TRACEPARENT.fullmatch(header)
    return None if found is None else UUID(found[1])


def _version(request: Request) -> int | None:
    header = request.header("if-match")
    if header is None or header == "*":
        return None
    if (found := VERSION.fullmatch(header)) is None:
        raise malformed('If-Match is a version in quotation marks, such as "3"')
    return int(found[1])
