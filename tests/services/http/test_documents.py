"""Documents by HTTP: numbers without a gap however many ask at once, and read by those whom their level admits."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from aggregates.actor import Role
from tests.conftest import new_database
from tests.files import PDF, PNG, hash_of
from tests.services.http.scenes.records import CONTENT, document, new_class, new_document, record_class
from tests.services.http.test_bad_input import says
from tests.services.running import Yewu, done, running, wait_until

YEAR = datetime.now(ZoneInfo("Asia/Shanghai")).year
AT_ONCE, OF_EACH = 6, 5


@pytest.fixture(scope="module")
def yewu(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yewu]:
    for database in new_database(postgres):
        with running(database, Path(tmp_path_factory.mktemp("home"))) as yewu:
            yield yewu


def registered(client: httpx.Client, body: dict[str, object]) -> str:
    """A document's id, however often others are faster."""
    while (response := client.post("/documents", json=body)).status_code in {409, 503}:
        pass
    return str(done(response)["id"])


def row(yewu: Yewu, document_id: str) -> dict[str, Any]:
    """What the register has of it."""
    wait_until(lambda: yewu.manager.get(f"/documents/{document_id}").is_success)
    found: dict[str, Any] = done(yewu.manager.get(f"/documents/{document_id}"))
    return found


def test_6_2_1_whoever_registers_at_the_same_time_leaves_no_gap_and_no_double(yewu: Yewu) -> None:
    class_ = new_class()
    class_id = done(yewu.manager.post("/recordclasses", json=class_))["id"]
    body = new_document(yewu, record_class_id=class_id)
    clerks = [yewu.as_(yewu.appointed(Role.MEMBER)) for _ in range(AT_ONCE)]

    def register(clerk: httpx.Client) -> list[str]:
        return [registered(clerk, body) for _ in range(OF_EACH)]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        ids = [each for some in pool.map(register, clerks) for each in some]
    assert len(set(ids)) == AT_ONCE * OF_EACH
    numbers = sorted(row(yewu, document_id)["number"] for document_id in ids)
    assert numbers == [f"{class_['prefix']}-{YEAR}-{n:04d}" for n in range(1, AT_ONCE * OF_EACH + 1)]
    numbered = done(yewu.manager.get(f"/recordclasses/{class_id}"))["numbers"]
    assert numbered == {str(YEAR): AT_ONCE * OF_EACH}


def test_a_prefix_belongs_to_one_class(yewu: Yewu) -> None:
    first = new_class()
    done(yewu.manager.post("/recordclasses", json=first))
    says(yewu.manager.post("/recordclasses", json={**new_class(), "prefix": first["prefix"]}), 409, "taken")


def test_6_2_2_a_document_leads_to_what_it_comes_from_to_its_files_and_to_the_people(yewu: Yewu) -> None:
    owner_id, keeper_id = yewu.appointed(Role.BUSINESS_DEVELOPMENT), yewu.appointed(Role.RECORDS)
    owner, keeper, counsel_id = yewu.as_(owner_id), yewu.as_(keeper_id), yewu.appointed(Role.LEGAL)
    customer_id = yewu.customer()
    document_id = document(yewu, owner, "add-version", about_id=customer_id)
    done(yewu.as_(counsel_id).post(f"/documents/{document_id}/review", json={"content": CONTENT}))
    done(owner.post(f"/documents/{document_id}/declare-record", json={"content": CONTENT}))
    position = done(keeper.post(f"/documents/{document_id}/archive", json={}))["position"]
    found = done(owner.get("/documents", params={"about_id": customer_id, "min_position": position}))["items"]
    (filed,) = found
    (version,) = filed["versions"]
    assert (filed["document_id"], filed["about_id"], filed["status"]) == (document_id, customer_id, "archived")
    assert (filed["place"], filed["content"], version["content"], version["format"]) == (
        "archive-1", CONTENT, CONTENT, "pdf",
    )  # fmt: skip
    people = {"registered": owner_id, "declared": owner_id, "archived": keeper_id}
    assert {act: filed[f"{act}_by_id"] for act in people} == people
    assert (version["added_by_id"], version["reviewed_by_id"]) == (owner_id, counsel_id)
    about = done(yewu.manager.get(f"/about/{customer_id}"))["items"]
    assert {"DocumentRegistered", "DocumentArchived"} <= {event["type"] for event in about}


