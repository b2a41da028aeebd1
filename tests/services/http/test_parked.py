"""What stands still says so in every answer that it is part of, and whoever may lets it go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest
from msgspec.structs import replace

from aggregates.actor import Role
from aggregates.event import Recorded
from aggregates.service.complaint import ComplaintAssessed, ComplaintReceived
from projections import complaints
from projections.row import Row
from projections.rules.catalogue import BY_NUMBER
from tests.services.running import Yewu, done, running, wait_until

ASSESSED = {"category": "quality", "severity": "S2", "safety_or_legal": False, "complexity": "simple"}
NAME = "Zenobia Unmistakable"


class Broken:
    """A step that fails for some channels or severities until it is mended."""

    poison: ClassVar[set[str]] = set()

    def __init__(self, step: Any) -> None:
        self.step, self.__name__, self.__module__ = step, step.__name__, step.__module__

    def __call__(self, *given: Any) -> Row | None:
        record = next(each for each in given if isinstance(each, Recorded))
        if self.poison & {str(getattr(record.event, name, "")) for name in ("channel", "severity")}:
            raise ValueError(NAME)
        row: Row | None = self.step(*given)
        return row


@pytest.fixture
def yewu(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Yewu]:
    """A department whose complaints cannot be received by telex nor assessed as S1."""
    for event in (ComplaintReceived, ComplaintAssessed):
        fold = complaints.complaints.folds[event]
        monkeypatch.setitem(complaints.complaints.folds, event, replace(fold, step=Broken(fold.step)))
    monkeypatch.setattr(Broken, "poison", {"telex", "S1"})
    with running(database, tmp_path) as yewu:
        yield yewu


class Desk:
    """A complaint that stands still, one that does not, and one of which there is nothing."""

    def __init__(self, yewu: Yewu) -> None:
        self.yewu = yewu
        self.clerk = yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE))
        customer = yewu.customer()
        self.stuck, self.sound = yewu.complaint(customer), yewu.complaint(customer)
        telex = {"customer_id": customer, "channel": "telex", "facts": NAME}
        self.nothing = done(self.clerk.post("/complaints", json=telex))["id"]
        self.assess(self.sound, "S2")
        self.position = self.assess(self.stuck, "S1")
        done(self.clerk.post(f"/complaints/{self.stuck}/acknowledge", json={"channel": "phone", "wording": "Yes"}))
        self.see_all()

    def assess(self, complaint: str, severity: str) -> int:
        answer = done(self.clerk.post(f"/complaints/{complaint}/assess", json=ASSESSED | {"severity": severity}))
        return int(answer["position"])

    def see_all(self) -> None:
        """Wait for the read model."""
        head = done(self.yewu.manager.get("/events?limit=1"))["head"]
        done(self.yewu.manager.get("/complaints", params={"min_position": head}))


def test_everything_else_goes_on_and_what_stands_still_is_listed(yewu: Yewu) -> None:
    desk = Desk(yewu)
    data_lead = yewu.as_(yewu.appointed(Role.DATA_LEAD))
    nothing, stuck = done(data_lead.get("/parked"))["items"]
    assert (stuck["row_table"], stuck["row_key"], stuck["position"]) == ("complaint_row", desk.stuck, desk.position)
    assert (stuck["type"], stuck["failed_in"]) == ("ComplaintAssessed", "step")
    assert (stuck["has_row"], stuck["waiting"]) == (True, 1)
    assert stuck["problem"] == "ComplaintRow (assessed) cannot take ComplaintAssessed: ValueError in test_parked.py."
    assert (nothing["row_key"], nothing["has_row"]) == (desk.nothing, False)
    assert NAME not in str(done(data_lead.get("/parked")))
    assert done(yewu.manager.get(f"/complaints/{desk.sound}"))["severity"] == "S2"


def test_every_answer_marks_it(yewu: Yewu) -> None:
    desk, head = Desk(yewu), "yewu-parked"
    one = yewu.manager.get(f"/complaints/{desk.stuck}")
    assert (done(one)["severity"], one.headers[head]) == (None, str(desk.position))
    assert head not in yewu.manager.get(f"/complaints/{desk.sound}").headers
    assert str(desk.position) in yewu.manager.get("/complaints/figures").headers[head].split(", ")
    nowhere = yewu.manager.get(f"/complaints/{desk.nothing}")
    assert (nowhere.status_code, nowhere.json()["event"]["type"]) == (503, "ComplaintReceived")

    page = done(yewu.manager.get("/complaints"))
    assert {mark["row_key"] for mark in page["parked"]} == {desk.stuck, desk.nothing}
    first = done(yewu.manager.get("/complaints?limit=1"))
    assert [item["complaint_id"] for item in first["items"]] == [desk.stuck]
    second = done(yewu.manager.get("/complaints", params={"limit": "1", "cursor": first["next"]}))
    assert [mark["row_key"] for mark in second["parked"]] == [desk.nothing]
    assert done(yewu.manager.get("/customers"))["parked"] == []


def test_so_does_the_past_and_the_difference_between_two_days(yewu: Yewu) -> None:
    desk, today = Desk(yewu), "2100-01-01"
    one = yewu.manager.get(f"/complaints/{desk.stuck}", params={"as_of": today})
    assert (done(one)["severity"], one.headers["yewu-parked"]) == (None, str(desk.position))
    nowhere = yewu.manager.get(f"/complaints/{desk.nothing}", params={"as_of": today})
    assert nowhere.status_code == 503
    wait_until(lambda: yewu.manager.get("/complaints", params={"as_of": today}).status_code == 200)
    page = done(yewu.manager.get("/complaints", params={"as_of": today}))
    assert {mark["row_key"] for mark in page["parked"]} == {desk.stuck, desk.nothing}
    changes = {"from_as_of": "2020-01-31"}
    wait_until(lambda: yewu.manager.get("/complaints/difference", params=changes).status_code == 200)
    page = done(yewu.manager.get("/complaints/difference", params=changes))
    assert {mark["row_key"] for mark in page["parked"]} == {desk.stuck, desk.nothing}
    history = done(yewu.manager.get(f"/streams/{desk.stuck}"))["items"]
    assert [item["changes"] for item in history[1:]] == [{}, {}]


def test_a_supposition_names_the_duties_that_stand_still(yewu: Yewu, monkeypatch: pytest.MonkeyPatch) -> None:
    view = BY_NUMBER["R-CS-3"].view
    taking = next(each for each in view.folds if each.__name__ == "ComplaintAcknowledged")
    broken = Broken(view.folds[taking].step)
    monkeypatch.setattr(broken, "poison", {"phone"}, raising=False)
    monkeypatch.setitem(view.folds, taking, replace(view.folds[taking], step=broken))
    desk, asked = Desk(yewu), {"parameter": "P-02=2"}
    wait_until(lambda: yewu.manager.get("/what-if", params=asked).status_code != 202)
    (mark,) = done(yewu.manager.get("/what-if", params=asked))["parked"]
    assert (mark["row_table"], mark["row_key"]) == ("duty_row", f'["{desk.stuck}","R-CS-3"]')


def test_the_history_of_a_thing_is_told_though_nobody_can_read_one_of_its_events(yewu: Yewu) -> None:
    desk = Desk(yewu)
    with psycopg.connect(yewu.database) as db:
        db.execute("SET session_replication_role = replica")
        db.execute("UPDATE yewu.log SET schema = 9 WHERE stream_id = %s AND version = 2", (desk.sound,))
    first, second = done(yewu.manager.get(f"/streams/{desk.sound}"))["items"]
    assert first["changes"]["status"] == [None, "received"]
    assert (second["type"], second["changes"]) == ("ComplaintAssessed", {})


def test_a_skip_lets_it_go_on_without_the_event_and_is_on_record(yewu: Yewu) -> None:
    desk = Desk(yewu)
    data_lead_id = yewu.appointed(Role.DATA_LEAD)
    body = {"event_position": desk.position, "row_table": "complaint_row", "row_key": desk.stuck, "reason": "A test"}
    assert desk.clerk.post("/parked/skip", json=body).status_code == 403
    done(yewu.as_(data_lead_id).post("/parked/skip", json=body))
    desk.see_all()
    one = yewu.manager.get(f"/complaints/{desk.stuck}")
    assert "yewu-parked" not in one.headers
    assert (done(one)["severity"], done(one)["acknowledged_at"] is not None) == (None, True)
    (skipped,) = done(yewu.manager.get("/streams/parking"))["items"]
    assert (skipped["type"], skipped["actor_id"], skipped["meta"]["reason"]) == ("EventSkipped", data_lead_id, "A test")
    assert done(yewu.manager.post("/parked/skip", json=body))["events"] == []


def test_once_it_is_mended_it_goes_on_when_somebody_asks(yewu: Yewu) -> None:
    desk = Desk(yewu)
    row = {"row_table": "complaint_row", "row_key": desk.stuck}
    assert desk.clerk.post("/parked/retry", json=row).status_code == 403
    assert done(yewu.manager.post("/parked/retry", json=row))["state"] == "parked"
    Broken.poison.clear()
    assert done(yewu.manager.post("/parked/retry", json=row))["state"] == "moves"
    assert done(yewu.manager.get(f"/complaints/{desk.stuck}"))["severity"] == "S1"
    assert yewu.manager.post("/parked/retry", json=row).status_code == 404
    assert yewu.manager.post("/parked/retry", json={"row_table": "x"}).status_code == 400


def test_whoever_watches_sees_how_many_there_are(yewu: Yewu) -> None:
    Desk(yewu)
    ready = yewu.as_(None).get("/ready")
    assert (ready.status_code, ready.json()["parked"]) == (200, 2)
    assert 'yewu_lag_waiting{reader="parked rows"} 2.0' in yewu.as_(None).get("/metrics").text
