"""The clock and the policies on a real log: said once, done once, whatever fails; imported history is left alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace

from aggregates.actor import Role
from aggregates.event import Envelope, Event, Origin
from aggregates.ids import THE_DEPARTMENT, AnyId, CustomerId, EmployeeId
from aggregates.organisation.calendar import BusinessCalendarPublished
from aggregates.organisation.department import RoleAssigned
from aggregates.organisation.waiver import WaiverApproved, WaiverRequested
from aggregates.service.complaint import (
    ComplaintAcknowledged,
    ComplaintAssessed,
    ComplaintClosed,
    ComplaintReceived,
    ComplaintReopened,
    ComplaintWithdrawn,
    CustomerReminded,
    DecisionCommunicated,
    ResolutionProposed,
    ResolutionRejectedByCustomer,
    Severity,
)
from aggregates.text import Code, Text
from infra.append import Append, Change, Entry, Unavailable
from infra.codec import Line, envelope_bytes
from infra.dispatcher import Order, Principal
from infra.read_model.as_of import thing_as_of
from infra.read_model.selection import EVERYTHING, Selection
from infra.roles import DatabaseRole
from infra.sealing import Plain
from projections.rules.catalogue import BY_NUMBER
from projections.rules.duty import Verdict
from services.composition import COMMANDS, POLICIES
from services.founding_calendars import OFFICE_HOURS
from services.policies import clock
from services.policies.alarms import Alarms
from services.policies.clock import Clock
from services.policies.complaint_clocks import COMPLAINT_CLOCKS
from services.policies.follower import Moved, PolicyFollower
from services.runtime import Runtime
from tests.logins import as_role
from tests.projections.rules.cases import CHINA
from tests.services.running import Yewu

WORDS, PHONE = Text("words"), Code("phone")
received = ComplaintReceived(customer_id=CustomerId("customer-carl"), channel=PHONE, facts=WORDS, remedy_sought=WORDS)
acknowledged = ComplaintAcknowledged(channel=PHONE, wording=WORDS)
grave = ComplaintAssessed(category=Code("safety"), severity=Severity.S1)
withdrawn = ComplaintWithdrawn(reason=WORDS)
closed, reopened = ComplaintClosed(), ComplaintReopened(reason=WORDS)

MONDAY = datetime(2026, 3, 2, 9, tzinfo=CHINA)
TWO_O_CLOCK, A_MINUTE = datetime(2026, 3, 2, 14, tzinfo=CHINA), timedelta(minutes=1)
A_WEEK = timedelta(days=7)
LONG_AFTER = MONDAY + timedelta(days=200)
NEW_YEARS_EVE = datetime(2024, 12, 31, 16, tzinfo=CHINA)
year_of_the_eve = BusinessCalendarPublished(
    year=2024, shifts=OFFICE_HOURS, days_off=(), days_worked=(), source=Code("notice")
)


class Desk:
    """A running Yewu, and the log that the tests write to as if at another time."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    async def put(self, *events: Event, at: datetime = MONDAY, on: str | None = None, **more: Any) -> str:
        """Events on a complaint at an instant of the past, visible when this returns."""
        stream_id = on or f"complaint-{uuid4()}"
        meta = envelope_bytes(Envelope(**more))
        entries = [Entry(self.runtime.codec.stored(stream_id, event), meta, at) for event in events]
        done = await self.runtime.writer.append(Append("employee-anna", uuid4(), (Change(stream_id, None, entries),)))
        await self.runtime.rows.reached(done.last)
        return stream_id

    async def lines(self, stream_id: str) -> list[Line]:
        return await self.runtime.reader.stream(stream_id)

    async def types(self, stream_id: str) -> list[str]:
        return [line.type for line in await self.lines(stream_id)]

    async def events(self, stream_id: str, name: str) -> list[Any]:
        lines = await self.lines(stream_id)
        return [self.runtime.codec.recorded(line).event for line in lines if line.type == name]

    async def tick(self, at: datetime) -> int:
        """What the clock says by then, seen by everybody."""
        said = await Clock(self.runtime, lambda: at).tick()
        await self.runtime.rows.reached(await self.runtime.reader.head())
        return said

    async def waive(self, rule: str, case_id: str, until: datetime) -> None:
        """Let a rule not hold for a case."""
        what: dict[str, Any] = {"rule": Code(rule), "case_id": AnyId(case_id), "expires_at": until}
        asked = WaiverRequested(grounds=WORDS, requested_by_id=EmployeeId("employee-anna"), **what)
        await self.put(asked, WaiverApproved(**what), on=f"waiver-{uuid4()}")

    async def lead(self) -> Principal:
        """Somebody who leads customer service, and has for long."""
        who = EmployeeId(f"employee-{uuid4()}")
        lead = RoleAssigned(
            employee_id=who,
            role=Role.CUSTOMER_SERVICE_LEAD,
            unit=Code("customer-service"),
            valid_from=MONDAY - timedelta(days=1),
        )
        await self.put(lead, on=THE_DEPARTMENT)
        await self.runtime.reference.refresh()
        return Principal(who)

    async def verdict(self, rule: str, case_id: str, selection: Selection = EVERYTHING) -> Verdict:
        """How a complaint stands to a rule now, by what counts."""
        async with self.runtime.pool.connection() as db:
            thing = await thing_as_of(db, self.runtime.model, BY_NUMBER[rule].view, (case_id, rule), selection)
        assert thing.row is not None
        return thing.row.verdict_at(datetime.now(UTC))

    async def follow(self) -> None:
        """Let the policies come up to the head."""
        for policy in POLICIES:
            follower = PolicyFollower(self.runtime, policy)
            while await follower.step():
                pass

    async def ring(self, at: datetime) -> None:
        """Whatever the policies do by then, seen by everybody; a second time, to see that it is not done twice."""
        for _ in range(2):
            for policy in POLICIES:
                await Alarms(self.runtime, policy, lambda: at).ring()
            await self.follow()
            await self.runtime.rows.reached(await self.runtime.reader.head())


