"""A command line for every command and question, from the same signatures as their routes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote
from uuid import uuid4

import msgspec
import typer

from infra.commands import Command
from infra.named_contents import with_contents
from infra.questions import Asked
from services.cli.client import ask, upload
from services.cli.output import console, show
from services.composition import AGGREGATES, COMMANDS, QUESTIONS
from services.http.difference_routes import Between
from services.http.question_routes import KERNEL
from services.language import Language, label

BY_HAND = frozenset({"regulation"})
"""Groups that say things in lines of their own."""

AsJson = Annotated[bool, typer.Option("--json", help="以 JSON 作答 / answer in JSON")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="只答编号 / answer with the id alone")]


def add_derived(app: typer.Typer) -> Mapping[str, typer.Typer]:
    """One group for each path, `yewu complaints …`, with its commands and questions; the groups by their paths.

    A question about all kinds of things is a command of its own: `yewu duties`.
    """
    groups: dict[str, typer.Typer] = {}
    for kind in AGGREGATES:
        group = typer.Typer(no_args_is_help=True, help=f"{label('kind', kind.name, Language.CHINESE)} / {kind.name}")
        groups[kind.path] = group
        app.add_typer(group, name=kind.path)
    for command in COMMANDS:
        groups[command.kind.path].command(command.name.replace("_", "-"), help=_help("command", command.slug))(
            _command_line(command)
        )
    for asked in QUESTIONS:
        path = asked.declaration.path.partition("/")[0]
        if path in BY_HAND:
            continue
        group = groups.get(path, app)
        name = path if group is app else asked.name.replace("_", "-")
        group.command(name, help=_help("question", asked.slug))(_question_line(asked))
        if asked.compared is not None:
            difference = f"{path}-difference" if group is app else "difference"
            group.command(difference, help=_help("question", asked.comparison))(_difference_line(asked))
    return groups


def _help(kind: str, slug: str) -> str:
    return f"{label(kind, slug, Language.CHINESE)} / {label(kind, slug.partition('.')[2], Language.ENGLISH)}"


def _command_line(command: Command) -> Callable[..., None]:
    in_path = [] if command.opens or command.singleton else ["id"]
    fields = dict(command.body.__annotations__)
    required = {p.name for p in command.sent if p.default is p.empty}

    def run(**given: Any) -> None:
        as_json, quiet, key = given.pop("as_json"), given.pop("quiet"), given.pop("key") or str(uuid4())
        path = command.route.format(id=quote(given.pop("id", ""), safe=""))
        body = {name: _sent(value, fields[name]) for name, value in given.items() if value is not None}
        answer = ask("POST", path, body=body, headers={"Idempotency-Key": key})
        if quiet and not as_json:
            console.print(answer["id"], soft_wrap=True)
        else:
            show(answer, as_json=as_json)

    options = {name: name in required for name in fields}
    more = {"key": _option("--key", "Idempotency-Key"), "quiet": (Quiet, False)}
    return _with_signature(run, in_path, options, more)


def _question_line(asked: Asked) -> Callable[..., None]:
    kernel = KERNEL if asked.many else KERNEL[:3]

    def run(**given: Any) -> None:
        as_json = given.pop("as_json")
        path = asked.route.format(**{name: quote(given.pop(name), safe="") for name in asked.in_path})
        query = {name: value for name, value in given.items() if value is not None}
        show(ask("GET", path, query=query), as_json=as_json)

    required = {name: default is inspect.Parameter.empty for name, (_, default) in asked.query.items()}
    return _with_signature(run, list(asked.in_path), required | dict.fromkeys(kernel, False), {})


def _difference_line(asked: Asked) -> Callable[..., None]:
    def run(**given: Any) -> None:
        as_json = given.pop("as_json")
        query = {name: value for name, value in given.items() if value is not None}
        show(ask("GET", f"{asked.route}/difference", query=query), as_json=as_json)

    return _with_signature(run, [], dict.fromkeys(Between.__struct_fields__, False), {})


def _option(name: str, help_: str) -> tuple[Any, Any]:
    """One that may be missing."""
    return Annotated[str | None, typer.Option(name, help=help_)], None


def _with_signature(
    run: Callable[..., None], in_path: list[str], options: Mapping[str, bool], more: Mapping[str, tuple[Any, Any]]
) -> Callable[..., None]:
    """Give a function the parameters that the command line shall show; their values arrive as strings.

    `options` says of each field whether it must be given; `more` are options of other kinds, with their defaults.
    """
    annotations: dict[str, Any] = {name: Annotated[str, typer.Argument()] for name in in_path}
    defaults: dict[str, Any] = {}
    for name, required in options.items():
        help_ = f"{label('field', name, Language.CHINESE)} / {label('field', name, Language.ENGLISH)}"
        flag = "--" + name.replace("_", "-")
        if required:
            annotations[name] = Annotated[str, typer.Option(flag, help=help_)]
        else:
            annotations[name], defaults[name] = _option(flag, help_)
    for name, (annotation, default) in (*more.items(), ("as_json", (AsJson, False))):
        annotations[name], defaults[name] = annotation, default
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=annotation,
            default=defaults.get(name, inspect.Parameter.empty),
        )
        for name, annotation in annotations.items()
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # functions may have one
    run.__annotations__ = annotations
    return run


def _sent(text: str, type_: Any) -> Any:
    """An option's value; where it names files, `@path` uploads one and stands for its hash."""
    return with_contents(type_, _read(text, type_), _uploaded)


def _uploaded(content: str) -> str:
    return upload(Path(content[1:])) if content.startswith("@") else content


def _read(text: str, type_: Any) -> Any:
    """An option's text as the value the body wants: itself where text is wanted, else what it spells, else JSON."""
    try:
        return msgspec.to_builtins(msgspec.convert(text, type_, strict=False))
    except msgspec.ValidationError:
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text  # the API says better than we could what is wrong with it
