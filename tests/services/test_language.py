"""Whatever people read can be read in Chinese."""

from __future__ import annotations

import string

from services.language import Language, label, preferred, say, translated
from tests.services.sentences import labels, sentences


def places(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def test_every_sentence_has_its_chinese() -> None:
    missing = {s for s in sentences() if translated(s, Language.CHINESE) == s}
    assert not missing, f"add to services/locale/zh/LC_MESSAGES/yewu.po: {sorted(missing)}"


def test_a_translation_has_the_same_places() -> None:
    assert [s for s in sentences() if places(s) != places(translated(s, Language.CHINESE))] == []


def test_every_label_has_its_chinese() -> None:
    missing = {(kind, name) for kind, name in labels() if label(kind, name, Language.CHINESE) == name}
    assert not missing, f"add to services/locale/zh/LC_MESSAGES/yewu.po: {sorted(missing)}"


def test_the_first_language_that_we_speak_is_taken() -> None:
    assert preferred("fr, zh-CN;q=0.8, en;q=0.5") is Language.CHINESE
    assert preferred("en-GB, zh;q=0.9") is Language.ENGLISH
    assert preferred("") is Language.ENGLISH
    assert preferred("zh;q=much") is Language.ENGLISH


def test_a_sentence_is_filled_in() -> None:
    assert say("There is no {id}.", {"id": "complaint-1"}, Language.CHINESE) == "没有 complaint-1。"
