"""Every sentence in the language of whoever reads it: English as written, Chinese from the catalogue."""

from __future__ import annotations

import gettext
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path

LOCALE = Path(__file__).parent / "locale"


class Language(StrEnum):
    """What people here read."""

    ENGLISH = "en"
    CHINESE = "zh"


def preferred(accept_language: str) -> Language:
    """The language an Accept-Language header asks for first among those we speak; English if it asks for neither."""
    best, weight = Language.ENGLISH, 0.0
    for part in accept_language.split(","):
        tag, _, quality = part.strip().partition(";q=")
        try:
            wanted = float(quality or 1)
        except ValueError:
            continue
        language = tag.partition("-")[0].lower()
        if language in set(Language) and wanted > weight:
            best, weight = Language(language), wanted
    return best


@cache
def _catalogue(language: Language) -> gettext.NullTranslations:
    if language is Language.ENGLISH:
        return gettext.NullTranslations()
    return gettext.translation("yewu", LOCALE, [language])


def translated(sentence: str, language: Language) -> str:
    """The sentence in that language, with its places still to be filled."""
    return _catalogue(language).gettext(sentence)


def say(sentence: str, values: Mapping[str, object], language: Language) -> str:
    """The sentence in that language, filled in."""
    return translated(sentence, language).format(**values)


def label(kind: str, name: str, language: Language) -> str:
    """What a command, field or event is called: its name with blanks in English, from the catalogue in Chinese."""
    if language is Language.ENGLISH:
        return name.replace("_", " ")
    return _catalogue(language).pgettext(kind, name)
