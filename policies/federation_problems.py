"""What cannot be meant where a policy, or its people, speak of other servers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from policies.federation import host_of, reach_of_community, reach_of_group, same_server, shared_groups, stays_by_nature
from policies.findings import shown
from policies.people import PeopleFile
from policies.problems import Problem
from policies.schema import Group, Policy
from policies.settings import FederationSetting, GroupFederation
from policies.source import Path

_WHERE: Path = ("community", "federation")

__all__ = ["problems_of_elsewhere", "problems_of_federation"]


def problems_of_federation(policy: Policy) -> Iterator[Problem]:
    """Yield what contradicts itself, or is not answered for, where a policy opens its community to other servers."""
    said = policy.community.federation
    if said is not None:
        yield from _community(policy, said)
    for group_id, group in policy.groups.items():
        if group.federation is not None:
            yield from _group(policy, ("groups", group_id, "federation"), group, group.federation)


def _community(policy: Policy, said: FederationSetting) -> Iterator[Problem]:
    home = policy.community.server
    yield from _servers((*_WHERE, "servers"), said.servers, home)
    yield from _servers((*_WHERE, "deny"), said.deny, home)
    if said.mode == "partners" and not said.servers:
        advice = 'Name them: "servers: [chat.partner.example]". Or leave it out: people of this server take part alone.'
        yield Problem(_WHERE, "partners are let in, and none is named", advice, key=True)
    if said.mode != "partners" and said.servers:
        advice = 'Write "mode: partners", or remove the servers.'
        yield Problem((*_WHERE, "servers"), f"servers mean nothing where federation is {said.mode}", advice, key=True)
    if said.mode != "open" and said.deny:
        message = f"deny means nothing where federation is {said.mode}: who is not named is not let in"
        yield Problem((*_WHERE, "deny"), message, 'Remove it, or write "mode: open".', key=True)
    if said.mode != "closed" and not said.vouched:
        more = "servers: […], " if said.mode == "partners" else ""
        advice = (
            f'Write "federation: {{mode: {said.mode}, {more}because: …, approved_by: safeguarding_lead}}", or leave it '
            "out: it is then closed. What other servers are given, they keep."
        )
        yield Problem(_WHERE, "people of other servers are let in, without a reason and a name", advice, key=True)
    elif said.mode == "closed" and said.approved_by is not None:
        advice = "Nobody needs to answer for it. Write only: federation: closed"
        yield Problem(_WHERE, "federation closed is not weaker than it is by itself", advice, "advice", key=True)
    elif said.mode != "closed" and policy.community.risk_assessment is None:
        advice = (
            'Add "risk_assessment: {reviewed: …, next: …, by: …}" under community: what other servers are given, they '
            "keep, so somebody looks at what may go wrong first."
        )
        yield Problem(_WHERE, "people of other servers are let in, without a risk assessment", advice, key=True)
    elif said.mode != "closed" and not shared_groups(policy):
        advice = "Closed groups and those of tier high never leave this server. Leave federation out, or add a group."
        yield Problem(_WHERE, "no group is open to people of other servers", advice, "advice", key=True)


def _servers(path: Path, servers: tuple[str, ...], home: str) -> Iterator[Problem]:
    for index, server in enumerate(servers):
        # Servers are kept out without regard to their port: a list that denies our host would shut us out ourselves.
        if same_server(server, home) or (path[-1] == "deny" and host_of(server) == host_of(home)):
            message = f"{shown(server)} is this community's own server"
            yield Problem((*path, index), message, "Remove it: its people take part in any case.")
        elif server in servers[:index]:
            yield Problem((*path, index), f"{shown(server)} stands here twice", "Remove one of the two.")


def _group(policy: Policy, path: Path, group: Group, said: GroupFederation) -> Iterator[Problem]:
    whole = reach_of_community(policy)
    yield from _servers((*path, "servers"), said.servers, whole.home)
    if said.mode != "partners" and said.servers:
        advice = 'Write "mode: partners", or remove the servers.'
        yield Problem((*path, "servers"), f"servers mean nothing where federation is {said.mode}", advice, key=True)
    if said.mode == "closed":
        if said.approved_by is not None:
            advice = "Nobody needs to answer for it. Write only: federation: closed"
            yield Problem(path, "federation closed is not weaker than it is by itself", advice, "advice", key=True)
        return
    if stays_by_nature(group):
        what = f"a group of kind {group.kind}" if group.tier in ("low", "medium") else f"a group of tier {group.tier}"
        advice = "Leave federation out. Who is in it would be told to other servers, which keep it."
        yield Problem(path, f"{what} never leaves its homeserver", advice, key=True)
    elif not whole.federates:
        advice = "Open the community first, under community: federation, with a reason and a name; or leave this out."
        yield Problem(path, f"the group is {said.mode}, and the community is closed", advice, key=True)
    elif said.mode == "open" and whole.mode != "open":
        advice = "Leave it out: the group is then open to the partners. A group takes part in what the community opens."
        yield Problem(path, "the group opens what the community closes", advice, key=True)
    elif said.mode == "partners" and whole.mode == "open" and not said.servers:
        advice = 'Name them: "{mode: partners, servers: [chat.partner.example]}".'
        yield Problem(path, "partners are let in, and neither the group nor the community names any", advice, key=True)
    else:
        for index, server in enumerate(said.servers):
            if not whole.admits(server):
                advice = "Add it under community: federation, or remove it here."
                message = f"{shown(server)} is not let in by the community"
                yield Problem((*path, "servers", index), message, advice)


def problems_of_elsewhere(policy: Policy, file: PeopleFile) -> Iterator[Problem]:
    """Yield who is listed, and could never be where they are listed, since their account is on another server."""
    whole = reach_of_community(policy)
    admitted, let_into = cache(whole.admits), cache(lambda one, group_id: _lets_into(policy, group_id, one))
    for user_id, entry in file.people.items():
        path: Path = ("people", user_id)
        server = user_id.partition(":")[2]
        if server == whole.home:
            continue
        if not admitted(server):
            message = f"{shown(user_id)} is not on {whole.home}"
            advice = (
                "Only people of the community's own server can take part, and those of its partners: name the server "
                "under community: federation, with a reason and a name."
            )
            yield Problem(path, message, advice, key=True)
            continue
        if entry.roles:
            message = f"{shown(user_id)} has a role, and is not on {whole.home}"
            advice = "The rooms of those who look after others never leave this server: give them an account here."
            yield Problem((*path, "roles"), message, advice, key=True)
        for index, group_id in enumerate(entry.groups):
            if group_id in policy.groups and not let_into(server, group_id):
                message = f"people of {shown(server)} cannot be in {shown(group_id)}"
                advice = "Remove the group here. A closed group, and one of tier high, never leaves its homeserver."
                yield Problem((*path, "groups", index), message, advice)


def _lets_into(policy: Policy, group_id: str, server: str) -> bool:
    return reach_of_group(policy, policy.groups[group_id]).admits(server)
