"""Projectors from Kafka, killed, frozen and joined while a relay publishes: the rows are those of a rebuild."""

from __future__ import annotations

import pytest

from infra.kafka.client import Cluster
from tests.faults.projectors import LONGEST, Fault, run


@pytest.mark.parametrize("seed", [3])
def test_killed_frozen_and_joined_they_keep_the_rows_that_a_rebuild_makes(
    database: str, cluster: Cluster, seed: int
) -> None:
    events, faults, longest = run(database, cluster, seed, 20)
    assert events > 500
    assert faults.keys() >= {Fault.KILLED, Fault.FROZEN, Fault.JOINED}
    assert longest <= LONGEST
