"""The wrapping key, which makes stored data keys useless to a thief: from a file or from the environment."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec.structs import replace

from infra.durable import sync_folder
from infra.keys import Key, KeyStore

SIZE = 32
NONCE = 12


class WrappingError(Exception):
    """The wrapping key is missing or wrong; the sentence says what to do."""


@dataclass(frozen=True)
class WrappingKey:
    """One wrapping key. Its id is a fingerprint, which tells nothing of the key."""

    secret: bytes

    @cached_property
    def id(self) -> str:
        """What stored keys say they are wrapped by."""
        return hashlib.sha256(b"yewu wrapping key\n" + self.secret).hexdigest()[:16]

    @cached_property
    def box(self) -> AESGCM:
        """What wraps and unwraps."""
        return AESGCM(self.secret)

    @property
    def text(self) -> str:
        """As it stands in a file."""
        return base64.b64encode(self.secret).decode()


class WrappingKeys:
    """The wrapping keys of an installation: the first is in use, others are only read while a rotation goes on."""

    def __init__(self, *, file: Path | None = None, text: str | None = None) -> None:
        """`text`, from the environment, comes before the file; its keys have commas between them."""
        if text is None and file is None:
            raise WrappingError("Say in YEWU_WRAPPING_KEY or YEWU_WRAPPING_KEY_FILE where the wrapping key is.")
        self.file = file if text is None else None
        self._keys = _read(text, ",") if text is not None else ()
        if self.file is not None:
            self.look_again()

    @property
    def current(self) -> WrappingKey:
        """The one that wraps new keys."""
        return self._keys[0]

    @property
    def older(self) -> tuple[WrappingKey, ...]:
        """Those that a rotation leaves behind."""
        return self._keys[1:]

    def look_again(self) -> None:
        """Read the file anew: it may have been rotated; at the first start it is made."""
        if self.file is None:
            return
        if not self.file.exists():
            _create(self.file)
        self._keys = _read(self.file.read_text(encoding="ascii"), None)

    def wrap(self, ref: str, secret: bytes, by: str) -> Key:
        """A new data key, wrapped by the wrapping key of this id; WrappingError if that is not here."""
        (key,) = self.wrap_all({ref: secret}, by)
        return key

    def wrap_all(self, secrets: Mapping[str, bytes], by: str) -> list[Key]:
        """The same for many, by their refs."""
        encrypt, now, nonces = self._by(by).box.encrypt, datetime.now(UTC), os.urandom(NONCE * len(secrets))
        keys = []
        for number, (ref, secret) in enumerate(secrets.items()):
            nonce = nonces[NONCE * number : NONCE * (number + 1)]
            wrapped = nonce + encrypt(nonce, secret, ref.encode())
            keys.append(Key(ref=ref, subject=None, wrapped=wrapped, wrapped_by=by, made_at=now))
        return keys

    def unwrap(self, key: Key) -> bytes:
        """The data key itself; WrappingError if it is wrapped by a key that is not here."""
        if key.wrapped is None:
            raise ValueError(f"{key.ref} has been destroyed")
        by = self._by(key.wrapped_by)
        try:
            return by.box.decrypt(key.wrapped[:NONCE], key.wrapped[NONCE:], key.ref.encode())
        except InvalidTag:
            raise WrappingError(f"The data key {key.ref} has been changed since it was wrapped.") from None

    def _by(self, id_: str) -> WrappingKey:
        for attempt in range(2):
            for key in self._keys:
                if key.id == id_:
                    return key
            if not attempt:  # it may have been rotated since we looked
                self.look_again()
        raise WrappingError(f"The wrapping key {id_} is not here: put the file or variable back that it stood in.")

    def begin_rotation(self) -> None:
        """Put a new key in front of those in the file, unless that has been done; in the environment people do it."""
        if self.older:
            return
        if self.file is None:
            raise WrappingError(
                "Put a new key and a comma before the one in YEWU_WRAPPING_KEY, start every process with both,"
                " then rotate again: `openssl rand -base64 32` makes one."
            )
        self._write((WrappingKey(os.urandom(SIZE)), *self._keys))

    def end_rotation(self) -> None:
        """Forget the keys that wrap nothing any more, as far as they stand in a file."""
        if self.file is not None:
            self._write(self._keys[:1])

    def _write(self, keys: tuple[WrappingKey, ...]) -> None:
        assert self.file is not None  # noqa: S101  # the callers have looked
        _replace(self.file, keys)
        self._keys = keys


def rotate(store: KeyStore, keys: WrappingKeys, progress: Callable[[int], None] = lambda _done: None) -> int:
    """Wrap every data key anew with a new wrapping key; how many. Killed at any point, it goes on when run again.

    Old and new wrapping key are both readable until nothing is wrapped by the old one.
    """
    keys.begin_rotation()
    store.set_wrapping(keys.current.id)
    done = 0
    while some := store.wrapped_otherwise(keys.current.id):
        store.rewrap(_anew(keys, key) for key in some)
        done += len(some)
        progress(done)
    keys.end_rotation()
    return done


def _anew(keys: WrappingKeys, key: Key) -> Key:
    anew = keys.wrap(key.ref, keys.unwrap(key), keys.current.id)
    return replace(key, wrapped=anew.wrapped, wrapped_by=anew.wrapped_by)


def _read(text: str, between: str | None) -> tuple[WrappingKey, ...]:
    try:
        secrets = [base64.b64decode(part.strip(), validate=True) for part in text.split(between) if part.strip()]
    except binascii.Error:
        secrets = []
    if not secrets or any(len(secret) != SIZE for secret in secrets):
        raise WrappingError(
            f"A wrapping key is {SIZE} random bytes in base64: `openssl rand -base64 {SIZE}` makes one."
        )
    return tuple(map(WrappingKey, secrets))


def _create(file: Path) -> None:
    """The first one; of two processes that start together one makes it, and both read that."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = _beside(file, (WrappingKey(os.urandom(SIZE)),))
    with contextlib.suppress(FileExistsError):
        os.link(new, file)
    new.unlink()
    sync_folder(file.parent)


def _replace(file: Path, keys: Iterable[WrappingKey]) -> None:
    _beside(file, keys).replace(file)
    sync_folder(file.parent)


def _beside(file: Path, keys: Iterable[WrappingKey]) -> Path:
    """The keys in a new file of the same folder, durable and readable by its owner alone."""
    new = file.with_name(f".{file.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.writelines(key.text + "\n" for key in keys)
        out.flush()
        os.fsync(out.fileno())
    return new
