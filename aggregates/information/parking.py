"""What must not hold up a row of a view any longer: 6.1.1."""

from __future__ import annotations

from msgspec.structs import replace

from aggregates.actor import Role
from aggregates.event import EventSkipped, command
from aggregates.refused import Refused
from aggregates.text import Code, Text
from aggregates.value import Value

KEEPERS = (Role.MANAGER, Role.DATA_LEAD)


class Parking(Value):
    """Every skip of an event that a view could not take, by its position, its table and the key of its row."""

    skipped: frozenset[tuple[int, Code, Code]] = frozenset()

    @command(by=KEEPERS, clause="6.1.1")
    def skip(self, event_position: int, row_table: Code, row_key: Code, reason: Text) -> EventSkipped | None:
        """Let a parked row go on without the event that it cannot take. An event that it can take still counts."""
        if event_position < 1:
            raise Refused("Name the position of the event that the row cannot take.")
        if (event_position, row_table, row_key) in self.skipped:
            return None
        return EventSkipped(event_position=event_position, row_table=row_table, row_key=row_key, reason=reason)

    def evolve(self, event: EventSkipped, /) -> Parking:  # the only event there is
        skip = (event.event_position, event.row_table, event.row_key)
        return replace(self, skipped=self.skipped | {skip})
