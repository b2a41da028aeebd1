"""The Merkle tree over the log (RFC 6962): one leaf for each event, in the order of positions."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

EMPTY = sha256(b"").digest()
"""The root of a tree without leaves."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_numbers = struct.Struct(">qqiqq").pack
_length = struct.Struct(">I").pack


def leaf(
    position: int,
    stream_id: str,
    version: int,
    type_: str,
    schema: int,
    event_id: UUID,
    recorded_at: datetime,
    effective_at: datetime,
    actor_id: str,
    command_id: UUID,
    data: bytes,
    meta: bytes,
    tags: Sequence[str],
) -> bytes:
    """The hash of one row of the log, every column of it: 32 bytes.

    What is hashed: a zero byte; position, version (8 bytes each), schema (4), recorded_at, effective_at (8 each, in
    microseconds since 1970 UTC), big-endian; event_id, command_id (16 each); then stream_id, type, actor_id, data, meta
    and each tag, every one behind its length in bytes (4).
    """
    stream, name, actor = stream_id.encode(), type_.encode(), actor_id.encode()
    parts = [
        b"\0",
        _numbers(position, version, schema, _micros(recorded_at), _micros(effective_at)),
        event_id.bytes, command_id.bytes,
        _length(len(stream)), stream, _length(len(name)), name, _length(len(actor)), actor,
        _length(len(data)), data, _length(len(meta)), meta,
    ]  # fmt: skip
    for tag in tags:
        part = tag.encode()
        parts += (_length(len(part)), part)
    return sha256(b"".join(parts)).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The hash of two neighbours."""
    return sha256(b"\1" + left + right).digest()


class Tree:
    """A tree that grows at its right end: all it keeps are the roots of its complete parts, the largest first."""

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size, self.peaks = size, list(peaks)
        if len(self.peaks) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} peaks, not {len(self.peaks)}")

    def add(self, hashed: bytes) -> None:
        """One more leaf."""
        size = self.size = self.size + 1
        while not size & 1:
            hashed = node(self.peaks.pop(), hashed)
            size >>= 1
        self.peaks.append(hashed)

    def root(self) -> bytes:
        """The hash of all leaves so far: RFC 6962, 2.1."""
        if not self.peaks:
            return EMPTY
        *others, root = self.peaks
        for peak in reversed(others):
            root = node(peak, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root of a tree of these leaves."""
    tree = Tree()
    for hashed in leaves:
        tree.add(hashed)
    return tree.root()


def _micros(at: datetime) -> int:
    since = at - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
