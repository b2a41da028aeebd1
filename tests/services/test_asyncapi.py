"""The AsyncAPI document is one by the rules of AsyncAPI 3.0, and covers every topic and every event."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aggregates.ids import KIND_OF_STREAM
from infra.kafka.wire import PREFIX
from services.asyncapi import document, events_on
from services.composition import topics
from services.event_schemas import events, form
from tests.services.described import Described
from tests.services.running import Yewu, done

ROOT = Path(__file__).parents[2]
TOPICS = topics(PREFIX)
DOCUMENT = document(TOPICS, "0.1.0")
FIELDS: dict[str, tuple[set[str], set[str]]] = {
    "whole": ({"asyncapi", "info"}, {"defaultContentType", "channels", "operations", "components"}),
    "info": ({"title", "version"}, {"description"}),
    "channel": ({"address", "messages"}, {"title", "description", "bindings"}),
    "channel in Kafka": ({"bindingVersion"}, {"topic", "partitions", "replicas", "topicConfiguration"}),
    "operation": ({"action", "channel"}, {"summary", "messages"}),
    "message": ({"payload"}, {"headers", "name", "title", "summary", "contentType", "bindings"}),
    "message in Kafka": ({"bindingVersion"}, {"key"}),
    "components": (set(), {"messages", "schemas"}),
}
"""Of what we use of AsyncAPI 3.0 and its bindings for Kafka 0.5.0: the fields that must be there, and that may be."""


def things() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Everything in the document whose fields AsyncAPI knows: (where, what it is, the thing)."""
    yield "whole", "whole", DOCUMENT
    yield "info", "info", DOCUMENT["info"]
    yield "components", "components", DOCUMENT["components"]
    for name, channel in DOCUMENT["channels"].items():
        yield name, "channel", channel
        yield name, "channel in Kafka", channel["bindings"]["kafka"]
    for name, operation in DOCUMENT["operations"].items():
        yield name, "operation", operation
    for name, message in DOCUMENT["components"]["messages"].items():
        yield name, "message", message
        yield name, "message in Kafka", message["bindings"]["kafka"]


@pytest.mark.parametrize(("what", "thing"), [(what, t) for _, what, t in things()], ids=[w for w, _, _ in things()])
def test_it_has_the_fields_that_async_api_asks_for_and_no_others(what: str, thing: dict[str, Any]) -> None:
    must, may = FIELDS[what]
    assert must <= thing.keys() <= must | may


def test_its_names_are_names_of_async_api() -> None:
    components = DOCUMENT["components"]
    for names in (DOCUMENT["channels"], DOCUMENT["operations"], components["messages"], components["schemas"]):
        assert [name for name in names if not re.fullmatch(r"[A-Za-z0-9._-]+", name)] == []


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for each in node.values():
            yield from references(each)
    elif isinstance(node, list):
        for each in node:
            yield from references(each)


def test_whatever_it_refers_to_is_there() -> None:
    described = Described(DOCUMENT)
    for reference in set(references(DOCUMENT)):
        assert described.resolved({"$ref": reference})


def test_an_operation_sends_the_messages_of_its_own_channel() -> None:
    assert len(DOCUMENT["operations"]) == len(DOCUMENT["channels"])
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] == "send"
        channel = operation["channel"]["$ref"]
        named = DOCUMENT["channels"][channel.removeprefix("#/channels/")]["messages"]
        assert [m["$ref"] for m in operation["messages"]] == [f"{channel}/messages/{name}" for name in named]


def test_every_topic_is_a_channel_with_as_many_partitions() -> None:
    kafka = [channel["bindings"]["kafka"] for channel in DOCUMENT["channels"].values()]
    assert {k["topic"]: k["partitions"] for k in kafka} == TOPICS.partitions
    assert {channel["address"] for channel in DOCUMENT["channels"].values()} == TOPICS.partitions.keys()


def test_topics_of_another_name_are_the_same_channels() -> None:
    other = document(topics("first.of.two"), "0.1.0")
    assert other["channels"].keys() == DOCUMENT["channels"].keys()
    assert other["channels"]["complaint.events"]["address"] == "first.of.two.complaint.events"


def test_every_event_is_on_a_topic_that_only_its_readers_read() -> None:
    for event in events():
        on = [name for name, channel in DOCUMENT["channels"].items() if form(event) in channel["messages"]]
        assert on
        assert {name.endswith(".restricted") for name in on} == {event.readers is not None}, on
    assert events_on().keys() <= set(KIND_OF_STREAM.values())


def test_what_is_served_is_what_stands_in_the_docs(yewu: Yewu) -> None:
    served = done(yewu.as_(None).get("/asyncapi.json"))
    assert served == json.loads((ROOT / "docs/asyncapi.json").read_bytes())
    assert served["channels"]["complaint.events"]["title"] == "投诉 / complaint"
