"""Sealed texts are opened here, in what goes out, for whoever has the right; what few may read leaves a trace."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from aggregates.actor import Role
from aggregates.ids import AnyId
from aggregates.refused import Refused
from aggregates.sealed import Secrecy, parts_of
from aggregates.text import Code, Text
from infra.dispatcher import Principal
from infra.sealing import Opened, Sealing
from services.composition import RESTRICTED_READERS
from services.http.differences import Change
from services.language import Language, say
from services.runtime import Runtime

MASK = "•••••"
"""Stands for what somebody else may read."""

ERASED = Refused("This has been erased.")
CLOSED = Refused("This cannot be opened: it has been noted.")
ORDINARY = frozenset({Secrecy.TEXT, Secrecy.PERSONAL})


class Viewer(NamedTuple):
    """Somebody who has been admitted to an answer. `through`: the question; `opens`: what that gives the right to."""

    by: Principal
    roles: frozenset[Role]
    through: str
    language: Language
    opens: frozenset[Secrecy] = ORDINARY


class Opening:
    """Opens what a reader may read, and has recorded who read what few may read."""

    def __init__(self, runtime: Runtime) -> None:
        self._sealer, self._readings = runtime.sealer, runtime.readings

    async def shown(self, document: bytes, reader: Viewer, *, recorded: bool = True) -> bytes:
        """A JSON document as the reader may see it. Not `recorded`: the same is shown, and recorded, beside it."""
        if not isinstance(self._sealer, Sealing):
            return document
        read: defaultdict[AnyId, set[Code]] = defaultdict(set)
        opened = await self._sealer.opened(document, lambda text: _shown(text, reader, read))
        if read and recorded:
            self._readings.note(reader.by, reader.roles, Code(reader.through), read)
        return opened

    async def changes(self, changes: list[Change], reader: Viewer, *, recorded: bool = True) -> list[Change]:
        """What each event changed, as the reader may see it; what reads the same before and after has not changed."""
        document = await self.shown(msgspec.json.encode(changes), reader, recorded=recorded)
        shown = msgspec.json.decode(document, type=list[Change])
        return [{name: pair for name, pair in change.items() if pair[0] != pair[1]} for change in shown]

    async def texts(self, texts: Sequence[Text]) -> list[str | None]:
        """What ordinary texts say, for a question that compares them."""
        sealer = self._sealer
        if not isinstance(sealer, Sealing):
            return list(texts)
        seals = [parts_of(text) for text in texts]
        await sealer.ring.load({seal.ref for seal in seals if seal is not None})
        return [
            str(text) if seal is None else sealer.open(text).text if seal.secrecy in ORDINARY else None
            for text, seal in zip(texts, seals, strict=True)
        ]

    async def said(self, values: Mapping[str, object], language: Language) -> Mapping[str, object]:
        """What is filled into a sentence for the person who gave the command, and may read what it says."""
        sealer = self._sealer
        if not isinstance(sealer, Sealing):
            return values
        return {
            name: await sealer.opened_text(value, lambda text: _text(text, language))
            if isinstance(value, str)
            else value
            for name, value in values.items()
        }


def _shown(text: Opened, reader: Viewer, read: defaultdict[AnyId, set[Code]]) -> str:
    """The text, a mask or a sentence; of what few may read, note whose it is."""
    whose = text.subject or ""
    if text.seal.secrecy is not Secrecy.RESTRICTED:
        return _text(text, reader.language) if text.seal.secrecy in reader.opens else MASK
    if whose == reader.by.id:
        return _text(text, reader.language)
    if RESTRICTED_READERS.isdisjoint(reader.roles):
        return MASK
    if text.text is not None:
        read[AnyId(whose)].add(Code(text.seal.field))
    return _text(text, reader.language)


def _text(text: Opened, language: Language) -> str:
    if text.text is not None:
        return text.text
    return say((ERASED if text.erased else CLOSED).sentence, {}, language)
