"""The clock: what was due and is not done is said on its case, once for each rung of the ladder."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID, uuid5

from psycopg import sql

from aggregates.actor import ActorKind
from aggregates.event import Envelope, ObligationMissed, ObligationsMeasured
from aggregates.ids import AnyId
from infra.append import Append, Change, Entry, VersionConflict
from infra.codec import envelope_bytes
from infra.read_model.as_of import thing_as_of
from infra.read_model.selection import EVERYTHING
from infra.reading import moving
from projections.duties import IS_WAIVED
from projections.question import select
from projections.reference import Reference
from projections.rules.catalogue import BY_NUMBER
from projections.rules.duty import DutyRow, State
from projections.rules.rule import Rule
from services.runtime import Runtime

CLOCK = "clock"
MISSED = UUID("d0f7c5a1-2f55-4c0b-8f2e-5a54a9c7b6d3")
MEASURED = UUID("5b8f2c7e-0d3a-4f6b-9a41-2c9e7d15f0b8")
"""Namespaces of the ids of what the clock says."""

OF_CALENDARS = "1.3.2"
"""The clause that asks for deadlines in working time."""

MOST = 200


async def now_of(runtime: Runtime) -> datetime:
    """The time of the database."""
    async with runtime.pool.connection() as db:
        told: list[tuple[datetime]] = await (await db.execute("SELECT clock_timestamp()")).fetchall()
    return told[0][0]


class Clock:
    """Turns passed times into events. It decides on the case as the log has it, and writes only if nothing came since.

    What is due by now says the clock of the database, as it says when things are recorded: that of this process may be
    wrong. What is imported it leaves alone: that clock ran elsewhere.
    """

    def __init__(self, runtime: Runtime, time: Callable[[], datetime] | None = None) -> None:
        self.runtime, self.time = runtime, time
        self._measured_by = 0

    async def tick(self) -> int:
        """Say what is missed by now, at most so much, and what is measured by a new calendar; how often something was
        said."""
        said = await self._measure()
        at = await now_of(self.runtime) if self.time is None else self.time()
        for rule, case_id in await self._alarms(at):
            said += await self._look(BY_NUMBER[rule], case_id, at)
        return said

    async def _alarms(self, at: datetime) -> list[tuple[str, str]]:
        """What the read model believes to be missed, and not waived; it may be behind. What is parked nobody can
        judge."""
        query = sql.SQL(
            "SELECT rule, case_id FROM duty_row d WHERE state = 'owed' AND alarm_at < %s AND NOT imported"
            " AND rule = ANY(%s) AND NOT {} AND {} ORDER BY alarm_at LIMIT %s"
        ).format(sql.SQL(IS_WAIVED), moving(self.runtime.model.schema, DutyRow))
        async with self.runtime.rows.read() as there:
            cursor = await there.db.connection.execute(query, (at, list(BY_NUMBER), at, at, MOST))
            found = await cursor.fetchall()
        return [(rule, case_id) for rule, case_id in found]

    async def _measure(self) -> int:
        """Say on each case that waits for a calendar that it has come; once all rows from before it have been seen,
        nothing waits for it any more."""
        reference = await self.runtime.reference.latest()
        if reference.calendar == self._measured_by:
            return 0
        position = await self.runtime.rows.position()
        cases = await self._waiting(reference)
        for case_id in cases:
            await self.runtime.writer.append(self._known(case_id, reference.calendar))
        if position is not None and position >= reference.calendar:
            self._measured_by = reference.calendar
        return len(cases)

    async def _waiting(self, reference: Reference) -> list[AnyId]:
        """Cases of which something is owed that nobody could measure, and that is measured by now."""
        query = sql.SQL(
            "SELECT * FROM duty_row WHERE state = 'owed' AND due_at IS NULL AND calendar < %s AND NOT imported"
            " AND rule = ANY(%s) AND {}"
        ).format(moving(self.runtime.model.schema, DutyRow))
        async with self.runtime.rows.read() as there:
            rows = await select(there.db, DutyRow, query, reference.calendar, list(BY_NUMBER))
        return sorted({r.case_id for r in rows if BY_NUMBER[r.rule].with_due(r, reference).due_at is not None})

    def _known(self, case_id: AnyId, calendar: int) -> Append:
        meta = envelope_bytes(Envelope(kind=ActorKind.CLOCK, clause=OF_CALENDARS))
        entry = Entry(self.runtime.codec.stored(case_id, ObligationsMeasured(calendar=calendar)), meta)
        return Append(CLOCK, uuid5(MEASURED, f"{case_id}\n{calendar}"), (Change(case_id, None, (entry,)),))

    async def _look(self, rule: Rule, case_id: str, at: datetime) -> bool:
        if self.runtime.reference.current.is_waived(rule.number, AnyId(case_id), at):
            return False
        async with self.runtime.pool.connection() as db:
            cursor = await db.execute("SELECT max(version) FROM yewu.log WHERE stream_id = %s", (case_id,))
            (version,) = await cursor.fetchone() or (0,)
            thing = await thing_as_of(db, self.runtime.model, rule.view, (case_id, rule.number), EVERYTHING)
        row: DutyRow | None = thing.row
        if thing.parked is not None or row is None or row.state is not State.OWED or row.imported:
            return False
        if row.alarm_at is None or row.due_at is None or row.alarm_at >= at:
            return False
        try:
            await self.runtime.writer.append(self._said(rule, row, row.due_at, version))
        except VersionConflict:  # something has come just now: look at it the next time
            return False
        return True

    def _said(self, rule: Rule, row: DutyRow, due_at: datetime, version: int) -> Append:
        event = ObligationMissed(rule=row.rule, due_at=due_at, told=row.told + 1, version=row.version)
        cited: dict[str, int] = {}
        if rule.within is not None and row.version is not None:
            cited = {rule.within.parameter: row.version}
        meta = envelope_bytes(Envelope(kind=ActorKind.CLOCK, clause=rule.clauses[-1], parameters=cited))
        name = f"{row.rule}\n{row.case_id}\n{row.began_by}\n{due_at.isoformat()}\n{event.told}"
        entry = Entry(self.runtime.codec.stored(row.case_id, event), meta)
        return Append(CLOCK, uuid5(MISSED, name), (Change(row.case_id, version, (entry,)),))
