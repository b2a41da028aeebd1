"""The golden file: an example of every form in which events were ever stored, so that none changes unnoticed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from aggregates.event import Envelope
from infra.codec import Codec, encode
from tests.infra.examples import all_events, example

FILE = Path(__file__).with_name("stored_forms.json")
ENVELOPE = "Envelope"
STREAM = "its-own-stream"


class Form(msgspec.Struct):
    """What the log holds of one example."""

    type: str
    schema: int
    data: dict[str, Any]
    tags: tuple[str, ...] = ()
    held: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """Stands for ever for this form."""
        return f"{self.type} {self.schema}"


def present_forms() -> list[Form]:
    """How this version of the code stores an example of everything."""
    events = all_events()
    codec = Codec(events)
    stored = [codec.stored(STREAM, example(event)) for event in events]
    forms = [Form(s.type, s.schema, json.loads(s.data), s.tags, s.held) for s in stored]
    return [*forms, Form(ENVELOPE, 1, json.loads(encode(example(Envelope))))]


def golden_forms() -> dict[str, Form]:
    """The forms on record."""
    return msgspec.json.decode(FILE.read_bytes(), type=dict[str, Form]) if FILE.exists() else {}


def stored_forms() -> str:
    """What the file should hold: all that it holds now, unchanged, and the forms that are new."""
    forms = {form.name: form for form in present_forms()} | golden_forms()
    whole = {name: msgspec.to_builtins(forms[name]) for name in sorted(forms)}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"
