"""The log as an application of the library, which reads and writes through our mapper and recorder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Self, cast

from eventsourcing.application import Application, Repository
from eventsourcing.persistence import (
    AggregateRecorder,
    InfrastructureFactory,
    InfrastructureFactoryError,
    NotSupportedError,
    ProcessRecorder,
    TrackingRecorder,
)
from eventsourcing.utils import Environment, EnvType

from aggregates.event import Event, Origin
from infra.codec import Codec
from infra.guard_memory import Guard
from infra.library.mapping import Logged, LogMapper, Unrecorded
from infra.library.recorder import PAGE, LogRecorder


class LogFactory(InfrastructureFactory[TrackingRecorder]):
    """Opens the log that `DATABASE_URL` names."""

    def __init__(self, env: Environment | EnvType | None) -> None:
        super().__init__(env)
        self._recorders: list[LogRecorder] = []

    def application_recorder(self) -> LogRecorder:
        """A recorder that is closed with this factory."""
        conninfo = self.env.get("DATABASE_URL", "")
        if not conninfo:
            raise InfrastructureFactoryError("Say in DATABASE_URL where the log is.")
        recorder = LogRecorder(conninfo)
        self._recorders.append(recorder)
        return recorder

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        """There are no snapshots: an aggregate is recalled faster than a snapshot is read."""
        raise NotSupportedError(f"The log is kept by an application recorder; there are no {purpose} beside it.")

    def tracking_recorder(
        self,
        tracking_recorder_class: type[TrackingRecorder] | None = None,  # noqa: ARG002  # the library's signature
    ) -> TrackingRecorder:
        """Positions are kept where the view is: take the factory of its database."""
        raise NotSupportedError("The log does not track other logs: name another PERSISTENCE_MODULE for the view.")

    def process_recorder(self) -> ProcessRecorder:
        """What a policy does is a command of its own, with an id that comes from its cause."""
        raise NotSupportedError(
            "The log does not track other logs: let command ids come from the event that causes them."
        )

    def is_snapshotting_enabled(self) -> bool:
        """Never."""
        return False

    def close(self) -> None:
        """Close every recorder; a second time changes nothing."""
        for recorder in self._recorders:
            recorder.close()


class LogApplication(Application[str]):
    """The log as an application of the library: no snapshots, no cache; its mapper and recorder are ours.

    Made from an environment, as the library's runners do, it reads `DATABASE_URL` and knows every event that this
    process has imported.
    """

    name = "yewu"
    env: ClassVar[dict[str, str]] = {"ORIGINATOR_ID_TYPE": "text"}
    log_section_size = PAGE
    recorder: LogRecorder

    def __init__(self, env: EnvType | None = None, *, codec: Codec | None = None) -> None:
        self.codec = Codec(Event.known.values()) if codec is None else codec
        super().__init__(env)

    @classmethod
    def open(cls, conninfo: str, codec: Codec | None = None) -> Self:
        """The log of this database; close it, or use it in a `with`."""
        return cls({"DATABASE_URL": conninfo}, codec=codec)

    def construct_factory(self, env: Environment) -> LogFactory:
        return LogFactory(env)

    def construct_mapper(self) -> LogMapper:
        return LogMapper(self.codec)

    def construct_repository(self) -> Repository[str]:
        return Repository(event_store=self.events)

    def record(
        self, changes: Iterable[Unrecorded], *, guards: Sequence[Guard] = (), body_hash: str | None = None
    ) -> int:
        """Put events of any number of streams on record together; the last position (0 if there were none).

        IntegrityError: not one of them is on record; its cause says why.
        """
        stored = [self.mapper.to_stored_event(change) for change in changes]
        return max(self.recorder.insert_events(stored, guards=guards, body_hash=body_hash), default=0)

    def history(self, stream_id: str) -> Iterator[tuple[Event, Origin | None]]:
        """All that happened on a stream, and of which row of which file each is."""
        for stored in self.recorder.select_events(stream_id):
            record = cast("Logged[Any]", self.mapper.to_domain_event(stored))
            yield record.event, record.origin

    def versions(self, stream_ids: Iterable[str]) -> dict[str, int]:
        """At which version each of these streams is; 0 for one that nothing has been recorded on."""
        return self.recorder.versions(stream_ids)
