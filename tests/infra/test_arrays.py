"""What is packed for PostgreSQL arrives there as it was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import psycopg
import pytest

from infra import arrays

MONDAY = datetime(2026, 3, 2, 9, 30, 0, 123_456, tzinfo=UTC)
LONG_AGO = datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
COLUMNS: Sequence[tuple[str, arrays.Pack, Sequence[Any]]] = [
    ("text", arrays.texts, ["Anna", "", "业务 \U0001f600", None]),
    ("bytea", arrays.blobs, [b"", b"\x00\xff", None]),
    ("uuid", arrays.uuids, [UUID(int=0), UUID(int=2**128 - 1), None]),
    ("int", arrays.ints, [0, -1, 2**31 - 1, None]),
    ("bigint", arrays.bigints, [0, -(2**63), 2**63 - 1, None]),
    ("timestamptz", arrays.instants, [MONDAY, LONG_AGO, MONDAY.astimezone(timezone(timedelta(hours=8))), None]),
]


@pytest.mark.parametrize(("kind", "pack", "values"), COLUMNS, ids=[kind for kind, _, _ in COLUMNS])
def test_an_array_arrives_as_it_was(postgres: str, kind: str, pack: arrays.Pack, values: Sequence[Any]) -> None:
    with psycopg.connect(postgres) as db:
        db.adapters.register_dumper(arrays.Array, arrays.ArrayDumper)
        for column in (values, values[:-1], values[:1], []):
            found = db.execute(f"SELECT %b::{kind}[]".encode(), (pack(column),)).fetchone()
            assert found == (column,)


@pytest.mark.parametrize(("pack", "number"), [(arrays.ints, 2**31), (arrays.bigints, 2**63)])
def test_a_number_that_does_not_fit_is_refused(pack: arrays.Pack, number: int) -> None:
    with pytest.raises(ValueError, match="a number is too large"):
        pack([1, number])
