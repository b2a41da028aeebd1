"""What people write is nowhere to be read but in the answers of those who may: searched for in everything we keep."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
import psycopg
import pytest

from aggregates.actor import Role
from aggregates.event import Event
from aggregates.people.employee import EmployeeRegistered
from aggregates.text import Personal
from infra import keyring
from infra.append import Append, Change, Entry
from infra.codec import Codec, encode
from infra.embedded import find_binaries
from infra.event_store import Writer
from infra.sealing import Plain
from infra.settings import Settings
from services.composition import COMMANDS
from services.importing import run_import
from services.keys import keys_of, sealing, sealing_of
from tests.conftest import new_database
from tests.services.running import Yewu, done, running, wait_until

PLANTED = "Zwetschgenknödel"
"""In every text that is sent, with a word of its own."""

CSV = (
    "case,when,whose,what,who,said\n1,2024-01-08 08:00,{planted} Inc,{planted} open,{planted} Gustav,{planted} leaks\n"
)
MAP = """
[source]
name = "book"
format = "csv"
zone = "UTC"

[case]
stream = "complaint"
column = "case"
time = "received"
person = "who"
keep = "all"

[times.received]
column = "when"
format = "%Y-%m-%d %H:%M"

[register.customer]
event = "CustomerRegistered"
fields.name = { label = true }
fields.source = { constant = "book" }

[register.employee]
event = "EmployeeRegistered"
fields.name = { label = true }

[[row]]
always = true

