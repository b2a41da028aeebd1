"""`yewu events`: the log as it goes on, and the history of one thing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any
from urllib.parse import quote

import typer

from services.cli.client import ask
from services.cli.derived import AsJson
from services.cli.output import console, show

events = typer.Typer(no_args_is_help=True, help="事件 / events")


@events.command()
def tail(
    after: Annotated[int | None, typer.Option(help="从此位置之后 / begin behind this position")] = None,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", help="持续 / go on")] = True,
    opened: Annotated[bool, typer.Option("--opened", help="解封文字 / with texts opened")] = False,
    as_json: AsJson = False,
) -> None:
    """事件流 / The events of the log as they come; with --json, one document for each."""
    position = after if after is not None else max(0, int(ask("GET", "/events", query={"limit": "1"})["head"]) - 10)
    with suppress(KeyboardInterrupt):
        while True:
            query = {"after": str(position), "limit": "500", "opened": "true" if opened else "false"}
            page = ask("GET", "/events", query=query)
            for event in page["items"]:
                if as_json:
                    show(event, as_json=True)
                else:
                    _show_line(event, "time", "subject")
            position = page["after"]
            if not page["items"]:
                if not follow:
                    return
                time.sleep(0.5)


@events.command("of")
def of(
    id_: Annotated[str, typer.Argument(metavar="ID", help="编号 / an id")],
    field: Annotated[str | None, typer.Option(help="只看此项 / only what changed this field of it, and why")] = None,
    as_json: AsJson = False,
) -> None:
    """历史 / The history of one thing: its own events, in their order."""
    answer = ask("GET", f"/streams/{quote(id_, safe='')}", query={} if field is None else {"field": field})
    if as_json:
        show(answer, as_json=True)
    else:
        for event in answer["items"]:
            _show_line(event, "recorded_at", "actor_id")
            if field is not None:
                _show_change(event, field)


def _show_line(event: Mapping[str, Any], time_: str, whose: str) -> None:
    """One event; of one that is restricted neither time nor person need be there."""
    line = f"{event['position']:>8} {event.get(time_, '')[:19]:<19} {event['type']:<32} {event.get(whose, '')}"
    console.print(line.rstrip(), markup=False, soft_wrap=True)


def _show_change(event: Mapping[str, Any], field: str) -> None:
    """What the event made of one field, from when on, and why."""
    before, after = event["changes"][field]
    line = f"{'':>8} {event['effective_at'][:19]:<19} {before} → {after}  {event['meta'].get('reason', '')}"
    console.print(line.rstrip(), markup=False, soft_wrap=True)
