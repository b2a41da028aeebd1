"""Classes of documents: how they are numbered and kept."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from aggregates.actor import Role
from aggregates.information.level import Security
from aggregates.information.record_class import RecordClass, RecordClassPublished, RecordClassRevised, Scheme
from aggregates.text import Code, Text
from tests.given import given

CONTRACT, NAME, PREFIX = Code("contract"), Text("Contracts 合同"), Code("HT")
SCHEME = Scheme(
    formats=(Code("pdf"),),
    security=Security.INTERNAL,
    retention_years=30,
    custodian=Role.RECORDS,
    place=Code("archive-1"),
)
published = RecordClassPublished(code=CONTRACT, name=NAME, prefix=PREFIX, scheme=SCHEME)
FOR_EVER = replace(SCHEME, retention_years=None)


def test_6_2_1_a_class_says_how_its_documents_are_numbered_and_kept() -> None:
    given(RecordClass).when(RecordClass.publish, CONTRACT, NAME, PREFIX, SCHEME).then(published)


def test_another_version_of_it_is_put_in_force() -> None:
    revised = RecordClassRevised(name=NAME, scheme=FOR_EVER)
    given(RecordClass, published).when(RecordClass.revise, NAME, FOR_EVER).then(revised)
    given(RecordClass, published, revised).when(RecordClass.revise, NAME, FOR_EVER).then_nothing()


@pytest.mark.parametrize(
    ("code", "prefix", "scheme", "because"),
    [
        ("Contract", "HT", SCHEME, "is called like"),
        ("a-b", "HT", SCHEME, "is called like"),
        (CONTRACT, "ht", SCHEME, "up to eight capitals"),
        (CONTRACT, "H-T", SCHEME, "up to eight capitals"),
        (CONTRACT, "HT", replace(SCHEME, formats=()), "at least one format"),
        (CONTRACT, "HT", replace(SCHEME, retention_years=0), "at least one year"),
    ],
)
def test_what_makes_no_sense_is_refused(code: str, prefix: str, scheme: Scheme, because: str) -> None:
    given(RecordClass).when(RecordClass.publish, Code(code), NAME, Code(prefix), scheme).then_refused(because)


def test_a_revision_is_looked_at_as_well() -> None:
    given(RecordClass, published).when(RecordClass.revise, NAME, replace(SCHEME, formats=())).then_refused("format")
