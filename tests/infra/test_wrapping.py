"""The wrapping key: made once, rotated at any time, and a rotation killed anywhere goes on from there."""

from __future__ import annotations

import base64
import multiprocessing
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest
from msgspec.structs import replace

from infra.keys import Key, KeyStore, Rewrapping
from infra.wrapping import WrappingError, WrappingKeys, rotate
from tests.infra.conftest import Open

SECRETS = {f"r{number:04}": bytes([number % 256]) * 32 for number in range(600)}
OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
Write: TypeAlias = Callable[[KeyStore, list[Key]], None]
HESITATION = 0.5
"""So many seconds somebody waits between reading and writing, unless a rotation has ended by then."""


@pytest.fixture
def store(again: Open) -> KeyStore:
    return again()


def filled(store: KeyStore, keys: WrappingKeys) -> None:
    """Keys of everybody, wrapped by the current wrapping key."""
    store.set_wrapping(keys.current.id, first=True)
    store.add([keys.wrap(ref, secret, keys.current.id) for ref, secret in SECRETS.items()])


def taken_in(store: KeyStore, keys: Iterable[Key]) -> None:
    """The same keys from a backup."""
    store.import_(map(msgspec.json.encode, keys))


def read(store: KeyStore, keys: WrappingKeys) -> dict[str, bytes]:
    return {ref: keys.unwrap(key) for ref, key in store.of_refs(SECRETS).items()}


def test_the_first_start_makes_a_key_that_only_its_owner_can_read(tmp_path: Path) -> None:
    file = tmp_path / "home" / "wrapping.key"
    made = WrappingKeys(file=file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert WrappingKeys(file=file).current == made.current


def test_processes_that_start_together_agree_on_the_key(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        made = pool.map(_made, [tmp_path / "wrapping.key"] * 6)
    assert len(set(made)) == 1


def _made(file: Path) -> str:
    return WrappingKeys(file=file).current.text


def test_what_is_wrapped_is_told_by_nothing_but_the_wrapping_key(tmp_path: Path) -> None:
    keys = WrappingKeys(text=OLD)
    wrapped = keys.wrap("r1", b"s" * 32, keys.current.id)
    assert keys.unwrap(wrapped) == b"s" * 32
    with pytest.raises(WrappingError, match="is not here"):
        WrappingKeys(text=NEW).unwrap(wrapped)
    with pytest.raises(WrappingError, match="has been changed"):
        keys.unwrap(replace(wrapped, ref="r2"))


@pytest.mark.parametrize("text", ["", "short", base64.b64encode(b"16 bytes of text").decode(), f"{OLD},?"])
def test_a_wrapping_key_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(WrappingError, match="openssl rand"):
        WrappingKeys(text=text)


def test_a_rotation_leaves_the_new_key_alone_and_everything_readable(store: KeyStore, tmp_path: Path) -> None:
    keys = WrappingKeys(file=tmp_path / "wrapping.key")
    before = keys.current
    filled(store, keys)
    assert rotate(store, keys) == len(SECRETS)
    after = WrappingKeys(file=tmp_path / "wrapping.key")
    assert after.current != before
    assert after.older == ()
    assert read(store, after) == SECRETS


class Killed(Exception):
    """The process is gone."""


class Dying:
    """A store or a set of keys that dies at the how-manyth call of what a rotation does."""

    def __init__(self, inner: object, calls: list[int]) -> None:
        self._inner, self._calls = inner, calls

    def __getattr__(self, name: str) -> object:
        found = getattr(self._inner, name)
        if name not in {"begin_rotation", "set_wrapping", "wrapped_otherwise", "rewrap", "end_rotation"}:
            return found

        def call(*given: object) -> object:
            if not self._calls[0]:
                raise Killed
            self._calls[0] -= 1
            return found(*given)

        return call


@pytest.mark.parametrize("calls", range(8))
def test_a_rotation_killed_anywhere_goes_on_when_it_is_run_again(store: KeyStore, tmp_path: Path, calls: int) -> None:
    file, left = tmp_path / "wrapping.key", [calls]
    filled(store, WrappingKeys(file=file))
    with pytest.raises(Killed):
        rotate(Dying(store, left), Dying(WrappingKeys(file=file), left))  # type: ignore[arg-type]  # they behave alike
    assert read(store, WrappingKeys(file=file)) == SECRETS
    rotate(store, WrappingKeys(file=file))
    after = WrappingKeys(file=file)
    assert after.older == ()
    assert read(store, after) == SECRETS
    assert store.wrapped_otherwise(after.current.id) == []


def test_a_process_that_runs_on_reads_and_adds_after_a_rotation(store: KeyStore, tmp_path: Path) -> None:
    file = tmp_path / "wrapping.key"
    running = WrappingKeys(file=file)
    filled(store, running)
    rotate(store, WrappingKeys(file=file))
    with pytest.raises(Rewrapping):
        store.add([running.wrap("new", b"n" * 32, running.current.id)])
    store.add([running.wrap("new", b"n" * 32, store.wrapping() or "")])
    assert read(store, running) == SECRETS


@pytest.mark.parametrize("write", [KeyStore.add, taken_in], ids=["added", "taken in"])
def test_keys_that_another_process_writes_while_the_wrapping_key_changes_are_not_lost(
    store: KeyStore, again: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    keys, other = WrappingKeys(file=tmp_path / "wrapping.key"), again()
    store.set_wrapping(keys.current.id)
    about_to_write, insert = threading.Event(), other._insert  # between what it read and what it writes

    def hesitant(db: Any, written: Iterable[Key]) -> int:
        about_to_write.set()
        rotation.join(HESITATION)
        return insert(db, written)

    def rotated() -> None:
        about_to_write.wait()
        rotate(store, WrappingKeys(file=tmp_path / "wrapping.key"))

    monkeypatch.setattr(other, "_insert", hesitant)
    rotation = threading.Thread(target=rotated)
    rotation.start()
    write(other, [keys.wrap(ref, secret, keys.current.id) for ref, secret in SECRETS.items()])
    rotation.join()
    assert read(store, WrappingKeys(file=tmp_path / "wrapping.key")) == SECRETS


def test_a_key_of_the_environment_is_rotated_by_putting_another_before_it(store: KeyStore) -> None:
    filled(store, WrappingKeys(text=OLD))
    with pytest.raises(WrappingError, match="Put a new key and a comma"):
        rotate(store, WrappingKeys(text=OLD))
    rotate(store, WrappingKeys(text=f"{NEW},{OLD}"))
    assert read(store, WrappingKeys(text=NEW)) == SECRETS


def test_a_destroyed_key_is_not_unwrapped() -> None:
    gone = Key(ref="r1", subject="employee-anna", wrapped=None, wrapped_by="x", made_at=_NOW, destroyed_at=_NOW)
    with pytest.raises(ValueError, match="destroyed"):
        WrappingKeys(text=OLD).unwrap(gone)


_NOW = WrappingKeys(text=OLD).wrap("r", b"s" * 32, WrappingKeys(text=OLD).current.id).made_at
