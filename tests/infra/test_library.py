"""The log through the interfaces of `eventsourcing`: its own contract, and nothing of ours lost on the way."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import Any, ClassVar
from uuid import UUID, uuid4

import psycopg
import pytest
from eventsourcing.application import AggregateNotFoundError
from eventsourcing.persistence import (
    DataError,
    InfrastructureFactoryError,
    IntegrityError,
    InterfaceError,
    MapperDeserialisationError,
    Notification,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    StoredEvent,
    Tracking,
)
from eventsourcing.popo import POPOTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.tests import persistence as contract

from aggregates.actor import ActorKind, Role
from aggregates.event import Envelope, Event, Origin
from aggregates.ids import EmployeeId
from aggregates.organisation.department import Department, RoleAssigned, RoleEnded, UnitEstablished
from aggregates.text import Code, Text
from infra.append import Appended, FactsMoved, KeyReused, Unavailable, VersionConflict
from infra.codec import Codec
from infra.guard_memory import Guard
from infra.library.application import LogApplication
from infra.library.mapping import Logged, LogNotification, Unrecorded
from infra.library.recorder import BackgroundWriter, LogRecorder
from tests.infra.appending import append, entry, whole_log
from tests.infra.examples import unlisted

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
ANNA, BEN = EmployeeId("employee-anna"), EmployeeId("employee-ben")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def application(database: str) -> Iterator[LogApplication]:
    with LogApplication.open(database) as application:
        yield application


def noted(stream_id: str, version: int, event: Event | None = None, **more: Any) -> Unrecorded:
    """Something to be put on record, by Anna."""
    event = event or UnitEstablished(unit=Code("BD"), name=Code("Business development"))
    given: dict[str, Any] = {"actor_id": ANNA, "command_id": uuid4()} | more
    return Unrecorded(stream_id=stream_id, version=version, event=event, **given)


# The library's own contract


class FromZero(LogRecorder):
    """For those of the library's tests that count versions from 0; the log counts from 1."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **options: Any) -> Sequence[int]:
        first = min((event.originator_version for event in stored_events), default=1)
        return super().insert_events(
            [
                StoredEvent(e.originator_id, e.originator_version + 1 - min(first, 1), e.topic, e.state)
                for e in stored_events
            ],
            **options,
        )


class _OnOurLog:
    """Recorders on a database of their own, with ids as text."""

    @pytest.fixture(autouse=True)
    def _give_database(self, database: str) -> Iterator[None]:
        self.recorders: list[LogRecorder] = []
        self.conninfo = database
        yield
        for recorder in self.recorders:
            recorder.close()

    def create_recorder(self) -> LogRecorder:
        self.recorders.append(FromZero(self.conninfo))
        return self.recorders[-1]

    def new_originator_id(self) -> str:
        return f"test-{uuid4()}"


class TestApplicationRecorder(_OnOurLog, contract.ApplicationRecorderTestCase[LogRecorder]):
    """All cases but `test_performance`, which only measures the time of a hundred inserts and checks nothing."""

    test_performance = None  # type: ignore[assignment]  # how unittest is told that there is no such case

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestNonInterleavingNotificationIDs(_OnOurLog, contract.NonInterleavingNotificationIDsBaseCase):
    """Two writers of a thousand events each: those of one stand together."""


# Writing


def test_everything_about_an_event_comes_back_as_it_went_in(application: LogApplication) -> None:
    act = uuid4()
    origin = Origin(source="helpdesk", file="sha256:a1", case="1", index=0)
    envelope = Envelope(kind=ActorKind.IMPORTER, clause="2.1", reason=Text("history"), origin=origin)
    event = RoleAssigned(employee_id=ANNA, role=Role.LEGAL, unit=Code("LEG"), valid_from=MONDAY)
    what = noted("department", 1, event, actor_id="importer", command_id=act, effective_at=MONDAY, envelope=envelope)
    assert application.record([what]) == 1
    (read,) = application.events.get("department")
    assert isinstance(read, Logged)
    assert (read.position, read.stream_id, read.version) == (1, "department", 1)
    assert (read.originator_id, read.originator_version) == ("department", 1)
    assert (read.event, read.effective_at, read.envelope) == (event, MONDAY, envelope)
    assert (read.actor_id, read.command_id, read.recorded_at > MONDAY) == ("importer", act, True)
    (row,) = whole_log(application.env["DATABASE_URL"])
    assert row.tags == ["department", ANNA]


