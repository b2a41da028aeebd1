"""What an opportunity's row says after what has happened, and what the pipeline, results and forecasts make of all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

import pytest

from aggregates.business.customer import CustomerRegistered, CustomersMerged
from aggregates.business.opportunity import (
    CloseDateForecast,
    NeedsConfirmed,
    OpportunityAbandoned,
    OpportunityAssigned,
    OpportunityIdentified,
    OpportunityLost,
    OpportunityMoved,
    OpportunityQualified,
    OpportunityReopened,
    OpportunityWon,
    Stage,
    StageChanged,
    ValueEstimated,
)
from aggregates.event import Event
from aggregates.facts import OpportunityStanding
from aggregates.ids import ContractId, CustomerId, EmployeeId, OpportunityId
from aggregates.text import Code, Text
from infra.read_model.references import References
from projections import opportunities, sales
from projections.customers import CustomerRow, customers
from projections.opportunities import Forecast, OpportunityRow
from projections.reference import REFERENCE_EVENTS
from projections.sales import Dimension, ForecastResult, Result, StageFigures
from tests.given import history, recorded
from tests.projections.rules.cases import CHINA, log_of
from tests.projections.tables import asked, filled

T = TypeVar("T")
ANNA, BEN = EmployeeId("employee-anna"), EmployeeId("employee-ben")
ACME, OTHER, THIRD = CustomerId("customer-acme"), CustomerId("customer-other"), CustomerId("customer-third")
WORDS, BOILER, PUMP, PRICE = Text("words"), Code("boiler"), Code("pump"), Code("price")
NEW_YEAR = datetime(2017, 1, 1, tzinfo=CHINA)
REFERENCE = References(r for r in log_of() if type(r.event) in REFERENCE_EVENTS).at(10_000)

identified = OpportunityIdentified(customer_id=ACME, product=BOILER, value=Decimal(100), owner_id=ANNA)
contacted = StageChanged(stage=Stage.CONTACTED, reason=WORDS)
needs = NeedsConfirmed(customer_id=ACME, statement=WORDS, confirmed_by=WORDS)
qualified = OpportunityQualified(customer_id=ACME)
lost = OpportunityLost(reason=PRICE)
reopened = OpportunityReopened(reason=WORDS)


def won(value: int) -> OpportunityWon:
    return OpportunityWon(customer_id=ACME, contract_id=ContractId("contract-1"), value=Decimal(value))


def after(*events: tuple[int, Event], first: OpportunityIdentified = identified, number: int = 1) -> OpportunityRow:
    """The row after events so many days after New Year of 2017, in the company's zone."""
    row = opportunities.opportunities.fold(
        (
            recorded(
                event, stream_id=f"opportunity-{number}", position=n, at=(NEW_YEAR + timedelta(days)).astimezone(UTC)
            )
            for n, (days, event) in enumerate(((0, first), *events), start=1)
        ),
        REFERENCE,
    )
    assert row is not None
    return row


@pytest.fixture
def rows(empty_database: str) -> Callable[..., str]:
    return lambda *given: filled(empty_database, (OpportunityRow, CustomerRow), given)


# One row


