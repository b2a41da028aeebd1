"""Who owes what, how cases stand, and how well rules are kept: asked of rows that real histories were folded to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from itertools import product
from typing import TypeVar

import psycopg
import pytest
from msgspec.structs import replace

from aggregates.actor import Role
from aggregates.ids import AnyId, EmployeeId, WaiverId
from aggregates.organisation.waiver import Status
from aggregates.term import Term
from aggregates.text import Code, Text
from infra.read_model.tables import Table
from projections import duties
from projections.posts import PostRow
from projections.question import Database
from projections.reference import Office
from projections.row import Row
from projections.rules import service
from projections.rules.catalogue import RULES
from projections.rules.duty import DutyRow, State, Verdict
from projections.waivers import WaiverRow
from tests.projections.rules.cases import ANNA, BORIS, FOUNDED, LI, Happened, duty, on
from tests.projections.rules.test_service import acknowledged, asked, assessed, received, to_anna

T = TypeVar("T")
CARLA, DAN = EmployeeId("employee-carla"), EmployeeId("employee-dan")

UNANSWERED = duty(service.ACKNOWLEDGED, Happened(received, on(2)))
"""Due on Monday at two."""

ON_ANNAS_DESK = replace(
    duty(service.RESOLVED, *(Happened(event, on(3)) for event in (received, assessed, asked, to_anna))),
    case_id=AnyId("complaint-2"),
)
"""Due on the ninth at six, if Anna does not resolve it before."""

KEPT = replace(
    duty(service.ACKNOWLEDGED, Happened(received, on(2)), Happened(acknowledged, on(2, 10))),
    case_id=AnyId("complaint-3"),
)


@pytest.fixture
def rows(empty_database: str) -> Callable[..., str]:
    """Puts rows into the tables that the questions are asked of, and says where."""

    def put(*given: Row) -> str:
        with psycopg.connect(empty_database) as db:
            for table in (Table(DutyRow), Table(PostRow), Table(WaiverRow)):
                db.execute(table.create("public").encode())
                marks = ", ".join(["%s"] * len(table.fields))
                for row in given:
                    if type(row) is table.row:
                        db.execute(f"INSERT INTO {table.name} VALUES ({marks})".encode(), table.line(row))
        return empty_database

    return put


def answer(url: str, question: Callable[[Database], Awaitable[T]], at: datetime) -> T:
    async def ask() -> T:
        async with await psycopg.AsyncConnection.connect(url) as db:
            return await question(Database(db, at=at))

    return asyncio.run(ask())


def holds(who: EmployeeId, role: Role, area: Code | None = None) -> PostRow:
    return PostRow(employee_id=who, offices=(Office(term=Term(since=FOUNDED), role=role, area=area),))


NOON = on(2, 12)


def waiver(case_id: str, until: datetime) -> WaiverRow:
    return WaiverRow(
        waiver_id=WaiverId(f"waiver-of-{case_id}"),
        rule=Code("R-CS-3"),
        case_id=AnyId(case_id),
        status=Status.APPROVED,
        requested_by_id=ANNA,
        grounds=Text("words"),
        expires_at=until,
        holds_from=on(1),
        holds_until=until,
    )


def owed(url: str, at: datetime = NOON, **asked: object) -> list[tuple[str, str]]:
    found = answer(url, lambda db: duties.owed(db, **asked), at)  # type: ignore[arg-type]
    return [(str(one.rule), str(one.case_id)) for one in sorted(found, key=lambda one: (one.urgency, one.rule))]


FIRST, SECOND = ("R-CS-3", "complaint-1"), ("R-CS-6", "complaint-2")


def test_what_is_done_is_owed_by_nobody(rows: Callable[..., str]) -> None:
    url = rows(UNANSWERED, ON_ANNAS_DESK, KEPT)
    assert owed(url) == [FIRST, SECOND]
    assert owed(url, clause=Code("3.3.2-a")) == [FIRST]
    assert owed(url, rule=Code("R-CS-6")) == [SECOND]
    assert owed(url, case_id=AnyId("complaint-2")) == [SECOND]
    assert owed(url, unit=Code("heating")) == [SECOND]
    assert owed(url, due_before=on(4)) == [FIRST]


def test_what_is_due_is_missed_from_then_on(rows: Callable[..., str]) -> None:
    url = rows(UNANSWERED, ON_ANNAS_DESK)
    assert owed(url, on(2, 14), missed=True) == []
    assert owed(url, on(2, 15), missed=True) == [FIRST]
    assert owed(url, on(2, 15), missed=False) == [SECOND]


def test_a_person_owes_what_lies_on_their_desk_and_what_their_office_owes(rows: Callable[..., str]) -> None:
    url = rows(UNANSWERED, ON_ANNAS_DESK, holds(ANNA, Role.MEMBER), holds(BORIS, Role.CUSTOMER_SERVICE))
    assert owed(url, person_id=ANNA) == [SECOND]
    assert owed(url, person_id=BORIS) == [FIRST]
    assert owed(url, person_id=CARLA) == []


def test_who_is_told_sees_it_too_a_deputy_in_the_own_area(rows: Callable[..., str]) -> None:
    url = rows(
        replace(ON_ANNAS_DESK, level=2),
        replace(UNANSWERED, level=3),
        holds(LI, Role.MANAGER),
        holds(CARLA, Role.DEPUTY, Code("heating")),
        holds(DAN, Role.DEPUTY, Code("sales")),
    )
    assert owed(url, person_id=LI) == [FIRST]
    assert owed(url, person_id=CARLA) == [SECOND]
    assert owed(url, person_id=DAN) == []
    (told,) = answer(url, lambda db: duties.owed(db, person_id=CARLA), on(2))
    assert (told.told, told.office, told.owner_id) == (Role.DEPUTY, Role.CUSTOMER_SERVICE, ANNA)


def test_verdicts_are_those_of_the_moment_they_are_asked_for(rows: Callable[..., str]) -> None:
    url = rows(UNANSWERED, KEPT)

    def verdicts(at: datetime, **asked: object) -> dict[str, Verdict]:
        found = answer(url, lambda db: duties.verdicts(db, **asked), at)  # type: ignore[arg-type]
        return {str(row.case_id): row.verdict for row in found}

    assert verdicts(on(2, 12)) == {"complaint-1": Verdict.PENDING, "complaint-3": Verdict.CONFORMANT}
    assert verdicts(on(3)) == {"complaint-1": Verdict.VIOLATED, "complaint-3": Verdict.CONFORMANT}
    assert verdicts(on(3), verdict=Verdict.VIOLATED).keys() == {"complaint-1"}
    assert verdicts(on(3), rule=Code("R-CS-4")) == verdicts(on(3), clause=Code("2.1")) == {}
    assert verdicts(on(3), began_since=on(3)) == verdicts(on(3), began_before=on(2)) == {}


def test_sql_and_python_agree_on_every_kind_of_verdict(rows: Callable[..., str]) -> None:
    kinds = [*product(Verdict, State, (None, on(2)), (None, on(2, 12), on(9)))]
    all_kinds = [
        replace(UNANSWERED, case_id=AnyId(f"complaint-{n}"), verdict=v, state=s, due_at=due)
        for n, (v, s, due, _) in enumerate(kinds)
    ]
    waivers = [waiver(f"complaint-{n}", until) for n, (*_, until) in enumerate(kinds) if until is not None]
    url, at = rows(*all_kinds, *waivers), on(3)
    found = answer(url, duties.verdicts, at)
    assert {row.case_id: row.verdict for row in found} == {
        row.case_id: row.verdict_at(at, waived=until is not None and until > at)
        for row, (*_, until) in zip(all_kinds, kinds, strict=True)
    }


def test_what_is_waived_is_owed_but_not_missed(rows: Callable[..., str]) -> None:
    url = rows(UNANSWERED, waiver("complaint-1", on(9)))
    assert owed(url, on(3), missed=True) == []
    assert owed(url, on(3)) == owed(url, on(3), missed=False) == [FIRST]
    assert owed(url, on(10), missed=True) == [FIRST]


def test_every_rule_says_how_well_it_is_kept(rows: Callable[..., str]) -> None:
    found = answer(rows(UNANSWERED, KEPT, ON_ANNAS_DESK), duties.conformance, on(3))
    assert [one.rule for one in found] == [rule.number for rule in RULES]
    (kept,) = (one for one in found if one.rule == "R-CS-3")
    assert (kept.conformant, kept.violated, kept.rate, kept.template) == (1, 1, Decimal("0.5"), "Response")
    (pending,) = (one for one in found if one.rule == "R-CS-6")
    assert (pending.pending, pending.rate) == (1, None)
