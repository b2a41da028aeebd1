"""What docs/first-steps.md tells a newcomer to type does what it says, word for word, in a shell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.files import PDF
from tests.services.running import Yewu

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "first-steps.md").read_text()
NOT_HERE = ("make up", "source .venv/bin/activate", "yewu import helpdesk.xes.gz")
"""What a test has done already, or has no file for."""


def script() -> str:
    """All the commands of the page, one shell for all; each that fails names itself."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if not line.startswith(NOT_HERE)]
    return "\n".join(["trap 'echo \"failed: $BASH_COMMAND\"' ERR", *lines])


def test_the_first_steps_go_as_the_page_says(yewu: Yewu, tmp_path: Path) -> None:
    program = tmp_path / "yewu"
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m services.cli "$@"\n')
    program.chmod(0o755)
    (tmp_path / "contract.pdf").write_bytes(PDF)
    surroundings = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "YEWU_URL": yewu.address,
        "LANG": "en_US.UTF-8",
    }
    typed = script()
    assert typed.count("yewu ") > 20
    said = subprocess.run(
        ["bash", "-c", typed], env=surroundings, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )
    failed = [line.partition(" --")[0] for line in said.stdout.splitlines() if line.startswith("failed")]
    assert failed == ["failed: yewu complaints close $CASE", "failed: yewu contracts sign $CONTRACT"], said.stderr
    closing, signing = said.stderr.splitlines()
    assert closing == "Close only after the customer has confirmed, or the manager has declared recourse exhausted."
    assert signing == "The customer owes 0 of 0, and this adds 40000: ask for an override first."
    assert "ComplaintClosed" in said.stdout
    assert yewu.manager.get("/complaints/figures").json()["closed"] == 1
