"""A route for each list of rows: what entered it, left it or changed in it between two moments, on either time axis."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any

import msgspec
from starlette.routing import Route

from infra.questions import Asked, read_cursor, written_cursor
from infra.read_model.as_of import Building, schema_as_of
from infra.read_model.difference import Differing, differing
from infra.read_model.selection import Selection
from infra.read_model.tables import Table
from infra.reading import parked_among
from infra.settings import Settings
from projections.parked import written_key
from services.http.access import reader_of
from services.http.differences import between
from services.http.opening import Opening, Viewer
from services.http.problems import malformed, require_limit
from services.http.question_routes import DEFAULT_LIMIT, being_built, selection_of, told
from services.http.tokens import Tokens
from services.http.wire import Endpoint, Reply, Request
from services.runtime import Runtime

Day = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date"})]
_encode = msgspec.json.Encoder().encode


class Between(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From which moment to which; without the second, to now."""

    from_as_of: Day | None = None
    from_known_at: Day | None = None
    to_as_of: Day | None = None
    to_known_at: Day | None = None
    cursor: str | None = None
    limit: Annotated[int, msgspec.Meta(extra_json_schema={"minimum": 1})] = DEFAULT_LIMIT


def difference_routes(questions: list[Asked], runtime: Runtime, tokens: Tokens, settings: Settings) -> Iterator[Route]:
    """One GET route for each list that can be compared with itself."""
    for asked in questions:
        if asked.compared is not None:
            handler = DifferenceHandler(asked, asked.compared, runtime, tokens, settings)
            endpoint = Endpoint(handler.answer, settings.request_seconds)
            yield Route(f"{asked.route}/difference", endpoint, methods=["GET"], name=asked.comparison)


class DifferenceHandler:
    """Compares one list with itself."""

    def __init__(self, asked: Asked, table: Table, runtime: Runtime, tokens: Tokens, settings: Settings) -> None:
        self._asked, self._table, self._runtime = asked, table, runtime
        self._tokens, self._settings, self._opening = tokens, settings, Opening(runtime)

    async def answer(self, request: Request) -> Reply:
        reader = await reader_of(self._runtime, self._tokens, request)
        scope = reader.scope(self._asked.declaration.readers)
        wanted = msgspec.convert(request.query, Between, strict=False)
        require_limit(wanted.limit, self._settings.max_page)
        behind = None if wanted.cursor is None else read_cursor(wanted.cursor, [str] * len(self._table.keys))
        first = selection_of(wanted.from_as_of, wanted.from_known_at, self._runtime.zone)
        if first is None:
            raise malformed("Say in from_as_of or from_known_at which moment the list is compared with")
        schemas: list[str] = []
        for moment in (first, selection_of(wanted.to_as_of, wanted.to_known_at, self._runtime.zone)):
            found = await self._schema(moment)
            if isinstance(found, Building):
                return being_built(found)
            schemas.append(found)
        async with self._runtime.pool.connection() as db:
            rows = await differing(db, self._table, *schemas, behind=behind, limit=wanted.limit + 1, scope=scope)
            keys = [written_key(row.key if len(row.key) > 1 else row.key[0]) for row in rows[: wanted.limit]]
            marks = [await parked_among(db, [self._table.name], keys, schema=schema) for schema in schemas]
        if scope is not None:  # what is nowhere yet may be anybody's
            marks = [[mark for mark in each if mark.row_key in keys] for each in marks]
        after = written_cursor(rows[wanted.limit - 1].key) if len(rows) > wanted.limit else None
        viewer = Viewer(reader.by, reader.roles, self._asked.comparison, request.language)
        differences = [self._told(row) for row in rows[: wanted.limit]]
        fields = await self._opening.changes([each["fields"] for each in differences], viewer)
        items = [each | {"fields": shown} for each, shown in zip(differences, fields, strict=True)]
        parked = list(map(told, dict.fromkeys(chain(*marks))))
        return Reply(200, _encode({"items": items, "next": after, "parked": parked}))

    async def _schema(self, moment: Selection | None) -> str | Building:
        if moment is None:
            await self._runtime.rows.reached(0)
            return self._runtime.model.schema
        return await schema_as_of(self._runtime.pool, self._runtime.model, self._asked.tables, moment)

    def _told(self, row: Differing) -> dict[str, Any]:
        change = "entered" if row.before is None else "left" if row.after is None else "changed"
        key = dict(zip(self._table.keys, row.key, strict=True))
        return {"key": key, "change": change, "fields": between(row.before, row.after)}
