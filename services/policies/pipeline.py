"""Pipeline: an opportunity is negotiated from the moment at which its negotiation is opened (3.1.3)."""

from __future__ import annotations

from collections.abc import Iterator

from aggregates.business.negotiation import NegotiationOpened
from aggregates.event import Recorded
from aggregates.text import Text
from services.policies.policy import Intent, Policy


def negotiate(record: Recorded[NegotiationOpened]) -> Iterator[Intent]:
    """Its stage is what happens to it."""
    reason = Text(f"{record.stream_id} was opened.")
    yield Intent("opportunity.negotiate", record.event.opportunity_id, {"reason": reason})


PIPELINE = Policy(name="Pipeline", reactions={NegotiationOpened: negotiate}, clauses=("3.1.3-c",))
