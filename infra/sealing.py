"""Texts are sealed before they are put on record and opened at the edge; nothing between looks into them."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import hmac
import os
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
import structlog
from cryptography.exceptions import InvalidTag

from aggregates.sealed import FORM, MARK, Sealed, parts_of
from aggregates.text import Index
from infra.keyring import Keyring, NotAtHand
from infra.keys import KeysUnavailable
from infra.texts import Each, Place, Texts, texts_in

log = structlog.get_logger()
NONCE = 12
NONCES = 256
"""So many are drawn from the system at a time."""

INDEX = 16
URL_SAFE = bytes.maketrans(b"+/", b"-_")
IN_JSON = re.compile(rb'(?<!\\)"(' + FORM.pattern.encode() + rb')"')
"""A sealed text as a value of a JSON document. Behind a backslash a quotation mark begins nothing."""


class Opened(NamedTuple):
    """A text that was sealed, or why there is none: it has been `erased`, or cannot be opened."""

    seal: Sealed
    subject: str | None
    text: str | None
    erased: bool = False


Show = Callable[[Opened], str]
"""What to put in the place of a sealed text."""


class Sealer(Protocol):
    """What those need who put texts on record."""

    seals: bool

    async def start(self) -> None:
        """Get ready to seal."""

    async def stop(self) -> None:
        """Seal no more."""

    async def problems(self, first: bytes) -> list[str]:
        """Why texts cannot be sealed or opened just now; `first`: the data of the first event of the log."""

    async def sealed(self, texts: Texts | None, struct: Any, stream_id: str, *, new: bool = False) -> Any:
        """The struct with all its texts sealed. `new`: the stream's id was just drawn."""

    def all_sealed(self, structs: Sequence[tuple[msgspec.Struct, str]]) -> list[Any]:
        """The same for many of any type, each with its stream, for whoever may wait."""

    def index(self, scope: str, text: str) -> Index:
        """What a text of this scope is found by."""

    def fingerprint(self, data: bytes) -> str:
        """Tells two bodies apart, and nothing else of them to whoever has no key."""


class Plain:
    """Seals nothing: for tests and measurements."""

    seals = False

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def problems(self, first: bytes) -> list[str]:  # noqa: ARG002
        return []

    async def sealed(self, texts: Texts | None, struct: Any, stream_id: str, *, new: bool = False) -> Any:  # noqa: ARG002
        return struct

    def all_sealed(self, structs: Sequence[tuple[msgspec.Struct, str]]) -> list[Any]:
        return [struct for struct, _ in structs]

    def index(self, scope: str, text: str) -> Index:
        return Index(f"{scope} {normalised(text)}")

    def fingerprint(self, data: bytes) -> str:
        return hashlib.sha256(data).hexdigest()


class _Waiting:
    """Something to be sealed, and what becomes of it. `new`: the stream's id was just drawn."""

    __slots__ = ("new", "sealed", "stream_id", "struct", "texts")

    def __init__(self, texts: Texts, struct: Any, stream_id: str, *, new: bool) -> None:
        self.texts, self.struct, self.stream_id, self.new = texts, struct, stream_id, new
        self.sealed: Any = None


