"""For how long messages of a group are kept: what its tier gives, what the file says, and which of the two is longer. Pure."""

from __future__ import annotations

from policies.defaults import TIERS
from policies.schema import Group
from policies.times import Lifetime

__all__ = ["default_of", "kept", "longer_than_usual"]


def default_of(group: Group) -> Lifetime:
    """Return for how long the tier of a group has messages kept."""
    return Lifetime(TIERS[group.tier].kept_days)


def kept(group: Group) -> Lifetime:
    """Return for how long messages of a group are kept."""
    return group.retention.value if group.retention is not None else default_of(group)


def longer_than_usual(group: Group) -> bool:
    """Whether messages are kept longer than the tier of the group has it: then somebody answers for it."""
    return kept(group).longer_than(default_of(group))
