"""The commands of `yewu` that no signature gives: running it, signing in, importing, looking after it."""

from __future__ import annotations

import sys
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import InsufficientPrivilege, InvalidSchemaName, UndefinedFunction, UndefinedTable
from rich.progress import Progress

from aggregates.refused import Refused
from infra.backup_file import BackupError
from infra.embedded import EmbeddedPostgresError
from infra.kafka import KafkaTrouble
from infra.keys import KeysUnavailable
from infra.roles import UNPREPARED, DatabaseRole, Unfit
from infra.settings import DATABASE, OWN_ADDRESSES, SettingError, Settings
from infra.wrapping import WrappingError, rotate
from services.addresses import address_for, address_for_migrations
from services.cli.client import SaidNo, ask, keep_token, language
from services.cli.derived import AsJson, add_derived
from services.cli.events import events
from services.cli.kafka import kafka
from services.cli.output import console, errors, give_up, show
from services.cli.regulation import regulation
from services.cli.status import status_lines, status_of
from services.founding import AlreadyFounded, Foundation
from services.importing import ImportFailed
from services.keys import keys_of, sealing_of, wrapping_of
from services.language import Language, say
from services.processes import NO_KAFKA, CannotRun

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(events, name="events")
keys = typer.Typer(no_args_is_help=True, help="密钥 / keys of sealed texts")
app.add_typer(keys, name="keys")
app.add_typer(kafka, name="kafka")
app.add_typer(regulation, name="regulation")
groups = add_derived(app)


class Source(StrEnum):
    """Where a projector reads what happens."""

    LOG = "log"
    KAFKA = "kafka"


DEFAULT_MANAGER = "Manager 经理"
DEVELOPMENT_TOKEN = "/development/token"  # noqa: S105  # an address


def main() -> None:
    """Whatever makes no sense is said in one sentence; with --json, in one document."""
    as_json = "--json" in sys.argv
    try:
        app()
    except SaidNo as no:
        give_up(str(no), no.problem, as_json=as_json)
    except (SettingError, EmbeddedPostgresError, CannotRun, Unfit, BackupError, WrappingError, KafkaTrouble) as error:
        give_up(str(error), as_json=as_json)
    except KeysUnavailable as error:
        give_up(f"The keys cannot be reached ({error}): see YEWU_HOME, or mend KEYS_URL.", as_json=as_json)
    except ImportFailed as failed:
        give_up(_in_our_language(failed), as_json=as_json)
    except psycopg.OperationalError as error:
        said = " ".join(str(error).split())
        give_up(f"The database does not answer ({said}): start Yewu with `make up`, or mend DATABASE_URL.",
                as_json=as_json)  # fmt: skip
    except (UndefinedTable, UndefinedFunction, InvalidSchemaName):
        give_up(UNPREPARED, as_json=as_json)
    except InsufficientPrivilege as error:
        said = " ".join(str(error).split())
        give_up(f"The database refuses this login ({said}): name the one that the command needs, see docs/operate.md.",
                as_json=as_json)  # fmt: skip


@app.command()
def up() -> None:
    """全部启动 / Run everything on this machine until Ctrl-C."""
    from services.up import up as run

    run(_settings(), _first_manager, _tell)


@app.command()
def demo(
    cases: Annotated[int, typer.Option(min=1, help="首次启动的案例数 / how many cases the first start makes")] = 400,
) -> None:
    """演示 / The same on data of its own, with a generated help desk already in it."""
    from services.up import demo as run

    run(_settings(), cases, _tell)


@app.command()
def migrate(as_json: AsJson = False) -> None:
    """迁移 / Bring the database up to date."""
    from infra.migrations import migrate as run

    show({"applied": run(address_for_migrations(_settings()))}, as_json=as_json)


@app.command()
def serve() -> None:
    """接口 / The API alone."""
    from services.processes import serve as run

    run(_address(DatabaseRole.APP), _settings())


@app.command()
def project(
    from_: Annotated[
        Source, typer.Option("--from", help="来源 / from the log, or from Kafka by any number")
    ] = Source.LOG,
) -> None:
    """投影 / The projector alone: keeps the read model level with the log."""
    from services.processes import project as from_log
    from services.processes import project_from_kafka as from_kafka

    run = from_log if from_ is Source.LOG else from_kafka
    run(_address(DatabaseRole.PROJECTOR))


@app.command()
def build() -> None:
    """构建 / The builder alone: makes the past days that people ask for."""
    from services.processes import build as run

    run(_address(DatabaseRole.PROJECTOR), _settings().zone)


@app.command()
def policies() -> None:
    """策略与时钟 / The policies and the clock alone: what follows from events, and from time passing."""
    from services.processes import follow_policies as run

    run(_address(DatabaseRole.APP), _settings())


