"""A map is checked word by word against what exists; whoever writes one is told what is wrong, and where."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from aggregates.refused import Refused
from aggregates.service.complaint import ComplaintAssessed, ComplaintReceived, MeasuresDecided, ResolutionProposed
from services.importing.map_file import find_map, read_map
from tests.services.importing.given import HEADER, KINDS, MAP, TWO_TICKETS, a_file, imported, refused, the_map

SEVERITY = """
[[row]]
when = { what = "judged" }

[[row.becomes]]
event = "ComplaintAssessed"
fields.category = { constant = "service" }
fields.severity = %s
"""
PROPOSED = """
[[row]]
when = { what = "solved" }

[[row.becomes]]
event = "ResolutionProposed"
fields.remedy = { constant = "money back" }
fields.cost = %s
"""
DECIDED = """
[[row]]
when = { what = "decided" }

[[row.becomes]]
event = "MeasuresDecided"
fields.measures = { constant = "repair" }
fields.due = %s
"""


ZONE = 'zone = "UTC"'
WHEN = 'column = "when"'
RECEIVED = 'event = "ComplaintReceived"'
CLOSED = 'when = { what = "closed" }'
CHANNEL = 'fields.channel = { constant = "desk" }'
ONE = "row 1, becomes 1, "
TEXTS = 'write a text, a list of texts, { not = "…" } or { filled = true }.'
WHICH = "say which rows are meant: first, last, when, or else always."
NO_DAY = "does not say day, month and year; write one like %d/%m/%Y %H:%M."


def wrong(text: str, folder: Path) -> str:
    with pytest.raises(Refused) as said:
        the_map(text, folder)
    return str(said.value)


@pytest.mark.parametrize(
    ("was", "becomes", "sentence"),
    [
        ('name = "desk"', "name = desk", "desk.toml is no proper TOML: Invalid value (at line 3, column 8)."),
        ('zone = "UTC"\n', "", "source: it lacks the field zone."),
        (
            ZONE,
            'zone = "Mars/Base"',
            "source, zone: there is no time zone Mars/Base; write one like Asia/Shanghai or UTC.",
        ),
        (ZONE, 'zone = "UTC"\ncolour = "red"', "source: it contains unknown field colour."),
        (ZONE, 'zone = "UTC"\ndelimiter = ";;"', "source: delimiter is one character, quote one or none."),
        (ZONE, 'zone = "UTC"\nheader = false', "source: name the columns, as there is no header."),
        (ZONE, 'zone = "UTC"\nencoding = "klingon"', "source, encoding: there is no encoding klingon."),
        (ZONE, 'zone = "UTC"\nencoding = "base64"', "source, encoding: there is no encoding base64."),
        ('format = "csv"', 'format = "xlsx"', "source: Invalid enum value 'xlsx', at format."),
        (
            'stream = "complaint"',
            'stream = "grievance"',
            "case, stream: there are no streams of kind grievance; there is complaint, customer, department, employee,",
        ),
        ('time = "done"', 'time = "ended"', "case, time: there is no time called ended; there is done, import."),
        ('time = "done"', "time = 9", "case: Expected str, got int, at time."),
        (WHEN, 'column = "when"\nformat = "%d %B"', f"times.done, format: %d %B {NO_DAY}"),
        (WHEN, 'column = "when"\nformat = "soon"', f"times.done, format: soon {NO_DAY}"),
        (WHEN, 'column = "when"\nhour = "noon"', "times.done: Invalid RFC3339 encoded time, at hour."),
        ("first = true", "first = true\nalways = true", f"row 1: {WHICH}"),
        ("first = true", "", f"row 1: {WHICH}"),
        (CLOSED, "when = { what = 5 }", f"row 2, when.what: {TEXTS}"),
        (CLOSED, "when = { what = [] }", f"row 2, when.what: {TEXTS}"),
        (
            RECEIVED,
            'event = "ComplaintReceieved"',
            ONE + "event: there is no event ComplaintReceieved; known there: ComplaintAcknowledged,",
        ),
        (
            RECEIVED,
            'event = "CustomerRegistered"',
            ONE + "event: CustomerRegistered does not belong there; known there: ComplaintAcknowledged,",
        ),
        (
            'event = "ComplaintClosed"',
            'event = "ComplaintClosed"\nat = "noon"',
            "row 2, becomes 1, at: there is no time called noon; there is done, import.",
        ),
        (CHANNEL, "", "row 1, becomes 1: ComplaintReceived needs channel."),
        (CHANNEL, "fields.channel = { constant = 7 }", ONE + "fields.channel: 7 is no Code."),
        (
            CHANNEL,
            'fields.chanel = { constant = "desk" }',
            ONE + "fields.chanel: ComplaintReceived has no chanel; it has customer_id,",
        ),
        (
            CHANNEL,
            'fields.channel = { text = "what" }',
            ONE + "fields.channel: ComplaintReceived takes Code there, not text.",
        ),
        (CHANNEL, "fields.channel = { code = 7 }", ONE + "fields.channel: code wants the name of a column."),
        (
            CHANNEL,
            'fields.channel = { fixed = "desk" }',
            ONE + "fields.channel: say one of text, code, number, date, empty, constant, customer, employee.",
        ),
        (
            CHANNEL,
            'fields.channel = { code = "what", values = "no" }',
            ONE + "fields.channel: there is no table translations.no.",
        ),
        (
            '{ customer = "customer" }',
            '{ employee = "who" }',
            ONE + "fields.customer_id: ComplaintReceived takes CustomerId there, not employee.",
        ),
        (
            '{ customer = "customer" }',
            '{ customer = "customer", default = "x" }',
            ONE + "fields.customer_id: customer takes the label as it is; leave the rest out.",
        ),
        (
            "[register.employee]",
            "[register.emploie]",
            "case, person: say under register.employee how one is put on file.",
        ),
        (
            'event = "EmployeeRegistered"',
            RECEIVED,
            "register.employee, event: ComplaintReceived does not belong there; known there: EmployeeRegistered.",
        ),
        (
            "fields.name = { label = true }\nfields.source",
            'fields.name = { constant = "x" }\nfields.source',
            "register.customer: one field must hold the label: { label = true }.",
        ),
        (
            'fields.source = { constant = "desk" }',
            'fields.source = { code = "what" }',
            "register.customer, fields.source: of somebody mentioned only the label is known; say a constant.",
        ),
        ('fields.source = { constant = "desk" }', "", "register.customer: CustomerRegistered needs source."),
    ],
)
def test_a_wrong_map_is_refused_with_its_place(was: str, becomes: str, sentence: str, tmp_path: Path) -> None:
    assert was in MAP
    assert wrong(MAP.replace(was, becomes, 1), tmp_path).removeprefix("desk.toml, ").startswith(sentence)


def test_a_severity_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    where = "desk.toml, row 3, becomes 1, fields.severity"
    assert wrong(MAP + SEVERITY % '{ constant = "S9" }', tmp_path) == f"{where}: S9 is none of S1, S2, S3, S4."
    in_a_table = '{ code = "who", values = { high = "S1", low = "S7" } }'
    assert wrong(MAP + SEVERITY % in_a_table, tmp_path) == f"{where}: S7 is none of S1, S2, S3, S4."


def test_a_map_in_which_no_row_begins_a_case_is_refused(tmp_path: Path) -> None:
    text = MAP.replace('event = "ComplaintReceived"', 'event = "ComplaintWithdrawn"').replace(
        'fields.customer_id = { customer = "customer" }\nfields.channel = { constant = "desk" }',
        'fields.reason = { constant = "x" }',
    )
    assert wrong(text, tmp_path) == "desk.toml: no row becomes ComplaintReceived, with which a complaint begins."


def test_a_map_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_bytes("# 投诉".encode("gbk"))
    with pytest.raises(Refused, match=r"map.toml is not written in UTF-8\."):
        read_map(tmp_path / "map.toml", KINDS)


def test_maps_that_come_with_yewu_are_found_by_name_others_by_path(tmp_path: Path) -> None:
    assert read_map(find_map("helpdesk"), KINDS).source == "helpdesk"
    assert find_map(a_file(tmp_path, MAP, "mine.toml")).name == "mine.toml"
    with pytest.raises(Refused, match="There is no map nosuch; with Yewu come: helpdesk"):
        find_map("nosuch")


def test_a_column_that_the_file_does_not_have_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    text = MAP.replace('what = "closed"', 'state = "closed"')
    assert refused(tmp_path, TWO_TICKETS, text=text) == (
        "desk.toml, row 2, when.state: desk.csv has no column state; it has customer, ticket, what, when, who."
    )


def test_a_code_is_translated_or_taken_by_default_or_rejected(tmp_path: Path) -> None:
    rows = "1,2025-03-03T09:00:00Z,opened,Mei,Acme\n" + "".join(
        f"1,2025-03-03T1{n}:00:00Z,judged,{who},Acme\n" for n, who in enumerate(["high", "odd", ""])
    )
    translated = '{ code = "who", values = { high = "S1" } }'
    report, written = imported(tmp_path, HEADER + rows, text=MAP + SEVERITY % translated)
    assert [e.event.severity for e in written if isinstance(e.event, ComplaintAssessed)] == ["S1"]
    assert report.rejected == 2
    assert (tmp_path / "desk.csv.rejects.csv").read_text(encoding="utf-8-sig").splitlines() == [
        "line,case,index,reason",
        "4,1,2,The map does not know odd in column who.",
        "5,1,3,Column who is empty.",
    ]
    with_default = '{ code = "who", values = { high = "S1" }, default = "S3" }'
    _, written = imported(tmp_path, HEADER + rows, text=MAP + SEVERITY % with_default)
    assert [e.event.severity for e in written if isinstance(e.event, ComplaintAssessed)] == ["S1", "S3", "S3"]


@pytest.mark.parametrize(
    ("written", "spec", "cost"),
    [
        ("1054.5", '{ number = "who" }', "1054.5"),
        ('"1,054.50"', '{ number = "who", thousands = "," }', "1054.50"),
        ('"1.054,50"', '{ number = "who", thousands = ".", decimal = "," }', "1054.50"),
        ("", '{ number = "who" }', "0"),
        ("a lot", '{ number = "who", default = 7 }', "7"),
    ],
)
def test_a_number_is_read_as_the_map_says(written: str, spec: str, cost: str, tmp_path: Path) -> None:
    rows = f"1,2025-03-03T09:00:00Z,opened,Mei,Acme\n1,2025-03-03T10:00:00Z,solved,{written},Acme\n"
    _, events = imported(tmp_path, HEADER + rows, text=MAP + PROPOSED % spec)
    assert [e.event.cost for e in events if isinstance(e.event, ResolutionProposed)] == [Decimal(cost)]


@pytest.mark.parametrize("written", ["a lot", "NaN", "Infinity", '"1,5"'])
def test_what_is_no_number_is_rejected(written: str, tmp_path: Path) -> None:
    rows = f"1,2025-03-03T09:00:00Z,opened,Mei,Acme\n1,2025-03-03T10:00:00Z,solved,{written},Acme\n"
    report, _ = imported(tmp_path, HEADER + rows, text=MAP + PROPOSED % '{ number = "who" }')
    assert (report.recorded, report.rejected) == (1, 1)


def test_a_day_in_an_event_is_the_day_in_the_zone_of_the_source(tmp_path: Path) -> None:
    text = MAP.replace('"UTC"', '"Asia/Shanghai"') + DECIDED % '{ date = "done" }'
    rows = "1,2025-03-03T09:00:00Z,opened,Mei,Acme\n1,2025-03-03T18:00:00Z,decided,Mei,Acme\n"
    _, events = imported(tmp_path, HEADER + rows, text=text)
    assert [str(e.event.due) for e in events if isinstance(e.event, MeasuresDecided)] == ["2025-03-04"]


@pytest.mark.parametrize(
    ("zone", "form", "hour", "written", "instant"),
    [
        ("UTC", "ISO 8601", "00:00:00", "2025-03-03T09:00:00+08:00", datetime(2025, 3, 3, 1, tzinfo=UTC)),
        ("Asia/Shanghai", "ISO 8601", "00:00:00", "2025-03-03 09:00", datetime(2025, 3, 3, 1, tzinfo=UTC)),
        ("Asia/Shanghai", "ISO 8601", "00:00:00", "2025-03-03", datetime(2025, 3, 2, 16, tzinfo=UTC)),
        ("Asia/Shanghai", "ISO 8601", "17:30:00", "2025-03-03", datetime(2025, 3, 3, 9, 30, tzinfo=UTC)),
        ("Asia/Shanghai", "%d/%m/%Y", "17:30:00", "03/04/2025", datetime(2025, 4, 3, 9, 30, tzinfo=UTC)),
        ("Asia/Shanghai", "%d/%m/%Y %H:%M", "17:30:00", "03/04/2025 08:00", datetime(2025, 4, 3, tzinfo=UTC)),
        ("Asia/Shanghai", "%Y年%m月%d日", "00:00:00", "2025年03月03日", datetime(2025, 3, 2, 16, tzinfo=UTC)),
        ("Europe/Rome", "ISO 8601", "00:00:00", "2025-07-01T09:00:00", datetime(2025, 7, 1, 7, tzinfo=UTC)),
        ("UTC", "%Y-%m-%d %H:%M:%S %z", "00:00:00", "2025-03-03 09:00:00 -0500", datetime(2025, 3, 3, 14, tzinfo=UTC)),
    ],
)
def test_a_time_is_an_instant_in_the_zone_of_the_source(
    zone: str, form: str, hour: str, written: str, instant: datetime, tmp_path: Path
) -> None:
    text = MAP.replace('"UTC"', f'"{zone}"').replace(
        'column = "when"', f'column = "when"\nformat = "{form}"\nhour = {hour}'
    )
    _, events = imported(tmp_path, HEADER + f"1,{written},opened,Mei,Acme\n", text=text)
    assert [e.effective_at for e in events if isinstance(e.event, ComplaintReceived)] == [instant]
