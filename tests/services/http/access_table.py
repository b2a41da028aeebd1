"""Who may do and see what, written from the regulation and its table of duties, not from the code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

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


class Reads(NamedTuple):
    """Who reads all of it, who what lies in their own area, and who what is about themselves."""

    everything: str
    own_area: str = ""
    own: str = ""


EVIDENCE = "MGR AUD"
"""5.2.3, table of duties: the manager answers for the department, auditors read everything."""

COMPLAINTS = Reads(f"{DESK} {EVIDENCE}", own_area=STAFF, own=STAFF)
"""Service: own area; a deputy only in the areas assigned (2.2.2-a), a handler the own cases."""

COMPLAINTS_SHOWN = COMPLAINTS._replace(own=f"{STAFF} CUST")
"""A customer the own case, though not what was noted about it inside."""

CUSTOMERS = Reads(f"{COUNTERS} DEP {EVIDENCE}", own=STAFF)
CUSTOMERS_SHOWN = CUSTOMERS._replace(own=f"{STAFF} CUST")
PEOPLE = Reads(f"HR {EVIDENCE}", own=STAFF)
"""People: what happened to somebody is for personnel and for themselves."""

VERDICTS = Reads("MGR DEP AUD CSL DAL")
"""Compliance: findings are the manager's and auditors'; leads see how their work stands."""

EVERYBODY = Reads(STAFF)
"""Organisation: all, and a directory of who works here."""

READS: Mapping[str, Reads] = {
    "/complaints": COMPLAINTS_SHOWN,
    "/complaints/{complaint_id}": COMPLAINTS_SHOWN,
    "/complaints/difference": COMPLAINTS_SHOWN,
    "/complaints/figures": Reads(f"{DESK} DEP {EVIDENCE}"),
    "/customers": CUSTOMERS_SHOWN,
    "/customers/{customer_id}": CUSTOMERS_SHOWN,
    "/customers/difference": CUSTOMERS_SHOWN,
    "/employees": EVERYBODY,
    "/employees/{employee_id}": EVERYBODY,
    "/employees/difference": EVERYBODY,
    "/department/posts": EVERYBODY,
    "/parameters": EVERYBODY,
    "/parameters/{parameter_id}": EVERYBODY,
    "/parameters/difference": EVERYBODY,
    "/calendars": EVERYBODY,
    "/waivers": EVERYBODY,
    "/waivers/{waiver_id}": EVERYBODY,
    "/waivers/difference": EVERYBODY,
    "/parked": Reads("MGR DEP AUD DAL"),
    "/parked/difference": Reads("MGR DEP AUD DAL"),
    "/duties": EVERYBODY,
    "/verdicts": VERDICTS,
    "/verdicts/difference": VERDICTS,
    "/conformance": VERDICTS,
    "/what-if": VERDICTS,
    "/contents/{hash}": Reads("MGR DEP AUD LEG REC BD BDL"),
    "/calendars/{calendar_id}": EVERYBODY,
    "/calendars/difference": EVERYBODY,
    "/events": Reads(EVIDENCE),
    "/events as server-sent events": Reads(EVIDENCE),
    **{
        f"/{page}/{{{kind}}}": reads
        for page in ("streams", "about")
        for kind, reads in {
            "complaint": COMPLAINTS,
            "customer": CUSTOMERS,
            "employee": PEOPLE,
            "department": EVERYBODY,
            "parameter": EVERYBODY,
            "calendar": EVERYBODY,
            "waiver": EVERYBODY,
            "parking": Reads("MGR DEP AUD DAL"),
            "any other": Reads(EVIDENCE),
        }.items()
    },
}

RESTRICTED: Mapping[str, str] = {"CommandRefused": EVIDENCE, "RestrictedFieldsRead": EVIDENCE}
"""Events that fewer may read than the rest of the log."""
