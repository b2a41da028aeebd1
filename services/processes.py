"""What each process of a running Yewu does: the API, the projector, the builder, the policies, the relay."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, NoReturn

import psycopg
import structlog

from aggregates.event import Event
from infra.codec import Codec
from infra.read_model.as_of import AsOfBuilder
from infra.read_model.engine import TRAIL
from infra.read_model.follower import Follower
from infra.read_model.projector import Projector
from infra.read_model.rebuild import Progress
from infra.read_model.rebuild import build as build_schema
from infra.settings import Settings
from services.composition import read_model, topics

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from infra.tracing import Tracing

LEASH = "YEWU_LEASH"
"""The file descriptor of a pipe whose other end the supervisor holds: when it closes, the supervisor has died."""

SELDOM = (20_000, 50, 100)
"""After so many new objects garbage is collected: of the young, the older and all."""

SECONDS_TO_FINISH = 3
NO_KAFKA = "There is no Kafka: set KAFKA_BOOTSTRAP_SERVERS to its address, or start one with `make kafka`."


class CannotRun(Exception):
    """Yewu cannot run here; the sentence says why and what to do."""


def require_issuer(settings: Settings) -> None:
    """CannotRun if there is nobody whose tokens could be believed."""
    if settings.jwks_url is None and not settings.development_issuer:
        raise CannotRun("Nobody could sign in: set YEWU_JWKS_URL to the address of your issuer's keys.")


def serve(conninfo: str, settings: Settings) -> None:
    """Answer HTTP until told to stop. CannotRun without an issuer of tokens."""
    import uvicorn

    from services.http.app import create_app  # only now: nobody else who comes by here needs the whole of HTTP
    from services.http.joined import JoinedHttp

    require_issuer(settings)
    _prepare()
    tracing = tracing_of("serve")
    app: ASGIApp = create_app(conninfo, settings, tracing=tracing)
    if tracing is not None:
        from services.http.traced import Traced

        app = Traced(app, tracing)
    _collect_seldom()
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=JoinedHttp,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # who is at this machine is a matter of the connection, not of what it claims
        timeout_graceful_shutdown=SECONDS_TO_FINISH,
        timeout_keep_alive=75,
        h11_max_incomplete_event_size=64 << 10,
    )
    server = uvicorn.Server(config)
    _on_leash(lambda: setattr(server, "should_exit", True))
    server.run()


def project(conninfo: str) -> None:
    """Keep the live schema of this code level with the log."""
    _prepare()
    stop = _stop_on_signal()
    model, tracing = read_model(Codec(Event.known.values())), tracing_of("project")
    _collect_seldom()
    Projector(conninfo, model, follower=Follower if tracing is None else tracing.follower).run(stop)


def project_from_kafka(conninfo: str) -> None:
    """The same as one of any number who share the work, from what the relay has published. CannotRun without Kafka, or
    with the topics of another log."""
    from infra.kafka.client import Cluster  # half a second that hardly any process needs
    from infra.kafka.ledger import Elsewhere
    from infra.kafka.projector import KafkaProjector
    from infra.kafka.watchdog import Watchdog

    cluster = Cluster.read()
    if cluster is None:
        raise CannotRun(NO_KAFKA)
    _prepare()
    stop = _stop_on_signal()
    model = read_model(Codec(Event.known.values()))
    _collect_seldom()
    try:
        watchdog = Watchdog("the projector")
        KafkaProjector(conninfo, model, cluster, topics(cluster.prefix), watchdog=watchdog).run(stop)
    except Elsewhere as error:
        raise CannotRun(str(error)) from error


def build(conninfo: str, zone: tzinfo) -> None:
    """Build the schemas of past days that people ask for; days end in this zone."""
    _prepare()
    stop = _stop_on_signal()
    model = read_model(Codec(Event.known.values()))
    _collect_seldom()
    AsOfBuilder(conninfo, model, zone=zone).run(stop)


def follow_policies(conninfo: str, settings: Settings) -> None:
    """Let happen what follows of itself: policies and the clock."""
    from services.policies.running import run

    _prepare()
    run(conninfo, settings, _stop_on_signal(), tracing_of("policies"))


def relay(conninfo: str) -> NoReturn:
    """Publish the log to Kafka until told to stop, or until there is any doubt: then somebody must start it again."""
    from infra.kafka.client import Cluster
    from services.relay import run

    cluster = Cluster.read()
    if cluster is None:
        raise CannotRun(NO_KAFKA)
    _prepare()
    os._exit(run(conninfo, cluster, topics(cluster.prefix), _stop_on_signal()))


def rebuild(conninfo: str, progress: Progress = lambda _done, _goal: None, *, without: Collection[str] = ()) -> int:
    """Build the live schema of this code anew and put it in the place of the one in use; the position it stands at.

    `without`: tables that are left out, for whoever measures what the others cost.
    """
    model = read_model(Codec(Event.known.values()))
    if without:
        model = model.only({TRAIL, *(table.name for table in model.tables)} - set(without))
    _collect_seldom()
    with (
        psycopg.connect(conninfo, autocommit=True) as reader,
        psycopg.connect(conninfo, autocommit=True) as writer,
    ):
        return build_schema(reader, writer, model, progress=progress)


def _collect_seldom() -> None:
    """Fewer, larger collections: requests and folds leave little behind, and a pause in the middle of one is felt."""
    gc.freeze()
    gc.set_threshold(*SELDOM)


def tracing_of(part: str) -> Tracing | None:
    """Where the spans of this process go, if the variables of OpenTelemetry name a collector. None costs nothing."""
    if not any(os.environ.get(f"OTEL_EXPORTER_OTLP_{which}ENDPOINT") for which in ("", "TRACES_")):
        return None
    from infra.tracing import Tracing

    return Tracing.exporting(part)


def _prepare() -> None:
    """Logs as JSON lines on standard error, without anything personal: ids, counts, names of types."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _stop_on_signal() -> threading.Event:
    stop = threading.Event()

    def handle(_signal: int, _frame: Any) -> None:
        stop.set()

    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, handle)
    _on_leash(stop.set)
    return stop


def _on_leash(stop: Callable[[], object]) -> None:
    """End with the supervisor, even if it is killed: gently first, then for good."""
    if (leash := os.environ.get(LEASH)) is None:
        return

    def wait() -> None:
        os.read(int(leash), 1)
        stop()
        threading.Event().wait(SECONDS_TO_FINISH + 2)
        os._exit(1)

    threading.Thread(target=wait, name="leash", daemon=True).start()
