"""A file is kept once, whole, under the hash of its bytes, or not at all."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import stat
import subprocess
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from infra.contents import ABANDONED_AFTER, Contents, Infected, Kept, NotKept, ScannerFails, TooLarge
from infra.settings import SettingError, Settings
from tests.files import ARCHIVE, DOCX, PDF, PNG, PROGRAM, hash_of

MOST = 1 << 20


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def keep(store: Contents, *chunks: bytes) -> Kept:
    return asyncio.run(store.keep(pieces(*chunks)))


def files(folder: Path) -> list[str]:
    """Every file in a folder, by its path in there."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "home" / "contents"


def test_a_file_is_kept_under_the_hash_of_its_bytes(folder: Path) -> None:
    store = Contents(folder, MOST)
    kept = keep(store, PDF[:7], b"", PDF[7:])
    assert (kept.content, kept.size, kept.type, kept.existed) == (hash_of(PDF), len(PDF), "application/pdf", False)
    path = store.path(kept.content)
    assert path is not None
    assert path.read_bytes() == PDF
    assert files(folder) == [f"{path.parent.name}/{path.name}"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_same_bytes_are_kept_once(folder: Path) -> None:
    store = Contents(folder, MOST)
    first, second = keep(store, PDF), keep(store, PDF)
    assert (first.existed, second.existed) == (False, True)
    assert len(files(folder)) == 1


def test_whoever_sends_the_same_at_the_same_time_leaves_one_file(folder: Path) -> None:
    store = Contents(folder, MOST)

    async def together() -> list[Kept]:
        return await asyncio.gather(*(store.keep(pieces(PDF[:3], PDF[3:])) for _ in range(8)))

    assert {kept.content for kept in asyncio.run(together())} == {hash_of(PDF)}
    assert len(files(folder)) == 1


@pytest.mark.parametrize(("data", "type_"), [
    (PDF, "application/pdf"), (PNG, "image/png"),
    (DOCX, "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
])  # fmt: skip
def test_the_bytes_say_of_which_type_it_is(folder: Path, data: bytes, type_: str) -> None:
    store = Contents(folder, MOST)
    assert keep(store, data).type == type_
    found = store.kept(hash_of(data))
    assert found is not None
    assert (found.type, found.size, found.existed) == (type_, len(data), True)


@pytest.mark.parametrize("data", [PROGRAM, ARCHIVE, b"<html></html>", b"plain words", b"", PROGRAM[:2] + PDF])
def test_what_is_of_no_type_of_ours_is_not_kept(folder: Path, data: bytes) -> None:
    with pytest.raises(NotKept):
        keep(Contents(folder, MOST), data)
    assert files(folder) == []


def test_a_file_that_never_ends_is_left_at_the_limit_and_fills_neither_memory_nor_disk(folder: Path) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield PDF
        while True:
            sent += 1
            yield bytes(1 << 16)

    tracemalloc.start()
    with pytest.raises(TooLarge):
        asyncio.run(Contents(folder, 16 << 20).keep(endless()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 << 20
    assert sent == (16 << 20) // (1 << 16)
    assert files(folder) == []


def test_a_file_that_breaks_off_leaves_nothing(folder: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield PDF
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        asyncio.run(Contents(folder, MOST).keep(broken()))
    assert files(folder) == []


def test_whoever_is_too_slow_leaves_nothing(folder: Path) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield PDF
        await asyncio.sleep(60)
        yield PDF

    async def hurried() -> None:
        async with asyncio.timeout(0.2):
            await Contents(folder, MOST).keep(slow())

    with pytest.raises(TimeoutError):
        asyncio.run(hurried())
    assert files(folder) == []


@pytest.mark.parametrize("name", [
    "sha256:", "../../etc/passwd", "sha256:../../../../etc/passwd", hash_of(PDF).upper(), hash_of(PDF) + "\n",
    hash_of(PDF)[:-1], hash_of(PDF).removeprefix("sha256:"), "",
])  # fmt: skip
def test_nothing_but_a_hash_names_a_file(folder: Path, name: str) -> None:
    store = Contents(folder, MOST)
    keep(store, PDF)
    assert store.path(name) is None
    assert store.kept(name) is None


KILLED = """
import asyncio, sys, time
from pathlib import Path
from infra.contents import Contents
async def chunks():
    yield b"%PDF-1.7" + bytes(1000)
    print("halfway", flush=True)
    await asyncio.sleep(60)
asyncio.run(Contents(Path(sys.argv[1]), 1 << 20).keep(chunks()))
"""


def test_a_kill_in_between_leaves_no_file_that_anybody_could_name_and_what_it_leaves_is_swept(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED, str(folder)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"halfway\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    (left,) = files(folder)
    assert left.startswith("arriving/")
    store = Contents(folder, MOST)
    store.sweep()
    assert files(folder) == [left], "it may be somebody else's, still on its way"
    old = time.time() - ABANDONED_AFTER - 1
    os.utime(folder / left, (old, old))
    store.sweep()
    assert files(folder) == []


def test_it_is_durable_before_it_has_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def fsync(number: int) -> None:
        done.append(f"fsync {Path(os.readlink(f'/proc/self/fd/{number}')).relative_to(folder.resolve())}")

    def replace(path: Path, target: Path) -> Path:
        done.append("rename")
        path.rename(target)
        return target

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    keep(Contents(folder, MOST), PDF)
    digest = hash_of(PDF).removeprefix("sha256:")
    assert re.sub(r"arriving/\w+", "arriving", "; ".join(done)) == (
        f"fsync arriving; fsync .; rename; fsync {digest[:2]}"
    )


def scanner(tmp_path: Path, script: str) -> Sequence[str]:
    path = tmp_path / "scanner"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return (str(path), "--quick")


def test_the_scanner_is_given_the_file_before_it_is_taken_in(folder: Path, tmp_path: Path) -> None:
    script = f'test "$1" = --quick && cp "$2" {tmp_path}/seen && ls {folder} > {tmp_path}/there'
    store = Contents(folder, MOST, scanner(tmp_path, script))
    keep(store, PDF)
    assert (tmp_path / "seen").read_bytes() == PDF
    assert "arriving" in (tmp_path / "there").read_text()
    assert store.path(hash_of(PDF)) is not None


def test_what_the_scanner_objects_to_is_not_kept(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Infected):
        keep(Contents(folder, MOST, scanner(tmp_path, "exit 1")), PDF)
    assert files(folder) == []


@pytest.mark.parametrize("script", ["exit 2", "kill -9 $$"])
def test_without_a_scanner_that_works_nothing_is_kept(folder: Path, tmp_path: Path, script: str) -> None:
    for command in (scanner(tmp_path, script), ("/no/such/scanner",)):
        with pytest.raises(ScannerFails):
            keep(Contents(folder, MOST, command), PDF)
    assert files(folder) == []


def test_the_scanner_learns_nothing_of_our_settings(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YEWU_WRAPPING_KEY", "secret")
    keep(Contents(folder, MOST, scanner(tmp_path, f"env > {tmp_path}/env")), PDF)
    assert "secret" not in (tmp_path / "env").read_text()


def test_the_settings_say_where_how_much_and_what_is_asked_first() -> None:
    default = Settings.read({"YEWU_HOME": "/srv/yewu"})
    assert (default.contents, default.content_scanner) == (Path("/srv/yewu/contents"), ())
    named = {"YEWU_CONTENTS": "/srv/files", "YEWU_MAX_CONTENT": "1000", "YEWU_CONTENT_SCANNER": "clamdscan --fdpass"}
    settings = Settings.read(named)
    assert (settings.contents, settings.max_content) == (Path("/srv/files"), 1000)
    assert settings.content_scanner == ("clamdscan", "--fdpass")
    with pytest.raises(SettingError, match="YEWU_CONTENT_SCANNER"):
        Settings.read({"YEWU_CONTENT_SCANNER": 'scan "open'})
