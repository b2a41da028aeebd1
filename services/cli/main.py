"""The commands of `yewu` that no signature gives: running it, signing in, importing, looking after it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.progress import Progress

from infra.embedded import EmbeddedPostgres, EmbeddedPostgresError
from infra.settings import SettingError, Settings
from services.cli.client import SaidNo, ask, keep_token
from services.cli.derived import AsJson, add_derived
from services.cli.output import console, give_up, show
from services.founding import AlreadyFounded, Foundation
from services.up import CannotRun

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
events = typer.Typer(no_args_is_help=True, help="事件 / events")
app.add_typer(events, name="events")
add_derived(app)

DEFAULT_MANAGER = "Manager 经理"


def main() -> None:
    """Whatever makes no sense is said in one sentence."""
    try:
        app()
    except (SettingError, EmbeddedPostgresError, CannotRun, SaidNo, psycopg.OperationalError) as error:
        give_up(str(error).strip())


@app.command()
def up() -> None:
    """全部启动 / Run everything on this machine until Ctrl-C."""
    from services.up import up as run

    run(Settings.read(), _first_manager, lambda sentence: console.print(sentence, markup=False, soft_wrap=True))


@app.command()
def demo(
    cases: Annotated[int, typer.Option(help="案例数 / how many cases")] = 400,
) -> None:
    """演示 / The same on data of its own, with a generated help desk already in it."""
    from services.up import demo as run

    run(Settings.read(), cases, lambda sentence: console.print(sentence, markup=False, soft_wrap=True))


@app.command()
def migrate() -> None:
    """迁移 / Bring the database up to date."""
    from infra.migrations import migrate as run

    for name in run(_conninfo()):
        console.print(f"applied {name}")


@app.command(hidden=True)
def serve() -> None:
    """The API alone."""
    from services.processes import serve as run

    run(_conninfo(), Settings.read())


@app.command(hidden=True)
def project() -> None:
    """The projector alone."""
    from services.processes import project as run

    run(_conninfo())


@app.command(hidden=True)
def build() -> None:
    """The builder of past days alone."""
    from services.processes import build as run

    run(_conninfo())


@app.command(hidden=True)
def demonstration_issuer() -> None:
    """An issuer that hands a token to whoever asks: for demonstrations in containers only."""
    from services.demonstration_issuer import run

    run(Settings.read())


@app.command()
def found(
    manager: Annotated[str | None, typer.Option(help="首任经理姓名 / the first manager's name")] = None,
    currency: Annotated[str, typer.Option(help="本位币 / the company's currency")] = "CNY",
    if_new: Annotated[bool, typer.Option("--if-new", help="已建则罢 / do nothing if there is one")] = False,
    as_json: AsJson = False,
) -> None:
    """建立部门 / Found the department: once, with its first manager."""
    from services.up import found_now

    settings = Settings.read()
    foundation = Foundation(manager=manager or _first_manager(), currency=currency, zone=settings.zone.key)
    try:
        manager_id = found_now(_conninfo(), foundation)
    except AlreadyFounded:
        if if_new:
            return
        give_up("The department is founded already: appoint people with `yewu department appoint`.")
    show({"manager_id": manager_id, "manager": foundation.manager}, as_json=as_json)


@app.command()
def login(
    as_: Annotated[str | None, typer.Option("--as", help="员工或客户编号 / an employee's or customer's id")] = None,
    as_json: AsJson = False,
) -> None:
    """登录 / Get a token from the development issuer; without a name, the manager's."""
    got = ask("POST", "/development/token", body={} if as_ is None else {"subject": as_})
    path = keep_token(got["token"])
    show(got if as_json else {"subject": got["subject"], "token": f"kept in {path}"}, as_json=as_json)


@app.command()
def status(as_json: AsJson = False) -> None:
    """状态 / Is it ready, and how far is it?"""
    try:
        show(ask("GET", "/ready"), as_json=as_json)
    except SaidNo as no:
        if no.problem is None:
            raise
        show(no.problem, as_json=as_json)
        raise typer.Exit(1) from None


@app.command("import")
def import_(
    file: Annotated[str, typer.Argument(help="XES(.gz) 或 CSV 文件;- 为标准输入 / the file; - for standard input")],
    map_: Annotated[Path, typer.Option("--map", help="映射 / the map that says what its rows become")],
    as_json: AsJson = False,
) -> None:
    """导入历史 / Import a history: rows become the events that the map names."""
    from services.importing import ImportFailed, run_import

    with Progress(console=console, disable=as_json or not sys.stderr.isatty()) as progress:
        task = progress.add_task("import", total=None)
        try:
            report = run_import(
                _conninfo(), file, map_, progress=lambda done, goal: progress.update(task, completed=done, total=goal)
            )
        except ImportFailed as failed:
            give_up(str(failed))
    show({name: getattr(report, name) for name in report.__struct_fields__}, as_json=as_json)


@app.command()
def rebuild() -> None:
    """重建 / Build the read model of this version anew from the log, beside the one in use."""
    from services.processes import rebuild as run

    with Progress(console=console, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("rebuild", total=None)
        position = run(_conninfo(), lambda done, goal: progress.update(task, completed=done, total=goal))
    console.print(f"The read model stands at position {position}.")


@events.command()
def tail(
    after: Annotated[int | None, typer.Option(help="从此位置之后 / begin behind this position")] = None,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", help="持续 / go on")] = True,
    as_json: AsJson = False,
) -> None:
    """事件流 / The events of the log as they come."""
    position = after if after is not None else max(0, int(ask("GET", "/events", query={"limit": "1"})["head"]) - 10)
    while True:
        page = ask("GET", "/events", query={"after": str(position), "limit": "500"})
        for event in page["items"]:
            if as_json:
                show(event, as_json=True)
            else:
                line = f"{event['position']:>8} {event['time'][:19]} {event['type']:<32} {event['subject']}"
                console.print(line, soft_wrap=True)
        position = page["after"]
        if not page["items"]:
            if not follow:
                return
            time.sleep(0.5)


def _first_manager() -> str:
    """Asked once at a terminal; without one, a name that says it is a stand-in."""
    if sys.stdin.isatty():
        return str(typer.prompt("Who is the department's first manager? 首任部门经理姓名", default=DEFAULT_MANAGER))
    return DEFAULT_MANAGER


def _conninfo() -> str:
    """The database: the one named, or the embedded one of the home if it runs."""
    settings = Settings.read()
    return settings.database_url or EmbeddedPostgres(settings.home).url