def at_the_desk(yewu: Yewu, test: Callable[[Desk], Awaitable[None]]) -> None:
    """Run a test inside the machinery of one more process."""

    @asynccontextmanager
    async def desk() -> AsyncIterator[Desk]:
        from zoneinfo import ZoneInfo

        database = as_role(yewu.database, DatabaseRole.APP)
        async with Runtime(database, ZoneInfo("Asia/Shanghai"), Plain()).running() as runtime:
            yield Desk(runtime)

    async def run() -> None:
        async with desk() as there:
            await test(there)

    asyncio.run(run())


def test_what_is_missed_is_said_once_and_not_before(yewu: Yewu) -> None:
    async def test(desk: Desk) -> None:
        complaint = await desk.put(received)
        assert await desk.tick(TWO_O_CLOCK) == 0
        assert await desk.tick(TWO_O_CLOCK + A_MINUTE) == 1
        assert await desk.tick(TWO_O_CLOCK + A_MINUTE) == 0
        (missed,) = await desk.events(complaint, "ObligationMissed")
        assert (missed.rule, missed.due_at, missed.told) == ("R-CS-3", TWO_O_CLOCK, 1)
        assert missed.version is not None

    at_the_desk(yewu, test)


def test_the_clock_climbs_the_ladder_to_its_end_and_no_further(yewu: Yewu) -> None:
    async def test(desk: Desk) -> None:
        complaint = await desk.put(received)
        while await desk.tick(LONG_AFTER):
            pass
        said = Counter(str(event.rule) for event in await desk.events(complaint, "ObligationMissed"))
        assert said == {"R-CS-3": 3, "R-CS-4": 3, "R-CS-5": 3}
        assert await desk.verdict("R-CS-6.2", complaint) is Verdict.PENDING
        await desk.follow()
        assert [event.level for event in await desk.events(complaint, "ComplaintEscalated")] == [1, 2, 3]
        assert await desk.verdict("R-CS-6.2", complaint) is Verdict.CONFORMANT

    at_the_desk(yewu, test)


