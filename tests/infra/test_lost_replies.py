"""Whatever happens to the connection: what was asked for is written once, and whoever asked is told the truth."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from functools import partial
from uuid import UUID, uuid4

import psycopg
import pytest
from structlog.testing import capture_logs

from infra.append import Append, Appended, Change, FactsMoved, Unavailable, VersionConflict
from infra.guard_memory import Guard, News
from tests.infra.appending import ANNA, all_of, append, asynchronous, entry, eventually, whole_log, writing
from tests.infra.tcp_proxy import Fault, Proxy

SIGNED = "ContractSigned"
ACME = "customer-acme"

LOSSES = [
    [Fault.LOSE_REQUEST],
    [Fault.LOSE_REPLY],
    [Fault.LOSE_REPLY, Fault.LOSE_REPLY],
    [Fault.LOSE_REQUEST, Fault.LOSE_REPLY, Fault.LOSE_REQUEST],
]


def decisions() -> list[Append]:
    """One of every sort, none of which stands against another."""
    own_news = Guard(1, (SIGNED,), (ACME,))
    a, b = (Change(s, 0, (entry(s), entry(s))) for s in ("pair-a", "pair-b"))
    return [
        append("plain", 0),
        append("wherever-it-stands", None),
        append("under-a-key", 0, body_hash="receive"),
        append("unique", 0, entry("unique", held=[("credit-code", "9131")])),
        append("guarded", 0, entry("guarded", "CreditLimitApproved", ACME), guards=[own_news]),
        append("guarded-under-a-key", 0, guards=[own_news], body_hash="sign"),
        Append(ANNA, uuid4(), (a, b)),
        append("its-own-news", 0, entry("its-own-news", SIGNED, ACME), guards=[own_news]),
    ]


def ids(faults: list[Fault]) -> str:
    return " then ".join(faults)


@pytest.mark.parametrize("faults", LOSSES, ids=ids)
@asynchronous
async def test_a_lost_reply_is_neither_a_conflict_nor_a_second_event(database: str, faults: list[Fault]) -> None:
    async with Proxy(database) as proxy, writing(proxy.conninfo, max_events=3) as writer:
        await writer.append(append("first", 0))
        proxy.next_appends(*faults)
        asked = decisions()
        answers = await all_of(writer, *asked)
        assert proxy.next_fault() is None
        await writer.append(append("first", 1))
    rows = whole_log(database)
    for decision, answer in zip(asked, answers, strict=True):
        assert isinstance(answer, Appended)
        written = [row.position for row in rows if row.command_id == decision.command_id]
        assert written == list(range(answer.first, answer.last + 1))
        assert len(written) == sum(len(change.entries) for change in decision.changes)
        assert not answer.repeated
        assert answer.recorded_at == rows[answer.last - 1].recorded_at
    assert len(rows) == 2 + sum(len(change.entries) for decision in asked for change in decision.changes)


@pytest.mark.parametrize("faults", LOSSES, ids=ids)
@asynchronous
async def test_a_real_conflict_stays_one(database: str, faults: list[Fault]) -> None:
    async with Proxy(database) as proxy, writing(proxy.conninfo) as ours, writing(database) as others:
        at = (await ours.append(append("a", 0))).last
        news = (await others.append(append("contract-1", 0, entry("contract-1", SIGNED, ACME)))).last
        proxy.next_appends(*faults)
        stale, moved, fine = await all_of(
            ours, append("a", 0), append("b", 0, guards=[Guard(at, (SIGNED,), (ACME,))]), append("c", 0)
        )
    assert isinstance(stale, VersionConflict)
    assert isinstance(moved, FactsMoved)
    assert moved.news == News(news, SIGNED, ACME)
    assert isinstance(fine, Appended)
    assert [row.stream_id for row in whole_log(database)] == ["a", "contract-1", "c"]


@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.LOSE_REPLY])
@asynchronous
async def test_news_that_came_while_the_connection_was_gone_count(database: str, fault: Fault) -> None:
    async with Proxy(database) as proxy, writing(proxy.conninfo) as ours, writing(database) as others:
        at = (await ours.append(append("a", 0))).last
        guard = Guard(at, (SIGNED,), (ACME,))
        proxy.next_appends(fault)
        await ours.append(append("b", 0))
        await others.append(append("contract-1", 0, entry("contract-1", SIGNED, ACME)))
        with pytest.raises(FactsMoved):
            await ours.append(append("c", 0, guards=[guard]))


@asynchronous
async def test_an_act_is_not_done_again_under_the_same_command_id_on_a_stream_that_has_moved_on(database: str) -> None:
    async with Proxy(database) as proxy, writing(proxy.conninfo) as writer:
        key = uuid4()
        await writer.append(append("a", 0, key=key))
        proxy.next_appends(Fault.LOSE_REQUEST)
        assert (await writer.append(append("a", 1, key=key))).last == 2
    assert [row.version for row in whole_log(database)] == [1, 2]


@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.LOSE_REPLY])
@asynchronous
async def test_a_malformed_append_among_the_lost_fails_alone(database: str, fault: Fault) -> None:
    async with Proxy(database) as proxy, writing(proxy.conninfo) as writer:
        await writer.append(append("first", 0))
        proxy.next_appends(fault)
        b, malformed, c = await all_of(writer, append("b", 0), append("with \0 in it", 0), append("c", 0))
    assert isinstance(b, Appended)
    assert isinstance(c, Appended)
    assert isinstance(malformed, psycopg.DataError)
    assert [row.stream_id for row in whole_log(database)] == ["first", "b", "c"]


@asynchronous
async def test_what_the_server_hears_late_it_does_not_carry_out_again(database: str) -> None:
    async with Proxy(database) as proxy, writing(proxy.conninfo) as writer:
        await writer.append(append("first", 0))
        proxy.next_appends(Fault.CARRY_OUT_LATE)
        done = await writer.append(append("refusals-anna", None))
        await proxy.deliver_late()
        await writer.append(append("first", 1))
    assert done.last == 2
    assert [row.stream_id for row in whole_log(database)] == ["first", "refusals-anna", "first"]


@asynchronous
async def test_a_reply_that_never_comes_is_not_waited_for_for_ever(database: str) -> None:
    async with Proxy(database) as proxy, writing(proxy.conninfo, patience=0.5) as writer:
        await writer.append(append("first", 0))
        proxy.next_appends(Fault.LOSE_REPLY_SILENTLY)
        assert (await asyncio.wait_for(writer.append(append("a", 0)), 20)).last == 2
        assert (await writer.append(append("a", 1))).last == 3
    assert len(whole_log(database)) == 3


@asynchronous
async def test_what_somebody_else_holds_up_too_long_is_not_done_behind_the_callers_back(database: str) -> None:
    async with writing(database, patience=0.3) as writer:
        async with await psycopg.AsyncConnection.connect(database) as other:
            await other.execute("SELECT FROM yewu.head FOR UPDATE")
            with pytest.raises(Unavailable):
                await writer.append(append("a", None))
        assert (await writer.append(append("b", 0))).last == 1
    assert [row.stream_id for row in whole_log(database)] == ["b"]


@asynchronous
async def test_connections_killed_under_load_lose_and_double_nothing(database: str) -> None:
    told: dict[UUID, Appended] = {}

    async def kill_again_and_again() -> None:
        async with await psycopg.AsyncConnection.connect(database, autocommit=True) as db:
            for _ in range(30):
                enough = len(told) + 20
                await eventually(partial(_has, told, enough))
                await db.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND application_name LIKE 'yewu-writer%'"
                )

    async def caller(number: int) -> None:
        version = 0
        while not killing.done():
            one = append(
                f"s-{number}", None if number % 3 == 0 else version, body_hash="x" if number % 3 == 1 else None
            )
            told[one.command_id] = await writer.append(one)
            version += 1

    with capture_logs() as logs:
        async with writing(database) as writer:
            killing = asyncio.create_task(kill_again_and_again())
            await asyncio.gather(*map(caller, range(16)))
            await killing
    rows = whole_log(database)
    assert {row.command_id: row.position for row in rows} == {key: answer.last for key, answer in told.items()}
    assert len(rows) == len(told)
    assert len(logs) >= 20, "hardly a connection was ever lost"


@asynchronous
async def test_a_database_that_stays_away_is_unavailable_until_it_is_back(database: str) -> None:
    async with Proxy(database) as proxy, writing(proxy.conninfo, patience=0.3, max_events=1) as writer:
        await writer.append(append("first", 0))
        await proxy.down()
        began = time.monotonic()
        answers = await all_of(writer, *(append(f"s-{n}", 0) for n in range(20)))
        assert all(isinstance(answer, Unavailable) for answer in answers)
        assert 0.3 <= time.monotonic() - began < 2
        with pytest.raises(Unavailable):
            await writer.append(append("a", 0))
        await proxy.up()
        assert (await writer.append(append("a", 0))).last == 2
    assert [row.stream_id for row in whole_log(database)] == ["first", "a"]


@asynchronous
async def test_whoever_is_patient_enough_never_hears_of_it(database: str) -> None:
    async with Proxy(database) as proxy, writing(proxy.conninfo) as writer:
        await writer.append(append("first", 0))
        await proxy.down()
        with capture_logs() as logs:
            waiting = [asyncio.create_task(writer.append(append(f"s-{n}", 0))) for n in range(20)]
            await eventually(lambda: _is_said(logs, "writer lost its connection"))
        await proxy.up()
        assert {answer.last for answer in await asyncio.gather(*waiting)} == set(range(2, 22))
    assert len(whole_log(database)) == 21


@asynchronous
async def test_a_database_that_answers_but_cannot_write_is_not_asked_without_pause(database: str) -> None:
    async with (
        await psycopg.AsyncConnection.connect(database, autocommit=True) as owner,
        writing(database, patience=0.5) as writer,
    ):
        await owner.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE 'no space left on device' USING ERRCODE = 'disk_full'; END $$"
        )
        await owner.execute("CREATE TRIGGER no_space BEFORE INSERT ON yewu.log EXECUTE FUNCTION full_disk()")
        with capture_logs() as logs, pytest.raises(Unavailable):
            await writer.append(append("a", 0))
        assert 2 <= len(logs) <= 15
        await owner.execute("DROP TRIGGER no_space ON yewu.log")
        assert (await writer.append(append("a", 0))).last == 1


@asynchronous
async def test_what_is_queued_while_the_database_is_away_is_written_before_the_end(database: str) -> None:
    async with Proxy(database) as proxy:
        async with writing(proxy.conninfo) as writer:
            await writer.append(append("first", 0))
            proxy.next_appends(Fault.LOSE_REPLY, Fault.LOSE_REQUEST)
            waiting = [asyncio.create_task(writer.append(append(f"s-{n}", 0))) for n in range(5)]
            await asyncio.sleep(0)
        assert sorted([(await each).last for each in waiting]) == [2, 3, 4, 5, 6]
    assert len(whole_log(database)) == 6


async def _has(told: Mapping[UUID, object], number: int) -> bool:
    return len(told) >= number


async def _is_said(logs: Sequence[Mapping[str, object]], what: str) -> bool:
    return any(line["event"] == what for line in logs)
