"""Asking the projector to fold a parked row once more, after whatever held it up has been mended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

import msgspec
from starlette.routing import Route

from aggregates.information.parking import KEEPERS
from aggregates.readers import Readers
from infra.commands import LONGEST, check_value
from infra.settings import Settings
from services.http.access import reader_of
from services.http.problems import Problem
from services.http.tokens import Tokens
from services.http.wire import Endpoint, Reply, Request
from services.runtime import Runtime

PATIENCE, PAUSE = 3.0, 0.05
"""Seconds that a caller waits for the projector, and between two looks."""


class Retry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which row is to be folded again, as `GET /parked` names it."""

    row_table: Annotated[str, msgspec.Meta(max_length=LONGEST)]
    row_key: Annotated[str, msgspec.Meta(max_length=LONGEST)]


class State(StrEnum):
    """What became of it."""

    MOVES = "moves"
    PARKED = "parked"
    ASKED = "asked"


class Retried(msgspec.Struct, frozen=True):
    """The row goes on, it still stands still, or the projector has not come to it yet."""

    row_table: str
    row_key: str
    state: State


def parked_routes(runtime: Runtime, tokens: Tokens, settings: Settings) -> Iterator[Route]:
    """POST /parked/retry."""
    handler = RetryHandler(runtime, tokens, settings)
    endpoint = Endpoint(handler.answer, settings.request_seconds)
    yield Route("/parked/retry", endpoint, methods=["POST"], name="parked.retry")


class RetryHandler:
    """Takes requests, and waits a moment for what becomes of them."""

    def __init__(self, runtime: Runtime, tokens: Tokens, settings: Settings) -> None:
        self._runtime, self._tokens, self._settings = runtime, tokens, settings

    async def answer(self, request: Request) -> Reply:
        (await reader_of(self._runtime, self._tokens, request)).scope(Readers(everything=frozenset(KEEPERS)))
        request.has_no_query()
        wanted = msgspec.json.decode(await request.body(self._settings.max_body) or b"{}", type=Retry)
        check_value(wanted, "body")
        if not await self._is_parked(wanted):
            raise Problem(404, "not-found", "No such row is parked: `GET /parked` lists those that are.")
        await self._ask(wanted)
        deadline = time.monotonic() + PATIENCE
        while await self._is_waiting(wanted):
            if time.monotonic() > deadline:
                return self._told(wanted, State.ASKED)
            await asyncio.sleep(PAUSE)
        return self._told(wanted, State.PARKED if await self._is_parked(wanted) else State.MOVES)

    def _told(self, wanted: Retry, state: State) -> Reply:
        return Reply(200, msgspec.json.encode(Retried(wanted.row_table, wanted.row_key, state)))

    async def _is_parked(self, wanted: Retry) -> bool:
        async with self._runtime.rows.read() as reading:
            cursor = await reading.db.connection.execute(
                "SELECT 1 FROM parked WHERE row_table = %s AND row_key = %s", (wanted.row_table, wanted.row_key)
            )
            return await cursor.fetchone() is not None

    async def _ask(self, wanted: Retry) -> None:
        async with self._runtime.pool.connection() as db:
            schema = self._runtime.model.schema
            await db.execute("SELECT yewu.request_retry(%s, %s, %s)", (schema, wanted.row_table, wanted.row_key))

    async def _is_waiting(self, wanted: Retry) -> bool:
        async with self._runtime.pool.connection() as db:
            cursor = await db.execute(
                "SELECT 1 FROM yewu.retry_request WHERE (schema_name, row_table, row_key) = (%s, %s, %s)",
                (self._runtime.model.schema, wanted.row_table, wanted.row_key),
            )
            return await cursor.fetchone() is not None
