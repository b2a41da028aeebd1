"""Rows that do not say when: true from the import on, and marked so; never guessed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from aggregates.event import Envelope
from aggregates.service.complaint import ComplaintAssessed, MeasuresDecided
from infra.codec import envelope_bytes
from infra.library.mapping import Unrecorded
from tests.services.importing.given import HEADER, MAP, LogInMemory, imported, the_map
from tests.services.importing.test_maps import DECIDED, SEVERITY, wrong

OR_NOW = MAP.replace('column = "when"', 'column = "when"\notherwise = "import"')
ROWS = "1,2025-03-03T09:00:00Z,opened,Mei,Acme\n2,,opened,Wu,Acme\n"


def undated(one: Unrecorded) -> bool:
    origin = one.envelope.origin
    assert origin is not None
    return origin.undated is True


def test_a_row_without_a_time_is_true_from_the_import_on_and_marked_so(tmp_path: Path) -> None:
    before = datetime.now(UTC)
    report, written = imported(tmp_path, HEADER + ROWS, text=OR_NOW)
    assert (report.recorded, report.rejected) == (2, 0)
    now = {one.effective_at for one in written if undated(one)}
    assert len(now) == 1
    assert before <= now.pop() <= datetime.now(UTC)  # type: ignore[operator]
    of_each = {one.envelope.origin.case: undated(one) for one in written if one.envelope.origin}
    assert of_each == {"1": False, "2": True}


def test_whoever_is_mentioned_with_a_time_anywhere_is_on_file_since_then(tmp_path: Path) -> None:
    _, written = imported(tmp_path, HEADER + "2,,opened,Wu,Acme\n" + ROWS.splitlines()[0] + "\n", text=OR_NOW)
    on_file = {str(one.event.name): undated(one) for one in written if hasattr(one.event, "name")}
    assert on_file == {"Acme": False, "Mei": False, "Wu": True}


def test_the_mark_lies_in_the_log_and_only_where_it_is_due(tmp_path: Path) -> None:
    _, written = imported(tmp_path, HEADER + ROWS, text=OR_NOW)
    marks = [b'"undated":' in envelope_bytes(one.envelope) for one in written]
    assert marks == [undated(one) for one in written]
    for one in written:
        assert msgspec.json.decode(envelope_bytes(one.envelope), type=Envelope) == one.envelope


def test_on_another_day_nothing_of_it_goes_in_again(tmp_path: Path) -> None:
    imported(tmp_path, HEADER + ROWS, text=OR_NOW, log=(log := LogInMemory()))
    before = list(log.written)
    report, _ = imported(tmp_path, HEADER + ROWS, text=OR_NOW, log=log)
    assert (report.already, log.written) == (2, before)


def test_a_file_may_say_no_time_at_all(tmp_path: Path) -> None:
    text = MAP.replace('time = "done"', 'time = "import"').replace('[times.done]\ncolumn = "when"\n', "")
    _, written = imported(tmp_path, "ticket,what,who,customer\n1,opened,Mei,Acme\n", text=text)
    assert [undated(one) for one in written] == [True] * len(written)


def test_a_day_in_an_event_may_be_that_of_the_import(tmp_path: Path) -> None:
    rows = "1,2025-03-03T09:00:00Z,opened,Mei,Acme\n1,2025-03-03T18:00:00Z,decided,Mei,Acme\n"
    _, written = imported(tmp_path, HEADER + rows, text=MAP + DECIDED % '{ date = "import" }')
    (due,) = [one.event.due for one in written if isinstance(one.event, MeasuresDecided)]
    assert datetime.now(UTC).date() - due <= timedelta(days=1)


def test_no_other_time_may_be_meant_and_none_is_called_like_it(tmp_path: Path) -> None:
    text = MAP.replace('column = "when"', 'column = "when"\notherwise = "yesterday"')
    assert wrong(text, tmp_path).startswith("desk.toml, times.done: Invalid enum value 'yesterday'")
    text = MAP + '\n[times.import]\ncolumn = "when"\n'
    assert wrong(text, tmp_path) == (
        "desk.toml, times.import: so is the time of the import called; choose another name."
    )


def kept(written: list[Unrecorded]) -> list[dict[str, str]]:
    return [dict(one.event.fields) for one in written if hasattr(one.event, "fields")]


def test_of_a_translated_column_only_what_is_said_otherwise_is_kept(tmp_path: Path) -> None:
    rows = "1,2025-03-03T09:00:00Z,opened,Mei,Acme\n" + "".join(
        f"1,2025-03-03T1{n}:00:00Z,judged,{who},Acme\n" for n, who in enumerate(["S1", "high"])
    )
    judged = SEVERITY % '{ code = "who", values = { S1 = "S1", high = "S1" } }'
    text = MAP.replace('person = "who"\n', "").replace('label = "what"\n', "") + judged
    _, written = imported(tmp_path, HEADER + rows, text=text)
    assert [one.event.severity for one in written if isinstance(one.event, ComplaintAssessed)] == ["S1", "S1"]
    assert [fields.get("who") for fields in kept(written)] == ["Mei", None, "high"]


def test_columns_that_only_repeat_others_are_not_kept(tmp_path: Path) -> None:
    row = "1,2025-03-03T09:00:00Z,opened,Mei,Acme,Q1,hot\n"
    header = HEADER.strip() + ",quarter,level\n"
    _, written = imported(tmp_path, header + row)
    assert kept(written) == [{"quarter": "Q1", "level": "hot"}]
    text = MAP.replace('label = "what"', 'label = "what"\nrepeats = ["quarter"]')
    _, written = imported(tmp_path, header + row, text=text)
    assert kept(written) == [{"level": "hot"}]


def test_a_column_that_repeats_must_be_there(tmp_path: Path) -> None:
    plan = the_map(MAP.replace('label = "what"', 'label = "what"\nrepeats = ["quarter"]'), tmp_path)
    assert plan.named["quarter"] == "desk.toml, case, repeats"


@pytest.mark.parametrize("spec", ['{ empty = "who" }', '{ empty = "who", default = true }'])
def test_a_mark_stands_only_where_yes_or_no_does(spec: str, tmp_path: Path) -> None:
    said = wrong(MAP + SEVERITY % spec, tmp_path)
    assert said.endswith("fields.severity: ComplaintAssessed takes Severity there, not empty.")