class Sealing:
    """AES-256-GCM under one key for each person and stream; key, field and index are bound to the text."""

    seals = True

    def __init__(self, ring: Keyring) -> None:
        self.ring = ring
        secret = ring.secret()
        self._index_key, self._body_key = (_derived(secret, purpose) for purpose in (b"index", b"body"))
        self._nonces: list[bytes] = []
        self._waiting: list[_Waiting] = []

    async def start(self) -> None:
        await self.ring.start()

    async def stop(self) -> None:
        """Say whose keys are in use, and let go of the store."""
        await self.ring.stop()
        self.ring.store.close()

    async def problems(self, first: bytes) -> list[str]:
        refs = {found[1].decode().split(".")[1] for found in IN_JSON.finditer(first)}
        try:
            known = await asyncio.to_thread(self.ring.store.of_refs, refs)
        except KeysUnavailable:
            return ["the keys of what is sealed cannot be reached"]
        return [] if known.keys() == refs else ["the keys here are not those of this log: see KEYS_URL and YEWU_HOME"]

    async def sealed(self, texts: Texts | None, struct: Any, stream_id: str, *, new: bool = False) -> Any:
        if texts is None:
            return struct
        mine = _Waiting(texts, struct, stream_id, new=new)
        self._waiting.append(mine)
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            with contextlib.suppress(ValueError):  # somebody has sealed it already
                self._waiting.remove(mine)
            raise
        if mine.sealed is None:
            self._seal_waiting()
        if mine.sealed is None or isinstance(mine.sealed, NotAtHand):
            await self.ring.prepare(texts.owners(struct, stream_id))
            return texts.exchanged(struct, stream_id, self.seal)
        if isinstance(mine.sealed, Exception):
            raise mine.sealed
        return mine.sealed

    def _seal_waiting(self) -> None:
        """Seal for all who came in one turn of the loop: the cipher stays in the processor's cache between them."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            seal = self._seal_in_new(one.stream_id) if one.new else self.seal
            try:
                one.sealed = one.texts.exchanged(one.struct, one.stream_id, seal)
            except Exception as error:  # it is the caller's, whatever it is
                one.sealed = error

    def all_sealed(self, structs: Sequence[tuple[msgspec.Struct, str]]) -> list[Any]:
        each = [(texts_in(type(struct)), struct, stream_id) for struct, stream_id in structs]
        self.ring.prepare_now(
            {owner for texts, struct, stream in each if texts is not None for owner in texts.owners(struct, stream)}
        )
        return [
            struct if texts is None else texts.exchanged(struct, stream_id, self.seal)
            for texts, struct, stream_id in each
        ]

    def _seal_in_new(self, stream_id: str) -> Each:
        """How to seal a text in a stream whose id was just drawn: with a key that was made for whoever comes."""
        return lambda place, subject, text: self.seal(place, subject, text, new=subject == stream_id)

    def seal(self, place: Place, subject: str, text: str, *, new: bool = False) -> str:
        """One text; NotAtHand if the key is not, Refused if it has been destroyed. `new`: as the keyring has it."""
        ref, box = self.ring.usable(subject, new=new)
        head = f"{MARK}{place.secrecy}.{ref}.{place.field}"
        end = "" if place.scope is None else f".{self.index(place.scope, text)}"
        nonce = self._nonce()
        secret = nonce + box.encrypt(nonce, text.encode(), (head + end).encode())
        return f"{head}.{_written(secret)}{end}"

    def _nonce(self) -> bytes:
        """One that has never been used, not even by another thread."""
        try:
            return self._nonces.pop()
        except IndexError:
            drawn = os.urandom(NONCE * NONCES)
            self._nonces = [drawn[start : start + NONCE] for start in range(NONCE, len(drawn), NONCE)]
            return drawn[:NONCE]

    def index(self, scope: str, text: str) -> Index:
        digest = hmac.digest(self._index_key, f"{scope}\n{normalised(text)}".encode(), "sha256")
        return Index(_written(digest[:INDEX]))

    def fingerprint(self, data: bytes) -> str:
        return hmac.digest(self._body_key, data, "sha256").hex()

    async def opened(self, document: bytes, show: Show) -> bytes:
        """A JSON document with another text in the place of each sealed one."""
        if MARK.encode() not in document:
            return document
        await self.ring.load({found[1].decode().split(".")[1] for found in IN_JSON.finditer(document)})
        return IN_JSON.sub(lambda found: msgspec.json.encode(show(self.open(found[1].decode()))), document)

    async def opened_text(self, text: str, show: Show) -> str:
        """One text; as it is if it is not sealed."""
        seal = parts_of(text)
        if seal is None:
            return text
        await self.ring.load([seal.ref])
        return show(self.open(text))

    def open(self, text: str) -> Opened:
        """What a sealed text says, by a key that is at hand if there is one."""
        seal = parts_of(text)
        if seal is None:
            raise ValueError("this is not sealed")
        cipher = self.ring.at(seal.ref)
        if cipher is None:
            log.error("a text cannot be opened: its key is missing", ref=seal.ref, field=seal.field)
            return Opened(seal, None, None)
        if cipher.box is None:
            return Opened(seal, cipher.subject, None, erased=True)
        try:
            secret = _read(seal.secret)
            opened = cipher.box.decrypt(secret[:NONCE], secret[NONCE:], seal.head.encode())
        except (InvalidTag, ValueError, binascii.Error):
            log.error("a text cannot be opened: it has been changed", ref=seal.ref, field=seal.field)
            return Opened(seal, cipher.subject, None)
        return Opened(seal, cipher.subject, opened.decode())


def normalised(text: str) -> str:
    """As texts are compared when one is searched for: compatible forms, case and spaces do not matter (NFKC)."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return hmac.digest(secret, b"yewu " + purpose, "sha256")


def _written(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).translate(URL_SAFE, b"=").decode()


def _read(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
