"""A business of two aggregates for tests of the machinery: what a customer may still order is a fact from rows."""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias, assert_never

from msgspec.structs import replace

from aggregates.actor import Actor, Role
from aggregates.event import Event, Recorded, command
from aggregates.facts import Fact
from aggregates.ids import ComplaintId, CustomerId, ParameterId
from aggregates.refused import Refused
from aggregates.text import Code, ContentHash
from aggregates.value import Value
from infra.commands import Kind
from projections.fact import fact
from projections.question import Database, select
from projections.row import Row, View, the


class ShopLimitSet(Event):
    customer_id: CustomerId
    limit: Decimal


class ShopOrderPlaced(Event):
    customer_id: CustomerId
    amount: Decimal


class ShopOrderNoted(Event):
    note: Code


class ShopReceipt(Value):
    """What was paid, and the file that shows it."""

    amount: Decimal
    content: ContentHash


class ShopAllowance(Fact):
    """What a customer may order, and has ordered."""

    limit: Decimal
    used: Decimal


class ShopLimit(Value):
    """How much one customer may order in all."""

    set: bool = False

    @command(by=(Role.EMPLOYEE,), clause="5.2.2-a", opens=True)
    def set_limit(self, number: Code, customer_id: CustomerId, limit: Decimal) -> ShopLimitSet:  # its id
        return ShopLimitSet(customer_id=customer_id, limit=limit)

    def evolve(self, event: ShopLimitSet, /) -> ShopLimit:  # once is enough to know
        return ShopLimit(set=True)


OrderEvent: TypeAlias = ShopOrderPlaced | ShopOrderNoted


class ShopOrder(Value):
    """One order; many orders of a customer share a limit."""

    placed: bool = False
    notes: int = 0

    @command(by=(Role.EMPLOYEE,), clause="3.1.3-c", opens=True)
    def place(self, by: Actor, customer_id: CustomerId, amount: Decimal, allowance: ShopAllowance) -> ShopOrderPlaced:
        if by.speaks_for(customer_id):
            raise Refused("Only an employee can do this.")
        if allowance.used + amount > allowance.limit:
            raise Refused("The customer owes {used} of {limit}.", used=allowance.used, limit=allowance.limit)
        return ShopOrderPlaced(customer_id=customer_id, amount=amount)

    @command(by=(Role.EMPLOYEE,), clause="3.1.3-c")
    def note(self, note: Code) -> ShopOrderNoted | None:
        if note == "second" and self.notes != 1:
            raise Refused("The second note follows the first.")
        if note == "once" and self.notes == 1:
            return None
        return None if note == "nothing" else ShopOrderNoted(note=note)

    @command(by=(Role.EMPLOYEE,), clause="3.1.3-c")
    def attach(
        self, order: ContentHash | None = None, papers: tuple[ContentHash, ...] = (), receipt: ShopReceipt | None = None
    ) -> ShopOrderNoted:
        return ShopOrderNoted(note=Code(f"{order} {receipt} {papers}"))

    def evolve(self, event: OrderEvent, /) -> ShopOrder:
        match event:
            case ShopOrderPlaced():
                return replace(self, placed=True)
            case ShopOrderNoted():
                return replace(self, notes=self.notes + 1)
            case _:
                assert_never(event)


class ShopAllowanceRow(Row):
    customer_id: CustomerId
    limit: Decimal = Decimal(0)
    used: Decimal = Decimal(0)


def limited(row: ShopAllowanceRow | None, record: Recorded[ShopLimitSet]) -> ShopAllowanceRow:
    row = row or ShopAllowanceRow(customer_id=record.event.customer_id)
    return replace(row, limit=record.event.limit)


def ordered(row: ShopAllowanceRow | None, record: Recorded[ShopOrderPlaced]) -> ShopAllowanceRow:
    row = row or ShopAllowanceRow(customer_id=record.event.customer_id)
    return replace(row, used=row.used + record.event.amount)


allowances = View(ShopAllowanceRow, limited, ordered, key=the("customer_id"))


@fact(allowances)
async def shop_allowance(db: Database, customer_id: CustomerId) -> ShopAllowance:
    """Nothing for a customer without a limit."""
    query = "SELECT * FROM shop_allowance_row WHERE customer_id = %s"
    rows = await select(db, ShopAllowanceRow, query, customer_id)
    row = rows[0] if rows else ShopAllowanceRow(customer_id=customer_id)
    return ShopAllowance(limit=row.limit, used=row.used)


LIMITS = Kind(aggregate=ShopLimit, id=ParameterId, path="limits")
ORDERS = Kind(aggregate=ShopOrder, id=ComplaintId, path="orders")
