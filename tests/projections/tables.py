"""Rows put into the tables of a database, where questions are asked of them."""

from __future__ import annotations

from collections.abc import Iterable

import psycopg

from infra.read_model.tables import Table
from projections.row import Row


def filled(url: str, kinds: Iterable[type[Row]], rows: Iterable[Row]) -> str:
    """The database, with a table for each kind and these rows in them."""
    given = [*rows]
    with psycopg.connect(url) as db:
        for kind in kinds:
            table = Table(kind)
            db.execute(table.create("public").encode())
            marks = ", ".join(["%s"] * len(table.fields))
            for row in given:
                if type(row) is kind:
                    db.execute(f"INSERT INTO {table.name} VALUES ({marks})".encode(), table.line(row))
    return url
