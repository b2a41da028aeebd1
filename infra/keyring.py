"""The data keys of a process: opened once and kept for a minute, new ones made beforehand, whose they are said soon."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import structlog
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec.structs import replace

from aggregates.refused import Refused
from infra.keys import Key, KeyStore, KeysUnavailable, RefTaken, Rewrapping
from infra.wrapping import SIZE, WrappingKeys

log = structlog.get_logger()
SECONDS_KEPT = 60.0
"""A key that is destroyed opens nothing any more after this time, in whichever process it was in use."""

SECONDS_UNSAID = 0.2
"""After so long, others learn whose key one is that we have begun to use."""

SECONDS_READY = 0.5
"""Half of the new keys should last so long. If they are gone sooner, there are twice as many from then on."""

MOST_READY = 4096
"""More are not made beforehand: whoever is killed leaves them in the store for nobody."""

SECRETS = "index"
"""The ref of the key from which those of the indexes and of the hashes of bodies are made."""


LAST = tuple(base64.urlsafe_b64encode(number.to_bytes(2)).decode()[:3] for number in range(1000))
"""How the refs of keys end that are made together: the first 48 of their 64 bits are drawn."""


class NotAtHand(KeysUnavailable):
    """A key has to be prepared before it is used: that of this subject."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"the key of {subject} is not at hand")
        self.subject = subject


class Cipher(NamedTuple):
    """A key in use. No `box`: it has been destroyed. Times are those of the monotonic clock."""

    ref: str
    subject: str | None
    box: AESGCM | None
    until: float


