"""A decision stands only on facts that are still true at the moment it is recorded."""

from __future__ import annotations

import asyncio
import json
import random
from bisect import bisect_right
from collections import Counter, defaultdict
from functools import partial
from typing import NamedTuple
from uuid import uuid4

import pytest
from psycopg_pool import AsyncConnectionPool

from infra.append import Append, Appended, FactsMoved, FactsTooOld
from infra.event_store import Writer
from infra.guard_memory import Guard, News
from infra.log_reader import LogReader
from tests.infra.appending import (
    all_of,
    append,
    asynchronous,
    entry,
    eventually,
    processes,
    whole_log,
    writing,
)

SIGNED, RETURNED, BLOCKED = "ContractSigned", "GoodsReturned", "CustomerBlocked"
ACME, BOLT = "customer-acme", "customer-bolt"
ANNA = "employee-anna"

LIMIT, CUSTOMERS = 10, 30
ATTEMPTS = 5000
KINDS_OF_MEMORY = ((0, 40), (50, 1000), (10_000, 10_000))
"""How much a process remembers of the log, and how far back the database looks."""


def signed(stream_id: str, *about: str, expected: int = 0, guard: Guard | None = None, units: int = 1) -> Append:
    """A contract, signed with somebody by somebody."""
    data = json.dumps({"units": units}).encode()
    return append(stream_id, expected, entry(stream_id, SIGNED, *about, data=data), guards=(guard,) if guard else ())


class Outcome(NamedTuple):
    """One attempt to sign: from facts of which moment, and where it lies or what stood against it."""

    guard: Guard
    position: int | None
    news: News | None


def sign_contracts(conninfo: str, number: int, attempts: int, guarded: bool) -> list[Outcome]:
    """A process whose callers sign contracts and take goods back, deciding from balances read some time ago."""
    return asyncio.run(_Signing(conninfo, number, attempts, guarded).run())


class _Signing:
    def __init__(self, conninfo: str, number: int, attempts: int, guarded: bool) -> None:
        self.conninfo, self.number, self.guarded, self.left = conninfo, number, guarded, attempts
        self.chance = random.Random(number)  # noqa: S311  # no secret
        self.owes: Counter[str] = Counter()
        self.known = 0
        self.ours: list[tuple[str, str, int]] = []
        self.outcomes: list[Outcome] = []

    async def run(self) -> list[Outcome]:
        memory, max_tail = KINDS_OF_MEMORY[self.number % 3]
        async with writing(self.conninfo, memory=memory, max_tail=max_tail) as writer:
            following = asyncio.create_task(self._follow())
            await asyncio.gather(*(self._caller(writer) for _ in range(16)))
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        return self.outcomes

    async def _follow(self) -> None:
        async with AsyncConnectionPool(self.conninfo, min_size=1, max_size=1, open=False) as pool:
            reader = LogReader(pool)
            while True:
                for line, (_, customer, *_) in await reader.page(self.known, 1000):
                    self.owes[customer] += json.loads(line.data)["units"] * (1 if line.type == SIGNED else -1)
                    self.known = line.position
                await asyncio.sleep(self.chance.choice((0, 0.002, 0.01, 0.03)))  # how far it lags behind

    async def _caller(self, writer: Writer) -> None:
        while self.left > 0:
            customer, units = f"customer-{self.chance.randrange(CUSTOMERS)}", self.chance.randint(1, 3)
            if self.owes[customer] + units > LIMIT or self.chance.random() < 0.2:
                await self._take_back(writer)
                continue
            self.left -= 1
            seller = f"employee-{self.chance.randrange(200)}"
            tags = (customer,) if self.chance.random() < 0.8 else (customer, seller)
            guard = Guard(self.known, (SIGNED, BLOCKED), tags)
            stream_id = f"contract-{uuid4()}"
            try:
                done = await writer.append(
                    signed(stream_id, customer, seller, guard=guard if self.guarded else None, units=units)
                )
            except FactsMoved as moved:
                self.outcomes.append(Outcome(guard, None, moved.news))
            except FactsTooOld:
                await eventually(partial(self._knows_more_than, guard.after))
            else:
                self.ours.append((stream_id, customer, units))
                self.outcomes.append(Outcome(guard, done.last, None))

    async def _take_back(self, writer: Writer) -> None:
        if not self.ours:
            await asyncio.sleep(0.001)
            return
        stream_id, customer, units = self.ours.pop(self.chance.randrange(len(self.ours)))
        data = json.dumps({"units": units}).encode()
        await writer.append(append(stream_id, 1, entry(stream_id, RETURNED, customer, data=data)))

    async def _knows_more_than(self, position: int) -> bool:
        return self.known > position


