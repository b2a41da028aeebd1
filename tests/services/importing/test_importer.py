"""A file goes in whole cases at a time and each exactly once, however often an import is broken off."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from eventsourcing.persistence import OperationalError

from aggregates.event import Event, LegacySourceDescribed
from aggregates.refused import Refused
from aggregates.text import Code
from infra.codec import Codec, envelope_bytes
from infra.library.application import LogApplication
from infra.library.mapping import Unrecorded
from infra.read_model.schema import Lag
from infra.sealing import Plain
from services.demo import write_help_desk
from services.importing.importer import bring_in
from services.importing.map_file import find_map, read_map
from services.importing.pace import Pace
from services.importing.sources import Limits
from tests.services.importing.given import (
    HEADER,
    KINDS,
    MAP,
    TWO_TICKETS,
    UP_TO_DATE,
    LogInMemory,
    a_file,
    imported,
    refused,
    the_map,
)

TEN_TICKETS = HEADER + "".join(f"{n % 10},2025-03-03T{n:02}:00:00Z,step,Mei,Acme\n" for n in range(20))


def facts(events: list[Unrecorded]) -> set[str]:
    """What is on record, whichever write brought it."""
    return {repr((e.stream_id, e.version, e.event, e.effective_at, e.envelope)) for e in events}


def test_the_report_says_what_became_of_every_row(tmp_path: Path) -> None:
    report, _ = imported(tmp_path, TWO_TICKETS + "3,never,opened,Mei,Acme\n")
    assert (report.read, report.cases, report.recorded, report.already, report.rejected) == (4, 2, 3, 0, 1)
    assert report.seconds > 0


def test_a_second_time_everything_is_there_already(tmp_path: Path) -> None:
    _, once = imported(tmp_path, TWO_TICKETS, log=(log := LogInMemory()))
    before = list(once)
    report, twice = imported(tmp_path, TWO_TICKETS, log=log)
    assert (report.recorded, report.already, twice) == (0, 3, before)


def test_another_file_of_the_same_source_knows_the_same_people(tmp_path: Path) -> None:
    _, written = imported(tmp_path, TWO_TICKETS, log=(log := LogInMemory()))
    here = len(written)
    report, written = imported(tmp_path, HEADER + "1,2025-03-09T09:00:00Z,opened,Mei,Acme\n", log=log)
    assert report.recorded == 1
    assert {type(one.event).__name__ for one in written[here:]} == {"ComplaintReceived", "LegacyRecordImported"}
    assert written[0].stream_id == getattr(written[here].event, "customer_id", None)


def test_what_a_file_can_tell_of_is_said_once_before_its_first_case(tmp_path: Path) -> None:
    log = LogInMemory()
    for _ in range(2):
        imported(tmp_path, TWO_TICKETS, log=log)
    (said,) = log.described
    tells = ("ComplaintClosed", "ComplaintReceived", "ComplaintReceived.channel", "ComplaintReceived.customer_id")
    assert said.event == LegacySourceDescribed(
        source=Code(origin_source(log)), map=Code("desk.toml"), tells=tuple(map(Code, tells))
    )
    imported(tmp_path, TWO_TICKETS + "3,2025-03-05T09:00:00Z,opened,Mei,Acme\n", log=log)
    assert len(log.described) == 2


def origin_source(log: LogInMemory) -> str:
    origin = log.written[-1].envelope.origin
    assert origin is not None
    return origin.source


def test_people_of_another_source_are_other_people(tmp_path: Path) -> None:
    imported(tmp_path, TWO_TICKETS, log=(log := LogInMemory()))
    here = len(log.written)
    imported(tmp_path, TWO_TICKETS + "\n", text=MAP.replace('name = "desk"', 'name = "other"'), log=log)
    assert {type(one.event).__name__ for one in log.written[here:]} >= {"CustomerRegistered", "EmployeeRegistered"}


def test_what_people_did_since_stays_and_is_not_mistaken_for_the_file(tmp_path: Path) -> None:
    imported(tmp_path, TWO_TICKETS, log=(log := LogInMemory()))
    last = log.written[-1]
    log.record(
        [Unrecorded(**{name: getattr(last, name) for name in last.__struct_fields__} | {"version": last.version + 1})]
    )
    report, _ = imported(tmp_path, TWO_TICKETS, log=log)
    assert report.already == 3


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_no_case_is_split_over_two_writes(size: int, tmp_path: Path) -> None:
    log = LogInMemory()
    imported(tmp_path, TEN_TICKETS, log=log, batch=size)
    events = iter(log.written)
    streams = [{next(events).stream_id for _ in range(length)} for length in log.writes]
    assert sum(len(one) for one in streams) == len(set().union(*streams)) == 12
    assert len(log.writes) == {1: 10, 3: 10, 7: 5, 100: 1}[size]


@pytest.mark.parametrize("write", range(10))
def test_broken_off_at_any_write_and_run_again_it_is_as_if_nothing_had_happened(write: int, tmp_path: Path) -> None:
    imported(tmp_path, TEN_TICKETS, log=(undisturbed := LogInMemory()), batch=3)
    log = LogInMemory()

    def interrupted() -> None:
        if len(log.writes) == write:
            raise KeyboardInterrupt

    log.before_write = interrupted
    with pytest.raises(KeyboardInterrupt):
        imported(tmp_path, TEN_TICKETS, log=log, batch=3)
    log.before_write = lambda: None
    report, written = imported(tmp_path, TEN_TICKETS, log=log, batch=3)
    assert (report.already, report.recorded) == (2 * write, 20 - 2 * write)
    assert facts(written) == facts(undisturbed.written)
    assert len(written) == len(undisturbed.written)


def test_two_imports_of_one_file_at_a_time_do_no_harm(tmp_path: Path) -> None:
    imported(tmp_path, TEN_TICKETS, log=(undisturbed := LogInMemory()))
    log = LogInMemory()

    def the_other_is_faster() -> None:
        log.before_write = lambda: None
        imported(tmp_path, TEN_TICKETS, log=log, batch=7)

    log.before_write = the_other_is_faster
    report, written = imported(tmp_path, TEN_TICKETS, log=log, batch=100)
    assert (report.already, report.recorded) == (20, 0)
    assert facts(written) == facts(undisturbed.written)


def test_a_database_that_is_gone_is_said_in_one_sentence(tmp_path: Path) -> None:
    log = LogInMemory()

    def gone() -> None:
        raise OperationalError("connection refused")

    log.before_write = gone
    assert refused_by(log, tmp_path) == (
        "The database does not answer: connection refused. What is written is whole; run the import again"
        " to complete it."
    )


def refused_by(log: LogInMemory, folder: Path) -> str:
    with pytest.raises(Refused) as said:
        imported(folder, TWO_TICKETS, log=log)
    return str(said.value)


def test_progress_is_told_in_rows(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    imported(tmp_path, TEN_TICKETS + ",,,,\n", batch=7, progress=lambda done, goal: told.append((done, goal)))
    assert told == [(5, 21), (9, 21), (13, 21), (17, 21), (21, 21)]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "desk.csv is empty."),
        (HEADER, "desk.csv holds no rows."),
        (TWO_TICKETS + '1,"', "Line 5 of desk.csv is no proper CSV: unexpected end of data."),
        (TWO_TICKETS.encode() + "1,华".encode("gbk"), "Line 5 of desk.csv is not utf-8"),
    ],
)
def test_nothing_of_a_wrong_file_goes_in(content: str | bytes, sentence: str, tmp_path: Path) -> None:
    assert refused(tmp_path, content).startswith(sentence)


def test_a_cut_event_log_is_refused_although_its_first_half_is_sound(tmp_path: Path) -> None:
    whole = write_help_desk(tmp_path / "whole.xes", 50).read_bytes()
    log = LogInMemory()
    plan = read_map(find_map("helpdesk"), KINDS)
    with pytest.raises(Refused, match=r"cut.xes ends in line \d+, before its XML does\."):
        bring_in(a_file(tmp_path, whole[: len(whole) // 2], "cut.xes"), plan, log=log, pace=UP_TO_DATE, sealer=Plain())
    assert log.written == []


@pytest.mark.parametrize("name", ["nosuch.csv", "."])
def test_a_file_that_cannot_be_read_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"cannot be read: (No such file|Is a) "):
        bring_in(str(tmp_path / name), the_map(MAP, tmp_path), log=LogInMemory(), pace=UP_TO_DATE, sealer=Plain())


def test_a_list_of_rejects_that_cannot_be_written_stops_the_import_before_it_begins(tmp_path: Path) -> None:
    sentence = refused(tmp_path, TWO_TICKETS + ",,,,\n", rejects=tmp_path / "no such folder/rejects.csv")
    assert sentence.startswith("The rejected rows cannot be listed in ")


def test_an_old_list_of_rejects_goes_when_nothing_is_rejected(tmp_path: Path) -> None:
    listed = tmp_path / "desk.csv.rejects.csv"
    imported(tmp_path, TWO_TICKETS + ",,,,\n")
    assert listed.exists()
    imported(tmp_path, TWO_TICKETS)
    assert not listed.exists()


def test_a_file_that_is_too_big_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, TWO_TICKETS, limits=Limits(file=50)) == "desk.csv is bigger than 50 bytes: split it."


def test_a_pipe_is_as_good_as_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    file = a_file(tmp_path, TWO_TICKETS)
    from_file, from_pipe = LogInMemory(), LogInMemory()
    plan = the_map(MAP, tmp_path)
    bring_in(file, plan, log=from_file, pace=UP_TO_DATE, sealer=Plain())
    with subprocess.Popen(["cp", file, str(tmp_path / "pipe")]):
        bring_in(str(tmp_path / "pipe"), plan, log=from_pipe, pace=UP_TO_DATE, sealer=Plain())
    assert [one.stream_id for one in from_pipe.written] == [one.stream_id for one in from_file.written]


def test_nothing_is_read_before_the_projector_runs(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="Start the projector first"):
        bring_in(
            "nosuch.csv", the_map(MAP, tmp_path), log=LogInMemory(), pace=Pace(lambda: Lag(0, 0, None)), sealer=Plain()
        )


# ---- killed

CHILD = """
import sys
from aggregates.event import Event
from infra.codec import Codec, envelope_bytes
from infra.library.application import LogApplication
from infra.sealing import Plain
from services.importing.importer import bring_in
from services.importing.map_file import find_map, read_map
from tests.services.importing.given import KINDS, UP_TO_DATE

