"""Credit over HTTP: what is owed by age on any day and as it was known on any, and what a merger does to a limit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from aggregates.event import Envelope, Event
from aggregates.ids import ContractId, CustomerId, ReceivableId
from aggregates.risk.receivable import PaymentReceived, ReceivableRaised
from aggregates.text import Code
from infra.append import Append, Change, Entry
from infra.codec import envelope_bytes
from infra.roles import DatabaseRole
from infra.sealing import Plain
from services.runtime import Runtime
from tests.conftest import new_database
from tests.logins import as_role
from tests.services.http.scenes.credit import assessed, contract, limited, prepare, signature
from tests.services.http.scenes.customers import lead
from tests.services.running import Yewu, done, running

CLASSES = ("not_due", "first_class", "second_class", "third_class", "beyond")


@pytest.fixture(scope="module")
def yewu(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yewu]:
    """One department for all of them."""
    for database in new_database(postgres):
        with running(database, Path(tmp_path_factory.mktemp("home"))) as yewu:
            yield yewu


def told(yewu: Yewu, path: str, **query: str | int) -> Any:
    """What is answered once the past that it is about has been built."""
    while (response := yewu.manager.get(path, params=query)).status_code == 202:
        time.sleep(0.05)
    return done(response)


def ageing(yewu: Yewu, customer_id: str, **moment: str | int) -> list[tuple[str, str]]:
    """The classes in which this customer owes something, and how much."""
    items = told(yewu, "/receivables/ageing", customer_id=customer_id, **moment)["items"]
    return [(name, item[name]) for item in items for name in CLASSES if item[name] != "0"]


def long_ago(yewu: Yewu, receivable_id: ReceivableId, *happened: tuple[int, Event]) -> int:
    """Write down what happened to an instalment so many days ago; where the last of it lies."""

    async def write() -> int:
        database = as_role(yewu.database, DatabaseRole.APP)
        async with Runtime(database, ZoneInfo("Asia/Shanghai"), Plain()).running() as runtime:
            meta = envelope_bytes(Envelope())
            entries = [
                Entry(runtime.codec.stored(receivable_id, event), meta, datetime.now(UTC) - timedelta(days=days))
                for days, event in happened
            ]
            change = Change(receivable_id, None, entries)
            return (await runtime.writer.append(Append(yewu.manager_id, uuid4(), (change,)))).last

    return asyncio.run(write())


def test_5_2_2_b_what_is_owed_by_age_is_told_of_any_day_and_as_it_was_known_on_any(yewu: Yewu) -> None:
    today = datetime.now(ZoneInfo("Asia/Shanghai")).date()
    customer_id, contract_id = CustomerId(yewu.customer()), ContractId("contract-then")
    raised = ReceivableRaised(
        customer_id=customer_id,
        contract_id=contract_id,
        instalment=Code("1"),
        amount=Decimal(50),
        due=today - timedelta(days=80),
    )
    paid = PaymentReceived(
        customer_id=customer_id, contract_id=contract_id, amount=Decimal(20), reference=Code("bank-1")
    )
    receivable_id = ReceivableId("receivable-then")
    first = long_ago(yewu, receivable_id, (100, raised))
    assert ageing(yewu, customer_id, min_position=first) == [("third_class", "50")]
    before = datetime.now(UTC).isoformat()
    last = long_ago(yewu, receivable_id, (10, paid))
    assert ageing(yewu, customer_id, min_position=last) == [("third_class", "30")]
    assert ageing(yewu, customer_id, as_of=str(today)) == [("third_class", "30")]
    assert ageing(yewu, customer_id, known_at=before) == [("third_class", "50")]
    assert ageing(yewu, customer_id, as_of=str(today), known_at=before) == [("third_class", "50")]
    of_days = {days: ageing(yewu, customer_id, as_of=str(today - timedelta(days=days))) for days in (102, 90, 60, 5)}
    # the classes are on record from the founding of the department on, which was today
    assert of_days == {102: [], 90: [("not_due", "50")], 60: [("beyond", "50")], 5: [("beyond", "30")]}


@pytest.mark.parametrize("moment", [{"as_of": "0001-02-01"}, {"as_of": "2020-01-31"}, {"known_at": "2020-01-31"}])
def test_before_everything_nothing_is_owed(yewu: Yewu, moment: dict[str, str]) -> None:
    for list_ in ("", "/ageing", "/dunning"):
        assert told(yewu, f"/receivables{list_}", **moment)["items"] == []
    for days in (1, 90, 10**12):
        assert told(yewu, "/receivables/figures", days=days, **moment)["open"] == "0"


def test_3_1_2_c_a_merger_gives_nobody_more_credit(yewu: Yewu) -> None:
    old, new = yewu.customer(), yewu.customer()
    limited(yewu, old)
    signed_id, _ = contract(yewu, old, signed=True)
    credit_id = assessed(yewu, new)
    done(yewu.manager.post(f"/credits/{credit_id}/approve-limit", json={"limit": "150", "payment_days": 30}))
    contract_id, content = contract(yewu, new)
    prepare(yewu, contract_id, content)
    merged = done(lead(yewu).post(f"/customers/{old}/merge", json={"into_id": new}))
    owing = {row["customer_id"]: row for row in told(yewu, "/credits", min_position=merged["position"])["items"]}
    assert (owing[new]["exposure"], old in owing) == ("100", False)
    sign = f"/contracts/{contract_id}/sign"
    refused = yewu.manager.post(sign, json=signature(content))
    assert refused.json()["detail"].startswith("The customer owes 100 of 150, and this adds 100")
    done(yewu.manager.post(f"/contracts/{signed_id}/terminate", json={"reason": "No more"}))
    assert done(yewu.manager.post(sign, json=signature(content)))["events"] == ["ContractSigned"]
