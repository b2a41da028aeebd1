"""The topics: which there must be and how they must be set, what is there, and what has drifted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import psycopg
from kafka.admin import ConfigResource, ConfigResourceType

from aggregates.value import Value
from infra.kafka.client import Cluster
from infra.kafka.wire import SETTINGS, Topics

MOST_COPIES = 3


class Drift(Value):
    """Something about a topic is not as it must be. `missing`: it is not there at all, and never was."""

    topic: str
    what: str
    missing: bool = False

    def __str__(self) -> str:
        return f"{self.topic} {self.what}"


class Topic(Value):
    """A topic as it is there."""

    partitions: int
    copies: int
    settings: Mapping[str, str]


def recorded(db: psycopg.Connection[Any]) -> dict[str, int]:
    """The topics that were made once, as PostgreSQL remembers them."""
    return dict(db.execute("SELECT name, partitions FROM yewu.topic ORDER BY name").fetchall())


def expected(planned: Topics, recorded: Mapping[str, int]) -> Topics:
    """What must be there: of what was made once the number of partitions stays."""
    return Topics(prefix=planned.prefix, partitions=dict(planned.partitions) | dict(recorded))


def there(cluster: Cluster, names: Iterable[str]) -> dict[str, Topic]:
    """Those of the topics that exist, as they are. KafkaAway if nobody says."""
    wanted = set(names)
    with cluster.admin() as admin:
        found = {t["name"]: t["partitions"] for t in admin.describe_topics() if t["name"] in wanted}
        if not found:
            return {}
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in found]
        told = admin.describe_configs(asked, config_filter="all")["topic"]
    return {
        name: Topic(
            partitions=len(partitions),
            copies=min(len(p["replica_nodes"]) for p in partitions),
            settings={key: said["value"] for key, said in told[name].items()},
        )
        for name, partitions in found.items()
    }


def drifts(planned: Topics, recorded: Mapping[str, int], there: Mapping[str, Topic]) -> list[Drift]:
    """Whatever is not as it must be."""
    found: list[Drift] = []
    for name, partitions in expected(planned, recorded).partitions.items():
        topic = there.get(name)
        if topic is None:
            gone = "is gone: it was made once and what it held is lost" if name in recorded else "is not there yet"
            found.append(Drift(topic=name, what=gone, missing=name not in recorded))
            continue
        if name not in recorded and topic.partitions == partitions:
            found.append(Drift(topic=name, what="is there and not recorded yet", missing=True))
        if topic.partitions != partitions:
            found.append(Drift(topic=name, what=f"has {topic.partitions} partitions instead of {partitions}"))
        needed = {**SETTINGS, "min.insync.replicas": str(max(1, topic.copies - 1))}
        for key, value in needed.items():
            if (said := topic.settings.get(key)) != value:
                found.append(Drift(topic=name, what=f"has {key}={said} instead of {value}"))
    return found


def create(cluster: Cluster, db: psycopg.Connection[Any], planned: Topics, missing: Iterable[Drift]) -> None:
    """Make what is missing, and record it."""
    names, wanted = {drift.topic for drift in missing}, planned.partitions
    exist = there(cluster, names)
    with cluster.admin() as admin:
        copies = min(MOST_COPIES, len(admin.describe_cluster()["brokers"]))
        settings = {**SETTINGS, "min.insync.replicas": str(max(1, copies - 1))}
        new = {
            name: {"num_partitions": wanted[name], "replication_factor": copies, "configs": settings}
            for name in sorted(names - exist.keys())
        }
        if new:
            admin.create_topics(new)
            admin.wait_for_topics(list(new))
    with db.transaction():
        for name in sorted(names):
            db.execute(
                "INSERT INTO yewu.topic (name, partitions) VALUES (%s, %s) ON CONFLICT (name) DO NOTHING",
                (name, wanted[name]),
            )


def mend(cluster: Cluster, drifts: Iterable[Drift], there: Mapping[str, Topic]) -> None:
    """Set what has drifted in the settings of topics back to what it must be; partitions nobody can mend."""
    asked = [
        ConfigResource(
            ConfigResourceType.TOPIC,
            name,
            configs={**SETTINGS, "min.insync.replicas": str(max(1, there[name].copies - 1))},
        )
        for name in sorted({drift.topic for drift in drifts if not drift.missing and drift.topic in there})
    ]
    if asked:
        with cluster.admin() as admin:
            admin.alter_configs(asked)
