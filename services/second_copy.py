"""The copy in Kafka as the command line looks after it: each act by the role that may."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from aggregates.event import Event
from aggregates.value import Value
from infra.codec import Codec
from infra.kafka import topics as kafka_topics
from infra.kafka.broker import LocalKafka
from infra.kafka.client import Cluster
from infra.kafka.copy import Compared, Home, Progress, audit, bring_home
from infra.migrations import become_owner, migrate
from infra.roles import DatabaseRole, require_durable
from infra.settings import Settings
from services.addresses import address_for, address_for_migrations, database_at_hand
from services.composition import topics
from services.parts import Signals
from services.processes import NO_KAFKA, CannotRun


class TopicLine(Value):
    """A topic: how many partitions it must have, and what is not as it must be."""

    topic: str
    partitions: int
    drift: tuple[str, ...]


def cluster() -> Cluster:
    """Where Kafka is; CannotRun if nobody says."""
    found = Cluster.read()
    if found is None:
        raise CannotRun(NO_KAFKA)
    return found


def verify_topics(settings: Settings) -> list[TopicLine]:
    """Every topic there must be, with what has drifted."""
    kafka, planned = cluster(), topics(cluster().prefix)
    with psycopg.connect(address_for(DatabaseRole.PROJECTOR, settings), autocommit=True) as db:
        made = kafka_topics.recorded(db)
    wanted = kafka_topics.expected(planned, made).partitions
    drifts = kafka_topics.drifts(planned, made, kafka_topics.there(kafka, wanted))
    return [
        TopicLine(topic=name, partitions=partitions, drift=tuple(d.what for d in drifts if d.topic == name))
        for name, partitions in wanted.items()
    ]


def apply_topics(settings: Settings) -> list[TopicLine]:
    """Make the topics that are not there yet, and set back settings that have drifted; then what is still wrong."""
    kafka, planned = cluster(), topics(cluster().prefix)
    with psycopg.connect(address_for(DatabaseRole.PROJECTOR, settings), autocommit=True) as db:
        made = kafka_topics.recorded(db)
        exist = kafka_topics.there(kafka, kafka_topics.expected(planned, made).partitions)
        drifts = kafka_topics.drifts(planned, made, exist)
        kafka_topics.mend(kafka, drifts, exist)
        if missing := [drift for drift in drifts if drift.missing]:
            kafka_topics.create(kafka, db, planned, missing)
    return verify_topics(settings)


def compare(settings: Settings, progress: Progress) -> Compared:
    """Every event of the log against the copy; Flaw names the first difference."""
    with psycopg.connect(address_for(DatabaseRole.AUDITOR, settings), autocommit=True) as db:
        return audit(db, cluster(), progress)


def restore(into: str, progress: Progress) -> Home:
    """Make an empty database equal to the lost one; its first login must be allowed to prepare it."""
    migrate(into)
    with psycopg.connect(into, autocommit=True) as db:
        require_durable(db)
        become_owner(db)
        return bring_home(db, cluster(), Codec(Event.known.values()), progress, into_empty=True)


def repair(settings: Settings, progress: Progress) -> Home:
    """Append to the log what it has lost and Kafka still has."""
    with database_at_hand(settings), psycopg.connect(address_for_migrations(settings), autocommit=True) as db:
        become_owner(db)
        return bring_home(db, cluster(), Codec(Event.known.values()), progress)


def republish(settings: Settings) -> dict[str, Any]:
    """Let the relay fill a Kafka that has lost what was published; up to which position that had been."""
    kafka = cluster()
    with database_at_hand(settings), psycopg.connect(address_for_migrations(settings), autocommit=True) as db:
        become_owner(db)
        made = kafka_topics.recorded(db)
        gone = sorted(made.keys() - kafka_topics.there(kafka, made).keys())
        with db.transaction():
            (position,) = db.execute("SELECT coalesce(max(position), 0) FROM yewu.relay").fetchone() or (0,)
            db.execute("DELETE FROM yewu.relay")
            db.execute("DELETE FROM yewu.topic WHERE name = ANY(%s)", (gone,))
            db.execute("INSERT INTO yewu.republish DEFAULT VALUES ON CONFLICT DO NOTHING")
    return {"published_before": position, "topics_gone": gone}


def run_broker(home: Path, port: int, tell: Any) -> None:
    """A Kafka on this machine until a signal comes."""
    stopping = Signals()
    with LocalKafka(home, port=port) as broker:
        tell(f"Kafka is ready at {broker.servers}: KAFKA_BOOTSTRAP_SERVERS={broker.servers} make up")
        while not stopping and broker.exit_code() is None:
            stopping.wait(0.2)
        if broker.exit_code() is not None:
            raise CannotRun(f"Kafka has ended: see {broker.log}.")
    tell("Kafka stops.")
