"""The feed for other services: pages, a live stream that can be taken up again, and what each event looks like."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg

from aggregates.actor import Role
from tests.services.running import Yewu, done, wait_until


def follow(client: httpx.Client, seen: list[dict[str, Any]], stop: threading.Event, **headers: str) -> None:
    """Read server-sent events until told to stop."""
    with client.stream("GET", "/events", headers={"Accept": "text/event-stream", **headers}) as response:
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