[[row.becomes]]
event = "ComplaintReceived"
fields.customer_id = { customer = "whose" }
fields.channel = { constant = "phone" }
fields.facts = { text = "said" }
"""


def planted(word: str) -> str:
    return f"{PLANTED} {word}"


class World(NamedTuple):
    """A Yewu in which something was said everywhere."""

    yewu: Yewu
    home: Path
    lead: httpx.Client
    clerk: httpx.Client
    customer_id: str
    complaint_id: str
    person_id: str


@pytest.fixture(scope="module")
def world(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("home")
    for database in new_database(postgres):
        with running(database, home, manager=planted("Max")) as yewu:
            yield filled(yewu, home)


def filled(yewu: Yewu, home: Path) -> World:
    """Everything that takes words has been given some."""
    clerk = yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE, name=planted("Anna")))
    lead = yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE_LEAD, name=planted("Lena")))
    person_id = yewu.appointed(Role.MEMBER, name=planted("Ben Wu"))
    done(yewu.manager.post(f"/employees/{person_id}/change-details", json={"email": planted("ben@home")}))
    customer_id = done(clerk.post("/customers", json={"name": planted("Acme"), "source": "fair"}))["id"]
    contact = {"name": planted("Carl"), "phone": planted("555"), "email": planted("carl@acme")}
    done(clerk.post(f"/customers/{customer_id}/add-contact", json=contact))
    sent = {"customer_id": customer_id, "channel": "phone", "facts": planted("cold"), "remedy_sought": planted("warm")}
    complaint_id = done(clerk.post("/complaints", json=sent))["id"]
    told = {"channel": "phone", "wording": planted("received"), "at": "2026-01-05T09:00:00Z", "reason": planted("late")}
    assert lead.post(f"/complaints/{complaint_id}/acknowledge", json=told).is_client_error
    told = {"channel": "phone", "wording": planted("received"), "reason": planted("forgotten")}
    done(clerk.post(f"/complaints/{complaint_id}/acknowledge", json=told))
    refused = clerk.post(f"/complaints/{complaint_id}/close", json={"lessons": planted("none")})
    assert refused.status_code == 422
    brought_in(yewu, home)
    return World(yewu, home, lead, clerk, customer_id, complaint_id, person_id)


def brought_in(yewu: Yewu, home: Path) -> None:
    """A file with words in every column is imported."""
    (home / "book.csv").write_text(CSV.format(planted=PLANTED))
    (home / "book.toml").write_text(MAP)
    with sealing_of(Settings.read({"YEWU_HOME": str(home)})) as sealer:
        report = run_import(yewu.database, str(home / "book.csv"), home / "book.toml", sealer)
    assert (report.recorded, report.rejected) == (1, 0)


def dumped(database: str) -> bytes:
    """All that a backup of the database holds."""
    dump = [str(find_binaries() / "pg_dump"), "--dbname", database]
    return subprocess.run(dump, check=True, capture_output=True).stdout


def log_bytes(database: str) -> bytes:
    with psycopg.connect(database) as db:
        return b"\n".join(b for row in db.execute("SELECT data, meta FROM yewu.log ORDER BY position") for b in row)


def test_nothing_that_was_written_lies_open_anywhere(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    wait_until(lambda: len(world.clerk.get("/complaints").json()["items"]) == 2)
    wait_until(lambda: b"CommandRefused" in dumped(world.yewu.database))
    world.clerk.post("/complaints", json={"facts": planted("nonsense"), "channel": 7})
    kept = {
        "log": log_bytes(world.yewu.database),
        "dump": dumped(world.yewu.database),
        "metrics": httpx.get(world.yewu.address + "/metrics").content,
        "feed": world.yewu.manager.get("/events", params={"limit": 1000}).content,
        "keys": b"".join(path.read_bytes() for path in world.home.glob("keys.sqlite*")),
        "logs": "".join(capfd.readouterr()).encode(),
    }
    word = PLANTED.partition("ö")[0].encode()
    assert [name for name, found in kept.items() if word in found] == []
    assert b"~s1" in kept["dump"]
    assert b"complaint_row" in kept["dump"]


def test_the_plant_would_be_found(world: World) -> None:
    with psycopg.connect(world.yewu.database) as db:
        db.execute("CREATE TABLE public.leak AS SELECT %s AS said", (PLANTED,))
        db.commit()
        assert PLANTED.encode() in dumped(world.yewu.database)
        db.execute("DROP TABLE public.leak")


def test_who_may_read_reads_what_was_written(world: World) -> None:
    stream = done(world.clerk.get(f"/streams/{world.complaint_id}"))
    said = json.dumps(stream, ensure_ascii=False)
    assert all(planted(word) in said for word in ("cold", "warm", "received", "forgotten"))
    assert "~s1" not in said
    customer = done(world.clerk.get(f"/customers/{world.customer_id}"))
    assert (customer["name"], customer["contacts"][0]["phone"]) == (planted("Acme"), planted("555"))
    imported = [c for c in done(world.clerk.get("/complaints"))["items"] if c["complaint_id"] != world.complaint_id]
    about = done(world.clerk.get(f"/about/{imported[0]['complaint_id']}"))
    assert planted("leaks") in json.dumps(about, ensure_ascii=False)
    assert planted("Gustav") in [person["name"] for person in done(world.clerk.get("/employees"))["items"]]


def test_the_feed_is_the_log_as_it_is_unless_its_texts_are_asked_for(world: World) -> None:
    auditor = world.yewu.as_(world.yewu.appointed(Role.AUDITOR, "department"))
    asked = {"limit": "1000", "type": "ComplaintReceived", "opened": "true"}
    assert planted("cold") in auditor.get("/events", params=asked).text
    with auditor.stream("GET", "/events", params=asked, headers={"Accept": "text/event-stream"}) as live:
        first = next(line for line in live.iter_lines() if line.startswith("data:"))
    assert planted("cold") in json.loads(first.removeprefix("data:"))["data"]["facts"]


def test_somebody_is_found_by_name_whatever_its_case_and_spaces(world: World) -> None:
    found = done(world.clerk.get("/employees", params={"name": f"  {planted('ben  WU').upper()}"}))["items"]
    assert [person["employee_id"] for person in found] == [world.person_id]
    found = done(world.clerk.get("/customers", params={"name": planted("acme")}))["items"]
    assert [customer["customer_id"] for customer in found] == [world.customer_id]
    assert done(world.clerk.get("/customers", params={"name": PLANTED}))["items"] == []


def test_whoever_changes_a_name_is_found_by_the_new_one(world: World) -> None:
    person_id = done(world.yewu.manager.post("/employees", json={"name": planted("Dora Li")}))["id"]
    changed = world.yewu.manager.post(f"/employees/{person_id}/change-details", json={"name": planted("Dora Sun")})
    at = {"min_position": changed.headers["Yewu-Position"]}
    assert done(world.clerk.get("/employees", params={"name": planted("Dora Li"), **at}))["items"] == []
    (found,) = done(world.clerk.get("/employees", params={"name": planted("Dora Sun"), **at}))["items"]
    assert found["name"] == planted("Dora Sun")


def test_a_name_that_stayed_the_same_is_no_change(world: World) -> None:
    person_id = done(world.yewu.manager.post("/employees", json={"name": planted("Emil")}))["id"]
    news = {"name": planted("Emil"), "number": "E-77"}
    done(world.yewu.manager.post(f"/employees/{person_id}/change-details", json=news))
    last = done(world.yewu.manager.get(f"/streams/{person_id}"))["items"][-1]
    assert last["changes"]["number"] == [None, "E-77"]
    assert "name" not in last["changes"]


def readings(world: World, reader: str) -> list[dict[str, Any]]:
    """What is on record of somebody's readings."""
    with psycopg.connect(world.yewu.database) as db:
        rows = db.execute(
            "SELECT data, tags FROM yewu.log WHERE type = 'RestrictedFieldsRead' AND actor_id = %s ORDER BY position",
            (reader,),
        ).fetchall()
    return [json.loads(data) | {"tags": tags} for data, tags in rows]


