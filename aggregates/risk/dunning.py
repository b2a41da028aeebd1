"""The words of dunning: who reminds customers of what they owe, by which steps, and why nobody does for a while."""

from __future__ import annotations

from enum import StrEnum, auto

from aggregates.actor import Role

COLLECTORS = (Role.FINANCE, Role.BUSINESS_DEVELOPMENT, Role.BUSINESS_DEVELOPMENT_LEAD)
"""Whoever reminds customers of what they owe."""


class Level(StrEnum):
    """The steps of the dunning ladder, each after the other."""

    REMINDER = "reminder"
    FIRST = "first"
    SECOND = "second"
    FINAL = "final"


LEVELS = tuple(Level)


class Hold(StrEnum):
    """Why nobody is reminded for the time being. Of several the last one counts."""

    NONE = auto()
    DISPUTE = auto()
    PROMISE = auto()
    PAUSE = auto()
