"""The files that events name by the hash of their bytes: each kept once, whole or not at all, and never changed."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import filetype

from aggregates.text import CONTENT_HASH, ContentHash
from aggregates.value import Value
from infra.durable import sync_folder
from infra.settings import Settings

FORMATS: Mapping[str, str] = {
    "application/pdf": "pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/tiff": "tif",
}
"""The media types that are kept, as their bytes show them, and what we call each."""

HEAD = 8192
"""The first bytes of a file, by which its type is recognised."""

ABANDONED_AFTER = 3600
"""Seconds without a write after which a file that never arrived whole is taken away."""

SCANNER_SECONDS = 120
FOUND_SOMETHING = 1


class Kept(Value):
    """One file: its hash, how many bytes, its media type, and whether it was there before."""

    content: ContentHash
    size: int
    type: str
    existed: bool


class TooLarge(Exception):
    """A file has more bytes than are taken."""

    def __init__(self, most: int) -> None:
        super().__init__(f"more than {most} bytes")
        self.most = most


class NotKept(Exception):
    """The bytes are of no type that is kept."""


class Infected(Exception):
    """The scanner of viruses objects to the file."""


class ScannerFails(Exception):
    """The scanner of viruses does not do its work, so nothing can be taken."""


class Contents:
    """A folder of files under the hashes of their bytes. `scanner`: a command that is given each new file first."""

    def __init__(self, folder: Path, most: int, scanner: Sequence[str] = ()) -> None:
        self._folder, self.most, self._scanner = folder, most, scanner
        self._arriving = folder / "arriving"

    def path(self, content: str) -> Path | None:
        """Where a file lies, if it is there."""
        if not re.fullmatch(CONTENT_HASH, content):
            return None
        path = self._place(content)
        return path if path.exists() else None

    def kept(self, content: str) -> Kept | None:
        """What is known of a file, if it is there."""
        path = self.path(content)
        if path is None:
            return None
        with path.open("rb") as file:
            return Kept(
                content=ContentHash(content),
                size=path.stat().st_size,
                type=_recognised(file.read(HEAD)),
                existed=True,
            )

    async def keep(self, chunks: AsyncIterator[bytes]) -> Kept:
        """Take a file in: when this returns it outlives a power cut.

        Raises TooLarge, NotKept, Infected, ScannerFails, and whatever `chunks` raises; then nothing is kept.
        """
        arriving = await asyncio.to_thread(_Arriving, self._arriving, self.most)
        try:
            async for chunk in chunks:
                await asyncio.to_thread(arriving.write, chunk)
            return await asyncio.to_thread(self._accept, arriving)
        finally:
            await asyncio.to_thread(arriving.discard)

    def sweep(self) -> None:
        """Take away what processes that were killed have left of files that never arrived whole."""
        with suppress(FileNotFoundError):
            for path in self._arriving.iterdir():
                with suppress(FileNotFoundError):
                    if time.time() - path.stat().st_mtime > ABANDONED_AFTER:
                        path.unlink()

    def _accept(self, arriving: _Arriving) -> Kept:
        arriving.finish()
        content = f"sha256:{arriving.digest.hexdigest()}"
        kept = Kept(
            content=ContentHash(content),
            size=arriving.size,
            type=_recognised(arriving.head),
            existed=self.path(content) is not None,
        )
        if not kept.existed:
            self._scan(arriving.path)
            place = self._place(content)
            place.parent.mkdir(mode=0o700, exist_ok=True)
            sync_folder(self._folder)
            arriving.path.replace(place)
            sync_folder(place.parent)
        return kept

    def _place(self, content: str) -> Path:
        digest = content.removeprefix("sha256:")
        return self._folder / digest[:2] / digest

    def _scan(self, path: Path) -> None:
        """Ask the scanner, which says by its exit status: 0 nothing, 1 something found, all else that it failed."""
        if not self._scanner:
            return
        environment = {"PATH": os.environ.get("PATH", os.defpath)}  # our keys and passwords are none of its business
        try:
            done = subprocess.run(  # noqa: S603  # the command is a setting, the path is ours
                [*self._scanner, path],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=environment,
                timeout=SCANNER_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ScannerFails(str(error)) from error
        if done.returncode == FOUND_SOMETHING:
            raise Infected
        if done.returncode:
            raise ScannerFails(f"{self._scanner[0]} ended with status {done.returncode}")


class _Arriving:
    """A file on its way in, under a name of ours."""

    def __init__(self, folder: Path, most: int) -> None:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        self.path, self._most = folder / uuid4().hex, most
        self._file = os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self.digest, self.size, self.head = sha256(), 0, b""

    def write(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self.size > self._most:
            raise TooLarge(self._most)
        if len(self.head) < HEAD:
            self.head += chunk[: HEAD - len(self.head)]
        self.digest.update(chunk)
        self._file.write(chunk)

    def finish(self) -> None:
        """Make durable what is in it; from now on nobody writes to it."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self.path.chmod(0o400)

    def discard(self) -> None:
        """Leave nothing of it, unless it has got its place."""
        self._file.close()
        self.path.unlink(missing_ok=True)


def contents_of(settings: Settings) -> Contents:
    """The files of this installation."""
    return Contents(settings.contents, settings.max_content, settings.content_scanner)


def _recognised(head: bytes) -> str:
    """The media type that the first bytes show; NotKept if it is none of ours."""
    found: str | None = filetype.guess_mime(head) if head else None
    if found is None or found not in FORMATS:
        raise NotKept
    return found
