"""Everything we say, remember or answer is a value: frozen, and spelt out field by field."""

from __future__ import annotations

from typing import dataclass_transform

import msgspec


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A frozen struct whose fields are given by name; decoding it refuses what it does not know.

    Required fields come before those with a default. That names are given is what the type checker sees to: a metaclass
    that made msgspec see to it would make every value three times as dear on Python 3.11, where the classes of a
    metaclass written in Python lose the fast call.
    """
