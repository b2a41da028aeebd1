"""The judge: what somebody else reads in Kafka is the log, and the ledger says so rightly."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import psycopg

from aggregates.event import Event
from infra.codec import Codec
from infra.kafka.client import Cluster
from infra.kafka.copy import bring_home
from infra.kafka.wire import CHUNK, Manifest, header, hexes, leaf_of, published_of
from projections.merkle import Tree, root_of
from tests.faults.relaying.stage import Play
from tests.services.kafka.reading import Fetched, everything, must_be_the_log

EVERY_COLUMN = "SELECT * FROM yewu.log ORDER BY position"


def judge(play: Play) -> None:
    """AssertionError names what is missing, doubled, out of order or wrong. No relay may be at work."""
    records = everything(play.cluster)
    ledger = records.pop((f"{play.cluster.prefix}.ledger", 0))
    with psycopg.connect(play.log.url, autocommit=True) as db:
        must_be_the_log([record for of_place in records.values() for record in of_place], db)
        (head,) = db.execute("SELECT position FROM yewu.head").fetchone() or (0,)
    chunks = [msgspec.json.decode(r.value, type=Manifest) for r in ledger if header(r, "ce_type") == CHUNK]
    _judge_ledger(in_force(chunks), records, head)
    assert restored_equals(play.cluster, play.log.url, play.empty), "what is restored from Kafka is not the log"


def restored_equals(cluster: Cluster, url: str, empty: str) -> bool:
    """Is the log, restored from Kafka alone into an empty database, the same in every column?"""
    with psycopg.connect(empty, autocommit=True) as db:
        bring_home(db, cluster, Codec(Event.known.values()), into_empty=True)
        restored = db.execute(EVERY_COLUMN).fetchall()
    with psycopg.connect(url, autocommit=True) as db:
        return restored == db.execute(EVERY_COLUMN).fetchall()


def in_force(chunks: Sequence[Manifest]) -> list[Manifest]:
    """The manifests that count: one that begins where an earlier one does stands for it and for all behind it."""
    valid: list[Manifest] = []
    for chunk in chunks:
        while valid and valid[-1].first >= chunk.first:
            valid.pop()
        assert chunk.first == (valid[-1].last + 1 if valid else 1), f"the ledger leaves out what is before {chunk}"
        valid.append(chunk)
    return valid


def _judge_ledger(chunks: Sequence[Manifest], records: dict[tuple[str, int], list[Fetched]], head: int) -> None:
    """Every sum in it is that of what Kafka holds, all columns of each event."""
    assert chunks, "the ledger is empty"
    assert chunks[-1].last == head, f"the ledger ends at {chunks[-1].last}, the log at {head}"
    places, leaves = [("", 0)] * (head + 1), [b""] * (head + 1)
    for place, of_place in records.items():
        for record in of_place:
            published = published_of(record.headers, record.value)
            places[published.line.position], leaves[published.line.position] = place, leaf_of(published)
    tree = Tree()
    for chunk in chunks:
        span = range(chunk.first, chunk.last + 1)
        assert chunk.peaks == hexes(tree.peaks), f"other peaks before {chunk.first}"
        ends: dict[str, dict[int, int]] = {}
        for position in span:
            topic, partition = places[position]
            ends.setdefault(topic, {})[partition] = position
            tree.add(leaves[position])
        assert chunk.ends == ends, f"other ends of {chunk.first} to {chunk.last}"
        assert chunk.root == root_of(leaves[position] for position in span).hex(), f"another root at {chunk.first}"
        assert chunk.tree == tree.root().hex(), f"another tree at {chunk.last}"
