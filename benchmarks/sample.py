"""One event as it is usually stored: what every append and every INSERT that is measured writes."""

from __future__ import annotations

from random import Random
from uuid import UUID

from aggregates.actor import Role
from aggregates.event import Envelope
from aggregates.ids import ComplaintId, CustomerId, EmployeeId
from aggregates.service.complaint import ComplaintReceived
from aggregates.text import Code, Text
from infra.append import Entry
from infra.codec import Codec, envelope_bytes

ANNA = EmployeeId("employee-5b0f6a0e-66a2-4b5c-9d5e-0f9d8c1e2a31")
ACME = CustomerId("customer-0f0c1c36-18d5-4f0b-8d0e-3b3f5b1f7c42")
CODEC = Codec((ComplaintReceived,))
RECEIVED = ComplaintReceived(
    customer_id=ACME,
    channel=Code("phone"),
    facts=Text("The boiler in the basement has been cold since Monday, and nobody has called back."),
    remedy_sought=Text("A warm boiler by Friday, and the repair free of charge."),
    about=Code("boiler-3000"),
)
META = envelope_bytes(
    Envelope(
        roles=(Role.CUSTOMER_SERVICE, Role.EMPLOYEE),
        command="complaint.receive",
        clause="3.3.2-a",
        body_hash="b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9",
    )
)


_dice = Random()  # noqa: S311  # no secret, and drawn without asking the kernel


def new_id() -> UUID:
    """One that nobody has."""
    return UUID(int=_dice.getrandbits(128), version=4)


def new_complaint() -> ComplaintId:
    """The id of a stream that does not exist."""
    return ComplaintId(f"complaint-{new_id()}")


_STORED = CODEC.stored("complaint-", RECEIVED)


def entry(complaint_id: ComplaintId) -> Entry:
    """The event on its way to the log: ready made but for its two tags, its own stream and the customer."""
    return Entry(_STORED._replace(tags=(complaint_id, ACME)), META)
