"""From an order to the log, with facts that others may change at the same instant."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import msgspec
import psycopg
import pytest
from msgspec.structs import replace
from psycopg_pool import AsyncConnectionPool

from aggregates.actor import ActorKind, Role
from aggregates.event import Envelope, Event, EventSkipped, Recorded
from aggregates.ids import THE_DEPARTMENT, THE_PARKING, CustomerId, EmployeeId
from aggregates.organisation.department import RoleAssigned, RoleEnded
from aggregates.refused import Refused
from aggregates.text import Code, ContentHash, Text
from infra.append import Append, Change, Entry
from infra.codec import Codec, envelope_bytes
from infra.commands import Command, all_commands
from infra.contents import Contents
from infra.dispatcher import Dispatcher, Forbidden, NotFound, Order, Outdated, Principal
from infra.event_store import Writer
from infra.fact_reader import FactReader, RowFact
from infra.log_reader import LogReader
from infra.read_model.engine import ReadModel
from infra.read_model.projector import Projector
from infra.reading import Behind, ReadModelReader, Standstill
from infra.reference_data import ReferenceKeeper
from infra.sealing import Plain
from infra.states import States
from services.http.problems import problem_of
from tests.files import PDF, PNG, hash_of
from tests.infra.small_shop import (
    LIMITS,
    ORDERS,
    ShopAllowanceRow,
    ShopOrder,
    ShopOrderPlaced,
    ShopReceipt,
    allowances,
    shop_allowance,
)

ANNA, ACME = EmployeeId("employee-anna"), CustomerId("customer-acme")
COMMANDS: dict[str, Command] = {command.name: command for command in all_commands((LIMITS, ORDERS))}
BY_ANNA = Principal(ANNA)


class Shop:
    """The machinery around the small shop; `remembering`: how much of the log's end its writer knows."""

    def __init__(self, database: str, **remembering: int) -> None:
        self.codec = Codec(Event.known.values())
        self.model = ReadModel((allowances,), self.codec, "shop")
        self.pool: AsyncConnectionPool[Any] = AsyncConnectionPool(database, open=False, min_size=1, max_size=6)
        self.reference = ReferenceKeeper(self.pool, self.codec)
        self.writer = Writer(database, wrote=self.reference.wrote, **remembering)
        self.reader = LogReader(self.pool)
        self.states = States(self.reader, self.codec)
        self.facts = FactReader(ReadModelReader(self.pool, self.model.schema), [RowFact(shop_allowance)])
        self.desk = Dispatcher(
            self.writer,
            self.reader,
            self.states,
            self.reference,
            self.facts,
            self.codec,
            Plain(),
            ZoneInfo("Asia/Shanghai"),
        )

    async def give(self, name: str, stream_id: str | None = None, **more: Any) -> Any:
        """Give a command as Anna."""
        order = {key: more.pop(key) for key in ("key", "if_version", "by") if key in more}
        body = COMMANDS[name].body(**more)
        return await self.desk.give(Order(COMMANDS[name], stream_id, body, **{"by": BY_ANNA, **order}))

    async def happen(self, stream_id: str, event: Event) -> None:
        """Something is simply so."""
        meta = envelope_bytes(Envelope(kind=ActorKind.FOUNDER))
        entry = Entry(self.codec.stored(stream_id, event), meta)
        await self.writer.append(Append("founder", uuid4(), (Change(stream_id, None, (entry,)),)))


@asynccontextmanager
async def shop(database: str, **remembering: int) -> AsyncIterator[Shop]:
    """A shop in which Anna holds an office and Acme may order for 100."""
    it, stop = Shop(database, **remembering), threading.Event()
    projector = threading.Thread(target=Projector(database, it.model).run, args=(stop,))
    projector.start()
    await it.pool.open()
    await it.writer.start()
    await it.reference.start()
    try:
        since = datetime(2026, 1, 1, tzinfo=UTC)
        appointed = RoleAssigned(employee_id=ANNA, role=Role.MEMBER, unit=Code("shop"), valid_from=since)
        await it.happen(THE_DEPARTMENT, appointed)
        await it.happen(ACME, RoleEnded(employee_id=ANNA, role=Role.LEGAL, unit=Code("x"), ended_at=since))
        await it.reference.refresh()
        yield it
    finally:
        await it.reference.stop()
        await it.writer.stop()
        await it.pool.close()
        stop.set()
        projector.join(20)


