"""Brings a file into the log: read, check, translate, write; whole cases only, and each exactly once."""

from __future__ import annotations

import csv
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Protocol
from uuid import UUID

from eventsourcing.persistence import IntegrityError, OperationalError
from msgspec import UNSET
from msgspec.structs import astuple, replace

from aggregates.actor import ActorKind
from aggregates.event import Admitting, Envelope, Event, LegacySourceDescribed, Origin, recall
from aggregates.refused import Refused
from aggregates.text import Code
from aggregates.value import Value
from infra.library.mapping import Unrecorded
from infra.sealing import Sealer
from services.importing.identities import case_id, command_id, import_id, known_id
from services.importing.maps import PERSON, Known, Map
from services.importing.pace import Pace
from services.importing.sources import Limits, Original, rows_of
from services.importing.staging import Rejected, Staging
from services.importing.translating import Happening, Translated, Translator

IMPORTER = "importer"
REGISTRATION = 1000
"""Registrations are parts of a row from here on: never what the row itself became."""
ATTEMPTS = 3


class Log(Protocol):
    """What the importer needs of the log; `LogApplication` is one."""

    def versions(self, stream_ids: Iterable[str]) -> Mapping[str, int]:
        """At which version each stream is; 0 for one that does not exist."""

    def record(self, changes: Iterable[Unrecorded]) -> int:
        """Write all, or raise IntegrityError and write nothing; the position of the last event."""

    def history(self, stream_id: str) -> Iterable[tuple[Event, Origin | None]]:
        """All that happened on a stream, and of which row each is."""


class ImportReport(Value):
    """What became of the rows of a file: `read` are those `recorded` now, `already` there, and `rejected`."""

    read: int
    cases: int
    recorded: int
    already: int
    rejected: int
    seconds: float


def bring_in(
    file: str,
    plan: Map,
    *,
    log: Log,
    pace: Pace,
    sealer: Sealer,
    rejects: Path | None = None,
    limits: Limits | None = None,
    batch: int = 800,
    progress: Callable[[int, int], None] = lambda _done, _goal: None,
) -> ImportReport:
    """Import a file, or standard input for `-`. Running it again completes what was interrupted.

    `rejects`: where rows that cannot go in are listed; otherwise beside the file. `batch`: about how many events go
    into one write. `progress` is told how many rows are done, and of how many. Refused, with nothing written, if the
    file or the map is wrong.
    """
    begun = time.monotonic()
    pace.start()
    with closing(Staging()) as staging:
        now = datetime.now(UTC)
        source = stage(file, plan, staging, now, limits or Limits())
        others = {stream: recall(kind, _events(log, stream)) for stream, kind in plan.others.items()}
        cases = _survey(staging, Translator(plan, now, others))
        read, rejected = staging.read, staging.count_rejected()
        write_rejects(rejects or _beside(file), staging.rejected())
        writing = _Writing(plan, source, staging, log, sealer)
        translate = Translator(plan, now, others).translate
        for together in _batches(map(translate, staging.cases()), batch):
            pace.keep_up()
            writing.write(together)
            progress(rejected + writing.recorded + writing.already, read)
    pace.until_visible()
    return ImportReport(
        read=read,
        cases=cases,
        recorded=writing.recorded,
        already=writing.already,
        rejected=rejected,
        seconds=time.monotonic() - begun,
    )


class Source(NamedTuple):
    """The file an import comes from: the hash of its bytes, and its name."""

    hash: str
    name: str


def stage(file: str, plan: Map, staging: Staging, now: datetime, limits: Limits) -> Source:
    """Read the whole file, checking it; Refused if it cannot be read or does not fit the map."""
    name = "stdin" if file == "-" else Path(file).name
    with ExitStack() as stack:
        try:
            raw = sys.stdin.buffer if file == "-" else stack.enter_context(Path(file).open("rb"))
            original = Original(raw, name)
            columns = staging.fill(rows_of(original, plan.form, limits), plan, now)
        except OSError as error:
            raise Refused("{file} cannot be read: {problem}.", file=name, problem=error.strerror or error) from None
    if not columns:
        raise Refused("{file} holds no rows.", file=name)
    plan.check_columns(columns, name)
    return Source(original.hash, name)


def write_rejects(file: Path, rejected: Iterator[Rejected]) -> None:
    """List what could not go in, for whoever corrects it; a list of an earlier run is replaced, or goes."""
    try:
        first = next(rejected, None)
        if first is None:
            file.unlink(missing_ok=True)
            return
        # the mark at the head tells spreadsheets that Chinese text is UTF-8
        with file.open("w", encoding="utf-8-sig", newline="") as out:
            lines = csv.writer(out)
            lines.writerow(Rejected.__struct_fields__)
            lines.writerows(map(astuple, chain([first], rejected)))
    except OSError as error:
        raise Refused(
            "The rejected rows cannot be listed in {file}: {problem}.", file=file, problem=error.strerror or error
        ) from None


def _beside(file: str) -> Path:
    return Path("stdin.rejects.csv" if file == "-" else f"{file}.rejects.csv")


def _survey(staging: Staging, translator: Translator) -> int:
    """Translate everything once to learn which rows are rejected and who is mentioned first where; count the cases."""
    cases = 0
    for case in staging.cases():
        translated = translator.translate(case)
        cases += translated.rows > 0
        for row in translated.rejected:
            staging.reject(row)
        for known, seen in translated.mentions.items():
            staging.mention(known, seen)
    return cases


def _batches(cases: Iterable[Translated], most: int) -> Iterator[list[Translated]]:
    """Cases that go in together: not many more events than that, if no case alone has more."""
    together: list[Translated] = []
    size = 0
    for case in cases:
        if together and size + len(case.happenings) > most:
            yield together
            together, size = [], 0
        if case.happenings:
            together.append(case)
            size += len(case.happenings)
    if together:
        yield together


