"""`yewu kafka`: the second complete copy of the log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.progress import Progress

from infra.settings import Settings
from services.cli.derived import AsJson
from services.cli.output import console, errors, show

if TYPE_CHECKING:
    from services.second_copy import TopicLine

kafka = typer.Typer(no_args_is_help=True, help="Kafka 副本 / the second complete copy of the log")
topics = typer.Typer(no_args_is_help=True, help="主题 / its topics")
kafka.add_typer(topics, name="topics")


@kafka.command()
def broker(
    port: Annotated[int, typer.Option(help="端口 / where it listens")] = 9092,
) -> None:
    """本机 Kafka / Apache Kafka on this machine, until Ctrl-C; Java and Maven are needed."""
    from services.second_copy import run_broker

    run_broker(Settings.read().home / "kafka", port, lambda said: console.print(said, markup=False, soft_wrap=True))


@topics.command()
def plan(as_json: AsJson = False) -> None:
    """计划 / Which topics there must be, and what of them is not as it must be; nothing is changed."""
    from services.second_copy import verify_topics

    show({"items": msgspec.to_builtins(verify_topics(Settings.read()))}, as_json=as_json)


@topics.command()
def apply(as_json: AsJson = False) -> None:
    """执行 / Make the topics that are not there yet, and set back settings that have drifted."""
    from services.second_copy import apply_topics

    _judge(apply_topics(Settings.read()), as_json=as_json)


@topics.command()
def verify(as_json: AsJson = False) -> None:
    """核对 / The same as plan; ends with 1 if anything is not as it must be."""
    from services.second_copy import verify_topics

    _judge(verify_topics(Settings.read()), as_json=as_json)


@kafka.command()
def audit(as_json: AsJson = False) -> None:
    """审计 / Compare every event of the log with the copy in Kafka; the first difference is named."""
    from services.second_copy import compare

    with _progress("audit", as_json=as_json) as progress:
        found = compare(Settings.read(), progress)
    show(msgspec.to_builtins(found), as_json=as_json)


@kafka.command()
def restore(
    into: Annotated[str, typer.Option(help="空数据库的地址 / the address of an empty database")],
    as_json: AsJson = False,
) -> None:
    """恢复 / Make an empty database equal to the lost one, from Kafka alone."""
    from services.second_copy import restore as run

    with _progress("restore", as_json=as_json) as progress:
        home = run(into, progress)
    show(msgspec.to_builtins(home), as_json=as_json)


@kafka.command()
def repair(as_json: AsJson = False) -> None:
    """修复 / Bring home the events that the log has lost and Kafka still has. Stop Yewu first."""
    from services.second_copy import repair as run

    with _progress("repair", as_json=as_json) as progress:
        home = run(Settings.read(), progress)
    show(msgspec.to_builtins(home), as_json=as_json)


@kafka.command()
def republish(
    yes: Annotated[bool, typer.Option("--yes", help="不再询问 / do not ask")] = False,
    as_json: AsJson = False,
) -> None:
    """重新发布 / Let the relay fill a Kafka that has lost what was published."""
    from services.second_copy import republish as run

    if not yes:
        typer.confirm(
            "What Kafka has lost is published anew; whoever read it before may see it twice. Go on?", abort=True
        )
    show(run(Settings.read()), as_json=as_json)


def _judge(lines: Sequence[TopicLine], *, as_json: bool) -> None:
    show({"items": msgspec.to_builtins(lines)}, as_json=as_json)
    if any(line.drift for line in lines):
        raise typer.Exit(1)


@contextmanager
def _progress(name: str, *, as_json: bool) -> Iterator[Callable[[int, int], None]]:
    with Progress(console=errors, disable=as_json or not sys.stderr.isatty()) as progress:
        task = progress.add_task(name, total=None)
        yield lambda done, goal: progress.update(task, completed=done, total=goal)