@app.command()
def relay(
    once: Annotated[
        bool, typer.Option("--once", help="不再重启 / end at the first doubt, for a supervisor of yours")
    ] = False,
) -> None:
    """转发 / The relay alone: publishes the whole log to Kafka, each event once and in order."""
    if once:
        from services.processes import relay as run

        run(_address(DatabaseRole.PROJECTOR))
    from services.parts import supervise

    if _settings().kafka_servers is None:
        raise CannotRun(NO_KAFKA)
    supervise(("relay", "--once"), _tell)


@app.command(hidden=True)
def demonstration_issuer() -> None:
    """An issuer that hands a token to whoever asks: for demonstrations in containers only."""
    from services.demonstration_issuer import run

    run(_settings())


@app.command()
def found(
    manager: Annotated[str | None, typer.Option(help="首任经理姓名 / the first manager's name")] = None,
    currency: Annotated[str, typer.Option(help="本位币 / the company's currency")] = "CNY",
    if_new: Annotated[bool, typer.Option("--if-new", help="已建则罢 / do nothing if there is one")] = False,
    as_json: AsJson = False,
) -> None:
    """建立部门 / Found the department: once, with its first manager."""
    from services.up import found_now

    zone = _settings().zone.key
    foundation = Foundation(manager=manager or _first_manager(), currency=currency, zone=zone)
    try:
        with sealing_of(_settings()) as sealer:
            manager_id = found_now(_address(DatabaseRole.APP), foundation, sealer)
    except AlreadyFounded:
        if not if_new:
            sentence = "The department is founded already: appoint people with `yewu department appoint`."
            raise CannotRun(sentence) from None
        show({"founded": False}, as_json=as_json)
    else:
        show({"founded": True, "manager_id": manager_id, "manager": foundation.manager}, as_json=as_json)


@app.command()
def login(
    as_: Annotated[str | None, typer.Option("--as", help="员工或客户编号 / an employee's or customer's id")] = None,
    as_json: AsJson = False,
) -> None:
    """登录 / Get a token from the development issuer; without a name, the manager's."""
    try:
        got = ask("POST", DEVELOPMENT_TOKEN, body={} if as_ is None else {"subject": as_})
    except SaidNo as no:
        if DEVELOPMENT_TOKEN in str(no):  # there is nothing at that address
            raise SaidNo("There is no development issuer here: set YEWU_TOKEN to a token of your issuer.") from None
        raise
    path = keep_token(got["token"])
    show(got if as_json else {"subject": got["subject"], "token": f"kept in {path}"}, as_json=as_json)


@app.command()
def status(as_json: AsJson = False) -> None:
    """状态 / Is it ready, how far is everybody behind the log, and how fast are commands?"""
    try:
        ready = ask("GET", "/ready")
    except SaidNo as no:
        if no.problem is None or "ready" not in no.problem:
            raise
        ready = no.problem
    found = status_of(ready, ask("GET", "/metrics"))
    show(found if as_json else status_lines(found), as_json=as_json)
    if not found["ready"]:
        raise typer.Exit(1)


@app.command("import")
def import_(
    file: Annotated[str, typer.Argument(help="XES(.gz) 或 CSV 文件;- 为标准输入 / the file; - for standard input")],
    map_: Annotated[Path, typer.Option("--map", help="映射 / the map that says what its rows become")],
    as_json: AsJson = False,
) -> None:
    """导入历史 / Import a history: rows become the events that the map names."""
    from services.importing import run_import

    with (
        Progress(console=errors, disable=as_json or not sys.stderr.isatty()) as progress,
        sealing_of(_settings(), block=2000) as sealer,
    ):
        task = progress.add_task("import", total=None)
        report = run_import(
            _address(DatabaseRole.APP),
            file,
            map_,
            sealer,
            progress=lambda done, goal: progress.update(task, completed=done, total=goal),
        )
    show({name: getattr(report, name) for name in report.__struct_fields__}, as_json=as_json)


@app.command()
def rebuild(as_json: AsJson = False) -> None:
    """重建 / Build the read model of this version anew from the log, beside the one in use."""
    from services.processes import rebuild as run

    with Progress(console=errors, disable=as_json or not sys.stderr.isatty()) as progress:
        task = progress.add_task("rebuild", total=None)
        position = run(
            _address(DatabaseRole.PROJECTOR), lambda done, goal: progress.update(task, completed=done, total=goal)
        )
    show({"position": position}, as_json=as_json)