def test_several_streams_are_recorded_together_whatever_their_order(application: LogApplication) -> None:
    interleaved = [noted("a", 1), noted("b", 1), noted("a", 2), noted("c", 1), noted("b", 2)]
    assert application.record(interleaved) == 5
    recordings = application.save(noted("c", 2), noted("a", 3), noted("c", 3))
    assert [recording.notification.id for recording in recordings] == [6, 8, 7]
    log = application.recorder.select_notifications(None, 10)
    assert [(n.originator_id, n.originator_version) for n in log] == [
        ("a", 1), ("a", 2), ("b", 1), ("b", 2), ("c", 1), ("c", 2), ("c", 3), ("a", 3),
    ]  # fmt: skip
    for recording in recordings:
        assert log[recording.notification.id - 1].originator_version == recording.domain_event.originator_version


def test_acts_of_several_people_that_are_recorded_together_stay_theirs(application: LogApplication) -> None:
    acts = [noted("a", 1, actor_id=ANNA), noted("a", 2, actor_id=BEN)]
    application.record(acts)
    read = application.recorder.select_events("a")
    assert [(n.line.actor_id, n.line.command_id) for n in read] == [(a.actor_id, a.command_id) for a in acts]


def test_if_one_conflicts_none_is_recorded(application: LogApplication) -> None:
    application.record([noted("b", 1)])
    with pytest.raises(IntegrityError, match="b is at version 1") as refusal:
        application.record([noted("a", 1), noted("b", 1), noted("c", 1)])
    assert isinstance(refusal.value.__cause__, VersionConflict)
    for gap in ([noted("a", 1), noted("a", 3)], [noted("a", 1), noted("a", 1)], [noted("a", 2)], [noted("a", 0)]):
        with pytest.raises(IntegrityError):
            application.record(gap)
    assert len(whole_log(application.env["DATABASE_URL"])) == 1


def test_nothing_to_record_is_no_mistake(application: LogApplication) -> None:
    assert application.record([]) == 0
    assert application.save() == []


def test_a_guard_is_kept_here_too(application: LogApplication) -> None:
    application.record(
        [noted("department", 1, RoleEnded(employee_id=ANNA, role=Role.LEGAL, unit=Code("L"), ended_at=MONDAY))]
    )
    guard = Guard(0, ("RoleEnded",), (ANNA,))
    with pytest.raises(IntegrityError) as refusal:
        application.record([noted("a", 1)], guards=[guard])
    assert isinstance(refusal.value.__cause__, FactsMoved)
    with pytest.raises(IntegrityError):
        application.save(noted("a", 1), guards=[guard])
    assert application.record([noted("a", 1)], guards=[guard._replace(after=1)]) == 2


def test_what_is_repeated_under_its_key_is_answered_as_before(application: LogApplication) -> None:
    key = uuid4()
    same = [noted("b", 1, command_id=key), noted("a", 1, command_id=key), noted("a", 2, command_id=key)]
    assert [application.record(same, body_hash="register") for _ in range(2)] == [3, 3]
    with pytest.raises(IntegrityError) as refusal:
        application.record(same, body_hash="another")
    assert isinstance(refusal.value.__cause__, KeyReused)
    assert len(whole_log(application.env["DATABASE_URL"])) == 3


def test_a_plain_stored_event_gets_an_envelope_that_says_nothing(application: LogApplication) -> None:
    assert application.recorder.insert_events([StoredEvent("a", 1, "Noted", b"{}")]) == [1]
    (read,) = application.recorder.select_events("a")
    assert (read.line.actor_id, read.line.schema, read.line.meta) == ("nobody", 1, b"{}")
    assert whole_log(application.env["DATABASE_URL"])[0].tags == ["a"]


def test_what_was_read_from_a_log_is_not_written_to_one(application: LogApplication) -> None:
    application.record([noted("a", 1)])
    (read,) = application.recorder.select_events("a")
    with pytest.raises(ProgrammingError, match="tags are not known"):
        application.recorder.insert_events([LogNotification("b", 1, read.topic, read.state, read.id, read.line)])


def test_only_what_has_its_place_and_its_actor_is_written(application: LogApplication) -> None:
    with pytest.raises(TypeError, match="an Unrecorded is written"):
        application.mapper.to_stored_event(application.mapper.to_domain_event(_one_read(application)))


