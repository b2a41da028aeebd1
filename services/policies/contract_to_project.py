"""ContractToProject: a contract whose last day is over has expired, and nothing of it is handed over any more (3.1.4).

That a hand-over is late the clock says on the contract, up the ladder of R-BD-8.
"""

from __future__ import annotations

from projections.handovers import TermRow
from services.policies.policy import Alarm, Intent, Policy


def call_it_expired(row: TermRow) -> Intent:
    """The last day is over."""
    return Intent("contract.expire", row.contract_id, {})


CONTRACT_TO_PROJECT = Policy(
    name="ContractToProject", clauses=("3.1.4-a",), alarms=(Alarm(rows=TermRow, at="alarm_at", then=call_it_expired),)
)