def test_a_row_says_how_far_it_is_and_since_when() -> None:
    row = after((2, contacted), (5, needs), (6, needs), (9, qualified))
    assert (row.stage, row.needs_versions, row.qualified) == (Stage.QUALIFIED, 2, True)
    assert row.engaged_on == date(2017, 1, 3)
    days = {stage: seconds // 86_400 for stage, seconds in row.seconds_in.items()}
    assert days == {Stage.IDENTIFIED: 2, Stage.CONTACTED: 3, Stage.NEEDS_CONFIRMED: 4}


def test_days_are_those_of_the_companys_zone() -> None:
    row = after((0, contacted), (0, won(7)))
    assert (row.engaged_on, row.closed_on) == (date(2017, 1, 1), date(2017, 1, 1))
    assert row.identified_at == datetime(2016, 12, 31, 16, tzinfo=UTC)


def test_an_end_says_what_came_of_it_and_a_new_beginning_forgets_that() -> None:
    row = after((3, won(120)))
    assert (row.stage, row.won_value, row.contract_id, row.closed_on) == (
        Stage.WON, Decimal(120), ContractId("contract-1"), date(2017, 1, 4),
    )  # fmt: skip
    row = after((3, OpportunityLost(reason=PRICE, competitor=Code("rival"))))
    assert (row.stage, row.lost_reason, row.competitor) == (Stage.LOST, PRICE, "rival")
    row = after((3, lost), (5, reopened))
    assert (row.stage, row.lost_reason, row.closed_on, row.reopened) == (Stage.CONTACTED, None, None, 1)
    assert after((3, OpportunityAbandoned(reason=WORDS))).stage is Stage.ABANDONED


def test_what_a_source_does_not_know_stays_unknown() -> None:
    unknown = OpportunityIdentified(customer_id=None, product=PUMP, undated=True)
    row = after(first=unknown)
    assert (row.customer_id, row.value, row.owner_id, row.engaged_on, row.undated) == (None, None, None, None, True)
    end = OpportunityWon(customer_id=None, contract_id=None, value=Decimal(5))
    ended = after((9, end), first=unknown)
    assert (ended.won_value, ended.contract_id) == (Decimal(5), None)


def test_it_goes_to_another_owner_and_another_file() -> None:
    row = after((1, OpportunityMoved(customer_id=OTHER)), (1, OpportunityAssigned(owner_id=BEN)))
    assert (row.customer_id, row.owner_id) == (OTHER, BEN)


def test_every_forecast_is_kept_with_the_value_of_its_day() -> None:
    june, july = date(2017, 6, 30), date(2017, 7, 31)
    row = after(
        (1, ValueEstimated(value=Decimal(200))),
        (2, CloseDateForecast(expected=june, probability=40)),
        (2, CloseDateForecast(expected=june, probability=50)),
        (9, CloseDateForecast(expected=july, probability=80)),
        (12, ValueEstimated(value=Decimal(300))),
    )
    assert row.forecasts == (
        Forecast(on=date(2017, 1, 3), expected=june, probability=50, value=Decimal(200)),
        Forecast(on=date(2017, 1, 10), expected=july, probability=80, value=Decimal(200)),
        Forecast(on=date(2017, 1, 13), expected=july, probability=80, value=Decimal(300)),
    )


# The pipeline


def test_the_pipeline_shows_all_or_those_asked_for(rows: Callable[..., str]) -> None:
    pump = OpportunityIdentified(customer_id=OTHER, product=PUMP, owner_id=BEN, undated=True)
    one, two, three = after((1, needs)), after((2, lost), number=2), after(number=3, first=pump)
    url, pipeline = rows(one, two, three), opportunities.pipeline

    def ids(found: Iterable[OpportunityRow]) -> list[str]:
        return sorted(row.opportunity_id[-1] for row in found)

    assert ids(asked(url, pipeline)) == ["1", "2", "3"]
    assert ids(asked(url, lambda db: pipeline(db, open=True))) == ["1", "3"]
    assert ids(asked(url, lambda db: pipeline(db, open=False))) == ["2"]
    assert ids(asked(url, lambda db: pipeline(db, stage=Stage.NEEDS_CONFIRMED))) == ["1"]
    assert ids(asked(url, lambda db: pipeline(db, owner_id=BEN))) == ["3"]
    assert ids(asked(url, lambda db: pipeline(db, product=BOILER))) == ["1", "2"]
    assert ids(asked(url, lambda db: pipeline(db, customer_id=OTHER))) == ["3"]
    assert ids(asked(url, lambda db: pipeline(db, undated=True))) == ["3"]
    assert asked(url, lambda db: opportunities.one(db, OpportunityId("opportunity-1"))) == one
    assert asked(url, lambda db: opportunities.one(db, OpportunityId("opportunity-9"))) is None


def customer(whose: CustomerId, into: CustomerId | None = None) -> CustomerRow:
    events: list[Event] = [CustomerRegistered(name=WORDS, source=Code("fair"))]
    row = customers.fold(history([*events, *([CustomersMerged(into_id=into)] if into else [])], stream_id=whose))
    assert row is not None
    return row


def test_3_1_2_c_open_cases_of_a_merged_customer_are_those_of_the_one_that_goes_on(rows: Callable[..., str]) -> None:
    url = rows(after(), after((2, lost), number=2), customer(ACME, OTHER), customer(OTHER, THIRD), customer(THIRD))
    found = {row.opportunity_id: row.customer_id for row in asked(url, opportunities.pipeline)}
    assert found == {"opportunity-1": THIRD, "opportunity-2": ACME}
    assert [r.opportunity_id for r in asked(url, lambda db: opportunities.pipeline(db, customer_id=THIRD))] == [
        "opportunity-1"
    ]
    one = asked(url, lambda db: opportunities.one(db, OpportunityId("opportunity-1")))
    assert one is not None
    assert one.customer_id == THIRD


def test_the_standing_of_an_opportunity(rows: Callable[..., str]) -> None:
    this, none = OpportunityId("opportunity-1"), OpportunityId("opportunity-9")
    url = rows(after((1, needs)), after((1, lost), number=2))
    assert asked(url, lambda db: opportunities.standing(db, this)) == OpportunityStanding(
        opportunity_id=this, customer_id=ACME, open=True, needs_confirmed=True, value=Decimal(100)
    )
    assert not asked(url, lambda db: opportunities.standing(db, OpportunityId("opportunity-2"))).open
    assert asked(url, lambda db: opportunities.standing(db, none)) == OpportunityStanding(opportunity_id=none)


# What it comes to


def test_each_stage_has_its_count_and_value(rows: Callable[..., str]) -> None:
    forecast = CloseDateForecast(expected=date(2017, 6, 30), probability=25)
    unknown = OpportunityIdentified(customer_id=None, undated=True)
    url = rows(after((1, forecast)), after((1, won(70)), number=2), after(number=3, first=unknown))
    found = {figures.stage: figures for figures in asked(url, sales.stages)}
    assert [*found] == [*Stage]
    assert found[Stage.IDENTIFIED] == StageFigures(
        stage=Stage.IDENTIFIED, opportunities=2, undated=1, value=Decimal(100), weighted=Decimal(25)
    )
    assert (found[Stage.WON].value, found[Stage.WON].weighted, found[Stage.LOST].opportunities) == (
        Decimal(70), Decimal(70), 0,
    )  # fmt: skip


def test_the_time_in_a_stage_counts_those_that_are_still_there(rows: Callable[..., str]) -> None:
    undated = OpportunityIdentified(customer_id=None, undated=True)
    url = rows(
        after((4, contacted)), after(number=2), after((4, lost), number=3), after((4, lost), number=4, first=undated)
    )
    (time, other) = asked(url, sales.time_in_stage, at=NEW_YEAR + timedelta(days=10))
    assert (time.stage, time.opportunities, time.median) == (Stage.IDENTIFIED, 3, 4)
    assert (other.stage, other.opportunities, other.median) == (Stage.CONTACTED, 1, 6)


def test_2_2_3_b_results_are_told_by_quarter_owner_and_product(rows: Callable[..., str]) -> None:
    pump = OpportunityIdentified(customer_id=ACME, product=PUMP, owner_id=BEN)
    url = rows(
        after((0, contacted), (10, won(100))),
        after((0, contacted), (20, won(50)), number=2),
        after((0, contacted), (89, lost), number=3),
        after((0, contacted), (90, lost), number=4, first=pump),
        after((9, OpportunityAbandoned(reason=WORDS)), number=5, first=pump),
        after((9, contacted), number=6),
    )
    quarters = asked(url, sales.results)
    assert quarters == [
        Result(
            of="2017Q1", won=2, lost=1, abandoned=1, win_rate=Decimal("0.6667"), value=Decimal(150),
            mean_days=15, median_days=15,
        ),
        Result(of="2017Q2", won=0, lost=1, abandoned=0, win_rate=Decimal(0), value=Decimal(0),
               mean_days=None, median_days=None),
    ]  # fmt: skip
    by_owner = asked(url, lambda db: sales.results(db, Dimension.OWNER))
    assert [(one.of, one.won, one.lost, one.value) for one in by_owner] == [
        (ANNA, 2, 1, Decimal(150)), (BEN, 0, 1, Decimal(0)),
    ]  # fmt: skip
    by_product = asked(url, lambda db: sales.results(db, Dimension.PRODUCT, quarter=Code("2017Q1")))
    assert [(one.of, one.won, one.lost, one.abandoned) for one in by_product] == [(BOILER, 2, 1, 0), (PUMP, 0, 0, 1)]


def test_2_2_3_b_why_and_to_whom_opportunities_are_lost(rows: Callable[..., str]) -> None:
    to_a_rival = OpportunityLost(reason=Code("delay"), competitor=Code("Rival"))
    url = rows(
        after((1, lost)), after((1, lost), number=2), after((1, to_a_rival), number=3), after((1, won(9)), number=4)
    )
    reasons = asked(url, lambda db: sales.results(db, Dimension.REASON))
    assert [(one.of, one.lost, one.won) for one in reasons] == [("delay", 1, 0), (PRICE, 2, 0), (None, 0, 1)]
    rivals = asked(url, lambda db: sales.results(db, Dimension.COMPETITOR))
    assert [(one.of, one.lost) for one in rivals] == [("Rival", 1), (None, 2)]


def test_a_forecast_of_then_is_held_against_what_came_of_it(rows: Callable[..., str]) -> None:
    june, july = date(2017, 6, 30), date(2017, 7, 31)
    likely, unlikely = (
        CloseDateForecast(expected=june, probability=80),
        CloseDateForecast(expected=july, probability=10),
    )
    url = rows(
        after((1, likely), (9, unlikely), (200, won(90))),
        after((1, likely), (9, lost), number=2),
        after((1, likely), number=3),
        after((20, likely), number=4),
        after((1, likely), (2, lost), number=5),
        after(number=6),
    )
    assert asked(url, lambda db: sales.forecasts(db, date(2017, 1, 5))) == [
        ForecastResult(
            quarter="2017Q2", opportunities=3, value=Decimal(300), weighted=Decimal(240),
            won=1, won_value=Decimal(90), lost=1, open=1,
        )
    ]  # fmt: skip
    later = asked(url, lambda db: sales.forecasts(db, date(2017, 1, 10)))
    assert [(one.quarter, one.opportunities, one.weighted) for one in later] == [
        ("2017Q2", 1, Decimal(80)), ("2017Q3", 1, Decimal(10)),
    ]  # fmt: skip
    now = asked(url, sales.forecasts)
    assert [(one.quarter, one.opportunities, one.open, one.won) for one in now] == [("2017Q2", 2, 2, 0)]
    assert asked(url, lambda db: sales.forecasts(db, date(2017, 1, 5), owner_id=BEN)) == []
