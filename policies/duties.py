"""What a role can do."""

from __future__ import annotations

from policies.defaults import Duty
from policies.schema import Policy

__all__ = ["duties_of"]


def duties_of(policy: Policy, role_id: str) -> tuple[Duty, ...]:
    """Return what a role can do: what the file says, and for lead and deputy to safeguard, which they answer for. They
    are called to cases, so they can act on them."""
    role = policy.roles.get(role_id)
    if role is None:
        return ()
    owners = policy.community.owners
    answers = role_id in (owners.safeguarding_lead, owners.deputy) and "safeguard" not in role.can
    return (*role.can, "safeguard") if answers else role.can
