"""What contradicts itself in the further words of one group: its hours, pace and form, and who comes in."""

from __future__ import annotations

from collections.abc import Iterator

from policies.findings import did_you_mean, shown
from policies.intent import posting_level_of, words_only
from policies.problems import Problem, repeated
from policies.schema import Group, Policy
from policies.source import Path

__all__ = ["problems_of_hours", "problems_of_joining", "problems_of_posting"]


def problems_of_hours(policy: Policy, path: Path, group: Group) -> Iterator[Problem]:
    """Yield what is wrong with the hours of the group at `path`. People are told them without a time zone."""
    usual, own = policy.community.hours, group.hours
    if own is None:
        return
    where: Path = (*path, "hours")
    if own.zone != usual.zone:
        message = f"the hours of this group are of {own.zone}, and those of the community of {usual.zone}"
        advice = f"Write them in {usual.zone}: people are told hours without a time zone, and could come in vain."
        yield Problem(where, message, advice)
    elif own == usual:
        yield Problem(
            where, "these are the community's hours", "Leave hours out: they hold anyway.", "advice", key=True
        )


def problems_of_posting(path: Path, group: Group) -> Iterator[Problem]:
    """Yield what is wrong with how often, and in what form, people may write in the group at `path`."""
    if words_only(group) and posting_level_of(group) > 0:
        message = "only those who moderate write here, and they may share pictures and files"
        yield Problem((*path, "media"), message, "Remove media, or let everybody write.")
    said = group.posting
    if said is None:
        return
    if said.slow is not None and posting_level_of(group) > 0:
        message = "only those who moderate write here, and nobody makes them wait"
        advice = "Remove slow, or let everybody write."
        yield Problem((*path, "posting", "slow"), message, advice, key=True)
    if said.first_messages is not None and posting_level_of(group) > 0:
        message = "only those who moderate write here, and nobody reads first what they write"
        advice = "Remove first_messages, or let everybody write."
        yield Problem((*path, "posting", "first_messages"), message, advice, key=True)
    if said.who is None and said.slow is None and said.first_messages is None:
        yield Problem((*path, "posting"), "posting says nothing", 'Write "who: moderators" or "slow: 30s".', key=True)


def problems_of_joining(policy: Policy, path: Path, group: Group) -> Iterator[Problem]:
    """Yield what is wrong with who may be in the group at `path` by their role, and who answers requests to join it."""
    if group.membership is not None:
        if group.kind not in ("hybrid", "closed"):
            message = f"people come into a group of kind {group.kind} by themselves, whatever their role"
            yield Problem((*path, "membership"), message, "Remove it, or make the group hybrid or closed.", key=True)
        yield from _roles(policy, (*path, "membership", "roles"), group.membership.roles)
    if group.join is None:
        return
    if group.kind != "hybrid":
        message = f"nobody asks to join a group of kind {group.kind}"
        yield Problem((*path, "join"), message, "Remove it, or make the group hybrid.", key=True)
    where: Path = (*path, "join", "approved_by")
    yield from _roles(policy, where, group.join.approved_by)
    for index, role in enumerate(group.join.approved_by):
        if role in policy.roles and "approve_join" not in policy.roles[role].can:
            message = f"the role {role} cannot answer requests to join"
            advice = (
                f'Add approve_join to what it can: "can: [{", ".join((*policy.roles[role].can, "approve_join"))}]".'
            )
            yield Problem((*where, index), message, advice)


def _roles(policy: Policy, where: Path, roles: tuple[str, ...]) -> Iterator[Problem]:
    for index, role in enumerate(roles):
        if role not in policy.roles:
            yield Problem((*where, index), f'there is no role "{shown(role)}"', did_you_mean(role, policy.roles))
    for index, role in repeated(roles):
        if role in policy.roles:
            yield Problem((*where, index), f"{role} stands here twice", "Remove one of the two.")
