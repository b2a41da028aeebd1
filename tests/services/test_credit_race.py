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
from pathlib import Path
from threading import Barrier
from typing import NamedTuple
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from aggregates.business.contract import ContractApproved, ContractDrafted
from aggregates.business.terms import Instalment, Terms
from aggregates.event import Envelope, Event
from aggregates.ids import ContractId, CustomerId, EmployeeId
from aggregates.refused import Refused
from aggregates.risk.credit import CreditLimitApproved
from aggregates.risk.legal_review import Difficulty, LegalReviewPassed, LegalReviewRequested
from aggregates.text import Code, ContentHash
from infra.append import Append, Change, Entry
from infra.codec import envelope_bytes
from infra.contents import Contents
from infra.dispatcher import Order, Principal
from infra.roles import DatabaseRole
from infra.sealing import Plain
from projections.credit import CreditRow
from projections.question import Database, select
from services.composition import COMMANDS
from services.runtime import Runtime
from tests.logins import as_role
from tests.services.running import Yewu

RACES = int(os.environ.get("YEWU_RACES", "20"))
LIMIT = Decimal(100)
(SIGN,) = (command for command in COMMANDS if command.slug == "contract.sign")


class Race(NamedTuple):
    """A customer, and a contract with it for each of those who race."""

    customer: CustomerId
    content: ContentHash
    contracts: tuple[ContractId, ...]


def of_database(conninfo: str, home: Path) -> Runtime:
    contents = Contents(home / "contents", 1 << 20)
    return Runtime(as_role(conninfo, DatabaseRole.APP), ZoneInfo("Asia/Shanghai"), Plain(), contents=contents)


async def prepared(runtime: Runtime, content: ContentHash, racers: int, amount: Decimal) -> Race:
    """A customer that may owe us a hundred, and contracts that only wait for their signature."""
    customer = CustomerId(f"customer-{uuid4()}")
    contracts = tuple(ContractId(f"contract-{uuid4()}") for _ in range(racers))
    until = datetime.now(UTC) + timedelta(days=30)
    limited = CreditLimitApproved(customer_id=customer, limit=LIMIT, payment_days=30, valid_until=until)
    day, writer = date(2026, 3, 2), EmployeeId("employee-anna")
    payments = (Instalment(number=Code("a"), amount=amount, due=day),)
    terms = Terms(content=content, amount=amount, begins=day, ends=day, obligations=(), payments=payments)
    drafted = ContractDrafted(customer_id=customer, terms=terms, drafted_by=(writer,))
    approved = ContractApproved(
        customer_id=customer, content=content, amount=amount, approved_by=(EmployeeId("employee-boris"),)
    )

    def change(stream_id: str, *events: Event) -> Change:
        meta = envelope_bytes(Envelope())
        return Change(stream_id, 0, tuple(Entry(runtime.codec.stored(stream_id, event), meta) for event in events))

    reviews = (
        (
            LegalReviewRequested(contract_id=one, content=content, complexity=Difficulty.SIMPLE),
            LegalReviewPassed(contract_id=one, content=content),
        )
        for one in contracts
    )
    changes = (
        change(f"credit-{customer}", limited),
        *(change(one, drafted, approved) for one in contracts),
        *(change(f"review-{uuid4()}", *review) for review in reviews),
    )
    done = await runtime.writer.append(Append(writer, uuid4(), changes))
    await runtime.rows.reached(done.last)
    return Race(customer, content, contracts)


def sign_all(conninfo: str, home: Path, manager: str, place: int, races: Sequence[Race], start: Barrier) -> list[bool]:
    """One process: it signs its contract with each customer when the others do; which of them it could."""
    return asyncio.run(_sign_all(conninfo, home, manager, place, races, start))


async def _sign_all(
    conninfo: str, home: Path, manager: str, place: int, races: Sequence[Race], start: Barrier
) -> list[bool]:
    async with of_database(conninfo, home).running() as runtime:
        signed = []
        for race in races:
            body = SIGN.body(content=race.content, place="here", signed_for_customer="them")
            order = Order(SIGN, race.contracts[place], body, Principal(manager))
            await asyncio.to_thread(start.wait, 300)
            try:
                answer = await runtime.dispatcher.give(order)
            except Refused as refused:
                if "ask for an override" not in refused.sentence:
                    raise
                signed.append(False)
            else:
                signed.append(answer.events == ("ContractSigned",))
        return signed


async def exposures(conninfo: str, home: Path, races: Sequence[Race]) -> list[Decimal]:
    """What each customer owes in the end, as the rows have it."""
    async with of_database(conninfo, home).running() as runtime:
        await runtime.rows.reached(await runtime.reader.head())
        async with runtime.rows.read() as (db, _, _):
            rows = await select(Database(db.connection), CreditRow, "SELECT * FROM credit_row")
    of = {row.customer_id: row.exposure for row in rows}
    return [of[race.customer] for race in races]


@pytest.mark.parametrize(("racers", "amount", "fit"), [(2, Decimal(60), 1), (3, Decimal(40), 2)])
def test_5_2_2_a_contracts_signed_at_the_same_instant_never_pass_the_limit_together(
    yewu: Yewu, racers: int, amount: Decimal, fit: int
) -> None:
    content = ContentHash(yewu.file())

    async def prepare() -> list[Race]:
        async with of_database(yewu.database, yewu.home).running() as runtime:
            return [await prepared(runtime, content, racers, amount) for _ in range(RACES)]

    races = asyncio.run(prepare())
    context = multiprocessing.get_context("spawn")
    with context.Manager() as together, ProcessPoolExecutor(racers, context) as pool:
        start = together.Barrier(racers)
        work = [
            pool.submit(sign_all, yewu.database, yewu.home, yewu.manager_id, place, races, start)
            for place in range(racers)
        ]
        outcomes = [done.result(timeout=300 + RACES) for done in work]
    signed = [sum(each) for each in zip(*outcomes, strict=True)]
    assert signed == [fit] * RACES
    assert asyncio.run(exposures(yewu.database, yewu.home, races)) == [fit * amount] * RACES
    assert fit * amount <= LIMIT < (fit + 1) * amount
