"""A page that describes the whole interface: one file, no script, nothing from elsewhere."""

from __future__ import annotations

from html import escape
from typing import Any

STYLE = """
body{font:16px/1.5 system-ui,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif;max-width:60rem;
margin:2rem auto;padding:0 1rem;color:#1a2029;background:#fff}
h2{border-bottom:1px solid #d5dae1;margin-top:2.5rem}
details{border:1px solid #d5dae1;border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}
summary{cursor:pointer} code{background:#f1f3f6;padding:.1rem .3rem;border-radius:4px}
.get{color:#12693c}.post{color:#1f5fbf} table{border-collapse:collapse;width:100%}
td,th{text-align:left;border-bottom:1px solid #eceff3;padding:.25rem .5rem;vertical-align:top}
@media(prefers-color-scheme:dark){body{color:#e4e8ee;background:#1a2029}code{background:#2a323d}
.get{color:#7fd6a6}.post{color:#6aa3f5}h2,details{border-color:#3a4450}td,th{border-color:#2a323d}}
"""


def api_page(document: dict[str, Any]) -> str:
    """The OpenAPI document as a page for people."""
    sections: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            sections.setdefault(operation["tags"][0], []).append(_operation(path, method, operation, document))
    body = "".join(f"<h2>{escape(tag)}</h2>{''.join(items)}" for tag, items in sections.items())
    info = document["info"]
    return (
        f'<!doctype html><html lang="zh"><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
        f"<h1>{escape(info['title'])}</h1><p>{escape(info['description'])} · {escape(info['version'])} · "
        f'<a href="/openapi.json">OpenAPI</a> · <a href="/asyncapi.json">AsyncAPI</a></p>{body}'
    )


def _operation(path: str, method: str, operation: dict[str, Any], document: dict[str, Any]) -> str:
    rows = [(p["name"], p["in"], p["required"], p["description"], _type(p["schema"])) for p in operation["parameters"]]
    for media, sent in operation.get("requestBody", {}).get("content", {}).items():
        json = media == "application/json"
        rows += _fields(sent["schema"], document) if json else [("", "body", True, media, _type(sent["schema"]))]
    table = "".join(
        f"<tr><td><code>{escape(name)}</code>{' *' if required else ''}<td>{where}<td>{escape(kind)}<td>{escape(text)}"
        for name, where, required, text, kind in rows
    )
    return (
        f'<details><summary><strong class="{method}">{method.upper()}</strong> <code>{escape(path)}</code> '
        f"{escape(operation['summary'])}</summary><p>{escape(operation.get('description', ''))}</p>"
        f"<table>{table}</table></details>"
    )


def _fields(schema: dict[str, Any], document: dict[str, Any]) -> list[tuple[str, str, bool, str, str]]:
    named = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    required = set(named.get("required", ()))
    return [
        (name, "body", name in required, field.get("description", ""), _type(field))
        for name, field in named["properties"].items()
    ]


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " | ".join(_type(option) for option in schema["anyOf"])
    return str(schema.get("format") or schema.get("type") or " | ".join(map(str, schema.get("enum", ()))))
