"""Questions: queries over rows that are published as routes and commands by their signature alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, LiteralString, ParamSpec, TypeAlias, TypeVar

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from aggregates.actor import Role
from aggregates.readers import Readers
from aggregates.text import Text
from aggregates.value import Value
from projections.row import View
from projections.scope import Scope

V = TypeVar("V", bound=Value)
P = ParamSpec("P")
T = TypeVar("T")


class Page(Value):
    """How much of a list is wanted: `limit` rows behind the one whose `order` columns have these values."""

    order: tuple[str, ...]
    limit: int
    after: tuple[str, ...] | None = None


Opener: TypeAlias = Callable[[Sequence[Text]], Awaitable[list[str | None]]]
"""What texts say, in their order; None for one that has been erased or cannot be opened."""


class Database:
    """One read model as of one position: where a question is asked, and how much of its answer is wanted.

    `at`: the moment it speaks of, where that is not now. `scope`: how much whoever asks may read, where not everything.
    `opener`: lent by the edge to a question that compares what texts say.
    """

    opener: Opener | None = None

    def __init__(
        self,
        connection: psycopg.AsyncConnection[Any],
        page: Page | None = None,
        at: datetime | None = None,
        scope: Scope | None = None,
    ) -> None:
        self.connection, self.page, self.at, self.scope = connection, page, at, scope

    @property
    def moment(self) -> datetime:
        """When the answer is of: what was due before is missed."""
        return self.at or datetime.now(UTC)

    async def opened(self, texts: Sequence[Text]) -> list[str | None]:
        """What these texts say, for a question that `compares` them."""
        if self.opener is None:
            raise TypeError("this question does not say that it compares texts")
        return await self.opener(texts)


class Question(Value):
    """What a published query says of itself."""

    path: str
    readers: Readers
    order: tuple[str, ...] = ()
    view: View[Any] | None = None
    tables: tuple[str, ...] = ()
    compares: bool = False
    goes_on: Callable[[Any], bool] | None = None


def question(
    *,
    path: str,
    readers: Readers | Iterable[Role],
    order: tuple[str, ...] = (),
    one_of: View[Any] | None = None,
    tables: tuple[str, ...] = (),
    compares: bool = False,
    goes_on: Callable[[Any], bool] | None = None,
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Publish a query: its route and CLI command come from its signature; only these may ask it.

    Its arguments after `db` are its query parameters, those named in `path` are parts of the address. `order` names the
    columns by which a list is paged: never null, unique together. `one_of` says that the answer is the one row of that
    view; in the past it is folded on the fly, and a row that `goes_on` is then of the customer that goes on after a
    merger. `tables` are those the query reads, where they are others than that of
    the rows it answers with. `compares`: it looks into texts, which the edge opens for it, so whoever may ask reads
    them all. `readers` that are only roles read everything.
    """

    allowed = readers if isinstance(readers, Readers) else Readers(everything=frozenset(readers))

    def mark(ask: Callable[P, T]) -> Callable[P, T]:
        if compares and (allowed.own or allowed.own_area):
            raise TypeError("who may not read everything cannot have it compared")
        ask.__dict__["question"] = Question(
            path=path, readers=allowed, order=order, view=one_of, tables=tables, compares=compares, goes_on=goes_on
        )
        return ask

    return mark


def matching(filters: Mapping[LiteralString, object]) -> tuple[LiteralString, tuple[object, ...]]:
    """A condition made of those whose value is given, each with one place for it; all lines where none is."""
    wanted = {condition: value for condition, value in filters.items() if value is not None}
    return " AND ".join(wanted) or "true", tuple(wanted.values())


async def select(db: Database, kind: type[V], query: LiteralString | sql.Composed, *parameters: object) -> list[V]:
    """Run a query; every line of the answer comes back as one `kind`, each field as its type.

    Where the question is paged, or whoever asks may not read everything, the kernel puts that around the query; then
    its own ORDER BY does not matter.
    """
    statement: sql.SQL | sql.Composed = query if isinstance(query, sql.Composed) else sql.SQL(query)
    if db.scope is not None:
        condition, whose = db.scope.condition(kind)  # type: ignore[arg-type]  # a TypeError if it is no row
        statement = sql.SQL("SELECT * FROM ({}) q WHERE {}").format(statement, condition)
        parameters = (*parameters, *whose)
    if db.page is not None and db.page.order:
        statement, parameters = _paged(statement, parameters, db.page)
    async with db.connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, parameters)
        return msgspec.convert(await cursor.fetchall(), list[kind])  # type: ignore[valid-type]  # kind is a value here


async def select_one(db: Database, kind: type[V], query: LiteralString | sql.Composed, *parameters: object) -> V | None:
    """The same of a query that finds one line at most."""
    found = await select(db, kind, query, *parameters)
    return found[0] if found else None


def _paged(
    query: sql.SQL | sql.Composed, parameters: tuple[object, ...], page: Page
) -> tuple[sql.Composed, tuple[object, ...]]:
    columns = sql.SQL(", ").join(map(sql.Identifier, page.order))
    behind: sql.SQL | sql.Composed = sql.SQL("")
    if page.after is not None:
        marks = sql.SQL(", ").join([sql.Placeholder()] * len(page.after))
        behind = sql.SQL(" WHERE ({}) > ({})").format(columns, marks)
    whole = sql.SQL("SELECT * FROM ({}) q{} ORDER BY {} LIMIT {}").format(query, behind, columns, sql.Placeholder())
    return whole, (*parameters, *(page.after or ()), page.limit + 1)