def test_what_few_may_read_is_masked_for_the_others_and_reading_it_is_recorded(world: World) -> None:
    own = {"name": planted("Ben Wu")}
    (seen,) = done(world.clerk.get("/employees", params=own))["items"]
    assert seen["email"] == "•••••"
    (seen,) = done(world.yewu.as_(world.person_id).get("/employees", params=own))["items"]
    assert seen["email"] == planted("ben@home")
    hr_id = world.yewu.appointed(Role.HUMAN_RESOURCES, "department")
    hr = world.yewu.as_(hr_id)
    (seen,) = done(hr.get("/employees", params=own))["items"]
    assert seen["email"] == planted("ben@home")
    wait_until(lambda: readings(world, hr_id))
    (reading,) = readings(world, hr_id)
    assert reading["fields"] == {world.person_id: ["email"]}
    assert (reading["through"], reading["times"], reading["reader"]) == ("employees.on_record", 1, hr_id)
    assert world.person_id in reading["tags"]
    assert readings(world, world.person_id) == []


def test_readings_in_quick_succession_are_one_record_that_counts_them(world: World) -> None:
    hr_id = world.yewu.appointed(Role.HUMAN_RESOURCES, "department")
    hr = world.yewu.as_(hr_id)
    for _ in range(20):
        done(hr.get(f"/streams/{world.person_id}"))
    wait_until(lambda: sum(reading["times"] for reading in readings(world, hr_id)) == 20)
    assert len(readings(world, hr_id)) <= 3
    assert {reading["through"] for reading in readings(world, hr_id)} == {"log.stream"}


def test_a_repeated_command_gets_the_same_answer_and_another_body_none(world: World) -> None:
    body = {"customer_id": world.customer_id, "channel": "phone", "facts": planted("wet")}
    key = {"Idempotency-Key": "the-same-again"}
    first = done(world.clerk.post("/complaints", json=body, headers=key))
    again = done(world.clerk.post("/complaints", json=body, headers=key))
    assert (again["id"], again["position"], again["repeated"]) == (first["id"], first["position"], True)
    other = world.clerk.post("/complaints", json={**body, "facts": planted("dry")}, headers=key)
    assert (other.status_code, other.json()["type"]) == (422, "urn:yewu:problem:key-reused")


