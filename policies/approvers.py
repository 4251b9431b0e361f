"""Who lets people in: roles that could never read a request, groups at which nobody would answer, requests to oneself."""

from __future__ import annotations

from collections.abc import Iterator

from policies.intent import approvers_of
from policies.people import People, Person
from policies.problems import Problem
from policies.schema import Policy

__all__ = ["problems_of_approvers", "problems_of_approving_roles"]


def problems_of_approving_roles(policy: Policy) -> Iterator[Problem]:
    """Yield the roles that may let people in, and sit in no room in which requests are shown. Advice: an invite is another way."""
    owners = {policy.community.owners.safeguarding_lead, policy.community.owners.deputy}
    if not _hybrid(policy):
        return
    for role_id, role in policy.roles.items():
        if "approve_join" in role.can and not {"moderate", "safeguard"} & set(role.can) and role_id not in owners:
            message = f"the role {role_id} may let people in, and never sees who asks"
            advice = 'Requests are shown to those who moderate: add it, "can: [moderate, approve_join]".'
            yield Problem(("roles", role_id, "can"), message, advice, "advice")


def problems_of_approvers(policy: Policy, people: People) -> Iterator[Problem]:
    """Yield the groups at which nobody would answer, or one alone, who could not let themselves in. Advice: people change."""
    found: dict[tuple[str, ...] | None, tuple[tuple[str, ...], list[Person]]] = {}  # most groups name the same, or none
    for group_id in _hybrid(policy):
        group = policy.groups[group_id]
        named = group.join.approved_by if group.join is not None else None
        if named not in found:
            can = approvers_of(policy, group)
            found[named] = can, [one for one in people.by_id.values() if not one.roles.isdisjoint(can)]
        roles, able = found[named]
        if not roles:
            continue
        if not able:
            message = f"people may ask to join {group_id}, and nobody is listed who can let them in"
            advice = f"Give somebody a role that can approve_join: roles: [{roles[0]}]."
            yield Problem(("people",), message, advice, "advice", key=True)
        elif len(able) == 1 and group_id not in able[0].groups:
            person = able[0].user_id
            message = f"{person} alone can let people into {group_id}, and is not in it: nobody lets themselves in"
            advice = f"Add the group to them: groups: [{group_id}]; or let somebody else approve, too."
            yield Problem(("people", person), message, advice, "advice", key=True)


def _hybrid(policy: Policy) -> list[str]:
    return sorted(group_id for group_id, group in policy.groups.items() if group.kind == "hybrid")
