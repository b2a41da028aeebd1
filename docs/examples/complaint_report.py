"""A service of its own that lives on Yewu's events: complaints by channel, and what became of them.

    KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092 python docs/examples/complaint_report.py report.sqlite
    YEWU_URL=http://127.0.0.1:8000 YEWU_TOKEN=… python docs/examples/complaint_report.py report.sqlite

It reads until nobody has anything new to say, prints its report and ends; started again it goes on where it was, also
if it was killed. A service that stays calls `subscriber.run(stop)` instead.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from contextlib import closing
from typing import Any

from aggregates.event import Event, Recorded
from aggregates.service.complaint import (
    ComplaintClosed,
    ComplaintConverted,
    ComplaintReceived,
    ComplaintReopened,
    ComplaintWithdrawn,
)
from infra.kafka.client import Cluster
from services.feeds import HttpSource, KafkaSource, Source
from services.subscriber import Handler, Keeper, Subscriber

COMPLAINTS = "CREATE TABLE IF NOT EXISTS complaint (id text PRIMARY KEY, channel text, closings int, is_open int)"


class Report:
    """A table of complaints, filled by events."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        db.execute(COMPLAINTS)

    @property
    def handlers(self) -> dict[type[Event], Handler]:
        """What happens at which event. Nothing is committed here: the subscriber does it, together with its place."""
        return {
            ComplaintReceived: self.received,
            ComplaintClosed: self.closed,
            ComplaintWithdrawn: self.taken_back,
            ComplaintConverted: self.taken_back,
            ComplaintReopened: self.reopened,
        }

    def received(self, record: Recorded[ComplaintReceived]) -> None:
        """A complaint more."""
        self.db.execute("INSERT INTO complaint VALUES (?, ?, 0, 1)", (record.stream_id, record.event.channel))

    def closed(self, record: Recorded[ComplaintClosed]) -> None:
        """One less that is open."""
        self.db.execute("UPDATE complaint SET closings = closings + 1, is_open = 0 WHERE id = ?", (record.stream_id,))

    def taken_back(self, record: Recorded[ComplaintWithdrawn | ComplaintConverted]) -> None:
        """The same, without an answer."""
        self.db.execute("UPDATE complaint SET is_open = 0 WHERE id = ?", (record.stream_id,))

    def reopened(self, record: Recorded[ComplaintReopened]) -> None:
        """The customer was not satisfied after all."""
        self.db.execute("UPDATE complaint SET is_open = 1 WHERE id = ?", (record.stream_id,))

    def told(self) -> dict[str, Any]:
        """The report."""
        (received, closed, open_) = self.db.execute(
            "SELECT count(*), count(*) FILTER (WHERE closings > 0), coalesce(sum(is_open), 0) FROM complaint"
        ).fetchone()
        channels = dict(self.db.execute("SELECT channel, count(*) FROM complaint GROUP BY channel ORDER BY channel"))
        return {"received": received, "closed": closed, "open": open_, "by_channel": channels}


def source() -> Source:
    """Kafka if there is one, otherwise the feed of the API."""
    cluster = Cluster.read()
    if cluster is not None:
        return KafkaSource(cluster, kinds=["complaint"])
    return HttpSource(os.environ["YEWU_URL"], lambda: os.environ["YEWU_TOKEN"])


def main() -> None:
    """Read what is there, and say what it comes to."""
    with closing(sqlite3.connect(sys.argv[1])) as db, closing(subscribed(Report(db))) as subscriber:
        while subscriber.step(seconds=2.0) or subscriber.lag().waiting:
            pass
        print(json.dumps(Report(db).told()))  # noqa: T201  # what it is for


def subscribed(report: Report) -> Subscriber:
    """The report as a subscriber; its places lie in the same database."""
    return Subscriber("complaint-report", source(), Keeper(report.db), report.handlers)


if __name__ == "__main__":
    main()
