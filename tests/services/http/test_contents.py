"""Files by HTTP: sent as they stream, read back by those who may, refused with a sentence."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from aggregates.actor import Role
from tests.conftest import new_database
from tests.files import ARCHIVE, PDF, PNG, PROGRAM, hash_of
from tests.services.http.test_bad_input import says
from tests.services.running import Yewu, done, running, wait_until

MOST = 300_000


@pytest.fixture(scope="module")
def yewu(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yewu]:
    for database in new_database(postgres):
        home = Path(tmp_path_factory.mktemp("home"))
        with running(database, home, max_content=MOST, content_seconds=3.0, max_body=1000) as yewu:
            yield yewu


@pytest.fixture(scope="module")
def anybody(yewu: Yewu) -> httpx.Client:
    return yewu.as_(yewu.appointed(Role.MEMBER, name="Anybody"))


def kept(yewu: Yewu) -> list[str]:
    """The files in the store, also those on their way."""
    return sorted(path.name for path in (yewu.home / "contents").rglob("*") if path.is_file())


def test_an_employee_sends_a_file_and_those_who_may_read_it_get_it_back(yewu: Yewu, anybody: httpx.Client) -> None:
    data = PDF + b"x" * 100_000  # more than a command may have
    sent = anybody.post("/contents", content=data)
    assert sent.status_code == 201
    assert sent.json() == {
        "content": hash_of(data), "size": len(data), "type": "application/pdf", "existed": False,
    }  # fmt: skip
    got = yewu.manager.get(sent.headers["location"])
    assert got.content == data
    assert got.headers["content-type"] == "application/pdf"
    digest = hash_of(data).removeprefix("sha256:")
    assert got.headers["content-disposition"] == f'attachment; filename="{digest[:16]}.pdf"'
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["cache-control"] == "private, no-store"


def test_the_same_bytes_are_kept_once(yewu: Yewu, anybody: httpx.Client) -> None:
    before = kept(yewu)
    answers = [anybody.post("/contents", content=PNG) for _ in range(2)]
    assert [(a.status_code, a.json()["existed"]) for a in answers] == [(201, False), (200, True)]
    assert len(kept(yewu)) == len(before) + 1


def test_what_the_caller_says_of_it_counts_for_nothing(yewu: Yewu, anybody: httpx.Client) -> None:
    for data in (PROGRAM, ARCHIVE, b""):
        headers = {"Content-Type": "application/pdf", "Content-Disposition": 'attachment; filename="../../a.pdf"'}
        says(anybody.post("/contents", content=data, headers=headers), 415, "not-kept")
    chinese = anybody.post("/contents", content=PROGRAM, headers={"Accept-Language": "zh"}).json()
    assert chinese["title"] == "不保存此类文件。"
    assert "pdf, docx" in chinese["detail"]
    assert anybody.post("/contents", content=PDF, headers={"Content-Type": "text/html"}).json()["type"] == (
        "application/pdf"
    )


def test_a_file_beyond_the_limit(yewu: Yewu, anybody: httpx.Client) -> None:
    before = kept(yewu)

    says(anybody.post("/contents", content=PDF + bytes(MOST)), 413, "too-large")
    chunk = PDF + bytes(10_000)
    # a client would go on sending: the other side closes the line
    with socket_to(yewu, anybody, "Transfer-Encoding: chunked") as line, pytest.raises(OSError):
        line.sendall(b"".join([b"%x\r\n%s\r\n" % (len(chunk), chunk)] * 10_000))
    assert kept(yewu) == before


def test_a_file_that_breaks_off_leaves_nothing(yewu: Yewu, anybody: httpx.Client) -> None:
    before = kept(yewu)
    with socket_to(yewu, anybody, "Content-Length: 5000") as line:
        line.sendall(PDF)
        wait_until(lambda: len(kept(yewu)) > len(before))
    wait_until(lambda: kept(yewu) == before)


def test_a_file_that_does_not_go_on_is_given_up(yewu: Yewu, anybody: httpx.Client) -> None:
    before = kept(yewu)
    with socket_to(yewu, anybody, "Content-Length: 5000") as line:
        line.sendall(PDF)
        began = time.monotonic()
        assert line.recv(100).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - began < 10
    assert kept(yewu) == before


def socket_to(yewu: Yewu, client: httpx.Client, header: str) -> socket.socket:
    """A line on which the head of an upload has been sent."""
    address = urlsplit(yewu.address)
    line = socket.create_connection((address.hostname or "", address.port or 0), 10)
    token = client.headers["authorization"]
    line.sendall(f"POST /contents HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n{header}\r\n\r\n".encode())
    return line


def test_only_employees_send_and_only_some_read(yewu: Yewu, anybody: httpx.Client) -> None:
    customer, nobody = yewu.as_(yewu.customer()), yewu.as_(yewu.employee("Without any office"))
    for sender in (customer, nobody):
        says(sender.post("/contents", content=PDF), 403, "forbidden")
    says(yewu.as_(None).post("/contents", content=PDF), 401, "unauthenticated")
    done(anybody.post("/contents", content=PDF))
    address = f"/contents/{hash_of(PDF)}"
    for reader in (anybody, customer):
        says(reader.get(address), 403, "forbidden")
    says(yewu.as_(None).get(address), 401, "unauthenticated")
    assert yewu.as_(yewu.appointed(Role.LEGAL)).get(address).content == PDF


@pytest.mark.parametrize("name", [hash_of(b"never sent"), "..%2f..%2fkeys.sqlite", "sha256:..%2fkeys.sqlite", "%00"])
def test_nothing_is_found_under_any_other_name(yewu: Yewu, name: str) -> None:
    assert yewu.manager.get(f"/contents/{name}").status_code == 404


def test_each_reading_is_put_on_record(yewu: Yewu, anybody: httpx.Client) -> None:
    data = PDF + b"read by few"
    done(anybody.post("/contents", content=data))
    counsel = yewu.appointed(Role.LEGAL)
    assert yewu.as_(counsel).get(f"/contents/{hash_of(data)}").is_success

    def recorded() -> list[dict[str, object]]:
        items = done(yewu.manager.get("/events", params={"type": "RestrictedFieldsRead"}))["items"]
        return [item["data"] for item in items if item["data"]["reader"] == counsel]

    wait_until(recorded)
    (reading,) = recorded()
    assert (reading["through"], reading["fields"]) == ("contents.one", {hash_of(data): ["content"]})


def test_the_scanner_is_asked(database: str, tmp_path: Path) -> None:
    script = tmp_path / "scanner"
    script.write_text('#!/bin/sh\ngrep -q EICAR "$1" && exit 1\ngrep -q TROUBLE "$1" && exit 2\nexit 0\n')
    script.chmod(0o700)
    with running(database, tmp_path, content_scanner=(str(script),)) as yewu:
        says(yewu.manager.post("/contents", content=PDF + b"EICAR"), 422, "infected")
        failing = yewu.manager.post("/contents", content=PDF + b"TROUBLE")
        says(failing, 503, "unavailable")
        assert failing.headers["retry-after"] == "60"
        assert kept(yewu) == []
        assert yewu.manager.post("/contents", content=PDF).status_code == 201
