"""A document, from its number to its place in the archive: regulation 6.2.1, 6.2.2. Once it is a record it never
changes."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum, auto
from typing import Annotated, TypeAlias, assert_never

from msgspec.structs import replace

from aggregates.actor import Actor, Role
from aggregates.event import Event, command
from aggregates.facts import RecordClassStanding, StoredFile
from aggregates.ids import AnyId, EmployeeId, RecordClassId
from aggregates.information.level import Security
from aggregates.refused import Refused
from aggregates.text import Code, ContentHash, Text, unique
from aggregates.value import Value

REVIEWERS = (
    Role.MANAGER,
    Role.DEPUTY,
    Role.BUSINESS_DEVELOPMENT_LEAD,
    Role.PROJECT_LEAD,
    Role.CUSTOMER_SERVICE_LEAD,
    Role.DATA_LEAD,
    Role.LEGAL,
)


class DocumentRegistered(Event):
    record_class_id: RecordClassId
    number: Annotated[Code, unique("document-number")]
    title: Text
    security: Security
    about_id: AnyId
    registered_by_id: EmployeeId


class DocumentVersionAdded(Event):
    content: ContentHash
    format: Code
    added_by_id: EmployeeId


class DocumentReviewed(Event):
    content: ContentHash
    reviewed_by_id: EmployeeId


class RecordDeclared(Event):
    """From here on its content is frozen."""

    content: ContentHash


class DocumentArchived(Event):
    about_id: AnyId
    content: ContentHash
    place: Code


DocumentEvent: TypeAlias = (
    DocumentRegistered | DocumentVersionAdded | DocumentReviewed | RecordDeclared | DocumentArchived
)


class Status(StrEnum):
    """How far a document is."""

    BLANK = auto()
    DRAFTED = auto()
    RECORD = auto()
    ARCHIVED = auto()


class Document(Value):
    """`content`: its latest version."""

    status: Status = Status.BLANK
    record_class_id: RecordClassId | None = None
    about_id: AnyId | None = None
    owner_id: EmployeeId | None = None
    content: ContentHash | None = None
    added_by_id: EmployeeId | None = None
    reviewed: bool = False

    @command(by=(Role.EMPLOYEE,), clause="6.2.1", opens=True)
    def register(
        self,
        by: Actor,
        at: datetime,
        record_class_id: RecordClassId,
        title: Text,
        about_id: AnyId,
        record_class: RecordClassStanding,
        security: Security | None = None,
    ) -> DocumentRegistered:
        """Give a document its number: the next of its class in this year. `about_id`: what it comes from."""
        if record_class.prefix is None:
            raise Refused("This class of documents has not been published.")
        level = record_class.security if security is None else security
        if not level.at_least(record_class.security):
            raise Refused("Documents of this class are {security} at least.", security=record_class.security)
        number = record_class.numbers.get(Code(str(at.year)), 0) + 1
        return DocumentRegistered(
            record_class_id=record_class_id,
            number=Code(f"{record_class.prefix}-{at.year}-{number:04d}"),
            title=title,
            security=level,
            about_id=about_id,
            registered_by_id=by.employee,
        )

    @command(by=(Role.EMPLOYEE,), clause="6.2.2")
    def add_version(
        self, by: Actor, content: ContentHash, file: StoredFile, record_class: RecordClassStanding
    ) -> DocumentVersionAdded | None:
        """Another text of it, until it is declared a record."""
        if self.status is not Status.DRAFTED:
            raise Refused("This is a record: nothing of it changes any more. Register what is new.")
        if not by.speaks_for(self.owner_id) and Role.RECORDS not in by.roles:
            raise Refused("Whoever registered the document adds to it, or whoever keeps the records.")
        if file.format not in record_class.formats:
            allowed = ", ".join(record_class.formats)
            raise Refused(
                "Documents of this class are {allowed}, and not {format}.", allowed=allowed, format=file.format
            )
        if content == self.content:
            return None
        return DocumentVersionAdded(content=content, format=file.format, added_by_id=by.employee)

    @command(by=REVIEWERS, clause="6.2.2")
    def review(self, by: Actor, content: ContentHash) -> DocumentReviewed | None:
        """Agree to this very version, which somebody else has added."""
        self._must_be_latest(content)
        if self.status is not Status.DRAFTED:
            raise Refused("This is a record: nothing of it changes any more. Register what is new.")
        if by.speaks_for(self.added_by_id):
            raise Refused("Whoever added this version does not review it.")
        return None if self.reviewed else DocumentReviewed(content=content, reviewed_by_id=by.employee)

    @command(by=(Role.EMPLOYEE,), clause="6.2.2")
    def declare_record(self, by: Actor, content: ContentHash) -> RecordDeclared | None:
        """Say that this version is the record."""
        self._must_be_latest(content)
        if not by.speaks_for(self.owner_id) and Role.RECORDS not in by.roles:
            raise Refused("Whoever registered the document declares it a record, or whoever keeps the records.")
        return None if self.status is not Status.DRAFTED else RecordDeclared(content=content)

    @command(by=(Role.RECORDS,), clause="6.2.2")
    def archive(self, record_class: RecordClassStanding, place: Code | None = None) -> DocumentArchived | None:
        """Put the record where its class is kept, or where said."""
        if self.status is Status.ARCHIVED:
            return None
        if self.status is not Status.RECORD or self.content is None or self.about_id is None:
            raise Refused("Only a record is archived: have the document declared one first.")
        where = place or record_class.place
        if where is None:
            raise Refused("Say where the record is put.")
        return DocumentArchived(about_id=self.about_id, content=self.content, place=where)

    def evolve(self, event: DocumentEvent, /) -> Document:
        match event:
            case DocumentRegistered():
                return Document(
                    status=Status.DRAFTED,
                    record_class_id=event.record_class_id,
                    about_id=event.about_id,
                    owner_id=event.registered_by_id,
                )
            case DocumentVersionAdded():
                return replace(self, content=event.content, added_by_id=event.added_by_id, reviewed=False)
            case DocumentReviewed():
                return replace(self, reviewed=event.content == self.content)
            case RecordDeclared():
                return replace(self, status=Status.RECORD, content=event.content)
            case DocumentArchived():
                return replace(self, status=Status.ARCHIVED)
            case _:
                assert_never(event)

    def _must_be_latest(self, content: ContentHash) -> None:
        if self.content is None:
            raise Refused("There is no version of this document yet.")
        if content != self.content:
            raise Refused("The document has another version since: look at the present one.")
