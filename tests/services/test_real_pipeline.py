"""A seller's accounts, teams and 8,800 opportunities come in by maps, and every figure equals one counted by hand."""

from __future__ import annotations

import csv
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from statistics import mean, median
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import psycopg
import pytest

from infra.sealing import Plain
from services.importing import run_import
from tests.conftest import new_database
from tests.services.running import Yewu, done, running, wait_until

DATA = Path(os.environ.get("YEWU_DATA") or Path(__file__).parents[3] / "shared" / "data")
FILES = (
    ("sales_pipeline.csv", "sales-pipeline", 8_800),
    ("sales_teams.csv", "sales-teams", 35),
    ("accounts.csv", "sales-accounts", 85),
)
CUT = date(2017, 6, 30)

pytestmark = pytest.mark.skipif(
    not (DATA / "sales_pipeline.csv").exists(), reason="the seller's files lie beside the project, or nowhere"
)


class Deal(NamedTuple):
    """A line of the file, read with nothing of the product."""

    agent: str
    product: str
    account: str
    stage: str
    engaged: date | None
    closed: date | None
    value: Decimal


@pytest.fixture(scope="module")
def imported(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yewu]:
    rejects = tmp_path_factory.mktemp("rejects") / "rejects.csv"
    for database in new_database(postgres):
        with running(database, Path(tmp_path_factory.mktemp("home")), zone=ZoneInfo("UTC")) as yewu:
            for file, map_, rows in FILES:
                report = run_import(database, str(DATA / file), map_, Plain(), rejects=rejects)
                assert (report.read, report.recorded, report.already, report.rejected) == (rows, rows, 0, 0)
            yield yewu


def read(file: str) -> list[dict[str, str]]:
    with (DATA / file).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def day(text: str) -> date | None:
    if not text:
        return None
    its_day, month, year = text.split("-")
    return date(2000 + int(year), int(month), int(its_day))


@pytest.fixture(scope="module")
def deals() -> list[Deal]:
    return [
        Deal(
            row["sales_agent"],
            "GTX Pro" if row["product"] == "GTXPro" else row["product"],
            row["account"],
            {"Prospecting": "identified", "Engaging": "contacted"}.get(row["deal_stage"], row["deal_stage"].lower()),
            day(row["engage_date"]),
            day(row["close_date"]),
            Decimal(row["close_value"] or 0),
        )
        for row in read("sales_pipeline.csv")
    ]


@pytest.fixture(scope="module")
def known_then(deals: list[Deal]) -> list[Deal]:
    """The file as it would have been at the end of that day."""
    return [
        deal if deal.closed and deal.closed <= CUT else deal._replace(stage="contacted", closed=None, value=Decimal(0))
        for deal in deals
        if deal.engaged and deal.engaged <= CUT
    ]


def quarter(deal: Deal) -> str:
    assert deal.closed
    return f"{deal.closed.year}Q{(deal.closed.month + 2) // 3}"


Results = dict[str, tuple[int, int, Decimal, Decimal, float | None, float | None]]
"""Won, lost, win rate, value won, mean and median days to close."""


def counted(deals: list[Deal], of: Callable[[Deal], str]) -> Results:
    groups = defaultdict[str, list[Deal]](list)
    for deal in deals:
        if deal.closed:
            groups[of(deal)].append(deal)
    found: Results = {}
    for name, ended in groups.items():
        won = [deal for deal in ended if deal.stage == "won"]
        days = [(deal.closed - deal.engaged).days for deal in won if deal.closed and deal.engaged]
        rate = round(Decimal(len(won)) / len(ended), 4)
        value = sum((deal.value for deal in won), Decimal(0))
        found[name] = (
            len(won),
            len(ended) - len(won),
            rate,
            value,
            *((mean(days), median(days)) if days else (None,) * 2),
        )
    return found


def told(answer: Any, names: Mapping[str, str] | None = None) -> Results:
    assert all(row["abandoned"] == 0 for row in answer)
    return {
        names[row["of"]] if names else row["of"]: (
            row["won"],
            row["lost"],
            Decimal(row["win_rate"]),
            Decimal(row["value"]),
            row["mean_days"],
            row["median_days"],
        )
        for row in answer
    }


