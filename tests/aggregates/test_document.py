"""A document from its number to the archive; once a record it never changes."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from msgspec.structs import replace

from aggregates.actor import Actor, Delegation, Role
from aggregates.facts import RecordClassStanding, StoredFile
from aggregates.ids import AnyId, EmployeeId, RecordClassId
from aggregates.information.document import (
    Document,
    DocumentArchived,
    DocumentRegistered,
    DocumentReviewed,
    DocumentVersionAdded,
    RecordDeclared,
)
from aggregates.information.level import LEVELS, Security
from aggregates.text import Code, ContentHash, Text
from tests.given import MONDAY, given

ANNA, LI, REX = EmployeeId("employee-anna"), EmployeeId("employee-li"), EmployeeId("employee-rex")
AUTHOR = Actor(id=ANNA, roles=frozenset({Role.EMPLOYEE, Role.BUSINESS_DEVELOPMENT_LEAD}))
MANAGER = Actor(id=LI, roles=frozenset({Role.EMPLOYEE, Role.MANAGER}))
KEEPER = Actor(id=REX, roles=frozenset({Role.EMPLOYEE, Role.RECORDS}))
STRANGER = Actor(id=EmployeeId("employee-boris"), roles=frozenset({Role.EMPLOYEE}))
CONTRACTS, CONTRACT = RecordClassId("recordclass-contract"), AnyId("contract-1")
FIRST, SECOND = ContentHash("sha256:" + "1" * 64), ContentHash("sha256:" + "2" * 64)
TITLE, PDF, PLACE = Text("Boilers for Acme"), Code("pdf"), Code("archive-1")
CLASS = RecordClassStanding(
    record_class_id=CONTRACTS, prefix=Code("HT"), formats=(PDF,), security=Security.INTERNAL, place=PLACE
)
FROM_FIRST, FROM_SECOND = StoredFile(content=FIRST, format=PDF), StoredFile(content=SECOND, format=PDF)

registered = DocumentRegistered(
    record_class_id=CONTRACTS,
    number=Code("HT-2026-0001"),
    title=TITLE,
    security=Security.INTERNAL,
    about_id=CONTRACT,
    registered_by_id=ANNA,
)
added = DocumentVersionAdded(content=FIRST, format=PDF, added_by_id=ANNA)
another = replace(added, content=SECOND)
reviewed = DocumentReviewed(content=FIRST, reviewed_by_id=LI)
declared = RecordDeclared(content=FIRST)
archived = DocumentArchived(about_id=CONTRACT, content=FIRST, place=PLACE)
draft, record = (registered, added), (registered, added, declared)


def test_6_2_1_a_document_gets_the_next_number_of_its_class_and_year() -> None:
    again = replace(CLASS, numbers={Code("2025"): 812, Code("2026"): 9})
    given(Document).when(Document.register, AUTHOR, MONDAY, CONTRACTS, TITLE, CONTRACT, CLASS).then(registered)
    given(Document).when(Document.register, AUTHOR, MONDAY, CONTRACTS, TITLE, CONTRACT, again).then(
        replace(registered, number=Code("HT-2026-0010"))
    )
    given(Document).when(
        Document.register, AUTHOR, MONDAY - timedelta(days=365), CONTRACTS, TITLE, CONTRACT, again
    ).then(replace(registered, number=Code("HT-2025-0813")))


def test_6_2_1_without_a_class_there_is_no_number() -> None:
    none = RecordClassStanding(record_class_id=CONTRACTS)
    given(Document).when(Document.register, AUTHOR, MONDAY, CONTRACTS, TITLE, CONTRACT, none).then_refused(
        "has not been published"
    )


def test_a_document_is_as_secret_as_its_class_or_more() -> None:
    given(Document).when(Document.register, AUTHOR, MONDAY, CONTRACTS, TITLE, CONTRACT, CLASS, Security.SECRET).then(
        replace(registered, security=Security.SECRET)
    )
    given(Document).when(
        Document.register, AUTHOR, MONDAY, CONTRACTS, TITLE, CONTRACT, CLASS, Security.PUBLIC
    ).then_refused("internal at least")


def test_the_more_secret_the_fewer_read_it() -> None:
    assert set(LEVELS) == set(Security)
    steps = [LEVELS[level] for level in Security]
    assert all(fewer <= more for more, fewer in pairwise(steps))
    assert Role.BUSINESS_DEVELOPMENT in LEVELS[Security.INTERNAL]
    assert Role.BUSINESS_DEVELOPMENT not in LEVELS[Security.CONFIDENTIAL]
    assert Role.LEGAL not in LEVELS[Security.SECRET]


def test_6_2_2_each_version_is_named_by_its_hash() -> None:
    given(Document, registered).when(Document.add_version, AUTHOR, FIRST, FROM_FIRST, CLASS).then(added)
    given(Document, *draft).when(Document.add_version, AUTHOR, FIRST, FROM_FIRST, CLASS).then_nothing()
    given(Document, *draft).when(Document.add_version, KEEPER, SECOND, FROM_SECOND, CLASS).then(
        replace(another, added_by_id=REX)
    )
    given(Document, *draft).when(Document.add_version, STRANGER, SECOND, FROM_SECOND, CLASS).then_refused("Whoever")


def test_the_bytes_say_whether_the_format_is_allowed() -> None:
    picture = StoredFile(content=FIRST, format=Code("png"))
    given(Document, registered).when(Document.add_version, AUTHOR, FIRST, picture, CLASS).then_refused(
        "are pdf, and not png"
    )


@pytest.mark.parametrize("history", [record, (*record, archived)])
def test_6_2_2_a_record_never_changes(history: tuple[DocumentRegistered, ...]) -> None:
    given(Document, *history).when(Document.add_version, KEEPER, SECOND, FROM_SECOND, CLASS).then_refused(
        "nothing of it changes any more"
    )
    given(Document, *history).when(Document.review, MANAGER, FIRST).then_refused("nothing of it changes any more")
    given(Document, *history).when(Document.declare_record, KEEPER, FIRST).then_nothing()


def test_somebody_else_reviews_this_very_version() -> None:
    given(Document, *draft).when(Document.review, MANAGER, FIRST).then(reviewed)
    given(Document, *draft, reviewed).when(Document.review, MANAGER, FIRST).then_nothing()
    given(Document, *draft, reviewed, another).when(Document.review, MANAGER, SECOND).then(
        replace(reviewed, content=SECOND)
    )
    given(Document, *draft, another).when(Document.review, MANAGER, FIRST).then_refused("another version since")
    given(Document, registered).when(Document.review, MANAGER, FIRST).then_refused("no version of this document yet")
    lent = replace(MANAGER, delegation=Delegation(number=Code("D-1"), grantor_id=ANNA))
    for by in (AUTHOR, lent):
        given(Document, *draft).when(Document.review, by, FIRST).then_refused("does not review it")


def test_its_owner_or_the_keeper_declares_it_a_record() -> None:
    for by in (AUTHOR, KEEPER):
        given(Document, *draft).when(Document.declare_record, by, FIRST).then(declared)
    given(Document, *draft).when(Document.declare_record, STRANGER, FIRST).then_refused("declares it a record")
    given(Document, *draft, another).when(Document.declare_record, AUTHOR, FIRST).then_refused("another version")
    given(Document, registered).when(Document.declare_record, AUTHOR, FIRST).then_refused("no version")


def test_6_2_2_only_a_record_is_archived() -> None:
    given(Document, *record).when(Document.archive, CLASS).then(archived)
    given(Document, *record).when(Document.archive, CLASS, Code("safe")).then(replace(archived, place=Code("safe")))
    given(Document, *record, archived).when(Document.archive, CLASS).then_nothing()
    for history in ((registered,), draft, (*draft, reviewed)):
        given(Document, *history).when(Document.archive, CLASS).then_refused("Only a record is archived")
    given(Document, *record).when(Document.archive, replace(CLASS, place=None)).then_refused("Say where")
