"""Which rules cite a parameter: by their limit, by any of their stages, or by what their functions look up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import projections.rules
from projections.rules.catalogue import RULES
from projections.what_if import rules_citing


@pytest.mark.parametrize(
    ("parameter", "rules"),
    [
        ("P-02", ["R-CS-2", "R-CS-3"]),
        ("P-09", ["R-BD-8"]),
        ("P-18", ["R-BD-7", "R-RSK-6"]),
        ("P-19", ["R-RSK-5"]),
        ("P-39", ["R-GEN-1.contract"]),
        ("P-40", ["R-GEN-1.credit"]),
        ("P-41", ["R-BD-4"]),
        ("P-44", ["R-BD-2"]),
        ("P-31", []),
    ],
)
def test_a_rule_cites_every_parameter_that_its_verdicts_depend_on(parameter: str, rules: list[str]) -> None:
    assert rules_citing(parameter) == rules


def test_every_parameter_that_the_rules_name_is_cited_by_one() -> None:
    sources = Path(next(iter(projections.rules.__path__))).rglob("*.py")
    named = {number for source in sources for number in re.findall(r"P-\d\d", source.read_text(encoding="utf-8"))}
    assert {"P-02", "P-18", "P-44"} <= named
    assert named == {parameter for rule in RULES for parameter in rule.parameters}
