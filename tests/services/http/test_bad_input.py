"""Bad input gets a clear sentence in the caller's language, and nothing of it is recorded."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from aggregates.actor import Role
from infra.commands import Command
from services.composition import COMMANDS, QUESTIONS
from tests.conftest import new_database
from tests.services.running import Yewu, done, running


class Bad:
    """A department with a clerk who sends nonsense."""

    def __init__(self, yewu: Yewu) -> None:
        self.yewu = yewu
        self.clerk = yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE))
        self.customer_id = yewu.customer()
        self.complaint_id = yewu.complaint(self.customer_id)

    @property
    def head(self) -> int:
        """Where the log of complaints ends; refusals are evidence and may well be recorded."""
        return int(done(self.yewu.manager.get(f"/streams/{self.complaint_id}"))["version"])

    def body(self, **more: object) -> dict[str, object]:
        return {"customer_id": self.customer_id, "channel": "phone", **more}


@pytest.fixture(scope="module")
def bad(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bad]:
    for database in new_database(postgres):
        home = Path(tmp_path_factory.mktemp("home"))
        with running(database, home, max_body=100_000, request_seconds=4.0) as yewu:
            yield Bad(yewu)


def says(response: httpx.Response, status: int, kind: str) -> None:
    """A problem of that kind with a sentence."""
    assert response.status_code == status, response.text
    problem = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert (problem["type"], problem["status"]) == (f"urn:yewu:problem:{kind}", status)
    assert problem["title"]
    assert problem["detail"]


MALFORMED: dict[str, Any] = {
    "not JSON": b"{",
    "no object": b"[]",
    "null": b"null",
    "no UTF-8": b'{"channel":"\xff"}',
    "a lone surrogate": b'{"customer_id":"customer-1","channel":"\\ud800"}',
    "a NUL": b'{"customer_id":"customer-1","channel":"a\\u0000b"}',
    "a number for a text": b'{"customer_id":"customer-1","channel":7}',
    "a text that says nothing": b'{"customer_id":"customer-1","channel":"phone","facts":" \\n"}',
    "a text that nobody sees": b'{"customer_id":"customer-1","channel":"phone","facts":"\\u200b"}',
    "a reason that gives none": b'{"customer_id":"customer-1","channel":"x","at":"2026-01-01T00:00:00Z","reason":""}',
    "a field missing": b'{"channel":"phone"}',
    "an unknown field": b'{"customer_id":"customer-1","channel":"phone","colour":"red"}',
    "an id beyond all length": b'{"customer_id":"customer-%s","channel":"phone"}' % (b"x" * 5000),
    "a depth beyond all sense": b'{"customer_id":' + b"[" * 50_000,
    "a time without a zone": b'{"customer_id":"customer-1","channel":"phone","at":"2026-01-01T00:00:00","reason":"x"}',
    "a time before all times": b'{"customer_id":"customer-1","channel":"x","at":"0001-01-01T00:00:00Z","reason":"x"}',
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_a_body_that_makes_no_sense(bad: Bad, body: bytes) -> None:
    says(bad.clerk.post("/complaints", content=body), 400, "malformed")
    chinese = bad.clerk.post("/complaints", content=body, headers={"Accept-Language": "zh"})
    assert chinese.json()["title"] == "请求无法读取。"


@pytest.mark.parametrize("cost", ["NaN", "Infinity", "-Infinity", "1E+1000000", "1" * 400, "0.0000001", "x", ""])
def test_an_amount_that_makes_no_sense(bad: Bad, cost: str) -> None:
    response = bad.clerk.post(
        f"/complaints/{bad.complaint_id}/propose-resolution", json={"remedy": "A valve", "cost": cost}
    )
    says(response, 400, "malformed")


def test_a_word_that_no_list_has(bad: Bad) -> None:
    assessed = {"category": "quality", "severity": "S9", "safety_or_legal": False, "complexity": "simple"}
    says(bad.clerk.post(f"/complaints/{bad.complaint_id}/assess", json=assessed), 400, "malformed")


@pytest.mark.parametrize("customer_id", ["customer-nobody", "employee-1", "", "../etc/passwd"])
def test_an_id_of_nobody(bad: Bad, customer_id: str) -> None:
    says(bad.clerk.post("/complaints", json=bad.body(customer_id=customer_id)), 422, "refused")


@pytest.mark.parametrize("thing", ["complaint-nothing", "customer-1", "%00", "..%2f..%2fetc", "complaint-" + "x" * 500])
def test_an_address_of_nothing(bad: Bad, thing: str) -> None:
    says(bad.clerk.post(f"/complaints/{thing}/escalate", json={"reason": "x"}), 404, "not-found")
    assert bad.clerk.get(f"/streams/{thing}").status_code in {403, 404}


def test_a_body_beyond_the_limit(bad: Bad) -> None:
    says(bad.clerk.post("/complaints", json=bad.body(facts="x" * 200_000)), 413, "too-large")


def test_a_body_beyond_the_limit_that_does_not_say_so(bad: Bad) -> None:
    def endless() -> Iterator[bytes]:
        yield b'{"facts":"'
        for _ in range(300):
            yield b"x" * 1000

    says(bad.clerk.post("/complaints", content=endless()), 413, "too-large")


def test_a_body_that_never_ends(bad: Bad) -> None:
    address = urlsplit(bad.yewu.address)
    token = bad.clerk.headers["authorization"]
    with socket.create_connection((address.hostname or "", address.port or 0), 10) as line:
        head = f"POST /complaints HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Length: 50\r\n\r\n"
        line.sendall(head.encode() + b'{"chan')
        began = time.monotonic()
        assert line.recv(100).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - began < 10


@pytest.mark.parametrize("name", ["text/xml", "application/jsonp", "multipart/form-data", ""])
def test_another_content_type(bad: Bad, name: str) -> None:
    says(bad.clerk.post("/complaints", content=b"{}", headers={"Content-Type": name}), 415, "malformed")


def test_a_content_type_is_written_in_any_case(bad: Bad) -> None:
    name = "Application/JSON; charset=UTF-8"
    assert bad.clerk.post("/complaints", json=bad.body(), headers={"Content-Type": name}).status_code == 201


@pytest.mark.parametrize("tag", ["3", '"x"', 'W/"3"', '"' + "9" * 40 + '"', ""])
def test_a_version_that_is_none(bad: Bad, tag: str) -> None:
    url = f"/complaints/{bad.complaint_id}/escalate"
    says(bad.clerk.post(url, json={"reason": "x"}, headers={"If-Match": tag}), 400, "malformed")


@pytest.mark.parametrize("key", ["", "x" * 300, "a b"])
def test_a_key_that_is_none(bad: Bad, key: str) -> None:
    says(bad.clerk.post("/complaints", json=bad.body(), headers={"Idempotency-Key": key}), 400, "malformed")


QUERIES = [
    "limit=0", "limit=1001", "limit=x", "limit=-1", "cursor=x", "cursor=W10", "as_of=yesterday", "as_of=2026-02-30",
    "as_of=9999-12-31", "as_of=0001-01-01T00:00:00%2B10:00", "min_position=x", "colour=red", "severity=S9",
    "open=perhaps", "open=true&open=false", "unit=%00", "min_position=-1", "handler_id=" + "x" * 201,
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
def test_a_question_that_makes_no_sense(bad: Bad, query: str) -> None:
    says(bad.clerk.get(f"/complaints?{query}"), 400, "malformed")


def test_a_position_that_is_still_far_away(bad: Bad) -> None:
    response = bad.clerk.get("/complaints?min_position=999999999999999999")
    says(response, 503, "unavailable")
    assert response.headers["retry-after"] == "1"


def cursor(*values: object) -> str:
    """Such as a page may end with."""
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


@pytest.mark.parametrize("values", [("yesterday", "complaint-1"), ("2026-01-01T00:00:00Z", "\0"), ("a",), (1, 2), ()])
def test_a_cursor_that_somebody_made_up(bad: Bad, values: tuple[object, ...]) -> None:
    says(bad.clerk.get("/complaints", params={"cursor": cursor(*values)}), 400, "malformed")


def test_a_day_without_a_zone(bad: Bad) -> None:
    says(bad.clerk.get("/department/posts?day=2026-01-01T00:00:00"), 400, "malformed")


def test_what_stands_behind_a_question_mark_is_never_passed_over(bad: Bad) -> None:
    acknowledged = {"channel": "phone", "wording": "We have it"}
    url = f"/complaints/{bad.complaint_id}/acknowledge?only_try=true"
    says(bad.clerk.post(url, json=acknowledged), 400, "malformed")
    says(bad.clerk.get(f"/streams/{bad.complaint_id}?after=3"), 400, "malformed")


def test_a_deadline_after_the_end_of_all_calendars(bad: Bad) -> None:
    measures = {"measures": "Change it", "due": "9999-12-31"}
    says(bad.clerk.post(f"/complaints/{bad.complaint_id}/decide-measures", json=measures), 400, "malformed")


def test_a_number_that_no_index_holds_stops_nobody_else(bad: Bad) -> None:
    number = "".join(hashlib.sha512(bytes([n])).hexdigest() for n in range(100))
    says(bad.yewu.manager.post("/employees", json={"name": "Anna", "number": number}), 400, "malformed")
    began = time.monotonic()
    bad.yewu.employee("Berta")
    assert time.monotonic() - began < 2


FEEDS = ["after=-1", "after=x", "limit=0", "limit=5000", "colour=red", "limit=1&limit=2", "type=%00"]


@pytest.mark.parametrize("query", FEEDS)
def test_a_feed_that_makes_no_sense(bad: Bad, query: str) -> None:
    says(bad.yewu.manager.get(f"/events?{query}"), 400, "malformed")


def test_an_address_that_is_not_there(bad: Bad) -> None:
    says(bad.clerk.get("/nowhere"), 404, "not-found")
    says(bad.clerk.delete("/complaints"), 405, "not-allowed")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.slug)
def test_no_command_falls_over_nonsense(bad: Bad, command: Command) -> None:
    url = command.route.replace("{id}", f"{command.kind.name}-nothing")
    for body in (b"", b"{}", b'{"colour":"red"}', b"[1]", b'{"reason":{"x":1}}', b"\x00"):
        response = bad.yewu.manager.post(url, content=body)
        assert 400 <= response.status_code < 500, f"{body!r}: {response.status_code} {response.text}"


def test_no_question_falls_over_nonsense(bad: Bad) -> None:
    for asked in QUESTIONS:
        url = asked.route.replace("{", "x-{").format(**dict.fromkeys(asked.in_path, "%00"))
        for query in ("", "?colour=red", "?limit=", "?as_of="):
            status = bad.yewu.manager.get(url + query).status_code
            assert status < 500, f"{url}{query}: {status}"


def test_what_cannot_be_read_leaves_no_trace_in_the_log(bad: Bad) -> None:
    def head() -> int:
        return int(done(bad.yewu.manager.get("/events?limit=1"))["head"])

    before = head()
    for body in MALFORMED.values():
        bad.clerk.post("/complaints", content=body)
    for query in QUERIES:
        bad.clerk.get(f"/complaints?{query}")
    assert head() == before


def test_whatever_was_sent_nothing_of_it_is_on_record_and_the_next_command_goes_through(bad: Bad) -> None:
    before = bad.head
    done(bad.clerk.post(f"/complaints/{bad.complaint_id}/escalate", json={"reason": "it is time"}))
    assert (before, bad.head) == (1, 2)
