"""A repair desk that only these tests know: its events, views of every kind, and histories as such a desk has them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter
from typing import Any, NamedTuple

from msgspec.structs import replace

from aggregates.actor import ActorKind, Role
from aggregates.event import Envelope, Event, EventSkipped, LegacyRecordImported, Recorded
from aggregates.facts import Quantity, Unit
from aggregates.ids import ComplaintId, CustomerId, EmployeeId
from aggregates.organisation.department import RoleAssigned, RoleEnded
from aggregates.organisation.parameter import PolicyParameterChanged, PolicyParameterDefined
from aggregates.text import Code, Text
from aggregates.value import Value
from projections.reference import Reference
from projections.row import Key, KeyOf, Row, View, its_stream, the
from tests.infra.examples import unlisted

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)


class Pressure(StrEnum):
    CALM = "calm"
    HURRY = "hurry"


class Part(Value):
    name: Code
    price: Decimal


@unlisted
class RepairBooked(Event):
    customer_id: CustomerId
    pressure: Pressure
    wishes: tuple[Code, ...]
    limit: Decimal
    wanted_on: date | None = None


@unlisted
class RepairTaken(Event):
    handler_id: EmployeeId


@unlisted
class RepairPutBack(Event):
    handler_id: EmployeeId


@unlisted
class RepairPriced(Event):
    customer_id: CustomerId
    parts: tuple[Part, ...]
    hours: float


@unlisted
class RepairDone(Event):
    handler_id: EmployeeId
    tested: bool


@unlisted
class RepairCalledOff(Event):
    customer_id: CustomerId


@unlisted
class BellRung(Event):
    """Nobody keeps account of it."""


EVENTS: tuple[type[Event], ...] = (
    RepairBooked,
    RepairTaken,
    RepairPutBack,
    RepairPriced,
    RepairDone,
    RepairCalledOff,
    BellRung,
    LegacyRecordImported,
    PolicyParameterDefined,
    PolicyParameterChanged,
    RoleAssigned,
    RoleEnded,
    EventSkipped,
)


class RepairRow(Row):
    indexes = (("customer_id", "booked_at"), ("user",))

    repair_id: ComplaintId
    customer_id: CustomerId | None = None
    booked_at: datetime | None = None
    pressure: Pressure | None = None
    wishes: tuple[Code, ...] = ()
    limit: Decimal = Decimal(0)
    wanted_on: date | None = None
    user: EmployeeId | None = None
    parts: tuple[Part, ...] = ()
    prices: Mapping[Code, Decimal] = {}
    dearest: Part | None = None
    hours: float = 0.0
    tested: bool = False
    imported: int = 0


def booked(row: RepairRow | None, record: Recorded[RepairBooked]) -> RepairRow:
    event = record.event
    return replace(
        row or RepairRow(repair_id=ComplaintId(record.stream_id)),
        customer_id=event.customer_id,
        booked_at=record.effective_at,
        pressure=event.pressure,
        wishes=event.wishes,
        limit=event.limit,
        wanted_on=event.wanted_on,
    )


def taken(row: RepairRow, record: Recorded[RepairTaken]) -> RepairRow:
    return replace(row, user=record.event.handler_id)


def priced(row: RepairRow, record: Recorded[RepairPriced]) -> RepairRow:
    parts = record.event.parts
    return replace(
        row,
        parts=parts,
        prices={part.name: part.price for part in parts},
        dearest=max(parts, key=lambda part: part.price, default=None),
        hours=row.hours + record.event.hours,
    )


def done(row: RepairRow, record: Recorded[RepairDone]) -> RepairRow:
    return replace(row, tested=record.event.tested)


def called_off(row: RepairRow, record: Recorded[RepairCalledOff]) -> None:
    """Nothing is kept of it."""


def found_in_the_old_book(row: RepairRow | None, record: Recorded[LegacyRecordImported]) -> RepairRow:
    row = row or RepairRow(repair_id=ComplaintId(record.stream_id))
    return replace(row, imported=row.imported + 1)


class HelperRow(Row):
    key = ("repair_id", "person_id")

    repair_id: ComplaintId
    person_id: str
    deeds: int = 0


def helped(
    row: HelperRow | None, record: Recorded[RepairTaken | RepairPutBack | RepairDone | LegacyRecordImported]
) -> HelperRow:
    row = row or HelperRow(repair_id=ComplaintId(record.stream_id), person_id=record.person)
    return replace(row, deeds=row.deeds + 1)


class AccountRow(Row):
    customer_id: CustomerId
    repairs: int = 1
    owed: Decimal = Decimal(0)


def account_opened(row: AccountRow | None, record: Recorded[RepairBooked]) -> AccountRow:
    if row is None:
        return AccountRow(customer_id=record.event.customer_id)
    return replace(row, repairs=row.repairs + 1)


def charged(row: AccountRow, record: Recorded[RepairPriced]) -> AccountRow:
    return replace(row, owed=row.owed + sum((part.price for part in record.event.parts), Decimal(0)))


class BenchRow(Row):
    """Whoever has something on the bench."""

    handler_id: EmployeeId
    on_it: int = 1


def put_on_the_bench(row: BenchRow | None, record: Recorded[RepairTaken]) -> BenchRow:
    return BenchRow(handler_id=record.event.handler_id) if row is None else replace(row, on_it=row.on_it + 1)


def left_the_bench(row: BenchRow | None, record: Recorded[RepairPutBack | RepairDone]) -> BenchRow | None:
    return None if row is None or row.on_it == 1 else replace(row, on_it=row.on_it - 1)


class PromiseRow(Row):
    """What was promised, by the parameter and the offices as they stood then."""

    repair_id: ComplaintId
    days: Decimal
    by_the_lead: bool = False
    reference_position: int = 0


def promised(record: Recorded[RepairBooked], reference: Reference) -> PromiseRow:
    return PromiseRow(repair_id=ComplaintId(record.stream_id), days=_days(reference, record.effective_at))


def renewed(row: PromiseRow | None, record: Recorded[RepairTaken], reference: Reference) -> PromiseRow:
    row = row or PromiseRow(repair_id=ComplaintId(record.stream_id), days=Decimal(-1))
    roles = reference.post(record.event.handler_id, record.recorded_at).roles
    return replace(row, by_the_lead=Role.CUSTOMER_SERVICE_LEAD in roles, reference_position=reference.position)


def _days(reference: Reference, at: datetime) -> Decimal:
    return reference.setting("P-05", at)["days"].amount if "P-05" in reference.versions else Decimal(0)


class DutyRow(Row):
    """Several views make these, each those of its own rule."""

    key = ("rule", "case_id")

    rule: Code
    case_id: str
    at: datetime
    kept: bool = False


def duty(rule: Code, kind: Any, begin: type[Event], end: type[Event], case: str | None = None) -> View[DutyRow]:
    """Whoever begins must end; the case is the stream, or the id in a field."""

    def of_event(event: type[Event]) -> KeyOf:
        if case is None:
            return lambda record: (rule, record.stream_id)
        return lambda record: (rule, getattr(record.event, case))

    def begun(record: Recorded[Any]) -> DutyRow:
        case_id = record.stream_id if case is None else getattr(record.event, case)
        return DutyRow(rule=rule, case_id=case_id, at=record.effective_at)

    def ended(row: DutyRow | None, record: Recorded[Any]) -> DutyRow:
        return replace(row or begun(record), kept=True)

    begun.__annotations__["record"] = Recorded[begin]  # type: ignore[valid-type]  # begin is a value here
    ended.__annotations__ |= {"row": DutyRow | None, "record": Recorded[end]}  # type: ignore[valid-type]  # so is end
    return View(DutyRow, begun, ended, key=Key(kind=kind, of_event=of_event))


repairs = View(RepairRow, booked, taken, priced, done, called_off, found_in_the_old_book, key=its_stream(ComplaintId))
its_stream_and_person = Key(kind="complaint", of_event=lambda _: attrgetter("stream_id", "person"))
helpers = View(HelperRow, helped, key=its_stream_and_person)
accounts = View(AccountRow, account_opened, charged, key=the("customer_id"))
benches = View(BenchRow, put_on_the_bench, left_the_bench, key=the("handler_id"))
promises = View(PromiseRow, promised, renewed, key=its_stream(ComplaintId))
taken_when_booked = duty(Code("take"), "complaint", RepairBooked, RepairTaken)
priced_for_customer = duty(Code("price"), None, RepairBooked, RepairPriced, case="customer_id")

VIEWS: tuple[View[Any], ...] = (
    repairs,
    helpers,
    accounts,
    benches,
    promises,
    taken_when_booked,
    priced_for_customer,
)


NOTHING_MORE = Envelope()


class Happening(NamedTuple):
    """Something that the log shall hold."""

    stream_id: str
    event: Event
    recorded_at: datetime
    effective_at: datetime
    actor_id: str
    envelope: Envelope = NOTHING_MORE


class Desk:
    """Lets things happen as they do: mostly on repairs that exist; some told late, corrected, or from an old book."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311  # it chooses what happens, and hides nothing
        self.now = MONDAY
        self.happened: list[Happening] = []
        self.open: dict[str, EmployeeId | None] = {}
        self.customer_of: dict[str, CustomerId] = {}
        self.last: dict[str, datetime] = {}
        self.parameter_defined = False

    def happen(self, count: int) -> list[Happening]:
        """The next things that happen; the desk remembers all of them."""
        begin = len(self.happened)
        for _ in range(count):
            self.now += timedelta(hours=self.dice.choice([0, 0, 1, 30]), microseconds=self.dice.randint(0, 1))
            self.dice.choices([self._book, self._go_on, self._govern, self._import, self._ring], [4, 12, 2, 2, 1])[0]()
        return self.happened[begin:]

    def _book(self) -> None:
        repair = f"complaint-{len(self.customer_of) + 1}"
        customer = CustomerId(f"customer-{self.dice.randint(1, 4)}")
        self.open[repair], self.customer_of[repair] = None, customer
        wishes = tuple(Code(wish) for wish in self.dice.sample(["quick", "客户\t反映", "a\\b", "'\"", ""], 2))
        pressure = self.dice.choice(list(Pressure))
        wanted = self.dice.choice([None, date(2026, 4, 1), date.min])
        self._tell(
            repair,
            RepairBooked(
                customer_id=customer, pressure=pressure, wishes=wishes, limit=self._amount(), wanted_on=wanted
            ),
        )

    def _go_on(self) -> None:
        if not self.open:
            return self._book()
        repair = self.dice.choice(list(self.open))
        handler, customer = self.open[repair], self.customer_of[repair]
        act = self.dice.choice(["price", "hand over", "hand over", "finish", "call off"])
        if act == "price":
            parts = tuple(Part(name=Code(f"part {n}"), price=self._amount()) for n in range(self.dice.randint(0, 3)))
            event = RepairPriced(customer_id=customer, parts=parts, hours=self.dice.random())
            return self._tell(repair, event, corrects=self.dice.random() < 0.4)
        if handler is None:
            self.open[repair] = EmployeeId(self.dice.choice(["employee-anna", "employee-bo"]))
            return self._tell(repair, RepairTaken(handler_id=self.open[repair]))  # type: ignore[arg-type]  # just set
        if act == "hand over":
            self.open[repair] = None
            return self._tell(repair, RepairPutBack(handler_id=handler))
        if act == "finish":
            return self._tell(repair, RepairDone(handler_id=handler, tested=self.dice.random() < 0.5))
        del self.open[repair]
        return self._tell(repair, RepairCalledOff(customer_id=customer))

    def _govern(self) -> None:
        who, since = EmployeeId(self.dice.choice(["employee-anna", "employee-bo"])), self.now - timedelta(days=1)
        lead, unit = Role.CUSTOMER_SERVICE_LEAD, Code("CS")
        if self.dice.random() < 0.5:
            event: Event = RoleAssigned(employee_id=who, role=lead, unit=unit, valid_from=since)
            return self._tell("department", event if self.dice.random() < 0.6 else RoleEnded(
                employee_id=who, role=lead, unit=unit, ended_at=self.now))  # fmt: skip
        values = {Code("days"): Quantity(amount=Decimal(self.dice.randint(1, 9)), unit=Unit.WORKING_DAY)}
        if self.parameter_defined:
            return self._tell(
                "parameter-P-05", PolicyParameterChanged(number=Code("P-05"), values=values, valid_from=since)
            )
        self.parameter_defined = True
        event = PolicyParameterDefined(number=Code("P-05"), meaning=Code("days"), values=values, valid_from=since)
        return self._tell("parameter-P-05", event)

    def _import(self) -> None:
        stream = self.dice.choice([*self.open, "customer-1", "employee-anna", "complaint-old"])
        envelope = Envelope(kind=ActorKind.IMPORTER, on_behalf_of=self.dice.choice(["old-hand", None]))
        event = LegacyRecordImported(label=Text("seen"), fields={"什么": Text("漏水")})
        self._tell(stream, event, envelope=envelope)

    def _ring(self) -> None:
        self._tell(self.dice.choice(["customer-1", *self.open]), BellRung())

    def _tell(self, stream_id: str, event: Event, *, corrects: bool = False, envelope: Envelope = NOTHING_MORE) -> None:
        """Some tell at once, some later; only a correction may go back behind what is known of its stream."""
        at = self.now - timedelta(days=self.dice.choice([0, 0, 0, 1, 20]))
        if not corrects:
            at = min(max(at, self.last.get(stream_id, at)), self.now)
            self.last[stream_id] = at
        actor = self.dice.choice(["employee-anna", "employee-bo", "employee-chen"])
        self.happened.append(Happening(stream_id, event, self.now, at, actor, envelope))

    def _amount(self) -> Decimal:
        return Decimal(self.dice.randint(0, 10**8)) / 100
