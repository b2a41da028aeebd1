"""One table at two moments: which rows entered it in between, which left it, and which are not what they were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg

from infra.read_model.tables import Table
from projections.row import Row
from projections.scope import Scope


class Differing(NamedTuple):
    """A row before and after; None where there was none."""

    key: tuple[str, ...]
    before: Row | None
    after: Row | None


async def differing(
    db: psycopg.AsyncConnection[Any],
    table: Table,
    before: str,
    after: str,
    *,
    behind: Sequence[str] | None = None,
    limit: int,
    scope: Scope | None = None,
) -> list[Differing]:
    """The first rows that differ between two schemas, by their keys; those behind a key, if one is given.

    A row that lay within the scope and does so no longer has left; one that comes to lie in it has entered.
    """
    keys = [f'coalesce(a."{key}", b."{key}")' for key in table.keys]
    same = " AND ".join(f'a."{key}" = b."{key}"' for key in table.keys)
    was, now = (", ".join(f'{side}."{field}"' for field in table.fields) for side in "ab")
    further = "" if behind is None else f" AND ({', '.join(keys)}) > ({', '.join(['%s'] * len(keys))})"
    first, second = f"{before}.{table.name}", f"{after}.{table.name}"
    whose: tuple[list[str], ...] = ()
    if scope is not None:
        condition, whose = scope.condition(table.row)
        first, second = (f"(SELECT * FROM {each} WHERE {condition.as_string(db)})" for each in (first, second))
    query = (
        f"SELECT {', '.join(keys)}, to_json(a)::text, to_json(b)::text"
        f" FROM {first} a FULL JOIN {second} b ON {same}"
        f" WHERE ROW({was}) IS DISTINCT FROM ROW({now}){further} ORDER BY {', '.join(keys)} LIMIT %s"
    )
    async with db.transaction():
        await db.execute("SET LOCAL TimeZone = 'UTC'")
        cursor = await db.execute(query.encode(), (*whose, *whose, *(behind or ()), limit))
        return [
            Differing(tuple(key), before and table.decode(before), after and table.decode(after))
            for *key, before, after in await cursor.fetchall()
        ]
