"""A whole Yewu inside the test process: API on a free port, projector and builder beside it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import uvicorn
from fastapi import FastAPI
from msgspec.structs import replace
from starlette.types import ASGIApp

from aggregates.actor import Role
from aggregates.event import Event
from infra.child import free_port
from infra.codec import Codec
from infra.contents import contents_of
from infra.read_model.as_of import AsOfBuilder
from infra.read_model.follower import Follower
from infra.read_model.projector import Projector
from infra.roles import DatabaseRole
from infra.settings import Settings
from infra.tracing import Tracing
from services.cli.client import WITHOUT_TLS
from services.composition import read_model
from services.founding import Foundation
from services.http.app import create_app
from services.http.development_issuer import DevelopmentIssuer
from services.http.joined import JoinedHttp
from services.http.traced import Traced
from services.keys import sealing_of
from services.runtime import Runtime
from services.up import found_now
from tests.logins import as_role


def wait_until(true: Callable[[], object], seconds: float = 15) -> None:
    """Look again and again until something is so; AssertionError if it never is."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        time.sleep(0.01)


class Yewu:
    """What a test does with a running Yewu."""

    def __init__(self, address: str, issuer: DevelopmentIssuer, manager_id: str, database: str, home: Path) -> None:
        self.address, self.issuer, self.manager_id, self.home = address, issuer, manager_id, home
        self.database = database
        """Its address for whoever looks at it with all rights."""
        self._clients: dict[str, httpx.Client] = {}

    def as_(self, subject: str | None, **headers: str) -> httpx.Client:
        """A caller with a token for somebody; without one for None."""
        token = {} if subject is None else {"Authorization": f"Bearer {self.issuer.token(subject)}"}
        client = httpx.Client(base_url=self.address, headers=token | headers, timeout=30, verify=WITHOUT_TLS)
        self._clients[str(uuid4())] = client
        return client

    @property
    def manager(self) -> httpx.Client:
        """The founder."""
        if "manager" not in self._clients:
            self._clients["manager"] = self.as_(self.manager_id)
        return self._clients["manager"]

    def employee(self, name: str = "Anna") -> str:
        """Somebody new, without any office."""
        return str(done(self.manager.post("/employees", json={"name": name}))["id"])

    def appointed(self, role: Role, unit: str = "customer-service", name: str = "Anna") -> str:
        """Somebody new in an office."""
        if role is Role.MANAGER:
            return self.manager_id
        employee_id = self.employee(name)
        body = {"employee_id": employee_id, "role": role, "unit": unit}
        done(self.manager.post("/department/appoint", json=body))
        return employee_id

    def customer(self, name: str = "Acme") -> str:
        """A customer on file."""
        clerk = self.as_(self.appointed(Role.CUSTOMER_SERVICE))
        return str(done(clerk.post("/customers", json={"name": name, "source": "fair"}))["id"])

    def file(self) -> str:
        """The hash of a file that is kept here, and that nobody else has named."""
        return str(done(self.manager.post("/contents", content=f"%PDF-1.7\n% {uuid4()}".encode()))["content"])

    def complaint(self, customer_id: str | None = None) -> str:
        """A complaint just received, with facts and what is asked for."""
        clerk = self.as_(self.appointed(Role.CUSTOMER_SERVICE))
        body = {
            "customer_id": customer_id or self.customer(),
            "channel": "phone",
            "facts": "The boiler is cold",
            "remedy_sought": "A warm one",
        }
        return str(done(clerk.post("/complaints", json=body))["id"])

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


def done(response: httpx.Response) -> Any:
    """The answer of a call that must have succeeded."""
    assert response.is_success, f"{response.status_code}: {response.text}"
    return response.json()


@contextmanager
def at_rest(database: str, settings: Settings) -> Iterator[FastAPI]:
    """The application alone: its machinery is never started."""
    with sealing_of(settings) as sealer:
        yield create_app(database, settings, Runtime(database, settings.zone, sealer, contents=contents_of(settings)))


@contextmanager
def running(
    database: str,
    home: Path,
    manager: str = "Max",
    *,
    manager_id: str | None = None,
    serving: Tracing | None = None,
    projecting: Tracing | None = None,
    **settings: object,
) -> Iterator[Yewu]:
    """Yewu around a migrated database until the end of the block, each part as its own role.

    Unless somebody is named who manages it already, the department is founded. Spans go where they are told to.
    """
    application, projector = as_role(database, DatabaseRole.APP), as_role(database, DatabaseRole.PROJECTOR)
    port = free_port()
    all_settings = replace(
        Settings.read({"YEWU_HOME": str(home), "YEWU_DEVELOPMENT_ISSUER": "on", "YEWU_PORT": str(port)}),
        **settings,
    )
    stop, follows = threading.Event(), threading.Event()
    model = read_model(Codec(Event.known.values()))
    make_follower = Follower if projecting is None else projecting.follower

    def follower(*told: Any) -> Follower:
        follows.set()
        return make_follower(*told)

    threads = [
        threading.Thread(target=Projector(projector, model, follower=follower).run, args=(stop,), name="projector"),
        threading.Thread(
            target=AsOfBuilder(projector, model, zone=all_settings.zone).run, args=(stop,), name="builder"
        ),
    ]
    if manager_id is None:
        with sealing_of(all_settings) as sealer:
            manager_id = found_now(application, Foundation(manager=manager), sealer)
    app: ASGIApp = create_app(application, all_settings, tracing=serving)
    if serving is not None:
        app = Traced(app, serving)
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, http=JoinedHttp, log_config=None, timeout_graceful_shutdown=1)
    )
    threads.append(threading.Thread(target=server.run, name="api"))
    for thread in threads:
        thread.start()
    yewu = Yewu(f"http://127.0.0.1:{port}", DevelopmentIssuer(home, all_settings), manager_id, database, home)
    try:
        wait_until(lambda: _ready(yewu.address))
        wait_until(follows.is_set)  # from here on the projector says nothing more about how it built the schema
        yield yewu
    finally:
        yewu.close()
        server.should_exit = True
        stop.set()
        for thread in threads:
            thread.join(20)


def _ready(address: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(address + "/ready", verify=WITHOUT_TLS).is_success
    return False
