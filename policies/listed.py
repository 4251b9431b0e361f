"""Who is in which group by the people file, and what is wrong there: more than there are places, nobody who moderates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import Final

from policies.findings import shown
from policies.intent import posting_level_of, roles_in
from policies.people import People, PeopleFile
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
    taken: Counter[str] = Counter()
    for user_id, entry in file.people.items():
        for group_id, group in policy.groups.items():
            if group.capacity is None or not is_listed(group_id, group, entry.roles, entry.groups):
                continue
            taken[group_id] += 1
            if taken[group_id] == group.capacity + 1:
                message = f"{shown(group_id)} has room for {group.capacity} people, and more are listed"
                advice = "Take somebody off this group, or raise its capacity in the policy."
                by_name = group_id in entry.groups
                where: Path = (
                    ("people", user_id, "groups", entry.groups.index(group_id)) if by_name else ("people", user_id)
                )
                yield Problem(where, message, advice, key=not by_name)


def problems_of_cover(policy: Policy, people: People) -> Iterator[Problem]:
    """Yield where nobody can moderate, or write: in the whole community, or in a group."""
    moderating = {role_id for role_id, role in policy.roles.items() if "moderate" in role.can}
    moderators = [one for one in people.by_id.values() if not one.roles.isdisjoint(moderating)]
    if not moderators:
        owners = policy.community.owners
        led = people.holders(owners.safeguarding_lead) and people.holders(owners.deputy)
        if moderating and led:  # else what is missing first is told first
            message = "nobody holds a role that can moderate, so nobody gets the cards or can remove anything"
            yield Problem(("people",), message, f"Give somebody such a role: roles: [{min(moderating)}].", key=True)
        return
    for group_id, group in sorted(policy.groups.items()):
        if posting_level_of(group) > 0 and not _writers(policy, group_id, group, people):
            message = (
                f"nobody could write in the group {group_id}: only those who moderate may, and none of them is in it"
            )
            yield Problem(("people",), message, _add(group_id), key=True)
        elif group.kind in _BY_LIST and not any(
            is_listed(group_id, group, one.roles, one.groups) for one in moderators
        ):
            message = f"nobody who can moderate is in the group {group_id}"
            yield Problem(("people",), message, _add(group_id), "advice", key=True)


def _writers(policy: Policy, group_id: str, group: Group, people: People) -> bool:
    """Whether somebody may be in a group and has the power to write there; into others than these, people come by themselves."""
    return any(
        policy.roles[role].level >= posting_level_of(group)
        and (group.kind not in _BY_LIST or is_listed(group_id, group, one.roles, one.groups))
        for one in people.by_id.values()
        for role in one.roles
        if role in policy.roles
    )


def _add(group_id: str) -> str:
    written = f'"{group_id}"' if group_id.isdigit() else group_id  # without quotes, YAML reads a number
    return f"Add the group to a moderator: groups: [{written}]."
