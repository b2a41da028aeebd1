"""A terminal in front of a running Yewu."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import new_database
from tests.services.cli.terminal import Terminal
from tests.services.running import Yewu, running


@pytest.fixture(scope="module")
def open_office(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yewu]:
    """One department for all the tests of a file."""
    for database in new_database(postgres):
        with running(database, tmp_path_factory.mktemp("home")) as yewu:
            yield yewu


@pytest.fixture
def terminal(
    open_office: Yewu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Terminal:
    """The manager's."""
    for name in ("LC_ALL", "LC_MESSAGES", "YEWU_PORT", "YEWU_DEVELOPMENT_ISSUER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("YEWU_HOME", str(open_office.home))
    monkeypatch.setenv("YEWU_URL", open_office.address)
    terminal = Terminal(open_office, monkeypatch, capsys)
    terminal.look_after(open_office.database)
    terminal.sign_in(open_office.manager_id)
    return terminal
