"""The log on a real PostgreSQL: everything once, in one order, all or nothing, and nothing ever changed."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from infra.append import (
    Append,
    Appended,
    Change,
    KeyReused,
    Taken,
    Unavailable,
    VersionConflict,
)
from infra.log_reader import LogReader
from tests.infra.appending import (
    ANNA,
    all_of,
    append,
    asynchronous,
    entry,
    eventually,
    processes,
    somebody_waits_for_a_lock,
    whole_log,
    writing,
)

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
EVENTS_OF_ALL = 100_000
EVENTS_OF_AN_APPEND = 10
WRITERS = 2


def write_many(conninfo: str, writer_number: int) -> int:
    """A process that appends as fast as it can, from 16 callers, half of them on streams that all processes share."""

    async def write() -> int:
        numbers = itertools.count()
        share = EVENTS_OF_ALL // WRITERS // EVENTS_OF_AN_APPEND

        async def caller(number: int) -> None:
            own, version = f"own-{writer_number}-{number}", 0
            while next(numbers) < share:
                shared = number % 2 == 0
                stream_id = f"shared-{number}" if shared else own
                entries = [entry(stream_id)] * EVENTS_OF_AN_APPEND
                done = await writer.append(append(stream_id, None if shared else version, *entries))
                assert done.last - done.first == EVENTS_OF_AN_APPEND - 1
                version += EVENTS_OF_AN_APPEND

        async with writing(conninfo) as writer:
            await asyncio.gather(*map(caller, range(16)))
        return writer.events

    return asyncio.run(write())


async def tail(conninfo: str, upto: int) -> list[int]:
    """The positions that a reader meets who follows the log while it grows."""
    met: list[int] = []
    async with AsyncConnectionPool(conninfo, min_size=1, max_size=1, open=False) as pool:
        reader = LogReader(pool)
        while len(met) < upto:
            met += [row.line.position for row in await reader.page(met[-1] if met else 0, 1000)]
    return met


@asynchronous
async def test_readers_who_follow_while_two_processes_write_miss_nothing(database: str) -> None:
    with processes(WRITERS) as pool:
        writing_ones = [asyncio.wrap_future(pool.submit(write_many, database, number)) for number in range(WRITERS)]
        readers = [asyncio.wait_for(tail(database, EVENTS_OF_ALL), 120) for _ in range(2)]
        written, (first, second) = await asyncio.gather(asyncio.gather(*writing_ones), asyncio.gather(*readers))
    assert sum(written) == EVENTS_OF_ALL
    assert first == second == list(range(1, EVENTS_OF_ALL + 1))
    assert len(whole_log(database)) == EVENTS_OF_ALL


@pytest.mark.parametrize(("callers", "options", "batches"), [(7, {}, 1), (32, {}, 2), (20, {"max_events": 3}, 7)])
@asynchronous
async def test_of_many_who_ask_at_once_one_half_goes_ahead(
    database: str, callers: int, options: dict[str, int], batches: int
) -> None:
    async with writing(database, **options) as writer:
        answers = await all_of(writer, *(append(f"s-{n}", 0) for n in range(callers)))
        assert all(isinstance(answer, Appended) for answer in answers)
        assert writer.batches == batches


@asynchronous
async def test_of_appends_that_go_together_only_those_that_conflict_are_refused(database: str) -> None:
    async with writing(database) as writer:
        await writer.append(append("a", 0))
        answers = await all_of(writer, append("a", 0), append("b", 0), append("c", 3), append("d", 0))
        assert writer.batches == 2
    stale, b, ahead, d = answers
    assert isinstance(stale, VersionConflict)
    assert (stale.stream_id, stale.version) == ("a", 1)
    assert isinstance(ahead, VersionConflict)
    assert (ahead.stream_id, ahead.version) == ("c", 0)
    assert isinstance(b, Appended)
    assert isinstance(d, Appended)
    assert [(row.position, row.stream_id) for row in whole_log(database)] == [(1, "a"), (b.first, "b"), (d.first, "d")]


@asynchronous
async def test_two_who_decide_on_the_same_version_at_the_same_moment_are_one_too_many(database: str) -> None:
    async with writing(database) as writer:
        answers = await all_of(writer, *(append("a", 0) for _ in range(10)))
    assert sum(isinstance(answer, Appended) for answer in answers) == 1
    assert sum(isinstance(answer, VersionConflict) for answer in answers) == 9
    assert len(whole_log(database)) == 1


@asynchronous
async def test_one_decision_about_several_streams_is_written_wholly_or_not_at_all(database: str) -> None:
    def both(expected_of_b: int) -> Append:
        a, b = Change("a", None, [entry("a")] * 2), Change("b", expected_of_b, [entry("b")])
        return Append(ANNA, uuid4(), (a, b))

    async with writing(database) as writer:
        assert await writer.append(both(0)) == Appended(1, 3, whole_log(database)[0].recorded_at)
        with pytest.raises(VersionConflict, match="b is at version 1") as refusal:
            await writer.append(both(0))
        assert (await writer.append(both(1))).last == 6
    assert refusal.value.stream_id == "b"
    assert [row.stream_id for row in whole_log(database)] == ["a", "a", "b", "a", "a", "b"]


@asynchronous
async def test_without_an_expected_version_whoever_comes_is_next(database: str) -> None:
    async with writing(database) as writer:
        answers = await all_of(writer, *(append("refusals-anna", None) for _ in range(5)))
    assert all(isinstance(answer, Appended) for answer in answers)
    assert [row.version for row in whole_log(database)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "changes",
    [(), (Change("a", 0, ()),), (Change("a", 0, (entry("a"),)), Change("a", 1, (entry("a"),)))],
    ids=["nothing", "a stream without events", "a stream twice"],
)
@asynchronous
async def test_an_append_that_makes_no_sense_is_not_even_sent(database: str, changes: tuple[Change, ...]) -> None:
    async with writing(database) as writer:
        with pytest.raises(ValueError, match="one change for each stream"):
            await writer.append(Append(ANNA, uuid4(), changes))
    assert whole_log(database) == []


@pytest.mark.parametrize(
    "malformed",
    [
        append("with \0 in it", 0),
        append("with \ud800 in it", 0),
        append("a", 0, entry("a", "Noted", "two\x1ftags")),
        append("a", 0, entry("a", "Noted", "")),
        append("a", 0, entry("a", held=[("code", "\0")])),
        append("a", 0, body_hash="\0"),
        append("a", 2**80),
    ],
    ids=["NUL", "half a character", "separator", "empty tag", "value", "hash", "huge version"],
)
@asynchronous
async def test_one_malformed_argument_is_the_failure_of_its_own_append_alone(database: str, malformed: Append) -> None:
    async with writing(database) as writer:
        await writer.append(append("first", 0))
        answers = await all_of(writer, append("b", 0), malformed, append("c", 0), append("first", 0))
        b, failure, c, stale = answers
        assert isinstance(failure, (ValueError, psycopg.Error))
        assert isinstance(stale, VersionConflict)
        assert isinstance(b, Appended)
        assert isinstance(c, Appended)
        await writer.append(append("d", 0))
    assert [row.stream_id for row in whole_log(database)] == ["first", "b", "c", "d"]


@asynchronous
async def test_whoever_goes_away_while_waiting_leaves_no_damage(database: str) -> None:
    async with writing(database) as writer:
        async with await psycopg.AsyncConnection.connect(database) as other:
            await other.execute("SELECT FROM yewu.head FOR UPDATE")
            in_flight = asyncio.create_task(writer.append(append("in-flight", 0)))
            await eventually(lambda: somebody_waits_for_a_lock(other))
            queued = asyncio.create_task(writer.append(append("queued", 0)))
            stays = asyncio.create_task(writer.append(append("stays", 0)))
            await asyncio.sleep(0)
            in_flight.cancel()
            queued.cancel()
        assert await stays == Appended(2, 2, whole_log(database)[1].recorded_at)
        await writer.append(append("after", 0))
    assert in_flight.cancelled()
    assert queued.cancelled()
    assert [row.stream_id for row in whole_log(database)] == ["in-flight", "stays", "after"]


@asynchronous
async def test_what_is_queued_is_written_before_the_end(database: str) -> None:
    async with writing(database, max_events=10) as writer:
        waiting = [asyncio.create_task(writer.append(append(f"s-{n}", 0))) for n in range(100)]
        await asyncio.sleep(0)
        await writer.stop()
        with pytest.raises(Unavailable, match="shutting down"):
            await writer.append(append("too-late", 0))
    done = await asyncio.wait_for(asyncio.gather(*waiting), 10)
    assert [each.last for each in done] == list(range(1, 101))
    assert len(whole_log(database)) == 100


@asynchronous
async def test_a_mistake_of_ours_leaves_nobody_waiting_for_ever(database: str) -> None:
    calls = []

    def mistaken(position: int, types: object) -> None:
        calls.append(position)
        if len(calls) == 1:
            raise ZeroDivisionError

    async with writing(database, wrote=mistaken) as writer:
        assert (await writer.append(append("a", 0))).last == 1
        assert (await asyncio.wait_for(writer.append(append("b", 0)), 5)).last == 2
    assert calls == [1, 2]


@asynchronous
async def test_after_each_commit_it_is_said_what_was_written_by_others_too(database: str) -> None:
    heard: list[tuple[int, set[str]]] = []
    async with (
        writing(database, wrote=lambda position, types: heard.append((position, set(types)))) as ours,
        writing(database) as others,
    ):
        await ours.append(append("a", 0, entry("a", "Opened"), entry("a", "Noted")))
        await others.append(append("b", 0, entry("b", "Closed")))
        await ours.append(append("c", 0, entry("c", "Opened")))
    assert heard == [(2, {"Opened", "Noted"}), (4, {"Closed", "Opened"})]


@asynchronous
async def test_the_same_key_gives_the_same_answer_in_every_process(database: str) -> None:
    key = uuid4()
    same = [append(f"case-{n}", 0, *[entry(f"case-{n}")] * 2, key=key, body_hash="receive") for n in (1, 2, 3)]
    async with writing(database) as here, writing(database) as there:
        await here.append(append("earlier", 0))
        first, *repeated = [*await all_of(here, same[0], same[1]), *await all_of(there, same[0], same[2])]
        with pytest.raises(KeyReused):
            await there.append(append("case-4", 0, key=key, body_hash="close"))
        with pytest.raises(KeyReused):
            await here.append(append("case-1", 2, key=key, body_hash="close"))
    assert isinstance(first, Appended)
    assert (first.first, first.last, first.repeated) == (2, 3, False)
    assert repeated == [Appended(2, 3, None, repeated=True)] * 3
    assert len(whole_log(database)) == 3


def give_once(conninfo: str, key: UUID) -> Appended:
    """A process that carries out a command under a key."""

    async def give() -> Appended:
        async with writing(conninfo) as writer:
            return await writer.append(append("complaint-1", 0, key=key, body_hash="receive"))

    return asyncio.run(give())


def test_whichever_process_is_asked_first_carries_it_out(database: str) -> None:
    key = uuid4()
    with processes(3) as pool:
        answers = [each.result() for each in [pool.submit(give_once, database, key) for _ in range(9)]]
    assert {(answer.first, answer.last) for answer in answers} == {(1, 1)}
    assert [answer.repeated for answer in answers].count(False) == 1
    assert len(whole_log(database)) == 1


@asynchronous
async def test_a_refused_command_is_decided_again_under_the_same_key(database: str) -> None:
    key = uuid4()
    async with writing(database) as writer:
        await writer.append(append("a", 0))
        with pytest.raises(VersionConflict):
            await writer.append(append("a", 0, key=key, body_hash="assess"))
        done = await writer.append(append("a", 1, key=key, body_hash="assess"))
    assert (done.last, done.repeated) == (2, False)


@asynchronous
async def test_answers_can_be_made_anew_from_the_log(database: str) -> None:
    async with writing(database) as writer:
        for n in range(20):
            stream_id, keeps = f"case-{n}", n % 3
            meta = b'{"body_hash":"of %d"}' % n if keeps else b"{}"
            entries = [entry(stream_id, meta=meta)] * (1 + n % 4)
            await writer.append(append(stream_id, 0, *entries, body_hash=f"of {n}" if keeps else None))
    with psycopg.connect(database) as db:
        written = db.execute("TABLE yewu.answer ORDER BY first_position").fetchall()
        db.execute("DELETE FROM yewu.answer WHERE first_position > 5")
        db.execute("UPDATE yewu.answer SET body_hash = 'another'")
        assert db.execute("SELECT yewu.rebuild_answers()").fetchone() == (len(written),)
        assert db.execute("TABLE yewu.answer ORDER BY first_position").fetchall() == written
    assert len(written) == 13


@asynchronous
async def test_a_key_counts_for_thirty_days(database: str) -> None:
    async with writing(database) as writer:
        for n in range(10):
            await writer.append(append(f"case-{n}", 0, entry(f"case-{n}", meta=b'{"body_hash":"b"}'), body_hash="b"))
    with psycopg.connect(database) as db:
        db.execute("SET session_replication_role = replica")
        aged = (
            "UPDATE yewu.log SET recorded_at = recorded_at - make_interval(days => %s) WHERE position BETWEEN %s AND %s"
        )
        db.execute(aged, (31, 1, 4))
        db.execute(aged, (29, 5, 7))
        assert db.execute("SELECT yewu.forget_answers()").fetchone() == (4,)
        kept = db.execute("TABLE yewu.answer ORDER BY first_position").fetchall()
        assert [first for _, _, first, _ in kept] == [5, 6, 7, 8, 9, 10]
        assert db.execute("SELECT yewu.forget_answers()").fetchone() == (0,)
        assert db.execute("SELECT yewu.rebuild_answers()").fetchone() == (6,)
        assert db.execute("TABLE yewu.answer ORDER BY first_position").fetchall() == kept


@asynchronous
async def test_a_value_that_only_one_may_carry_names_its_holder(database: str) -> None:
    def registered(stream_id: str, expected: int, code: str) -> Append:
        return append(stream_id, expected, entry(stream_id, held=[("credit-code", code), ("name", code)]))

    async with writing(database) as here, writing(database) as there:
        await here.append(registered("customer-acme", 0, "9131"))
        answers = [
            *await all_of(there, registered("customer-bolt", 0, "9131"), registered("customer-carl", 0, "4403")),
            *await all_of(here, registered("customer-acme", 1, "9131"), registered("customer-dora", 0, "4403")),
            *await all_of(here, registered("customer-ella", 0, "1101"), registered("customer-finn", 0, "1101")),
        ]
    bolt, carl, acme_again, dora, ella, finn = answers
    for taken, holder in (bolt, "customer-acme"), (dora, "customer-carl"), (finn, "customer-ella"):
        assert isinstance(taken, Taken)
        assert taken.holder == holder
        assert taken.scope in {"credit-code", "name"}
    assert all(isinstance(done, Appended) for done in (carl, acme_again, ella))
    assert {row.stream_id for row in whole_log(database)} == {"customer-acme", "customer-carl", "customer-ella"}


@asynchronous
async def test_the_same_value_in_another_scope_is_another_value(database: str) -> None:
    async with writing(database) as writer:
        await writer.append(append("a", 0, entry("a", held=[("credit-code", "1")])))
        assert (await writer.append(append("b", 0, entry("b", held=[("document-number", "1")])))).last == 2


@asynchronous
async def test_one_decision_cannot_give_a_value_to_two(database: str) -> None:
    a, b = (Change(who, 0, (entry(who, held=[("credit-code", "1")]),)) for who in ("customer-a", "customer-b"))
    async with writing(database) as writer:
        with pytest.raises(Taken, match="held by customer-a"):
            await writer.append(Append(ANNA, uuid4(), (a, b)))
        await writer.append(append("customer-b", 0, *b.entries))
    assert len(whole_log(database)) == 1


@asynchronous
async def test_a_refused_decision_holds_no_value(database: str) -> None:
    async with writing(database) as writer:
        with pytest.raises(VersionConflict):
            await writer.append(append("customer-acme", 7, entry("customer-acme", held=[("credit-code", "1")])))
        assert (await writer.append(append("b", 0, entry("b", held=[("credit-code", "1")])))).last == 1


@asynchronous
async def test_found_only_while_the_log_is_where_one_thinks_it_is(database: str) -> None:
    def founding(position: int, *streams: str) -> Append:
        return Append(ANNA, uuid4(), [Change(s, 0, (entry(s),)) for s in streams], only_at=position)

    async with writing(database) as writer:
        first, other, late = await all_of(
            writer, founding(0, "department", "employee-1"), append("a", 0), founding(0, "department-2", "employee-2")
        )
        assert isinstance(first, Appended)
        assert isinstance(other, Appended)
        assert isinstance(late, VersionConflict)
        assert (await writer.append(founding(3, "x"))).last == 4
    assert len(whole_log(database)) == 4


@asynchronous
async def test_time_never_runs_backwards_even_if_the_clock_does(database: str) -> None:
    async with writing(database) as writer:
        await writer.append(append("a", 0))
        with psycopg.connect(database) as db:
            db.execute("UPDATE yewu.head SET recorded_at = now() + interval '1 hour'")
            (ahead,) = db.execute("SELECT recorded_at FROM yewu.head").fetchone() or (None,)
        done = [await writer.append(append("b", n)) for n in range(2)]
    assert [each.recorded_at for each in done] == [ahead, ahead]
    assert [row.recorded_at for row in whole_log(database)][1:] == [ahead, ahead]


@asynchronous
async def test_nothing_is_true_later_than_it_is_recorded(database: str) -> None:
    long_ago, to_come = MONDAY, datetime.now(UTC) + timedelta(days=365)
    async with writing(database) as writer:
        entries = entry("a", at=long_ago), entry("a", at=to_come), entry("a")
        await writer.append(append("a", 0, *entries))
    past, future, now = whole_log(database)
    assert past.effective_at == long_ago
    assert future.effective_at == future.recorded_at == now.effective_at


@asynchronous
async def test_positions_and_versions_have_no_gaps_after_refusals(database: str) -> None:
    async with writing(database) as writer:
        for n in range(20):
            await all_of(writer, append("a", n), append("a", n), append("b", 99), append(f"c-{n}", 0))
    assert len(whole_log(database)) == 40


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE yewu.log SET actor_id = 'nobody'",
        "DELETE FROM yewu.log",
        "TRUNCATE yewu.log",
        "TRUNCATE yewu.log CASCADE",
    ],
)
@asynchronous
async def test_what_is_on_record_cannot_be_changed(database: str, change: str) -> None:
    async with writing(database) as writer:
        await writer.append(append("a", 0))
    before = whole_log(database)
    with (
        psycopg.connect(database) as db,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"),
    ):
        db.execute(change.encode())
    assert whole_log(database) == before


@asynchronous
async def test_auditors_see_what_was_recorded_in_clear(database: str) -> None:
    async with writing(database) as writer:
        said = entry("a", "Noted", "b", data='{"note":"业务 €"}'.encode(), meta=b'{"clause":"3.3.2-b"}')
        await writer.append(append("a", 0, said))
    with psycopg.connect(database) as db:
        shown = db.execute(
            "SELECT position, type, data->>'note', meta->>'clause', tags, actor_id FROM yewu.event"
        ).fetchone()
    assert shown == (1, "Noted", "业务 €", "3.3.2-b", ["a", "b"], ANNA)


@asynchronous
async def test_events_of_several_acts_keep_whose_they_are(database: str) -> None:
    theirs = uuid4()
    entries = entry("a"), entry("a")._replace(actor_id="importer", command_id=theirs)
    mine = append("a", 0, *entries)
    async with writing(database) as writer:
        await writer.append(mine)
    assert [row.command_id for row in whole_log(database)] == [mine.command_id, theirs]
    with psycopg.connect(database) as db:
        assert db.execute("SELECT actor_id FROM yewu.log ORDER BY position").fetchall() == [(ANNA,), ("importer",)]


@asynchronous
async def test_without_a_database_there_is_no_start(tmp_path: Path) -> None:
    with pytest.raises(psycopg.OperationalError):
        async with writing(f"host={tmp_path} dbname=nowhere"):
            pass
