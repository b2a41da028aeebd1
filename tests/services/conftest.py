"""A running Yewu for tests of what surrounds it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.running import Yewu, running


@pytest.fixture
def yewu(database: str, tmp_path: Path) -> Iterator[Yewu]:
    """A department founded a moment ago, with its API, projector and builder."""
    with running(database, tmp_path) as yewu:
        yield yewu