def test_what_was_done_in_time_can_be_recorded_after_the_clock_has_spoken(yewu: Yewu) -> None:
    async def test(desk: Desk) -> None:
        complaint, lead = await desk.put(received), await desk.lead()
        await desk.tick(TWO_O_CLOCK + A_MINUTE)
        await desk.follow()
        assert await desk.types(complaint) == ["ComplaintReceived", "ObligationMissed", "ComplaintEscalated"]
        before = datetime.now(UTC)
        (command,) = (command for command in COMMANDS if command.slug == "complaint.acknowledge")
        body = command.body(
            channel=PHONE, wording=WORDS, at=MONDAY + timedelta(hours=1), reason=Text("The line was cut")
        )
        await desk.runtime.dispatcher.give(Order(command, complaint, body, lead))
        assert await desk.verdict("R-CS-3", complaint) is Verdict.CONFORMANT
        assert await desk.verdict("R-CS-3", complaint, Selection(known_at=before)) is Verdict.VIOLATED

    at_the_desk(yewu, test)


def test_what_is_done_in_time_or_taken_back_is_not_missed(yewu: Yewu) -> None:
    async def test(desk: Desk) -> None:
        kept = await desk.put(received, acknowledged)
        back = await desk.put(received, withdrawn)
        assert await desk.tick(TWO_O_CLOCK + A_MINUTE) == 0
        assert "ObligationMissed" not in [*await desk.types(kept), *await desk.types(back)]

    at_the_desk(yewu, test)


def test_what_is_waived_is_not_called_missed_until_the_waiver_ends(yewu: Yewu) -> None:
    async def test(desk: Desk) -> None:
        await desk.waive("R-CS-3", await desk.put(received), until=MONDAY + timedelta(hours=8))
        assert await desk.tick(TWO_O_CLOCK + A_MINUTE) == 0
        assert await desk.tick(MONDAY + timedelta(hours=8)) == 1

    at_the_desk(yewu, test)


