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

ASSESSORS = "FIN RSK"
"""5.2.2-a: finance and risk management judge, deputies and the manager decide."""

COLLECTORS = "FIN BD BDL"
"""5.2.2-b: finance, and whoever sold to the customer."""

COUNTERS = "BD BDL CS CSL"
"""3.1.2, 3.3.1: whoever meets customers keeps their files."""

SELLERS = "BD BDL"
"""2.2.3: business development wins customers, negotiates and draws up contracts."""

LEADS = "BDL DEP MGR"
"""2.2.3-b: who decides about customers."""

DECIDERS = "DEP MGR"
"""3.1.3: what is at stake says which of the two."""
TEAM = "BD BDL"
"""3.1: whoever wins customers; the lead answers for what goes out (2.2.3)."""

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
    "customer.assign_owner": LEADS,
    "customer.record_need": COUNTERS,
    "customer.qualify": SELLERS,
    "customer.activate": SELLERS,
    "customer.assign_tier": LEADS,
    "customer.mark_dormant": SELLERS,
    "customer.reactivate": SELLERS,
    "customer.lose": SELLERS,
    "customer.block": LEADS,
    "customer.unblock": LEADS,
    "customer.merge": LEADS,
    "customer.record_objection": COUNTERS,
    "customer.withdraw_objection": COUNTERS,
    "customer.contact": COUNTERS,
    "opportunity.identify": SELLERS,
    "opportunity.move": SELLERS,
    "opportunity.assign_owner": LEADS,
    "opportunity.confirm_needs": SELLERS,
    "opportunity.qualify": SELLERS,
    "opportunity.change_stage": SELLERS,
    "opportunity.estimate_value": SELLERS,
    "opportunity.forecast_close": SELLERS,
    "opportunity.win": SELLERS,
    "opportunity.lose": SELLERS,
    "opportunity.abandon": SELLERS,
    "opportunity.reopen": SELLERS,
    "contract.draft": SELLERS,
    "contract.redraft": SELLERS,
    "contract.amend": SELLERS,
    "contract.approve": DECIDERS,
    "contract.return_draft": DECIDERS,
    "contract.void": f"BDL {DECIDERS}",
    "contract.sign": DECIDERS,
    "contract.hand_over": SELLERS,
    "contract.accept_handover": "PML",
    "contract.return_handover": "PML",
    "contract.fulfil_obligation": f"{SELLERS} PM PML",
    "contract.terminate": DECIDERS,
    "negotiation.prepare_brief": SELLERS,
    "negotiation.revise_brief": SELLERS,
    "negotiation.approve_brief": DECIDERS,
    "negotiation.return_brief": DECIDERS,
    "negotiation.open": SELLERS,
    "negotiation.record_round": SELLERS,
    "negotiation.offer_terms": SELLERS,
    "negotiation.receive_counter_offer": SELLERS,
    "negotiation.approve_below_floor": DECIDERS,
    "negotiation.agree_terms": SELLERS,
    "negotiation.break_off": SELLERS,
    "segment.watch": TEAM,
    "segment.unwatch": "BDL",
    "segment.watch_again": TEAM,
    "segment.record_intelligence": TEAM,
    "research.open": TEAM,
    "research.analyse_segment": TEAM,
    "research.publish": "BDL",
    "plan.draft": TEAM,
    "plan.redraft": TEAM,
    "plan.submit": TEAM,
    "plan.approve": "MGR",
    "plan.send_back": "MGR",
    "plan.adjust_strategy": "BDL",
    "plan.evaluate": "BDL MGR",
    "campaign.start": TEAM,
    "campaign.end": TEAM,
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
    "complaint.remind_customer": STAFF,
    "complaint.confirm_satisfaction": f"{DESK} CUST",
    "complaint.reject_resolution": f"{DESK} CUST",
    "complaint.escalate": STAFF,
    "complaint.declare_recourse_exhausted": "MGR",
    "complaint.close": DESK,
    "complaint.reopen": f"{DESK} CUST",
    "complaint.withdraw": f"{DESK} CUST",
    "complaint.convert": "CSL",
    "parking.skip": "MGR DAL",
    "credit.assess": ASSESSORS,
    "credit.reassess": ASSESSORS,
    "credit.approve_limit": "DEP MGR",
    "credit.request_override": STAFF,
    "credit.approve_override": "DEP MGR",
    "credit.reject_override": "DEP MGR",
    "credit.suspend": f"{ASSESSORS} DEP MGR",
    "credit.release": "DEP MGR",
    "receivable.bill": "FIN",
    "receivable.receive_payment": "FIN",
    "receivable.reverse_payment": "FIN",
    "receivable.dispute": COLLECTORS,
    "receivable.resolve_dispute": "FIN",
    "receivable.promise_payment": COLLECTORS,
    "receivable.pause_dunning": "FIN",
    "receivable.resume_dunning": "FIN",
    "receivable.take_dunning_step": COLLECTORS,
    "receivable.hand_to_legal": "FIN MGR",
    "receivable.request_write_off": "FIN",
    "receivable.approve_write_off": "MGR",
    "receivable.reject_write_off": "MGR",
    "review.request": "BD BDL PM",
    "review.assign": "LEG",
    "review.let_pass": "LEG",
    "review.let_pass_on_conditions": "LEG",
    "review.reject": "LEG",
    "review.withdraw": "BD BDL PM",
    "consultation.ask": STAFF,
    "consultation.advise": "LEG",
    "consultation.follow": STAFF,
    "consultation.not_follow": STAFF,
    "recordclass.publish": "MGR",
    "recordclass.revise": "MGR",
    "document.register": STAFF,
    "document.add_version": STAFF,
    "document.review": "MGR DEP BDL PML CSL DAL LEG",
    "document.declare_record": STAFF,
    "document.archive": "REC",
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
RELATIONS = Reads(f"{COUNTERS} DEP {EVIDENCE}", own=STAFF)
"""What is thought of a customer is for whoever meets customers and for its owner, never for the customer."""

