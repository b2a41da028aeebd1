"""A department, a customer and somebody about to act: where every scenario of a command is played."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import httpx

from aggregates.actor import Role
from tests.services.running import Yewu, done

NUMBERS = itertools.count(1)


class Call(NamedTuple):
    """A request that must succeed."""

    path: str
    body: Mapping[str, object]


class Stage:
    """A department, a customer and somebody of one role, who is about to act."""

    def __init__(self, yewu: Yewu, role: Role) -> None:
        self.yewu, self.role = yewu, role
        self.customer_id = yewu.customer()
        self.actor_id = self.customer_id if role is Role.CUSTOMER else yewu.appointed(role, name=str(role))
        self.actor = yewu.as_(self.actor_id)
        self.unit = "department" if role is Role.MANAGER else "customer-service"
        self._clerk: httpx.Client | None = None
        self._lead: httpx.Client | None = None

    @property
    def clerk(self) -> httpx.Client:
        self._clerk = self._clerk or self.yewu.as_(self.yewu.appointed(Role.CUSTOMER_SERVICE, name="Clerk"))
        return self._clerk

    @property
    def lead(self) -> httpx.Client:
        self._lead = self._lead or self.yewu.as_(self.yewu.appointed(Role.CUSTOMER_SERVICE_LEAD, name="Lead"))
        return self._lead

    def somebody(self, role: Role = Role.MEMBER) -> str:
        return self.yewu.appointed(role, name="Somebody")

    def complaint(self, *acts: str) -> str:
        """A complaint to which this has happened, all by customer service and its lead."""
        received = {"customer_id": self.customer_id, "channel": "phone", "facts": "Cold", "remedy_sought": "Warm"}
        complaint_id = str(done(self.clerk.post("/complaints", json=received))["id"])
        for act in acts:
            by = self.yewu.manager if self.unit == "department" and act == "accept-responsibility" else self.clerk
            done(by.post(f"/complaints/{complaint_id}/{act}", json=self.bodies[act]))
        return complaint_id

    @property
    def bodies(self) -> Mapping[str, Mapping[str, object]]:
        due = str(datetime.now(UTC).date() + timedelta(days=30))
        assessed: dict[str, object] = {
            "category": "quality",
            "severity": "S2",
            "safety_or_legal": False,
            "complexity": "simple",
        }
        said = {"channel": "phone", "wording": "So it is"}
        return {
            "acknowledge": said,
            "record-details": {"facts": "Very cold"},
            "assess": assessed,
            "reassess": {**assessed, "severity": "S1"},
            "assign-department": {"unit": self.unit},
            "accept-responsibility": {},
            "contest-responsibility": {"reason": "Not ours"},
            "settle-responsibility": {"unit": "customer-service", "reason": "It is"},
            "record-investigation": {"findings": "A valve", "root_cause": "part"},
            "decide-measures": {"measures": "Change it", "due": due},
            "report-progress": said,
            "approve-remedy": {"cost": "2000"},
            "propose-resolution": {"remedy": "A valve", "cost": "80"},
            "communicate-decision": said,
            "remind-customer": said,
            "confirm-satisfaction": {"evidence": "letter", "channel": "mail", "score": 5},
            "reject-resolution": {"reason": "Still cold"},
            "escalate": {"reason": "It takes too long"},
            "declare-recourse-exhausted": {"attempts": "Three", "external_recourse_offered": "Ombudsman"},
            "close": {},
            "reopen": {"reason": "Cold again"},
            "withdraw": {"reason": "Never mind", "evidence": "letter"},
            "convert": {"into": "inquiry", "reason": "A question"},
        }
