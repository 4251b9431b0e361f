"""Who may be in a room, by its rule: found by group and role, so that no room asks every person."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from policies.desired import MembershipRule
from policies.people import People

__all__ = ["Approved"]


class Approved:
    """The people of a community, by what they are approved for. `home` is its server's name."""

    def __init__(self, people: People, home: str) -> None:
        self._end = f":{home}"
        self._elsewhere = frozenset(user_id for user_id in people.by_id if not user_id.endswith(self._end))
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
            found: frozenset[str] = frozenset().union(*sets)
            self._found[rule] = found - {one for one in found & self._elsewhere if not rule.lets(one)}
        return self._found[rule]

    def is_elsewhere(self, user_id: str) -> bool:
        """Return whether a person has their account on another server."""
        return user_id in self._elsewhere

    def strangers(self, rule: MembershipRule, present: Iterable[str]) -> set[str]:
        """Return who of those present may not be there."""
        if rule.anyone:
            return {user_id for user_id in present if not (user_id.endswith(self._end) or rule.lets(user_id))}
        return set(present).difference(self.by(rule))

    def sorted_for(self, rule: MembershipRule) -> list[str]:
        """Return the same in the order of user ids."""
        if rule not in self._sorted:
            self._sorted[rule] = sorted(self.by(rule))
        return self._sorted[rule]
