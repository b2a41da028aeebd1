"""Is it alive, is it ready, and how is it doing?"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec
import psycopg
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from psycopg_pool import PoolTimeout
from starlette.routing import Route

from infra.read_model.schema import MOST_SILENT
from infra.reading import Place
from infra.roles import UNSAFE
from infra.settings import Settings
from services.http.wire import Endpoint, Reply, Request
from services.lags import RELAY_STATES, Lag, RelayStatus, lags, relays
from services.runtime import Runtime

MOST_BEHIND = 10_000


def health_routes(runtime: Runtime, settings: Settings) -> Iterator[Route]:
    """GET /live, /ready and /metrics; the only routes that ask nobody who they are."""
    health = Health(runtime)
    for name, answer in (("live", health.live), ("ready", health.ready), ("metrics", health.metrics)):
        yield Route(f"/{name}", Endpoint(answer, settings.request_seconds), methods=["GET"], name=f"health.{name}")


class Health:
    """What can be seen of one process from outside."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._registry = CollectorRegistry()
        self._gauges = _Gauges(runtime)
        self._registry.register(self._gauges)

    async def live(self, _request: Request) -> Reply:
        """The process answers."""
        return Reply(200, b'{"live":true}')

    async def ready(self, _request: Request) -> Reply:
        """It can take commands: the database answers, its settings are safe, the read model of this code is near."""
        problems: list[str] = []
        place: Place | None = None
        publishing: list[RelayStatus] = []
        head: int | None = None
        schema = self._runtime.model.schema
        try:
            head = await self._runtime.reader.head()
            place = await self._runtime.rows.place()
            publishing = await relays(self._runtime)
            problems += [f"PostgreSQL runs with {name} off" for name in await self._unsafe()]
            first = await self._runtime.reader.between(1, 1)
            problems += await self._runtime.sealer.problems(first[0].data if first else b"")
            if place is None:
                problems.append(await self._why_missing())
            elif place.silence > MOST_SILENT:
                problems.append(f"nobody keeps the read model {schema} level: start a projector of this version")
            elif head - place.position > MOST_BEHIND:
                problems.append(f"the read model is rebuilding: {100 * place.position // head} %")
        except (psycopg.Error, PoolTimeout):
            problems.append("the database does not answer")
        body = {
            "ready": not problems,
            "problems": problems,
            "head": head,
            "position": place and place.position,
            "lag_seconds": place and place.lag_seconds,
            "parked": place and place.parked,
            "schema": schema,
            "relays": publishing,
        }
        return Reply(503 if problems else 200, msgspec.json.encode(body))

    async def metrics(self, _request: Request) -> Reply:
        """Counters and gauges in the Prometheus text format."""
        self._gauges.lags = await lags(self._runtime)
        try:
            self._gauges.relays = await relays(self._runtime)
        except (psycopg.Error, PoolTimeout):
            self._gauges.relays = []
        return Reply(200, generate_latest(self._registry), type=CONTENT_TYPE_LATEST)

    async def _why_missing(self) -> str:
        """The read model of this code is not there: is it being built?"""
        schema = self._runtime.model.schema
        async with self._runtime.pool.connection() as db:
            cursor = await db.execute("SELECT done, goal FROM yewu.rebuild WHERE schema_name = %s", (schema,))
            found = await cursor.fetchone()
        if found is None:
            return f"nobody builds the read model {schema}: start a projector of this version"
        done, goal = found
        return f"the read model is rebuilding: {100 * done // max(goal, 1)} %"

    async def _unsafe(self) -> list[str]:
        async with self._runtime.pool.connection() as db:
            cursor = await db.execute(UNSAFE)
            return [name for (name,) in await cursor.fetchall()]


class _Gauges(Collector):
    def __init__(self, runtime: Runtime) -> None:
        self._runtime, self._began = runtime, time.monotonic()
        self.lags: Mapping[str, Lag] = {}
        self.relays: Sequence[RelayStatus] = ()
        """When last looked at."""

    def collect(self) -> Iterator[Metric]:
        runtime = self._runtime
        yield GaugeMetricFamily("yewu_up_seconds", "How long this process runs.", time.monotonic() - self._began)
        yield CounterMetricFamily("yewu_appended_events", "Events this process wrote.", runtime.writer.events)
        yield CounterMetricFamily("yewu_append_batches", "Commits they went in.", runtime.writer.batches)
        yield from runtime.writer.commit_seconds.collect()
        yield from runtime.writer.refused.collect()
        yield from _lag_gauges(self.lags)
        yield _relay_gauge(self.relays)
        yield GaugeMetricFamily("yewu_log_position", "As far as this process knows.", runtime.writer.memory.known)
        yield GaugeMetricFamily("yewu_reference_position", "Of reference data.", runtime.reference.current.position)
        yield CounterMetricFamily("yewu_state_hits", "States that were remembered.", runtime.states.hits)
        yield CounterMetricFamily("yewu_state_loads", "States that were read.", runtime.states.loads)
        yield CounterMetricFamily("yewu_fact_hits", "Facts that were remembered.", runtime.facts.hits)
        yield CounterMetricFamily("yewu_fact_reads", "Facts that were read.", runtime.facts.reads)


def _relay_gauge(relays: Sequence[RelayStatus]) -> Metric:
    """Of each state a series, under the same name whichever process it is, so that an alert can be made of it."""
    states = GaugeMetricFamily("yewu_relay_state", "How many relays are in it.", labels=["state"])
    counted = Counter(relay.state for relay in relays)
    for state in RELAY_STATES:
        states.add_metric([state], counted[state])
    return states


def _lag_gauges(lags: Mapping[str, Lag]) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("yewu_lag_waiting", "Events, or else tasks, not done yet.", labels=["reader"])
    seconds = GaugeMetricFamily("yewu_lag_seconds", "How long the first of them waits.", labels=["reader"])
    silence = GaugeMetricFamily("yewu_silence_seconds", "Since the last sign of life.", labels=["reader"])
    for name, lag in lags.items():
        waiting.add_metric([name], lag.waiting)
        if lag.seconds is not None:
            seconds.add_metric([name], lag.seconds)
        if lag.silence is not None:
            silence.add_metric([name], lag.silence)
    yield from (waiting, seconds, silence)
