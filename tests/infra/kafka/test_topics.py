"""The topics on a real broker: made once, looked at ever after."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from infra.kafka.client import Cluster
from infra.kafka.topics import Drift, create, drifts, expected, mend, recorded, there
from infra.kafka.wire import SETTINGS, Topics


@pytest.fixture
def db(database: str) -> Iterator[psycopg.Connection[object]]:
    with psycopg.connect(database, autocommit=True) as db:
        yield db


def planned(cluster: Cluster) -> Topics:
    return Topics(prefix=cluster.prefix, partitions={f"{cluster.prefix}.ledger": 1, f"{cluster.prefix}.ship.events": 3})


def found(cluster: Cluster, db: psycopg.Connection[object], plan: Topics) -> list[Drift]:
    made = recorded(db)
    return drifts(plan, made, there(cluster, expected(plan, made).partitions))


def test_what_is_missing_is_made_and_then_nothing_has_drifted(cluster: Cluster, db: psycopg.Connection[object]) -> None:
    plan = planned(cluster)
    missing = found(cluster, db, plan)
    assert [drift.missing for drift in missing] == [True, True]
    create(cluster, db, plan, missing)
    assert recorded(db) == plan.partitions
    assert found(cluster, db, plan) == []
    topic = there(cluster, plan.partitions)[f"{cluster.prefix}.ship.events"]
    assert {key: topic.settings[key] for key in SETTINGS} == SETTINGS


def test_a_setting_that_has_drifted_is_named_and_can_be_set_back(
    cluster: Cluster, db: psycopg.Connection[object]
) -> None:
    plan = planned(cluster)
    create(cluster, db, plan, found(cluster, db, plan))
    name = f"{cluster.prefix}.ship.events"
    with cluster.admin() as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs={"retention.ms": "1000"})])
    (drift,) = found(cluster, db, plan)
    assert str(drift) == f"{name} has retention.ms=1000 instead of -1"
    mend(cluster, [drift], there(cluster, plan.partitions))
    assert found(cluster, db, plan) == []


def test_other_partitions_and_a_topic_that_is_gone_are_named(cluster: Cluster, db: psycopg.Connection[object]) -> None:
    plan = planned(cluster)
    create(cluster, db, plan, found(cluster, db, plan))
    name = f"{cluster.prefix}.ship.events"
    with cluster.admin() as admin:
        admin.create_partitions({name: 4})
    assert [drift.what for drift in found(cluster, db, plan)] == ["has 4 partitions instead of 3"]
    with cluster.admin() as admin:
        admin.delete_topics([name])
    (gone,) = found(cluster, db, plan)
    assert "is gone" in gone.what
    assert not gone.missing


def test_of_a_topic_that_was_made_once_the_partitions_stay(cluster: Cluster, db: psycopg.Connection[object]) -> None:
    plan = planned(cluster)
    create(cluster, db, plan, found(cluster, db, plan))
    more = Topics(prefix=plan.prefix, partitions=dict.fromkeys(plan.partitions, 12))
    assert expected(more, recorded(db)).partitions == plan.partitions
    assert found(cluster, db, more) == []
