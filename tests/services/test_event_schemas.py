"""The schemas of what is stored describe all that is ever stored, and nothing beside it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator

from aggregates.event import Envelope, Event
from aggregates.ids import syntax_of
from aggregates.sealed import Sealed, Secrecy
from aggregates.text import Code
from infra.codec import Codec, envelope_bytes
from infra.texts import Place
from services import event_schemas
from services.event_schemas import META, document, events, form, schema_of, schemas
from tests.infra.examples import all_events, anything, example, unlisted

EVENTS = all_events()
CODEC = Codec(EVENTS)
SCHEMAS = schemas()
VALID = {name: Draft202012Validator(schema, validate_formats=True) for name, schema in SCHEMAS.items()}


@unlisted
class TidesNoted(Event):
    """An event of which there was an earlier form."""

    schema: ClassVar[int] = 2
    harbour: Code
    tides: tuple[datetime, ...] = ()


def sealed(place: Place, _owner: str, _text: str) -> str:
    return str(Sealed(place.secrecy, "A" * 11, place.field, "b-_"))


def stored(event: Event) -> Any:
    return json.loads(CODEC.stored("its-own-stream", event).data)


def test_every_event_has_its_schema() -> None:
    assert events() == EVENTS
    assert {form(event) for event in EVENTS} <= SCHEMAS.keys()


@given(st.sampled_from(EVENTS).flatmap(anything))
def test_whatever_an_event_says_its_schema_describes(event: Event) -> None:
    assert [error.message for error in VALID[form(type(event))].iter_errors(stored(event))] == []


@given(anything(Envelope))
def test_whatever_an_envelope_says_its_schema_describes(envelope: Envelope) -> None:
    assert [error.message for error in VALID[META].iter_errors(json.loads(envelope_bytes(envelope)))] == []


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_sealed_or_not_a_text_is_a_text(event: type[Event]) -> None:
    texts = CODEC.texts[event]
    if texts is not None:
        assert VALID[form(event)].is_valid(stored(texts.exchanged(example(event), "its-own-stream", sealed)))
        broken = stored(texts.exchanged(example(event), "its-own-stream", lambda *_: "~s1 is no seal"))
        assert not VALID[form(event)].is_valid(broken)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_a_schema_refuses_what_the_event_would_not_read(event: type[Event]) -> None:
    whole = stored(example(event))
    assert VALID[form(event)].is_valid(whole)
    assert not VALID[form(event)].is_valid(whole | {"never_heard_of": 1})
    for field in whole:
        assert not VALID[form(event)].is_valid(whole | {field: {"?": ["?"]}})
        without = {name: value for name, value in whole.items() if name != field}
        needed = field in SCHEMAS[form(event)]["required"]
        assert VALID[form(event)].is_valid(without) is not needed


def test_ids_times_and_kinds_of_secrets_are_told_apart() -> None:
    schema = schema_of(TidesNoted)
    assert schema["properties"]["tides"]["items"] == {"type": "string", "format": "date-time", "pattern": "Z$"}
    registered = SCHEMAS["EmployeeRegistered.1"]["properties"]
    assert registered["name"]["x-secrecy"] == Secrecy.PERSONAL
    assert registered["email"]["anyOf"][0]["x-secrecy"] == Secrecy.RESTRICTED
    assert SCHEMAS["WaiverRequested.1"]["properties"]["case_id"]["pattern"] == f"^{syntax_of('')}$"
    assert syntax_of("complaint") == r"complaint(-[A-Za-z0-9._-]{1,180})?"


def test_an_older_form_is_described_as_the_last_release_had_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Event.known, "TidesNoted", TidesNoted)
    first, second = {"type": "object", "title": "first"}, {"type": "object", "title": "second"}
    released = {"0.1.0": {"TidesNoted.1": first}, "0.2.0": {"TidesNoted.1": second, "TidesNoted.2": first}}
    monkeypatch.setattr(event_schemas, "releases", lambda: released)
    assert schemas()["TidesNoted.1"] == second
    assert "TidesNoted.2" not in schemas()  # nobody lists the event of a test, and a release is not asked for today's


def test_the_whole_document_is_a_schema_that_refers_to_nothing() -> None:
    whole = document()
    Draft202012Validator(whole)
    assert '"$ref"' not in json.dumps(whole)
    assert all(schema["additionalProperties"] is False for schema in whole["$defs"].values())
