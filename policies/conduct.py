"""Which rules about conduct look at what is said in which group, and whether they act: the tier's, else the policy's."""

from __future__ import annotations

from collections.abc import Mapping

from policies.defaults import CONDUCT_RULES, RuleMode, Tier
from policies.schema import Policy

__all__ = ["modes_of_group", "modes_of_groups"]


def modes_of_groups(policy: Policy) -> Mapping[str, Mapping[str, RuleMode]]:
    """Return the rules that look in each group, by its id; a rule that is not named there does not look."""
    return {group_id: modes_of_group(policy, group.tier) for group_id, group in policy.groups.items()}


def modes_of_group(policy: Policy, tier: Tier) -> Mapping[str, RuleMode]:
    """Return the rules that look in a group of this tier: those of the tier, and those that the policy names."""
    named = {name: setting.mode for name, setting in policy.rules.items()}
    return {
        name: named.get(name, rule.mode) for name, rule in CONDUCT_RULES.items() if name in named or tier in rule.tiers
    }
