"""Which documents are there, what does each come from, which versions has it, and who did what to it?"""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from aggregates.actor import Role
from aggregates.event import Recorded
from aggregates.ids import AnyId, DocumentId, EmployeeId, RecordClassId
from aggregates.information.document import (
    DocumentArchived,
    DocumentRegistered,
    DocumentReviewed,
    DocumentVersionAdded,
    RecordDeclared,
    Status,
)
from aggregates.information.level import KEEPERS, LEVELS, Security
from aggregates.readers import Readers
from aggregates.text import Code, ContentHash, Text
from aggregates.value import Value
from projections.question import Database, matching, question, select, select_one
from projections.row import Key, Row, View, its_stream

READERS = Readers(everything=KEEPERS, levels=LEVELS, own=frozenset({Role.EMPLOYEE}))


class Version(Value):
    """One text of a document, and who brought and reviewed it when."""

    content: ContentHash
    format: Code
    added_by_id: EmployeeId
    added_at: datetime
    reviewed_by_id: EmployeeId | None = None


class DocumentRow(Row):
    """`about_id`: what it comes from; `content`: its latest version. The people are those who registered it, added and
    reviewed its versions, declared it a record and archived it."""

    indexes = (("about_id",), ("record_class_id",))
    of_area = "security"
    of_person = ("registered_by_id",)

    document_id: DocumentId
    record_class_id: RecordClassId
    number: Code
    title: Text
    security: Security
    about_id: AnyId
    status: Status
    registered_by_id: EmployeeId
    registered_at: datetime
    versions: tuple[Version, ...] = ()
    content: ContentHash | None = None
    declared_by_id: EmployeeId | None = None
    declared_at: datetime | None = None
    archived_by_id: EmployeeId | None = None
    archived_at: datetime | None = None
    place: Code | None = None


def registered(record: Recorded[DocumentRegistered]) -> DocumentRow:
    event = record.event
    return DocumentRow(
        document_id=DocumentId(record.stream_id),
        record_class_id=event.record_class_id,
        number=event.number,
        title=event.title,
        security=event.security,
        about_id=event.about_id,
        status=Status.DRAFTED,
        registered_by_id=event.registered_by_id,
        registered_at=record.effective_at,
    )


def version_added(row: DocumentRow, record: Recorded[DocumentVersionAdded]) -> DocumentRow:
    event = record.event
    version = Version(
        content=event.content, format=event.format, added_by_id=event.added_by_id, added_at=record.effective_at
    )
    return replace(row, versions=(*row.versions, version), content=event.content)


def reviewed(row: DocumentRow, record: Recorded[DocumentReviewed]) -> DocumentRow:
    *before, latest = row.versions
    return replace(row, versions=(*before, replace(latest, reviewed_by_id=record.event.reviewed_by_id)))


def declared(row: DocumentRow, record: Recorded[RecordDeclared]) -> DocumentRow:
    who, at = EmployeeId(record.person), record.effective_at
    return replace(row, status=Status.RECORD, content=record.event.content, declared_by_id=who, declared_at=at)


def archived(row: DocumentRow, record: Recorded[DocumentArchived]) -> DocumentRow:
    who, at = EmployeeId(record.person), record.effective_at
    return replace(row, status=Status.ARCHIVED, archived_by_id=who, archived_at=at, place=record.event.place)


documents = View(DocumentRow, registered, version_added, reviewed, declared, archived, key=its_stream(DocumentId))


class DocumentFileRow(Row):
    """A file that is a version of a document."""

    key = ("content", "document_id")

    content: ContentHash
    document_id: DocumentId


def filed(row: DocumentFileRow | None, record: Recorded[DocumentVersionAdded]) -> DocumentFileRow:
    return row or DocumentFileRow(content=record.event.content, document_id=DocumentId(record.stream_id))


files = View(
    DocumentFileRow,
    filed,
    key=Key(kind=None, of_event=lambda _: lambda record: (record.event.content, record.stream_id)),
)


@question(path="documents", readers=READERS, order=("number",))
async def on_record(
    db: Database,
    record_class_id: RecordClassId | None = None,
    about_id: AnyId | None = None,
    security: Security | None = None,
    status: Status | None = None,
    number: Code | None = None,
) -> list[DocumentRow]:
    """The register of documents by their numbers: all, or those of a class, or of what they come from."""
    where, values = matching(
        {
            "record_class_id = %s": record_class_id,
            "about_id = %s": about_id,
            "security = %s": security and security.value,
            "status = %s": status and status.value,
            "number = %s": number,
        }
    )
    return await select(db, DocumentRow, f"SELECT * FROM document_row WHERE {where}", *values)


@question(path="documents/{document_id}", readers=READERS, one_of=documents)
async def one(db: Database, document_id: DocumentId) -> DocumentRow | None:
    """One document with its versions and whoever had to do with it."""
    return await select_one(db, DocumentRow, "SELECT * FROM document_row WHERE document_id = %s", document_id)
