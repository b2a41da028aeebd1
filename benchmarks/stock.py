"""The rival: `eventsourcing` as its documentation uses it, with its own aggregates, transcoder and recorder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.conninfo import conninfo_to_dict

from benchmarks.harness import CALLERS
from benchmarks.sample import ACME, CODEC, META, RECEIVED, new_id


class StockComplaint(Aggregate):
    """A complaint in the style of the library's examples: rules inside methods decorated with `event`."""

    class Received(Aggregate.Created):
        customer_id: str
        channel: str
        facts: str
        remedy_sought: str
        about: str
        by: str

    class Assigned(Aggregate.Event):
        handler_id: str
        by: str

    @event(Received)
    def __init__(self, customer_id: str, channel: str, facts: str, remedy_sought: str, about: str, by: str) -> None:
        self.customer_id, self.channel, self.facts = customer_id, channel, facts
        self.remedy_sought, self.about, self.by = remedy_sought, about, by
        self.handler_id: str | None = None

    @event(Assigned)
    def assign(self, handler_id: str, by: str) -> None:
        if handler_id == self.handler_id:
            raise ValueError("it lies on this desk already")
        self.handler_id, self.by = handler_id, by


class StockComplaints(Application[UUID]):
    """What a service on the stock library does: load, command, save."""

    def receive(self, customer_id: str, channel: str, facts: str, remedy_sought: str, about: str, by: str) -> UUID:
        complaint = StockComplaint(customer_id, channel, facts, remedy_sought, about, by)
        self.save(complaint)
        return complaint.id

    def assign(self, complaint_id: UUID, handler_id: str, by: str) -> None:
        complaint: StockComplaint = self.repository.get(complaint_id)
        complaint.assign(handler_id, by)
        self.save(complaint)


def environment(conninfo: str) -> dict[str, str]:
    """How the library is told of a database; one connection for each caller."""
    where = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": where["dbname"],
        "POSTGRES_HOST": where["host"],
        "POSTGRES_PORT": where["port"],
        "POSTGRES_USER": where["user"],
        "POSTGRES_PASSWORD": "",
        "POSTGRES_POOL_SIZE": str(CALLERS),
    }


@contextmanager
def stock_application(conninfo: str) -> Iterator[StockComplaints]:
    """The rival's application, with tables of its own in this database."""
    application = StockComplaints(environment(conninfo))
    try:
        yield application
    finally:
        application.close()


@contextmanager
def stock_recorder(conninfo: str) -> Iterator[PostgresApplicationRecorder]:
    """The rival's recorder alone."""
    where = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
    with PostgresDatastore(
        where["dbname"], where["host"], where["port"], where["user"], "", pool_size=CALLERS
    ) as datastore:
        recorder = PostgresApplicationRecorder(datastore)
        recorder.create_table()
        yield recorder


def stock_event() -> StoredEvent:
    """The sample as the library stores one: the same bytes, on a stream that does not exist."""
    stored = CODEC.stored(ACME, RECEIVED)
    return StoredEvent(new_id(), 1, stored.type, stored.data + META)