def _one_read(application: LogApplication) -> Notification:
    application.record([noted("a", 1)])
    return application.recorder.select_notifications(None, 1)[0]


def test_positions_of_other_logs_are_not_kept_here(application: LogApplication) -> None:
    with pytest.raises(NotSupportedError, match="does not track"):
        application.recorder.insert_events([StoredEvent("a", 1, "Noted", b"{}")], tracking=Tracking("other", 1))
    for make in (
        application.factory.process_recorder,
        application.factory.tracking_recorder,
        application.factory.aggregate_recorder,
    ):
        with pytest.raises(NotSupportedError):
            make()


def test_text_that_no_database_can_hold_is_a_data_error(application: LogApplication) -> None:
    for stream_id in ("with \0 in it", "with \ud800 in it", "with \x1f in it"):
        with pytest.raises(DataError):
            application.record([noted(stream_id, 1)])


# Reading


def test_the_versions_of_many_streams_are_one_question(application: LogApplication) -> None:
    application.record([noted("a", 1), noted("a", 2), noted("b", 1)])
    assert application.versions(["b", "c", "a", "a"]) == {"b": 1, "c": 0, "a": 2}
    assert application.versions(iter(())) == {}


def test_a_stream_is_read_in_parts_and_backwards(application: LogApplication) -> None:
    application.record([noted("a", version) for version in range(1, 6)] + [noted("b", 1)])

    def read(**how: Any) -> list[int]:
        return [event.originator_version for event in application.recorder.select_events("a", **how)]

    assert read() == [1, 2, 3, 4, 5]
    assert read(gt=1, lte=3) == [2, 3]
    assert read(desc=True, limit=2) == [5, 4]
    assert read(lte=0) == []


def test_an_aggregate_is_recalled_through_the_repository(application: LogApplication) -> None:
    def recalled(state: Any, records: Iterable[Logged[Any]]) -> Any:
        for record in records:
            state = (state or Department()).evolve(record.event)
        return state

    application.record(
        [noted("department", 1), noted("department", 2, UnitEstablished(unit=Code("L"), name=Code("Law")))]
    )
    department: Department = application.repository.get("department", projector_func=recalled)
    assert set(department.units) == {"BD", "L"}
    with pytest.raises(AggregateNotFoundError):
        application.repository.get("department-2", projector_func=recalled)
    assert application.repository.cache is None
    assert application.snapshots is None


@unlisted
class RumourHeard(Event):
    schema: ClassVar[int] = 2
    text: Code

    @staticmethod
    def upcast_v1_v2(stored: dict[str, Any]) -> dict[str, Any]:
        return {"text": stored["said"]}


def test_older_forms_are_brought_up_to_date_and_unknown_ones_named(database: str) -> None:
    with LogApplication.open(database, Codec([RumourHeard])) as application:
        application.recorder.insert_events(
            [
                StoredEvent("a", 1, "RumourHeard", b'{"said":"rain"}'),
                StoredEvent("a", 2, "NeverHeardOf", b"{}"),
                StoredEvent("a", 3, "RumourHeard", b'{"unsaid":1}'),
                StoredEvent("a", 4, "RumourHeard", b"not JSON"),
            ]
        )
        first, *others = application.recorder.select_events("a")
        read = application.mapper.to_domain_event(first)
        assert isinstance(read, Logged)
        assert read.event == RumourHeard(text=Code("rain"))
        for other in others:
            with pytest.raises(MapperDeserialisationError, match=f"at position {other.id}"):
                application.mapper.to_domain_event(other)
        with pytest.raises(TypeError, match="read from the log"):
            application.mapper.to_domain_event(StoredEvent("a", 1, "RumourHeard", b"{}"))


# Following


def followed(application: LogApplication, number: int, **how: Any) -> list[int]:
    """The positions of the next so many events that a follower meets."""
    with application.recorder.subscribe(**how) as subscription:
        return [next(subscription).id for _ in range(number)]


