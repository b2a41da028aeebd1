"""What is stored can be read for ever: round trips, tags, older schemas, and the golden file of stored forms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar
from uuid import UUID

import msgspec
import pytest
from hypothesis import given as property_of
from hypothesis import settings
from hypothesis import strategies as st

from aggregates.actor import Role
from aggregates.event import Envelope, Event, attribution
from aggregates.ids import CustomerId, EmployeeId
from aggregates.organisation.department import RoleAssigned
from aggregates.text import Code, Text, unique
from aggregates.value import Value
from infra.codec import Codec, Line, UnknownEvent, encode, envelope_bytes
from tests.infra import golden
from tests.infra.examples import all_events, anything, is_id, unlisted
from tests.infra.golden import ENVELOPE, golden_forms, present_forms, stored_forms

EVENTS = all_events()
CODEC = Codec(EVENTS)
MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)

any_event = st.sampled_from(EVENTS).flatmap(anything)


class Member(Value):
    """Somebody in a committee, and whom they stand in for."""

    employee_id: EmployeeId
    deputy_ids: tuple[EmployeeId, ...] = ()


@unlisted
class CommitteeFormed(Event):
    chair_id: EmployeeId
    members: tuple[Member, ...]
    votes: Mapping[EmployeeId, int]
    guests: Mapping[Code, CustomerId]
    patron: Member | CustomerId | None = None
    pair: tuple[EmployeeId, Code] = (EmployeeId("employee-eve"), Code("eve"))


@unlisted
class PriceNoted(Event):
    schema: ClassVar[int] = 3
    amount: Decimal
    currency: Code
    noted_by: EmployeeId | None = None

    @staticmethod
    def upcast_v1_v2(stored: dict[str, Any]) -> dict[str, Any]:
        return {"amount": stored["price"]}

    @staticmethod
    def upcast_v2_v3(stored: dict[str, Any]) -> dict[str, Any]:
        return {**stored, "currency": "CNY"}


@unlisted
class CodeGiven(Event):
    code: Annotated[Code, unique("credit-code")]
    former: Annotated[Code | None, unique("former-code")] = None


@property_of(any_event)
def test_an_event_is_read_back_as_it_was(event: Event) -> None:
    stored = CODEC.stored("its-own-stream", event)
    assert CODEC.decoder(stored.type, stored.schema)(stored.data) == event


@property_of(any_event)
def test_its_bytes_are_the_same_however_often_it_is_read_and_written(event: Event) -> None:
    stored = CODEC.stored("its-own-stream", event)
    again = CODEC.stored("its-own-stream", CODEC.decoder(stored.type, stored.schema)(stored.data))
    assert again == stored


@property_of(st.dictionaries(anything(Code), anything(Text)), st.sets(anything(Code)))
def test_they_do_not_depend_on_the_order_in_which_it_was_put_together(values: dict[str, str], codes: set[str]) -> None:
    backwards = dict(reversed(values.items()))
    assert encode((values, frozenset(codes))) == encode((backwards, frozenset(sorted(codes, reverse=True))))


def test_names_are_sorted_and_nothing_is_spaced_out() -> None:
    price = PriceNoted(amount=Decimal("12.50"), currency=Code("CNY"))
    assert encode(price) == b'{"amount":"12.50","currency":"CNY","noted_by":null}'


@property_of(any_event)
def test_its_tags_are_its_own_stream_and_whatever_ids_it_mentions(event: Event) -> None:
    first, *others = CODEC.stored("its-own-stream", event).tags
    assert first == "its-own-stream"
    assert len(others) == len(set(others))
    assert set(others) == {text for text in _texts_in(msgspec.to_builtins(event)) if is_id(text)}


def test_ids_tag_however_deep_they_lie() -> None:
    formed = CommitteeFormed(
        chair_id=EmployeeId("employee-anna"),
        members=(
            Member(employee_id=EmployeeId("employee-ben"), deputy_ids=(EmployeeId("employee-cleo"),)),
            Member(employee_id=EmployeeId("employee-anna")),
        ),
        votes={EmployeeId("employee-dan"): 2},
        guests={Code("lunch"): CustomerId("customer-acme")},
        patron=Member(employee_id=EmployeeId("employee-fay")),
    )
    assert Codec([CommitteeFormed]).stored("committee-1", formed).tags == (
        "committee-1",
        "employee-anna",
        "employee-ben",
        "employee-cleo",
        "employee-dan",
        "customer-acme",
        "employee-fay",
        "employee-eve",
    )


@property_of(anything(CommitteeFormed))
@settings(max_examples=50)
def test_whatever_such_an_event_mentions_it_is_tagged_with(event: Event) -> None:
    tags = Codec([CommitteeFormed]).stored("committee-1", event).tags
    mentioned = {text for text in _texts_in(msgspec.to_builtins(event)) if is_id(text)}
    assert set(tags) - {"committee-1", "employee-eve"} == mentioned


def test_an_id_that_is_not_there_is_no_tag() -> None:
    price = PriceNoted(amount=Decimal(1), currency=Code("CNY"))
    assert Codec([PriceNoted]).stored("price-1", price).tags == ("price-1",)


def test_unique_values_are_held_and_missing_ones_are_not() -> None:
    stored = Codec([CodeGiven]).stored("customer-acme", CodeGiven(code=Code("91310000")))
    assert stored.held == (("credit-code", "91310000"),)


@pytest.mark.parametrize(
    ("schema", "data"),
    [(1, b'{"price":"12.50"}'), (2, b'{"amount":"12.50"}'), (3, b'{"amount":"12.50","currency":"CNY"}')],
)
def test_every_older_form_is_brought_up_to_date(schema: int, data: bytes) -> None:
    read = Codec([PriceNoted]).decoder("PriceNoted", schema)(data)
    assert read == PriceNoted(amount=Decimal("12.50"), currency=Code("CNY"))


def test_what_is_written_now_says_the_present_schema() -> None:
    assert Codec([PriceNoted]).stored("price-1", PriceNoted(amount=Decimal(1), currency=Code("CNY"))).schema == 3


@pytest.mark.parametrize(("name", "schema"), [("PriceNoted", 4), ("NeverHeardOf", 1)])
def test_an_event_of_a_later_version_is_never_guessed_at(name: str, schema: int) -> None:
    with pytest.raises(UnknownEvent, match=f"{name} of schema {schema}"):
        Codec([PriceNoted]).decoder(name, schema)


def test_a_row_of_the_log_becomes_a_record_in_its_place() -> None:
    line = Line(
        position=7,
        stream_id="price-1",
        version=2,
        type="PriceNoted",
        schema=1,
        event_id=UUID(int=1),
        recorded_at=MONDAY,
        effective_at=MONDAY,
        actor_id="employee-anna",
        command_id=UUID(int=2),
        data=b'{"price":"3"}',
        meta=envelope_bytes(Envelope(clause="3.3.2-b", on_behalf_of="employee-ben")),
    )
    record = Codec([PriceNoted]).recorded(line)
    assert (record.position, record.stream_id, record.version) == (7, "price-1", 2)
    assert (record.event.amount, record.event_id, record.command_id) == (Decimal(3), UUID(int=1), UUID(int=2))
    assert (record.envelope.clause, record.person) == ("3.3.2-b", "employee-ben")


@property_of(anything(Envelope))
def test_an_envelope_is_read_back_as_it_was(envelope: Envelope) -> None:
    assert msgspec.json.decode(envelope_bytes(envelope), type=Envelope) == envelope


@pytest.mark.parametrize("text", ["\0", "before\0after", "\\\0", "\\\\\0", "\\u0000\0"])
def test_text_that_no_database_can_hold_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="NUL"):
        Codec([CodeGiven]).stored("customer-acme", CodeGiven(code=Code(text)))


@pytest.mark.parametrize("text", ["\\u0000", "\\\\u0000", "0000", "\\"])
def test_text_that_only_looks_like_it_is_not(text: str) -> None:
    stored = Codec([CodeGiven]).stored("customer-acme", CodeGiven(code=Code(text)))
    assert Codec([CodeGiven]).decoder("CodeGiven", 1)(stored.data) == CodeGiven(code=Code(text))


def test_half_a_character_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        Codec([CodeGiven]).stored("customer-acme", CodeGiven(code=Code("\ud800")))


@pytest.mark.parametrize("form", present_forms(), ids=lambda form: form.name)
def test_nothing_is_stored_otherwise_than_it_used_to_be(form: Any) -> None:
    before = golden_forms().get(form.name)
    assert before is not None, f"{form.name} is new: run `make generate`"
    assert form == before, f"{form.type} is stored in another form than before: raise its schema and add an upcast"


@pytest.mark.parametrize("form", golden_forms().values(), ids=lambda form: form.name)
def test_whatever_was_ever_stored_is_still_read(form: Any) -> None:
    if form.type == ENVELOPE:
        assert encode(msgspec.json.decode(encode(form.data), type=Envelope)) == encode(form.data)
        return
    event = CODEC.decoder(form.type, form.schema)(encode(form.data))
    if form.schema == event.schema:
        assert encode(event) == encode(form.data)


def test_the_golden_file_only_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, *_ = present_forms()
    as_it_was = msgspec.structs.replace(first, data={"as": "it was"})
    gone = msgspec.structs.replace(second, type="NoLongerWritten")
    monkeypatch.setattr(golden, "FILE", tmp_path / "stored_forms.json")
    golden.FILE.write_bytes(encode({form.name: form for form in (as_it_was, gone)}))
    golden.FILE.write_text(stored_forms(), encoding="utf-8")
    on_record = golden_forms()
    assert (on_record[first.name], on_record[gone.name]) == (as_it_was, gone)
    assert set(on_record) == {form.name for form in present_forms()} | {gone.name}


def _texts_in(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for key, each in value.items():
                yield from _texts_in(key)
                yield from _texts_in(each)
        case list() | tuple() | set() | frozenset():
            for each in value:
                yield from _texts_in(each)
        case _:
            pass


def test_an_instant_is_stored_in_utc_whatever_its_zone() -> None:
    at = datetime(2026, 3, 2, 17, tzinfo=timezone(timedelta(hours=8)))
    appointed = RoleAssigned(employee_id=EmployeeId("employee-a"), role=Role.LEGAL, unit=Code("x"), valid_from=at)
    stored = CODEC.stored("department", appointed)
    assert b'"valid_from":"2026-03-02T09:00:00Z"' in stored.data


@property_of(anything(Envelope))
def test_for_whom_and_from_where_is_read_without_opening_the_envelope(envelope: Envelope) -> None:
    found = attribution("employee-anna", envelope_bytes(envelope))
    assert found == (envelope.on_behalf_of or "employee-anna", envelope.origin)
