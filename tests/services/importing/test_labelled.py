"""Files about people and customers themselves, and about posts: each is one, whichever file comes first."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from aggregates.actor import Role
from aggregates.business.customer import CustomerProfileChanged, CustomerRegistered
from aggregates.event import Event, LegacyRecordImported
from aggregates.organisation.department import RoleAssigned, UnitClosed, UnitEstablished
from aggregates.text import Code
from infra.library.mapping import Unrecorded
from services.importing.identities import known_id
from services.importing.importer import ImportReport
from tests.services.importing.given import HEADER, MAP, LogInMemory, imported, origin_of
from tests.services.importing.test_maps import wrong

REGISTER = MAP[MAP.index("[register.customer]") : MAP.index("[[row]]")]
SOURCE = """
[source]
name = "desk"
format = "csv"
zone = "UTC"

[case]
labelled = true
time = "import"
"""
ACCOUNTS = f"""{SOURCE}
stream = "customer"
column = "account"

{REGISTER}
[[row]]
always = true

[[row.becomes]]
event = "CustomerProfileChanged"
fields.segment = {{ code = "sector", values = {{ sofware = "software", retail = "retail" }} }}
"""
ACCOUNTS_FILE = "account,sector,since\nAcme,sofware,1990\nGamma,retail,1991\nDelta,,\n"
TICKETS_FILE = HEADER + "1,2025-03-03T09:00:00Z,opened,Mei,Acme\n2,2025-03-03T10:00:00Z,opened,Wu,Beta\n"
ACME = known_id("customer", "desk", "Acme")

POSTS = f"""{SOURCE}
stream = "employee"
column = "who"

{REGISTER}
[[row]]
always = true

[[row.becomes]]
event = "UnitEstablished"
on = "department"
fields.unit = {{ code = "office" }}
fields.name = {{ code = "office" }}
fields.parent = {{ code = "above" }}

[[row.becomes]]
event = "RoleAssigned"
on = "department"
fields.employee_id = {{ employee = "who" }}
fields.role = {{ code = "post" }}
fields.unit = {{ code = "office" }}
fields.valid_from = {{ date = "import" }}

[[row]]
when.lead = {{ filled = true }}

