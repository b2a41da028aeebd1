"""Measuring: rivals take turns, every figure is the median of its rounds, and nothing runs but what is measured."""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import uvloop

from benchmarks.server import Server

CALLERS = 32

Round: TypeAlias = Callable[[], float]
"""One round of some work; how much was done in a second."""


class Missing(Exception):
    """Something that a measurement needs is not on this machine; the sentence says what."""


class Size(NamedTuple):
    """How much is measured. `seconds` is the length of a round, `cases` that of a generated help desk.

    `rounds`: in earnest an even number, so that each of two rivals is as often the first: whoever comes after another
    is up to a tenth slower.
    """

    rounds: int
    seconds: float
    events: int
    stock_events: int
    small_log: int
    large_log: int
    cases: int
    lag_seconds: float


FULL = Size(6, 3.0, 1_000_000, 5_000, 50_000, 3_000_000, 4_580, 10.0)
QUICK = Size(1, 1.0, 50_000, 1_000, 5_000, 50_000, 400, 3.0)


class Figure(NamedTuple):
    """The median of some rounds, the least and the greatest of them."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, rounds: Sequence[float]) -> Figure:
        return cls(statistics.median(rounds), min(rounds), max(rounds))


class Measured(NamedTuple):
    """What a piece of work came to: figures by their keys; beside them rates, and MiB of memory at most by process.

    `yardstick`: single-row INSERTs a second in the same run.
    """

    figures: Mapping[str, Figure]
    rates: Mapping[str, Figure]
    memory: Mapping[str, float] = {}
    yardstick: Figure | None = None


class Bench(NamedTuple):
    """What a measurement has to work with."""

    server: Server
    size: Size
    folder: Path


def take_turns(rounds: int, contestants: Mapping[str, Round]) -> dict[str, list[float]]:
    """All rounds of everybody: each contestant once in every round, and each round begins with another one."""
    names = list(contestants)
    done: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            done[name].append(contestants[name]())
    return done


def times(ours: Sequence[float], theirs: Sequence[float]) -> Figure:
    """How many times as much we did, round by round."""
    return Figure.of([a / b for a, b in zip(ours, theirs, strict=True)])


def figures(rounds: Mapping[str, Sequence[float]]) -> dict[str, Figure]:
    """The medians of everybody."""
    return {name: Figure.of(done) for name, done in rounds.items()}


def loop() -> asyncio.Runner:
    """A loop like the one the API runs in, that outlives a round."""
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


async def in_tasks(callers: int, seconds: float, act: Callable[[int], Awaitable[object]]) -> float:
    """How many acts a second so many tasks get done, each one after the other; `act` is told whose it is."""
    begun = time.perf_counter()

    async def call(caller: int) -> int:
        done = 0
        while time.perf_counter() - begun < seconds:
            await act(caller)
            done += 1
        return done

    done = await asyncio.gather(*map(call, range(callers)))
    return sum(done) / (time.perf_counter() - begun)


def in_threads(callers: int, seconds: float, act: Callable[[int], object]) -> float:
    """The same with threads."""
    done = [0] * callers
    begun = time.perf_counter()

    def call(caller: int) -> None:
        while time.perf_counter() - begun < seconds:
            act(caller)
            done[caller] += 1

    threads = [threading.Thread(target=call, args=(caller,)) for caller in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - begun)
