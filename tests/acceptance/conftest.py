"""One department for all scenarios of a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import new_database
from tests.services.running import Yewu, running


@pytest.fixture(scope="module")
def yewu(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yewu]:
    for database in new_database(postgres):
        with running(database, Path(tmp_path_factory.mktemp("home"))) as yewu:
            yield yewu