def sign_in_three_processes(database: str, attempts: int, *, guarded: bool) -> tuple[int, list[Outcome]]:
    """The worst balance that any customer ever had, and all outcomes."""
    with processes(3) as pool:
        jobs = [pool.submit(sign_contracts, database, number, attempts, guarded) for number in range(3)]
        outcomes = [outcome for job in jobs for outcome in job.result(timeout=120)]
    owes: Counter[str] = Counter()
    worst = 0
    for row in whole_log(database):
        owes[row.tags[1]] += json.loads(row.data)["units"] * (1 if row.type == SIGNED else -1)
        worst = max(worst, *owes.values())
    return worst, outcomes


def test_a_limit_that_many_contracts_share_is_never_exceeded(database: str) -> None:
    worst, outcomes = sign_in_three_processes(database, ATTEMPTS, guarded=True)
    assert worst <= LIMIT
    positions: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    happened = {}
    for row in whole_log(database):
        happened[row.position] = row
        for tag in row.tags:
            positions[row.type, tag].append(row.position)
    for (after, types, tags), position, news in outcomes:
        if position is not None:
            for type_ in types:
                for tag in tags:
                    where = positions[type_, tag]
                    behind = bisect_right(where, after)
                    assert behind == len(where) or where[behind] >= position, "let in against news"
        else:
            assert news is not None
            assert news.position > after
            assert news.type in types
            assert news.tag in tags
            assert (happened[news.position].type, news.tag in happened[news.position].tags) == (news.type, True)
    accepted = sum(outcome.position is not None for outcome in outcomes)
    assert accepted > 100
    assert len(outcomes) - accepted > 100, "nobody was ever refused: this proves nothing"


