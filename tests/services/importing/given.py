"""What the tests of imports begin with: maps written in place, small files, a log in memory, nobody behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from eventsourcing.persistence import IntegrityError

from aggregates.business.customer import Customer
from aggregates.business.opportunity import Opportunity
from aggregates.event import Aggregate, Envelope, Event, LegacySourceDescribed, Origin
from aggregates.organisation.department import Department
from aggregates.people.employee import Employee
from aggregates.refused import Refused
from aggregates.service.complaint import Complaint
from infra.library.mapping import Unrecorded
from infra.read_model.schema import Lag
from infra.sealing import Plain
from services.importing.importer import ImportReport, bring_in
from services.importing.map_file import read_map
from services.importing.maps import Map
from services.importing.pace import Pace

KINDS: Mapping[str, type[Aggregate]] = {
    "complaint": Complaint,
    "customer": Customer,
    "department": Department,
    "employee": Employee,
    "opportunity": Opportunity,
}
UP_TO_DATE = Pace(lambda: Lag(0, 0, 0.1))

MAP = """
[source]
name = "desk"
format = "csv"
zone = "UTC"

[case]
stream = "complaint"
column = "ticket"
time = "done"
person = "who"
label = "what"

[times.done]
column = "when"

[register.customer]
event = "CustomerRegistered"
fields.name = { label = true }
fields.source = { constant = "desk" }

[register.employee]
event = "EmployeeRegistered"
fields.name = { label = true }

[[row]]
first = true

[[row.becomes]]
event = "ComplaintReceived"
fields.customer_id = { customer = "customer" }
fields.channel = { constant = "desk" }

[[row]]
when = { what = "closed" }

[[row.becomes]]
event = "ComplaintClosed"
"""
HEADER = "ticket,when,what,who,customer\n"
TWO_TICKETS = (
    HEADER
    + "1,2025-03-03T09:00:00Z,opened,Mei,Acme\n"
    + "2,2025-03-03T10:00:00Z,opened,Wu,Beta\n"
    + "1,2025-03-04T09:00:00Z,closed,Mei,Acme\n"
)


class LogInMemory:
    """A log that takes a write whole or not at all, and can be told to fail before one.

    What files say of themselves it keeps in `described`, apart from what became of their rows.
    """

    def __init__(self) -> None:
        self.written: list[Unrecorded] = []
        self.described: list[Unrecorded] = []
        self.writes: list[int] = []
        self.before_write: Callable[[], None] = lambda: None
        self._versions = Counter[str]()

    def versions(self, stream_ids: Iterable[str]) -> Mapping[str, int]:
        return {stream: self._versions[stream] for stream in stream_ids}

    def history(self, stream_id: str) -> Iterable[tuple[Event, Origin | None]]:
        return [(one.event, one.envelope.origin) for one in self.written if one.stream_id == stream_id]

    def record(self, changes: Iterable[Unrecorded]) -> int:
        self.before_write()
        after = Counter(self._versions)
        events = list(changes)
        for event in events:
            if event.version != after[event.stream_id] + 1:
                raise IntegrityError(event.stream_id)
            after[event.stream_id] += 1
        self._versions = after
        of_rows = [event for event in events if not isinstance(event.event, LegacySourceDescribed)]
        self.described += [event for event in events if isinstance(event.event, LegacySourceDescribed)]
        self.written += of_rows
        self.writes.append(len(of_rows))
        return len(self.written)


def the_map(text: str, folder: Path) -> Map:
    """The map of that text."""
    file = folder / "desk.toml"
    file.write_text(text, encoding="utf-8")
    return read_map(file, KINDS)


def a_file(folder: Path, content: str | bytes, name: str = "desk.csv") -> str:
    """A file of that content."""
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return str(folder / name)


def imported(
    folder: Path, content: str | bytes, *, text: str = MAP, log: LogInMemory | None = None, **options: Any
) -> tuple[ImportReport, list[Unrecorded]]:
    """The report of an import, and all that its log holds then."""
    log = log or LogInMemory()
    report = bring_in(
        a_file(folder, content), the_map(text, folder), log=log, pace=UP_TO_DATE, sealer=Plain(), **options
    )
    assert report.read == report.recorded + report.already + report.rejected
    return report, log.written


def refused(folder: Path, content: str | bytes, *, text: str = MAP, **options: Any) -> str:
    """The sentence with which an import is refused; nothing may be in the log then."""
    log = LogInMemory()
    with pytest.raises(Refused) as said:
        imported(folder, content, text=text, log=log, **options)
    assert log.written == []
    return str(said.value)


def origin_of(event: Unrecorded) -> tuple[str, int, int]:
    """Case, index and part."""
    origin = event.envelope.origin
    assert origin is not None
    return origin.case, origin.index, origin.part


def envelope_of(meta: bytes) -> Envelope:
    """As it lies in the log."""
    return msgspec.json.decode(meta, type=Envelope)
