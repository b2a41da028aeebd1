"""A command over HTTP with everything on, against an endpoint that only validates and against the stock library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from benchmarks.children import Child, answer_of, serving
from benchmarks.desk import Desk, runtime_of, set_up
from benchmarks.harness import Bench, Measured, Missing, Round, figures, loop, take_turns, times
from benchmarks.load import KEY, Load, Served
from benchmarks.rivals import EMPTY, STOCK
from benchmarks.sample import RECEIVED
from benchmarks.server import as_role
from infra.child import free_port
from infra.roles import DatabaseRole
from infra.settings import Settings
from services.http.development_issuer import DevelopmentIssuer

CONNECTIONS = 64


def measure(bench: Bench) -> Measured:
    """64 connections receive complaints: token, actor, guard and a new idempotency key each time; one process each."""
    with bench.server.database() as conninfo, ExitStack() as stack:
        desk, token = found_desk(conninfo, bench.folder)
        load = Load(0, "/complaints", _headers(token), _body(desk), CONNECTIONS, bench.size.seconds)
        api, port = stack.enter_context(api_process(conninfo, bench.folder))
        contestants = {"command over HTTP": _round(load, port)}
        for name, words in ((EMPTY, "empty endpoint over HTTP"), (STOCK, "stock library over HTTP")):
            port = free_port()
            stack.enter_context(serving(port, "benchmarks.rivals", name, str(port), DATABASE_URL=conninfo))
            contestants[words] = _round(load, port)
        for contestant in contestants.values():
            contestant()  # nobody is measured cold
        rounds = take_turns(bench.size.rounds, contestants)
        memory = {"API": api.memory()}
    ours, nothing, stock = rounds.values()
    return Measured(
        {"http_vs_empty": times(ours, nothing), "http_vs_stock": times(ours, stock)}, figures(rounds), memory
    )


def found_desk(conninfo: str, home: Path) -> tuple[Desk, str]:
    """A founded department, and the token of its clerk."""
    runtime = runtime_of(conninfo, home)

    async def found() -> Desk:
        async with runtime.running():
            return await set_up(runtime)

    with loop() as runner:
        desk = runner.run(found())
    settings = Settings.read({"YEWU_HOME": str(home)})
    return desk, DevelopmentIssuer(home, settings).token(desk.clerk)


@contextmanager
def api_process(conninfo: str, home: Path) -> Iterator[tuple[Child, int]]:
    """Our API as `yewu serve` runs it, and its port."""
    port = free_port()
    environment = {
        "DATABASE_URL": as_role(conninfo, DatabaseRole.APP), "YEWU_HOME": str(home), "YEWU_PORT": str(port),
        "YEWU_DEVELOPMENT_ISSUER": "on",
    }  # fmt: skip
    with serving(port, "services.cli", "serve", **environment) as api:
        yield api, port


def _round(load: Load, port: int) -> Round:
    def run() -> float:
        told = msgspec.json.encode(replace(load, port=port))
        served = msgspec.json.decode(answer_of("benchmarks.load", told=told), type=Served)
        if served.failed:
            raise Missing(f"Requests that should succeed failed: {served.failed}.")
        return served.rate

    return run


def _headers(token: str) -> Mapping[str, str]:
    return {
        "authorization": f"Bearer {token}",
        "content-type": "application/json",
        "accept-language": "zh",
        "idempotency-key": KEY.decode(),
    }


def _body(desk: Desk) -> str:
    body: dict[str, Any] = {**msgspec.to_builtins(RECEIVED), "customer_id": desk.customer}
    return msgspec.json.encode(body).decode()
