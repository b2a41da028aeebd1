"""What rows become: by which rule, in which order, and what is kept of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aggregates.event import LegacyRecordImported
from infra.library.mapping import Unrecorded
from tests.services.importing.given import HEADER, MAP, imported, origin_of

NINE, TEN, ELEVEN = (f"2025-03-03T{hour:02}:00:00Z" for hour in (9, 10, 11))
COLUMNS = "ticket,when,what,who,customer,product,level\n"


def history(written: list[Unrecorded], ticket: str = "1") -> list[tuple[str, int, int]]:
    """What lies on the stream of a ticket: event, index and part."""
    return [
        (type(one.event).__name__, *origin_of(one)[1:])
        for one in written
        if origin_of(one)[0] == ticket and one.stream_id.startswith("complaint-")
    ]


def kept(written: list[Unrecorded]) -> list[tuple[str, dict[str, str]]]:
    return [(one.event.label, dict(one.event.fields)) for one in written if isinstance(one.event, LegacyRecordImported)]


def rejects(folder: Path) -> list[str]:
    return (folder / "desk.csv.rejects.csv").read_text(encoding="utf-8-sig").splitlines()[1:]


def with_row(rule: str, event: str = 'event = "ComplaintWithdrawn"\nfields.reason = { constant = "x" }') -> str:
    return f"{MAP}\n[[row]]\n{rule}\n\n[[row.becomes]]\n{event}\n"


@pytest.mark.parametrize(
    ("rule", "taken"),
    [
        ('when = { what = ["b", "c"] }', [1, 2]),
        ('when = { what = { not = "b" } }', [0, 2]),
        ('when = { what = { not = ["a", "b"] } }', [2]),
        ("when = { customer = { filled = false } }", [1]),
        ("when = { customer = { filled = true } }", [0, 2]),
        ('when = { what = "c", customer = "Acme" }', [2]),
        ('when = { what = "b", customer = "Acme" }', []),
        ("last = true", [2]),
        ('last = true\nwhen = { what = "b" }', []),
        ("first = true", [0]),
        ("always = true", [0, 1, 2]),
    ],
)
def test_a_rule_takes_the_rows_it_names(rule: str, taken: list[int], tmp_path: Path) -> None:
    rows = f"1,{NINE},a,Mei,Acme\n1,{TEN},b,Mei,\n1,{ELEVEN},c,Mei,Acme\n"
    _, written = imported(tmp_path, HEADER + rows, text=with_row(rule))
    assert [index for name, index, _ in history(written) if name == "ComplaintWithdrawn"] == taken


def test_the_rows_of_a_case_go_by_time_and_where_that_is_equal_by_their_place_in_the_file(tmp_path: Path) -> None:
    rows = f"1,{TEN},a,Mei,Acme\n2,{NINE},a,Mei,Acme\n1,{TEN},closed,Mei,Acme\n1,{NINE},b,Mei,Acme\n"
    _, written = imported(tmp_path, HEADER + rows)
    assert [(name, index) for name, index, part in history(written) if part == 0] == [
        ("ComplaintReceived", 2),
        ("LegacyRecordImported", 0),
        ("ComplaintClosed", 1),
    ]


def test_rows_of_one_case_far_apart_are_one_history(tmp_path: Path) -> None:
    between = "".join(f"x{n},{NINE},a,Mei,Acme\n" for n in range(3000))
    rows = f"1,{NINE},a,Mei,Acme\n{between}1,{TEN},closed,Mei,Acme\n"
    report, written = imported(tmp_path, HEADER + rows)
    assert (report.cases, report.recorded) == (3001, 3002)
    assert [name for name, _, part in history(written) if part == 0] == ["ComplaintReceived", "ComplaintClosed"]


def test_what_no_rule_takes_is_kept_whole(tmp_path: Path) -> None:
    rows = f"1,{NINE},opened,Mei,Acme\n1,{TEN},waited,Wu,\n"
    _, written = imported(tmp_path, HEADER + rows)
    assert kept(written)[-1] == (
        "waited",
        {"ticket": "1", "when": TEN, "what": "waited", "who": "Wu", "customer": ""},
    )


ROWS = (
    f"1,{NINE},opened,Mei,Acme,lift,1\n"
    f"1,{TEN},closed,Mei,Acme,lift,1\n"
    f"1,{ELEVEN},closed,Mei,Acme,lift,2\n"
    f"1,{ELEVEN},closed,Wu,Acme,,2\n"
)


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        (
            "unused",
            [
                ("opened", {"product": "lift", "level": "1"}),
                ("closed", {"customer": "Acme", "product": "lift", "level": "1"}),
                ("closed", {"customer": "Acme", "product": "lift", "level": "2"}),
                ("closed", {"customer": "Acme", "level": "2"}),
            ],
        ),
        (
            "changed",
            [("opened", {"product": "lift", "level": "1"}), ("closed", {"level": "2"}), ("closed", {"product": ""})],
        ),
    ],
)
def test_what_the_events_of_a_row_do_not_say_is_kept_beside_them(keep: str, expected: Any, tmp_path: Path) -> None:
    text = MAP.replace('label = "what"', f'label = "what"\nkeep = "{keep}"')
    _, written = imported(tmp_path, COLUMNS + ROWS, text=text)
    assert kept(written) == expected


def test_all_of_every_row_may_be_kept(tmp_path: Path) -> None:
    text = MAP.replace('label = "what"', 'label = "what"\nkeep = "all"')
    _, written = imported(tmp_path, COLUMNS + ROWS, text=text)
    names = COLUMNS.strip().split(",")
    assert [fields for _, fields in kept(written)] == [
        dict(zip(names, row.split(","), strict=True)) for row in ROWS.splitlines()
    ]


@pytest.mark.parametrize("keep", ["unused", "changed"])
def test_nothing_that_a_row_says_is_lost(keep: str, tmp_path: Path) -> None:
    """Every text of the file is found again in some event or its envelope, or in who is on file."""
    text = MAP.replace('label = "what"', f'label = "what"\nkeep = "{keep}"')
    _, written = imported(tmp_path, COLUMNS + ROWS, text=text)
    everything = "".join(repr(one) for one in written)
    assert all(word in everything for word in ("opened", "Mei", "Wu", "Acme", "lift", "'1'", "'2'"))


def test_without_a_label_column_the_source_names_what_is_kept(tmp_path: Path) -> None:
    text = MAP.replace('label = "what"\n', "").replace('when = { what = "closed" }', 'when = { customer = "none" }')
    _, written = imported(tmp_path, HEADER + f"1,{NINE},opened,Mei,Acme\n", text=text)
    assert kept(written) == [("desk", {"what": "opened"})]


def test_somebody_is_on_file_since_they_are_mentioned_first_in_any_case(tmp_path: Path) -> None:
    rows = f"1,{TEN},opened,Mei,Acme\n2,{NINE},opened,Wu,Acme\n2,{ELEVEN},closed,Mei,Acme\n"
    _, written = imported(tmp_path, HEADER + rows)
    on_file = {one.event.name: (one.effective_at, origin_of(one)) for one in written if hasattr(one.event, "name")}
    assert {name: (at and at.hour, origin) for name, (at, origin) in on_file.items()} == {
        "Acme": (9, ("2", 0, 1000)),
        "Wu": (9, ("2", 0, 1001)),
        "Mei": (10, ("1", 0, 1001)),
    }


def test_nobody_acts_where_the_source_names_nobody(tmp_path: Path) -> None:
    _, written = imported(tmp_path, HEADER + f"1,{NINE},opened,,Acme\n")
    assert [one.envelope.on_behalf_of for one in written] == [None] * len(written)


def test_spaces_around_a_value_are_no_part_of_it(tmp_path: Path) -> None:
    rows = f"1,{NINE},opened,Mei,Acme\n 1 , {TEN} , closed , Mei , Acme \n"
    report, written = imported(tmp_path, HEADER + rows)
    assert (report.cases, len({one.stream_id for one in written})) == (1, 3)
    assert history(written)[-2][0] == "ComplaintClosed"


# ---- rejected


def test_a_row_that_cannot_be_read_is_missing_and_the_rest_goes_in(tmp_path: Path) -> None:
    rows = (
        f"1,{NINE},opened,Mei,Acme\n"
        f",{NINE},opened,Mei,Acme\n"
        "1,yesterday,closed,Mei,Acme\n"
        "1,2999-01-01T00:00:00Z,closed,Mei,Acme\n"
        "1,,closed,Mei,Acme\n"
        f"1,{TEN},closed,Mei,Acme,more\n"
        f"1,{ELEVEN},closed,Mei,Acme\n"
    )
    report, written = imported(tmp_path, HEADER + rows)
    assert (report.read, report.recorded, report.rejected, report.cases) == (7, 2, 5, 1)
    assert [one[:2] for one in history(written) if one[2] == 0] == [("ComplaintReceived", 0), ("ComplaintClosed", 5)]
    assert rejects(tmp_path) == [
        "3,,0,It names no case.",
        "4,1,1,yesterday in column when is no date of the form ISO 8601.",
        "5,1,2,2999-01-01T00:00:00+00:00 lies in the future.",
        "6,1,3,Column when is empty.",
        "7,1,4,It has 6 values for 5 columns.",
    ]


def test_if_the_first_row_is_rejected_the_next_one_begins_the_case(tmp_path: Path) -> None:
    rows = f"1,{NINE},opened,Mei,\n1,{TEN},called,Wu,Acme\n1,{ELEVEN},closed,Wu,Acme\n"
    report, written = imported(tmp_path, HEADER + rows)
    assert rejects(tmp_path) == ["2,1,0,Column customer is empty."]
    assert [one[:2] for one in history(written) if one[2] == 0] == [("ComplaintReceived", 1), ("ComplaintClosed", 2)]
    assert "Mei" not in repr(written)
    assert report.recorded == 2


def test_a_case_of_which_nothing_is_left_is_no_case(tmp_path: Path) -> None:
    report, written = imported(tmp_path, HEADER + f"1,{NINE},opened,Mei,\n1,{TEN},closed,Mei,\n")
    assert (report.cases, report.rejected, written) == (0, 2, [])


BOOK = (
    MAP.replace("first = true", "always = true")
    .replace(
        'when = { what = "closed" }\n\n[[row.becomes]]\nevent = "ComplaintClosed"',
        'when = { level = { filled = true } }\n\n[[row.becomes]]\nevent = "ComplaintClosed"\nat = "ended"',
    )
    .replace("[register.customer]", '[times.ended]\ncolumn = "level"\n\n[register.customer]')
)


def test_a_row_that_ends_before_it_begins_is_rejected(tmp_path: Path) -> None:
    rows = f"1,{TEN},a,Mei,Acme,,{NINE}\n2,{NINE},a,Mei,Acme,,{TEN}\n3,{NINE},a,Mei,Acme,,\n"
    report, written = imported(tmp_path, COLUMNS + rows, text=BOOK)
    assert rejects(tmp_path) == [
        '2,1,0,"Its ComplaintClosed lies before the beginning of its case, which is in line 2."'
    ]
    assert [name for name, *_ in history(written, "2")] == [
        "ComplaintReceived",
        "LegacyRecordImported",
        "ComplaintClosed",
    ]
    assert report.recorded == 2


def test_a_second_row_that_would_begin_the_same_case_is_rejected(tmp_path: Path) -> None:
    rows = f"1,{NINE},a,Mei,Acme,,\n2,{NINE},a,Mei,Acme,,\n1,{TEN},a,Mei,Beta,,\n"
    report, _ = imported(tmp_path, COLUMNS + rows, text=BOOK)
    assert rejects(tmp_path) == ['4,1,1,"Its case has begun already, in line 2."']
    assert report.recorded == 2


def test_a_case_that_never_begins_is_rejected(tmp_path: Path) -> None:
    text = MAP.replace("first = true", 'when = { what = "opened" }')
    report, written = imported(tmp_path, HEADER + f"1,{NINE},closed,Mei,Acme\n1,{TEN},waited,Mei,Acme\n", text=text)
    assert rejects(tmp_path) == ["2,1,0,Its case 1 never begins.", "3,1,1,Its case 1 never begins."]
    assert (report.rejected, written) == (2, [])


def test_an_end_in_the_future_is_rejected_too(tmp_path: Path) -> None:
    imported(tmp_path, COLUMNS + f"1,{NINE},a,Mei,Acme,,2999-01-01\n", text=BOOK)
    assert rejects(tmp_path) == ["2,1,0,2999-01-01T00:00:00+00:00 lies in the future."]