[[row.becomes]]
event = "RoleAssigned"
on = "department"
fields.employee_id = {{ employee = "lead" }}
fields.role = {{ constant = "CSL" }}
fields.unit = {{ code = "office" }}
fields.valid_from = {{ date = "import" }}
"""
POSTS_HEADER = "who,post,office,above,lead\n"
POSTS_FILE = POSTS_HEADER + "Mei,CS,North,house,Lin\nWu,CS,North,house,Lin\nKai,CS,South,house,\n"


def a_department(*more: Event) -> LogInMemory:
    log = LogInMemory()
    events = (UnitEstablished(unit=Code("house"), name=Code("House")), *more)
    log.record(
        Unrecorded(stream_id="department", version=n, event=event, actor_id="founder", command_id=uuid4())
        for n, event in enumerate(events, start=1)
    )
    return log


def rejects(folder: Path) -> list[str]:
    return (folder / "desk.csv.rejects.csv").read_text(encoding="utf-8-sig").splitlines()[1:]


def names(written: list[Unrecorded], stream_id: str) -> list[str]:
    return [type(one.event).__name__ for one in written if one.stream_id == stream_id]


def test_whoever_a_file_is_about_is_put_on_file_once_and_told_of(tmp_path: Path) -> None:
    report, written = imported(tmp_path, ACCOUNTS_FILE, text=ACCOUNTS)
    assert (report.read, report.cases, report.recorded) == (3, 3, 3)
    assert names(written, ACME) == ["CustomerRegistered", "CustomerProfileChanged", "LegacyRecordImported"]
    assert [one.event.segment for one in written if isinstance(one.event, CustomerProfileChanged)][:2] == [
        "software",
        "retail",
    ]
    assert [one.event.fields for one in written if isinstance(one.event, LegacyRecordImported)] == [
        {"sector": "sofware", "since": "1990"},
        {"since": "1991"},
    ]


@pytest.mark.parametrize("accounts_first", [True, False])
def test_it_does_not_matter_which_file_comes_first(accounts_first: bool, tmp_path: Path) -> None:
    log = LogInMemory()
    files = [(ACCOUNTS_FILE, ACCOUNTS), (TICKETS_FILE, MAP)]
    for content, text in files if accounts_first else reversed(files):
        report, _ = imported(tmp_path, content, text=text, log=log)
        assert (report.already, report.rejected) == (0, 0)
    for content, text in files:
        report, _ = imported(tmp_path, content, text=text, log=log)
        assert (report.recorded, report.already) == (0, report.read)
    assert names(log.written, ACME) == ["CustomerRegistered", "CustomerProfileChanged", "LegacyRecordImported"]
    on_file = sorted(str(one.event.name) for one in log.written if isinstance(one.event, CustomerRegistered))
    assert on_file == ["Acme", "Beta", "Delta", "Gamma"]


def test_each_row_is_one_first_part(tmp_path: Path) -> None:
    _, written = imported(tmp_path, ACCOUNTS_FILE, text=ACCOUNTS)
    assert sorted(origin_of(one)[0] for one in written if origin_of(one)[2] == 0) == ["Acme", "Delta", "Gamma"]


def test_a_list_with_one_more_tells_of_everybody_again_and_registers_the_new_one(tmp_path: Path) -> None:
    imported(tmp_path, ACCOUNTS_FILE, text=ACCOUNTS, log=(log := LogInMemory()))
    report, written = imported(tmp_path, ACCOUNTS_FILE + "Eta,retail,\n", text=ACCOUNTS, log=log)
    assert report.recorded == 4
    assert names(written, ACME).count("CustomerRegistered") == 1


def test_broken_off_between_the_writes_it_is_completed(tmp_path: Path) -> None:
    imported(tmp_path, ACCOUNTS_FILE, text=ACCOUNTS, log=(whole := LogInMemory()), batch=1)
    log = LogInMemory()

    def interrupted() -> None:
        if len(log.writes) == 1:
            raise KeyboardInterrupt

    log.before_write = interrupted
    with pytest.raises(KeyboardInterrupt):
        imported(tmp_path, ACCOUNTS_FILE, text=ACCOUNTS, log=log, batch=1)
    log.before_write = lambda: None
    report, written = imported(tmp_path, ACCOUNTS_FILE, text=ACCOUNTS, log=log, batch=1)
    assert (report.already, report.recorded) == (1, 2)
    assert [one.event for one in written] == [one.event for one in whole.written]


@pytest.mark.parametrize(
    ("was", "becomes", "sentence"),
    [
        ("[register.customer]", "[register.consumer]", "case, labelled: say under register.customer how one is put"),
        (
            "CustomerProfileChanged",
            "CustomerRegistered",
            "row 1, becomes 1, event: CustomerRegistered does not belong there; known there: Acc",
        ),
        (
            'event = "CustomerProfileChanged"',
            'on = "employee"\nevent = "CustomerProfileChanged"',
            "row 1, becomes 1, on: employee takes nothing from the rows of others.",
        ),
        (
            'event = "CustomerProfileChanged"',
            'on = "department"\nevent = "RoleEnded"',
            "row 1, becomes 1, event: RoleEnded does not belong there; known there: RoleAssigned, UnitEstablished.",
        ),
    ],
)
def test_a_wrong_map_is_refused_with_its_place(was: str, becomes: str, sentence: str, tmp_path: Path) -> None:
    assert was in ACCOUNTS
    assert wrong(ACCOUNTS.replace(was, becomes, 1), tmp_path).removeprefix("desk.toml, ").startswith(sentence)


# ---- posts


def posts(folder: Path, content: str, log: LogInMemory) -> tuple[ImportReport, list[tuple[str, ...]]]:
    report, written = imported(folder, content, text=POSTS, log=log)
    person = {one.stream_id: one.event.name for one in written if hasattr(one.event, "name")}
    return report, [
        (person[one.event.employee_id], one.event.role.value, one.event.unit)
        if isinstance(one.event, RoleAssigned)
        else (one.event.unit,)
        for one in written
        if isinstance(one.event, RoleAssigned | UnitEstablished) and one.envelope.origin
    ]


ALL = [
    ("North",),
    ("Mei", "CS", "North"),
    ("Lin", "CSL", "North"),
    ("Wu", "CS", "North"),
    ("South",),
    ("Kai", "CS", "South"),
]


def test_units_and_posts_are_said_to_the_department_each_once(tmp_path: Path) -> None:
    report, said = posts(tmp_path, POSTS_FILE, log := a_department())
    assert (report.recorded, report.rejected, said) == (3, 0, ALL)
    before = list(log.written)
    report, _ = posts(tmp_path, POSTS_FILE, log)
    assert (report.recorded, report.already, log.written) == (0, 3, before)


def test_what_another_file_says_again_is_no_news(tmp_path: Path) -> None:
    posts(tmp_path, POSTS_FILE, log := a_department())
    report, said = posts(tmp_path, POSTS_FILE + "Ida,CS,South,house,\n", log)
    assert (report.recorded, said) == (4, [*ALL, ("Ida", "CS", "South")])


def test_a_row_whose_post_lies_with_the_department_is_kept_whole(tmp_path: Path) -> None:
    _, written = imported(tmp_path, POSTS_FILE, text=POSTS, log=a_department())
    kept = [one.event.fields for one in written if isinstance(one.event, LegacyRecordImported)]
    assert kept[1] == {"who": "Wu", "post": "CS", "office": "North", "above": "house", "lead": "Lin"}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("Mei,MGR,North,house,", "The department has one manager: name a successor instead."),
        ("Mei,CLK,North,house,", "CLK is no office that anybody could be given."),
        ("Mei,CS,North,attic,", "There is no open unit attic."),
        ("Mei,CS,North,,", "The department is founded already: name a parent of North."),
        ("Mei,CS,Shut,house,", "There is no open unit Shut."),
        ("Mei,boss,North,house,", "boss makes no sense in column post."),
    ],
)
def test_what_does_not_fit_there_rejects_its_row_and_nothing_of_it_stays(row: str, reason: str, tmp_path: Path) -> None:
    shut = UnitEstablished(unit=Code("Shut"), name=Code("Shut"), parent=Code("house"))
    log = a_department(shut, UnitClosed(unit=Code("Shut")))
    report, said = posts(tmp_path, POSTS_HEADER + row + "\nKai,CS,South,house,\n", log)
    assert (report.recorded, report.rejected, said) == (1, 1, ALL[4:])
    assert rejects(tmp_path) == [f"2,Mei,0,{reason}"]


def test_a_row_that_needs_a_unit_of_a_later_row_is_rejected_in_both_readings(tmp_path: Path) -> None:
    rows = POSTS_HEADER + "Mei,CS,East,South,\nKai,CS,South,house,\n"
    report, said = posts(tmp_path, rows, a_department())
    assert (report.recorded, report.rejected, said) == (1, 1, ALL[4:])
    assert rejects(tmp_path) == ["2,Mei,0,There is no open unit South."]


def test_a_department_that_changed_meanwhile_is_asked_again(tmp_path: Path) -> None:
    log = a_department()

    def somebody_is_faster() -> None:
        log.before_write = lambda: None
        north = UnitEstablished(unit=Code("North"), name=Code("The north"), parent=Code("house"))
        log.record([Unrecorded(stream_id="department", version=2, event=north, actor_id="x", command_id=uuid4())])

    log.before_write = somebody_is_faster
    report, said = posts(tmp_path, POSTS_FILE, log)
    assert (report.recorded, said) == (3, ALL[1:])


def test_nobody_gets_a_post_where_there_is_no_department(tmp_path: Path) -> None:
    report, _ = posts(tmp_path, POSTS_FILE, LogInMemory())
    assert report.rejected == 3


def test_posts_hold_from_the_import_on(tmp_path: Path) -> None:
    _, written = imported(tmp_path, POSTS_FILE, text=POSTS, log=a_department())
    given = [one for one in written if isinstance(one.event, RoleAssigned)]
    assert {one.event.valid_from == one.effective_at for one in given if isinstance(one.event, RoleAssigned)} == {True}
    assert {one.event.role for one in given if isinstance(one.event, RoleAssigned)} == {
        Role.CUSTOMER_SERVICE,
        Role.CUSTOMER_SERVICE_LEAD,
    }
