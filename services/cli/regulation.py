"""`yewu regulation`: what of the regulation is built, and how each clause was kept in each case."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote

import typer

from aggregates.text import Code
from infra.settings import Settings
from projections.regulation import BY_ID, Clause, State, rules_of
from projections.rules.duty import Verdict
from services.cli.client import SaidNo, ask, language
from services.cli.derived import AsJson
from services.cli.output import show
from services.language import Language, label, say

regulation = typer.Typer(no_args_is_help=True, help="管理办法 / the regulation")

PAGE = 1000
PARTS = ("commands", "event_types", "views", "policies", "rules")
WORDS = (*PARTS, "tests", "cases", "events", *(state.value for state in State))
"""What the lines below are made of; each has its Chinese."""


@regulation.command()
def coverage(
    inferred: Annotated[
        bool, typer.Option("--inferred", help="含推定条款 / also the clauses that are inferred")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """覆盖 / A line for each clause: by what it is built, its rules, and the evidence so far."""
    answer = ask("GET", "/regulation/coverage", query={"inferred": "true"} if inferred else None)
    if as_json:
        show(answer, as_json=True)
        return
    for line in answer["items"]:
        _say(_covered(line, Language(language())))


@regulation.command()
def evidence(
    clause: Annotated[str, typer.Argument(metavar="CLAUSE", help="条款 / a clause, such as 3.3.2-a")],
    from_: Annotated[
        str | None, typer.Option("--from", metavar="DAY", help="起始日 / began on this day or later")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="DAY", help="截止日 / began on this day or earlier")] = None,
    as_json: AsJson = False,
) -> None:
    """证据 / Of every rule of a clause: how many cases began in a time, and each with its verdict and its events."""
    known, ours = BY_ID.get(Code(clause)), Language(language())
    if known is None:
        raise SaidNo(say("There is no clause {clause}.", {"clause": clause}, ours))
    time = {"began_since": _day(from_, ours), "began_before": _day(to, ours, days=1)}
    asked = {name: value for name, value in time.items() if value is not None}
    population = {rule["rule"]: rule for rule in _population(known, asked)}
    if as_json:
        show({"clause": clause, "population": population, "cases": [*_cases(clause, asked)]}, as_json=True)
        return
    _say(f"{clause}  {known.zh if ours is Language.CHINESE else known.en}")
    for rule in population.values():
        _say(_counted(rule, ours))
    for case in _cases(clause, asked):
        _say(_judged(case, ours))


def _say(line: str) -> None:
    """One of very many lines, none of which needs a colour."""
    sys.stdout.write(line + "\n")


def _covered(line: Mapping[str, Any], ours: Language) -> str:
    """`3.3.2-a  built  commands: …; rules: …; tests: 4; cases: 12; events: 30`."""
    state = label("coverage", line["state"], ours)
    parts = [_part(name, line[name], ours) for name in PARTS if line[name]]
    numbers = {"tests": len(line["tests"]), "cases": line["cases"], "events": line["events"]}
    parts += [f"{label('coverage', name, ours)}: {number}" for name, number in numbers.items() if number]
    return f"{line['clause']:<8} {state}  {'; '.join(parts)}".rstrip()


def _part(name: str, things: list[str], ours: Language) -> str:
    called: Callable[[str], str] = (lambda slug: label("command", slug, ours)) if name == "commands" else str
    return f"{label('coverage', name, ours)}: {', '.join(map(called, things))}"


def _day(day: str | None, ours: Language, days: int = 0) -> str | None:
    """The instant at which a day begins here, or so many days later."""
    if day is None:
        return None
    try:
        begins = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=Settings.read().zone)
    except ValueError:
        raise SaidNo(say("{day} is no day: write one such as 2026-03-31.", {"day": day}, ours)) from None
    return (begins + timedelta(days=days)).astimezone(UTC).isoformat()


def _population(clause: Clause, asked: Mapping[str, str]) -> list[Mapping[str, Any]]:
    rules = rules_of(clause.id)
    return [rule for rule in ask("GET", "/conformance", query=asked)["items"] if rule["rule"] in rules]


def _cases(clause: str, asked: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    """All of them, page by page."""
    query = {**asked, "limit": str(PAGE)}
    while True:
        page = ask("GET", f"/regulation/{quote(clause, safe='')}/evidence", query=query)
        yield from page["items"]
        if page.get("next") is None:
            return
        query["cursor"] = page["next"]


def _counted(rule: Mapping[str, Any], ours: Language) -> str:
    """`R-CS-3: 12 cases; conformant 10, violated 2`."""
    counts = {verdict: rule[verdict.value.replace(" ", "_")] for verdict in Verdict}
    told = ", ".join(f"{label('verdict', verdict, ours)} {count}" for verdict, count in counts.items() if count)
    return f"{rule['rule']}: {label('coverage', 'cases', ours)} {sum(counts.values())}; {told}".removesuffix("; ")


def _judged(case: Mapping[str, Any], ours: Language) -> str:
    """`R-CS-3 complaint-… violated  12 ComplaintReceived, 19 ComplaintAcknowledged`."""
    events = ", ".join(f"{event['position']} {label('event', event['type'], ours)}" for event in case["events"])
    return f"{case['rule']:<10} {case['case_id']:<48} {label('verdict', case['verdict'], ours)}  {events}"
