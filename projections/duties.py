"""Who owes what by when, how does each case stand to each rule, and how well is each clause kept?"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, LiteralString

from aggregates.actor import INSIDE, Role
from aggregates.ids import AnyId, EmployeeId
from aggregates.text import Code
from aggregates.value import Value
from projections.posts import Held, held_on
from projections.question import Database, matching, question, select
from projections.rules.catalogue import BY_NUMBER, RULES
from projections.rules.duty import DutyRow, Verdict
from projections.rules.rule import Mode, Rule

READERS = (Role.MANAGER, Role.DEPUTY, Role.AUDITOR, Role.CUSTOMER_SERVICE_LEAD, Role.DATA_LEAD)

IS_WAIVED: LiteralString = """EXISTS (
    SELECT 1 FROM waiver_row w
    WHERE w.rule = d.rule AND w.case_id = d.case_id AND w.holds_from <= %s AND w.holds_until > %s)"""
"""`Reference.is_waived` for SQL, of the same instant twice."""

IS_MISSED: LiteralString = f"(coalesce(due_at < %s, false) AND NOT {IS_WAIVED})"

AS_IT_STANDS: LiteralString = f"""
    CASE WHEN verdict <> 'pending' OR state <> 'owed' OR due_at IS NULL OR due_at >= %s THEN verdict
         WHEN {IS_WAIVED} THEN 'waived' ELSE 'violated' END"""
"""`DutyRow.verdict_at` for SQL, of the same instant three times."""


class Duty(Value):
    """What somebody owes on a case: a person, or else whoever holds the office. `told` is the office up the ladder that
    knows of it; `urgency` is when it is due, or far away while nobody can say."""

    rule: Code
    clauses: tuple[Code, ...]
    case_id: AnyId
    owner_id: EmployeeId | None
    office: Role
    unit: Code | None
    began_at: datetime
    due_at: datetime | None
    missed: bool
    told: Role | None
    imported: bool
    urgency: datetime


class Conformance(Value):
    """How the cases of a rule stand; `rate` is the part of the judged that conforms, None where none is judged."""

    rule: Code
    clauses: tuple[Code, ...]
    template: Code
    mode: Mode
    conformant: int
    violated: int
    pending: int
    waived: int
    not_applicable: int
    undeterminable: int
    rate: Decimal | None


class _Owed(Value):
    rule: Code
    case_id: AnyId
    owner_id: EmployeeId | None
    unit: Code | None
    began_at: datetime
    due_at: datetime | None
    missed: bool
    level: int
    imported: bool
    urgency: datetime

    @property
    def duty(self) -> Duty:
        rule = BY_NUMBER[self.rule]
        return Duty(
            rule=self.rule,
            clauses=rule.clauses,
            case_id=self.case_id,
            owner_id=self.owner_id,
            office=rule.owed_by,
            unit=self.unit,
            began_at=self.began_at,
            due_at=self.due_at,
            missed=self.missed,
            told=rule.told_at(self.level),
            imported=self.imported,
            urgency=self.urgency,
        )


@question(
    path="duties", readers=INSIDE, order=("urgency", "rule", "case_id"), tables=("duty_row", "post_row", "waiver_row")
)
async def owed(
    db: Database,
    person_id: EmployeeId | None = None,
    clause: Code | None = None,
    rule: Code | None = None,
    case_id: AnyId | None = None,
    unit: Code | None = None,
    missed: bool | None = None,
    due_before: datetime | None = None,
) -> list[Duty]:
    """What is owed, the most urgent first: by everybody, or by a person, in whichever office or place up the ladder."""
    at = db.moment
    chosen, given = matching(
        {
            "rule = ANY(%s)": _rules_of(clause),
            "rule = %s": rule,
            "case_id = %s": case_id,
            "unit = %s": unit,
            "due_at < %s": due_before,
        }
    )
    conditions: list[LiteralString] = ["state = 'owed'", chosen]
    values: list[object] = [at, at, at, *given]
    if missed is not None:
        conditions.append(f"{IS_MISSED} = %s")
        values += [at, at, at, missed]
    if person_id is not None:
        conditions.append(OF_A_PERSON)
        values += _offices(person_id, await held_on(Database(db.connection), at))
    where = " AND ".join(conditions)
    query = (
        "SELECT rule, case_id, owner_id, unit, began_at, due_at, level, imported,"
        f" {IS_MISSED} AS missed, coalesce(due_at, timestamptz '9999-12-31 00:00Z') AS urgency"
        f" FROM duty_row d WHERE {where}"
    )
    return [found.duty for found in await select(db, _Owed, query, *values)]


def _rules_of(clause: Code | None) -> list[Code] | None:
    """The numbers of the rules that stand for a clause; None if none is asked for."""
    return None if clause is None else [rule.number for rule in RULES if clause in rule.clauses]


OF_A_PERSON: LiteralString = """(
    owner_id = %s OR (owner_id IS NULL AND rule = ANY(%s))
    OR (rule, level) IN (SELECT * FROM unnest(%s::text[], %s::int8[]))
    OR (unit = ANY(%s) AND (rule, level) IN (SELECT * FROM unnest(%s::text[], %s::int8[]))))"""
"""Theirs by name, by their office, or because they are told of it; a deputy is told of what lies in the own area."""


def _offices(person_id: EmployeeId, all_held: Iterable[Held]) -> list[object]:
    """What `OF_A_PERSON` is asked with."""
    held = [one for one in all_held if one.employee_id == person_id]
    roles = {one.role for one in held if one.role is not None}
    areas = sorted({one.area for one in held if one.area is not None})
    return [
        person_id,
        [rule.number for rule in RULES if rule.owed_by in roles],
        *_rungs(roles - {Role.DEPUTY}),
        areas,
        *_rungs(roles & {Role.DEPUTY}),
    ]


def _rungs(roles: Collection[Role]) -> tuple[list[str], list[int]]:
    """Which places on which rules' ladders these offices are."""
    rungs = [(rule.number, level) for rule in RULES for level, role in enumerate(rule.ladder, 1) if role in roles]
    return [number for number, _ in rungs], [level for _, level in rungs]


