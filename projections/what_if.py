"""What if a parameter had another value: how many cases would stand otherwise to the rules that cite it, and which?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from psycopg import sql

from aggregates.ids import AnyId
from aggregates.text import Code
from aggregates.value import Value
from projections.duties import AS_IT_STANDS
from projections.question import Database, select
from projections.rules.catalogue import RULES
from projections.rules.duty import Verdict


class Shift(Value):
    """So many cases of a rule that would stand otherwise."""

    rule: Code
    before: Verdict
    after: Verdict
    cases: int


class Shifted(Value):
    """A case that would stand otherwise, and when its obligation is and would be due."""

    rule: Code
    case_id: AnyId
    before: Verdict
    after: Verdict
    due_before: datetime | None
    due_after: datetime | None


class WhatIf(Value):
    """Of so many cases those that would change, counted by how, and one by one."""

    cases: int
    changed: int
    shifts: tuple[Shift, ...]
    items: tuple[Shifted, ...]


def rules_citing(parameter: str) -> list[str]:
    """The numbers of the rules whose verdicts depend on a parameter."""
    return [rule.number for rule in RULES if parameter in rule.parameters]


async def shifted(
    db: Database,
    supposed: str,
    rules: Sequence[str],
    began_since: datetime | None,
    began_before: datetime | None,
    behind: Sequence[str],
    limit: int,
) -> WhatIf:
    """Compare the verdicts of the live schema with those of another, where a parameter has another value.

    Only cases whose obligation began in a time; of those that change the first `limit` behind a rule and a case.
    """
    at = db.moment
    both = sql.SQL("({}) l JOIN ({}) s USING (rule, case_id)").format(
        _verdicts(sql.SQL("duty_row")), _verdicts(sql.Identifier(supposed, "duty_row"))
    )
    chosen = (list(rules), began_since, began_before)
    given = (at, at, at, *chosen, at, at, at, *chosen)
    counted = await select(
        db,
        Shift,
        sql.SQL(
            "SELECT rule, l.verdict AS before, s.verdict AS after, count(*) AS cases FROM {}"
            " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        ).format(both),
        *given,
    )
    shifts = tuple(shift for shift in counted if shift.before is not shift.after)
    items = await select(
        db,
        Shifted,
        sql.SQL(
            "SELECT rule, case_id, l.verdict AS before, s.verdict AS after,"
            " l.due_at AS due_before, s.due_at AS due_after FROM {}"
            " WHERE l.verdict <> s.verdict AND (rule, case_id) > (%s, %s) ORDER BY rule, case_id LIMIT %s"
        ).format(both),
        *given,
        *behind,
        limit,
    )
    cases, changed = (sum(shift.cases for shift in some) for some in (counted, shifts))
    return WhatIf(cases=cases, changed=changed, shifts=shifts, items=tuple(items))


def _verdicts(table: sql.Composable) -> sql.Composed:
    return sql.SQL(
        "SELECT rule, case_id, due_at, {stands} AS verdict FROM {table} d WHERE rule = ANY(%s)"
        " AND began_at >= coalesce(%s, '-infinity'::timestamptz) AND began_at < coalesce(%s, 'infinity'::timestamptz)"
    ).format(stands=sql.SQL(AS_IT_STANDS), table=table)