def test_however_much_is_waived_the_clock_speaks_of_the_rest(yewu: Yewu, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(desk: Desk) -> None:
        waived, other = await desk.put(received), await desk.put(received, at=MONDAY + A_MINUTE)
        await desk.waive("R-CS-3", waived, until=LONG_AFTER)
        monkeypatch.setattr(clock, "MOST", 1)
        assert await desk.tick(TWO_O_CLOCK + 2 * A_MINUTE) == 1
        assert (await desk.types(other))[-1] == "ObligationMissed"

    at_the_desk(yewu, test)


def test_once_a_calendar_is_published_it_is_known_by_when_what_waited_for_it_is_due(yewu: Yewu) -> None:
    async def test(desk: Desk) -> None:
        waiting = await desk.put(received, at=NEW_YEARS_EVE)
        done = await desk.put(received, acknowledged, withdrawn, at=NEW_YEARS_EVE)
        its_clock = Clock(desk.runtime, lambda: MONDAY)
        assert await its_clock.tick() == 0
        await desk.put(year_of_the_eve, on="calendar-2024")
        assert await its_clock.tick() == 1
        assert [await desk.types(case) for case in (waiting, done)] == [
            ["ComplaintReceived", "ObligationsMeasured"],
            ["ComplaintReceived", "ComplaintAcknowledged", "ComplaintWithdrawn"],
        ]
        await desk.runtime.rows.reached(await desk.runtime.reader.head())
        assert await its_clock.tick() == 3  # what is missed
        missed = {str(one.rule): one.due_at for one in await desk.events(waiting, "ObligationMissed")}
        assert missed.keys() == {"R-CS-3", "R-CS-4", "R-CS-5"}
        assert missed["R-CS-3"] == datetime(2025, 1, 2, 11, tzinfo=CHINA)

    at_the_desk(yewu, test)


def test_nothing_is_said_of_a_duty_that_stands_still(yewu: Yewu, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it waits for may have been done by the very event that its row cannot take."""

    def broken(*_: object) -> None:
        raise ValueError

    view = BY_NUMBER["R-CS-3"].view
    event: type[Event] = ComplaintAcknowledged
    broken.__module__ = view.folds[event].step.__module__
    monkeypatch.setitem(view.folds, event, replace(view.folds[event], step=broken))

    async def test(desk: Desk) -> None:
        complaint = await desk.put(received, acknowledged)
        assert await Clock(desk.runtime)._alarms(TWO_O_CLOCK + A_MINUTE) == []

        async def all_the_same(_clock: Clock, _at: datetime) -> list[tuple[str, str]]:
            return [("R-CS-3", complaint)]

        monkeypatch.setattr(Clock, "_alarms", all_the_same)
        assert await desk.tick(TWO_O_CLOCK + A_MINUTE) == 0

    at_the_desk(yewu, test)


def test_the_clock_decides_on_the_log_and_not_on_rows_that_are_behind(
    yewu: Yewu, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(desk: Desk) -> None:
        complaint = await desk.put(received, acknowledged)

        async def old_news(_clock: Clock, _at: datetime) -> list[tuple[str, str]]:
            return [("R-CS-3", complaint)]

        monkeypatch.setattr(Clock, "_alarms", old_news)
        assert await desk.tick(LONG_AFTER) == 0

    at_the_desk(yewu, test)


def test_what_comes_at_the_same_moment_is_not_called_missed(yewu: Yewu, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(desk: Desk) -> None:
        complaint = await desk.put(received)
        said = Clock._said

        def just_then(clock: Clock, *decided: Any) -> Append:
            (rule, row, due_at, version) = decided
            return said(clock, rule, row, due_at, version - 1)  # as if one more event had come since

        monkeypatch.setattr(Clock, "_said", just_then)
        assert await desk.tick(TWO_O_CLOCK + A_MINUTE) == 0
        assert await desk.types(complaint) == ["ComplaintReceived"]

    at_the_desk(yewu, test)


def told_and_reminded(reminders: int) -> Iterator[tuple[Event, datetime]]:
    """What we offer is told on a Monday, and the customer asked about it every seven days."""
    yield ResolutionProposed(remedy=WORDS), MONDAY
    yield DecisionCommunicated(channel=PHONE, wording=WORDS), MONDAY
    for number in range(1, reminders + 1):
        yield CustomerReminded(channel=PHONE, wording=WORDS), MONDAY + number * A_WEEK


def test_3_3_2_c_a_customer_who_does_not_answer_is_left_to_the_lead(yewu: Yewu) -> None:
    async def test(desk: Desk) -> None:
        complaint = await desk.put(received)
        for event, at in told_and_reminded(2):
            await desk.put(event, on=complaint, at=at)
        await desk.ring(MONDAY + 3 * A_WEEK - A_MINUTE)
        assert "ComplaintUnconfirmed" not in await desk.types(complaint)
        await desk.ring(MONDAY + 3 * A_WEEK)
        assert (await desk.types(complaint))[-2:] == ["ComplaintUnconfirmed", "ComplaintEscalated"]
        (escalated,) = await desk.events(complaint, "ComplaintEscalated")
        assert (escalated.level, escalated.reason) == (1, "The customer did not answer 2 reminders.")

    at_the_desk(yewu, test)


@pytest.mark.parametrize("word", [ResolutionRejectedByCustomer(reason=WORDS), withdrawn])
def test_3_3_2_c_whoever_has_answered_is_not(yewu: Yewu, word: Event) -> None:
    async def test(desk: Desk) -> None:
        complaint = await desk.put(received)
        for event, at in told_and_reminded(2):
            await desk.put(event, on=complaint, at=at)
        await desk.put(word, on=complaint, at=MONDAY + 2 * A_WEEK + A_MINUTE)
        await desk.ring(LONG_AFTER)
        assert "ComplaintUnconfirmed" not in await desk.types(complaint)

    at_the_desk(yewu, test)


def test_3_3_2_c_whoever_is_not_reminded_goes_up_the_ladder_instead(yewu: Yewu) -> None:
    async def test(desk: Desk) -> None:
        complaint = await desk.put(received)
        for event, at in told_and_reminded(1):
            await desk.put(event, on=complaint, at=at)
        await desk.tick(MONDAY + 2 * A_WEEK + A_MINUTE)
        missed = {str(event.rule) for event in await desk.events(complaint, "ObligationMissed")}
        assert "R-CS-7.1" in missed
        assert await desk.verdict("R-CS-7.1", complaint) is Verdict.VIOLATED

    at_the_desk(yewu, test)


def test_imported_history_is_left_alone(yewu: Yewu) -> None:
    async def test(desk: Desk) -> None:
        origin = Origin(source="sha256:1", file="desk.csv", case="1", index=1)
        complaint = await desk.put(received, grave, origin=origin)
        await desk.follow()
        assert await desk.tick(LONG_AFTER) == 0
        assert await desk.types(complaint) == ["ComplaintReceived", "ComplaintAssessed"]

    at_the_desk(yewu, test)


def test_the_gravest_go_to_the_manager_at_once_and_what_follows_names_its_cause(yewu: Yewu) -> None:
    async def test(desk: Desk) -> None:
        complaint = await desk.put(received, grave)
        await desk.follow()
        (called,) = await desk.events(complaint, "ComplaintEscalated")
        assert called.level == 3
        _, assessed, escalated = await desk.lines(complaint)
        record = desk.runtime.codec.recorded(escalated)
        assert (record.actor_id, record.envelope.causation) == ("policy-ComplaintClocks", assessed.event_id)

    at_the_desk(yewu, test)


def test_of_the_gravest_the_manager_knows_again_when_they_are_reopened(yewu: Yewu) -> None:
    async def test(desk: Desk) -> None:
        complaint = await desk.put(received, grave)
        await desk.follow()
        await desk.put(closed, reopened, on=complaint)
        light = await desk.put(received, replace(grave, severity=Severity.S2), closed, reopened)
        await desk.follow()
        assert [event.level for event in await desk.events(complaint, "ComplaintEscalated")] == [3, 3]
        assert await desk.events(light, "ComplaintEscalated") == []

    at_the_desk(yewu, test)


def test_what_the_business_refuses_stops_nobody(yewu: Yewu) -> None:
    async def test(desk: Desk) -> None:
        gone = await desk.put(received, grave, withdrawn)
        complaint = await desk.put(received, grave)
        await desk.follow()
        assert "ComplaintEscalated" not in await desk.types(gone)
        assert (await desk.types(complaint))[-1] == "ComplaintEscalated"

    at_the_desk(yewu, test)


def test_ended_between_the_command_and_its_position_the_same_follows_once(
    yewu: Yewu, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    async def test(desk: Desk) -> None:
        complaints = [await desk.put(received, grave) for _ in range(3)]
        follower = PolicyFollower(desk.runtime, COMPLAINT_CLOCKS)
        asked, given = PolicyFollower._asked, PolicyFollower._give
        for many in (1, 2, 3, 4):
            left = many

            async def give(self: PolicyFollower, *arguments: Any) -> None:
                nonlocal left
                left -= 1
                await given(self, *arguments)
                if not left:
                    raise Killed

            async def ask(self: PolicyFollower, query: str, *values: Sequence[Any]) -> Any:
                if "move_policy" in query:
                    raise Killed
                return await asked(self, query, *values)

            with monkeypatch.context() as patch:
                patch.setattr(PolicyFollower, "_give", give)
                patch.setattr(PolicyFollower, "_asked", ask)
                with pytest.raises(Killed):
                    await follower.step()
        await desk.follow()
        for complaint in complaints:
            assert Counter(await desk.types(complaint))["ComplaintEscalated"] == 1

    at_the_desk(yewu, test)


def test_what_could_not_be_done_is_done_the_next_time(yewu: Yewu, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(desk: Desk) -> None:
        complaint = await desk.put(received, grave)
        follower = PolicyFollower(desk.runtime, COMPLAINT_CLOCKS)

        async def away(*_: object) -> None:
            raise Unavailable("the database does not answer")

        with monkeypatch.context() as patch:
            patch.setattr(PolicyFollower, "_give", away)
            with pytest.raises(Unavailable):
                await follower.step()
        while await follower.step():
            pass
        assert Counter(await desk.types(complaint))["ComplaintEscalated"] == 1

    at_the_desk(yewu, test)


def test_two_that_work_for_one_policy_notice_each_other(yewu: Yewu, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(desk: Desk) -> None:
        complaint = await desk.put(received, grave)
        follower = PolicyFollower(desk.runtime, COMPLAINT_CLOCKS)
        give = PolicyFollower._give

        async def overtaken(self: PolicyFollower, *arguments: Any) -> None:
            monkeypatch.setattr(PolicyFollower, "_give", give)
            await PolicyFollower(desk.runtime, COMPLAINT_CLOCKS).step()
            await give(self, *arguments)

        monkeypatch.setattr(PolicyFollower, "_give", overtaken)
        with pytest.raises(Moved):
            await follower.step()
        assert Counter(await desk.types(complaint))["ComplaintEscalated"] == 1

    at_the_desk(yewu, test)
