"""The unified social credit code of a business in China, which checks itself: GB 32100-2015."""

from __future__ import annotations

from msgspec import UnsetType

from aggregates.refused import Refused
from aggregates.text import Code

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def is_credit_code(code: str) -> bool:
    """Is it one: 18 characters, of which the last one checks the others?"""
    if len(code) != 18 or not set(code) <= set(ALPHABET) or not code[2:8].isdigit():
        return False
    weighted = sum(ALPHABET.index(character) * pow(3, place, 31) for place, character in enumerate(code[:17]))
    return ALPHABET[-weighted % 31] == code[17]


def check_credit_code(credit_code: Code | UnsetType | None) -> None:
    """Refused if one is told that is none."""
    if isinstance(credit_code, str) and not is_credit_code(credit_code):
        raise Refused("{code} is no unified social credit code: compare it with the licence.", code=credit_code)
