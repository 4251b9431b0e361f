"""Who is in which group by the people file, and what is wrong there: more than there are places, nobody who moderates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from policies.findings import shown
from policies.intent import posting_level_of, roles_in
from policies.people import People, PeopleFile, Person
from policies.problems import Problem
from policies.schema import Group, Policy
from policies.source import Path

__all__ = ["is_listed", "listed_in", "problems_of_cover", "problems_of_places"]

#: Kinds of groups in which only those are who are listed, or let in by somebody.
_BY_LIST: Final = ("hybrid", "closed")


def is_listed(group_id: str, group: Group, roles: Collection[str], groups: Collection[str]) -> bool:
    """Return whether somebody with these roles, listed for these groups, may be in a group: by name, or by role."""
    return group_id in groups or not set(roles).isdisjoint(roles_in(group))


def listed_in(group_id: str, group: Group, people: People) -> tuple[str, ...]:
    """Return the user ids of those who may be in a group by the people file, sorted."""
    return tuple(
        sorted(one.user_id for one in people.by_id.values() if is_listed(group_id, group, one.roles, one.groups))
    )


def problems_of_places(policy: Policy, file: PeopleFile) -> Iterator[Problem]:
    """Yield each group that more people are listed for than there is room, at the first who is too many."""
    by_name: defaultdict[str, set[str]] = defaultdict(set)
    by_role: defaultdict[str, set[str]] = defaultdict(set)
    for user_id, entry in file.people.items():
        for group_id in entry.groups:
            by_name[group_id].add(user_id)
        for role in entry.roles:
            by_role[role].add(user_id)
    holders: dict[tuple[str, ...], set[str]] = {}
    for group_id, group in policy.groups.items():
        if group.capacity is None:
            continue
        roles = roles_in(group)
        if roles not in holders:
            holders[roles] = set().union(*(by_role[role] for role in roles))
        if len(holders[roles]) + len(by_name[group_id] - holders[roles]) <= group.capacity:
            continue
        listed = (one for one in file.people if one in by_name[group_id] or one in holders[roles])
        user_id = next(islice(listed, group.capacity, None))
        entry = file.people[user_id]
        message = f"{shown(group_id)} has room for {group.capacity} people, and more are listed"
        advice = "Take somebody off this group, or raise its capacity in the policy."
        named = group_id in entry.groups
        where: Path = ("people", user_id, "groups", entry.groups.index(group_id)) if named else ("people", user_id)
        yield Problem(where, message, advice, key=not named)


def problems_of_cover(policy: Policy, people: People) -> Iterator[Problem]:
    """Yield where nobody can moderate, or write: in the whole community, or in a group."""
    moderating = {role_id for role_id, role in policy.roles.items() if "moderate" in role.can}
    moderators = _Some.of(one for one in people.by_id.values() if not one.roles.isdisjoint(moderating))
    if not moderators.anybody:
        owners = policy.community.owners
        led = people.holders(owners.safeguarding_lead) and people.holders(owners.deputy)
        if moderating and led:  # else what is missing first is told first
            message = "nobody holds a role that can moderate, so nobody gets the cards or can remove anything"
            yield Problem(("people",), message, f"Give somebody such a role: roles: [{min(moderating)}].", key=True)
        return
    writers: dict[int, _Some] = {}
    for group_id, group in sorted(policy.groups.items()):
        level = posting_level_of(group)
        if level not in writers:
            writers[level] = _with_power(policy, people, level)
        if level > 0 and not writers[level].could_be_in(group_id, group):
            message = (
                f"nobody could write in the group {group_id}: only those who moderate may, and none of them is in it"
            )
            yield Problem(("people",), message, _add(group_id), key=True)
        elif group.kind in _BY_LIST and not moderators.could_be_in(group_id, group):
            message = f"nobody who can moderate is in the group {group_id}"
            yield Problem(("people",), message, _add(group_id), "advice", key=True)


@dataclass(frozen=True, slots=True)
class _Some:
    """Some people, by what they are approved for: asked once a group, so that no group asks every person."""

    anybody: bool
    roles: frozenset[str]
    groups: frozenset[str]

    @classmethod
    def of(cls, people: Iterable[Person]) -> _Some:
        found = tuple(people)
        roles, groups = (one.roles for one in found), (one.groups for one in found)
        return cls(bool(found), frozenset().union(*roles), frozenset().union(*groups))

    def could_be_in(self, group_id: str, group: Group) -> bool:
        """Whether one of them may be in a group; into others than these, people come by themselves."""
        if group.kind not in _BY_LIST:
            return self.anybody
        return is_listed(group_id, group, self.roles, self.groups)


def _with_power(policy: Policy, people: People, level: int) -> _Some:
    strong = {role_id for role_id, role in policy.roles.items() if role.level >= level}
    return _Some.of(one for one in people.by_id.values() if not one.roles.isdisjoint(strong))


def _add(group_id: str) -> str:
    written = f'"{group_id}"' if group_id.isdigit() else group_id  # without quotes, YAML reads a number
    return f"Add the group to a moderator: groups: [{written}]."