def test_6_2_2_once_a_record_it_has_no_other_version(yewu: Yewu) -> None:
    owner = yewu.as_(yewu.appointed(Role.MEMBER))
    document_id = document(yewu, owner, "add-version", "declare-record")
    done(owner.post("/contents", content=PDF + b"changed"))
    changed = {"content": hash_of(PDF + b"changed")}
    says(owner.post(f"/documents/{document_id}/add-version", json=changed), 422, "refused")


def test_6_2_1_the_bytes_say_whether_the_format_is_that_of_the_class(yewu: Yewu) -> None:
    owner = yewu.as_(yewu.appointed(Role.MEMBER))
    document_id = document(yewu, owner)
    done(owner.post("/contents", content=PNG))
    refused = owner.post(f"/documents/{document_id}/add-version", json={"content": hash_of(PNG)})
    assert refused.json()["detail"] == "Documents of this class are pdf, and not png."
    never = owner.post(f"/documents/{document_id}/add-version", json={"content": hash_of(b"never sent")})
    assert never.json()["detail"] == f"content: upload {hash_of(b'never sent')} first."


READERS_OF = {
    "internal": {Role.MEMBER, Role.LEGAL, Role.RECORDS},
    "confidential": {Role.LEGAL, Role.RECORDS},
    "secret": {Role.RECORDS},
}


@pytest.mark.parametrize("level", READERS_OF)
def test_6_2_1_the_level_says_who_reads_a_document_its_history_and_its_file(yewu: Yewu, level: str) -> None:
    owner = yewu.as_(yewu.appointed(Role.BUSINESS_DEVELOPMENT))
    body = new_document(yewu, record_class_id=record_class(yewu, level))
    document_id = registered(owner, body)
    data = PDF + level.encode()
    done(owner.post("/contents", content=data))
    done(owner.post(f"/documents/{document_id}/add-version", json={"content": hash_of(data)}))
    wait_until(lambda: row(yewu, document_id)["versions"])
    addresses = [f"/documents/{document_id}", f"/streams/{document_id}", f"/contents/{hash_of(data)}"]
    for role in (Role.MEMBER, Role.LEGAL, Role.RECORDS):
        reader = yewu.as_(yewu.appointed(role))
        admitted = role in READERS_OF[level]
        assert [reader.get(address).is_success for address in addresses] == [admitted] * 3, role
        listed = done(reader.get("/documents", params={"number": row(yewu, document_id)["number"]}))["items"]
        assert bool(listed) == admitted, role
    assert [owner.get(address).is_success for address in addresses] == [True] * 3  # it is the owner's
    other_seller = yewu.as_(yewu.appointed(Role.BUSINESS_DEVELOPMENT))
    assert other_seller.get(addresses[2]).is_success == (level == "internal")


def test_reading_a_file_of_a_document_is_recorded_as_reading_the_document(yewu: Yewu) -> None:
    owner_id = yewu.appointed(Role.MEMBER)
    owner = yewu.as_(owner_id)
    data = PDF + b"whose reading is recorded"
    document_id = document(yewu, owner)
    done(owner.post("/contents", content=data))
    done(owner.post(f"/documents/{document_id}/add-version", json={"content": hash_of(data)}))
    wait_until(lambda: owner.get(f"/contents/{hash_of(data)}").is_success)

    def readings() -> list[Any]:
        items = done(yewu.manager.get("/events", params={"type": "RestrictedFieldsRead"}))["items"]
        return [item["data"]["fields"] for item in items if item["data"]["reader"] == owner_id]

    wait_until(readings)
    assert {document_id: ["content"]} in readings()
