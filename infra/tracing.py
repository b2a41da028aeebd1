"""Traces: one command from its request over its commit into the read model, by ids that the log carries anyway.

The trace is the command's correlation, and the span of what was recorded has its id from the command's: so whoever
folds an event later, in whichever process, goes on with its trace. Attributes are ids, types and counts, nothing else.
Only who traces imports this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from opentelemetry.context import Context
from opentelemetry.propagate import extract
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.util.types import AttributeValue

from aggregates.event import Recorded
from aggregates.ids import kind_of
from infra.append import Append, Appended
from infra.dispatcher import Answer, Dispatcher, Order
from infra.event_store import Writer
from infra.read_model.engine import ReadModel
from infra.read_model.follower import Follower, Rows
from infra.read_model.lines import Line

MOST_TOLD = 200
"""Commands of one batch that are followed; how many more there were stands in the span of the batch."""

_span_id: ContextVar[int | None] = ContextVar("the id of the next span", default=None)


class _Ids(RandomIdGenerator):
    """Random, but for the span of what a command recorded."""

    def generate_span_id(self) -> int:
        return _span_id.get() or super().generate_span_id()


class Tracing:
    """Where the spans of one process go."""

    def __init__(self, part: str, processor: SpanProcessor) -> None:
        resource = Resource.create({"service.name": f"yewu-{part}"})
        self._provider = TracerProvider(resource=resource, id_generator=_Ids())
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("yewu")

    @classmethod
    def exporting(cls, part: str, exporter: SpanExporter | None = None) -> Tracing:
        """Spans go, some of them together, to the collector that the variables of OpenTelemetry name."""
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        return cls(part, BatchSpanProcessor(exporter or OTLPSpanExporter()))

    def stop(self) -> None:
        """Send what is left."""
        self._provider.shutdown()

    def writer(self, conninfo: str, **options: Any) -> Writer:
        """One that leaves spans."""
        return TracedWriter(self, conninfo, **options)

    def dispatcher(self, *parts: Any) -> Dispatcher:
        """One that leaves spans."""
        return TracedDispatcher(self, *parts)

    def follower(self, db: psycopg.Connection[Any], model: ReadModel) -> Follower:
        """One that leaves spans."""
        return TracedFollower(self, db, model)

    @contextmanager
    def request(self, method: str, headers: Mapping[str, str]) -> Iterator[Span]:
        """One request: a part of the caller's trace, if the caller says which."""
        attributes, context = {"http.request.method": method}, extract(headers, Context())
        with self.step(method, attributes, context=context, kind=SpanKind.SERVER) as span:
            yield span

    @contextmanager
    def step(
        self,
        name: str,
        attributes: Mapping[str, AttributeValue],
        *,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        links: Iterable[Link] = (),
    ) -> Iterator[Span]:
        """One step; of what goes wrong in it only the type is told, for the words may name people."""
        with self._tracer.start_as_current_span(
            name, context, kind, attributes, list(links), record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except Exception as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(StatusCode.ERROR)
                raise

    def recorded(self, command_id: UUID, done: Appended) -> None:
        """What a command recorded: the span that others, who know only the log, go on from."""
        token = _span_id.set(_id_from(command_id.bytes))
        try:
            self._tracer.start_span("recorded", attributes={"yewu.first": done.first, "yewu.last": done.last}).end()
        finally:
            _span_id.reset(token)

    @contextmanager
    def batch(self, lines: Iterable[Line], start: int, until: int) -> Iterator[None]:
        """Folding and saving one batch of events: a span for itself, and one in the trace of each command in it."""
        with self.step("fold batch", {"yewu.first": start + 1, "yewu.last": until}, context=Context()) as batch:
            told: dict[tuple[UUID, bytes], list[Line]] = {}
            for line in lines:
                if (correlation := _correlation(line[10])) is not None:
                    told.setdefault((correlation, line[8][16:]), []).append(line)
            spans = [self._in_view(batch, *command, of) for command, of in list(told.items())[:MOST_TOLD]]
            batch.set_attributes({"yewu.commands": len(told), "yewu.untold": max(0, len(told) - MOST_TOLD)})
            yield
            for span in spans:
                span.end()

    def following(self, record: Recorded[Any]) -> AbstractContextManager[object]:
        """What follows from an event, in the trace of the command that recorded it, if that is known."""
        correlation = record.envelope.correlation
        if correlation is None:
            return nullcontext()
        place, attributes = trace_of(correlation, record.command_id.bytes), {"yewu.type": type(record.event).__name__}
        return self.step("follow", attributes | {"yewu.position": record.position}, context=place)

    def _in_view(self, batch: Span, correlation: UUID, command_id: bytes, lines: list[Line]) -> Span:
        """Begun with the batch and ended when it is saved: from then on the events can be seen."""
        types = sorted({line[3] for line in lines})
        attributes: dict[str, AttributeValue] = {"yewu.types": types, "yewu.position": lines[-1][0]}
        return self._tracer.start_span(
            "fold", trace_of(correlation, command_id), links=[Link(batch.get_span_context())], attributes=attributes
        )


def trace_of(correlation: UUID, command_id: bytes) -> Context:
    """The place in a trace at which a command was recorded: for whoever goes on from an event of the log."""
    place = SpanContext(correlation.int, _id_from(command_id), is_remote=True, trace_flags=TraceFlags(1))
    return set_span_in_context(NonRecordingSpan(place), Context())


def _id_from(command_id: bytes) -> int:
    return int.from_bytes(command_id[8:]) or 1


class _Correlated(msgspec.Struct):
    correlation: UUID | None = None


_decode = msgspec.json.Decoder(_Correlated).decode


@lru_cache(64)
def _correlation(meta: bytes) -> UUID | None:
    return _decode(meta).correlation


class TracedDispatcher(Dispatcher):
    """A span for each order."""

    def __init__(self, tracing: Tracing, *parts: Any) -> None:
        super().__init__(*parts)
        self._tracing = tracing

    async def give(self, order: Order) -> Answer:
        """Carry out a command, seen."""
        with self._tracing.step("decide", {"yewu.command": order.command.slug}) as span:
            answer = await super().give(order)
            span.set_attributes({"yewu.stream": answer.id, "yewu.types": answer.events})
            return answer


class TracedWriter(Writer):
    """A span for each append, linked with the one of the commit in which it went."""

    def __init__(self, tracing: Tracing, conninfo: str, **options: Any) -> None:
        super().__init__(conninfo, **options)
        self._tracing = tracing
        self._appends: dict[UUID, Span] = {}

    async def append(self, append: Append) -> Appended:
        """Write one decision, seen."""
        events = sum(len(change.entries) for change in append.changes)
        kinds = sorted({kind_of(change.stream_id) for change in append.changes})
        with self._tracing.step("append", {"yewu.events": events, "yewu.kinds": kinds}) as span:
            self._appends[append.command_id] = span
            try:
                done = await super().append(append)
            finally:
                self._appends.pop(append.command_id, None)
            if not done.repeated:
                self._tracing.recorded(append.command_id, done)
            return done

    async def _commit(self, batch: list[Any]) -> None:
        ids = (waiting.packed.append.command_id for waiting in batch)
        spans = [span for command_id in ids if (span := self._appends.get(command_id)) is not None]
        links = [Link(span.get_span_context()) for span in spans]
        with self._tracing.step(
            "commit", {"yewu.appends": len(batch)}, context=Context(), kind=SpanKind.CLIENT, links=links
        ) as commit:
            for span in spans:
                span.add_link(commit.get_span_context())
            await super()._commit(batch)


class TracedFollower(Follower):
    """A span for each batch, and one in the trace of each command of which events are in it."""

    def __init__(self, tracing: Tracing, db: psycopg.Connection[Any], model: ReadModel) -> None:
        super().__init__(db, model)
        self._tracing = tracing

    def _fold(self, lines: list[Line], start: int, until: int) -> None:
        with self._tracing.batch(lines, start, until):
            super()._fold(lines, start, until)

    def _save(self, start: int, until: int, made: Rows, gone: Rows) -> None:
        rows = {"yewu.rows": sum(map(len, made.values())), "yewu.ended": sum(map(len, gone.values()))}
        with self._tracing.step("save", rows, kind=SpanKind.CLIENT):
            super()._save(start, until, made, gone)
