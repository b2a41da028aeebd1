"""A route for each question: who may ask, of which moment, and which page of the answer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace
from psycopg import AsyncConnection
from starlette.routing import Route

from aggregates.ids import AnyId, CustomerId
from aggregates.text import Code
from infra.commands import check_value
from infra.dispatcher import Forbidden
from infra.questions import Asked
from infra.read_model.as_of import Building, schema_as_of, thing_as_of
from infra.read_model.selection import Selection
from infra.reading import Mark, Standstill, parked_among, require_moving
from infra.settings import Settings
from projections.customers import customers
from projections.parked import Parked
from projections.question import Page
from projections.row import View
from projections.scope import Scope
from projections.survivors import survivor_of
from services.http.access import reader_of
from services.http.opening import Opening, Viewer
from services.http.problems import Problem, malformed, require_limit
from services.http.tokens import Tokens
from services.http.wire import Endpoint, Reply, Request
from services.runtime import Runtime

KERNEL = ("as_of", "known_at", "min_position", "cursor", "limit")
DEFAULT_LIMIT = 100
_encode = msgspec.json.Encoder().encode


class Moment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every question may be asked besides its own arguments."""

    as_of: Annotated[str, msgspec.Meta(extra_json_schema={"format": "date"})] | None = None
    known_at: Annotated[str, msgspec.Meta(extra_json_schema={"format": "date"})] | None = None
    min_position: Annotated[int, msgspec.Meta(ge=0)] = 0
    cursor: str | None = None
    limit: Annotated[int, msgspec.Meta(extra_json_schema={"minimum": 1})] = DEFAULT_LIMIT


def question_routes(questions: list[Asked], runtime: Runtime, tokens: Tokens, settings: Settings) -> Iterator[Route]:
    """One GET route for each question."""
    for asked in questions:
        handler = QuestionHandler(asked, runtime, tokens, settings)
        yield Route(asked.route, Endpoint(handler.answer, settings.request_seconds), methods=["GET"], name=asked.slug)


