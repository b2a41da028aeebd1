"""The seeded bugs still fit the code, and the tests that catch them are still there: `make mutants` tries them."""

from __future__ import annotations

import ast

import pytest

from tests.mutants.table import MUTANTS, ROOT, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_a_seeded_bug_still_fits_and_its_test_is_there(mutant: Mutant) -> None:
    bug = mutant.applied((ROOT / mutant.file).read_text())
    if mutant.file.endswith(".py"):
        ast.parse(bug)
    file, _, test = mutant.test.partition("::")
    defined = ast.walk(ast.parse((ROOT / file).read_text()))
    assert test.partition("[")[0] in {
        each.name for each in defined if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_no_bug_has_the_name_of_another() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 14
