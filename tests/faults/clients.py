"""Clients who work on complaints under load: they ask again until they are answered, and write down what was said."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import httpx

from aggregates.actor import Role
from infra.dispatcher import KEYS
from services.cli.client import WITHOUT_TLS
from tests.faults.company import Company

AGAIN = {408, 409, 500, 502, 503, 504}
"""After these a good client asks once more, under the same key."""

PATIENCE = 40


class Told(NamedTuple):
    """One acknowledged command: whose it was, under which id, and where its last event lies, as was said."""

    actor_id: str
    command_id: UUID
    stream_id: str
    version: int
    position: int
    events: tuple[str, ...]


class Client:
    """One clerk, who does one thing after the other and begins the next when the last is acknowledged."""

    def __init__(self, company: Company, actor_id: str, chance: Random) -> None:
        self.company, self.actor_id, self.chance, self.port = company, actor_id, chance, company.port
        self.told: list[Told] = []
        self.sent: set[UUID] = set()
        self.asked_again = 0
        self.refusals: set[int] = set()
        self._numbers, self._name = itertools.count(1), f"{chance.getrandbits(64):x}"
        self._http = httpx.Client(timeout=httpx.Timeout(15, connect=2), trust_env=False, verify=WITHOUT_TLS)
        self._token: str | None = None

    def give(self, path: str, body: Mapping[str, object], allowed: frozenset[int] = frozenset()) -> Any:
        """One command, again and again until it is answered. AssertionError for an answer that nobody expects."""
        key = f"{self._name}-{next(self._numbers)}"
        command_id = uuid5(KEYS, f"{self.actor_id}\n{key}")
        self.sent.add(command_id)
        answer = self._until_answered("POST", path, json=body, headers={"Idempotency-Key": key})
        if answer.status_code in allowed:
            return None
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        said = answer.json()
        if said["position"] is not None:
            where = (said["id"], said["version"], said["position"], tuple(said["events"]))
            self.told.append(Told(self.actor_id, command_id, *where))
        return said

    def try_(self, path: str, body: Mapping[str, object], key: str) -> httpx.Response:
        """One command, once; nobody tells the judge of it."""
        return self._http.post(self._address(path), json=body, **self._signed({"headers": {"Idempotency-Key": key}}))

    def ask(self, path: str, **query: str | int) -> httpx.Response:
        """One question, once."""
        return self._http.get(self._address(path), params=query, **self._signed({}))

    def work(self, enough: threading.Event, customer_id: str) -> None:
        """Complaints, one after the other, of which some are grave."""
        while not enough.is_set():
            received = {"customer_id": customer_id, "channel": "phone", "facts": "Cold", "remedy_sought": "Warm"}
            complaint_id = self.give("/complaints", received)["id"]
            severity = self.chance.choice(("S1", "S2", "S3"))
            grave = {"category": "quality", "severity": severity, "safety_or_legal": False, "complexity": "simple"}
            self.give(f"/complaints/{complaint_id}/assess", grave)
            for number in range(self.chance.randint(1, 4)):
                self.give(f"/complaints/{complaint_id}/record-details", {"facts": f"Cold for the {number}th day"})

    def close(self) -> None:
        self._http.close()

    def _until_answered(self, method: str, path: str, **request: Any) -> httpx.Response:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                answer = self._http.request(method, self._address(path), **self._signed(request))
                if answer.status_code == 401:
                    self._token = None
                elif answer.status_code not in AGAIN:
                    return answer
                self.refusals.add(answer.status_code)
                said = f"{answer.status_code} {answer.text}"
            except httpx.TransportError as error:
                said = repr(error)
            assert time.monotonic() < deadline, f"{path} is not answered: {said}"
            self.asked_again += 1
            time.sleep(0.05)

    def _signed(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._token is None:
            answer = self._http.post(self._address("/development/token"), json={"subject": self.actor_id})
            if not answer.is_success:
                raise httpx.TransportError(f"no token: {answer.status_code}")
            self._token = answer.json()["token"]
        return {**request, "headers": {**request.get("headers", {}), "Authorization": f"Bearer {self._token}"}}

    def _address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


class Load:
    """Some clients at work at once, and all that any client of this company was ever told."""

    def __init__(self, company: Company, seed: int, clients: int = 3) -> None:
        self.company, chance = company, Random(seed)
        manager = Client(company, company.manager, Random(chance.getrandbits(64)))
        self.clients = [manager]
        for number in range(clients):
            clerk = manager.give("/employees", {"name": f"Clerk {number}"})["id"]
            office = {"employee_id": clerk, "role": Role.CUSTOMER_SERVICE, "unit": "customer-service"}
            manager.give("/department/appoint", office)
            self.clients.append(Client(company, clerk, Random(chance.getrandbits(64))))
        self.customer_id = self.clients[1].give("/customers", {"name": "Acme", "source": "fair"})["id"]

    @property
    def told(self) -> int:
        """How many commands have been acknowledged."""
        return sum(len(client.told) for client in self.clients)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Everybody but the manager works until the end of the block; whatever went wrong for one is raised there."""
        enough, problems = threading.Event(), []

        def work(client: Client) -> None:
            try:
                client.work(enough, self.customer_id)
            except BaseException as problem:
                problems.append(problem)

        threads = [threading.Thread(target=work, args=(client,)) for client in self.clients[1:]]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            enough.set()
            for thread in threads:
                thread.join(PATIENCE + 20)
        if problems:
            raise problems[0]
        assert not any(thread.is_alive() for thread in threads), "a client is never answered"

    def go_on(self, commands: int) -> None:
        """Wait until so many more commands are acknowledged."""
        enough, deadline = self.told + commands, time.monotonic() + PATIENCE
        while self.told < enough:
            assert time.monotonic() < deadline, "nothing goes on"
            time.sleep(0.01)

    def close(self) -> None:
        for client in self.clients:
            client.close()
