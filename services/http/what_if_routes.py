"""GET /what-if: which cases would stand otherwise if a parameter had another value; asked before it is proposed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated

import msgspec
from starlette.routing import Route

from aggregates.facts import Unit
from aggregates.readers import Readers
from aggregates.text import Code
from infra.commands import bounded, check_value
from infra.questions import read_cursor, written_cursor
from infra.read_model.as_of import Building, schema_as_of
from infra.read_model.selection import Selection, Supposed
from infra.read_model.tables import table_name
from infra.reading import parked_among
from infra.settings import Settings
from projections import duties
from projections.reference import Reference
from projections.rules.duty import DutyRow
from projections.what_if import Shift, Shifted, rules_citing, shifted
from services.http.access import reader_of
from services.http.problems import Problem, malformed, require_limit
from services.http.question_routes import DEFAULT_LIMIT, Standing, being_built, told
from services.http.tokens import Tokens
from services.http.wire import Endpoint, Reply, Request
from services.runtime import Runtime

READERS = Readers(everything=frozenset(duties.READERS))
DUTIES = table_name(DutyRow)
SHAPE = "parameter is written P-05=S2:3,S3:8, or P-02=2 where it has one value"
MOST = {Unit.MONTH: 1_200, Unit.YEAR: 100, Unit.MONEY: 10**12}
"""What can be supposed of these units: no calendar ends after so much time."""

_encode = msgspec.json.Encoder().encode


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"since": "from", "until": "to"}):
    """Which values are supposed, and of the cases that began in which time; `to` is not part of it."""

    parameter: Annotated[str, msgspec.Meta(max_length=200)]
    since: bounded(datetime) | None = None  # type: ignore[valid-type]  # a type made at run time
    until: bounded(datetime) | None = None  # type: ignore[valid-type]
    cursor: str | None = None
    limit: Annotated[int, msgspec.Meta(extra_json_schema={"minimum": 1})] = DEFAULT_LIMIT


class Supposition(msgspec.Struct, frozen=True):
    """Of so many cases so many would change: how, and which."""

    parameter: str
    rules: tuple[str, ...]
    cases: int
    changed: int
    shifts: tuple[Shift, ...]
    items: tuple[Shifted, ...]
    next: str | None
    parked: tuple[Standing, ...]


def what_if_routes(runtime: Runtime, tokens: Tokens, settings: Settings) -> Iterator[Route]:
    """GET /what-if."""
    handler = WhatIfHandler(runtime, tokens, settings)
    yield Route("/what-if", Endpoint(handler.answer, settings.request_seconds), methods=["GET"], name="what_if")


class WhatIfHandler:
    """Has the duties folded with other values, and compares."""

    def __init__(self, runtime: Runtime, tokens: Tokens, settings: Settings) -> None:
        self._runtime, self._tokens, self._settings = runtime, tokens, settings

    async def answer(self, request: Request) -> Reply:
        (await reader_of(self._runtime, self._tokens, request)).scope(READERS)
        asked = msgspec.convert(request.query, Asked, strict=False)
        require_limit(asked.limit, self._settings.max_page)
        check_value((asked.parameter, asked.since, asked.until), "query")
        behind = ("", "") if asked.cursor is None else read_cursor(asked.cursor, (str, str))
        supposing = supposed(asked.parameter, await self._runtime.reference.latest())
        rules = rules_citing(supposing[0].parameter)
        if not rules:
            raise Problem(
                422, "refused", "No rule cites {number}: nothing would change.", {"number": supposing[0].parameter}
            )
        found = await schema_as_of(self._runtime.pool, self._runtime.model, (DUTIES,), Selection(supposing=supposing))
        if isinstance(found, Building):
            return being_built(found)
        async with self._runtime.rows.read() as (db, *_):
            found_now = await shifted(db, found, rules, asked.since, asked.until, behind, asked.limit + 1)
            marks = [
                *await parked_among(db.connection, [DUTIES]),
                *await parked_among(db.connection, [DUTIES], schema=found),
            ]
        parked = tuple(map(told, dict.fromkeys(marks)))
        items = found_now.items[: asked.limit]
        after = written_cursor((items[-1].rule, items[-1].case_id)) if len(found_now.items) > asked.limit else None
        answer = Supposition(
            asked.parameter, tuple(rules), found_now.cases, found_now.changed, found_now.shifts, items, after, parked
        )
        return Reply(200, _encode(answer))


def supposed(written: str, reference: Reference) -> tuple[Supposed, ...]:
    """What `P-05=S2:3,S3:8` means; a Problem if it is written otherwise, or no parameter has such values."""
    number, _, values = written.partition("=")
    known = reference.versions.get(Code(number))
    if known is None:
        raise Problem(
            422, "refused", "There is no parameter {number}: see `yewu parameters latest`.", {"number": number}
        )
    found: list[Supposed] = []
    for value in values.split(","):
        name, colon, amount = value.rpartition(":")
        name = name if colon else "limit"
        if name not in known[-1].values:
            names = ", ".join(known[-1].values)
            raise Problem(
                422, "refused", "{number} has no value {name}: it has {names}.",
                {"number": number, "name": name, "names": names},
            )  # fmt: skip
        found.append(Supposed(parameter=number, name=name, amount=_amount(amount, known[-1].values[Code(name)].unit)))
    return tuple(sorted(found, key=str))


def _amount(written: str, unit: Unit) -> Decimal:
    try:
        amount = Decimal(written)
    except InvalidOperation:
        raise malformed(SHAPE) from None
    most = MOST.get(unit, 100_000)
    if not amount.is_finite() or not 0 <= amount <= most or amount != round(amount, 6):
        raise malformed(f"{SHAPE}, with amounts from 0 to {most}")
    return amount