def _events(log: Log, stream_id: str) -> list[Event]:
    return [event for event, _ in log.history(stream_id)]


class _Writing:
    """Writes cases, and counts their rows."""

    def __init__(self, plan: Map, source: Source, staging: Staging, log: Log, sealer: Sealer) -> None:
        self._plan, self._source, self._staging, self._log, self._sealer = plan, source, staging, log, sealer
        self._described = import_id(source.hash, plan.tells)
        self.recorded = self.already = 0

    def write(self, cases: Sequence[Translated]) -> None:
        """Write those of these cases that are not in the log, with whomever they mention, at once."""
        for _ in range(ATTEMPTS):
            try:
                missing = self._missing(cases)
            except IntegrityError:  # somebody registered one of them just now
                continue
            except OperationalError as error:
                raise Refused(
                    "The database does not answer: {problem}. What is written is whole; run the import again"
                    " to complete it.",
                    problem=error,
                ) from None
            rows = sum(case.rows for case in missing)
            self.recorded += rows
            self.already += sum(case.rows for case in cases) - rows
            return
        raise Refused("Another import is writing the same: wait for its end, then run this one again.")

    def _missing(self, cases: Sequence[Translated]) -> list[Translated]:
        """The cases that were missing; now they are in the log."""
        streams = {case.name: self._stream(case.name) for case in cases}
        people = {one: known_id(one[0], self._plan.source, one[1]) for case in cases for one in case.mentions}
        versions = self._log.versions([*streams.values(), *people.values(), self._described])
        missing = [case for case in cases if not self._is_there(streams[case.name], versions)]
        if missing:
            command = command_id(self._source.hash, missing[0].name)
            mentioned = dict.fromkeys(one for case in missing for one in case.mentions)
            events = [] if versions[self._described] else [self._description(command)]
            events += [self._registered(one, people[one], command) for one in mentioned if not versions[people[one]]]
            begun = Counter(versions) + Counter(one.stream_id for one in events)
            for case in missing:
                events += self._history(case, streams[case.name], begun[streams[case.name]], command)
            for stream, kind in self._plan.others.items():
                events += self._said_of(stream, kind, missing, command)
            sealed = self._sealer.all_sealed([(one.event, one.stream_id) for one in events])
            self._log.record(replace(one, event=event) for one, event in zip(events, sealed, strict=True))
        return missing

    def _description(self, command: UUID) -> Unrecorded:
        """What the file can tell of by this map, said once before its first case."""
        tells = tuple(map(Code, self._plan.tells))
        return Unrecorded(
            stream_id=self._described,
            version=1,
            event=LegacySourceDescribed(source=Code(self._source.hash), map=Code(self._plan.name), tells=tells),
            actor_id=IMPORTER,
            command_id=command,
            envelope=Envelope(kind=ActorKind.IMPORTER),
        )

    def _registered(self, known: Known, stream_id: str, command: UUID) -> Unrecorded:
        """Somebody is put on file for the time when the source mentions them first."""
        seen = self._staging.first_mention(known)
        return Unrecorded(
            stream_id=stream_id,
            version=1,
            event=self._plan.registrations[known[0]].of(known[1]),
            actor_id=IMPORTER,
            command_id=command,
            effective_at=seen.at,
            envelope=Envelope(
                kind=ActorKind.IMPORTER,
                origin=self._origin(seen.case, seen.index, seen.line, REGISTRATION + seen.number, seen.undated),
            ),
        )

    def _stream(self, case: str) -> str:
        if self._plan.labelled:
            return known_id(self._plan.stream, self._plan.source, case)
        return case_id(self._plan.stream, self._source.hash, case)

    def _is_there(self, stream_id: str, versions: Mapping[str, int]) -> bool:
        """Is the case in the log? Whoever has a label may be on file, and this file's rows about them not be."""
        if not self._plan.labelled or not versions[stream_id]:
            return versions[stream_id] > 0
        return any(
            origin is not None and origin.source == self._source.hash and origin.part < REGISTRATION
            for _, origin in self._log.history(stream_id)
        )

    def _history(self, case: Translated, stream_id: str, begun: int, command: UUID) -> Iterator[Unrecorded]:
        own = (one for one in case.happenings if one.on is None)
        for version, one in enumerate(own, start=begun + 1):
            yield self._unrecorded(case, one, stream_id, version, command)

    def _said_of(
        self, stream_id: str, kind: type[Admitting], cases: Iterable[Translated], command: UUID
    ) -> Iterator[Unrecorded]:
        """What rows say of another stream, as far as it is news there."""
        told = _events(self._log, stream_id)
        state, version = recall(kind, told), len(told)
        for case in cases:
            for one in case.happenings:
                if one.on == stream_id and state.admits(one.event):
                    state, version = state.evolve(one.event), version + 1
                    yield self._unrecorded(case, one, stream_id, version, command)

    def _unrecorded(self, case: Translated, one: Happening, stream_id: str, version: int, command: UUID) -> Unrecorded:
        return Unrecorded(
            stream_id=stream_id,
            version=version,
            event=one.event,
            actor_id=IMPORTER,
            command_id=command,
            effective_at=one.at,
            envelope=Envelope(
                kind=ActorKind.IMPORTER,
                on_behalf_of=known_id(PERSON, self._plan.source, one.person) if one.person else None,
                origin=self._origin(case.name, one.row.index, one.row.line, one.part, one.undated),
            ),
        )

    def _origin(self, case: str, index: int, line: int, part: int, undated: bool) -> Origin:
        return Origin(
            source=self._source.hash,
            file=self._source.name,
            case=case,
            index=index,
            part=part,
            line=line,
            undated=undated or UNSET,
        )
