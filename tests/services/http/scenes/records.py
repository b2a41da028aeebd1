"""Commands of records (6.2.1, 6.2.2), each in a moment in which it succeeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx

from aggregates.actor import Role
from tests.files import PDF, hash_of
from tests.services.http.stage import NUMBERS, Call, Stage
from tests.services.running import Yewu, done

CONTENT = hash_of(PDF)


def scheme(security: str = "internal") -> dict[str, object]:
    return {
        "formats": ["pdf"], "security": security, "retention_years": 30, "custodian": "REC", "place": "archive-1",
    }  # fmt: skip


def new_class(security: str = "internal") -> dict[str, object]:
    number = next(NUMBERS)
    return {"code": f"class.{number}", "name": "Contracts", "prefix": f"C{number}", "scheme": scheme(security)}


def record_class(yewu: Yewu, security: str = "internal") -> str:
    """A class of documents that has been published."""
    return str(done(yewu.manager.post("/recordclasses", json=new_class(security)))["id"])


def new_document(yewu: Yewu, **more: object) -> dict[str, object]:
    about = more.pop("about_id", None) or yewu.customer()
    return {"record_class_id": record_class(yewu), "title": "Boilers", "about_id": about, **more}


def document(yewu: Yewu, owner: httpx.Client, *acts: str, **more: object) -> str:
    """A document of somebody's, to which this has happened."""
    document_id = str(done(owner.post("/documents", json=new_document(yewu, **more)))["id"])
    for act in acts:
        by = yewu.as_(yewu.appointed(Role.RECORDS)) if act == "archive" else owner
        if act == "add-version":
            done(owner.post("/contents", content=PDF))
        done(by.post(f"/documents/{document_id}/{act}", json={} if act == "archive" else {"content": CONTENT}))
    return document_id


def _on_document(act: str, body: Mapping[str, object], *before: str) -> Callable[[Stage], Call]:
    def scenario(stage: Stage) -> Call:
        done(stage.yewu.manager.post("/contents", content=PDF))
        owner = stage.yewu.as_(stage.somebody()) if act == "review" else stage.actor
        return Call(f"/documents/{document(stage.yewu, owner, *before)}/{act}", body)

    return scenario


SCENARIOS: dict[str, Callable[[Stage], Call]] = {
    "recordclass.publish": lambda _: Call("/recordclasses", new_class()),
    "recordclass.revise": lambda s: Call(
        f"/recordclasses/{record_class(s.yewu)}/revise", {"name": "Treaties", "scheme": scheme()}
    ),
    "document.register": lambda s: Call("/documents", new_document(s.yewu)),
    "document.add_version": _on_document("add-version", {"content": CONTENT}),
    "document.review": _on_document("review", {"content": CONTENT}, "add-version"),
    "document.declare_record": _on_document("declare-record", {"content": CONTENT}, "add-version"),
    "document.archive": _on_document("archive", {}, "add-version", "declare-record"),
}


def things(yewu: Yewu) -> dict[str, Any]:
    """One of each kind, for addresses that name one."""
    owner = yewu.as_(yewu.appointed(Role.MEMBER))
    return {"record_class": record_class(yewu), "recordclass": record_class(yewu), "document": document(yewu, owner)}
