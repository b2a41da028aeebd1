"""A row type says by itself what table it lies in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum

import pytest

from aggregates.ids import CustomerId, EmployeeId
from aggregates.text import Code
from aggregates.value import Value
from infra.read_model.engine import ReadModel
from infra.read_model.tables import Misplaced, Table, table_name
from projections.row import PartialIndex, Row, View, its_stream
from tests.infra.read_model.books import CODEC
from tests.infra.read_model.repairs import AccountRow, Pressure, RepairRow


class Gadget(Value):
    weight: float


class WorkshopRow(Row):
    workshop_id: Code
    led_by: EmployeeId | CustomerId | None
    pressure: Pressure
    staff: int
    open: bool
    since: datetime
    until: date | None
    rent: Decimal
    noise: float
    gadgets: tuple[Gadget, ...]
    prices: Mapping[Code, Decimal]
    favourite: Gadget | None


def test_each_field_gets_the_column_that_its_type_asks_for() -> None:
    table = Table(WorkshopRow)
    columns = dict(zip(table.fields, zip(table.types, table.required, strict=True), strict=True))
    assert columns == {
        "workshop_id": ("text", True),
        "led_by": ("text", False),
        "pressure": ("text", True),
        "staff": ("int8", True),
        "open": ("bool", True),
        "since": ("timestamptz", True),
        "until": ("date", False),
        "rent": ("numeric", True),
        "noise": ("float8", True),
        "gadgets": ("jsonb", True),
        "prices": ("jsonb", True),
        "favourite": ("jsonb", False),
    }


def test_text_is_compared_letter_by_letter_whatever_the_server_speaks() -> None:
    assert '"workshop_id" text COLLATE "C" NOT NULL' in Table(WorkshopRow).create("rm_x")


def test_the_indexes_a_row_type_asks_for_are_made() -> None:
    assert 'CREATE INDEX ON rm_x.repair_row ("customer_id", "booked_at")' in Table(RepairRow).index("rm_x")


def test_an_index_of_some_rows_says_of_which() -> None:
    class ParcelRow(Row):
        indexes = (PartialIndex(("sent_at",), "state = 'sent'"),)

        parcel_id: str
        sent_at: datetime
        state: str

    assert Table(ParcelRow).index("rm_x").endswith("""("sent_at") WHERE state = 'sent'""")


def test_a_table_is_called_as_its_rows_are() -> None:
    assert table_name(WorkshopRow) == "workshop_row"


class Mood(Enum):
    GOOD = 1


class MoodyRow(Row):
    name: Code
    mood: Mood


class UndecidedRow(Row):
    name: Code
    size: int | Code


class NumberedRow(Row):
    number: int


class NamelessRow(Row):
    name: Code | None


class Place(Row):
    name: Code


@pytest.mark.parametrize("row", [MoodyRow, UndecidedRow, NumberedRow, NamelessRow, Place])
def test_a_row_type_that_no_table_can_hold_is_refused_at_once(row: type[Row]) -> None:
    with pytest.raises(TypeError):
        Table(row)


def test_a_row_under_a_key_that_is_not_its_own_is_not_kept() -> None:
    anna = AccountRow(customer_id=CustomerId("customer-anna"))
    table = Table(AccountRow)
    assert list(table.lines({"customer-anna": anna, "customer-carl": None})) == [["customer-anna", 1, Decimal(0)]]
    with pytest.raises(Misplaced, match="customer-anna"):
        list(table.lines({"customer-carl": anna}))


def test_two_row_types_never_share_a_table() -> None:
    def view(row: type[Row]) -> View[Row]:
        return View(row, key=its_stream(EmployeeId))

    namesake = type("AccountRow", (AccountRow,), {})
    with pytest.raises(TypeError, match="account_row"):
        ReadModel([view(AccountRow), view(namesake)], CODEC, "twins")


def test_a_schema_must_have_room_in_its_name() -> None:
    with pytest.raises(ValueError, match="too long"):
        ReadModel([], CODEC, "f" * 57)
