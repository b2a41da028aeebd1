"""Folders that the account PostgreSQL runs as can get to, also where root runs the tests."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path


def reachable_folder() -> Path:
    """A new folder that goes when the tests end.

    It does not lie below pytest's own: whoever starts another pytest closes that one to everybody else.
    """
    folder = Path(tempfile.mkdtemp(prefix="yewu-tests-"))
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