def test_without_the_guard_it_is(database: str) -> None:
    worst, _ = sign_in_three_processes(database, ATTEMPTS // 5, guarded=False)
    assert worst > LIMIT


@pytest.mark.parametrize(("memory", "max_tail"), KINDS_OF_MEMORY)
@asynchronous
async def test_a_right_revoked_in_the_same_instant_is_not_used(database: str, memory: int, max_tail: int) -> None:
    chance = random.Random(memory)  # noqa: S311  # no secret
    used = Counter[str]()
    async with (
        writing(database, memory=memory, max_tail=max_tail) as ours,
        writing(database, memory=memory, max_tail=max_tail) as others,
    ):
        for n in range(300):
            anna = f"employee-anna-{n}"
            guard = Guard(ours.memory.known, ("RoleEnded",), (anna,))
            use = signed(f"contract-{n}", ACME, guard=guard)
            end = append("department", None, entry("department", "RoleEnded", anna))
            revoking = chance.choice((ours, others))
            order = [(ours, use), (revoking, end)]
            chance.shuffle(order)
            tasks = []
            for writer, each in order:
                tasks.append(asyncio.create_task(writer.append(each)))
                for _ in range(chance.randrange(4)):
                    await asyncio.sleep(0)
            answers = dict(
                zip((each for _, each in order), await asyncio.gather(*tasks, return_exceptions=True), strict=True)
            )
            ended, signature = answers[end], answers[use]
            assert isinstance(ended, Appended)
            if isinstance(signature, Appended):
                assert signature.last < ended.first, "a right was used that had ended"
                used["before it ended"] += 1
            else:
                assert isinstance(signature, FactsMoved)
                assert signature.news == News(ended.first, "RoleEnded", anna)
                used["too late"] += 1
    assert min(used["before it ended"], used["too late"]) > 10, used


@asynchronous
async def test_in_one_batch_news_stand_only_against_what_comes_after_them(database: str) -> None:
    async with writing(database) as writer:
        guard = Guard(0, (SIGNED,), (ACME,))
        first, second, third, other = await all_of(
            writer,
            signed("contract-1", ACME, guard=guard),
            signed("contract-2", ACME, guard=guard),
            signed("contract-3", ACME),
            signed("contract-4", BOLT, guard=Guard(0, (SIGNED,), (BOLT,))),
        )
    assert all(isinstance(done, Appended) for done in (first, third, other))
    assert isinstance(second, FactsMoved)
    assert len(whole_log(database)) == 3


@pytest.mark.parametrize("own", [True, False], ids=["our own", "of others"])
@pytest.mark.parametrize(("memory", "max_tail"), KINDS_OF_MEMORY)
@asynchronous
async def test_news_count_from_the_very_next_position_on(database: str, memory: int, max_tail: int, own: bool) -> None:
    async with (
        writing(database, memory=memory, max_tail=max_tail) as ours,
        writing(database, memory=memory, max_tail=max_tail) as others,
    ):
        await ours.append(append("a", 0))
        news = (await (ours if own else others).append(signed("contract-1", ACME))).last
        known = await ours.append(signed("contract-2", BOLT, guard=Guard(news, (SIGNED,), (ACME,))))
        assert known.last == news + 1
        with pytest.raises(FactsMoved) as refusal:
            await ours.append(signed("contract-3", BOLT, guard=Guard(news - 1, (BLOCKED, SIGNED), (ANNA, ACME))))
        assert refusal.value.news == News(news, SIGNED, ACME)
        for types, tags in ((BLOCKED,), (ACME,)), ((SIGNED,), (ANNA,)):
            await ours.append(append(f"case-{tags[0]}", 0, guards=[Guard(news - 1, types, tags)]))


@asynchronous
async def test_every_guard_of_a_decision_must_hold(database: str) -> None:
    async with writing(database) as writer:
        at = (await writer.append(append("a", 0))).last
        await writer.append(signed("contract-1", ACME))
        credit, post = Guard(at, (SIGNED,), (ACME,)), Guard(at, ("RoleEnded",), (ANNA,))
        for guards in ([credit, post], [post, credit]):
            with pytest.raises(FactsMoved):
                await writer.append(append("b", 0, guards=guards))
        await writer.append(append("b", 0, guards=[post]))


@asynchronous
async def test_facts_that_nobody_can_check_any_more_are_read_again(database: str) -> None:
    async with writing(database, memory=5, max_tail=20) as writer:
        for n in range(30):
            await writer.append(append("a", n))
        reachable = Guard(30 - 20, (SIGNED,), (ACME,))
        with pytest.raises(FactsTooOld):
            await writer.append(signed("contract-1", ACME, guard=reachable._replace(after=9)))
        with pytest.raises(FactsTooOld):
            await writer.append(signed("contract-1", ACME, guard=reachable._replace(after=31)))
        await writer.append(signed("contract-1", ACME, guard=reachable))
    assert len(whole_log(database)) == 31


@asynchronous
async def test_a_long_memory_answers_where_the_database_does_not_look(database: str) -> None:
    async with writing(database, memory=100, max_tail=5) as writer:
        first = (await writer.append(signed("contract-1", ACME))).last
        for n in range(20):
            await writer.append(append("a", n))
        await writer.append(signed("contract-2", BOLT, guard=Guard(first, (SIGNED,), (ACME,))))


@asynchronous
async def test_what_others_wrote_is_seen_however_much_it_was(database: str) -> None:
    async with writing(database) as ours, writing(database) as others:
        at = (await ours.append(append("a", 0))).last
        await others.append(signed("contract-1", ACME))
        await others.append(append("b", 0, *[entry("b")] * 3000))
        with pytest.raises(FactsMoved) as refusal:
            await ours.append(signed("contract-2", ACME, guard=Guard(at, (SIGNED,), (ACME,))))
        assert refusal.value.news.position == at + 1
        with pytest.raises(FactsMoved):
            await ours.append(signed("contract-2", ACME, guard=Guard(at, (SIGNED,), (ACME,))))
        await ours.append(signed("contract-2", ACME, guard=Guard(at + 1, (SIGNED,), (ACME,))))


@asynchronous
async def test_a_process_remembers_from_its_start_what_came_before_it(database: str) -> None:
    async with writing(database) as others:
        await others.append(signed("contract-1", ACME))
        await others.append(append("a", 0))
    async with writing(database, max_tail=0) as ours:
        assert ours.memory.hit(Guard(0, (SIGNED,), (ACME,))) == News(1, SIGNED, ACME)
        await ours.append(signed("contract-2", ACME, guard=Guard(1, (SIGNED,), (ACME,))))


@asynchronous
async def test_somebody_elses_malformed_append_does_not_open_a_guard(database: str) -> None:
    async with writing(database) as ours, writing(database) as others:
        at = (await ours.append(append("a", 0))).last
        news = (await others.append(signed("contract-1", ACME))).last
        malformed, fine, guarded = await all_of(
            ours,
            append("with \0 in it", 0),
            append("b", 0),
            signed("contract-2", ACME, guard=Guard(at, (SIGNED,), (ACME,))),
        )
    assert isinstance(malformed, Exception)
    assert isinstance(fine, Appended)
    assert isinstance(guarded, FactsMoved)
    assert guarded.news == News(news, SIGNED, ACME)


@pytest.mark.parametrize("guard", [Guard(0, (), (ACME,)), Guard(0, (SIGNED,), ()), Guard(0, (SIGNED,), ("",))])
@asynchronous
async def test_a_guard_that_could_never_fire_is_a_mistake(database: str, guard: Guard) -> None:
    async with writing(database) as writer:
        with pytest.raises(ValueError, match="cannot be types or tags"):
            await writer.append(signed("contract-1", ACME, guard=guard))
    assert whole_log(database) == []


@asynchronous
async def test_what_a_decision_did_itself_does_not_stand_against_its_repetition(database: str) -> None:
    key = uuid4()
    same = signed("contract-1", ACME, guard=Guard(0, (SIGNED,), (ACME,)))._replace(command_id=key, body_hash="sign")
    async with writing(database) as here, writing(database) as there:
        answers = [*await all_of(here, same, same), *await all_of(there, same), *await all_of(here, same)]
    first, *again = answers
    assert isinstance(first, Appended)
    assert again == [Appended(first.first, first.last, None, repeated=True)] * 3
    assert len(whole_log(database)) == 1
