"""Who sees what of a sealed text: the text, a mask, or why it cannot be shown."""

from __future__ import annotations

from collections import defaultdict

import pytest

from aggregates.actor import Role
from aggregates.ids import AnyId
from aggregates.sealed import Sealed, Secrecy
from aggregates.text import Code
from infra.dispatcher import Principal
from infra.sealing import Opened
from services.http.opening import MASK, ORDINARY, Viewer, _shown
from services.language import Language

ANNA, BEN = "employee-anna", "employee-ben"


def seen(secrecy: Secrecy, reader: Viewer, *, erased: bool = False) -> tuple[str, dict[AnyId, set[Code]]]:
    """What a reader sees of a text of Ben's, and what is noted of it."""
    read: defaultdict[AnyId, set[Code]] = defaultdict(set)
    seal = Sealed(secrecy, "AAAAAAAAAAA", "phone", "AAAA")
    text = Opened(seal, BEN, None if erased else "555", erased=erased)
    return _shown(text, reader, read), dict(read)


def by(person: str, role: Role, opens: frozenset[Secrecy] = ORDINARY) -> Viewer:
    return Viewer(Principal(person), frozenset({role}), "employees.one", Language.ENGLISH, opens)


@pytest.mark.parametrize(
    ("secrecy", "reader", "shown", "noted"),
    [
        (Secrecy.TEXT, by(ANNA, Role.MEMBER), "555", False),
        (Secrecy.PERSONAL, by(ANNA, Role.MEMBER), "555", False),
        (Secrecy.PERSONAL, by(ANNA, Role.SERVICE, frozenset()), MASK, False),
        (Secrecy.TEXT, by(ANNA, Role.SERVICE, frozenset()), MASK, False),
        (Secrecy.RESTRICTED, by(ANNA, Role.MEMBER), MASK, False),
        (Secrecy.RESTRICTED, by(ANNA, Role.AUDITOR), MASK, False),
        (Secrecy.RESTRICTED, by(BEN, Role.MEMBER), "555", False),
        (Secrecy.RESTRICTED, by(ANNA, Role.HUMAN_RESOURCES), "555", True),
    ],
)
def test_everybody_sees_what_they_have_the_right_to(secrecy: Secrecy, reader: Viewer, shown: str, noted: bool) -> None:
    assert seen(secrecy, reader) == (shown, {BEN: {"phone"}} if noted else {})


def test_what_is_erased_is_shown_to_nobody_and_noted_of_nobody() -> None:
    assert seen(Secrecy.RESTRICTED, by(ANNA, Role.HUMAN_RESOURCES), erased=True) == ("This has been erased.", {})
    assert seen(Secrecy.RESTRICTED, by(ANNA, Role.MEMBER), erased=True) == (MASK, {})
