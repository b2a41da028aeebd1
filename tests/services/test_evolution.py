"""What was promised to subscribers is kept: each release against today, and every kind of broken promise."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregates.event import EVIDENCE_READERS, CommandRefused, Event
from aggregates.ids import ComplaintId, CustomerId
from aggregates.readers import Readers
from aggregates.service.complaint import ComplaintReceived
from aggregates.text import Code, Personal, Text
from aggregates.value import Value
from services.event_schemas import releases, schema_of, schemas
from tests.release import FOLDER, release
from tests.services.evolution import breaks, broken

RELEASES, PRESENT = releases(), schemas()
any_form = st.sampled_from(sorted(PRESENT)).map(lambda name: copy.deepcopy(PRESENT[name]))


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Brighter(StrEnum):
    RED = "red"
    BLUE = "blue"
    GREEN = "green"


class Duller(StrEnum):
    RED = "red"


class Part(Value):
    weight: Decimal
    colour: Colour = Colour.RED


class Heavier(Value):
    weight: Decimal
    size: int
    colour: Colour = Colour.RED


class Labelled(Value):
    weight: Decimal
    colour: Colour = Colour.RED
    label: Code | None = None


def having(**fields: Any) -> dict[str, Any]:
    """The schema of something with these fields: each a type, or a type and its default."""
    listed = [(name, *said) if isinstance(said, tuple) else (name, said) for name, said in fields.items()]
    return schema_of(msgspec.defstruct("Noted", listed, kw_only=True, forbid_unknown_fields=True))


BROKEN = [
    ("removed", {"a": int, "b": int}, {"a": int}, "b is gone"),
    ("renamed", {"a": int}, {"z": int}, "a is gone"),
    ("retyped", {"a": int}, {"a": Code}, "a was integer and is string"),
    ("a number for an amount", {"a": Decimal}, {"a": float}, "a was string and is number"),
    ("a time for a day", {"a": date}, {"a": Code}, "a had format date and has none"),
    ("new and needed", {"a": int}, {"a": int, "b": int}, "b is new and has no default"),
    ("needed now", {"a": (int, 1)}, {"a": int}, "a is needed now, and what is on record may lack it"),
    ("needed no longer", {"a": int}, {"a": (int, 1)}, "a was always there and is no longer"),
    ("another default", {"a": (int, 1)}, {"a": (int, 2)}, "a had the default 1 and has 2"),
    ("a shorter list", {"a": Colour}, {"a": Duller}, "a can no longer be 'blue'"),
    ("no list any more", {"a": Colour}, {"a": Code}, "a was enum and is string"),
    ("a list where there was none", {"a": Code}, {"a": Colour}, "a was string and is enum"),
    ("nothing any more", {"a": int | None}, {"a": int}, "a may no longer be null"),
    ("nothing too", {"a": int}, {"a": int | None}, "a may now be null"),
    ("one of several retyped", {"a": int | None}, {"a": Code | None}, "a may no longer be integer"),
    ("another kind of stream", {"a": ComplaintId}, {"a": CustomerId}, "a had pattern"),
    ("another kind of secret", {"a": Text}, {"a": Personal}, "a had x-secrecy T and has P"),
    ("sealed now", {"a": Code}, {"a": Text}, "a had anyOf none"),
    ("several for one", {"a": int}, {"a": tuple[int, ...]}, "a was integer and is array"),
    ("in each of several", {"a": tuple[int, ...]}, {"a": tuple[Code, ...]}, "a[] was integer and is string"),
    ("under each name", {"a": dict[str, int]}, {"a": dict[str, Code]}, "a.* was integer and is string"),
    ("in the names", {"a": dict[str, int]}, {"a": dict[CustomerId, int]}, "a had propertyNames none"),
    ("deep inside", {"a": tuple[Part, ...]}, {"a": tuple[Heavier, ...]}, "a[].size is new and has no default"),
    ("no longer open", {"a": dict[str, int]}, {"a": Part}, "a.* was {'type': 'integer'} and is False"),
]
KEPT = [
    ("the same", {"a": int, "b": Text | None}, {"a": int, "b": Text | None}),
    ("in another order", {"a": int, "b": Code}, {"b": Code, "a": int}),
    ("new with a default", {"a": int}, {"a": int, "b": (Code | None, None)}),
    ("new and unset", {"a": int}, {"a": int, "b": (Code | msgspec.UnsetType, msgspec.UNSET)}),
    ("a longer list", {"a": Colour}, {"a": Brighter}),
    ("one of several, a longer list", {"a": (Colour | None, None)}, {"a": (Brighter | None, None)}),
    ("deep inside", {"a": tuple[Part, ...]}, {"a": tuple[Labelled, ...]}),
]


@pytest.mark.parametrize(("before", "now", "said"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_a_broken_promise_is_found(before: dict[str, Any], now: dict[str, Any], said: str) -> None:
    found = list(breaks(having(**before), having(**now)))
    assert any(each.startswith(said) for each in found), found


@pytest.mark.parametrize(("before", "now"), [case[1:] for case in KEPT], ids=[case[0] for case in KEPT])
def test_what_only_adds_breaks_nothing(before: dict[str, Any], now: dict[str, Any]) -> None:
    assert list(breaks(having(**before), having(**now))) == []


def parts_of(schema: Any) -> Iterator[dict[str, Any]]:
    """The schema, and every schema in it."""
    yield schema
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", ())]
    inner += [schema[key] for key in ("items", "additionalProperties", "contentSchema") if key in schema]
    for each in inner:
        if isinstance(each, dict):
            yield from parts_of(each)


def a_place(schema: dict[str, Any], data: st.DataObject, fit: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """One of the schemas inside this one that a change fits on."""
    return data.draw(st.sampled_from([part for part in parts_of(schema) if fit(part)]))


def has_fields(part: dict[str, Any]) -> bool:
    return bool(part.get("properties"))


def is_typed(part: dict[str, Any]) -> bool:
    return "type" in part


@given(any_form, st.data())
def test_whatever_is_taken_out_anywhere_is_missed(form: dict[str, Any], data: st.DataObject) -> None:
    if any(map(has_fields, parts_of(form))):
        changed = copy.deepcopy(form)
        part = a_place(changed, data, has_fields)
        del part["properties"][data.draw(st.sampled_from(sorted(part["properties"])))]
        assert [each for each in breaks(form, changed) if "is gone" in each]


@given(any_form, st.data())
def test_whatever_is_retyped_anywhere_is_noticed(form: dict[str, Any], data: st.DataObject) -> None:
    changed = copy.deepcopy(form)
    part = a_place(changed, data, is_typed)
    part["type"] = data.draw(st.sampled_from([t for t in ("string", "integer", "boolean") if t != part["type"]]))
    assert list(breaks(form, changed))


@given(any_form, st.data())
def test_whatever_is_needed_anew_anywhere_is_noticed(form: dict[str, Any], data: st.DataObject) -> None:
    if any(map(has_fields, parts_of(form))):
        changed = copy.deepcopy(form)
        part = a_place(changed, data, has_fields)
        part["properties"]["zest"] = {"type": "string"}
        part["required"] = [*part.get("required", ()), "zest"]
        assert [each for each in breaks(form, changed) if "zest is new" in each]


@given(any_form, st.data())
def test_what_is_added_with_a_default_or_said_otherwise_is_fine(form: dict[str, Any], data: st.DataObject) -> None:
    changed = copy.deepcopy(form)
    for part in parts_of(changed):
        part["description"] = "said otherwise"
        if "enum" in part:
            part["enum"] = [*part["enum"], "ZZZ"]
        if has_fields(part):
            part["properties"]["zest"] = {"type": "string", "default": ""}
    assert list(breaks(form, changed)) == []


def test_every_release_is_kept() -> None:
    assert "\n".join(broken(RELEASES, PRESENT)) == ""


def test_one_of_two_of_a_sort_that_is_gone_is_noticed() -> None:
    both = [{"type": "object", "title": "a", "required": ["a"]}, {"type": "object", "required": ["b"]}]
    assert list(breaks({"anyOf": both}, {"anyOf": both[:1]}))
    assert not list(breaks({"anyOf": both}, {"anyOf": [{**both[0], "title": "z"}, both[1]]}))


def test_who_reads_a_broken_event_is_named() -> None:
    changed = copy.deepcopy(PRESENT)
    del changed["ComplaintAssessed.1"]["properties"]["severity"]
    (said,) = broken(RELEASES, changed)
    assert said.startswith("ComplaintAssessed of schema 1 is not as 0.1.0 promised: severity is gone.")
    for reader in ("aggregate Complaint", "row ComplaintRow", "rule R-CS-", "policy ComplaintClocks"):
        assert reader in said, said
    del changed["ComplaintReceived.1"]
    assert "subscriber complaint_report.py" in broken(RELEASES, changed)[1]
    changed["ComplaintReceived.1"] = PRESENT["ComplaintReceived.1"]
    del changed["RoleAssigned.1"], changed["meta"]["properties"]["clause"]
    del changed["headers"]["properties"]["ce_meta"]["contentSchema"]["properties"]["clause"]
    about_role, about_meta, about_headers = broken(RELEASES, changed)[1:]
    assert "RoleAssigned of schema 1 is not as 0.1.0 promised: nobody knows this form any more" in about_role
    assert "row PostRow" in about_role
    assert "reference data" in about_role
    assert about_meta == "meta is not as 0.1.0 promised: clause is gone. Every subscriber reads it."
    assert about_headers.startswith("headers is not as 0.1.0 promised: ce_meta (inside).clause is gone.")


@pytest.mark.parametrize(
    ("event", "readers", "said"),
    [(ComplaintReceived, EVIDENCE_READERS, "had x-restricted none and has True"),
     (CommandRefused, None, "had x-restricted True and has none")],
)  # fmt: skip
def test_an_event_stays_on_the_topic_where_it_was_published(
    event: type[Event], readers: Readers | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise nobody could restore what lies on the other one; a new form of it makes no difference."""
    monkeypatch.setattr(event, "readers", readers)
    (sentence,) = broken(RELEASES, schemas())
    assert sentence.startswith(
        f"{event.__name__} of schema 1 is not as 0.1.0 promised: it {said}. Take the change back"
    )
    assert "or record another event from now on" in sentence
    monkeypatch.setattr(event, "schema", 2)
    assert said in broken(RELEASES, schemas())[0]


def test_what_a_release_promises_is_written_once(tmp_path: Path) -> None:
    assert release("9.0.0", tmp_path) == f"9.0.0 promises {len(PRESENT)} schemas (9.0.0.json)"
    assert json.loads((tmp_path / "9.0.0.json").read_bytes())["$defs"] == json.loads(json.dumps(PRESENT))
    with pytest.raises(ValueError, match=r"9\.0\.0 was released, and what it promised stays"):
        release("9.0.0", tmp_path)
    for nonsense in ("", "9", "../9.0.0", "next"):
        with pytest.raises(ValueError, match="is no version"):
            release(nonsense, tmp_path)


def test_a_release_that_breaks_an_earlier_one_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = copy.deepcopy(PRESENT)
    del changed["ComplaintAssessed.1"]["properties"]["severity"]
    monkeypatch.setattr("tests.release.schemas", lambda: changed)
    with pytest.raises(ValueError, match="severity is gone"):
        release("9.0.0", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_files_of_releases_are_part_of_the_package() -> None:
    assert {file.stem for file in FOLDER.glob("*.json")} == RELEASES.keys()
