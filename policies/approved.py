"""Who may be in a room, by its rule: found by group and role, so that no room asks every person."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from policies.desired import MembershipRule
from policies.people import People

__all__ = ["Approved"]


class Approved:
    """The people of a community, by what they are approved for."""

    def __init__(self, people: People) -> None:
        self._groups: defaultdict[str, set[str]] = defaultdict(set)
        self._roles: defaultdict[str, set[str]] = defaultdict(set)
        self._found: dict[MembershipRule, frozenset[str]] = {}
        self._sorted: dict[MembershipRule, list[str]] = {}
        for user_id, person in people.by_id.items():
            for group in person.groups:
                self._groups[group].add(user_id)
            for role in person.roles:
                self._roles[role].add(user_id)

    def by(self, rule: MembershipRule) -> Collection[str]:
        """Return the people that a rule (not one for anyone) admits."""
        if rule not in self._found:
            sets = [self._groups.get(group, set()) for group in rule.groups]
            sets += [self._roles.get(role, set()) for role in rule.roles]
            self._found[rule] = frozenset().union(*sets)
        return self._found[rule]

    def sorted_for(self, rule: MembershipRule) -> list[str]:
        """Return the same in the order of user ids."""
        if rule not in self._sorted:
            self._sorted[rule] = sorted(self.by(rule))
        return self._sorted[rule]
