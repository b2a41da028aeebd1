"""A backup as a file: a line that says what it holds, then its contents, compressed; what was altered is noticed."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Self

import msgspec
from msgspec.structs import replace

from aggregates.value import Value
from infra.durable import sync_folder

FORMAT = 1
LONGEST_HEADER = 1 << 16
BLOCK = 1 << 20
GZIP = 16 + zlib.MAX_WBITS
UNKNOWN = "0" * 64


class BackupError(Exception):
    """A backup cannot be written, or must not be used; the sentence says what is wrong."""


class Header(Value, kw_only=False):
    """The first line of a backup, as JSON. `count`: so many rows or keys follow.

    `sha256` is that of the whole file, with zeros in its own place.
    """

    kind: str
    format: int
    count: int
    made_at: datetime
    columns: tuple[str, ...] = ()
    sha256: str = UNKNOWN

    def line(self) -> bytes:
        """As it stands in the file."""
        return msgspec.json.encode(self) + b"\n"


def write(path: Path, header: Header, blocks: Iterable[bytes]) -> Header:
    """Write a backup in bounded memory; it is there whole, on the disk and under its name, or not at all.

    What the header promised is checked by whoever makes the blocks. BackupError if there is one already.
    """
    if path.exists():
        raise BackupError(f"{path} is there already: a backup is never written over, name another folder.")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # for its owner's eyes only
        try:
            with os.fdopen(number, "wb") as file:
                done = _fill(file, header, blocks)
            Path(name).rename(path)
            sync_folder(path.parent)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise BackupError(f"{path} cannot be written ({error.strerror}).") from error
    return done


class BackupFile:
    """A backup that is read. Opening it checks that it is one that this version can read, `check` all of it."""

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self.kind = path, kind
        try:
            with path.open("rb") as file:
                line = file.readline(LONGEST_HEADER)
        except OSError as error:
            raise BackupError(f"{path} cannot be read ({error.strerror}).") from None
        self.header = self._understood(line)
        self._begin = len(line)

    def check(self, progress: Callable[[int, int], None] = lambda _done, _goal: None) -> Self:
        """Read all of it; BackupError if it is not what was written. `progress` is told bytes of the file."""
        for _ in self.blocks(progress):
            pass
        return self

    def blocks(self, progress: Callable[[int, int], None] = lambda _done, _goal: None) -> Iterator[bytes]:
        """The contents, a part at a time. Only behind the last one it is known that they are what was written."""
        header = replace(self.header, sha256=UNKNOWN)
        digest, unpacker = hashlib.sha256(header.line()), zlib.decompressobj(GZIP)
        size = self.path.stat().st_size
        with self.path.open("rb") as file:
            file.seek(self._begin)
            while packed := file.read(BLOCK):
                digest.update(packed)
                while packed and not unpacker.eof:
                    try:
                        block = unpacker.decompress(packed, BLOCK)
                    except zlib.error:
                        raise self._altered() from None
                    yield block
                    packed = unpacker.unconsumed_tail
                if packed or unpacker.unused_data:
                    raise BackupError(f"{self.path} goes on behind its end: something was written to it later.")
                progress(file.tell(), size)
            if not unpacker.eof:
                raise BackupError(f"{self.path} is cut off: its end is missing.")
        if digest.hexdigest() != self.header.sha256:
            raise self._altered()

    def _understood(self, line: bytes) -> Header:
        try:
            said = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
            kind, format_ = (msgspec.json.decode(said[name]) for name in ("kind", "format"))
        except (msgspec.DecodeError, KeyError):
            raise BackupError(f"{self.path} is no backup of Yewu's.") from None
        if kind != self.kind:
            raise BackupError(f"{self.path} is a backup of something else ({kind}, not {self.kind}).")
        if format_ != FORMAT:
            raise BackupError(f"{self.path} is of format {format_}: restore it with the version of Yewu that made it.")
        try:
            header = msgspec.json.decode(line, type=Header)
        except msgspec.DecodeError:
            raise self._altered() from None
        if header.line() != line:
            raise self._altered()
        return header

    def _altered(self) -> BackupError:
        return BackupError(f"{self.path} is not as it was written: it was damaged or altered.")


def _fill(file: IO[bytes], header: Header, blocks: Iterable[bytes]) -> Header:
    digest, packer = hashlib.sha256(header.line()), zlib.compressobj(1, zlib.DEFLATED, GZIP)
    file.write(header.line())
    for block in blocks:
        packed = packer.compress(block)
        digest.update(packed)
        file.write(packed)
    packed = packer.flush()
    digest.update(packed)
    file.write(packed)
    done = replace(header, sha256=digest.hexdigest())
    file.seek(0)
    file.write(done.line())
    file.flush()
    os.fsync(file.fileno())
    return done
