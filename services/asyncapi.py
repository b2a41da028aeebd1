"""The AsyncAPI document: every topic, and every message on it, made from the same classes that are published."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aggregates.event import (
    CommandRefused,
    Event,
    LegacyRecordImported,
    LegacySourceDescribed,
    ObligationMissed,
    ObligationsMeasured,
    RestrictedFieldsRead,
    events_of,
)
from aggregates.ids import KIND_OF_STREAM, ImportId, ReadingsId, RefusalsId, syntax_of
from infra.kafka.wire import JSON, SETTINGS, Topics
from projections.rules.catalogue import RULES
from services.catalogue import first_sentence
from services.composition import AGGREGATES, FEED_READERS
from services.event_headers import UUID
from services.event_schemas import HEADERS, LEDGER, LEDGER_HEADERS, schemas
from services.language import Language, label

BINDING = "0.5.0"
"""Of AsyncAPI's words for Kafka."""

DESCRIPTION = """\
业务管理部之日志 / The log of the Business Management Department, each event once and in the order of its stream.
CloudEvents 1.0, binary mode: the value is what is stored, to the last byte, and the headers are all other columns.
Read with isolation.level=read_committed. Texts are sealed (`~s1…`); what may be opened, the API opens.
Ignore fields, headers, types and values of enumerations that you do not know: new ones may come at any time.
Whatever else changes comes under a new schema number (`ce_schema`). See docs/events-on-kafka.md."""


def document(topics: Topics, version: str) -> dict[str, Any]:
    """The whole document as it is served under /asyncapi.json."""
    forms = schemas()
    lying = {kind: list(events) for kind, events in events_on().items()}
    channels = {"ledger": _channel(topics, topics.ledger, "", list(LEDGER))}
    for name in sorted(topics.partitions.keys() - {topics.ledger}):
        _, kind, sort = name.rsplit(".", 2)
        events = [e for e in lying.get(kind, ()) if (e.readers is not None) == (sort == "restricted")]
        channels[f"{kind}.{sort}"] = _channel(topics, name, kind, _forms_of(events, forms))
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Yewu 业务", "version": version, "description": DESCRIPTION},
        "defaultContentType": JSON.decode(),
        "channels": channels,
        "operations": {f"send.{name}": _operation(name, channel) for name, channel in channels.items()},
        "components": {
            "messages": dict(_event_messages(lying, forms)) | {name: _entry(name) for name in LEDGER},
            "schemas": forms,
        },
    }


def events_on() -> dict[str, list[type[Event]]]:
    """By the kind of stream, the events that may lie on streams of it."""
    lying: dict[str, set[type[Event]]] = {
        KIND_OF_STREAM[kind.id]: {*events_of(kind.aggregate), LegacyRecordImported} for kind in AGGREGATES
    }
    for rule in RULES:
        lying[KIND_OF_STREAM[rule.cases]] |= {ObligationMissed, ObligationsMeasured}
    lying |= {
        KIND_OF_STREAM[ImportId]: {LegacySourceDescribed},
        KIND_OF_STREAM[ReadingsId]: {RestrictedFieldsRead},
        KIND_OF_STREAM[RefusalsId]: {CommandRefused},
    }
    return {kind: sorted(events, key=lambda event: event.__name__) for kind, events in lying.items()}


def _forms_of(events: Iterable[type[Event]], forms: Iterable[str]) -> list[str]:
    """Every form in which these events may be met: today's, and those that they once had."""
    wanted = {event.__name__ for event in events}
    return [name for name in forms if name.rpartition(".")[0] in wanted]


def _channel(topics: Topics, name: str, kind: str, messages: list[str]) -> dict[str, Any]:
    settings: dict[str, Any] = {"cleanup.policy": [SETTINGS["cleanup.policy"]]}
    settings |= {key: int(SETTINGS[key]) for key in ("retention.ms", "retention.bytes", "max.message.bytes")}
    partitions = topics.partitions[name]
    kafka = {"topic": name, "partitions": partitions, "topicConfiguration": settings, "bindingVersion": BINDING}
    if not kind:
        title, said = "账簿 / ledger", "What each transaction carried, with Merkle roots; and which topics there are."
    else:
        title, said = f"{label('kind', kind, Language.CHINESE)} / {kind}", _who_reads(name)
    return {
        "address": name,
        "title": title,
        "description": said,
        "messages": {message: _ref("messages", message) for message in messages},
        "bindings": {"kafka": kafka},
    }


def _who_reads(topic: str) -> str:
    if topic.endswith(".restricted"):
        return "受限事件 / restricted events: only for whom each message names. Grant this topic to nobody else."
    return f"For {', '.join(sorted(FEED_READERS.roles))}; key: the id of the stream, whose events stay in order."


def _operation(name: str, channel: dict[str, Any]) -> dict[str, Any]:
    messages = [{"$ref": f"#/channels/{name}/messages/{message}"} for message in channel["messages"]]
    summary = f"Each transaction of events to {channel['address']}."
    return {"action": "send", "channel": {"$ref": f"#/channels/{name}"}, "summary": summary, "messages": messages}


def _event_messages(
    lying: Mapping[str, list[type[Event]]], forms: Iterable[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    kinds_of: dict[type[Event], list[str]] = {}
    for kind in sorted(lying):
        for event in lying[kind]:
            kinds_of.setdefault(event, []).append(kind)
    for event in sorted(kinds_of, key=lambda event: event.__name__):
        for name in _forms_of([event], forms):
            yield name, _event_message(event, name, kinds_of[event])


def _event_message(event: type[Event], name: str, kinds: list[str]) -> dict[str, Any]:
    readers = "" if event.readers is None else f" Only for {', '.join(sorted(event.readers.roles))}."
    chinese, number = label("event", event.__name__, Language.CHINESE), name.rpartition(".")[2]
    key = {"type": "string", "pattern": f"^({'|'.join(map(syntax_of, kinds))})$"}
    told = {
        "ce_type": {"const": event.__name__},
        "ce_schema": {"const": number},
        "ce_source": {"enum": [f"/{kind}" for kind in kinds]},
        "ce_subject": key,
    }
    own = "" if event.__doc__ in {None, Event.__doc__} else first_sentence(event)
    return {
        "name": event.__name__,
        "title": f"{event.__name__} {chinese}, schema {number}",
        "summary": f"{chinese} / {' '.join(_words(event.__name__))}. {own}{readers}".strip(),
        "contentType": JSON.decode(),
        "headers": {"type": "object", "allOf": [_ref("schemas", HEADERS), {"properties": told}]},
        "payload": _ref("schemas", name),
        "bindings": {"kafka": {"key": key, "bindingVersion": BINDING}},
    }


def _entry(name: str) -> dict[str, Any]:
    told = {"ce_type": {"const": name}, "ce_source": {"const": "/ledger"}}
    return {
        "name": name,
        "title": name,
        "summary": first_sentence(LEDGER[name]),
        "contentType": JSON.decode(),
        "headers": {"type": "object", "allOf": [_ref("schemas", LEDGER_HEADERS), {"properties": told}]},
        "payload": _ref("schemas", name),
        "bindings": {"kafka": {"key": UUID, "bindingVersion": BINDING}},
    }


def _words(name: str) -> Iterator[str]:
    """`ComplaintReceived` -> complaint, received."""
    start = 0
    for end in range(1, len(name) + 1):
        if end == len(name) or name[end].isupper():
            yield name[start:end].lower()
            start = end


def _ref(where: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{where}/{name}"}
