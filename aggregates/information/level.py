"""How secret a document is, and whom that lets read it: regulation 6.2.1."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, auto

from aggregates.actor import INSIDE, Role


class Security(StrEnum):
    """From what anybody may know to what few may: 公开, 内部, 机密, 绝密."""

    PUBLIC = auto()
    INTERNAL = auto()
    CONFIDENTIAL = auto()
    SECRET = auto()

    def at_least(self, other: Security) -> bool:
        """Is it as secret as the other, or more?"""
        levels = list(Security)
        return levels.index(self) >= levels.index(other)


KEEPERS = frozenset({Role.MANAGER, Role.RECORDS, Role.AUDITOR})
LEVELS: Mapping[str, frozenset[Role]] = {
    Security.PUBLIC: INSIDE,
    Security.INTERNAL: INSIDE,
    Security.CONFIDENTIAL: KEEPERS | {Role.DEPUTY, Role.LEGAL},
    Security.SECRET: KEEPERS,
}
"""Who reads what is so secret; whoever registered a document reads it whatever it is."""
