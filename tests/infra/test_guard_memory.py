"""What a process remembers of the log's end: it may forget, but never say that nothing happened when something did."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given as property_of
from hypothesis import strategies as st

from infra.guard_memory import Guard, GuardMemory, News

SIGNED, BLOCKED = "ContractSigned", "CustomerBlocked"
ACME, BOLT, CARL = "customer-acme", "customer-bolt", "customer-carl"


class Happened(NamedTuple):
    """One event, as far as a guard is concerned."""

    type: str
    tags: tuple[str, ...]


class Others(NamedTuple):
    """What other processes wrote; told, or too much to be told."""

    events: list[Happened]
    told: bool


happened = st.builds(
    Happened, st.sampled_from([SIGNED, BLOCKED]), st.lists(st.sampled_from([ACME, BOLT, CARL])).map(tuple)
)
steps = st.lists(st.one_of(happened, st.builds(Others, st.lists(happened, max_size=6), st.booleans())), max_size=40)
some_of = st.sets(st.sampled_from([SIGNED, BLOCKED]), min_size=1).map(tuple)
somebody = st.sets(st.sampled_from([ACME, BOLT, CARL]), min_size=1).map(tuple)


def remembering(size: int, begun_at: int, history: list[Happened | Others]) -> tuple[GuardMemory, dict[int, Happened]]:
    """A memory that has lived through this, and what the log really holds behind the position it began at."""
    memory, log = GuardMemory(size), dict[int, Happened]()
    memory.reset(begun_at)
    for step in history:
        head = begun_at + len(log)
        if isinstance(step, Happened):
            log[head + 1] = step
            memory.add(head + 1, *step)
        else:
            log |= dict(enumerate(step.events, head + 1))
            told = step.events if step.told else []
            memory.learn(head, [(e.type, e.tags) for e in told], head + len(step.events))
    return memory, log


def matching(log: dict[int, Happened], guard: Guard) -> set[News]:
    return {
        News(position, type_, tag)
        for position, (type_, tags) in log.items()
        if position > guard.after and type_ in guard.types
        for tag in {*tags} & {*guard.tags}
    }


@property_of(st.integers(0, 8), st.integers(0, 3), steps, st.integers(0, 60), some_of, somebody)
def test_whatever_it_still_reaches_back_to_it_knows_and_it_invents_nothing(
    size: int,
    begun_at: int,
    history: list[Happened | Others],
    after: int,
    types: tuple[str, ...],
    tags: tuple[str, ...],
) -> None:
    memory, log = remembering(size, begun_at, history)
    guard = Guard(after, types, tags)
    hit, really = memory.hit(guard), matching(log, guard)
    assert memory.known == begun_at + len(log)
    assert hit is None or hit in really
    if after >= memory.floor:
        assert (hit is None) == (not really)


@property_of(st.integers(0, 8), steps, st.integers(0, 60), some_of, somebody)
def test_where_the_database_need_not_look_nothing_has_happened(
    size: int, history: list[Happened | Others], after: int, types: tuple[str, ...], tags: tuple[str, ...]
) -> None:
    memory, log = remembering(size, 0, history)
    guard = Guard(after, types, tags)
    checked = memory.checked(guard)
    assert checked >= after
    assert not {news for news in matching(log, guard) if news.position <= checked}


@property_of(st.integers(1, 8), st.lists(happened, min_size=1, max_size=60))
def test_it_reaches_back_as_far_as_its_size_and_holds_no_more_than_twice_that(
    size: int, events: list[Happened]
) -> None:
    memory, _ = remembering(size, 0, list(events))
    assert min(size, len(events)) <= memory.known - memory.floor <= 2 * size


def test_older_news_are_forgotten_a_whole_generation_at_a_time() -> None:
    memory = GuardMemory(2)
    for position, who in enumerate((ACME, BOLT, CARL, BOLT), 1):
        memory.add(position, SIGNED, (who,))
    assert memory.floor == 0
    assert memory.hit(Guard(0, (SIGNED,), (ACME,))) == News(1, SIGNED, ACME)
    memory.add(5, SIGNED, (CARL,))
    assert memory.floor == 2
    assert memory.hit(Guard(0, (SIGNED,), (ACME,))) is None
    assert memory.checked(Guard(0, (SIGNED,), (ACME,))) == 0
    assert memory.hit(Guard(2, (SIGNED,), (CARL,))) == News(5, SIGNED, CARL)


def test_news_that_came_with_the_answer_are_not_news() -> None:
    memory = GuardMemory()
    memory.add(1, SIGNED, (ACME,))
    memory.add(2, SIGNED, (BOLT,))
    assert memory.hit(Guard(0, (SIGNED,), (ACME,))) == News(1, SIGNED, ACME)
    assert memory.hit(Guard(1, (SIGNED,), (ACME,))) is None
    assert memory.checked(Guard(1, (SIGNED,), (ACME,))) == 2


def test_what_others_wrote_unseen_makes_it_begin_anew() -> None:
    memory = GuardMemory()
    memory.add(1, SIGNED, (ACME,))
    memory.learn(1, (), 5000)
    assert (memory.floor, memory.known) == (5000, 5000)
    assert memory.checked(Guard(1, (SIGNED,), (ACME,))) == 1
    memory.learn(5000, [(SIGNED, (ACME, BOLT))], 5001)
    assert memory.hit(Guard(5000, (SIGNED,), (BOLT,))) == News(5001, SIGNED, BOLT)
