"""Who plays in a made-up department, what there is only one of, and what an act is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from msgspec.structs import replace

from aggregates.actor import Actor, ActorKind, Role
from aggregates.event import Aggregate
from aggregates.facts import Post, Setting, Unit
from aggregates.ids import THE_DEPARTMENT, EmployeeId
from aggregates.organisation.department import Department
from aggregates.organisation.parameter import Parameter
from aggregates.text import Code
from services.founding_defaults import DEFAULT_PARAMETERS

SELLING, SERVICE, ANALYSIS = Code("business-development"), Code("customer-service"), Code("data-analysis")
UNITS = (SELLING, Code("project-management"), ANALYSIS)
FAR_AWAY = datetime(2100, 1, 1, tzinfo=UTC)
HUNDRED_YEARS = {Unit.DAY: Decimal(36_500), Unit.MONTH: Decimal(1_200)}
SETTINGS = {p.number: Setting(number=p.number, values=p.values) for p in DEFAULT_PARAMETERS}


def without_limit(number: str) -> Setting:
    """A parameter whose terms never end here: how much time goes by from one act to the next depends on how many events
    are wanted."""
    known = SETTINGS[Code(number)]
    values = {name: replace(value, amount=HUNDRED_YEARS[value.unit]) for name, value in known.values.items()}
    return Setting(number=known.number, values=values)


class Stream:
    """One thing as it stands while its story is told."""

    def __init__(self, stream_id: str, state: Aggregate) -> None:
        self.id, self.state, self.version = stream_id, state, 0


class Act(NamedTuple):
    """One command that somebody gives, with the facts it asks for; `late`: so long ago it was true."""

    stream: Stream
    command: str
    by: Actor
    arguments: dict[str, Any]
    late: timedelta | None = None


Story: TypeAlias = Iterator[Act]


class Cast:
    """Who works in the department, who its customers are, and what there is only one of. `now`: when the next act is
    recorded."""

    def __init__(self, dice: Random, now: datetime) -> None:
        self.dice, self.now = dice, now
        self.department = Stream(THE_DEPARTMENT, Department())
        self.parameters = [Stream(f"parameter-{p.number}", Parameter()) for p in DEFAULT_PARAMETERS]
        self.manager = self._person(Role.MANAGER, Code("department"))
        self.lead = self._person(Role.CUSTOMER_SERVICE_LEAD, SERVICE)
        self.analyst = self._person(Role.DATA_LEAD, ANALYSIS)
        self.clerks = [self._person(Role.CUSTOMER_SERVICE, SERVICE) for _ in range(8)]
        self.members = [self._person(Role.MEMBER, dice.choice(UNITS)) for _ in range(12)]
        self.sales_lead = self._person(Role.BUSINESS_DEVELOPMENT_LEAD, SELLING)
        self.sellers = [self._person(Role.BUSINESS_DEVELOPMENT, SELLING) for _ in range(8)]
        self.counsels = [self._person(Role.LEGAL, ANALYSIS) for _ in range(2)]
        self.assessor = self._person(Role.RISK, ANALYSIS)
        self.accountant = self._person(Role.FINANCE, ANALYSIS)
        self.archivist = self._person(Role.RECORDS, ANALYSIS)
        self.project_lead = self._person(Role.PROJECT_LEAD, UNITS[1])
        self.clock = Actor(id="policy-made-up", kind=ActorKind.POLICY, roles=frozenset({Role.CLOCK}))
        self.customers: list[Stream] = []
        self.credits: dict[str, Stream] = {}
        self.filed: Counter[Code] = Counter()
        self.waivers = 0

    @property
    def staff(self) -> list[Actor]:
        """Everybody but the manager, who was there first."""
        return [
            self.lead, self.analyst, *self.clerks, *self.members, self.sales_lead, *self.sellers, *self.counsels,
            self.assessor, self.accountant, self.archivist, self.project_lead,
        ]  # fmt: skip

    @property
    def today(self) -> date:
        """By the clock of the log."""
        return self.now.date()

    def new_id(self, kind: str) -> str:
        """The id of a stream that does not exist."""
        return f"{kind}-{UUID(int=self.dice.getrandbits(128), version=4)}"

    def some_customer(self) -> Stream:
        """One of those who came last."""
        return self.dice.choice(self.customers[-2000:])

    def _person(self, role: Role, unit: Code) -> Actor:
        return Actor(id=self.new_id("employee"), roles=frozenset({role, Role.EMPLOYEE}), areas=frozenset({unit}))


def post_of(person: Actor) -> Post:
    """The offices that somebody holds, as a fact."""
    return Post(employee_id=EmployeeId(person.id), roles=person.roles, areas=person.areas)
