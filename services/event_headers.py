"""The headers of a record, each a text in UTF-8, as JSON Schemas: what CloudEvents asks for, and our columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from aggregates.ids import syntax_of
from infra.kafka.wire import JSON

Schema: TypeAlias = dict[str, Any]
UUID = {"type": "string", "format": "uuid"}
TIME = {"type": "string", "format": "date-time", "pattern": "Z$"}
NUMBER = {"type": "string", "pattern": "^[1-9][0-9]*$"}
ID = {"type": "string", "pattern": f"^{syntax_of('')}$"}


def of_the_ledger() -> Schema:
    """The headers of an entry of the ledger."""
    return _all_of(
        {
            "ce_specversion": {"const": "1.0"},
            "ce_type": {"type": "string", "description": "what kind of entry it is"},
            "ce_source": {"const": "/ledger"},
            "ce_id": {"type": "string", "description": "the same whenever it is sent again"},
            "ce_time": {**TIME, "description": "when the last event was recorded, or the topics were made, in UTC"},
            "content-type": {"const": JSON.decode()},
        }
    )


def of_an_event(meta: Schema) -> Schema:
    """The headers of an event: with the value, every column of the log. `meta`: the schema of the envelope."""
    return _all_of(
        {
            "ce_specversion": {"const": "1.0"},
            "ce_id": {**UUID, "description": "the event's own id"},
            "ce_source": {"type": "string", "pattern": "^/[a-z]+$", "description": "the kind of its stream"},
            "ce_type": {"type": "string", "description": "the name of the event"},
            "ce_subject": {**ID, "description": "its stream; the key of the record"},
            "ce_time": {**TIME, "description": "when it was recorded, in UTC"},
            "content-type": {"const": JSON.decode()},
            "ce_position": {**NUMBER, "description": "its place in the whole log, from 1 without gaps"},
            "ce_version": {**NUMBER, "description": "its place on its stream, from 1 without gaps"},
            "ce_schema": {**NUMBER, "description": "which form of this event the value has"},
            "ce_effectiveat": {**TIME, "description": "when it was true, in UTC; never later than ce_time"},
            "ce_actorid": {"type": "string", "description": "who did it: a person, the clock, a policy, the importer"},
            "ce_commandid": {**UUID, "description": "the command it came from; events of one command share it"},
            "ce_tags": _json({"type": "array", "items": ID, "minItems": 1}, "the streams it mentions, its own first"),
            "ce_meta": _json(meta, "its envelope: roles, reason, clause, causes, origin"),
        }
    )


def _json(inside: Schema, description: str) -> Schema:
    """A text that is JSON itself."""
    media = JSON.decode()
    return {"type": "string", "contentMediaType": media, "contentSchema": inside, "description": description}


def _all_of(headers: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "properties": dict(headers), "required": list(headers), "additionalProperties": False}
