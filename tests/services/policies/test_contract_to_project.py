"""Time says on a contract that its hand-over is late, and ends it when its last day is over; imported ones rest."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from aggregates.business.contract import (
    ContractDrafted,
    ContractHandedOver,
    ContractHandoverAccepted,
    ContractSigned,
    ContractTerminated,
)
from aggregates.business.terms import Instalment, Terms
from aggregates.event import Event, Origin
from aggregates.ids import CustomerId, EmployeeId
from aggregates.text import Code, ContentHash, Text
from services.policies.alarms import Alarms
from services.policies.contract_to_project import CONTRACT_TO_PROJECT
from tests.projections.rules.cases import CHINA
from tests.services.policies.test_policies import Desk, at_the_desk
from tests.services.running import Yewu

ANNA, LI, CARL, WORDS = (
    EmployeeId("employee-anna"),
    EmployeeId("employee-li"),
    CustomerId("customer-carl"),
    Text("words"),
)
TEXT, HUNDRED = ContentHash("sha256:a"), Decimal(100)
MONDAY = datetime(2026, 3, 2, 9, tzinfo=CHINA)
TUESDAY_EVENING = datetime(2026, 3, 3, 18, tzinfo=CHINA)
OVER_AT = datetime(2021, 1, 1, tzinfo=CHINA)

drafted = ContractDrafted(
    customer_id=CARL,
    terms=Terms(
        content=TEXT,
        amount=HUNDRED,
        begins=date(2020, 1, 1),
        ends=date(2020, 12, 31),
        obligations=(),
        payments=(Instalment(number=Code("a"), amount=HUNDRED, due=date(2020, 6, 1)),),
    ),
    drafted_by=(ANNA,),
)
signed = ContractSigned(
    customer_id=CARL, content=TEXT, amount=HUNDRED, signed_by=(LI,), place=WORDS, signed_for_customer=WORDS
)
handed_over, accepted = ContractHandedOver(wording=WORDS), ContractHandoverAccepted()
terminated = ContractTerminated(customer_id=CARL, reason=WORDS)


async def contract(desk: Desk, *more: Event, origin: Origin | None = None) -> str:
    """A contract signed on a Monday."""
    return await desk.put(drafted, signed, *more, at=MONDAY, on=f"contract-{uuid4()}", origin=origin)


async def late_steps(desk: Desk, contract_id: str) -> list[Any]:
    """What the clock has said of the hand-over; it speaks of the filing as well."""
    return [said for said in await desk.events(contract_id, "ObligationMissed") if said.rule == "R-BD-8"]


async def ring(desk: Desk, at: datetime) -> None:
    """Whatever the policy does by then, seen by everybody; a second time, to see that it is not done twice."""
    for _ in range(2):
        await Alarms(desk.runtime, CONTRACT_TO_PROJECT, lambda: at).ring()
        await desk.runtime.rows.reached(await desk.runtime.reader.head())


def test_3_1_4_a_a_hand_over_that_is_late_is_said_up_the_ladder(yewu: Yewu) -> None:
    async def test(desk: Desk) -> None:
        late, in_time = await contract(desk), await contract(desk)
        await desk.put(handed_over, at=TUESDAY_EVENING, on=in_time)
        assert await desk.tick(TUESDAY_EVENING) == 0
        await desk.tick(TUESDAY_EVENING + timedelta(minutes=1))
        (missed,) = await late_steps(desk, late)
        assert (missed.rule, missed.due_at, missed.told) == ("R-BD-8", TUESDAY_EVENING, 1)
        assert await late_steps(desk, in_time) == []
        await desk.tick(TUESDAY_EVENING + timedelta(days=2, minutes=1))
        assert [said.told for said in await late_steps(desk, late)] == [1, 2]

    at_the_desk(yewu, test)


def test_3_1_4_a_project_management_that_does_not_answer_is_late_too(yewu: Yewu) -> None:
    async def test(desk: Desk) -> None:
        silent, answered = await contract(desk, handed_over), await contract(desk, handed_over, accepted)
        await desk.tick(datetime(2026, 3, 6, 18, 1, tzinfo=CHINA))
        (missed,) = await late_steps(desk, silent)
        assert missed.due_at == datetime(2026, 3, 6, 18, tzinfo=CHINA)
        assert await late_steps(desk, answered) == []

    at_the_desk(yewu, test)


def test_a_contract_expires_when_its_last_day_is_over_and_only_once(yewu: Yewu) -> None:
    async def test(desk: Desk) -> None:
        over, ended = await contract(desk), await contract(desk, terminated)
        imported = await contract(desk, origin=Origin(source="files", file="sha256:1", case="1", index=1))
        await ring(desk, OVER_AT - timedelta(seconds=1))
        assert (await desk.types(over))[-1] == "ContractSigned"
        await ring(desk, OVER_AT)
        assert await desk.types(over) == ["ContractDrafted", "ContractSigned", "ContractExpired"]
        (line,) = (await desk.lines(over))[2:]
        assert line.actor_id == "policy-ContractToProject"
        assert [(await desk.types(one))[-1] for one in (ended, imported)] == ["ContractTerminated", "ContractSigned"]

    at_the_desk(yewu, test)
