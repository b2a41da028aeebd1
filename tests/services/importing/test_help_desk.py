"""The history of a help desk, by the map that comes with Yewu: a generated one, and the real one where it lies."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from aggregates.event import LegacyRecordImported
from aggregates.service.complaint import ComplaintAssessed, ComplaintReceived
from infra.library.mapping import Unrecorded
from infra.sealing import Plain
from services.demo import write_help_desk
from services.importing.importer import ImportReport, bring_in
from services.importing.map_file import find_map, read_map
from tests.services.importing.given import KINDS, UP_TO_DATE, LogInMemory, origin_of

REAL = Path(__file__).parents[4] / "shared/data/helpdesk.xes.gz"


def brought_in(file: Path, rejects: Path) -> tuple[ImportReport, list[Unrecorded]]:
    log = LogInMemory()
    report = bring_in(
        str(file), read_map(find_map("helpdesk"), KINDS), log=log, pace=UP_TO_DATE, sealer=Plain(), rejects=rejects
    )
    return report, log.written


def every_row_is_one_first_part_and_every_case_begins_with_its_receipt(written: list[Unrecorded]) -> None:
    parts = Counter(origin_of(one) for one in written)
    assert set(parts.values()) == {1}
    rows = {(case, index) for case, index, _ in parts}
    assert {(case, index) for case, index, part in parts if part == 0} == rows
    begun = {one.stream_id for one in written if one.version == 1 and isinstance(one.event, ComplaintReceived)}
    assert begun == {one.stream_id for one in written if one.stream_id.startswith("complaint-")}
    assert begun == {one.stream_id for one in written if isinstance(one.event, ComplaintAssessed)}


def test_a_generated_help_desk_goes_in_whole(tmp_path: Path) -> None:
    report, written = brought_in(write_help_desk(tmp_path / "desk.xes.gz", 60), tmp_path / "rejects.csv")
    assert (report.cases, report.recorded, report.rejected) == (60, report.read, 0)
    every_row_is_one_first_part_and_every_case_begins_with_its_receipt(written)


def the_real_help_desk_goes_in_whole(tmp_path: Path) -> None:
    report, written = brought_in(REAL, tmp_path / "rejects.csv")
    assert (report.read, report.recorded, report.rejected, report.cases) == (21_348, 21_348, 0, 4_580)
    every_row_is_one_first_part_and_every_case_begins_with_its_receipt(written)
    assert sum(origin_of(one)[2] == 0 for one in written) == 21_348
    assert Counter(type(one.event).__name__ for one in written) == {
        "ComplaintReceived": 4_580,
        "ComplaintAssessed": 4_580,
        "ComplaintAssigned": 5_060,
        "ResolutionProposed": 4_983,
        "ComplaintClosed": 4_574,
        "LegacyRecordImported": 6_859,
        "CustomerRegistered": 394,
        "EmployeeRegistered": 22,
    }
    severities = Counter(str(one.event.severity) for one in written if isinstance(one.event, ComplaintAssessed))
    assert severities == {"S1": 2_599, "S2": 1_751, "S3": 27, "S4": 203}


def the_label_of_the_source_stays_readable(tmp_path: Path) -> None:
    _, written = brought_in(REAL, tmp_path / "rejects.csv")
    first = {
        origin_of(one)[0]: one.event.fields
        for one in written
        if isinstance(one.event, LegacyRecordImported) and one.version <= 4 and "seriousness_2" in one.event.fields
    }
    assert len(first) == 4_580


if REAL.exists():
    test_the_real_help_desk_goes_in_whole = the_real_help_desk_goes_in_whole
    test_the_label_of_the_source_stays_readable = the_label_of_the_source_stays_readable