with LogApplication.open(sys.argv[1], Codec(Event.known.values())) as log:
    bring_in(sys.argv[2], read_map(find_map("helpdesk"), KINDS), log=log, pace=UP_TO_DATE, sealer=Plain(), batch=20)
"""


def in_the_log(database: str) -> list[tuple[object, ...]]:
    with psycopg.connect(database) as db:
        return db.execute(
            "SELECT stream_id, version, type, data, meta, effective_at FROM yewu.log"
            " WHERE type <> 'LegacySourceDescribed' ORDER BY stream_id, version"
        ).fetchall()


def test_killed_again_and_again_every_row_goes_in_exactly_once(tmp_path: Path, database: str) -> None:
    file = str(write_help_desk(tmp_path / "desk.xes.gz", 1000))
    plan = read_map(find_map("helpdesk"), KINDS)
    sizes = []
    for _ in range(3):
        child = subprocess.Popen([sys.executable, "-c", CHILD, database, file], cwd=Path(__file__).parents[3])
        reached = len(in_the_log(database))
        while child.poll() is None and len(in_the_log(database)) < reached + 200:
            time.sleep(0.002)
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        sizes.append(len(in_the_log(database)))
    with LogApplication.open(database, Codec(Event.known.values())) as log:
        report = bring_in(file, plan, log=log, pace=UP_TO_DATE, sealer=Plain())
    assert report.already > 0
    assert report.recorded > 0
    assert report.already + report.recorded == report.read
    assert sizes == sorted(set(sizes))

    undisturbed = LogInMemory()
    bring_in(file, plan, log=undisturbed, pace=UP_TO_DATE, sealer=Plain())
    codec = Codec(Event.known.values())
    assert in_the_log(database) == sorted(
        (one.stream_id, one.version, stored.type, stored.data, envelope_bytes(one.envelope), one.effective_at)
        for one in undisturbed.written
        for stored in [codec.stored(one.stream_id, one.event)]
    )
