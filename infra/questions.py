"""What every surface derives from the signatures of questions: their parameters, readers, pages and answers."""

from __future__ import annotations

import base64
import binascii
import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from infra.commands import bounded, check_value
from infra.read_model.tables import Table, table_name
from projections.parked import written_key
from projections.question import Page, Question
from projections.row import Row
from projections.scope import require_owned


class BadCursor(ValueError):
    """A cursor that no page of ours ended with."""


class Asked:
    """One question, as its signature says it."""

    def __init__(self, ask: Callable[..., Awaitable[Any]]) -> None:
        self.ask = ask
        self.declaration: Question = ask.__dict__["question"]
        hints = get_type_hints(ask, include_extras=True)
        self.answer: Any = hints.pop("return")
        parameters = [p for p in inspect.signature(ask).parameters.values() if p.name != "db"]
        in_path = set(re.findall(r"{(\w+)}", self.declaration.path))
        self.in_path = tuple(p.name for p in parameters if p.name in in_path)
        self.query: dict[str, tuple[Any, Any]] = {
            p.name: (hints[p.name], p.default) for p in parameters if p.name not in in_path
        }
        fields = [(p.name, bounded(hints[p.name]), *(() if p.default is p.empty else (p.default,))) for p in parameters]
        self.arguments = msgspec.defstruct(
            f"{self.slug.title().replace('.', '')}Arguments",
            fields,
            frozen=True,
            kw_only=True,
            forbid_unknown_fields=True,
        )
        self.searched: dict[str, str] = {
            p.name: scope for p in parameters if (scope := _scope_of(hints[p.name])) is not None
        }
        """Arguments by whose index rows are found, with the scope of each."""
        self.many = get_origin(self.answer) is list
        self.item: Any = get_args(self.answer)[0] if self.many else self.answer
        self.tables = self.declaration.tables or _tables_of(self.answer)
        self.compared = (
            Table(self.item) if self.many and self.declaration.order and issubclass(self.item, Row) else None
        )
        """The table whose rows the list consists of, so that it can be compared with itself at another moment."""
        row = _row_in(self.item)
        self.rows = None if row is None or table_name(row) not in self.tables else Table(row)
        """The table whose rows the answer consists of, if it does."""
        if not self.tables:
            raise TypeError(f"{self.slug} does not say which tables it reads")
        readers = self.declaration.readers
        if readers.own_area or readers.own:
            require_owned(next((part for part in get_args(self.item) if part is not type(None)), self.item))

    @property
    def slug(self) -> str:
        """Its name among all questions: `complaints.figures`."""
        return f"{self.ask.__module__.rpartition('.')[2]}.{self.name}"

    @property
    def name(self) -> str:
        """Its name within its module. A question that is called like a built-in function ends in `_` there."""
        return self.ask.__name__.rstrip("_")

    @property
    def route(self) -> str:
        """Where it is asked."""
        return "/" + self.declaration.path

    @property
    def comparison(self) -> str:
        """The name of the question how the list differs between two moments: `complaints.difference`."""
        return f"{self.slug.partition('.')[0]}.difference"

    def contains(self, found: Sequence[Any]) -> list[str] | None:
        """The written keys of the rows that an answer consists of; None where it is made of whole tables."""
        return None if self.rows is None else [written_key(self.rows.key_of(row)) for row in found]

    def page(self, limit: int, cursor: str | None) -> Page | None:
        """The page that is wanted; None where the answer is no list. BadCursor for a cursor that is not ours."""
        if not self.many or not self.declaration.order:
            return None
        hints = get_type_hints(self.item)
        after = None if cursor is None else read_cursor(cursor, [hints[name] for name in self.declaration.order])
        return Page(order=self.declaration.order, limit=limit, after=after)

    def next_cursor(self, items: list[Any], page: Page) -> str | None:
        """Where the next page begins, if the query found one row more than the page holds."""
        if len(items) <= page.limit:
            return None
        last = items[page.limit - 1]
        return written_cursor([str(msgspec.to_builtins(getattr(last, column))) for column in page.order])


def all_questions(asks: Iterable[Callable[..., Awaitable[Any]]]) -> list[Asked]:
    """Every question there is; those with a fixed address before those with an id in its place."""
    return sorted(map(Asked, asks), key=lambda asked: ("{" in asked.route, asked.route))


def _row_in(annotation: Any) -> type[Row] | None:
    """The row type of `ComplaintRow` and of `ComplaintRow | None`."""
    kinds = [part for part in get_args(annotation) or (annotation,) if isinstance(part, type) and issubclass(part, Row)]
    return kinds[0] if kinds else None


def _scope_of(annotation: Any) -> str | None:
    """Among which texts an argument searches, if it does."""
    for part in get_args(annotation):
        if isinstance(part, msgspec.Meta) and (scope := (part.extra or {}).get("found in")) is not None:
            return str(scope)
        if (found := _scope_of(part)) is not None:
            return found
    return None


def _tables_of(annotation: Any) -> tuple[str, ...]:
    """The tables of the row types that an answer consists of."""
    if isinstance(annotation, type) and issubclass(annotation, Row):
        return (table_name(annotation),)
    return tuple(name for part in get_args(annotation) for name in _tables_of(part))


def written_cursor(values: Sequence[str]) -> str:
    """Where a page ends, so that the next one can begin there."""
    return base64.urlsafe_b64encode(msgspec.json.encode(values)).decode().rstrip("=")


def read_cursor(cursor: str, types: Sequence[Any]) -> tuple[str, ...]:
    """The values in it, which must be of these types; BadCursor otherwise."""
    try:
        values = msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=tuple[str, ...])
        for value, type_ in zip(values, types, strict=True):
            check_value(msgspec.convert(value, type_, strict=False), "cursor")
    except (binascii.Error, msgspec.DecodeError, ValueError):
        raise BadCursor(cursor) from None
    return values
