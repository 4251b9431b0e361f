"""Who is in which group by the people file, and what is wrong there: more than there are places, nobody who moderates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from policies.findings import shown
from policies.intent import roles_in
from policies.people import People, PeopleFile
from policies.problems import Problem
from policies.schema import Group, Policy
from policies.source import Path

__all__ = ["is_listed", "listed_in", "problems_of_cover", "problems_of_places"]


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
    """Yield where nobody who can moderate is listed."""
    moderating = {role_id for role_id, role in policy.roles.items() if "moderate" in role.can}
    covered = {
        group_id
        for person in people.by_id.values()
        if not person.roles.isdisjoint(moderating)
        for group_id, group in policy.groups.items()
        if is_listed(group_id, group, person.roles, person.groups)
    }
    for group_id in sorted(policy.groups):
        if policy.groups[group_id].kind in ("hybrid", "closed") and group_id not in covered:
            message = f"nobody who can moderate is in the group {group_id}"
            advice = f"Add the group to a moderator: groups: [{group_id}]."
            yield Problem(("people",), message, advice, "advice", key=True)
