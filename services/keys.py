"""The keys of this installation, as its settings say where they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from infra.keyring import Keyring
from infra.keys import KeyStore, open_keys
from infra.sealing import Sealing
from infra.settings import Settings
from infra.wrapping import WrappingKeys


def keys_of(settings: Settings) -> KeyStore:
    """Where the data keys are kept; close it. KeysUnavailable if it cannot be reached."""
    return open_keys(settings.keys_file, settings.keys_url)


def wrapping_of(settings: Settings) -> WrappingKeys:
    """The wrapping keys; WrappingError if they are wrong."""
    file = settings.wrapping_key_file or settings.home / "wrapping.key"
    return WrappingKeys(file=file, text=settings.wrapping_key)


def sealing(settings: Settings) -> Sealing:
    """What a process with a loop seals and opens by; it is started and stopped with its `Runtime`."""
    return Sealing(Keyring(keys_of(settings), wrapping_of(settings)))


@contextmanager
def sealing_of(settings: Settings, *, block: int = 256) -> Iterator[Sealing]:
    """The same for one that has none. `block`: how many new keys are made at a time."""
    store = keys_of(settings)
    try:
        ring = Keyring(store, wrapping_of(settings), block=block)
        yield Sealing(ring)
        ring.finish()
    finally:
        store.close()
