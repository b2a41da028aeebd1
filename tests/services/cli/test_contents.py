"""At the terminal a file stands for its hash: `@path` sends it first."""

from __future__ import annotations

from pathlib import Path

import pytest

from aggregates.business.terms import Terms
from aggregates.text import Code, ContentHash
from services.cli.client import SaidNo
from services.cli.derived import _sent
from tests.files import PDF, PNG, PROGRAM, hash_of
from tests.services.cli.terminal import Terminal


def test_a_file_is_sent_and_stands_for_its_hash(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "contract.pdf").write_bytes(PDF)
    (tmp_path / "plan.png").write_bytes(PNG)
    one, two = f"@{tmp_path / 'contract.pdf'}", f"@{tmp_path / 'plan.png'}"
    assert _sent(one, ContentHash | None) == hash_of(PDF)
    assert terminal.yewu.manager.get(f"/contents/{hash_of(PDF)}").content == PDF
    assert _sent(f'["{one}", "{two}"]', tuple[ContentHash, ...]) == [hash_of(PDF), hash_of(PNG)]
    terms = _sent(f'{{"content": "{one}", "amount": "{one}"}}', Terms)
    assert terms == {"content": hash_of(PDF), "amount": one}
    assert _sent(hash_of(PDF), ContentHash) == hash_of(PDF)
    assert _sent(one, Code) == one


def test_what_cannot_be_sent_is_said(terminal: Terminal, tmp_path: Path) -> None:
    with pytest.raises(SaidNo, match=r"nothing\.pdf cannot be read \(No such file or directory\)"):
        _sent(f"@{tmp_path / 'nothing.pdf'}", ContentHash)
    (tmp_path / "tool.pdf").write_bytes(PROGRAM)
    with pytest.raises(SaidNo, match="Its bytes show"):
        _sent(f"@{tmp_path / 'tool.pdf'}", ContentHash)
