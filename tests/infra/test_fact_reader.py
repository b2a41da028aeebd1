"""An answer that speaks of several things is guarded, and made anew, by news of each of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

from aggregates.facts import CreditStanding
from aggregates.ids import CustomerId
from infra.commands import FactArgument
from infra.fact_reader import FactReader, Gathered, RowFact
from infra.guard_memory import GuardMemory
from projections.credit import credits_
from projections.fact import fact
from projections.question import Database
from projections.reference import Reference
from tests.given import MONDAY

ACME, OTHER, THIRD = (CustomerId(f"customer-{name}") for name in ("acme", "other", "third"))
FILES: Mapping[CustomerId, tuple[CustomerId, ...]] = {ACME: (OTHER,)}


@fact(credits_, also_about="files")
async def standing(db: Database, customer_id: CustomerId) -> CreditStanding:
    return CreditStanding(customer_id=customer_id, files=FILES.get(customer_id, ()))


class Rows:
    """Rows that know everything up to a position."""

    position = 7

    @asynccontextmanager
    async def read(self, *, at_least: int) -> AsyncIterator[tuple[Any, int, bool]]:
        self.position = max(self.position, at_least)
        yield None, self.position, False


def reader() -> FactReader:
    return FactReader(Rows(), [RowFact(standing)])  # type: ignore[arg-type]  # as much of it as is read


def gathered(facts: FactReader, memory: GuardMemory, customer_id: CustomerId) -> Gathered:
    command: Any = SimpleNamespace(facts=(FactArgument(name="credit", type=CreditStanding),))
    sent = {"customer_id": customer_id}
    return asyncio.run(facts.gather(command, sent, None, "contract-1", Reference(), MONDAY, memory))


def test_3_1_2_c_news_of_any_file_make_what_is_known_of_the_customer_stale() -> None:
    facts, memory = reader(), GuardMemory()
    (guard,) = gathered(facts, memory, ACME).guards
    assert (guard.after, guard.tags) == (7, (ACME, OTHER))
    assert gathered(facts, memory, THIRD).guards[0].tags == (THIRD,)
    memory.add(8, "PaymentReversed", ["receivable-1", THIRD])
    assert (gathered(facts, memory, ACME).guards[0].after, facts.reads) == (7, 2)
    memory.add(9, "PaymentReversed", ["receivable-1", OTHER])
    assert (gathered(facts, memory, ACME).guards[0].after, facts.reads) == (9, 3)


def test_3_1_2_c_what_is_known_of_other_files_counts_before_anybody_knew_that_they_are_others() -> None:
    facts, memory = reader(), GuardMemory()
    memory.add(9, "PaymentReversed", ["receivable-1", OTHER])  # the rows are at 7
    assert (gathered(facts, memory, ACME).guards[0].after, facts.reads) == (9, 2)