class Keyring:
    """Keys by their subjects for those who seal, by their refs for those who open. Threads may share one.

    `most`: how many keys are kept in memory. `block`: how many new ones are made at a time, durably, before anybody
    uses one of them; more where they are used up fast.
    """

    def __init__(
        self,
        store: KeyStore,
        wrapping: WrappingKeys,
        *,
        most: int = 10_000,
        block: int = 256,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store, self._wrapping, self._most, self._block, self._now = store, wrapping, most, block, now
        self._by_ref: OrderedDict[str, Cipher] = OrderedDict()
        self._by_subject: dict[str, Cipher] = {}
        self._new: list[tuple[str, bytes]] = []
        self._filled_at = -SECONDS_READY
        self._unsaid: dict[str, str] = {}
        self._lock = threading.RLock()
        self._filling = threading.Lock()
        self._unsaid_yet = asyncio.Event()
        self._more_come = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Make new keys, and begin to say whose they become."""
        await asyncio.to_thread(self._fill)
        self._tasks.add(asyncio.create_task(self._say_all(), name="keys"))

    async def stop(self) -> None:
        """Say whose keys are in use, and give the others back."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await asyncio.to_thread(self.finish)

    def finish(self) -> None:
        """The same for whoever has no loop."""
        self.say()
        unused, self._new = self._new, []
        self.store.give_back([ref for ref, _ in unused])

    def secret(self) -> bytes:
        """What keyed hashes are made with: one for all processes, made by whichever is the first."""
        found = self.store.of_refs([SECRETS])
        while not found:
            by = self._wrapping_now()
            try:
                self.store.add([replace(self._wrapping.wrap(SECRETS, os.urandom(SIZE), by), subject=SECRETS)])
            except Rewrapping:
                continue
            found = self.store.of_refs([SECRETS])
        return self._wrapping.unwrap(found[SECRETS])

    def of(self, subject: str) -> Cipher | None:
        """The key of a person or a stream, if it is at hand."""
        cipher = self._by_subject.get(subject)
        return None if cipher is None or cipher.until < self._now() else cipher

    def at(self, ref: str) -> Cipher | None:
        """The key of that ref, if it is at hand."""
        cipher = self._by_ref.get(ref)
        return None if cipher is None or cipher.until < self._now() else cipher

    def usable(self, subject: str, *, new: bool = False) -> tuple[str, AESGCM]:
        """What seals for a subject, and its ref; NotAtHand if it has to be prepared, Refused if it was destroyed.

        `new`: nobody can have used this id before, so a new key is taken into use for it, if one is ready.
        """
        cipher = self._by_subject.get(subject)
        if cipher is None or cipher.until < self._now():
            if not (new and self._begin(subject)):
                raise NotAtHand(subject)
            cipher = self._by_subject[subject]
        if cipher.box is None:
            raise Refused(
                "What belongs to {id} has been erased: no text of it can be put on record any more.", id=subject
            )
        return cipher.ref, cipher.box

    def _begin(self, subject: str) -> bool:
        """Take a new key for an id that nobody can have used before; False if none is ready."""
        with self._lock:
            ready = bool(self._new)
            if ready:
                self._use_new(subject)
        self._said_and_filled_soon()
        return ready

    async def prepare(self, subjects: Iterable[str]) -> None:
        """Have the keys of all of these at hand."""
        if missing := self._missing(subjects):
            await asyncio.to_thread(lambda: self._take(self._look_up(missing)))
            self._said_and_filled_soon()

    def prepare_now(self, subjects: Iterable[str]) -> None:
        """The same for whoever may wait, and said at once whose they are."""
        if missing := self._missing(subjects):
            self._take(self._look_up(missing))
            self.say()

    async def load(self, refs: Iterable[str]) -> None:
        """Have the keys of these refs at hand, as far as there are any."""
        if missing := [ref for ref in refs if self.at(ref) is None]:
            await asyncio.to_thread(self.load_now, missing)

    def load_now(self, refs: Iterable[str]) -> None:
        """The same for whoever may wait."""
        for key in self.store.of_refs(refs).values():
            self._keep(key)

    def say(self) -> None:
        """Tell the store whose the keys are that were taken into use."""
        with self._lock:
            unsaid, self._unsaid = self._unsaid, {}
        if not unsaid:
            return
        try:
            self.store.assign(unsaid)
        except BaseException:
            with self._lock:
                self._unsaid |= unsaid
            raise

    def _missing(self, subjects: Iterable[str]) -> list[str]:
        """Those whose keys are not at hand; the others will not be forgotten just now."""
        missing = []
        with self._lock:
            for subject in subjects:
                if (cipher := self.of(subject)) is None:
                    missing.append(subject)
                else:
                    self._by_ref.move_to_end(cipher.ref)
        return missing

    def _look_up(self, subjects: list[str]) -> list[str]:
        """Keep the keys of these subjects; which of them have none."""
        found = self.store.of_subjects(subjects)
        for key in found.values():
            self._keep(key)
        with self._lock:  # another thread may have taken one for the same just now
            return [subject for subject in subjects if subject not in found and self.of(subject) is None]

    def _take(self, subjects: Iterable[str]) -> None:
        """Take a new key into use for each, of those that are ready or else of more."""
        wanted = list(subjects)
        while True:
            with self._lock:
                while wanted and self._new:
                    subject = wanted.pop()
                    if self.of(subject) is None:
                        self._use_new(subject)
            if not wanted:
                return
            self._fill(len(wanted))

    def _use_new(self, subject: str) -> None:
        ref, secret = self._new.pop()
        self._unsaid[ref] = subject
        # made only now: in the processor's cache, and by whoever needs it
        self._remember(Cipher(ref, subject, AESGCM(secret), self._now() + SECONDS_KEPT))

    def _said_and_filled_soon(self) -> None:
        """Have it said whose the keys are that were taken, and more made if few are left."""
        self._unsaid_yet.set()
        if len(self._new) < self._block // 2 and not self._more_come:
            self._more_come = True
            task = asyncio.create_task(asyncio.to_thread(self._fill), name="new keys")
            self._tasks.add(task)
            task.add_done_callback(self._filled)

    def _fill(self, least: int = 0) -> None:
        """Make new keys until there is a block of them, and keep them durably before they are used."""
        with self._filling:
            if len(self._new) >= max(self._block // 2, least):  # somebody else has just done so
                return
            now = self._now()
            if now < self._filled_at + SECONDS_READY:
                self._block = max(self._block, min(2 * self._block, MOST_READY))
            self._filled_at = now
            made = self._made(max(self._block, least) - len(self._new))
            with self._lock:
                self._new += made.items()

    def _made(self, count: int) -> dict[str, bytes]:
        """So many keys by their refs, kept durably."""
        while True:
            made = dict(zip(_new_refs(count), _secrets(count), strict=True))
            with contextlib.suppress(Rewrapping, RefTaken):
                self.store.add(self._wrapping.wrap_all(made, self._wrapping_now()))
                return made

    def _wrapping_now(self) -> str:
        """The id of the wrapping key that the store wants."""
        by = self.store.wrapping()
        if by is None:
            self.store.set_wrapping(self._wrapping.current.id, first=True)
            by = self.store.wrapping()
        assert by is not None  # noqa: S101  # just set
        return by

    def _keep(self, key: Key) -> None:
        box = None if key.wrapped is None else AESGCM(self._wrapping.unwrap(key))
        self._remember(Cipher(key.ref, key.subject, box, self._now() + SECONDS_KEPT))

    def _remember(self, cipher: Cipher) -> None:
        with self._lock:
            subject = cipher.subject or self._unsaid.get(cipher.ref)
            if subject != cipher.subject:
                cipher = cipher._replace(subject=subject)
            self._by_ref[cipher.ref] = cipher
            self._by_ref.move_to_end(cipher.ref)
            if subject is not None:
                used = self.of(subject)
                if used is None or used.ref == cipher.ref:
                    self._by_subject[subject] = cipher
            if len(self._by_ref) > self._most:
                _, old = self._by_ref.popitem(last=False)
                if old.subject is not None and self._by_subject.get(old.subject) is old:
                    del self._by_subject[old.subject]

    async def _say_all(self) -> None:
        while True:
            await self._unsaid_yet.wait()
            await asyncio.sleep(SECONDS_UNSAID)
            self._unsaid_yet.clear()
            try:
                await asyncio.to_thread(self.say)
            except KeysUnavailable as error:
                log.warning("keys cannot be written", error=str(error))
                self._unsaid_yet.set()
                await asyncio.sleep(1)

    def _filled(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._more_come = False
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("no new keys can be made", error=type(error).__name__)


def _new_refs(count: int) -> Iterator[str]:
    """Refs that nobody has, as far as chance can see to it; side by side in the store, so that few pages change."""
    for done in range(0, count, len(LAST)):
        drawn = base64.urlsafe_b64encode(os.urandom(6)).decode()
        yield from (drawn + last for last in LAST[: count - done])


def _secrets(count: int) -> list[bytes]:
    drawn = os.urandom(SIZE * count)
    return [drawn[start : start + SIZE] for start in range(0, len(drawn), SIZE)]
