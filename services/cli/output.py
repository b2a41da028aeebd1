"""What the terminal shows: tables and lines for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def show(answer: Any, *, as_json: bool) -> None:
    """An answer of the API."""
    if as_json:
        sys.stdout.write(json.dumps(answer, ensure_ascii=False, default=str) + "\n")
    elif isinstance(answer, Mapping) and isinstance(answer.get("items"), list):
        show_rows(answer["items"])
        if answer.get("next"):
            console.print(f"[dim]more: --cursor {answer['next']}[/dim]", soft_wrap=True)
        if answer.get("parked"):
            tell_parked([f"{each['position']} ({each['row_key']})" for each in answer["parked"]])
    elif isinstance(answer, Mapping):
        show_fields(answer)
    else:
        console.print(answer, markup=False)


def tell_parked(positions: Sequence[str]) -> None:
    """Say on standard error that an answer is not up to date, and because of which events."""
    told = ", ".join(positions)
    errors.print(
        f"Parked by the event at {told}: see `yewu parked list`.", style="yellow", markup=False, soft_wrap=True
    )


def show_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """A list, as a table of those columns that hold anything and fit the terminal; the others are named below it."""
    if not rows:
        console.print("[dim]nothing[/dim]")
        return
    columns = [name for name in rows[0] if any(row.get(name) not in (None, "", [], {}) for row in rows)]
    shown: list[str] = []
    room = console.width
    for name in columns:
        room -= 3 + max(len(name), *(cell_len(_cell(row.get(name))) for row in rows))
        if shown and room < 0:
            break
        shown.append(name)
    table = Table(*shown)
    for row in rows:
        table.add_row(*(escape(_cell(row.get(name))) for name in shown))
    console.print(table)
    if shown != columns:
        hidden = ", ".join(columns[len(shown) :])
        console.print(f"[dim]not shown for want of room: {hidden} (--json shows everything)[/dim]", soft_wrap=True)


def show_fields(answer: Mapping[str, Any]) -> None:
    """One thing, a line for each of its fields."""
    table = Table(show_header=False, box=None)
    for name, value in answer.items():
        table.add_row(f"[bold]{name}[/bold]", escape(_cell(value)))
    console.print(table)


def give_up(sentence: str, problem: Mapping[str, Any] | None = None, *, as_json: bool = False) -> NoReturn:
    """Exit status 1, and why: one line on standard error, or in JSON the problem where the answer would be."""
    if as_json:
        show(problem or {"detail": sentence}, as_json=True)
    else:
        errors.print(sentence, style="red", markup=False, soft_wrap=True)
    raise SystemExit(1)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