OUTREACH = Reads(f"{COUNTERS} DEP {EVIDENCE}")
PIPELINE = Reads(f"{SELLERS} DEP {EVIDENCE}", own=STAFF)
"""3.1.3: the team of business development, and whoever owns one."""

SALES = Reads(f"{SELLERS} DEP {EVIDENCE}")
CONTRACTS = Reads("BD BDL DEP MGR LEG FIN PML REC AUD")
"""3.1.3, 3.1.4: who makes, reviews, decides on, bills, takes over and files contracts."""

NEGOTIATIONS = Reads(f"{SELLERS} {DECIDERS} AUD")
"""3.1.3-b: the team of business development, but for the brief, which is for those who are on it."""
DEVELOPMENT = Reads(f"{TEAM} DEP {EVIDENCE}")
"""Business development: the team, and whoever decides on its work."""

CREDITS = Reads(f"{ASSESSORS} DEP {EVIDENCE}")
CREDITS_SHOWN = CREDITS._replace(own=STAFF)
"""Credit: business development sees that of its own customers."""

RECEIVABLES = Reads(f"{COLLECTORS} RSK DEP {EVIDENCE}")

PEOPLE = Reads(f"HR {EVIDENCE}", own=STAFF)
"""People: what happened to somebody is for personnel and for themselves."""

VERDICTS = Reads("MGR DEP AUD CSL DAL")
"""Compliance: findings are the manager's and auditors'; leads see how their work stands."""

REVIEWS = Reads(f"BD BDL PM LEG DEP {EVIDENCE}")
"""5.2.4: counsel and whoever brings contracts to counsel."""

IN_CONFIDENCE = f"LEG {EVIDENCE}"
CONSULTATIONS = Reads(IN_CONFIDENCE, own=STAFF)
"""5.2.4: what is said between somebody and counsel."""

EVERYBODY = Reads(STAFF)
"""Organisation: all, and a directory of who works here."""

DOCUMENTS = Reads(STAFF)
"""6.2.1: by security level; what is internal, as here, is for all. More secret ones: test_documents.py."""