@app.command("what-if")
def what_if(
    parameter: Annotated[str, typer.Option(help="参数及其他值 / P-05=S2:3,S3:8, or P-02=2 where it has one value")],
    from_: Annotated[
        str | None, typer.Option("--from", help="开始不早于 / of the cases that began from then on")
    ] = None,
    to: Annotated[str | None, typer.Option(help="开始早于 / and before then")] = None,
    limit: Annotated[int, typer.Option(help="至多 / at most so many cases one by one")] = 100,
    as_json: AsJson = False,
) -> None:
    """假设 / How many cases would stand otherwise to the rules if a parameter had another value, and which."""
    asked = {"parameter": parameter, "from": from_, "to": to, "limit": str(limit)}
    query = {name: value for name, value in asked.items() if value is not None}
    show(ask("GET", "/what-if", query=query), as_json=as_json)


@groups["parked"].command()
def retry(
    row_table: Annotated[str, typer.Option(help="视图的表 / as `yewu parked list` names it")],
    row_key: Annotated[str, typer.Option(help="行的键 / as `yewu parked list` names it")],
    as_json: AsJson = False,
) -> None:
    """重试 / Fold a parked row again from zero, after whatever held it up has been mended."""
    body = {"row_table": row_table, "row_key": row_key}
    show(ask("POST", "/parked/retry", body=body), as_json=as_json)


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="备份目录 / a folder without a backup in it")],
    keys_folder: Annotated[
        Path | None, typer.Option("--keys", help="密钥另存于 / the keys too, to another place")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """备份 / Write the whole log to a folder, while others go on working; keys go to another one, if any."""
    from services.copies import back_up as run
    from services.copies import back_up_keys

    _require_apart(folder, keys_folder)

    with Progress(console=errors, disable=as_json or not sys.stderr.isatty()) as progress:
        task = progress.add_task("backup", total=None)
        copied = run(_settings(), folder, lambda done, goal: progress.update(task, completed=done, total=goal))
    answer = {name: getattr(copied, name) for name in copied.__struct_fields__}
    if keys_folder is not None:  # after the log: no text is then without its key
        answer["keys"] = back_up_keys(_settings(), keys_folder).keys
    show(answer, as_json=as_json)


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="备份目录 / the folder of a backup")],
    keys_folder: Annotated[Path | None, typer.Option("--keys", help="密钥取自 / the keys too, from there")] = None,
    check: Annotated[bool, typer.Option("--check", help="只校验 / only see whether it is whole")] = False,
    as_json: AsJson = False,
) -> None:
    """恢复 / Fill an empty database from a backup; then its read model is built as ever."""
    from services.copies import check_only, restore_keys
    from services.copies import restore as run

    with Progress(console=errors, disable=as_json or not sys.stderr.isatty()) as progress:
        task = progress.add_task("check" if check else "restore", total=None)
        act = check_only if check else run
        copied = act(_settings(), folder, lambda done, goal: progress.update(task, completed=done, total=goal))
    answer = {name: getattr(copied, name) for name in copied.__struct_fields__}
    if keys_folder is not None and not check:
        answer["keys"] = restore_keys(_settings(), keys_folder).keys
    show(answer, as_json=as_json)


def _require_apart(folder: Path, keys_folder: Path | None) -> None:
    """Whoever finds the one backup must not find the other beside it."""
    if keys_folder is not None and keys_folder.resolve() == folder.resolve():
        raise BackupError("Keys and log belong in different places: name another folder for the keys.")


@keys.command("rotate")
def rotate_(as_json: AsJson = False) -> None:
    """轮换 / Wrap all data keys anew with a new wrapping key; if it is killed, run it again."""
    settings = _settings()
    with closing(keys_of(settings)) as store:
        show({"rewrapped": rotate(store, wrapping_of(settings))}, as_json=as_json)


def _tell(sentence: str) -> None:
    console.print(sentence, markup=False, soft_wrap=True)


def _in_our_language(failed: ImportFailed) -> str:
    cause = failed.__cause__
    return say(cause.sentence, cause.values, Language(language())) if isinstance(cause, Refused) else str(failed)


def _first_manager() -> str:
    """Asked once at a terminal; without one, a name that says it is a stand-in."""
    if sys.stdin is not None and sys.stdin.isatty():
        return str(typer.prompt("Who is the department's first manager? 首任部门经理姓名", default=DEFAULT_MANAGER))
    return DEFAULT_MANAGER


def _settings() -> Settings:
    """What the environment says; SettingError where it makes no sense."""
    settings = Settings.read()
    for name, url in (
        (DATABASE, settings.database_url),
        *((OWN_ADDRESSES[r], u) for r, u in settings.own_urls.items()),
    ):
        try:
            conninfo_to_dict(url or "")
        except psycopg.ProgrammingError:  # its sentence would show the password
            raise SettingError(f"{name}: write an address such as postgresql://user@host/database.") from None
    return settings


def _address(role: DatabaseRole) -> str:
    """Where a command of this role finds the database: the one named, or the embedded one of the home if it runs."""
    return address_for(role, _settings())