def test_a_follower_meets_what_others_write(database: str, application: LogApplication) -> None:
    with (
        LogApplication.open(database) as other,
        ThreadPoolExecutor(1) as threads,
        application.recorder.subscribe() as subscription,
    ):
        met = threads.submit(lambda: [next(subscription).id for _ in range(1200)])
        for n in range(1, 4):
            other.record([noted(f"theirs-{n}", version) for version in range(1, 301)])
            application.record([noted(f"ours-{n}", version) for version in range(1, 101)])
        assert met.result(timeout=30) == list(range(1, 1201))


def test_a_follower_who_comes_late_misses_nothing_however_much_it_is(application: LogApplication) -> None:
    application.record([noted("a", version) for version in range(1, 1201)])
    assert followed(application, 1200) == list(range(1, 1201))
    assert followed(application, 700, gt=500, topics=["UnitEstablished"]) == list(range(501, 1201))


def test_a_follower_of_rare_events_does_not_read_the_others_again_and_again(application: LogApplication) -> None:
    rare = RoleEnded(employee_id=ANNA, role=Role.LEGAL, unit=Code("L"), ended_at=MONDAY)
    application.record([noted("department", version) for version in range(1, 1001)])
    with ThreadPoolExecutor(1) as thread, application.recorder.subscribe(topics=["RoleEnded"]) as subscription:
        met = thread.submit(lambda: next(subscription).id)
        _until(lambda: subscription._after == 1000)
        application.record([noted("department", 1001, rare)])
        assert met.result(timeout=10) == 1001
    assert followed(application, 1, gt=500, topics=["RoleEnded", "NeverHeardOf"]) == [1001]
    assert followed(application, 2, gt=998) == [999, 1000]


def test_a_follower_who_waits_can_be_stopped(application: LogApplication) -> None:
    with ThreadPoolExecutor(1) as thread, application.recorder.subscribe() as subscription:
        waiting = thread.submit(lambda: list(subscription))
        subscription.stop()
        assert waiting.result(timeout=10) == []


def test_a_follower_survives_the_loss_of_its_connections(database: str, application: LogApplication) -> None:
    with application.recorder.subscribe() as subscription, psycopg.connect(database, autocommit=True) as other:
        for n in range(1, 4):
            application.record([noted("a", n)])
            assert next(subscription).id == n
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'yewu-library'"
            )


def test_a_reader_whose_connection_breaks_while_it_reads_reads_again(
    database: str, application: LogApplication
) -> None:
    application.record([noted("a", 1)])
    readers = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with ThreadPoolExecutor(1) as thread, psycopg.connect(database, autocommit=True) as other:
        with psycopg.connect(database) as holding:
            holding.execute("LOCK TABLE yewu.log")
            reading = thread.submit(lambda: application.recorder.select_notifications(None, 10))
            _until(lambda: other.execute(f"SELECT 1 {readers}".encode()).fetchone() is not None)
            other.execute(f"SELECT pg_terminate_backend(pid) {readers}".encode())
        assert [notification.id for notification in reading.result(timeout=10)] == [1]


def _until(true: Callable[[], bool], seconds: float = 10) -> None:
    tick = threading.Event()
    for _ in range(int(seconds / 0.005)):
        if true():
            return
        tick.wait(0.005)
    raise AssertionError(f"not so after {seconds} s")


# Beginning and end


def test_without_an_address_there_is_no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with pytest.raises(InfrastructureFactoryError, match="DATABASE_URL"):
        LogApplication()


def test_whoever_only_reads_never_starts_a_writer(database: str, application: LogApplication) -> None:
    assert application.recorder.max_notification_id() is None
    with psycopg.connect(database) as db:
        names = db.execute(
            "SELECT application_name FROM pg_stat_activity WHERE datname = current_database()"
        ).fetchall()
    assert not any(name.startswith("yewu-writer") for (name,) in names)


def test_a_database_that_is_away_is_an_operational_error(tmp_path: Path) -> None:
    recorder = LogRecorder(f"host={tmp_path} dbname=nowhere", patience=0.2)
    with pytest.raises(OperationalError):
        recorder.max_notification_id()
    with pytest.raises(OperationalError):
        recorder.insert_events([StoredEvent("a", 1, "Noted", b"{}")])
    recorder.close()


def test_after_the_end_nothing_is_written_or_read(database: str) -> None:
    application = LogApplication.open(database)
    application.record([noted("a", 1)])
    application.close()
    application.close()
    with pytest.raises(OperationalError, match="does not run"):
        application.record([noted("a", 2)])
    with pytest.raises(InterfaceError):
        application.recorder.max_notification_id()
    assert len(whole_log(database)) == 1


