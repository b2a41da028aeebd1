"""Who may do and see what, written from the regulation and its table of duties, not from the code."""

from __future__ import annotations

from collections.abc import Mapping

STAFF = "MGR DEP BD BDL PM PML MEM CS CSL DA DAL HR LEG FIN REC RSK SEC AUD EMP"
"""Whoever holds an office (1.2)."""

APPOINTERS = "MGR HR"
"""2.1: the department's offices and units are the manager's and personnel's business."""

DESK = "CS CSL"
"""3.3: customer service."""

COUNTERS = "BD BDL CS CSL"
"""3.1.2, 3.3.1: whoever meets customers keeps their files."""

COMMANDS: Mapping[str, str] = {
    "department.establish_unit": APPOINTERS,
    "department.rename_unit": APPOINTERS,
    "department.move_unit": APPOINTERS,
    "department.close_unit": APPOINTERS,
    "department.appoint": APPOINTERS,
    "department.succeed_manager": APPOINTERS,
    "department.end_role": APPOINTERS,
    "department.assign_area": "MGR",
    "department.withdraw_area": "MGR",
    "department.start_acting": APPOINTERS,
    "department.end_acting": APPOINTERS,
    "department.delegate": STAFF,
    "department.revoke_delegation": STAFF,
    "department.complete_handover": APPOINTERS,
    "parameter.define": "MGR",
    "parameter.propose": "MGR DEP BDL PML CSL DA DAL",
    "parameter.approve": "MGR",
    "parameter.reject": "MGR",
    "calendar.publish": APPOINTERS,
    "calendar.correct": APPOINTERS,
    "waiver.request": STAFF,
    "waiver.approve": "MGR",
    "waiver.reject": "MGR",
    "waiver.revoke": "MGR",
    "employee.register": APPOINTERS,
    "employee.change_details": APPOINTERS,
    "employee.correct_details": APPOINTERS,
    "customer.register": COUNTERS,
    "customer.change_profile": COUNTERS,
    "customer.correct_profile": COUNTERS,
    "customer.add_contact": COUNTERS,
    "customer.end_contact": COUNTERS,
    "customer.assign_owner": "BDL DEP MGR",
    "complaint.receive": f"{DESK} CUST",
    "complaint.acknowledge": DESK,
    "complaint.record_details": f"{DESK} CUST",
    "complaint.assess": DESK,
    "complaint.reassess": "CSL",
    "complaint.assign_department": DESK,
    "complaint.accept_responsibility": STAFF,
    "complaint.contest_responsibility": STAFF,
    "complaint.settle_responsibility": "MGR",
    "complaint.assign": DESK,
    "complaint.record_investigation": STAFF,
    "complaint.decide_measures": STAFF,
    "complaint.report_progress": STAFF,
    "complaint.approve_remedy": "CSL MGR",
    "complaint.propose_resolution": STAFF,
    "complaint.communicate_decision": STAFF,
    "complaint.confirm_satisfaction": f"{DESK} CUST",
    "complaint.reject_resolution": f"{DESK} CUST",
    "complaint.escalate": STAFF,
    "complaint.declare_recourse_exhausted": "MGR",
    "complaint.close": DESK,
    "complaint.reopen": f"{DESK} CUST",
    "complaint.withdraw": f"{DESK} CUST",
    "complaint.convert": "CSL",
    "parking.skip": "MGR DAL",
}

OVERSIGHT = "MGR DEP AUD"
READS: Mapping[str, str] = {
    "/complaints": f"{DESK} {OVERSIGHT}",
    "/complaints/figures": f"{DESK} {OVERSIGHT}",
    "/complaints/{complaint}": f"{DESK} {OVERSIGHT}",
    "/customers": f"{COUNTERS} {OVERSIGHT}",
    "/customers/{customer}": f"{COUNTERS} {OVERSIGHT}",
    "/employees": STAFF,
    "/employees/{employee}": STAFF,
    "/department/posts": STAFF,
    "/parameters": STAFF,
    "/parameters/parameter-P-05": STAFF,
    "/calendars": STAFF,
    "/waivers": STAFF,
    "/waivers/{waiver}": STAFF,
    "/duties": STAFF,
    "/verdicts": f"{OVERSIGHT} CSL DAL",
    "/verdicts/difference?from_as_of=2020-01-31": f"{OVERSIGHT} CSL DAL",
    "/conformance": f"{OVERSIGHT} CSL DAL",
    "/calendars/calendar-2026": STAFF,
    "/parked": "MGR DEP AUD DAL",
    "/complaints/difference?from_as_of=2020-01-31": f"{DESK} {OVERSIGHT}",
    "/customers/difference?from_as_of=2020-01-31": f"{COUNTERS} {OVERSIGHT}",
    "/employees/difference?from_as_of=2020-01-31": STAFF,
    "/events": OVERSIGHT,
    "/streams/{complaint}": f"{DESK} {OVERSIGHT}",
    "/about/{complaint}": f"{DESK} {OVERSIGHT}",
    "/streams/{customer}": f"{COUNTERS} {OVERSIGHT}",
    "/streams/{employee}": f"{OVERSIGHT} HR",
    "/streams/department": STAFF,
    "/streams/calendar-2026": STAFF,
    "/streams/{waiver}": STAFF,
}
