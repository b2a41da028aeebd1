"""Every conformance rule there is, by the part of the regulation it comes from."""

from __future__ import annotations

from collections.abc import Mapping

from projections.rules import contracts, credit, customers, development, legal, organisation, records, service
from projections.rules.rule import Rule

RULES: tuple[Rule, ...] = (
    *organisation.RULES,
    *service.RULES,
    *development.RULES,
    *customers.RULES,
    *contracts.RULES,
    *credit.RULES,
    *legal.RULES,
    *records.RULES,
)
BY_NUMBER: Mapping[str, Rule] = {rule.number: rule for rule in RULES}
