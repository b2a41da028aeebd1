"""Whose case is it, now that its customer's file was merged into another?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import LiteralString

from psycopg import sql

from aggregates.ids import CustomerId
from aggregates.value import Value
from projections.question import Database, select
from projections.row import Row

SURVIVORS: LiteralString = """
    WITH RECURSIVE went (merged_id, into_id) AS (
        SELECT customer_id, merged_into FROM customer_row WHERE merged_into IS NOT NULL
        UNION
        SELECT merged_id, merged_into FROM went JOIN customer_row ON customer_id = into_id
        WHERE merged_into IS NOT NULL)
    SELECT merged_id, into_id AS survivor_id FROM went JOIN customer_row ON customer_id = into_id
    WHERE merged_into IS NULL"""


async def survivor_of(
    customer_id: CustomerId, merged_into: Callable[[CustomerId], Awaitable[CustomerId | None]]
) -> CustomerId:
    """The file that goes on for a customer, by what each file says of itself: that file, if it was never merged."""
    seen, goes_on = {customer_id}, customer_id
    while (following := await merged_into(goes_on)) is not None:
        if following in seen:  # round in a circle nobody goes on
            return customer_id
        seen.add(following)
        goes_on = following
    return goes_on


class File(Value):
    """One of the files that turned out to be of the same customer."""

    file_id: CustomerId


async def files_of(db: Database, customer_id: CustomerId) -> tuple[CustomerId, ...]:
    """The files of a customer in the order of their ids, with this one; only this one where none was merged."""
    query: LiteralString = f"""
        WITH s AS ({SURVIVORS}),
            goes_on AS (SELECT coalesce((SELECT survivor_id FROM s WHERE merged_id = %s), %s) AS file_id)
        SELECT file_id FROM goes_on UNION SELECT merged_id FROM s JOIN goes_on ON survivor_id = file_id
        ORDER BY file_id"""
    whole = Database(db.connection)  # whoever asks may want a page of something else
    return tuple(one.file_id for one in await select(whole, File, query, customer_id, customer_id))


def with_survivors(row: type[Row], table: LiteralString, is_open: LiteralString) -> sql.Composed:
    """The rows of a table, to select from: an open case of a merged customer is one of the customer that goes on."""
    columns = [
        sql.SQL("CASE WHEN " + is_open + " THEN coalesce(survivor_id, customer_id) ELSE customer_id END AS customer_id")
        if field == "customer_id"
        else sql.Identifier(field)
        for field in row.__struct_fields__
    ]
    query = "(SELECT {} FROM " + table + " LEFT JOIN (" + SURVIVORS + ") s ON merged_id = customer_id) t"
    return sql.SQL(query).format(sql.SQL(", ").join(columns))
