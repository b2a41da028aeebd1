"""What the tests of keys share: a store of either kind, which each process opens for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from infra.keys import KeyStore, open_keys

Open: TypeAlias = Callable[[], KeyStore]


@pytest.fixture(params=["sqlite", "postgres"])
def again(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same store, as often as it is called."""
    opened: list[KeyStore] = []
    url = request.getfixturevalue("empty_database") if request.param == "postgres" else None

    def open_() -> KeyStore:
        opened.append(open_keys(tmp_path / "keys.sqlite", url))
        return opened[-1]

    yield open_
    for store in opened:
        store.close()