def run(example: Coroutine[Any, Any, None]) -> None:
    asyncio.run(example)


def ordered(database: str) -> Decimal:
    with psycopg.connect(database) as db:
        query = "SELECT coalesce(sum((data->>'amount')::numeric), 0) FROM yewu.event WHERE type = 'ShopOrderPlaced'"
        (total,) = db.execute(query).fetchone() or (Decimal(0),)
    return Decimal(total)


def test_orders_at_the_same_instant_never_pass_the_limit(database: str) -> None:
    async def example() -> None:
        async with shop(database) as here:
            await here.give("set_limit", number=Code("P-1"), customer_id=ACME, limit=Decimal(100))
            orders = (here.give("place", customer_id=ACME, amount=Decimal(7)) for _ in range(40))
            await asyncio.gather(*orders, return_exceptions=True)
            assert ordered(database) <= 100
            while ordered(database) + 7 <= 100:
                await here.give("place", customer_id=ACME, amount=Decimal(7))
            with pytest.raises(Refused, match="owes 98 of 100"):
                await here.give("place", customer_id=ACME, amount=Decimal(7))

    run(example())
    assert ordered(database) == 98


def test_and_without_guards_they_would(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def example() -> None:
        async with shop(database) as here:
            await here.give("set_limit", number=Code("P-1"), customer_id=ACME, limit=Decimal(100))
            await here.give("place", customer_id=ACME, amount=Decimal(7))  # from here on the limit is visible
            for row_fact in here.facts._facts.values():
                monkeypatch.setattr(row_fact, "types", ("Nothing",))
            orders = (here.give("place", customer_id=ACME, amount=Decimal(7)) for _ in range(40))
            await asyncio.gather(*orders, return_exceptions=True)

    run(example())
    assert ordered(database) > 100


def test_a_state_that_was_kept_equals_the_state_recalled(database: str) -> None:
    async def example() -> None:
        async with shop(database) as here:
            await here.give("set_limit", number=Code("P-1"), customer_id=ACME, limit=Decimal(100))
            placed = await here.give("place", customer_id=ACME, amount=Decimal(7))
            for n in range(3):
                await here.give("note", placed.id, note=Code(f"note {n}"))
            kept = await here.states.of(ORDERS, placed.id)
            recalled = await States(here.reader, here.codec).of(ORDERS, placed.id)
            assert kept == recalled
            assert kept.state == ShopOrder(placed=True, notes=3)

    run(example())


def test_nothing_is_decided_on_a_row_that_stands_still(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(row: ShopAllowanceRow | None, record: Recorded[ShopOrderPlaced]) -> ShopAllowanceRow:
        if record.event.amount == 13:
            raise ValueError("thirteen")
        return replace(row or ShopAllowanceRow(customer_id=ACME), used=(row.used if row else 0) + record.event.amount)

    event: type[Event] = ShopOrderPlaced
    monkeypatch.setitem(allowances.folds, event, replace(allowances.folds[event], step=broken))

    async def example() -> None:
        async with shop(database) as here:
            await here.give("set_limit", number=Code("P-1"), customer_id=ACME, limit=Decimal(100))
            placed = await here.give("place", customer_id=ACME, amount=Decimal(13))
            with pytest.raises(Standstill) as still:
                await here.give("place", customer_id=ACME, amount=Decimal(7))
            mark = still.value.mark
            assert (mark.position, mark.type, mark.row_key) == (placed.position, "ShopOrderPlaced", ACME)
            problem = problem_of(still.value)
            assert (problem.status, problem.more["event"]) == (
                503, {"type": "ShopOrderPlaced", "position": placed.position}
            )  # fmt: skip
            table, key, reason = Code("shop_allowance_row"), Code(ACME), Text("It is 13")
            skipped = EventSkipped(event_position=placed.position, row_table=table, row_key=key, reason=reason)
            await here.happen(THE_PARKING, skipped)
            async with here.pool.connection() as db:
                while await (await db.execute("SELECT FROM rm_shop.parked")).fetchone() is not None:
                    await asyncio.sleep(0.01)
            await here.give("place", customer_id=ACME, amount=Decimal(7))

    run(example())


@pytest.mark.parametrize("notes", [0, 30], ids=["it has changed", "it may have changed, for all that is remembered"])
def test_while_no_projector_works_what_depends_on_rows_waits_and_is_done_once_later(database: str, notes: int) -> None:
    order: dict[str, Any] = {"customer_id": ACME, "amount": Decimal(7)}
    key = "one of Anna's"

    async def example() -> None:
        async with shop(database, memory=5, max_tail=20) as here:
            await here.give("set_limit", number=Code("P-1"), customer_id=ACME, limit=Decimal(100))
            placed = await here.give("place", **order)
            if notes:  # it is known what the customer owes
                with pytest.raises(Refused, match="owes 7 of 100"):
                    await here.give("place", customer_id=ACME, amount=Decimal(94))
            with psycopg.connect(database) as held:
                held.execute("SELECT FROM rm_shop.place FOR UPDATE")
                if not notes:
                    await here.give("set_limit", number=Code("P-2"), customer_id=ACME, limit=Decimal(50))
                for number in range(notes):
                    await here.give("note", placed.id, note=Code(f"note {number}"))
                begun = time.monotonic()
                with pytest.raises(Behind) as behind:
                    await here.give("place", key=key, **order)
                assert 2 <= time.monotonic() - begun < 6
            problem = problem_of(behind.value)
            assert (problem.status, problem.headers["Retry-After"]) == (503, "1")
            done, again = [await here.give("place", key=key, **order) for _ in range(2)]
            assert (done.id, done.position) == (again.id, again.position)

    run(example())
    assert ordered(database) == 14


def test_two_who_write_on_one_stream_both_succeed(database: str) -> None:
    async def example() -> None:
        async with shop(database) as here:
            await here.give("set_limit", number=Code("P-1"), customer_id=ACME, limit=Decimal(100))
            placed = await here.give("place", customer_id=ACME, amount=Decimal(7))
            notes = [here.give("note", placed.id, note=Code(f"note {n}")) for n in range(3)]
            answers = await asyncio.gather(*notes)
            assert sorted(answer.version for answer in answers) == [2, 3, 4]

    run(example())


def test_what_others_have_done_is_known_before_anything_is_refused(database: str) -> None:
    async def example() -> None:
        async with shop(database) as here, shop(database) as there:
            await here.give("set_limit", number=Code("P-1"), customer_id=ACME, limit=Decimal(100))
            placed = await here.give("place", customer_id=ACME, amount=Decimal(7))
            with pytest.raises(Refused):
                await here.give("note", placed.id, note=Code("second"))
            await there.give("note", placed.id, note=Code("first"))
            assert (await here.give("note", placed.id, note=Code("second"))).version == 3

    run(example())


def test_and_before_it_is_said_that_nothing_is_to_be_done(database: str) -> None:
    async def example() -> None:
        async with shop(database) as here, shop(database) as there:
            await here.give("set_limit", number=Code("P-1"), customer_id=ACME, limit=Decimal(100))
            placed = await here.give("place", customer_id=ACME, amount=Decimal(7))
            await here.give("note", placed.id, note=Code("one"))
            await there.give("note", placed.id, note=Code("two"))
            assert (await here.give("note", placed.id, note=Code("once"))).version == 4

    run(example())


def test_whoever_insists_on_a_version_gets_that_version_or_nothing(database: str) -> None:
    async def example() -> None:
        async with shop(database) as here:
            await here.give("set_limit", number=Code("P-1"), customer_id=ACME, limit=Decimal(100))
            placed = await here.give("place", customer_id=ACME, amount=Decimal(7))
            notes = [here.give("note", placed.id, note=Code(f"note {n}"), if_version=1) for n in range(3)]
            answers = await asyncio.gather(*notes, return_exceptions=True)
            assert sorted(isinstance(answer, Outdated) for answer in answers) == [False, True, True]

    run(example())


def test_a_command_that_changes_nothing_says_so(database: str) -> None:
    async def example() -> None:
        async with shop(database) as here:
            await here.give("set_limit", number=Code("P-1"), customer_id=ACME, limit=Decimal(100))
            placed = await here.give("place", customer_id=ACME, amount=Decimal(7))
            answer = await here.give("note", placed.id, note=Code("nothing"))
            assert (answer.version, answer.position, answer.events) == (1, None, ())

    run(example())


def test_ids_name_what_exists_and_is_of_their_kind(database: str) -> None:
    async def example() -> None:
        async with shop(database) as here:
            with pytest.raises(Refused, match="customer_id: there is no customer-nobody"):
                await here.give("place", customer_id=CustomerId("customer-nobody"), amount=Decimal(1))
            with pytest.raises(Refused, match="customer_id: there is no department"):
                await here.give("place", customer_id=CustomerId(THE_DEPARTMENT), amount=Decimal(1))
            with pytest.raises(NotFound):
                await here.give("note", "complaint-nothing", note=Code("x"))

    run(example())


def test_files_that_are_named_have_been_uploaded(database: str, tmp_path: Path) -> None:
    async def file() -> AsyncIterator[bytes]:
        yield PDF

    async def example() -> None:
        async with shop(database) as here:
            await here.give("set_limit", number=Code("P-1"), customer_id=ACME, limit=Decimal(100))
            placed = await here.give("place", customer_id=ACME, amount=Decimal(7))
            here.desk.contents = Contents(tmp_path, 1000)
            there = (await here.desk.contents.keep(file())).content
            missing = ContentHash(hash_of(PNG))
            await here.give("attach", placed.id, order=there, papers=(there,))
            await here.give("attach", placed.id)
            with pytest.raises(Refused) as of_one:
                await here.give("attach", placed.id, order=missing)
            assert str(of_one.value) == f"order: upload {missing} first."
            with pytest.raises(Refused, match="papers: upload"):
                await here.give("attach", placed.id, papers=(there, missing))
            with pytest.raises(Refused, match="receipt: upload"):
                await here.give("attach", placed.id, receipt=ShopReceipt(amount=Decimal(1), content=missing))
            here.desk.contents = None
            with pytest.raises(Refused, match="order: upload"):
                await here.give("attach", placed.id, order=there)

    run(example())


@pytest.mark.parametrize("sent", ["x", "sha256:", "../x", hash_of(PDF)[:-1], hash_of(PDF) + "\n", hash_of(PDF) + "0"])
def test_what_is_no_hash_of_a_file_cannot_be_read(sent: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        COMMANDS["attach"].read(msgspec.json.encode({"order": sent}))


def test_a_right_that_ends_at_the_same_instant_is_not_used(database: str) -> None:
    async def example() -> None:
        async with shop(database) as here:
            await here.give("set_limit", number=Code("P-1"), customer_id=ACME, limit=Decimal(100))
            placed = await here.give("place", customer_id=ACME, amount=Decimal(7))
            ended = RoleEnded(employee_id=ANNA, role=Role.MEMBER, unit=Code("shop"), ended_at=datetime.now(UTC))
            # the right ends first; this process has not read it yet and would still believe in it
            both = here.happen(THE_DEPARTMENT, ended), here.give("note", placed.id, note=Code("x"))
            answers = await asyncio.gather(*both, return_exceptions=True)
            assert isinstance(answers[1], Forbidden)

    run(example())
