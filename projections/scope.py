"""What of a list somebody may read who may not read all of it: the rows of their areas, and those about themselves."""

from __future__ import annotations

from functools import cache
from typing import Any, get_origin, get_type_hints

from psycopg import sql

from aggregates.value import Value
from projections.row import Row


class Scope(Value):
    """The areas that somebody reads, and the people, which is mostly themselves, whose rows they read."""

    areas: frozenset[str] = frozenset()
    people: frozenset[str] = frozenset()

    def admits(self, row: Row) -> bool:
        """May this row be read?"""
        area = None if row.of_area is None else getattr(row, row.of_area)
        return area in self.areas or any(not self.people.isdisjoint(_people(row, field)) for field in row.of_person)

    def condition(self, row: type[Row]) -> tuple[sql.Composed, tuple[list[str], ...]]:
        """The same in SQL: a condition on the columns of a row, and its parameters."""
        require_owned(row)
        columns = [(row.of_area, self.areas)] if row.of_area is not None else []
        columns += [(field, self.people) for field in row.of_person]
        each = [
            sql.SQL("{} ?| {}" if _holds_several(row, column) else "{} = ANY({})").format(
                sql.Identifier(column), sql.Placeholder()
            )
            for column, _ in columns
        ]
        return sql.SQL("({})").format(sql.SQL(" OR ").join(each)), tuple(sorted(values) for _, values in columns)


@cache
def _holds_several(row: type[Row], field: str) -> bool:
    return get_origin(get_type_hints(row)[field]) is tuple


def _people(row: Row, field: str) -> tuple[str, ...]:
    found = getattr(row, field)
    return found if _holds_several(type(row), field) else (found,)


def require_owned(row: Any) -> None:
    """TypeError unless this is a type of rows that says whose they are."""
    if not (isinstance(row, type) and issubclass(row, Row) and (row.of_area is not None or row.of_person)):
        raise TypeError(f"{row} does not say in `of_area` or `of_person` whose it is")
