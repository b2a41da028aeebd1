"""Which tests are named after which clause of the regulation: `test_3_3_2_a_…` shows that 3.3.2-a works."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from projections.regulation import BY_ID

ROOT = Path(__file__).parent.parent
NUMBERED = re.compile(r"test_x?\d+_")


def written(clause: str) -> str:
    """A clause as the name of a test begins with it."""
    return f"test_{re.sub('[.-]', '_', clause.lower())}_"


def clause_of(test: str) -> str | None:
    """The clause that a test is named after, if it is after any."""
    found = [clause for clause in BY_ID if test.startswith(written(clause))]
    return max(found, key=len, default=None)


def all_tests() -> Iterator[tuple[str, str]]:
    """Every test there is: its file, its name."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield path.relative_to(ROOT).as_posix(), node.name


def by_clause(tests: Iterable[tuple[str, str]]) -> Mapping[str, list[str]]:
    """The tests of each clause, in the order of the regulation."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path, name in tests:
        if (clause := clause_of(name)) is not None:
            found[clause].append(f"{path}::{name}")
    return {clause: sorted(found[clause]) for clause in BY_ID if clause in found}
