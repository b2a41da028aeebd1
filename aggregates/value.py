"""Everything we say, remember or answer is a value: frozen, and spelt out field by field."""

from __future__ import annotations

from typing import Any, dataclass_transform

import msgspec


@dataclass_transform(frozen_default=True, kw_only_default=True)
class _ValueMeta(msgspec.StructMeta):
    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **config: Any) -> Any:
        defaults = {"frozen": True, "kw_only": True, "forbid_unknown_fields": True}
        return super().__new__(mcls, name, bases, namespace, **defaults | config)


class Value(msgspec.Struct, metaclass=_ValueMeta):
    """A frozen struct whose fields are given by name; decoding it refuses what it does not know."""
