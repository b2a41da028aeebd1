"""What is packed for PostgreSQL arrives there as it was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import RFC_4122, UUID

import psycopg
import pytest
from psycopg.pq import Format

from infra import arrays

MONDAY = datetime(2026, 3, 2, 9, 30, 0, 123_456, tzinfo=UTC)
LONG_AGO = datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
COLUMNS: Sequence[tuple[str, arrays.Column, Sequence[Any]]] = [
    ("text", arrays.texts, ["Anna", "", "业务 \U0001f600", None]),
    ("bytea", arrays.blobs, [b"", b"\x00\xff", None]),
    ("uuid", arrays.uuids, [UUID(int=0), UUID(int=2**128 - 1), None]),
    ("int", arrays.ints, [0, -1, 2**31 - 1, None]),
    ("bigint", arrays.bigints, [0, -(2**63), 2**63 - 1, None]),
    ("timestamptz", arrays.instants, [MONDAY, LONG_AGO, MONDAY.astimezone(timezone(timedelta(hours=8))), None]),
]


@pytest.mark.parametrize(("type_", "column", "values"), COLUMNS, ids=[type_ for type_, _, _ in COLUMNS])
def test_an_array_arrives_as_it_was(postgres: str, type_: str, column: arrays.Column, values: Sequence[Any]) -> None:
    with psycopg.connect(postgres) as db:
        for some in (values, values[:-1], values[:1], []):
            sent = db.pgconn.exec_params(
                f"SELECT $1::{type_}[]::text".encode(), [column.of(*some)], None, [Format.BINARY]
            )
            said = db.execute(
                f"SELECT %s::text::{type_}[]".encode(), ((sent.get_value(0, 0) or b"").decode(),)
            ).fetchone()
            assert said == (some,)


def test_elements_packed_beforehand_are_put_together(postgres: str) -> None:
    two = arrays.texts.element("a") + arrays.texts.element(None)
    assert arrays.texts.array(3, (two, arrays.texts.element("c"))) == arrays.texts.of("a", None, "c")


def test_new_uuids_are_random_ones_and_differ(postgres: str) -> None:
    with psycopg.connect(postgres) as db:
        for count in (0, 1, 1000):
            sent = db.pgconn.exec_params(b"SELECT $1::uuid[]::text", [arrays.new_uuids(count)], None, [Format.BINARY])
            (made,) = db.execute("SELECT %s::text::uuid[]", ((sent.get_value(0, 0) or b"").decode(),)).fetchone() or ()
            assert len(set(made)) == count
            assert all((one.version, one.variant) == (4, RFC_4122) for one in made)


@pytest.mark.parametrize(("column", "number"), [(arrays.ints, 2**31), (arrays.bigints, 2**63)])
def test_a_number_that_does_not_fit_is_refused(column: arrays.Column, number: int) -> None:
    with pytest.raises(ValueError, match="a number is too large"):
        column.of(1, number)


@pytest.mark.parametrize("number", [0, -(2**63), 2**63 - 1])
def test_a_number_is_read_as_it_was_written(number: int) -> None:
    assert arrays.read_bigint(arrays.bigint(number)) == number


@pytest.mark.parametrize("instant", [MONDAY, LONG_AGO])
def test_an_instant_is_read_as_it_was_written(instant: datetime) -> None:
    written = arrays.instants.element(instant)
    assert arrays.read_instant(written[4:]) == instant