READS: Mapping[str, Reads] = {
    "/complaints": COMPLAINTS_SHOWN,
    "/complaints/{complaint_id}": COMPLAINTS_SHOWN,
    "/complaints/difference": COMPLAINTS_SHOWN,
    "/complaints/figures": Reads(f"{DESK} DEP {EVIDENCE}"),
    "/customers": CUSTOMERS_SHOWN,
    "/customers/{customer_id}": CUSTOMERS_SHOWN,
    "/customers/difference": CUSTOMERS_SHOWN,
    "/customers/relations": RELATIONS,
    "/customers/relations/difference": RELATIONS,
    "/customers/silence": OUTREACH,
    "/customers/funnel": OUTREACH,
    "/customers/outreach": OUTREACH,
    "/customers/contacts": OUTREACH,
    "/customers/contacts/difference": OUTREACH,
    "/customers/duplicates": OUTREACH,
    "/opportunities": PIPELINE,
    "/opportunities/{opportunity_id}": PIPELINE,
    "/opportunities/difference": PIPELINE,
    "/opportunities/stages": SALES,
    "/opportunities/time-in-stage": SALES,
    "/opportunities/results": SALES,
    "/opportunities/forecasts": SALES,
    "/contracts": CONTRACTS,
    "/contracts/{contract_id}": CONTRACTS,
    "/contracts/difference": CONTRACTS,
    "/contracts/obligations": CONTRACTS,
    "/contracts/payments": CONTRACTS,
    "/contracts/gates": CONTRACTS,
    "/contracts/handovers": CONTRACTS,
    "/contracts/expiring": CONTRACTS,
    "/negotiations": NEGOTIATIONS,
    "/negotiations/{negotiation_id}": NEGOTIATIONS,
    "/negotiations/{negotiation_id}/brief": Reads(f"{DECIDERS} AUD", own=SELLERS),
    "/negotiations/concessions": Reads(f"{DECIDERS} AUD"),
    **{
        address: DEVELOPMENT
        for page, id_, more in (
            ("segments", "segment_id", ("intelligence", "intelligence/difference")),
            ("research", "research_id", ("scores", "difference")),
            ("plans", "plan_id", ("gate", "goals", "difference")),
            ("campaigns", "campaign_id", ("channels", "difference")),
        )
        for address in (f"/{page}", f"/{page}/{{{id_}}}", *(f"/{page}/{name}" for name in more))
    },
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
    "/credits": CREDITS_SHOWN,
    "/credits/{customer_id}": CREDITS_SHOWN,
    "/credits/difference": CREDITS_SHOWN,
    "/receivables": RECEIVABLES,
    "/receivables/{receivable_id}": RECEIVABLES,
    "/receivables/difference": RECEIVABLES,
    "/receivables/ageing": RECEIVABLES,
    "/receivables/dunning": RECEIVABLES,
    "/receivables/figures": RECEIVABLES,
    "/reviews": REVIEWS,
    "/reviews/queue": REVIEWS,
    "/reviews/{review_id}": REVIEWS,
    "/reviews/difference": REVIEWS,
    "/consultations": CONSULTATIONS,
    "/consultations/{consultation_id}": CONSULTATIONS,
    "/consultations/difference": CONSULTATIONS,
    "/parked": Reads("MGR DEP AUD DAL"),
    "/parked/difference": Reads("MGR DEP AUD DAL"),
    "/duties": EVERYBODY,
    "/verdicts": VERDICTS,
    "/verdicts/difference": VERDICTS,
    "/conformance": VERDICTS,
    "/what-if": VERDICTS,
    "/regulation/coverage": EVERYBODY,
    "/regulation/{clause}/evidence": VERDICTS,
    "/recordclasses": EVERYBODY,
    "/recordclasses/{record_class_id}": EVERYBODY,
    "/recordclasses/difference": EVERYBODY,
    "/documents": DOCUMENTS,
    "/documents/{document_id}": DOCUMENTS,
    "/documents/difference": DOCUMENTS,
    "/contents/{hash}": Reads("BD BDL DEP MGR LEG FIN PML REC AUD"),
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
            "opportunity": PIPELINE,
            "negotiation": NEGOTIATIONS,
            "contract": CONTRACTS,
            **dict.fromkeys(("segment", "research", "plan", "campaign"), DEVELOPMENT),
            "employee": PEOPLE,
            "department": EVERYBODY,
            "parameter": EVERYBODY,
            "calendar": EVERYBODY,
            "waiver": EVERYBODY,
            "credit": CREDITS,
            "receivable": RECEIVABLES,
            "review": REVIEWS,
            "consultation": CONSULTATIONS,
            "recordclass": EVERYBODY,
            "document": DOCUMENTS,
            "parking": Reads("MGR DEP AUD DAL"),
            "any other": Reads(EVIDENCE),
        }.items()
    },
}

RESTRICTED: Mapping[str, str] = {
    "CommandRefused": EVIDENCE,
    "RestrictedFieldsRead": EVIDENCE,
    "NegotiationBriefPrepared": f"{DECIDERS} AUD",
    "NegotiationBriefReturned": f"{DECIDERS} AUD",
    "BelowFloorApproved": f"{DECIDERS} AUD",
    "LegalConsultationAsked": IN_CONFIDENCE,
    "LegalAdviceGiven": IN_CONFIDENCE,
    "AdviceFollowed": IN_CONFIDENCE,
    "AdviceNotFollowed": IN_CONFIDENCE,
}
"""Events that fewer may read than the rest of the log."""
