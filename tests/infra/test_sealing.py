"""Sealed texts: what they reveal (nothing), what they are bound to, and what becomes of them when a key is gone."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import pytest
from msgspec.structs import replace

from aggregates.business.customer import Customer, CustomerRegistered
from aggregates.event import Event, LegacyRecordImported
from aggregates.ids import CustomerId, EmployeeId
from aggregates.refused import Refused
from aggregates.sealed import Secrecy, index_of, parts_of
from aggregates.text import Code, Personal, Text, findable, personal, unique
from aggregates.value import Value
from infra import keyring
from infra.child import wait_until
from infra.codec import Codec, encode
from infra.commands import Kind, commands_of
from infra.keyring import MOST_READY, SECONDS_KEPT, SECONDS_READY, Keyring
from infra.keys import KeyStore, SqliteKeys
from infra.sealing import Opened, Sealing, normalised
from infra.texts import texts_in
from infra.wrapping import WrappingKeys
from tests.infra.examples import all_events, example, unlisted

ANNA, STREAM = EmployeeId("employee-anna"), "note-1"
WRAPPING = base64.b64encode(b"w" * 32).decode()


class Postscript(Value):
    by_id: EmployeeId
    words: Annotated[Personal, personal("by_id")]


@unlisted
class NoteTaken(Event):
    """An event with a text in every place where one can stand."""

    about_id: EmployeeId
    category: Code
    wording: Text
    name: Annotated[Personal, personal("about_id"), findable("names")]
    number: Annotated[Personal, personal("about_id", restricted=True)] | None = None
    account: Annotated[Text, unique("account")] | None = None
    lines: tuple[Text, ...] = ()
    fields: Mapping[str, Text] = {}
    postscript: Postscript | None = None


NOTE = NoteTaken(
    about_id=ANNA,
    category=Code("plain"),
    wording=Text("Anna was late"),
    name=Personal("Anna Wu"),
    number=Personal("110101-X"),
    account=Text("6222 0000"),
    lines=(Text("one"), Text("two")),
    fields={"column": Text("three")},
    postscript=Postscript(by_id=EmployeeId("employee-ben"), words=Personal("agreed")),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[KeyStore]:
    store = SqliteKeys(tmp_path / "keys.sqlite")
    yield store
    store.close()


class Time:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def a_process(store: KeyStore, now: Time | None = None, **options: int) -> Sealing:
    return Sealing(Keyring(store, WrappingKeys(text=WRAPPING), now=now or Time(), **options))


@pytest.fixture
def sealing(store: KeyStore) -> Sealing:
    return a_process(store, block=8)


def sealed(sealing: Sealing, event: Event = NOTE, stream_id: str = STREAM) -> NoteTaken:
    (found,) = sealing.all_sealed([(event, stream_id)])
    return found  # type: ignore[no-any-return]  # as it was given


def shown(text: Opened) -> str:
    return text.text if text.text is not None else "erased" if text.erased else "closed"


def opened(sealing: Sealing, document: bytes) -> bytes:
    return asyncio.run(sealing.opened(document, shown))


def test_what_is_stored_shows_no_text_and_opens_to_what_was_written(sealing: Sealing) -> None:
    stored = Codec([NoteTaken], seals=True).stored(STREAM, sealed(sealing)).data
    for word in (b"Anna", b"late", b"110101", b"6222", b"one", b"two", b"three", b"agreed"):
        assert word not in stored
    assert b"plain" in stored
    assert opened(sealing, stored) == Codec([NoteTaken]).stored(STREAM, NOTE).data


def test_a_text_belongs_to_its_stream_and_what_is_personal_to_its_person(sealing: Sealing) -> None:
    note = sealed(sealing)
    assert note.postscript is not None
    assert note.number is not None
    texts = (note.wording, note.name, note.number, note.lines[0], note.fields["column"], note.postscript.words)
    assert [(sealing.open(text).subject, parts_of(text).secrecy) for text in texts] == [  # type: ignore[union-attr]
        (STREAM, Secrecy.TEXT),
        (ANNA, Secrecy.PERSONAL),
        (ANNA, Secrecy.RESTRICTED),
        (STREAM, Secrecy.TEXT),
        (STREAM, Secrecy.TEXT),
        ("employee-ben", Secrecy.PERSONAL),
    ]


def test_the_same_text_is_never_sealed_alike(sealing: Sealing) -> None:
    assert sealed(sealing).wording != sealed(sealing).wording


def test_a_sealed_text_cannot_be_given_out_as_another_field_or_changed(sealing: Sealing) -> None:
    note = sealed(sealing)
    name = parts_of(note.name)
    assert name is not None
    forged = [
        name._replace(field="number"),
        name._replace(secrecy=Secrecy.TEXT),
        name._replace(found_by=sealing.index("names", "Ben")),
        name._replace(found_by=None),
        name._replace(ref=parts_of(note.wording).ref),  # type: ignore[union-attr]  # it is sealed
        name._replace(secret=name.secret[:-8] + "AAAAAAAA"),
        name._replace(secret=name.secret[:1]),
    ]
    assert [shown(sealing.open(str(text))) for text in forged] == ["closed"] * len(forged)
    assert shown(sealing.open(str(name))) == "Anna Wu"


def test_a_name_is_found_whatever_its_case_and_spaces(sealing: Sealing) -> None:
    index = index_of(sealed(sealing).name)
    assert index == sealing.index("names", "  anna\u3000WU ")  # a wide space
    assert index == sealing.index("names", "Ａｎｎａ Ｗｕ")
    assert index not in {sealing.index("names", "Anna W"), sealing.index("other names", "Anna Wu"), None}
    assert normalised(" Straße  Ⅷ") == "strasse viii"


def test_only_what_can_be_found_has_an_index(sealing: Sealing) -> None:
    assert index_of(sealed(sealing).wording) is None
    assert index_of("Anna Wu") is None
    assert index_of(None) is None


def test_what_must_be_unique_reserves_its_index(sealing: Sealing) -> None:
    held = Codec([NoteTaken], seals=True).stored(STREAM, sealed(sealing)).held
    assert held == (("account", sealing.index("account", "6222 0000")),)


def test_two_processes_find_and_open_what_either_sealed(store: KeyStore) -> None:
    one, other = a_process(store), a_process(store)
    note = sealed(one)
    assert index_of(note.name) == index_of(sealed(other).name)
    assert one.fingerprint(b"body") == other.fingerprint(b"body")
    assert parts_of(note.name).ref == parts_of(sealed(other).name).ref  # type: ignore[union-attr]  # one key for Anna
    assert opened(other, f'["{note.name}"]'.encode()) == b'["Anna Wu"]'


def test_a_text_whose_key_is_destroyed_says_so_within_a_minute_and_harms_nothing(store: KeyStore) -> None:
    now = Time()
    process = a_process(store, now)
    note = sealed(process)
    document = f'{{"name":"{note.name}","wording":"{note.wording}"}}'.encode()
    store.destroy(ANNA)
    now.seconds += SECONDS_KEPT + 1
    assert opened(process, document) == b'{"name":"erased","wording":"Anna was late"}'
    with pytest.raises(Refused, match="has been erased"):
        sealed(process)


def test_a_text_whose_key_nobody_has_is_closed(sealing: Sealing, tmp_path: Path) -> None:
    other = SqliteKeys(tmp_path / "other.sqlite")
    note = sealed(a_process(other))
    other.close()
    assert opened(sealing, f'["{note.name}"]'.encode()) == b'["closed"]'


def test_what_lies_open_in_an_old_log_is_shown_as_it_is(sealing: Sealing) -> None:
    document = b'{"a":"Anna","b":"~s1 of two","c":"say \\"~s1T.AAAAAAAAAAA.name.AAAA\\""}'
    assert opened(sealing, document) == document


def test_a_codec_that_seals_stores_no_open_text(sealing: Sealing) -> None:
    codec = Codec([NoteTaken], seals=True)
    with pytest.raises(ValueError, match="is not sealed"):
        codec.stored(STREAM, NOTE)
    half = sealed(sealing)
    with pytest.raises(ValueError, match="is not sealed"):
        codec.stored(STREAM, NoteTaken(about_id=ANNA, category=Code("x"), wording=Text("open"), name=half.name))


@pytest.mark.parametrize("event", all_events(), ids=lambda event: event.__name__)
def test_every_event_can_be_sealed_stored_and_opened(sealing: Sealing, event: type[Event]) -> None:
    told = example(event)
    (hidden,) = sealing.all_sealed([(told, "stream-1")])
    stored = Codec([event], seals=True).stored("stream-1", hidden).data
    assert b"some text" not in stored or texts_in(event) is None or b"some text" in _codes_of(told)
    assert opened(sealing, stored) == Codec([event]).stored("stream-1", told).data


def _codes_of(told: Event) -> bytes:
    """What of an example is stored though it is sealed: its codes."""
    texts = texts_in(type(told))
    assert texts is not None
    return Codec([type(told)]).stored("stream-1", texts.exchanged(told, "stream-1", lambda *_: "-")).data


@pytest.mark.parametrize("sent", ["~s1T.AAAAAAAAAAA.name.AAAA", '[{"x":"~s1T.AAAAAAAAAAA.name.AAAA"}]'])
def test_nobody_can_send_what_looks_sealed(sent: str) -> None:
    kind = Kind(aggregate=Customer, id=CustomerId, path="customers")
    register = next(command for command in commands_of(kind) if command.name == "register")
    with pytest.raises(ValueError, match="does not look sealed"):
        register.read(encode({"name": "x", "source": sent}))


def test_a_body_is_sealed_by_the_types_of_its_command(sealing: Sealing) -> None:
    kind = Kind(aggregate=Customer, id=CustomerId, path="customers")
    register = next(command for command in commands_of(kind) if command.name == "register")
    body = register.read(b'{"name":"Acme","source":"fair","reason":"an old file"}')
    hidden = asyncio.run(sealing.sealed(register.texts, body, "customer-1", new=True))
    event = Customer().register(name=hidden.name, source=hidden.source)
    assert isinstance(event, CustomerRegistered)
    assert index_of(event.name) == sealing.index("customer-name", "acme")
    assert hidden.source == "fair"
    assert shown(sealing.open(hidden.reason)) == "an old file"


def test_all_columns_of_an_imported_row_are_sealed(sealing: Sealing) -> None:
    kept = LegacyRecordImported(label=Text("Ticket"), fields={"who": Text("Anna"), "what": Text("a boiler")})
    (hidden,) = sealing.all_sealed([(kept, "complaint-1")])
    assert [shown(sealing.open(text)) for text in hidden.fields.values()] == ["Anna", "a boiler"]


# ---- keys


def test_keys_are_kept_durably_before_anything_is_sealed_with_them(store: KeyStore) -> None:
    note = sealed(a_process(store, block=4))
    assert parts_of(note.wording).ref in store.of_refs([parts_of(note.wording).ref])  # type: ignore[union-attr]


def test_a_process_that_ends_gives_its_unused_keys_back(store: KeyStore) -> None:
    process = a_process(store, block=16)
    sealed(process)
    process.ring.finish()
    subjects = sorted(line.split(b'"subject":')[1].split(b",")[0] for line in store.export())
    assert subjects == [b'"employee-anna"', b'"employee-ben"', b'"index"', b'"note-1"']


def test_others_learn_soon_whose_a_key_is(store: KeyStore) -> None:
    process = a_process(store, block=16)

    async def run() -> None:
        await process.ring.start()
        await process.sealed(texts_in(NoteTaken), NOTE, STREAM, new=True)
        for _ in range(200):
            if STREAM in store.of_subjects([STREAM]):
                break
            await asyncio.sleep(0.01)
        await process.ring.stop()

    asyncio.run(run())
    assert set(store.of_subjects([STREAM, ANNA])) == {STREAM, ANNA}


def test_many_at_once_get_one_key_for_each_stream(store: KeyStore) -> None:
    process = a_process(store, block=4)
    one = NoteTaken(about_id=ANNA, category=Code("x"), wording=Text("words"), name=Personal("Anna"))

    async def run() -> list[NoteTaken]:
        await process.ring.start()
        notes = await asyncio.gather(
            *(process.sealed(texts_in(NoteTaken), one, f"note-{number % 10}") for number in range(100))
        )
        await process.ring.stop()
        return notes

    notes = asyncio.run(run())
    assert len({parts_of(note.wording).ref for note in notes}) == 10  # type: ignore[union-attr]  # all sealed
    assert len({parts_of(note.name).ref for note in notes}) == 1  # type: ignore[union-attr]


def test_a_key_whose_ref_is_taken_is_drawn_anew(store: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed(a_process(store, block=4))
    (taken,) = (key.ref for key in store.of_subjects([STREAM]).values())
    real, drawn = keyring._new_refs, iter([taken])
    monkeypatch.setattr(keyring, "_new_refs", lambda count: (next(drawn, ref) for ref in real(count)))
    process = a_process(store, block=4)
    other = sealed(process, stream_id="note-2").wording
    assert next(drawn, None) is None
    assert parts_of(other).ref != taken  # type: ignore[union-attr]  # it is sealed
    assert shown(a_process(store).open(other)) == "closed"  # not at hand yet
    assert opened(a_process(store), f'["{other}"]'.encode()) == b'["Anna was late"]'


def test_a_stream_just_opened_gets_a_key_that_is_ready_and_nobody_is_asked(
    store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = a_process(store, block=8)
    monkeypatch.setattr(store, "of_subjects", None)
    only = NoteTaken(about_id=EmployeeId(STREAM), category=Code("x"), wording=Text("words"), name=Personal("Anna"))

    async def run() -> None:
        await process.ring.start()
        await process.sealed(texts_in(NoteTaken), only, STREAM, new=True)
        await process.ring.stop()

    asyncio.run(run())
    monkeypatch.undo()
    assert set(store.of_subjects([STREAM])) == {STREAM}


def test_new_keys_are_made_once_however_many_notice_that_few_are_left(
    store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, fills = a_process(store, block=20), list[int]()
    fill = process.ring._fill

    def counted(least: int = 0) -> None:
        fills.append(least)
        fill(least)

    monkeypatch.setattr(process.ring, "_fill", counted)

    async def run() -> None:
        await process.ring.start()
        notes = (process.sealed(texts_in(NoteTaken), NOTE, f"note-{number}", new=True) for number in range(15))
        await asyncio.gather(*notes)
        await asyncio.to_thread(wait_until, lambda: len(fills) > 1, 10)
        await process.ring.stop()

    asyncio.run(run())
    assert len(fills) == 2


def test_whoever_gives_up_has_nothing_sealed(store: KeyStore) -> None:
    process = a_process(store, block=4)

    async def run() -> None:
        await process.ring.start()
        task = asyncio.create_task(process.sealed(texts_in(NoteTaken), NOTE, STREAM, new=True))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await process.sealed(texts_in(NoteTaken), NOTE, "note-2", new=True)
        await process.ring.stop()

    asyncio.run(run())
    assert store.of_subjects([STREAM]) == {}


def test_many_who_want_keys_at_once_do_not_make_more_than_they_use(store: KeyStore) -> None:
    ring = a_process(store, block=4).ring
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda number: ring.prepare_now([f"note-{number}"]), range(6)))
    assert ring._block <= 8


def test_where_new_keys_are_used_up_fast_more_are_made_at_a_time(store: KeyStore) -> None:
    now = Time()
    ring = a_process(store, now, block=4).ring

    def ready_after(seconds: float) -> int:
        now.seconds += seconds
        ring._new.clear()
        ring._fill()
        return len(ring._new)

    ring._fill()
    assert [ready_after(SECONDS_READY / 2), ready_after(SECONDS_READY / 2), ready_after(SECONDS_READY)] == [8, 16, 16]
    assert [ready_after(0) for _ in range(10)][-1] == MOST_READY


def test_of_those_who_seal_at_the_same_moment_each_gets_an_answer_of_its_own(store: KeyStore) -> None:
    now = Time()
    process = a_process(store, now)
    sealed(process)
    store.destroy("employee-ben")
    now.seconds += SECONDS_KEPT + 1
    plain = replace(NOTE, postscript=None)

    async def run() -> list[NoteTaken | BaseException]:
        notes = (plain, NOTE, plain)
        tasks = [asyncio.create_task(process.sealed(texts_in(NoteTaken), note, STREAM)) for note in notes]
        await asyncio.sleep(0)
        tasks[0].cancel()
        async with asyncio.timeout(5):
            return list(await asyncio.gather(*tasks, return_exceptions=True))

    given_up, refused, one = asyncio.run(run())
    assert isinstance(one, NoteTaken)
    assert shown(process.open(one.wording)) == "Anna was late"
    assert isinstance(refused, Refused)
    assert isinstance(given_up, asyncio.CancelledError)


def test_few_keys_are_kept_in_memory_and_the_others_found_again(store: KeyStore) -> None:
    process = a_process(store, most=3, block=4)
    notes = [sealed(process, stream_id=f"note-{number}") for number in range(9)]
    assert len(process.ring._by_ref) == 3
    assert [opened(process, f'["{note.wording}"]'.encode()) for note in notes] == [b'["Anna was late"]'] * 9
