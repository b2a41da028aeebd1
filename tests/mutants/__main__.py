"""`python -m tests.mutants [words of a name…]`: seed each bug in a copy of the tree, and see its test catch it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path

from infra.embedded import EmbeddedPostgres
from tests.folders import reachable_folder
from tests.mutants.table import MUTANTS, ROOT, Mutant

TREES = ("aggregates", "projections", "infra", "services", "tests", "benchmarks", "docs")
FILES = ("pyproject.toml", "README.md", "CHANGELOG.md", "Makefile", "docker-compose.yml", "Dockerfile")
SECONDS = 300
"""After so long a test has not failed but hangs, which catches a bug as well; of several, so long for each."""

FAILED, HUNG = 1, -1


def main() -> int:
    """How many bugs nobody caught."""
    wanted = [m for m in MUTANTS if all(word in m.name for word in sys.argv[1:])]
    with tempfile.TemporaryDirectory(prefix="yewu-mutants-") as folder, EmbeddedPostgres(reachable_folder()) as server:
        tree = copied(Path(folder))
        tests = dict.fromkeys(mutant.test for mutant in wanted)
        if run(tree, tests, server.url) != 0:
            sys.stderr.write("These tests fail without any bug of ours: mend that first.\n")
            return 1
        survivors = sum([not caught(tree, mutant, server.url) for mutant in wanted])
    sys.stdout.write(f"{len(wanted) - survivors} of {len(wanted)} seeded bugs were caught.\n")
    return survivors


def copied(folder: Path) -> Path:
    """The tree without anything that was compiled, or else a bug of the same size and second would not be seen."""
    for name in TREES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    return folder


def caught(tree: Path, mutant: Mutant, server: str) -> bool:
    """Does its test fail with this bug? A test that was not even found, or could not be asked, catches nothing."""
    file = tree / mutant.file
    sound = file.read_text()
    file.write_text(mutant.applied(sound))
    try:
        found = run(tree, [mutant.test], server)
    finally:
        file.write_text(sound)
    test = mutant.test.rpartition("::")[2]
    word = {FAILED: "caught", HUNG: "caught (it hangs)", 0: "SURVIVED"}.get(found, f"NOT TRIED (status {found})")
    sys.stdout.write(f"{word:<18} {mutant.name}: {mutant.lost}\n{'':<18} {test}\n")
    sys.stdout.flush()
    return found in {FAILED, HUNG}


def run(tree: Path, tests: Collection[str], server: str) -> int:
    """Run tests in a tree; pytest's exit status."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "YEWU_TEST_DATABASE_URL": server, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command,
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS * len(tests),
        )
    except subprocess.TimeoutExpired:
        return HUNG
    if done.returncode not in {0, FAILED}:
        sys.stderr.write(done.stdout + done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