class QuestionHandler:
    """Answers one question."""

    def __init__(self, asked: Asked, runtime: Runtime, tokens: Tokens, settings: Settings) -> None:
        self._asked, self._runtime, self._tokens, self._settings = asked, runtime, tokens, settings
        self._opening = Opening(runtime)

    async def answer(self, request: Request) -> Reply:
        reader = await reader_of(self._runtime, self._tokens, request)
        readers = self._asked.declaration.readers
        reply = await self._answer(request, reader.scope(readers))
        if readers.restricted:
            read = dict.fromkeys(map(AnyId, request.parameters.values()), (Code(self._asked.slug),))
            self._runtime.readings.note(reader.by, reader.roles, Code(self._asked.slug), read)
        viewer = Viewer(reader.by, reader.roles, self._asked.slug, request.language)
        return reply._replace(body=await self._opening.shown(reply.body, viewer))

    async def _answer(self, request: Request, scope: Scope | None) -> Reply:
        moment, arguments = self._arguments(request)
        selection = selection_of(moment.as_of, moment.known_at, self._runtime.zone)
        view = self._asked.declaration.view
        if selection is not None and view is not None:
            return await self._one_in_the_past(view, arguments, selection, scope)
        schema = None
        if selection is not None:
            found = await schema_as_of(self._runtime.pool, self._runtime.model, self._asked.tables, selection)
            if isinstance(found, Building):
                return being_built(found)
            schema = found
        page = self._asked.page(moment.limit, moment.cursor)
        at = None if selection is None else selection.moment
        reading = self._runtime.rows.read(at_least=moment.min_position, schema=schema, page=page, at=at, scope=scope)
        async with reading as (db, position, any_parked):
            if self._asked.declaration.compares:
                db.opener = self._opening.texts
            found = await self._asked.ask(db, **arguments)
            marks = await self._parked(db.connection, found, arguments, scope) if any_parked else []
        return self._reply(found, scope, marks, page, position)

    def _arguments(self, request: Request) -> tuple[Moment, dict[str, Any]]:
        sent = request.query
        moment = msgspec.convert({k: v for k, v in sent.items() if k in KERNEL}, Moment, strict=False)
        require_limit(moment.limit, self._settings.max_page)
        own = {k: v for k, v in sent.items() if k not in KERNEL} | request.parameters
        read = msgspec.convert(own, self._asked.arguments, strict=False)
        arguments = {name: getattr(read, name) for name in read.__struct_fields__}
        check_value(arguments, "query")
        for name, scope in self._asked.searched.items():
            if (text := arguments[name]) is not None:
                arguments[name] = self._runtime.sealer.index(scope, text)
        return moment, arguments

    async def _one_in_the_past(
        self, view: View[Any], arguments: dict[str, Any], selection: Selection, scope: Scope | None
    ) -> Reply:
        (key,) = (arguments[name] for name in self._asked.in_path)
        async with self._runtime.pool.connection() as db:
            row, parked = await thing_as_of(db, self._runtime.model, view, key, selection)
            goes_on = self._asked.declaration.goes_on
            if row is not None and goes_on is not None and goes_on(row) and row.customer_id is not None:
                survivor = await survivor_of(row.customer_id, partial(self._merged_into, db, selection))
                row = replace(row, customer_id=survivor)
        marks = [] if parked is None else [mark_of(parked)]
        if row is None and marks and scope is None:
            raise Standstill(marks[0])
        seen = row if row is None or scope is None or scope.admits(row) else None
        return self._reply(seen, scope, marks)

    async def _merged_into(
        self, db: AsyncConnection[Any], selection: Selection, customer_id: CustomerId
    ) -> CustomerId | None:
        """Which file went on in place of another, by that time."""
        found = await thing_as_of(db, self._runtime.model, customers, customer_id, selection)
        return None if found.row is None else found.row.merged_into

    async def _parked(
        self, db: AsyncConnection[Any], found: Any, arguments: dict[str, Any], scope: Scope | None
    ) -> list[Mark]:
        """What stands still of an answer, or may be missing from it; Standstill if it is all that was asked for.

        Whoever may not read everything is told only of what is in the answer: what is missing may be anybody's.
        """
        asked = self._asked
        if asked.many and scope is None:
            return await parked_among(db, asked.tables, asked.contains(found))
        if found is None and asked.declaration.view is not None and scope is None:
            (key,) = (arguments[name] for name in asked.in_path)
            await require_moving(db, asked.tables, key)
        keys = asked.contains(found if asked.many else [] if found is None else [found])
        return [mark for mark in await parked_among(db, asked.tables, keys) if keys is None or mark.row_key in keys]

    def _reply(
        self, found: Any, scope: Scope | None, marks: list[Mark], page: Page | None = None, position: int | None = None
    ) -> Reply:
        headers = {} if position is None else {"Yewu-Position": str(position)}
        if found is None:
            if scope is not None:  # whether there is such a thing is nothing they may know
                raise Forbidden(self._asked.declaration.readers.everything)
            raise Problem(404, "not-found", "There is no such thing, or there was none at that time.")
        if not self._asked.many:
            if marks:
                headers["Yewu-Parked"] = ", ".join(str(mark.position) for mark in marks)
            return Reply(200, _encode(found), headers)
        after = None if page is None else self._asked.next_cursor(found, page)
        items = found if page is None else found[: page.limit]
        parked = [told(mark) for mark in marks]
        return Reply(200, _encode({"items": items, "next": after, "position": position, "parked": parked}), headers)


class Standing(msgspec.Struct, frozen=True):
    """A parked row as an answer names it, with the position of the event that holds it up."""

    row_table: str
    row_key: str
    position: int


def told(mark: Mark) -> Standing:
    """The same of what the database says."""
    return Standing(mark.row_table, mark.row_key, mark.position)


def mark_of(parked: Parked) -> Mark:
    """The mark of one thing that was folded alone."""
    return Mark(parked.row_table, parked.row_key, parked.position, parked.type, parked.has_row)


def selection_of(as_of: str | None, known_at: str | None, zone: ZoneInfo) -> Selection | None:
    """The events that count; None: all of them. A day counts to its end in the company's zone."""
    if as_of is None and known_at is None:
        return None
    return Selection(as_of=_instant("as_of", as_of, zone), known_at=_instant("known_at", known_at, zone))


def _instant(name: str, moment: str | None, zone: ZoneInfo) -> datetime | None:
    if moment is None:
        return None
    try:
        if len(moment) == len("2012-12-31"):
            midnight = datetime.combine(date.fromisoformat(moment) + timedelta(days=1), time(), zone)
            return midnight.astimezone(UTC) - timedelta(microseconds=1)
        instant = datetime.fromisoformat(moment)
        return (instant if instant.tzinfo else instant.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise malformed(f"{name} is a day such as 2012-12-31, or an instant such as 2012-12-31T12:00:00Z") from None


def being_built(building: Building) -> Reply:
    """Ask again: this is how far it is."""
    body = {"state": "building", "done": building.done, "goal": building.goal}
    return Reply(202, _encode(body), {"Retry-After": "1"})
