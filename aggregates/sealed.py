"""What a sealed text looks like from outside: how secret it is, under whose key, and what it is found by."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

from msgspec import UNSET, UnsetType

from aggregates.text import Index

MARK = "~s1"
"""How the first version of the form begins; nothing that people send may begin like it."""


class Secrecy(StrEnum):
    """What kind of text it is, and so who may read it."""

    TEXT = "T"
    PERSONAL = "P"
    RESTRICTED = "R"


class Sealed(NamedTuple):
    """The parts of `~s1<secrecy>.<ref of the key>.<field>.<nonce and ciphertext>[.<index>]`, which stand as text."""

    secrecy: Secrecy
    ref: str
    field: str
    secret: str
    found_by: Index | None = None

    @property
    def head(self) -> str:
        """What is said openly and cannot be changed without breaking the seal."""
        said = f"{MARK}{self.secrecy}.{self.ref}.{self.field}"
        return said if self.found_by is None else f"{said}.{self.found_by}"

    def __str__(self) -> str:
        whole = f"{MARK}{self.secrecy}.{self.ref}.{self.field}.{self.secret}"
        return whole if self.found_by is None else f"{whole}.{self.found_by}"


FORM = re.compile(rf"{MARK}([TPR])\.([\w-]{{11}})\.([a-z0-9_]+)\.([\w-]+)(?:\.([\w-]{{22}}))?", re.ASCII)


def parts_of(text: str) -> Sealed | None:
    """The parts of a sealed text; None for one that lies open, as in logs of old."""
    found = FORM.fullmatch(text)
    if found is None:
        return None
    secrecy, ref, field, secret, index = found.groups()
    return Sealed(Secrecy(secrecy), ref, field, secret, None if index is None else Index(index))


def index_of(text: str | UnsetType | None) -> Index | None:
    """What a sealed text is found by, if it can be; the only thing that a view may ask of a text."""
    if text is None or text is UNSET or not text.startswith(MARK):
        return None
    parts = parts_of(text)
    return None if parts is None else parts.found_by