def test_a_writer_that_cannot_connect_says_so(tmp_path: Path) -> None:
    with pytest.raises(psycopg.OperationalError):
        BackgroundWriter(f"host={tmp_path} dbname=nowhere").start()
    with pytest.raises(Unavailable):
        BackgroundWriter(f"host={tmp_path} dbname=nowhere").append(append("a", 0))


def test_whoever_appends_while_the_writer_ends_is_told_the_truth(database: str) -> None:
    writer = BackgroundWriter(database)
    writer.start()
    begun, told = threading.Event(), Counter[str]()

    def write(number: int) -> list[UUID]:
        written: list[UUID] = []
        while True:
            one = append(f"s-{number}", len(written), entry(f"s-{number}"))
            try:
                assert isinstance(writer.append(one), Appended)
            except Unavailable:
                told["no more"] += 1
                return written
            written.append(one.command_id)
            if len(written) == 20:
                begun.set()

    with ThreadPoolExecutor(8) as threads:
        writing = [threads.submit(write, number) for number in range(8)]
        assert begun.wait(10)
        writer.stop()
        written = {command for each in writing for command in each.result(timeout=10)}
    assert told["no more"] == 8
    assert written == {row.command_id for row in whole_log(database)}


# The page that shows how


def appoint(conninfo: str, people: Sequence[EmployeeId]) -> int:
    """Put appointments on record, all of them or none; the position of the last."""
    with LogApplication.open(conninfo) as application:
        version = application.versions(["department"])["department"]
        return application.record(
            Unrecorded(
                stream_id="department",
                version=version + n,
                event=RoleAssigned(employee_id=who, role=Role.LEGAL, unit=Code("LEG"), valid_from=MONDAY),
                actor_id="importer",
                command_id=uuid4(),
                effective_at=MONDAY,
                envelope=Envelope(kind=ActorKind.IMPORTER, clause="2.1"),
            )
            for n, who in enumerate(people, start=1)
        )


class Offices(POPOTrackingRecorder):
    """How many people hold each role, and up to which position that is known. In memory; the library has others."""

    def __init__(self) -> None:
        super().__init__()
        self.holders: Counter[Role] = Counter()

    def count(self, role: Role, number: int, tracking: Tracking) -> None:
        """Change the figure and the position together."""
        with self._database_lock:
            self.insert_tracking(tracking)
            self.holders[role] += number


class OfficesHeld(Projection[Offices]):
    """Follows the log from wherever its view is."""

    def process_event(self, domain_event: Logged[Any], tracking: Tracking) -> None:
        match domain_event.event:
            case RoleAssigned(role=role):
                self.view.count(role, +1, tracking)
            case RoleEnded(role=role):
                self.view.count(role, -1, tracking)
            case _:
                self.view.insert_tracking(tracking)


def lawyers(conninfo: str, position: int) -> int:
    """How many there are, as soon as the view knows what happened up to this position."""
    with ProjectionRunner(
        application_class=LogApplication,
        projection_class=OfficesHeld,
        view_class=Offices,
        env={"DATABASE_URL": conninfo},
    ) as runner:
        runner.wait(position, timeout=10)
        return runner.view.holders[Role.LEGAL]


def test_a_stock_projection_follows_the_log(database: str, application: LogApplication) -> None:
    position = appoint(database, [ANNA, BEN])
    assert lawyers(database, position) == 2
    ended = RoleEnded(employee_id=BEN, role=Role.LEGAL, unit=Code("LEG"), ended_at=MONDAY)
    position = application.record([noted("department", 3, ended), noted("employee-eve", 1)])
    assert lawyers(database, position) == 1
    with ProjectionRunner(
        application_class=LogApplication,
        projection_class=OfficesHeld,
        view_class=Offices,
        env={"DATABASE_URL": database},
    ) as runner:
        runner.wait(appoint(database, [EmployeeId("employee-eve")]), timeout=10)
        assert runner.view.holders[Role.LEGAL] == 2


def test_the_page_shows_this_very_code() -> None:
    page = (ROOT / "docs/library.md").read_text(encoding="utf-8")
    here = Path(__file__).read_text(encoding="utf-8")
    shown = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(shown) >= 3
    for code in shown:
        assert dedent(code).strip() in here
