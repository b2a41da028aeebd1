"""For every command a moment in which somebody of a given role can give it with success."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from aggregates.actor import Role
from tests.services.http.scenes import contracts, credit, customers, development, legal, records
from tests.services.http.stage import NUMBERS, Call, Stage
from tests.services.running import Yewu, done

TO_ASSESSED = ("assess",)
TO_ASKED = (*TO_ASSESSED, "assign-department")
TO_ACCEPTED = (*TO_ASKED, "accept-responsibility")
TO_MEASURES = (*TO_ACCEPTED, "decide-measures")
TO_OFFERED = (*TO_MEASURES, "propose-resolution", "communicate-decision")
TO_CONFIRMED = (*TO_OFFERED, "confirm-satisfaction")
BEFORE: dict[str, tuple[str, ...]] = {
    "acknowledge": (),
    "record-details": (),
    "assess": (),
    "reassess": TO_ASSESSED,
    "assign-department": TO_ASSESSED,
    "accept-responsibility": TO_ASKED,
    "contest-responsibility": TO_ASKED,
    "settle-responsibility": TO_ASKED,
    "record-investigation": TO_ACCEPTED,
    "decide-measures": TO_ACCEPTED,
    "report-progress": TO_ACCEPTED,
    "approve-remedy": TO_MEASURES,
    "propose-resolution": TO_MEASURES,
    "communicate-decision": (*TO_MEASURES, "propose-resolution"),
    "remind-customer": TO_OFFERED,
    "confirm-satisfaction": TO_OFFERED,
    "reject-resolution": TO_OFFERED,
    "escalate": (),
    "declare-recourse-exhausted": TO_OFFERED,
    "close": TO_CONFIRMED,
    "reopen": (*TO_CONFIRMED, "close"),
    "withdraw": (),
    "convert": (),
}


def _complaint(stage: Stage, act: str) -> Call:
    if act == "declare-recourse-exhausted":
        stage.unit = "customer-service"  # whoever took responsibility may not
    complaint_id = stage.complaint(*BEFORE[act])
    if act == "escalate" and stage.role not in {Role.CUSTOMER_SERVICE, Role.CUSTOMER_SERVICE_LEAD}:
        # only customer service and the handler escalate: put it on this desk
        stage.unit = "customer-service"
        complaint_id = stage.complaint(*TO_ASKED)
        if stage.role is Role.MANAGER:
            stage.unit = "department"
            complaint_id = stage.complaint(*TO_ASKED)
        done(stage.lead.post(f"/complaints/{complaint_id}/assign", json={"handler_id": stage.actor_id}))
    return Call(f"/complaints/{complaint_id}/{act}", stage.bodies[act])


def _receive(stage: Stage) -> Call:
    return Call("/complaints", {"customer_id": stage.customer_id, "channel": "web", "facts": "Cold"})


def _assign(stage: Stage) -> Call:
    return Call(
        f"/complaints/{stage.complaint(*TO_ASSESSED)}/assign", {"handler_id": stage.somebody(Role.CUSTOMER_SERVICE)}
    )


def _unit(stage: Stage, parent: str = "department") -> str:
    unit = f"unit-{next(NUMBERS)}"
    body = {"unit": unit, "name": "New", "parent": parent}
    done(stage.yewu.manager.post("/department/establish-unit", json=body))
    return unit


def _deputy_with_area(stage: Stage) -> tuple[str, str]:
    deputy, area = stage.somebody(Role.DEPUTY), f"area-{next(NUMBERS)}"
    done(stage.yewu.manager.post("/department/assign-area", json={"employee_id": deputy, "area": area}))
    return deputy, area


def _tomorrow() -> str:
    return (datetime.now(UTC) + timedelta(days=1)).isoformat()


def _start_acting(stage: Stage) -> Call:
    """A day of its own, so that nobody else acts on it."""
    begins = datetime.now(UTC) + timedelta(days=2 * next(NUMBERS))
    body = {
        "employee_id": stage.somebody(),
        "valid_from": begins.isoformat(),
        "valid_until": (begins + timedelta(days=1)).isoformat(),
    }
    return Call("/department/start-acting", body)


def _end_acting(stage: Stage) -> Call:
    planned = _start_acting(stage)
    done(stage.yewu.manager.post(planned.path, json=planned.body))
    return Call("/department/end-acting", {"employee_id": planned.body["employee_id"]})


def _delegate(stage: Stage) -> Call:
    power = Role.MANAGER if stage.role is Role.MANAGER else stage.role
    body = {"delegate_id": stage.somebody(), "powers": [power], "areas": [stage.unit], "valid_until": _tomorrow()}
    return Call("/department/delegate", body)


def _revoke(stage: Stage) -> Call:
    call = _delegate(stage)
    done(stage.actor.post(call.path, json=call.body))
    events = done(stage.yewu.manager.get("/streams/department"))["items"]
    number = [event["data"]["number"] for event in events if event["type"] == "DelegationGranted"][-1]
    return Call("/department/revoke-delegation", {"number": number})


def _end_role(stage: Stage) -> Call:
    body = {"employee_id": stage.somebody(Role.LEGAL), "role": "LEG", "unit": "customer-service"}
    return Call("/department/end-role", body)


def _withdraw_area(stage: Stage) -> Call:
    deputy, area = _deputy_with_area(stage)
    return Call("/department/withdraw-area", {"employee_id": deputy, "area": area})


def _succeed(stage: Stage) -> Call:
    in_a_year = (datetime.now(UTC) + timedelta(days=365)).isoformat()
    return Call("/department/succeed-manager", {"employee_id": stage.yewu.employee("Next"), "valid_from": in_a_year})


def _handover(stage: Stage) -> Call:
    body = {"employee_id": stage.somebody(), "successor_id": stage.somebody(), "open_items": "Two letters"}
    return Call("/department/complete-handover", body)


VALUES = {"only": {"amount": "5", "unit": "working day"}}


def _parameter(stage: Stage) -> str:
    number = f"P-{1000 + next(NUMBERS)}"
    body = {"number": number, "meaning": "made up", "values": VALUES}
    return str(done(stage.yewu.manager.post("/parameters", json=body))["id"])


def _proposed(stage: Stage) -> str:
    parameter_id = _parameter(stage)
    proposer = stage.yewu.as_(stage.somebody(Role.DATA_ANALYST))
    done(proposer.post(f"/parameters/{parameter_id}/propose", json={"values": VALUES, "grounds": "it is time"}))
    return parameter_id


SHIFTS = [{"begins": "09:00:00", "ends": "12:00:00"}, {"begins": "13:00:00", "ends": "18:00:00"}]


def _calendar(stage: Stage) -> Call:
    """A year that nobody has published yet."""
    return Call("/calendars", {"year": 2029 + next(NUMBERS), "shifts": SHIFTS, "source": "notice"})


def _wrong_calendar(stage: Stage) -> Call:
    call = _calendar(stage)
    published = done(stage.yewu.manager.post(call.path, json=call.body))
    return Call(f"/calendars/{published['id']}/correct", {"shifts": SHIFTS[:1], "source": "notice"})


def _waiver(stage: Stage, *, granted: bool = False) -> str:
    """A request of somebody else, granted or not."""
    asker = stage.yewu.as_(stage.somebody())
    waiver_id = str(done(asker.post("/waivers", json=_asked_for(stage)))["id"])
    if granted:
        done(stage.yewu.manager.post(f"/waivers/{waiver_id}/approve", json={}))
    return waiver_id


def _asked_for(stage: Stage) -> Mapping[str, object]:
    soon = (datetime.now(UTC) + timedelta(days=9)).isoformat()
    return {"rule": "R-CS-3", "case_id": stage.complaint(), "expires_at": soon, "grounds": "At sea"}


def _with_contact(stage: Stage) -> Call:
    done(stage.clerk.post(f"/customers/{stage.customer_id}/add-contact", json={"name": "Carl"}))
    return Call(f"/customers/{stage.customer_id}/end-contact", {"contact": "C-1"})


SCENARIOS: dict[str, Callable[[Stage], Call]] = {
    "department.establish_unit": lambda s: Call(
        "/department/establish-unit", {"unit": f"unit-{next(NUMBERS)}", "name": "New", "parent": "department"}
    ),
    "department.rename_unit": lambda s: Call("/department/rename-unit", {"unit": _unit(s), "name": "Other"}),
    "department.move_unit": lambda s: Call("/department/move-unit", {"unit": _unit(s), "parent": "customer-service"}),
    "department.close_unit": lambda s: Call("/department/close-unit", {"unit": _unit(s)}),
    "department.appoint": lambda s: Call(
        "/department/appoint", {"employee_id": s.yewu.employee(), "role": "LEG", "unit": "customer-service"}
    ),
    "department.succeed_manager": _succeed,
    "department.end_role": _end_role,
    "department.assign_area": lambda s: Call(
        "/department/assign-area", {"employee_id": s.somebody(Role.DEPUTY), "area": f"area-{next(NUMBERS)}"}
    ),
    "department.withdraw_area": _withdraw_area,
    "department.start_acting": _start_acting,
    "department.end_acting": _end_acting,
    "department.delegate": _delegate,
    "department.revoke_delegation": _revoke,
    "department.complete_handover": _handover,
    "parameter.define": lambda s: Call(
        "/parameters", {"number": f"P-{1000 + next(NUMBERS)}", "meaning": "made up", "values": VALUES}
    ),
    "parameter.propose": lambda s: Call(
        f"/parameters/{_parameter(s)}/propose", {"values": VALUES, "grounds": "it is time"}
    ),
    "parameter.approve": lambda s: Call(f"/parameters/{_proposed(s)}/approve", {}),
    "parameter.reject": lambda s: Call(f"/parameters/{_proposed(s)}/reject", {"grounds": "not now"}),
    "calendar.publish": _calendar,
    "calendar.correct": _wrong_calendar,
    "waiver.request": lambda s: Call("/waivers", _asked_for(s)),
    "waiver.approve": lambda s: Call(f"/waivers/{_waiver(s)}/approve", {}),
    "waiver.reject": lambda s: Call(f"/waivers/{_waiver(s)}/reject", {"grounds": "Keep it"}),
    "waiver.revoke": lambda s: Call(f"/waivers/{_waiver(s, granted=True)}/revoke", {"grounds": "Over"}),
    "employee.register": lambda s: Call("/employees", {"name": "New"}),
    "employee.change_details": lambda s: Call(f"/employees/{s.yewu.employee()}/change-details", {"name": "Other"}),
    "employee.correct_details": lambda s: Call(f"/employees/{s.yewu.employee()}/correct-details", {"name": "Other"}),
    "customer.register": lambda s: Call("/customers", {"name": "New", "source": "fair"}),
    "customer.change_profile": lambda s: Call(f"/customers/{s.customer_id}/change-profile", {"region": "north"}),
    "customer.correct_profile": lambda s: Call(f"/customers/{s.customer_id}/correct-profile", {"region": "south"}),
    "customer.add_contact": lambda s: Call(f"/customers/{s.customer_id}/add-contact", {"name": "Carl"}),
    "customer.end_contact": _with_contact,
    "customer.assign_owner": lambda s: Call(
        f"/customers/{s.customer_id}/assign-owner", {"owner_id": s.somebody(Role.BUSINESS_DEVELOPMENT)}
    ),
    **development.SCENARIOS,
    "parking.skip": lambda _: Call(
        "/parked/skip",
        {"event_position": next(NUMBERS), "row_table": "complaint_row", "row_key": "complaint-1", "reason": "broken"},
    ),
    "complaint.receive": _receive,
    "complaint.assign": _assign,
    **{
        f"complaint.{act.replace('-', '_')}": lambda s, act=act: _complaint(s, act)  # type: ignore[misc]  # bound now
        for act in BEFORE
    },
    **customers.SCENARIOS,
    **legal.SCENARIOS,
    **contracts.SCENARIOS,
    **credit.SCENARIOS,
    **records.SCENARIOS,
}


def things(yewu: Yewu) -> dict[str, Any]:
    """One of each kind, for addresses that name one."""
    customer_id = yewu.customer()
    complaint_id = yewu.complaint(customer_id)
    soon = (datetime.now(UTC) + timedelta(days=9)).isoformat()
    asked = {"rule": "R-CS-3", "case_id": complaint_id, "expires_at": soon, "grounds": "At sea"}
    asker = yewu.as_(yewu.appointed(Role.CUSTOMER_SERVICE))
    waiver_id = str(done(asker.post("/waivers", json=asked))["id"])
    return {
        "customer": customer_id, "complaint": complaint_id, "employee": yewu.employee(), "waiver": waiver_id,
        "opportunity": customers.opportunity(yewu, customer_id),
        **legal.things(yewu),
        **contracts.things(yewu),
        **credit.things(yewu),
        **development.things(yewu),
        **records.things(yewu),
    }  # fmt: skip
