"""What does the regulation say, what of it is built, and how was each clause kept in each case?"""

from __future__ import annotations

import tomllib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import LiteralString, TypeAlias

import msgspec

from aggregates.actor import INSIDE
from aggregates.ids import AnyId
from aggregates.text import Code
from aggregates.value import Value
from projections.duties import READERS, verdicts
from projections.question import Database, question, select
from projections.rules.catalogue import RULES
from projections.rules.duty import DutyRow, Verdict

HERE = Path(__file__).parent
TESTS = HERE / "regulation_tests.json"
"""The tests named after each clause, as `make generate` found them: they are not installed with the product."""


class Source(StrEnum):
    """Whether a clause was issued so, or only follows where the issued text breaks off."""

    TEXT = "text"
    INFERRED = "inferred"


class Clause(Value):
    """One clause, in the words of the regulation and in English; `rules` stand for it once they are built."""

    id: Code
    zh: str
    en: str
    source: Source
    rules: tuple[Code, ...]


class _Regulation(Value):
    clause: tuple[Clause, ...]


CLAUSES = msgspec.convert(tomllib.loads((HERE / "regulation.toml").read_text("utf-8")), _Regulation).clause
BY_ID: Mapping[Code, Clause] = {clause.id: clause for clause in CLAUSES}
_TESTS = msgspec.json.decode(TESTS.read_bytes(), type=dict[Code, tuple[str, ...]]) if TESTS.exists() else {}


class State(StrEnum):
    """How far a clause is. Nothing counts as built that no test named after the clause has seen working."""

    NOT_BUILT = "not built"
    NO_TEST = "no test"
    BUILT = "built"


class Mechanism(Value):
    """What is there for a clause: commands that name it, events that they answer with, rows that show what they did,
    policies that serve it."""

    commands: tuple[Code, ...] = ()
    events: tuple[Code, ...] = ()
    views: tuple[Code, ...] = ()
    policies: tuple[Code, ...] = ()


class Coverage(Value):
    """What there is of one clause; `event_types` are those of its commands, so many `events` were recorded under it,
    `cases` are judged by its rules."""

    clause: Code
    zh: str
    en: str
    source: Source
    state: State
    commands: tuple[Code, ...]
    event_types: tuple[Code, ...]
    views: tuple[Code, ...]
    policies: tuple[Code, ...]
    rules: tuple[Code, ...]
    tests: tuple[str, ...]
    events: int
    cases: int


Covered: TypeAlias = Callable[..., Awaitable[list[Coverage]]]


def coverage_by(mechanisms: Mapping[str, Mechanism]) -> Covered:
    """The question what of the regulation is built, for whoever knows by which mechanisms."""

    @question(path="regulation/coverage", readers=INSIDE, tables=("duty_row",))
    async def coverage(db: Database, inferred: bool = False) -> list[Coverage]:
        """Each clause with its mechanism, its rules and the evidence so far; the inferred ones only if asked for."""
        events = {found.name: found.count for found in await select(db, _Count, RECORDED, db.at, db.at)}
        cases = {found.name: found.count for found in await select(db, _Count, JUDGED)}
        asked = (clause for clause in CLAUSES if inferred or clause.source is Source.TEXT)
        return [_covered(clause, mechanisms.get(clause.id, Mechanism()), events, cases) for clause in asked]

    return coverage


class _Count(Value):
    name: Code
    count: int


RECORDED: LiteralString = """
    SELECT split_part(split_part(convert_from(meta, 'UTF8'), '"clause":"', 2), '"', 1) AS name, count(*) AS count
    FROM yewu.log
    WHERE position <= (SELECT position FROM place) AND (effective_at <= %s OR %s::timestamptz IS NULL)
    GROUP BY 1"""
"""No text can pretend to be the clause: a quotation mark inside one is escaped. What names none counts as nothing."""

JUDGED: LiteralString = "SELECT rule AS name, count(*) AS count FROM duty_row GROUP BY 1"


def _covered(clause: Clause, mechanism: Mechanism, events: Mapping[Code, int], cases: Mapping[Code, int]) -> Coverage:
    rules, tests = rules_of(clause.id), named_after(clause.id)
    return Coverage(
        clause=clause.id,
        zh=clause.zh,
        en=clause.en,
        source=clause.source,
        state=state_of(mechanism, rules, tests),
        commands=mechanism.commands,
        event_types=mechanism.events,
        views=mechanism.views,
        policies=mechanism.policies,
        rules=rules,
        tests=tests,
        events=events.get(clause.id, 0),
        cases=sum(cases.get(rule, 0) for rule in rules),
    )


def state_of(mechanism: Mechanism, rules: tuple[Code, ...], tests: tuple[str, ...]) -> State:
    """A clause is built by a command or a rule, and only if a test shows it."""
    if not mechanism.commands and not rules:
        return State.NOT_BUILT
    return State.BUILT if tests else State.NO_TEST


def rules_of(clause: Code) -> tuple[Code, ...]:
    """The numbers of the rules that stand for a clause."""
    return tuple(rule.number for rule in RULES if clause in rule.clauses)


def named_after(clause: Code) -> tuple[str, ...]:
    """The tests that are named after a clause."""
    return _TESTS.get(clause, ())


class Proof(Value):
    """One event behind a verdict."""

    position: int
    type: Code
    effective_at: datetime
    actor_id: str


class Judged(Value):
    """How one case stands to one rule of a clause, and the events that say so."""

    rule: Code
    case_id: AnyId
    verdict: Verdict
    began_at: datetime
    due_at: datetime | None
    done_at: datetime | None
    version: int | None
    events: tuple[Proof, ...]


@question(
    path="regulation/{clause}/evidence",
    readers=READERS,
    order=("case_id", "rule"),
    tables=("duty_row", "waiver_row"),
)
async def evidence(
    db: Database, clause: Code, began_since: datetime | None = None, began_before: datetime | None = None
) -> list[Judged]:
    """Every case that began in a time under a rule of the clause: nobody can leave one out by choosing."""
    rows = await verdicts(db, clause=clause, began_since=began_since, began_before=began_before)
    wanted = sorted({position for row in rows for position in _behind(row)})
    found = await select(Database(db.connection), Proof, PROOFS, wanted)
    proofs = {proof.position: proof for proof in found}
    return [_judged(row, proofs) for row in rows]


PROOFS: LiteralString = "SELECT position, type, effective_at, actor_id FROM yewu.log WHERE position = ANY(%s)"


def _behind(row: DutyRow) -> Iterable[int]:
    """The positions of the events behind a verdict, in order."""
    positions = {row.began_by, row.decided_by, *(row.evidence or {}).values()}
    return sorted(position for position in positions if position is not None)


def _judged(row: DutyRow, proofs: Mapping[int, Proof]) -> Judged:
    return Judged(
        rule=row.rule,
        case_id=row.case_id,
        verdict=row.verdict,
        began_at=row.began_at,
        due_at=row.due_at,
        done_at=row.done_at,
        version=row.version,
        events=tuple(proofs[position] for position in _behind(row)),
    )
