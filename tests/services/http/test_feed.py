"""The feed for other services: pages, a live stream that can be taken up again, and what each event looks like."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import psycopg
import pytest
from cloudevents.core.formats.json import JSONFormat

from aggregates.actor import Actor, Role
from aggregates.event import CommandRefused
from aggregates.readers import NOBODY
from infra.dispatcher import Principal
from infra.kafka.wire import PREFIX
from infra.sealing import Plain
from infra.settings import Settings
from services.asyncapi import document
from services.composition import topics
from services.http.access import Reader
from services.http.log_routes import LogPages
from services.http.tokens import OneKey, Tokens
from services.runtime import Runtime
from tests.services.described import Described
from tests.services.running import Yewu, done, running, wait_until

NAME = "Zenobia Unmistakable"


def follow(
    client: httpx.Client, seen: list[dict[str, Any]], stop: threading.Event, address: str = "/events", **headers: str
) -> None:
    """Read server-sent events until told to stop."""
    with client.stream("GET", address, headers={"Accept": "text/event-stream", **headers}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        for line in _lines(response):
            if line.startswith("data:"):
                seen.append(json.loads(line.removeprefix("data:")))
            if stop.is_set():
                return


def _lines(response: httpx.Response) -> Iterator[str]:
    try:
        yield from response.iter_lines()
    except httpx.TransportError:
        return


def test_the_feed_comes_in_pages_without_gap_or_double(yewu: Yewu) -> None:
    yewu.complaint()
    after, positions = 0, []
    while True:
        page = done(yewu.manager.get("/events", params={"after": after, "limit": 7}))
        if not page["items"]:
            break
        positions += [event["position"] for event in page["items"]]
        after = page["after"]
    assert positions == list(range(1, page["head"] + 1))


def test_only_some_types_if_asked(yewu: Yewu) -> None:
    yewu.complaint()
    page = done(yewu.manager.get("/events", params={"type": "CustomerRegistered,ComplaintReceived"}))
    assert [event["type"] for event in page["items"]] == ["CustomerRegistered", "ComplaintReceived"]


def test_an_event_is_a_cloud_event_with_the_stored_bytes_inside(yewu: Yewu) -> None:
    complaint_id = yewu.complaint()
    (event,) = done(yewu.manager.get("/events", params={"type": "ComplaintReceived"}))["items"]
    with psycopg.connect(yewu.database) as db:
        query = "SELECT event_id, data, tags, version FROM yewu.log WHERE type = 'ComplaintReceived'"
        event_id, data, tags, version = db.execute(query).fetchone() or ()
    assert (event["specversion"], event["id"], event["source"], event["subject"]) == (
        "1.0", str(event_id), "/complaint", complaint_id,
    )  # fmt: skip
    assert (event["data"], event["tags"], event["version"]) == (json.loads(data), tags, version)
    assert event["datacontenttype"] == "application/json"


def test_a_library_for_cloud_events_reads_the_feed_and_the_schemas_describe_it(yewu: Yewu) -> None:
    yewu.complaint()
    described = Described(document(topics(PREFIX), "0"))
    items = done(yewu.manager.get("/events", params={"limit": 500}))["items"]
    assert {"EmployeeRegistered", "ComplaintReceived"} <= {item["type"] for item in items}
    for item in items:
        event = JSONFormat().read(None, json.dumps(item))
        assert (event.get_specversion(), event.get_subject()) == ("1.0", item["subject"])
        assert described.of_event(event.get_type(), item["schema"], event.get_data()) == []
        assert described.wrong({"$ref": "#/components/schemas/meta"}, item["meta"]) == []


def test_events_arrive_as_they_happen_and_from_where_one_stopped(yewu: Yewu) -> None:
    head = done(yewu.manager.get("/events?limit=1"))["head"]
    seen: list[dict[str, Any]] = []
    stop = threading.Event()
    reader = yewu.as_(yewu.manager_id)
    thread = threading.Thread(target=follow, args=(reader, seen, stop), kwargs={"Last-Event-ID": str(head)})
    thread.start()
    complaint_id = yewu.complaint()
    wait_until(lambda: any(event["subject"] == complaint_id for event in seen))
    stop.set()
    yewu.employee("One more, so that the reader looks up")
    thread.join(20)
    assert [event["position"] for event in seen] == list(range(head + 1, head + 1 + len(seen)))


def test_only_whoever_oversees_reads_everything(yewu: Yewu) -> None:
    clerk = yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE))
    assert clerk.get("/events").status_code == 403
    assert clerk.get("/events", headers={"Accept": "text/event-stream"}).status_code == 403
    assert yewu.as_(yewu.appointed(Role.AUDITOR)).get("/events").status_code == 200


def test_a_cloud_event_says_when_and_by_whom_as_the_log_does(yewu: Yewu) -> None:
    yewu.complaint()
    (event,) = done(yewu.manager.get("/events", params={"type": "ComplaintReceived"}))["items"]
    columns = "position, schema, recorded_at, effective_at, actor_id, command_id, meta"
    with psycopg.connect(yewu.database) as db:
        row = db.execute(f"SELECT {columns} FROM yewu.log WHERE type = 'ComplaintReceived'".encode()).fetchone() or ()
    position, schema, recorded_at, effective_at, actor_id, command_id, meta = row
    assert (event["type"], event["position"], event["schema"]) == ("ComplaintReceived", position, schema)
    assert datetime.fromisoformat(event["time"]) == recorded_at
    assert datetime.fromisoformat(event["effectiveat"]) == effective_at
    assert (event["actorid"], event["commandid"]) == (actor_id, str(command_id))
    assert event["meta"] == json.loads(meta)
    # CloudEvents 1.0: an extension is named in lower-case letters and digits
    assert all(name.isalnum() and name.islower() for name in event)


def test_a_reader_of_some_types_is_not_shown_the_same_events_again(yewu: Yewu) -> None:
    yewu.complaint()
    first = done(yewu.manager.get("/events", params={"type": "ComplaintReceived"}))
    assert first["after"] == first["head"]
    again = done(yewu.manager.get("/events", params={"type": "ComplaintReceived", "after": first["after"]}))
    assert (again["items"], again["after"]) == ([], first["head"])


@pytest.mark.parametrize("seen", ["x", "-1", "1e9", "9" * 30])
def test_a_reader_who_names_no_position_is_told_so(yewu: Yewu, seen: str) -> None:
    answer = yewu.manager.get("/events", headers={"Accept": "text/event-stream", "Last-Event-ID": seen})
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:yewu:problem:malformed")


def test_a_reader_of_the_stream_names_types_too(yewu: Yewu) -> None:
    yewu.complaint()
    seen: list[dict[str, Any]] = []
    stop = threading.Event()
    address = "/events?type=ComplaintReceived,CustomerRegistered"
    thread = threading.Thread(target=follow, args=(yewu.as_(yewu.manager_id), seen, stop, address))
    thread.start()
    wait_until(lambda: len(seen) >= 2)
    stop.set()
    yewu.complaint()
    thread.join(20)
    assert [event["type"] for event in seen[:2]] == ["CustomerRegistered", "ComplaintReceived"]


def test_the_server_ends_though_somebody_is_still_listening(database: str, tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    with running(database, tmp_path) as yewu:
        listener = httpx.Client(base_url=yewu.address, headers=yewu.manager.headers, timeout=30)
        thread = threading.Thread(target=follow, args=(listener, seen, threading.Event()))
        thread.start()
        wait_until(lambda: seen)
        began = time.monotonic()
    assert time.monotonic() - began < 5
    thread.join(5)
    assert not thread.is_alive()
    listener.close()


def test_what_was_never_recorded_has_no_history(yewu: Yewu) -> None:
    for thing in ("complaint-nothing", "nothing-1", "nothing", "%2e%2e%2fcomplaint"):
        assert yewu.manager.get(f"/streams/{thing}").status_code == 404
    nothing = done(yewu.manager.get("/about/complaint-nothing"))
    assert (nothing["items"], nothing["after"]) == ([], None)
    assert yewu.manager.get("/about/%00").status_code == 404


def test_what_mentions_somebody_comes_in_pages(yewu: Yewu) -> None:
    customer_id = yewu.customer()
    ids = [yewu.complaint(customer_id) for _ in range(3)]
    head = done(yewu.manager.get("/events?limit=1"))["head"]
    wait_until(lambda: yewu.as_(None).get("/ready").json()["position"] >= head)
    found: list[str] = []
    after: int | None = 0
    while after is not None:
        page = done(yewu.manager.get(f"/about/{customer_id}", params={"after": after, "limit": 2}))
        found += [item["id"] for item in page["items"]]
        after = page["after"]
    assert found == [customer_id, *ids]


def test_only_whoever_may_see_a_thing_reads_its_history(yewu: Yewu) -> None:
    complaint_id, employee_id = yewu.complaint(), yewu.employee()
    legal = yewu.as_(yewu.appointed(Role.LEGAL))
    for address in (
        f"/streams/{complaint_id}",
        f"/about/{complaint_id}",
        f"/streams/{employee_id}",
        "/streams/founder",
    ):
        assert legal.get(address).status_code == 403
        assert yewu.as_(None).get(address).status_code == 401


def test_in_a_trail_there_is_a_place_without_content_for_what_somebody_may_not_read(yewu: Yewu) -> None:
    customer_id = yewu.customer()
    complaint_id = yewu.complaint(customer_id)
    clerk = yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE))
    seller = yewu.as_(yewu.appointed(Role.BUSINESS_DEVELOPMENT))
    assert clerk.post(f"/complaints/{complaint_id}/reopen", json={"reason": "Again"}).status_code == 422
    wait_until(lambda: len(done(yewu.manager.get(f"/about/{complaint_id}"))["items"]) == 2)
    whole = done(yewu.manager.get(f"/about/{complaint_id}"))["items"]
    assert [item["type"] for item in whole] == ["ComplaintReceived", "CommandRefused"]
    seen = done(clerk.get(f"/about/{complaint_id}"))["items"]
    assert seen == [whole[0], {"position": whole[1]["position"], "type": "restricted"}]
    # of a customer business development sees the file, and not the complaints
    of_customer = done(seller.get(f"/about/{customer_id}"))["items"]
    assert [item["type"] for item in of_customer] == ["CustomerRegistered", "restricted"]
    assert set(of_customer[1]) == {"position", "type"}


def reader_in(role: Role) -> Reader:
    return Reader(Principal("employee-1"), (Actor(id="employee-1", roles=frozenset({role})),))


def test_the_feed_of_whoever_may_not_read_all_has_no_gaps(yewu: Yewu) -> None:
    """No token makes anybody a service yet: asked of the pages themselves."""
    stranger = yewu.as_(yewu.appointed(Role.LEGAL))
    assert stranger.post("/employees", json={"name": NAME}).status_code == 403
    wait_until(lambda: done(yewu.manager.get("/events?type=CommandRefused"))["items"])

    async def shown(role: Role) -> list[dict[str, Any]]:
        runtime = Runtime(yewu.database, ZoneInfo("UTC"), Plain())
        async with runtime.running():
            page = await runtime.reader.page(0, 1000)
            pages = LogPages(runtime, Tokens(OneKey(None), "", ""), Settings.read({"YEWU_HOME": "/nowhere"}))
            return pages.shown(reader_in(role), page)

    for_auditors, for_services = asyncio.run(shown(Role.AUDITOR)), asyncio.run(shown(Role.SERVICE))
    assert [event["position"] for event in for_services] == list(range(1, len(for_services) + 1))
    ((one, other),) = [
        (a, b) for a, b in zip(for_auditors, for_services, strict=False) if a["type"] == "CommandRefused"
    ]
    assert one["data"]
    assert set(other) == {"specversion", "id", "source", "type", "time", "position"}
    assert (other["type"], other["source"], other["id"]) == ("restricted", "/", one["id"])


def test_who_is_shown_what_only_few_may_read_is_recorded_and_reading_that_is_not(yewu: Yewu) -> None:
    auditor_id = yewu.appointed(Role.AUDITOR)
    auditor = yewu.as_(auditor_id)
    assert auditor.post("/employees", json={"name": NAME}).status_code == 403

    def reads() -> list[dict[str, Any]]:
        items = done(yewu.manager.get("/events", params={"type": "RestrictedFieldsRead"}))["items"]
        return [item["data"] for item in items if item["actorid"] == auditor_id]

    wait_until(lambda: done(auditor.get("/events?type=CommandRefused"))["items"])
    wait_until(reads)
    (stream_id,) = {item["subject"] for item in done(auditor.get("/events?type=CommandRefused"))["items"]}
    assert (reads()[0]["reader"], reads()[0]["through"]) == (auditor_id, "log.events")
    assert reads()[0]["fields"] == {stream_id: ["CommandRefused"]}
    for _ in range(3):
        assert done(auditor.get("/events?type=RestrictedFieldsRead"))["items"]
        done(auditor.get("/events?type=EmployeeRegistered"))
        done(auditor.get(f"/streams/{stream_id}"))
    wait_until(lambda: reads()[-1]["through"] == "log.stream")
    assert reads()[-1]["fields"] == {stream_id: ["CommandRefused"]}
    wait_until(lambda: sum(read["times"] for read in reads() if read["through"] == "log.stream") == 3)
    assert {what for read in reads() for whole in read["fields"].values() for what in whole} == {"CommandRefused"}


def test_nobody_asks_for_a_type_of_which_they_may_see_nothing(yewu: Yewu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CommandRefused, "readers", NOBODY)
    assert yewu.manager.get("/events?type=EmployeeRegistered,CommandRefused").status_code == 403
    assert yewu.manager.get("/events?type=CommandRefused", headers={"Accept": "text/event-stream"}).status_code == 403


def test_whoever_listens_and_loses_the_office_hears_no_more(yewu: Yewu) -> None:
    auditor_id = yewu.appointed(Role.AUDITOR)
    seen: list[dict[str, Any]] = []
    thread = threading.Thread(target=follow, args=(yewu.as_(auditor_id), seen, threading.Event()))
    thread.start()
    wait_until(lambda: any(event["data"].get("employee_id") == auditor_id for event in seen))
    ended = {"employee_id": auditor_id, "role": "AUD", "unit": "customer-service"}
    position = int(yewu.manager.post("/department/end-role", json=ended).headers["Yewu-Position"])
    thread.join(20)
    assert not thread.is_alive()
    assert seen[-1]["position"] < position
