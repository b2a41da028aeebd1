"""The OpenAPI document: every route described in Chinese and English, from the same signatures as the routes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from aggregates.ids import SYNTAX, syntax_of
from aggregates.information.parking import KEEPERS
from aggregates.text import CONTENT_HASH
from infra.commands import Command
from infra.contents import FORMATS, Kept
from infra.dispatcher import Answer
from infra.questions import Asked
from services.http import problems
from services.http import what_if_routes as what_if
from services.http.content_routes import READERS, SENDERS
from services.http.difference_routes import Between
from services.http.parked_routes import Retried, Retry
from services.http.question_routes import KERNEL, Moment
from services.language import Language, label

REF = "#/components/schemas/{name}"
PROBLEMS = {
    "400": "cannot be read",
    "401": "no valid token",
    "403": "another office is needed",
    "404": "no such thing",
    "408": "too slow",
    "409": "others were faster, or have it already",
    "412": "not the version that was insisted on",
    "413": "too large",
    "415": "not JSON, or a file of a type that is not kept",
    "422": "refused by the regulation",
    "503": "not just now",
}


def document(commands: Iterable[Command], questions: Iterable[Asked], version: str) -> dict[str, Any]:
    """The whole document as it is served under /openapi.json."""
    commands, questions = list(commands), list(questions)
    bodies = [command.body for command in commands]
    answers = [asked.answer for asked in questions]
    arguments = [asked.arguments for asked in questions]
    (answered, *schemas), components = msgspec.json.schema_components(
        [
            Answer,
            *bodies,
            *answers,
            *arguments,
            Moment,
            Between,
            Retry,
            Retried,
            Kept,
            what_if.Asked,
            what_if.Supposition,
        ],
        ref_template=REF,
    )
    named = iter(schemas)
    body_of = {command.slug: next(named) for command in commands}
    answer_of = {asked.slug: next(named) for asked in questions}
    for component in components.values():
        for name, field in component.get("properties", {}).items():
            field.setdefault("description", both("field", name))
    paths: dict[str, Any] = {}
    for command in commands:
        paths.setdefault(command.route, {})["post"] = _command(command, body_of[command.slug], answered)
    for asked in questions:
        paths.setdefault(asked.route, {})["get"] = _question(asked, answer_of[asked.slug], components)
        if asked.compared is not None:
            paths[f"{asked.route}/difference"] = {"get": _difference(asked, components)}
    paths |= LOG_PATHS | HEALTH_PATHS
    paths |= {"/parked/retry": {"post": _retry()}, "/what-if": {"get": _what_if(components)}}
    paths |= {"/contents": {"post": _upload()}, "/contents/{hash}": {"get": _content()}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Yewu 业务",
            "version": version,
            "description": "业务管理部 / Business Management Department",
        },
        "paths": paths,
        "components": {
            "schemas": {**components, "Problem": problems.schema()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
        "security": [{"token": []}],
    }


def both(kind: str, name: str) -> str:
    """A label in both languages."""
    return f"{label(kind, name, Language.CHINESE)} / {label(kind, name, Language.ENGLISH)}"


def _command(command: Command, body: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    headers = [
        _header("Idempotency-Key", r"^[\x21-\x7e]{1,255}$", "同一键得同一答复 / the same key gets the same answer"),
        _header("If-Match", r'^("[0-9]{1,18}"|\*)$', "所见版本 / the version you saw"),
    ]
    ids = [_id(command.kind.name)] if "{id}" in command.route else []
    status = "201" if command.opens else "200"
    required = bool(_resolved_required(command))
    return {
        "operationId": command.slug,
        "tags": [command.kind.path],
        "summary": both("command", command.slug),
        "description": f"办法 {command.declaration.clause} / clause {command.declaration.clause}. "
        f"角色 / roles: {', '.join(sorted(command.declaration.by))}.",
        "parameters": [*ids, *headers],
        "requestBody": {"required": required, "content": {"application/json": {"schema": body}}},
        "responses": {status: {**_json(answer, "done"), "headers": _sent_back(command)}, **_problems()},
    }


def _sent_back(command: Command) -> dict[str, Any]:
    headers = {
        "ETag": ("此时版本 / the version it has now", {"type": "string", "pattern": '^"[0-9]+"$'}),
        "Yewu-Position": ("日志位置 / its position in the log", {"type": "integer"}),
    }
    if command.opens:
        headers["Location"] = ("地址 / where it is", {"type": "string"})
    return {name: {"description": text, "schema": schema} for name, (text, schema) in headers.items()}


def _resolved_required(command: Command) -> list[str]:
    return [p.name for p in command.sent if p.default is p.empty]


def _question(asked: Asked, answer: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    own = components[asked.arguments.__name__]["properties"]
    moment = components[Moment.__name__]["properties"]
    parameters = [
        _id(name.removesuffix("_id"), name) if name.endswith("_id") else _parameter(name, own[name], "path")
        for name in asked.in_path
    ]
    parameters += [_parameter(name, own[name], "query") for name in own if name not in asked.in_path]
    kernel = KERNEL if asked.declaration.order else KERNEL[:3]
    parameters += [_parameter(name, moment[name], "query") for name in kernel]
    if asked.many:
        answer = {
            "type": "object",
            "required": ["items", "next", "position", "parked"],
            "properties": {
                "items": answer,
                "next": {"type": ["string", "null"]},
                "position": {"type": ["integer", "null"]},
                "parked": _PARKED,
            },
        }
    return _asked(asked, asked.slug, parameters, answer)


def _difference(asked: Asked, components: dict[str, Any]) -> dict[str, Any]:
    moments = components[Between.__name__]["properties"]
    differing = {
        "type": "object",
        "required": ["key", "change", "fields"],
        "properties": {
            "key": {"type": "object", "additionalProperties": {"type": "string"}},
            "change": {"enum": ["entered", "left", "changed"]},
            "fields": {"type": "object", "additionalProperties": {"type": "array", "minItems": 2, "maxItems": 2}},
        },
    }
    page = {"items": {"type": "array", "items": differing}, "next": {"type": ["string", "null"]}, "parked": _PARKED}
    answer = {"type": "object", "required": ["items", "next", "parked"], "properties": page}
    parameters = [_parameter(name, moments[name], "query") for name in moments]
    return _asked(asked, asked.comparison, parameters, answer)


def _asked(asked: Asked, slug: str, parameters: list[dict[str, Any]], answer: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": slug,
        "tags": [asked.declaration.path.partition("/")[0]],
        "summary": both("question", slug),
        "description": f"角色 / roles: {', '.join(sorted(asked.declaration.readers.roles))}.",
        "parameters": parameters,
        "responses": {
            "200": {**_json(answer, "answer"), "headers": _MARKED},
            "202": _json(_BUILDING, "being built"),
            **_problems(),
        },
    }


_BUILDING = {
    "type": "object",
    "required": ["state", "done", "goal"],
    "properties": {"state": {"const": "building"}, "done": {"type": "integer"}, "goal": {"type": "integer"}},
}
_PARKED = {
    "type": "array",
    "description": "停放的行:所列者,或可能因此缺漏者 / rows that stand still: of this page, or perhaps missing from it",
    "items": {
        "type": "object",
        "required": ["row_table", "row_key", "position"],
        "properties": {
            "row_table": {"type": "string"},
            "row_key": {"type": "string"},
            "position": {"type": "integer", "description": both("field", "event_position")},
        },
    },
}
_MARKED = {
    "Yewu-Parked": {
        "description": "使此答复停滞之事件的日志位置 / positions of the events that hold up what is not a list",
        "schema": {"type": "string", "pattern": "^[0-9]+(, [0-9]+)*$"},
    },
    "Yewu-Position": {"description": "日志位置 / position in the log", "schema": {"type": "integer"}},
}


def _retry() -> dict[str, Any]:
    return {
        "operationId": "parked.retry",
        "tags": ["parked"],
        "summary": "重新计算停放的行 / fold a parked row once more",
        "description": f"角色 / roles: {', '.join(sorted(KEEPERS))}.",
        "parameters": [],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _ref(Retry.__name__)}}},
        "responses": {"200": _json(_ref(Retried.__name__), "done"), **_problems()},
    }


def _what_if(components: dict[str, Any]) -> dict[str, Any]:
    own = components[what_if.Asked.__name__]["properties"]
    return {
        "operationId": "what_if",
        "tags": ["conformance"],
        "summary": "若参数另取他值 / what if a parameter had another value",
        "description": f"角色 / roles: {', '.join(sorted(what_if.READERS.roles))}.",
        "parameters": [{**_parameter(name, own[name], "query"), "required": name == "parameter"} for name in own],
        "responses": {
            "200": _json(_ref(what_if.Supposition.__name__), "answer"),
            "202": _json(_BUILDING, "being built"),
            **_problems(),
        },
    }


def _upload() -> dict[str, Any]:
    location = {"description": "地址 / where it is", "schema": {"type": "string"}}
    answer = {**_json(_ref(Kept.__name__), "kept"), "headers": {"Location": location}}
    return {
        "operationId": "contents.upload",
        "tags": ["contents"],
        "summary": "上传文件 / send a file, for commands to name by its hash",
        "description": f"角色 / roles: {', '.join(sorted(SENDERS.roles))}. {', '.join(FORMATS.values())}.",
        "parameters": [],
        "requestBody": {"required": True, "content": {"application/octet-stream": {"schema": _BYTES}}},
        "responses": {"200": answer, "201": answer, **_problems()},
    }


def _content() -> dict[str, Any]:
    schema = {"type": "string", "pattern": f"^{CONTENT_HASH}$"}
    name = {"name": "hash", "in": "path", "required": True, "description": both("field", "content"), "schema": schema}
    return {
        "operationId": "contents.one",
        "tags": ["contents"],
        "summary": "取回文件 / a file, as it was sent",
        "description": f"角色 / roles: {', '.join(sorted(READERS.roles))}.",
        "parameters": [name],
        "responses": {
            "200": {"description": "the file", "content": {media: {"schema": _BYTES} for media in FORMATS}},
            **_problems(),
        },
    }


_BYTES = {"type": "string", "format": "binary"}


def _header(name: str, pattern: str, description: str) -> dict[str, Any]:
    schema = {"type": "string", "pattern": pattern}
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


def _id(kind: str, name: str = "id") -> dict[str, Any]:
    schema = {"type": "string", "pattern": f"^{syntax_of(kind)}$"}
    return {"name": name, "in": "path", "required": True, "description": both("field", name), "schema": schema}


def _parameter(name: str, schema: dict[str, Any], where: str) -> dict[str, Any]:
    schema = {key: value for key, value in schema.items() if key != "description"}
    if schema.get("anyOf"):
        schema = {**schema, "anyOf": [s for s in schema["anyOf"] if s != {"type": "null"}]}
    schema.pop("default", None)
    return {
        "name": name,
        "in": where,
        "required": where == "path",
        "description": both("field", name),
        "schema": schema,
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": REF.format(name=name)}


def _json(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _problems() -> dict[str, Any]:
    content = {"application/problem+json": {"schema": _ref("Problem")}}
    return {status: {"description": text, "content": content} for status, text in PROBLEMS.items()}


def _log_path(slug: str, summary: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    page = {
        "type": "object",
        "required": ["items"],
        "properties": {
            "items": {"type": "array", "items": {"type": "object"}},
            "after": {"type": ["integer", "null"]},
            "head": {"type": "integer"},
            "version": {"type": "integer"},
        },
    }
    found = _json(page, "events")
    if slug == "log.events":
        found["content"]["text/event-stream"] = {"schema": {"type": "string"}}
    return {
        "get": {
            "operationId": slug,
            "tags": ["log"],
            "summary": summary,
            "parameters": parameters,
            "responses": {"200": found, **_problems()},
        }
    }


def _number(name: str, least: int, most: int, description: str) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": least, "maximum": most}
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


_PAGE = [
    _number("after", 0, (1 << 62) - 1, "此位置之后 / behind this position"),
    _number("limit", 1, 1000, "至多 / at most"),
    {"name": "type", "in": "query", "required": False, "description": "事件类型 / types", "schema": {"type": "string"}},
]
_ANY_ID = {
    "name": "id", "in": "path", "required": True, "description": "编号 / id",
    "schema": {"type": "string", "pattern": f"^{SYNTAX}$"},
}  # fmt: skip
_OPENED = {
    "name": "opened", "in": "query", "required": False, "description": "解封文字 / with its texts opened",
    "schema": {"type": "boolean"},
}  # fmt: skip
_FIELD = {
    "name": "field", "in": "query", "required": False, "description": "只看此项 / only what changed this field",
    "schema": {"type": "string"},
}  # fmt: skip
LOG_PATHS = {
    "/events": _log_path("log.events", "事件流 / the feed", [*_PAGE, _OPENED]),
    "/streams/{id}": _log_path("log.stream", "一物之历史 / the history of one thing", [_ANY_ID, _FIELD]),
    "/about/{id}": _log_path("log.about", "一切提及之事 / everything that mentions a thing", [_ANY_ID, *_PAGE]),
}


def _health_path(slug: str, summary: str, responses: dict[str, Any]) -> dict[str, Any]:
    operation = {"operationId": slug, "tags": ["health"], "summary": summary, "parameters": [], "security": []}
    return {"get": {**operation, "responses": {**responses, "408": _problems()["408"]}}}


_READY = {
    "type": "object",
    "required": ["ready", "problems", "head", "position", "lag_seconds", "parked", "schema"],
    "properties": {
        "ready": {"type": "boolean"},
        "problems": {"type": "array", "items": {"type": "string"}},
        "head": {"type": ["integer", "null"]},
        "position": {"type": ["integer", "null"]},
        "lag_seconds": {"type": ["number", "null"]},
        "parked": {"type": ["integer", "null"]},
        "schema": {"type": "string"},
    },
}
_TEXT = {"description": "Prometheus", "content": {"text/plain": {"schema": {"type": "string"}}}}
HEALTH_PATHS = {
    "/live": _health_path("health.live", "进程应答 / the process answers", {"200": _json({"type": "object"}, "alive")}),
    "/ready": _health_path(
        "health.ready", "可受命令 / it can take commands", {"200": _json(_READY, "ready"), "503": _json(_READY, "not")}
    ),
    "/metrics": _health_path("health.metrics", "计数 / counters", {"200": _TEXT}),
}
