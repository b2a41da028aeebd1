"""Who may read: said once for each kind of thing, for each question, and for each event that fewer may see."""

from __future__ import annotations

from collections.abc import Mapping

from aggregates.actor import Role
from aggregates.value import Value


class Readers(Value):
    """Roles that read everything, that read what lies in their own area, and that read what is about themselves.

    `levels`: where the area of a row is how secret it is, the roles that read what is so secret. `restricted`: who
    reads it is recorded.
    """

    everything: frozenset[Role] = frozenset()
    own_area: frozenset[Role] = frozenset()
    own: frozenset[Role] = frozenset()
    levels: Mapping[str, frozenset[Role]] = {}
    restricted: bool = False

    @property
    def roles(self) -> frozenset[Role]:
        """Whoever may read any of it."""
        return self.everything.union(self.own_area, self.own, *self.levels.values())


NOBODY = Readers()
"""What nobody has placed is read by nobody."""

BUSINESS_TEAM = Readers(
    everything=frozenset(
        {Role.BUSINESS_DEVELOPMENT, Role.BUSINESS_DEVELOPMENT_LEAD, Role.DEPUTY, Role.MANAGER, Role.AUDITOR}
    )
)
"""Who reads what business development finds out and plans (2.2.3)."""