def asked(yewu: Yewu, question: str, **parameters: object) -> Any:
    url = f"/{question}?" + "&".join(f"{name}={value}" for name, value in parameters.items())
    wait_until(lambda: yewu.manager.get(url).status_code == 200)
    answer = done(yewu.manager.get(url))
    return answer if isinstance(answer, list) else answer["items"]


def same(found: Results, wanted: Results) -> None:
    assert found.keys() == wanted.keys()
    for name, (*figures, mean_days, median_days) in wanted.items():
        assert list(found[name][:4]) == figures
        assert found[name][4:] == pytest.approx((mean_days, median_days))


def agree(yewu: Yewu, deals: list[Deal], **then: object) -> None:
    """Stages; and what was won by quarter, agent and product, the win rate, and the days to close."""
    stages = asked(yewu, "opportunities/stages", **then)
    assert {row["stage"]: row["opportunities"] for row in stages if row["opportunities"]} == Counter(
        deal.stage for deal in deals
    )
    assert sum(row["undated"] for row in stages) == sum(deal.engaged is None for deal in deals)
    agents = {row["employee_id"]: row["name"] for row in asked(yewu, "employees", limit=100)}
    same(told(asked(yewu, "opportunities/results", by="quarter", **then)), counted(deals, quarter))
    same(told(asked(yewu, "opportunities/results", by="product", **then)), counted(deals, lambda deal: deal.product))
    same(
        told(asked(yewu, "opportunities/results", by="owner", **then), agents), counted(deals, lambda deal: deal.agent)
    )


def test_every_figure_equals_one_counted_by_hand(imported: Yewu, deals: list[Deal]) -> None:
    agree(imported, deals)


def test_and_the_dated_part_as_it_stood_on_a_day_of_the_past(imported: Yewu, known_then: list[Deal]) -> None:
    assert 0 < len(known_then) < 8_300
    agree(imported, known_then, as_of=CUT)


def test_an_opportunity_without_an_account_or_a_date_is_so_and_nothing_is_guessed(
    imported: Yewu, deals: list[Deal]
) -> None:
    with psycopg.connect(imported.database) as db:
        query = """
            SELECT count(*) FILTER (WHERE data->>'customer_id' IS NULL),
                   count(*) FILTER (WHERE (data->>'undated')::bool),
                   count(*) FILTER (WHERE (meta->'origin'->>'undated')::bool), count(DISTINCT data->>'product')
            FROM yewu.event WHERE type = 'OpportunityIdentified'
        """
        found = db.execute(query).fetchone()
    undated = sum(deal.engaged is None for deal in deals)
    assert found == (sum(not deal.account for deal in deals), undated, undated, 7)


def test_the_products_of_the_map_are_those_of_the_list(deals: list[Deal]) -> None:
    assert {deal.product for deal in deals} == {row["product"] for row in read("products.csv")}


def test_the_accounts_are_the_customers_that_opportunities_mention(imported: Yewu) -> None:
    customers = {row["name"]: row for row in asked(imported, "customers", limit=200)}
    accounts = {row["account"]: row for row in read("accounts.csv")}
    assert customers.keys() == accounts.keys()
    for name, account in accounts.items():
        sector = account["sector"].replace("technolgy", "technology")
        assert (customers[name]["segment"], customers[name]["region"]) == (sector, account["office_location"])


def test_agents_and_managers_hold_their_posts(imported: Yewu) -> None:
    names = {row["employee_id"]: row["name"] for row in asked(imported, "employees", limit=100)}
    posts = asked(imported, "department/posts", limit=100)
    teams = read("sales_teams.csv")
    wanted = {(row["sales_agent"], "BD", row["regional_office"]) for row in teams}
    wanted |= {(row["manager"], "BDL", row["regional_office"]) for row in teams}
    assert {(names[row["employee_id"]], row["role"], row["area"]) for row in posts if row["role"] != "MGR"} == wanted


def test_importing_again_changes_nothing(imported: Yewu, tmp_path: Path) -> None:
    head = done(imported.manager.get("/events?limit=1"))["head"]
    for file, map_, rows in FILES:
        again = run_import(imported.database, str(DATA / file), map_, Plain(), rejects=tmp_path / "rejects.csv")
        assert (again.recorded, again.already) == (0, rows)
    assert done(imported.manager.get("/events?limit=1"))["head"] == head
