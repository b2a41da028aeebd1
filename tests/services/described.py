"""An AsyncAPI document in the hands of somebody who has nothing else: does what arrives look as it says?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import msgspec
from jsonschema_rs import Draft202012Validator


class Described:
    """What a document says of the records on its topics, and of the events inside them."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.channels = {channel["address"]: channel for channel in document["channels"].values()}
        self._validators: dict[str, Draft202012Validator] = {}

    def problems(self, topic: str, key: bytes, headers: Mapping[str, bytes], value: bytes) -> list[str]:
        """Everything about a record that the document does not say; nothing, if it is as described."""
        said = {name: text.decode() for name, text in headers.items()}
        name = f"{said.get('ce_type')}.{said['ce_schema']}" if "ce_schema" in said else said.get("ce_type", "")
        if name not in self.channels[topic]["messages"]:
            return [f"{topic} has no message {name}"]
        message = self.resolved(self.channels[topic]["messages"][name])
        return [
            *self.wrong(message["headers"], said),
            *(wrong for header, text in said.items() for wrong in self._inside(message, header, text)),
            *self.wrong(message["bindings"]["kafka"]["key"], key.decode()),
            *self.wrong(message["payload"], msgspec.json.decode(value)),
        ]

    def of_event(self, name: str, number: int, data: Any) -> list[str]:
        """What is wrong with the inside of an event."""
        return self.wrong({"$ref": f"#/components/schemas/{name}.{number}"}, data)

    def wrong(self, schema: Any, value: Any) -> list[str]:
        """What a value has that its schema has not, or the other way round."""
        spelt = msgspec.json.encode(schema).decode()
        if spelt not in self._validators:
            whole = {"allOf": [schema], "components": self._referred}
            self._validators[spelt] = Draft202012Validator(whole, validate_formats=True)
        return [error.message for error in self._validators[spelt].iter_errors(value)]

    def resolved(self, node: Any) -> Any:
        """What a reference refers to."""
        while "$ref" in node:
            found: Any = self.document
            for step in node["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            node = found
        return node

    @cached_property
    def _referred(self) -> Any:
        return {"schemas": self.document["components"]["schemas"]}

    def _inside(self, message: Any, header: str, text: str) -> Iterator[str]:
        """What is wrong with a header that is JSON itself."""
        whole = self.resolved(message["headers"]["allOf"][0])
        inside = whole["properties"].get(header, {}).get("contentSchema")
        if inside is not None:
            yield from self.wrong(inside, msgspec.json.decode(text))