@question(path="verdicts", readers=READERS, order=("case_id", "rule"), tables=("duty_row", "waiver_row"))
async def verdicts(
    db: Database,
    rule: Code | None = None,
    clause: Code | None = None,
    case_id: AnyId | None = None,
    verdict: Verdict | None = None,
    began_since: datetime | None = None,
    began_before: datetime | None = None,
) -> list[DutyRow]:
    """How each case stands to each rule, with the events and the version of the parameter behind it."""
    at = db.moment
    where, values = matching(
        {
            "rule = %s": rule,
            "rule = ANY(%s)": _rules_of(clause),
            "case_id = %s": case_id,
            "verdict = %s": verdict and verdict.value,
            "began_at >= %s": began_since,
            "began_at < %s": began_before,
        }
    )
    others = ", ".join(field for field in DutyRow.__struct_fields__ if field != "verdict")
    query = f"SELECT * FROM (SELECT {others}, {AS_IT_STANDS} AS verdict FROM duty_row d) stands WHERE {where}"
    return await select(db, DutyRow, query, at, at, at, *values)


class _Count(Value):
    rule: Code
    verdict: Verdict
    cases: int


@question(path="conformance", readers=READERS, tables=("duty_row", "waiver_row"))
async def conformance(
    db: Database, began_since: datetime | None = None, began_before: datetime | None = None
) -> list[Conformance]:
    """How well each rule is kept by the cases that began in a time; every rule, also one that has no case."""
    at = db.moment
    counts = await select(
        db,
        _Count,
        f"""
        SELECT rule, {AS_IT_STANDS} AS verdict, count(*) AS cases
        FROM duty_row d
        WHERE began_at >= coalesce(%s, '-infinity'::timestamptz) AND began_at < coalesce(%s, 'infinity'::timestamptz)
        GROUP BY 1, 2""",
        at,
        at,
        at,
        began_since,
        began_before,
    )
    return [_conformance(rule, {c.verdict: c.cases for c in counts if c.rule == rule.number}) for rule in RULES]


def _conformance(rule: Rule, cases: dict[Verdict, int]) -> Conformance:
    counted: dict[str, Any] = {verdict.value.replace(" ", "_"): cases.get(verdict, 0) for verdict in Verdict}
    judged = counted["conformant"] + counted["violated"]
    rate = round(Decimal(counted["conformant"]) / judged, 4) if judged else None
    return Conformance(
        rule=rule.number,
        clauses=rule.clauses,
        template=Code(rule.template),
        mode=rule.mode,
        rate=rate,
        **counted,
    )