def test_the_hash_of_a_body_tells_nothing_to_whoever_guesses_the_body(world: World) -> None:
    """A name is soon guessed: what is kept of a body must not confirm it."""
    register = next(command for command in COMMANDS if command.slug == "employee.register")
    body = register.read(json.dumps({"name": planted("Ida")}).encode())
    done(world.yewu.manager.post("/employees", json={"name": planted("Ida")}, headers={"Idempotency-Key": "ida"}))
    guessed = Plain().fingerprint(encode((register.slug, None, body)))
    assert guessed.encode() not in log_bytes(world.yewu.database)


def test_what_was_erased_says_so_in_the_readers_language_and_nothing_fails(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "SECONDS_KEPT", 1.0)
    registered = world.yewu.manager.post("/employees", json={"name": planted("Fritz")})
    person_id, at = done(registered)["id"], {"min_position": registered.headers["Yewu-Position"]}
    assert done(world.clerk.get(f"/employees/{person_id}", params=at))["name"] == planted("Fritz")
    with closing(keys_of(Settings.read({"YEWU_HOME": str(world.home)}))) as keys:
        wait_until(lambda: keys.destroy(person_id))
    wait_until(lambda: done(world.clerk.get(f"/employees/{person_id}"))["name"] == "This has been erased.")
    chinese = world.clerk.get(f"/employees/{person_id}", headers={"Accept-Language": "zh"})
    assert done(chinese)["name"] == "此内容已被删除。"
    assert len(done(world.clerk.get("/employees"))["items"]) > 3
    refused = world.yewu.manager.post(f"/employees/{person_id}/change-details", json={"name": planted("Fred")})
    assert refused.status_code == 422
    assert "has been erased" in refused.json()["detail"]


def test_a_log_of_an_older_development_is_shown_as_it_is(world: World) -> None:
    """Before there were keys, texts lay open."""
    codec, stream_id = Codec(Event.known.values()), "employee-of-old"

    async def happen() -> None:
        writer = Writer(world.yewu.database)
        await writer.start()
        event = EmployeeRegistered(name=Personal("Old Name"), email=Personal("old@home"))
        entry = Entry(codec.stored(stream_id, event), b"{}")
        await writer.append(Append("founder", uuid4(), (Change(stream_id, 0, (entry,)),)))
        await writer.stop()

    asyncio.run(happen())
    (told,) = done(world.yewu.manager.get(f"/streams/{stream_id}"))["items"]
    assert told["data"]["name"] == "Old Name"
    shown = world.clerk.get(f"/employees/{stream_id}", params={"min_position": told["position"]})
    assert (done(shown)["name"], done(shown)["name_index"]) == ("Old Name", None)


def test_it_is_not_ready_with_keys_that_are_not_those_of_its_log(world: World, tmp_path: Path) -> None:
    first = log_bytes(world.yewu.database).splitlines()[0]

    async def problems(home: Path) -> list[str]:
        sealer = sealing(Settings.read({"YEWU_HOME": str(home)}))
        try:
            return await sealer.problems(first)
        finally:
            sealer.ring.store.close()

    assert httpx.get(world.yewu.address + "/ready").json()["problems"] == []
    assert asyncio.run(problems(world.home)) == []
    (problem,) = asyncio.run(problems(tmp_path))
    assert "not those of this log" in problem


def test_keys_and_wrapping_key_lie_apart_from_the_database(world: World) -> None:
    assert {"keys.sqlite", "wrapping.key"} <= {path.name for path in world.home.iterdir()}
    assert (world.home / "wrapping.key").stat().st_mode & 0o777 == 0o600
    assert b"data_key" not in dumped(world.yewu.database)
