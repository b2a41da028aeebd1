"""Which rows stand still, since when, and because of which event?"""

from __future__ import annotations

from datetime import datetime

import msgspec

from aggregates.actor import Role
from aggregates.text import Code
from projections.question import Database, question, select
from projections.row import KeyValue, Row

JSON = frozenset({"[", '"'})
"""What JSON begins with that is an array or a text."""

READERS = (Role.MANAGER, Role.DEPUTY, Role.DATA_LEAD, Role.AUDITOR)


class Parked(Row):
    """A row that stays as it was before an event that its view could not take; `waiting` later events of its key wait.

    `failed_in` says whether the codec, the step or the table failed, `has_row` whether there was a row before. The
    problem names types, never what they hold.
    """

    key = ("row_table", "row_key")

    row_table: Code
    row_key: Code
    position: int
    stream_id: str
    type: Code
    since: datetime
    failed_in: Code
    problem: Code
    has_row: bool
    waiting: int = 0


def written_key(key: KeyValue) -> Code:
    """The key of a row in one word: itself, or if it has several parts JSON."""
    return Code(key if isinstance(key, str) and key[:1] not in JSON else msgspec.json.encode(key).decode())


def read_key(written: str) -> KeyValue:
    """The key that was written so; what was not is taken as it stands."""
    try:
        return msgspec.json.decode(written, type=tuple[str, ...] | str) if written[:1] in JSON else written
    except msgspec.DecodeError:
        return written


@question(path="parked", readers=READERS, order=("position", "row_table", "row_key"))
async def list_(db: Database, row_table: Code | None = None) -> list[Parked]:
    """Rows that stand still, by the position of the event that they could not take."""
    return await select(
        db, Parked, "SELECT * FROM parked WHERE row_table = %s OR %s::text IS NULL", row_table, row_table
    )
