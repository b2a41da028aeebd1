"""One command is followed from its request into the view, over the processes; no span says anything of anybody."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from aggregates.actor import Role
from infra.sealing import Plain
from infra.tracing import Tracing
from services.policies.complaint_clocks import COMPLAINT_CLOCKS
from services.policies.follower import PolicyFollower
from services.processes import tracing_of
from services.runtime import Runtime
from tests.services.running import Yewu, done, running, wait_until

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
NAME = "Zenobia Unmistakable"


class Seen:
    """A running Yewu, and the spans of its two processes, each with a provider of its own."""

    def __init__(self, yewu: Yewu, exporters: dict[str, InMemorySpanExporter]) -> None:
        self.yewu, self.exporters = yewu, exporters

    def spans(self, *parts: str) -> list[ReadableSpan]:
        return [span for part in parts or self.exporters for span in self.exporters[part].get_finished_spans()]

    def of_trace(self, trace: str = TRACE) -> dict[str, ReadableSpan]:
        """The spans of one trace by their names."""
        return {span.name: span for span in self.spans() if f"{context(span).trace_id:032x}" == trace}


def context(span: ReadableSpan) -> Any:
    assert span.context is not None
    return span.context


def parent(span: ReadableSpan) -> int:
    assert span.parent is not None
    return span.parent.span_id


@pytest.fixture
def seen(database: str, tmp_path: Path) -> Iterator[Seen]:
    exporters = {"serve": InMemorySpanExporter(), "project": InMemorySpanExporter()}
    serving, projecting = (Tracing(part, SimpleSpanProcessor(exporter)) for part, exporter in exporters.items())
    with running(database, tmp_path, serving=serving, projecting=projecting) as yewu:
        yield Seen(yewu, exporters)


def registered(yewu: Yewu, **headers: str) -> str:
    return str(done(yewu.manager.post("/employees", json={"name": NAME}, headers=headers))["id"])


def correlation(yewu: Yewu, stream_id: str) -> str | None:
    item = done(yewu.manager.get(f"/streams/{stream_id}"))["items"][0]
    found: str | None = item["meta"].get("correlation")
    return found and UUID(found).hex


def test_a_command_is_followed_from_its_caller_into_the_view(seen: Seen) -> None:
    employee_id = registered(seen.yewu, traceparent=f"00-{TRACE}-{CALLER}-01")
    wait_until(lambda: "fold" in seen.of_trace())
    spans = seen.of_trace()
    path = ["POST /employees", "decide", "append", "recorded", "fold"]
    assert set(spans) == set(path)
    assert [f"{parent(spans[name]):016x}" for name in path] == [
        CALLER, *(f"{context(spans[name]).span_id:016x}" for name in path[:-1]),
    ]  # fmt: skip
    assert {spans["fold"]} == {span for span in seen.spans("project") if span in spans.values()}
    assert correlation(seen.yewu, employee_id) == TRACE
    assert spans["append"].end_time <= spans["fold"].end_time  # type: ignore[operator]  # both have ended


def test_the_commit_and_the_batch_that_many_share_are_linked(seen: Seen) -> None:
    registered(seen.yewu, traceparent=f"00-{TRACE}-{CALLER}-01")
    wait_until(lambda: "fold" in seen.of_trace())
    spans, everything = seen.of_trace(), {context(span).span_id: span for span in seen.spans()}
    (commit,) = (everything[link.context.span_id] for link in spans["append"].links)
    assert (commit.name, [link.context.span_id for link in commit.links]) == (
        "commit", [context(spans["append"]).span_id],
    )  # fmt: skip
    wait_until(lambda: "fold batch" in {span.name for span in seen.spans("project")})
    everything = {context(span).span_id: span for span in seen.spans()}
    (batch,) = (everything[link.context.span_id] for link in spans["fold"].links)
    assert (batch.name, (batch.attributes or {})["yewu.commands"]) == ("fold batch", 1)
    saved = [span for span in seen.spans("project") if span.name == "save" and span.parent is not None]
    assert context(batch).span_id in {parent(span) for span in saved}


def test_who_sends_no_trace_begins_one(seen: Seen) -> None:
    employee_id = registered(seen.yewu)
    trace = correlation(seen.yewu, employee_id)
    assert trace is not None
    wait_until(lambda: "fold" in seen.of_trace(trace))
    assert seen.of_trace(trace)["POST /employees"].parent is None


def test_what_a_policy_lets_follow_stays_in_the_trace(seen: Seen) -> None:
    complaint_id = seen.yewu.complaint()
    grave = {"category": "safety", "severity": "S1", "safety_or_legal": True, "complexity": "simple"}
    clerk = seen.yewu.as_(seen.yewu.appointed(Role.CUSTOMER_SERVICE), traceparent=f"00-{TRACE}-{CALLER}-01")
    done(clerk.post(f"/complaints/{complaint_id}/assess", json=grave))
    wait_until(lambda: "fold" in seen.of_trace())
    assessed = seen.of_trace()["recorded"]
    exporter = seen.exporters["policies"] = InMemorySpanExporter()

    async def follow() -> None:
        tracing = Tracing("policies", SimpleSpanProcessor(exporter))
        async with Runtime(seen.yewu.database, ZoneInfo("UTC"), Plain(), tracing=tracing).running() as runtime:
            while await PolicyFollower(runtime, COMPLAINT_CLOCKS).step():
                pass

    asyncio.run(follow())
    spans = {span.name: span for span in seen.spans("policies") if f"{context(span).trace_id:032x}" == TRACE}
    assert set(spans) == {"follow", "decide", "append", "recorded"}
    assert parent(spans["follow"]) == context(assessed).span_id
    assert parent(spans["decide"]) == context(spans["follow"]).span_id
    wait_until(lambda: parent(seen.of_trace()["fold"]) == context(spans["recorded"]).span_id)


def test_no_span_says_anything_of_anybody(seen: Seen) -> None:
    yewu = seen.yewu
    employee_id = registered(yewu)
    complaint_id = yewu.complaint(yewu.customer(NAME))
    clerk = yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE, name=NAME))
    statuses = [
        clerk.post("/employees", json={"name": NAME}).status_code,
        clerk.post(f"/complaints/{complaint_id}/reopen", json={"reason": NAME}).status_code,
        clerk.post("/customers", json={"name": NAME, "colour": NAME}).status_code,
        clerk.post(f"/complaints/{NAME}/close", json={}).status_code,
        clerk.get(f"/{NAME}", params={NAME: NAME}).status_code,
        clerk.get("/customers", params={"segment": NAME}).status_code,
        clerk.get(f"/streams/{NAME}").status_code,
        yewu.as_(None, **{"X-Name": NAME}).get(f"/employees/{employee_id}").status_code,
    ]
    assert statuses == [403, 422, 400, 404, 404, 200, 404, 401]
    wait_until(
        lambda: (
            {403, 422, 400, 404, 401} <= {(s.attributes or {}).get("http.response.status_code") for s in seen.spans()}
        )
    )
    told = " ".join(span.to_json() for span in seen.spans())
    assert "error.type" in told
    assert "Refused" in told
    for secret in (NAME, "Zenobia", "The boiler is cold", "Bearer"):
        assert secret not in told
    assert {"POST /employees", "POST /complaints/{id}/close", "GET /streams/{id}", "GET"} <= {
        s.name for s in seen.spans()
    }


def test_without_tracing_the_log_still_says_of_which_trace_a_command_was(yewu: Yewu) -> None:
    assert correlation(yewu, registered(yewu, traceparent=f"00-{TRACE}-{CALLER}-00")) == TRACE
    assert correlation(yewu, registered(yewu)) is None
    for nonsense in ("", "00", f"00-{'0' * 32}-{CALLER}-01", f"00-{TRACE}-{'0' * 16}-01", f"ff-{TRACE}-{CALLER}-01",
                     f"00-{TRACE.upper()}-{CALLER}-01", f"00-{TRACE}-{CALLER}-01-more", NAME):  # fmt: skip
        assert correlation(yewu, registered(yewu, traceparent=nonsense)) is None


def test_nobody_traces_unless_a_collector_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", raising=False)
    assert tracing_of("serve") is None
    look = "import sys, services.processes, services.http.app; sys.exit('opentelemetry.sdk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0


def test_spans_are_sent_to_the_collector_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # named so by its base
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        tracing = tracing_of("project")
        assert tracing is not None
        with tracing.step("a step", {"yewu.events": 1}):
            pass
        tracing.stop()
        server.shutdown()
        thread.join()
    ((path, body),) = received
    assert path == "/v1/traces"
    assert b"a step" in body
    assert b"yewu-project" in body
