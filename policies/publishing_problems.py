"""What cannot be meant, or is not answered for, where a policy says how a group can be found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from policies.defaults import TIERS
from policies.federation import reach_of_community, reach_of_group
from policies.intent import join_rule_of, publish_choice
from policies.problems import Problem
from policies.schema import Group, Policy
from policies.source import Path

_BY_THE_SPACE: Final = "restricted"  # a homeserver's list does not show such rooms, nor could whoever found one come in

__all__ = ["problems_of_publishing"]


def problems_of_publishing(policy: Policy, path: Path, group: Group) -> Iterator[Problem]:
    """Yield what is wrong with how the group at `path` can be found."""
    where: Path = (*path, "publish")
    choice = publish_choice(policy, group)
    if choice.setting is None:
        return
    if choice.value == "directory":
        yield from _directory(where, group, vouched=choice.vouched)
    elif choice.value == "address" and choice.weaker:
        message = "this group has no address while the community lets in other servers"
        advice = "Leave publish out. Servers answer each other what an address leads to, whatever the room says."
        yield Problem(where, message, advice, key=True)
    elif choice.setting.approved_by is not None:
        message = f"publish {choice.value} is not weaker than a group of kind {group.kind} has it"
        yield Problem(
            where, message, f"Nobody needs to answer for it. Write only: publish: {choice.value}", "advice", key=True
        )
    elif choice.value != choice.default and group.kind != "closed" and _shown_nowhere(policy, group):
        message = "no space shows this group, and it has no address: nobody finds it"
        advice = "Leave publish out, or make the group closed: people are then asked in by the people file."
        yield Problem(where, message, advice, "advice", key=True)


def _directory(where: Path, group: Group, *, vouched: bool) -> Iterator[Problem]:
    if group.kind == "closed" or not TIERS[group.tier].in_space:
        what = f"kind {group.kind}" if group.kind == "closed" else f"tier {group.tier}"
        advice = "Leave publish out. That it exists, and how many are in it, is nobody's business outside."
        yield Problem(where, f"a group of {what} is in no public list of rooms", advice, key=True)
    elif join_rule_of(group) == _BY_THE_SPACE:
        message = "people come into this group by the community's space, so a public list of rooms cannot show it"
        advice = "Leave publish out: the space shows it to all who may come in."
        yield Problem(where, message, advice, key=True)
    elif not vouched:
        message = "the public list of rooms would show this group, without a reason and a name"
        advice = (
            'Write "publish: {value: directory, because: …, approved_by: safeguarding_lead}", or leave it out: it is then '
            "found by who knows its address. What a group is called can tell what somebody suffers from."
        )
        yield Problem(where, message, advice, key=True)


def _shown_nowhere(policy: Policy, group: Group) -> bool:
    reach = reach_of_group(policy, group)
    return not TIERS[group.tier].in_space or (reach.federates and not reach.covers(reach_of_community(policy)))
