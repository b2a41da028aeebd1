"""Which classes of documents are there, what holds for each, and how many numbers has it given out?"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from aggregates.actor import INSIDE
from aggregates.event import Recorded
from aggregates.facts import RecordClassStanding
from aggregates.ids import RecordClassId
from aggregates.information.document import DocumentRegistered
from aggregates.information.record_class import RecordClassPublished, RecordClassRevised, Scheme
from aggregates.text import Code, Text
from projections.fact import fact
from projections.question import Database, question, select, select_one
from projections.row import Row, View, the


class RecordClassRow(Row):
    """`numbers`: the last number of each year; `version` counts what was published and revised."""

    record_class_id: RecordClassId
    code: Code
    name: Text
    prefix: Code
    scheme: Scheme
    version: int = 1
    numbers: Mapping[Code, int] = {}


def published(record: Recorded[RecordClassPublished]) -> RecordClassRow:
    event = record.event
    return RecordClassRow(
        record_class_id=RecordClassId(record.stream_id),
        code=event.code,
        name=event.name,
        prefix=event.prefix,
        scheme=event.scheme,
    )


def revised(row: RecordClassRow, record: Recorded[RecordClassRevised]) -> RecordClassRow:
    return replace(row, name=record.event.name, scheme=record.event.scheme, version=row.version + 1)


def numbered(row: RecordClassRow, record: Recorded[DocumentRegistered]) -> RecordClassRow:
    _, year, number = record.event.number.split("-")
    return replace(row, numbers={**row.numbers, Code(year): int(number)})


record_classes = View(RecordClassRow, published, revised, numbered, key=the("record_class_id", or_its_stream=True))


@fact(record_classes)
async def record_class(db: Database, record_class_id: RecordClassId) -> RecordClassStanding:
    """What a document of this class has to be, and which numbers are gone."""
    row = await one(db, record_class_id)
    if row is None:
        return RecordClassStanding(record_class_id=record_class_id)
    return RecordClassStanding(
        record_class_id=record_class_id,
        prefix=row.prefix,
        formats=row.scheme.formats,
        security=row.scheme.security,
        place=row.scheme.place,
        numbers=row.numbers,
    )


@question(path="recordclasses", readers=INSIDE, order=("record_class_id",))
async def scheme(db: Database) -> list[RecordClassRow]:
    """The scheme: all classes of documents."""
    return await select(db, RecordClassRow, "SELECT * FROM record_class_row")


@question(path="recordclasses/{record_class_id}", readers=INSIDE)
async def one(db: Database, record_class_id: RecordClassId) -> RecordClassRow | None:
    """One class of documents."""
    query = "SELECT * FROM record_class_row WHERE record_class_id = %s"
    return await select_one(db, RecordClassRow, query, record_class_id)
