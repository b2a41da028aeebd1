"""Contracts signed at the same instant by several processes never bring a customer beyond its limit together: 5.2.2-a.

YEWU_RACES says how many customers are raced for: 1,000 take a few minutes.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Barrier
from typing import NamedTuple
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from aggregates.business.contract import ContractApproved, ContractDrafted
from aggregates.business.terms import Instalment, Terms
from aggregates.event import Envelope, Event
from aggregates.facts import LegalClearance
from aggregates.ids import ContractId, CustomerId, EmployeeId
from aggregates.refused import Refused
from aggregates.risk.credit import CreditLimitApproved
from aggregates.text import Code, ContentHash
from infra.append import Append, Change, Entry
from infra.codec import envelope_bytes
from infra.dispatcher import Order, Principal
from infra.fact_reader import FactReader, RowFact
from infra.roles import DatabaseRole
from infra.sealing import Plain
from projections.credit import CreditRow
from projections.fact import fact
from projections.question import Database, select
from projections.row import Row, View, its_stream
from services.composition import COMMANDS, FACTS
from services.runtime import Runtime
from tests.logins import as_role
from tests.services.running import Yewu

RACES = int(os.environ.get("YEWU_RACES", "20"))
LIMIT, TEXT = Decimal(100), ContentHash("sha256:" + "0" * 64)
(SIGN,) = (command for command in COMMANDS if command.slug == "contract.sign")


class ClearedRow(Row):
    contract_id: ContractId


@fact(View(ClearedRow, key=its_stream(ContractId)))
async def cleared(_db: Database, contract_id: ContractId) -> LegalClearance:
    """Counsel lets everything pass."""
    return LegalClearance(contract_id=contract_id, passed={TEXT: (EmployeeId("employee-counsel"),)})


cleared.__annotations__["db"] = cleared.__annotations__.pop("_db")


class Race(NamedTuple):
    """A customer, and a contract with it for each of those who race."""

    customer: CustomerId
    contracts: tuple[ContractId, ...]


def of_database(conninfo: str) -> Runtime:
    return Runtime(as_role(conninfo, DatabaseRole.APP), ZoneInfo("Asia/Shanghai"), Plain())


async def prepared(runtime: Runtime, racers: int, amount: Decimal) -> Race:
    """A customer that may owe us a hundred, and contracts that only wait for their signature."""
    customer = CustomerId(f"customer-{uuid4()}")
    contracts = tuple(ContractId(f"contract-{uuid4()}") for _ in range(racers))
    until = datetime.now(UTC) + timedelta(days=30)
    limited = CreditLimitApproved(customer_id=customer, limit=LIMIT, payment_days=30, valid_until=until)
    day, writer = date(2026, 3, 2), EmployeeId("employee-anna")
    payments = (Instalment(number=Code("a"), amount=amount, due=day),)
    terms = Terms(content=TEXT, amount=amount, begins=day, ends=day, obligations=(), payments=payments)
    drafted = ContractDrafted(customer_id=customer, terms=terms, drafter_id=writer)
    approved = ContractApproved(
        customer_id=customer, content=TEXT, amount=amount, approver_id=EmployeeId("employee-boris")
    )

    def change(stream_id: str, *events: Event) -> Change:
        meta = envelope_bytes(Envelope())
        return Change(stream_id, 0, tuple(Entry(runtime.codec.stored(stream_id, event), meta) for event in events))

    changes = (change(f"credit-{customer}", limited), *(change(one, drafted, approved) for one in contracts))
    done = await runtime.writer.append(Append(writer, uuid4(), changes))
    await runtime.rows.reached(done.last)
    return Race(customer, contracts)


def sign_all(conninfo: str, manager: str, place: int, races: Sequence[Race], start: Barrier) -> list[bool]:
    """One process: it signs its contract with each customer at the same moment as the others; which it could."""
    return asyncio.run(_sign_all(conninfo, manager, place, races, start))


async def _sign_all(conninfo: str, manager: str, place: int, races: Sequence[Race], start: Barrier) -> list[bool]:
    async with of_database(conninfo).running() as runtime:
        facts = FactReader(runtime.rows, [RowFact(one) for one in (*FACTS, cleared)])
        runtime.dispatcher.facts = facts
        signed = []
        for race in races:
            body = SIGN.body(content=TEXT, place="here", signed_for_customer="them")
            order = Order(SIGN, race.contracts[place], body, Principal(manager))
            await asyncio.to_thread(start.wait, 60)
            try:
                answer = await runtime.dispatcher.give(order)
            except Refused as refused:
                if "ask for an override" not in str(refused):
                    raise
                signed.append(False)
            else:
                signed.append(answer.events == ("ContractSigned",))
        return signed


async def exposures(conninfo: str, races: Sequence[Race]) -> list[Decimal]:
    """What each customer owes in the end, as the rows have it."""
    async with of_database(conninfo).running() as runtime:
        await runtime.rows.reached(await runtime.reader.head())
        async with runtime.rows.read() as (db, _, _):
            rows = await select(Database(db.connection), CreditRow, "SELECT * FROM credit_row")
    of = {row.customer_id: row.exposure for row in rows}
    return [of[race.customer] for race in races]


@pytest.mark.parametrize(("racers", "amount", "fit"), [(2, Decimal(60), 1), (3, Decimal(40), 2)])
def test_5_2_2_a_contracts_signed_at_the_same_instant_never_pass_the_limit_together(
    yewu: Yewu, racers: int, amount: Decimal, fit: int
) -> None:
    async def prepare() -> list[Race]:
        async with of_database(yewu.database).running() as runtime:
            return [await prepared(runtime, racers, amount) for _ in range(RACES)]

    races = asyncio.run(prepare())
    context = multiprocessing.get_context("spawn")
    with context.Manager() as together, ProcessPoolExecutor(racers, context) as pool:
        start = together.Barrier(racers)
        work = [pool.submit(sign_all, yewu.database, yewu.manager_id, place, races, start) for place in range(racers)]
        outcomes = [done.result(timeout=60 + RACES) for done in work]
    signed = [sum(each) for each in zip(*outcomes, strict=True)]
    assert signed == [fit] * RACES
    assert asyncio.run(exposures(yewu.database, races)) == [fit * amount] * RACES
    assert fit * amount <= LIMIT < (fit + 1) * amount
