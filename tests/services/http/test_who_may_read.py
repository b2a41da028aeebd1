"""Every address that is read, by every role, of one's own, of one's own area and of others: as the table has it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from aggregates.actor import Role
from aggregates.event import Event, events_of
from aggregates.readers import NOBODY
from infra.settings import Settings
from services.catalogue import KERNEL_EVENTS
from services.composition import AGGREGATES
from services.http.access import VIEW_OF, own_readers_of
from services.who_may_read import OPEN, readings, restricted_events
from tests.conftest import new_database
from tests.files import PDF
from tests.services.http.access_table import READS, RESTRICTED, Reads
from tests.services.http.scenarios import things
from tests.services.http.scenes.customers import seller
from tests.services.http.scenes.legal import consultation
from tests.services.running import Yewu, at_rest, done, running, wait_until

ROLES: list[Role] = [role for role in Role if role not in {Role.SERVICE, Role.CLOCK}]
LISTS = {
    "complaints": "complaint_id",
    "customers": "customer_id",
    "consultations": "consultation_id",
    "opportunities": "opportunity_id",
    "credits": "customer_id",
}
OF_MANY = {
    "/customers/funnel", "/customers/outreach", "/customers/contacts", "/customers/contacts/difference",
    "/customers/duplicates", "/opportunities/stages", "/opportunities/time-in-stage",
    "/opportunities/results", "/opportunities/forecasts",
}  # fmt: skip
"""Lists whose lines are not of one thing each."""

KIND_OF_LIST = {
    "complaints": "complaint",
    "customers": "customer",
    "employees": "employee",
    "opportunities": "opportunity",
    "credits": "customer with credit",
    "recordclasses": "recordclass",
}
FIXED = {
    "parameter": "parameter-P-05",
    "calendar": "calendar-2026",
    "department": "department",
    "parking": "parking",
    "regulation": "3.3.2-a",
}
SEEN, NOT_SEEN, REFUSED = "seen", "not seen", "refused"


class World:
    """One of each role, and for each of them something of their own, of their area, and of others."""

    def __init__(self, yewu: Yewu) -> None:
        self.yewu = yewu
        self.clerk = yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE, name="Clerk"))
        self.lead = yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE_LEAD, name="Lead"))
        done(yewu.manager.post("/department/establish-unit",
                               json={"unit": "elsewhere", "name": "Elsewhere", "parent": "department"}))  # fmt: skip
        self.people = {
            role: yewu.customer("Mine") if role is Role.CUSTOMER else yewu.appointed(role, name=role) for role in ROLES
        }
        self.clients = {role: yewu.as_(person) for role, person in self.people.items()}
        customer, employee = yewu.customer("Theirs"), yewu.employee("Somebody")
        self.of_others = {
            **things(yewu),
            "complaint": self.complaint(customer, "elsewhere"), "customer": customer, "employee": employee, **FIXED,
        }  # fmt: skip
        self.of_others["customer with credit"] = self.of_others["credit"].removeprefix("credit-")
        self.of_the_area = {"complaint": self.complaint(customer, "customer-service")}
        self.own = {role: self._own(role, person) for role, person in self.people.items()}
        self.of_others["any other"] = self.refusals()
        self.of_others["content"] = done(yewu.manager.post("/contents", content=PDF))["content"]
        self.level()

    def refusals(self) -> str:
        """The stream of what somebody tried in vain."""
        assert self.clients[Role.LEGAL].post("/employees", json={"name": "New"}).status_code == 403
        wait_until(lambda: self.events("CommandRefused"))
        return str(self.events("CommandRefused")[0]["subject"])

    def events(self, type_: str) -> list[dict[str, Any]]:
        """All events of a type, as the manager sees them."""
        items: list[dict[str, Any]] = done(self.yewu.manager.get("/events", params={"type": type_}))["items"]
        return items

    def level(self) -> None:
        """Wait until the read model knows all that has happened."""
        head = done(self.yewu.manager.get("/events?limit=1"))["head"]
        wait_until(lambda: self.yewu.as_(None).get("/ready").json()["position"] >= head)

    def complaint(self, customer_id: str, unit: str, handler_id: str | None = None) -> str:
        """A complaint that one unit is asked about; on the desk of somebody who is of another."""
        body = {"customer_id": customer_id, "channel": "phone", "facts": "Cold", "remedy_sought": "Warm"}
        complaint_id = str(done(self.clerk.post("/complaints", json=body))["id"])
        assessed = {"category": "quality", "severity": "S2", "safety_or_legal": False, "complexity": "simple"}
        acts: list[tuple[str, dict[str, object]]] = [("assess", assessed)]
        if handler_id is not None:
            acts += [("assign-department", {"unit": "customer-service"}), ("assign", {"handler_id": handler_id})]
        for act, sent in [*acts, ("assign-department", {"unit": unit})]:
            done(self.clerk.post(f"/complaints/{complaint_id}/{act}", json=sent))
        return complaint_id

    def _own(self, role: Role, person: str) -> dict[str, str]:
        if role is Role.CUSTOMER:
            return {"complaint": self.complaint(person, "elsewhere"), "customer": person}
        if role is Role.MANAGER:  # who reads everything, and is of no unit whose desk this could be
            return {**self.of_others, "employee": person}
        customer = self.yewu.customer("Cared for")
        for_a_while = {"employee_id": person, "role": "BD", "unit": "elsewhere"}  # only they are given customers
        done(self.yewu.manager.post("/department/appoint", json=for_a_while))
        done(self.yewu.manager.post(f"/customers/{customer}/assign-owner", json={"owner_id": person}))
        sold = {"customer_id": customer, "owner_id": person}
        opportunity_id = done(seller(self.yewu).post("/opportunities", json=sold))["id"]
        done(self.yewu.manager.post("/department/end-role", json=for_a_while))
        return {
            "complaint": self.complaint(customer, "elsewhere", person),
            "customer": customer,
            "customer with credit": customer,
            "opportunity": opportunity_id,
            "employee": person,
            "consultation": consultation(self.yewu, person),
        }


@pytest.fixture(scope="module")
def world(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    for database in new_database(postgres):
        with running(database, Path(tmp_path_factory.mktemp("home"))) as yewu:
            yield World(yewu)


def answer(world: World, role: Role | None, route: str, thing: str) -> str:
    """Whether somebody sees a thing at an address: is it refused, or at least not among what is listed?"""
    client = world.yewu.as_(None) if role is None else world.clients[role]
    response = ask(client, route, thing)
    if response.status_code in {401, 403}:
        return REFUSED
    if response.status_code == 404 and thing == FIXED["parking"]:
        return SEEN  # nothing has ever been skipped: whoever may read that is told so
    if response.status_code == 400 and route == "/what-if":
        return SEEN  # whoever may ask is told that there is nothing to ask
    assert response.status_code == 200, response.text
    key = LISTS.get(route.split("/")[1])
    if key is None or "{" in route or route in OF_MANY:
        return SEEN
    found = [row.get(key) or row["key"][key] for row in response.json()["items"]] if "items" in response.json() else []
    return SEEN if thing in found or route.endswith("figures") else NOT_SEEN


def ask(client: httpx.Client, route: str, thing: str) -> httpx.Response:
    if route.endswith("server-sent events"):
        with client.stream("GET", "/events", headers={"Accept": "text/event-stream"}) as response:
            if not response.is_success:
                response.read()
            return response
    path = "/".join(thing if part.startswith("{") else part for part in route.split("/"))
    query: dict[str, Any] = {"from_as_of": "2020-01-31"} if route.endswith("/difference") else {}
    if route == "/opportunities/forecasts":
        query["made_by"] = "2026-01-31"
    elif route.strip("/") in LISTS or query:
        query["limit"] = 1000
    while (response := client.get(path, params=query)).status_code == 202:
        time.sleep(0.05)
    return response


def kind_at(route: str) -> str:
    """What kind of thing an address is about."""
    first, *rest = route.strip("/").split("/")
    return rest[0].strip("{}") if first in {"streams", "about"} else KIND_OF_LIST.get(first, first.rstrip("s"))


def expected(reads: Reads, role: Role, relation: str, *, listed: bool) -> str:
    """What the table says of one cell."""
    everything, own_area, own = (part.split() for part in reads)
    allowed = {"other": everything, "area": everything + own_area, "own": everything + own}[relation]
    if role in allowed:
        return SEEN
    return NOT_SEEN if listed and role in own_area + own else REFUSED


def test_the_table_has_every_address_that_is_read(database: str, tmp_path: Path) -> None:
    assert set(READS) == {route for route, _ in readings()}
    with at_rest(database, Settings.read({"YEWU_HOME": str(tmp_path), "YEWU_DEVELOPMENT_ISSUER": "on"})) as app:
        routes = app.router.routes
    served = {route.path for route in routes if isinstance(route, Route) and "GET" in (route.methods or ())}
    listed = {"/events" if "/events" in r else r for r in READS if not r.startswith(("/streams", "/about"))}
    assert served == listed | set(OPEN) | {"/streams/{id}", "/about/{id}"}


@pytest.mark.parametrize("route", READS)
def test_whoever_may_reads_and_nobody_else(world: World, route: str) -> None:
    reads, kind = READS[route], kind_at(route)
    listed = "{" not in route
    wrong = []
    for role in ROLES:
        things = {"other": world.of_others.get(kind), "own": world.own[role].get(kind)}
        things["area"] = None if role is Role.CUSTOMER else world.of_the_area.get(kind)
        for relation, thing in things.items():
            if thing is None and relation != "other":
                continue
            got = answer(world, role, route, thing or "")
            if got != (want := expected(reads, role, relation, listed=listed)):
                wrong.append(f"{role}, {relation}: {got}, not {want}")
    assert wrong == []
    assert answer(world, None, route, world.of_others.get(kind, "")) == REFUSED


def test_what_is_not_there_is_refused_in_the_same_words_as_what_is_anothers(world: World) -> None:
    for role, path in ((Role.CUSTOMER, "/complaints/{}"), (Role.LEGAL, "/complaints/{}"), (Role.LEGAL, "/streams/{}"),
                       (Role.LEGAL, "/about/{}"), (Role.CUSTOMER, "/complaints/{}?as_of=2026-01-01")):  # fmt: skip
        there = world.clients[role].get(path.format(world.of_others["complaint"]))
        not_there = world.clients[role].get(path.format("complaint-nothing"))
        assert (there.status_code, there.content) == (not_there.status_code, not_there.content) == (403, there.content)
    assert world.clients[Role.AUDITOR].get("/complaints/complaint-nothing").status_code == 404


def test_of_a_day_in_the_past_too_everybody_sees_only_what_they_may(world: World) -> None:
    day = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    for role in (Role.LEGAL, Role.CUSTOMER):
        client, own = world.clients[role], world.own[role]["complaint"]
        seen = {row["complaint_id"] for row in done(ask(client, f"/complaints?known_at={day}", ""))["items"]}
        assert own in seen
        assert world.of_others["complaint"] not in seen
        assert client.get(f"/complaints/{own}?known_at={day}").status_code == 200
        assert client.get(f"/complaints/{world.of_others['complaint']}?known_at={day}").status_code == 403


def test_pages_of_what_somebody_may_see_are_full(world: World) -> None:
    client = world.clients[Role.LEGAL]
    whole = [row["complaint_id"] for row in done(client.get("/complaints?limit=1000"))["items"]]
    paged: list[str] = []
    cursor = ""
    while True:
        page = done(client.get("/complaints?limit=1" + cursor))
        paged += [row["complaint_id"] for row in page["items"]]
        assert len(page["items"]) == 1
        if page["next"] is None:
            break
        cursor = "&cursor=" + page["next"]
    assert paged == whole
    assert len(whole) >= 2


def test_a_deputy_reads_the_cases_of_the_areas_assigned(world: World) -> None:
    deputy = world.yewu.appointed(Role.DEPUTY, unit="department", name="Deputy")
    case = f"/complaints/{world.of_others['complaint']}"
    assert world.yewu.as_(deputy).get(case).status_code == 403
    assigned = {"employee_id": deputy, "area": "elsewhere"}
    done(world.yewu.manager.post("/department/assign-area", json=assigned))
    assert world.yewu.as_(deputy).get(case).status_code == 200
    done(world.yewu.manager.post("/department/withdraw-area", json=assigned))
    assert world.yewu.as_(deputy).get(case).status_code == 403


def test_what_others_did_meanwhile_is_told_only_to_those_who_read_the_history(world: World) -> None:
    body, case = {"reason": "Never mind"}, f"/complaints/{world.of_others['complaint']}/withdraw"
    of_customer = world.clients[Role.CUSTOMER].post(case, json=body, headers={"If-Match": '"99"'})
    of_clerk = world.clerk.post(case, json=body, headers={"If-Match": '"1"'})
    assert (of_customer.status_code, of_customer.json()["changed"]) == (412, [])
    assert of_clerk.status_code == 412
    assert [event["type"] for event in of_clerk.json()["changed"]] == [
        "ComplaintAssessed", "ResponsibleDepartmentAssigned",
    ]  # fmt: skip


def test_every_event_is_placed() -> None:
    listed = [*KERNEL_EVENTS, *(event for kind in AGGREGATES for event in events_of(kind.aggregate))]
    assert [event.__name__ for event in listed if own_readers_of(event.__name__) is NOBODY] == []
    assert [kind.name for kind in AGGREGATES if not kind.readers.roles] == []
    of_kinds = {kind.name for kind in AGGREGATES if kind.readers.own or kind.readers.own_area}
    assert [kind for kind in of_kinds if kind not in VIEW_OF or not VIEW_OF[kind].row.of_person] == []


def test_an_event_that_nobody_placed_is_read_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    assert own_readers_of("EventOfALaterVersion") is NOBODY
    monkeypatch.setitem(Event.known, "NeverPlaced", type("NeverPlaced", (Event,), {}))
    assert own_readers_of("NeverPlaced") is NOBODY


def test_fewer_read_the_events_that_name_readers_of_their_own() -> None:
    assert {event.__name__: set(event.readers.roles) for event in restricted_events() if event.readers} == {
        name: set(map(Role, roles.split())) for name, roles in RESTRICTED.items()
    }
